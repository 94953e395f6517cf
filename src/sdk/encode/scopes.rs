//! Items by their instrumentation scope.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};

use super::{
    attributes::{attributes_len, put_attributes},
    nested::{field_len, put_message, put_text},
};

/// A scope as it is exported: two that OTLP writes the same are the same.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    name: &'a str,
    scope: &'a InstrumentationScope,
}

impl<'a> Scope<'a> {
    pub(super) fn new(scope: &'a InstrumentationScope) -> Self {
        Self::named(scope.name(), scope)
    }

    /// A scope with another name than its own.
    pub(super) const fn named(name: &'a str, scope: &'a InstrumentationScope) -> Self {
        Self { name, scope }
    }

    fn version(&self) -> &'a str {
        self.scope.version().unwrap_or_default()
    }

    pub(super) fn schema_url(&self) -> &'a str {
        self.scope.schema_url().unwrap_or_default()
    }

    /// About how many bytes the scope and its schema URL take.
    pub(super) fn len(&self) -> usize {
        field_len(self.message_len()) + field_len(self.schema_url().len())
    }

    fn message_len(&self) -> usize {
        field_len(self.name.len())
            + field_len(self.version().len())
            + attributes_len(self.scope.attributes())
    }

    /// Writes field 1 of `ScopeSpans`, `ScopeLogs` and `ScopeMetrics`.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_message(out, 1, self.message_len(), |out| {
            put_text(out, 1, self.name);
            put_text(out, 2, self.version());
            put_attributes(out, 3, self.scope.attributes());
        });
    }
}

impl PartialEq for Scope<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && (std::ptr::eq(self.scope, other.scope)
                || self.version() == other.version()
                    && self.schema_url() == other.schema_url()
                    && same_attributes(self.scope, other.scope))
    }
}

impl Eq for Scope<'_> {}

impl Hash for Scope<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.version().hash(state);
        self.schema_url().hash(state);
        state.write_u64(attributes_hash(self.scope));
    }
}

/// A sum, since the order of attributes says nothing.
fn attributes_hash(scope: &InstrumentationScope) -> u64 {
    scope.attributes().fold(0, |sum: u64, attribute| {
        let mut hasher = DefaultHasher::new();
        attribute.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

fn same_attributes(one: &InstrumentationScope, other: &InstrumentationScope) -> bool {
    let mut pairs = one.attributes().zip(other.attributes());
    if one.attributes().count() != other.attributes().count() {
        return false;
    }
    if pairs.all(|(one, other)| same(one, other)) {
        return true;
    }
    // In another order, perhaps. Scopes have few attributes, and those that differ have hashes
    // that do.
    let times = |scope: &InstrumentationScope, attribute| {
        let equal = scope.attributes().filter(|found| same(found, attribute));
        equal.count()
    };
    attributes_hash(one) == attributes_hash(other)
        && one
            .attributes()
            .all(|attribute| times(one, attribute) == times(other, attribute))
}

/// Whether two attributes are written the same: not a number is itself.
fn same(one: &KeyValue, other: &KeyValue) -> bool {
    let bits = |a: &f64, b: &f64| a.to_bits() == b.to_bits();
    one.key == other.key
        && match (&one.value, &other.value) {
            (Value::F64(a), Value::F64(b)) => bits(a, b),
            (Value::Array(Array::F64(a)), Value::Array(Array::F64(b))) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| bits(a, b))
            }
            (a, b) => a == b,
        }
}

/// An item of a batch.
pub(super) struct Item<T> {
    /// Index of its scope.
    scope: usize,
    /// About how many bytes it takes.
    pub(super) length: usize,
    pub(super) item: T,
}

/// Items side by side with those of the same scope.
pub(super) struct ByScope<'a, T> {
    scopes: Vec<Scope<'a>>,
    /// Sorted by their scopes.
    items: Vec<Item<T>>,
}

impl<'a, T> ByScope<'a, T> {
    /// Groups at most `count` items, each with its scope and about how many bytes it takes. The
    /// scopes come in the order of their first items, and the items of a scope in their own.
    pub(super) fn group(count: usize, items: impl Iterator<Item = (Scope<'a>, usize, T)>) -> Self {
        let mut scopes: Vec<Scope<'a>> = Vec::with_capacity(4);
        let mut grouped = Vec::with_capacity(count);
        // Only for the batches that need it: most have one scope.
        let mut known = HashMap::new();
        let mut current = 0;
        for (scope, length, item) in items {
            if scopes.get(current) != Some(&scope) {
                if let ([first], true) = (&scopes[..], known.is_empty()) {
                    known.reserve(count);
                    known.insert(*first, 0);
                }
                current = match scopes.len() {
                    0 => 0,
                    next => *known.entry(scope).or_insert(next),
                };
                if current == scopes.len() {
                    scopes.push(scope);
                }
            }
            grouped.push(Item {
                scope: current,
                length,
                item,
            });
        }
        if scopes.len() > 1 {
            grouped.sort_by_key(|item| item.scope);
        }
        Self {
            scopes,
            items: grouped,
        }
    }

    /// The scopes, each with its items.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Scope<'a>, &[Item<T>])> {
        let groups = self.items.chunk_by(|one, other| one.scope == other.scope);
        self.scopes.iter().copied().zip(groups)
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}

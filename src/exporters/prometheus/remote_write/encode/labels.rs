//! Label sets: from a resource, a scope and a data point to labels that are sorted and unique.

use super::{
    options::EncodeOptions,
    series::Label,
    symbols::{Symbol, Symbols},
};
use crate::{
    exporters::prometheus::translate::label_name,
    otlp::{AnyValue, Attributes, Resource, ScopeGroup, text},
};

/// The attributes of a resource that become `job` and `instance`.
const IDENTITY: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];

/// Labels that mean something to Prometheus.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) name: Symbol,
    pub(super) le: Symbol,
    pub(super) quantile: Symbol,
    exported_le: Symbol,
    exported_quantile: Symbol,
    pub(super) job: Symbol,
    pub(super) instance: Symbol,
    scope_name: Symbol,
    scope_version: Symbol,
    scope_schema_url: Symbol,
}

/// What a key becomes.
#[derive(Clone, Copy)]
enum Name {
    Unasked,
    Nothing,
    Is(Symbol),
}

struct Found {
    name: Symbol,
    key: Symbol,
    value: Symbol,
}

#[derive(Default)]
pub(super) struct Labels {
    pub(super) known: Known,
    /// By the number of the key.
    names: Vec<Name>,
    found: Vec<Found>,
    external: Vec<Label>,
    /// `job` and `instance`.
    target: Vec<Label>,
    /// Those of the resource and scope that give way to a point's own.
    weak: Vec<Label>,
    /// Those of the resource and scope that a point cannot replace.
    strong: Vec<Label>,
    /// Those of the point, with all others but the name.
    point: Vec<Label>,
    full: Vec<Label>,
    text: Vec<u8>,
}

impl Labels {
    /// For a new request, with a fresh table of symbols.
    pub(super) fn clear(&mut self, symbols: &mut Symbols, options: &EncodeOptions) {
        self.known = Known {
            name: symbols.intern(b"__name__"),
            le: symbols.intern(b"le"),
            quantile: symbols.intern(b"quantile"),
            exported_le: symbols.intern(b"exported_le"),
            exported_quantile: symbols.intern(b"exported_quantile"),
            job: symbols.intern(b"job"),
            instance: symbols.intern(b"instance"),
            scope_name: symbols.intern(b"otel_scope_name"),
            scope_version: symbols.intern(b"otel_scope_version"),
            scope_schema_url: symbols.intern(b"otel_scope_schema_url"),
        };
        self.names.clear();
        self.external.clear();
        for (name, value) in &options.external_labels {
            if !value.is_empty() {
                let label = (
                    symbols.intern(name.as_bytes()),
                    symbols.intern(value.as_bytes()),
                );
                self.external.push(label);
            }
        }
    }

    /// Goes on to a resource. Whether it says which instance it is.
    pub(super) fn resource(
        &mut self,
        symbols: &mut Symbols,
        options: &EncodeOptions,
        resource: &Resource<'_>,
    ) -> bool {
        let [namespace, name, instance] = IDENTITY.map(|key| resource.attributes().get(key));
        self.target.clear();
        if let Some(name) = name {
            self.text.clear();
            if let Some(namespace) = namespace {
                text::value(&mut self.text, namespace);
                if !self.text.is_empty() {
                    self.text.push(b'/');
                }
            }
            text::value(&mut self.text, name);
            let job = symbols.intern(&self.text);
            if job != Symbol::EMPTY {
                self.target.push((self.known.job, job));
            }
        }
        let instance = instance.map(|instance| self.value(symbols, instance));
        let instance = instance.filter(|value| *value != Symbol::EMPTY);
        if let Some(instance) = instance {
            self.target.push((self.known.instance, instance));
        }
        self.weak.clear();
        for key in &options.resource_labels {
            let Some(value) = resource.attributes().get(key) else {
                continue;
            };
            let value = self.value(symbols, value);
            let key = symbols.intern(key.as_bytes());
            if value != Symbol::EMPTY
                && let Some(name) = self.name(symbols, options, key)
                && !has(&self.weak, name)
            {
                self.weak.push((name, value));
            }
        }
        for label in &self.external {
            if !has(&self.weak, label.0) {
                self.weak.push(*label);
            }
        }
        self.strong.clear();
        instance.is_some()
    }

    /// The labels of `target_info`, unless the resource has nothing to say there.
    pub(super) fn target_info(
        &mut self,
        symbols: &mut Symbols,
        options: &EncodeOptions,
        resource: &Resource<'_>,
        name: Symbol,
    ) -> Option<&[Label]> {
        if self.target.is_empty() {
            return None;
        }
        self.found.clear();
        for (key, value) in resource.attributes() {
            if !IDENTITY.iter().any(|identity| key == *identity) {
                self.find(symbols, options, key.as_bytes(), value, None);
            }
        }
        if self.found.is_empty() {
            return None;
        }
        self.strong.clear();
        self.strong.extend_from_slice(&self.target);
        self.finish_point(symbols);
        Some(self.series(symbols, name, None))
    }

    /// Goes on to a scope.
    pub(super) fn scope<T>(
        &mut self,
        symbols: &mut Symbols,
        options: &EncodeOptions,
        group: &ScopeGroup<'_, T>,
    ) {
        self.strong.clear();
        self.strong.extend_from_slice(&self.target);
        if !options.scope_labels {
            return;
        }
        let scope = group.scope();
        let known = self.known;
        let own = [
            known.scope_name,
            known.scope_version,
            known.scope_schema_url,
        ];
        let texts = [scope.name(), scope.version(), group.schema_url()];
        for (name, text) in own.into_iter().zip(texts) {
            if !text.is_empty() {
                self.strong.push((name, symbols.intern(text.as_bytes())));
            }
        }
        self.found.clear();
        let mut key_text = Vec::new();
        for (key, value) in scope.attributes() {
            key_text.clear();
            key_text.extend_from_slice(b"otel_scope_");
            key_text.extend_from_slice(key.as_bytes());
            self.find(symbols, options, &key_text, value, None);
        }
        self.join(symbols);
        for found in &self.found {
            if !own.contains(&found.name) && !has(&self.strong, found.name) {
                self.strong.push((found.name, found.value));
            }
        }
    }

    /// Goes on to a data point. `reserved` is a label that its series will have beside these.
    pub(super) fn point(
        &mut self,
        symbols: &mut Symbols,
        options: &EncodeOptions,
        attributes: Attributes<'_>,
        reserved: Option<Symbol>,
    ) {
        let reserved = reserved.map(|name| {
            let other = if name == self.known.le {
                self.known.exported_le
            } else {
                self.known.exported_quantile
            };
            (name, other)
        });
        self.found.clear();
        for (key, value) in attributes {
            self.find(symbols, options, key.as_bytes(), value, reserved);
        }
        self.finish_point(symbols);
    }

    /// All labels of a series of this point: its name, and perhaps one more.
    pub(super) fn series(
        &mut self,
        symbols: &Symbols,
        name: Symbol,
        more: Option<Label>,
    ) -> &[Label] {
        self.full.clear();
        let mut news = [Some((self.known.name, name)), more];
        // `__name__` stands before lower-case letters, and so before `le` and `quantile`.
        let mut news = news.iter_mut();
        let mut new = news.next().and_then(Option::take);
        for label in &self.point {
            while let Some(ready) = new {
                if symbols.get(ready.0) > symbols.get(label.0) {
                    break;
                }
                self.full.push(ready);
                new = news.next().and_then(Option::take);
            }
            if self.full.last().is_none_or(|last| last.0 != label.0) {
                self.full.push(*label);
            }
        }
        self.full.extend(new);
        self.full.extend(news.filter_map(Option::take));
        &self.full
    }

    /// The labels of an exemplar, sorted: the ids, and the attributes if all fit.
    pub(super) fn exemplar(
        &mut self,
        symbols: &mut Symbols,
        options: &EncodeOptions,
        ids: [(&'static [u8], &[u8]); 2],
        attributes: Attributes<'_>,
    ) -> &[Label] {
        /// Characters that an exemplar's labels may have, all together: OpenMetrics 1.0.
        const MOST: usize = 128;
        self.full.clear();
        for (name, id) in ids {
            if id.is_empty() {
                continue;
            }
            self.text.clear();
            crate::otlp::json::hex::encode(&mut self.text, id);
            let label = (symbols.intern(name), symbols.intern(&self.text));
            self.full.push(label);
        }
        let own = self.full.len();
        self.found.clear();
        for (key, value) in attributes {
            self.find(symbols, options, key.as_bytes(), value, None);
        }
        self.join(symbols);
        for found in &self.found {
            if !has(self.full.get(..own).unwrap_or_default(), found.name) {
                self.full.push((found.name, found.value));
            }
        }
        let length = |symbol| characters(symbols.get(symbol));
        let total: usize = self
            .full
            .iter()
            .map(|(name, value)| length(*name) + length(*value))
            .sum();
        if total > MOST {
            self.full.truncate(own);
        }
        sort(symbols, &mut self.full);
        &self.full
    }

    fn find(
        &mut self,
        symbols: &mut Symbols,
        options: &EncodeOptions,
        key: &[u8],
        value: AnyValue<'_>,
        reserved: Option<(Symbol, Symbol)>,
    ) {
        let value = self.value(symbols, value);
        // A label without a value is none.
        if value == Symbol::EMPTY {
            return;
        }
        let key = symbols.intern(key);
        let Some(mut name) = self.name(symbols, options, key) else {
            return;
        };
        if let Some((taken, other)) = reserved
            && name == taken
        {
            name = other;
        }
        self.found.push(Found { name, key, value });
    }

    fn value(&mut self, symbols: &mut Symbols, value: AnyValue<'_>) -> Symbol {
        if let AnyValue::Str(text) = value {
            return symbols.intern(text.as_bytes());
        }
        self.text.clear();
        text::value(&mut self.text, value);
        symbols.intern(&self.text)
    }

    /// The label's name for a key, translated once a request.
    fn name(
        &mut self,
        symbols: &mut Symbols,
        options: &EncodeOptions,
        key: Symbol,
    ) -> Option<Symbol> {
        match self.names.get(key.at()) {
            Some(Name::Is(name)) => return Some(*name),
            Some(Name::Nothing) => return None,
            _ => {}
        }
        let text = std::str::from_utf8(symbols.get(key)).unwrap_or_default();
        let name = label_name(options.strategy, text)
            .map(|name| symbols.intern(name.as_bytes()))
            .filter(|name| *name != self.known.name);
        if self.names.len() <= key.at() {
            self.names.resize(symbols.len(), Name::Unasked);
        }
        if let Some(slot) = self.names.get_mut(key.at()) {
            *slot = name.map_or(Name::Nothing, Name::Is);
        }
        name
    }

    /// Sorts what was found, and joins the values of attributes that became one label.
    fn join(&mut self, symbols: &mut Symbols) {
        self.found.sort_by(|one, other| {
            let name = |found: &Found| symbols.get(found.name);
            let key = |found: &Found| symbols.get(found.key);
            name(one)
                .cmp(name(other))
                .then_with(|| key(one).cmp(key(other)))
        });
        if self
            .found
            .windows(2)
            .all(|pair| pair[0].name != pair[1].name)
        {
            return;
        }
        let mut at = 0;
        while at < self.found.len() {
            let name = self.found[at].name;
            let same = self.found[at..]
                .iter()
                .take_while(|found| found.name == name)
                .count();
            if same > 1 {
                self.text.clear();
                for position in at..at + same {
                    let found = &self.found[position];
                    let next = self.found.get(position + 1);
                    // Of one key that was sent twice the last counts.
                    if next.is_some_and(|next| next.name == name && next.key == found.key) {
                        continue;
                    }
                    if !self.text.is_empty() {
                        self.text.push(b';');
                    }
                    self.text.extend_from_slice(symbols.get(found.value));
                }
                self.found[at].value = symbols.intern(&self.text);
                self.found.drain(at + 1..at + same);
            }
            at += 1;
        }
    }

    /// Puts together what was found with what the resource and the scope say.
    fn finish_point(&mut self, symbols: &mut Symbols) {
        self.join(symbols);
        self.point.clear();
        self.point.extend_from_slice(&self.strong);
        for found in &self.found {
            if !has(&self.strong, found.name) {
                self.point.push((found.name, found.value));
            }
        }
        let own = self.point.len();
        for label in &self.weak {
            if !has(self.point.get(..own).unwrap_or_default(), label.0) {
                self.point.push(*label);
            }
        }
        sort(symbols, &mut self.point);
    }
}

fn has(labels: &[Label], name: Symbol) -> bool {
    labels.iter().any(|label| label.0 == name)
}

/// By the bytes of their names.
fn sort(symbols: &Symbols, labels: &mut [Label]) {
    labels.sort_unstable_by(|one, other| symbols.get(one.0).cmp(symbols.get(other.0)));
}

fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}

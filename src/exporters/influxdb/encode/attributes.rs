//! Attributes: merged, sorted, as tags of a point or as one JSON field.
//!
//! What a resource and a scope have is rendered once, and merged with what each item has.

use std::{cmp::Ordering, ops::Range};

use super::text::{json_in_quotes, json_string_in_quotes, tag};
use crate::otlp::{
    text,
    views::{AnyValue, Attributes, Str},
};

/// Room for the attributes of one item: made once, used for all.
pub(super) type Sorted<'a> = Vec<(Str<'a>, AnyValue<'a>)>;

/// Fills `sorted` with the attributes that `keep` keeps, by key; of equal keys the last one.
pub(super) fn sort<'a>(
    sorted: &mut Sorted<'a>,
    attributes: impl Iterator<Item = (Str<'a>, AnyValue<'a>)>,
    keep: impl Fn(&[u8]) -> bool,
) {
    sorted.clear();
    sorted.extend(attributes.filter(|(key, _)| keep(key.as_bytes())));
    // Stable, so that of equal keys the last stays the last.
    sorted.sort_by_key(|(key, _)| *key);
    sorted.dedup_by(|later, earlier| {
        let is_same = later.0 == earlier.0;
        if is_same {
            *earlier = *later;
        }
        is_same
    });
}

/// Attributes with their rendered form, by key.
#[derive(Debug, Default)]
pub(super) struct Rendered<'a> {
    text: Vec<u8>,
    entries: Vec<(Str<'a>, Range<usize>)>,
    /// Whether a key became another one.
    has_other_keys: bool,
}

impl<'a> Rendered<'a> {
    /// Renders each by `render`, which says whether the key became another one.
    pub(super) fn new(
        sorted: &[(Str<'a>, AnyValue<'a>)],
        mut render: impl FnMut(&mut Vec<u8>, Str<'a>, AnyValue<'a>) -> bool,
    ) -> Self {
        let mut text = Vec::new();
        let mut has_other_keys = false;
        let entries = sorted
            .iter()
            .map(|(key, value)| {
                let start = text.len();
                has_other_keys |= render(&mut text, *key, *value);
                (*key, start..text.len())
            })
            .collect();
        Self {
            text,
            entries,
            has_other_keys,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.entries.iter().map(|(key, _)| key.as_bytes())
    }

    /// Merges with an item's own, which win where the keys are equal.
    fn merge(&self, own: &[(Str<'a>, AnyValue<'a>)], mut each: impl FnMut(Attribute<'_, 'a>)) {
        let (mut entries, mut own) = (self.entries.iter().peekable(), own.iter().peekable());
        loop {
            let order = match (entries.peek(), own.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((one, _)), Some((two, _))) => one.cmp(two),
            };
            if order == Ordering::Less
                && let Some((key, range)) = entries.next()
            {
                let text = self.text.get(range.clone()).unwrap_or_default();
                each(Attribute::Rendered(*key, text));
                continue;
            }
            if order == Ordering::Equal {
                entries.next();
            }
            if let Some((key, value)) = own.next() {
                each(Attribute::Own(*key, *value));
            }
        }
    }
}

/// An attribute of a group, already rendered, or of an item.
enum Attribute<'r, 'a> {
    Rendered(Str<'a>, &'r [u8]),
    Own(Str<'a>, AnyValue<'a>),
}

/// Writes the value of the field `attributes`: one JSON object of all, in quotes.
pub(super) fn json_object<'a>(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    group: &Rendered<'a>,
    own: &[(Str<'a>, AnyValue<'a>)],
) {
    out.extend_from_slice(b"\"{");
    let start = out.len();
    if own.is_empty() {
        // Each entry ends with a comma, the last one too.
        out.extend_from_slice(&group.text);
    } else {
        group.merge(own, |attribute| match attribute {
            Attribute::Rendered(_, text) => out.extend_from_slice(text),
            Attribute::Own(key, value) => json_entry(out, scratch, key, value),
        });
    }
    if out.len() > start {
        out.pop();
    }
    out.extend_from_slice(b"}\"");
}

/// Writes `"key":value,` within a string field.
pub(super) fn json_entry(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    key: Str<'_>,
    value: AnyValue<'_>,
) {
    json_string_in_quotes(out, key.as_bytes());
    out.push(b':');
    json_in_quotes(out, scratch, value);
    out.push(b',');
}

/// A value as text: text itself, anything else by way of `scratch`.
pub(super) fn plain<'v>(scratch: &'v mut Vec<u8>, value: AnyValue<'v>) -> &'v [u8] {
    match value {
        AnyValue::Str(text) => text.as_bytes(),
        AnyValue::Bool(true) => b"true",
        AnyValue::Bool(false) => b"false",
        AnyValue::Empty => b"",
        _ => {
            scratch.clear();
            text::value(scratch, value);
            scratch
        }
    }
}

/// Writes the tags of a point, by key: the group's, the point's own, and one that its schema adds.
/// Whether a key became another one.
pub(super) fn tags<'a>(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    group: &Rendered<'a>,
    own: &[(Str<'a>, AnyValue<'a>)],
    extra: Option<(&'static str, &[u8])>,
    is_field: fn(&[u8]) -> bool,
) -> bool {
    let mut has_other_keys = group.has_other_keys;
    if own.is_empty() && extra.is_none() {
        out.extend_from_slice(&group.text);
        return has_other_keys;
    }
    let mut extra = extra;
    group.merge(own, |attribute| {
        let (Attribute::Rendered(key, _) | Attribute::Own(key, _)) = attribute;
        if let Some((name, value)) = extra.take_if(|(name, _)| name.as_bytes() < key.as_bytes()) {
            tag(out, name.as_bytes(), value, |_| false);
        }
        match attribute {
            Attribute::Rendered(_, text) => out.extend_from_slice(text),
            Attribute::Own(key, value) => {
                has_other_keys |= tag(out, key.as_bytes(), plain(scratch, value), is_field);
            }
        }
    });
    if let Some((name, value)) = extra {
        tag(out, name.as_bytes(), value, |_| false);
    }
    has_other_keys
}

/// The value of a dimension: the item's, else the scope's, else the resource's.
pub(super) fn dimension<'a>(
    key: &str,
    item: Attributes<'a>,
    scope: Attributes<'a>,
    resource: Attributes<'a>,
) -> Option<AnyValue<'a>> {
    item.get(key)
        .or_else(|| scope.get(key))
        .or_else(|| resource.get(key))
}

//! The labels of a series: put together once, when it is first seen.

use std::{borrow::Cow, sync::Arc};

use super::super::escape::{self, EscapingScheme, NameOf};
use crate::{
    exporters::prometheus::{TranslationStrategy, translate::label_name},
    otlp::{
        AnyValue, text,
        views::{Attributes, Str},
    },
};

/// Labels on their way into a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    all: Vec<Label>,
    /// Names that attributes must not take.
    reserved: Vec<&'static str>,
    /// Attributes that have no name as a label.
    pub(super) nameless: u64,
}

#[derive(Clone, Debug)]
struct Label {
    name: String,
    /// Where the name comes from: values that share a name stand in this order.
    key: String,
    value: Vec<u8>,
}

impl Labels {
    /// Keeps a name from attributes: theirs is prefixed.
    pub(super) fn reserve(&mut self, name: &'static str) {
        self.reserved.push(name);
    }

    /// Adds a label under a name that no attribute may take, unless it is empty.
    pub(super) fn fixed(&mut self, name: &'static str, value: &[u8]) {
        if !value.is_empty() {
            self.reserve(name);
            self.all.push(Label {
                name: name.to_owned(),
                key: name.to_owned(),
                value: value.to_vec(),
            });
        }
    }

    /// Adds an attribute.
    pub(super) fn attribute(
        &mut self,
        strategy: TranslationStrategy,
        key: Str<'_>,
        value: AnyValue<'_>,
    ) {
        let mut rendered = Vec::new();
        text::value(&mut rendered, value);
        self.translated(strategy, key.as_str(), rendered);
    }

    /// Adds a value under the name that a key becomes.
    pub(super) fn translated(&mut self, strategy: TranslationStrategy, key: &str, value: Vec<u8>) {
        // No server reads a name with a control character, quotes or not.
        let is_readable = |name: &String| !name.bytes().any(|byte| byte.is_ascii_control());
        match label_name(strategy, key).filter(is_readable) {
            Some(name) => self.named(name, key, value),
            None => self.nameless += 1,
        }
    }

    /// Adds all of these.
    pub(super) fn attributes(&mut self, strategy: TranslationStrategy, all: Attributes<'_>) {
        for (key, value) in all {
            self.attribute(strategy, key, value);
        }
    }

    /// Adds a label whose name is translated already.
    pub(super) fn named(&mut self, name: String, key: &str, value: Vec<u8>) {
        let name = match self.reserved.contains(&name.as_str()) {
            true => format!("exported_{name}"),
            false => name,
        };
        self.all.push(Label {
            name,
            key: key.to_owned(),
            value,
        });
    }

    /// How many code points the names and values have that `fewer` has not.
    pub(super) fn code_points_beyond(&self, fewer: &Self) -> usize {
        let more = self.all.get(fewer.all.len()..).unwrap_or_default();
        let length = |text: &[u8]| String::from_utf8_lossy(text).chars().count();
        more.iter()
            .map(|label| label.name.chars().count() + length(&label.value))
            .sum()
    }

    /// The labels as text: `a="b",c="d"`, sorted by name, each name once.
    pub(super) fn text(mut self) -> Arc<[u8]> {
        // Of an attribute that was sent twice the last one is last.
        self.all
            .sort_by(|a, b| (&a.name, &a.key).cmp(&(&b.name, &b.key)));
        let mut out = Vec::with_capacity(64 + 32 * self.all.len());
        for same in self.all.chunk_by(|a, b| a.name == b.name) {
            let mut value = Vec::new();
            for label in same.iter().filter(|label| !label.value.is_empty()) {
                if !value.is_empty() {
                    value.push(b';');
                }
                value.extend_from_slice(&label.value);
            }
            if let (Some(label), false) = (same.first(), value.is_empty()) {
                write(&mut out, &label.name, |out| escape::quoted(out, &value));
            }
        }
        out.into()
    }
}

fn write(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    if !out.is_empty() {
        out.push(b',');
    }
    if escape::is_classic(name, NameOf::Label) {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'"');
        escape::quoted(out, name.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"=\"");
    value(out);
    out.push(b'"');
}

/// Reads labels back from their text: names, and values that are still escaped.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct LabelText<'a>(pub(in super::super) &'a [u8]);

impl<'a> Iterator for LabelText<'a> {
    type Item = (Cow<'a, [u8]>, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = match self.0 {
            [] => return None,
            [b'"', rest @ ..] => {
                let (name, rest) = until_quote(rest);
                (escape::unquoted(name), rest.get(2..)?)
            }
            all => {
                let end = all.iter().position(|byte| *byte == b'=')?;
                (Cow::Borrowed(all.get(..end)?), all.get(end + 2..)?)
            }
        };
        let (value, rest) = until_quote(rest);
        self.0 = rest.strip_prefix(b",").unwrap_or(rest);
        Some((name, value))
    }
}

/// What stands before the next quote that is not escaped, and what stands behind it.
#[inline]
fn until_quote(text: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    loop {
        match text.get(at) {
            Some(b'\\') => at += 2,
            Some(b'"') => {
                let (before, rest) = text.split_at(at);
                return (before, rest.get(1..).unwrap_or_default());
            }
            Some(_) => at += 1,
            None => return (text, &[]),
        }
    }
}

/// The same labels with their names in another scheme.
pub(in super::super) fn rename(text: &[u8], scheme: EscapingScheme, out: &mut Vec<u8>) {
    let mut all: Vec<(String, &[u8])> = LabelText(text)
        .map(|(name, value)| {
            let name = String::from_utf8_lossy(&name);
            (scheme.escape(&name, NameOf::Label).into_owned(), value)
        })
        .collect();
    // Stable: values that share a name now stand in the order of the original names.
    all.sort_by(|a, b| a.0.cmp(&b.0));
    out.clear();
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let Some((name, _)) = same.first() else {
            continue;
        };
        write(out, name, |out| {
            for (position, (_, value)) in same.iter().enumerate() {
                if position > 0 {
                    out.push(b';');
                }
                out.extend_from_slice(value);
            }
        });
    }
}

//! Values of any type, and keys with values.

use crate::otlp::{
    cursor::{Cursor, key},
    wire::{FIXED64, LEN, VARINT},
};

use super::{Repeated, Str, View, view};

/// A value of any type.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum AnyValue<'a> {
    /// No value.
    #[default]
    Empty,
    /// A string.
    Str(Str<'a>),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list of values.
    Array(Array<'a>),
    /// A map of values.
    Map(Attributes<'a>),
}

impl<'a> AnyValue<'a> {
    /// The string, if it is one.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            AnyValue::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }
}

impl<'a> View<'a> for AnyValue<'a> {
    #[inline]
    fn view(bytes: &'a [u8]) -> Self {
        // Nearly every value is one short field.
        match bytes {
            [] => AnyValue::Empty,
            [0x0a, length @ 0..0x80, text @ ..] if text.len() == usize::from(*length) => {
                AnyValue::Str(Str::new(text))
            }
            [0x10, value @ 0..0x80] => AnyValue::Bool(*value != 0),
            [0x18, value @ 0..0x80] => AnyValue::Int(i64::from(*value)),
            _ => Self::general(bytes),
        }
    }
}

impl<'a> AnyValue<'a> {
    fn general(bytes: &'a [u8]) -> Self {
        Self::read(bytes).unwrap_or_default()
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        const STRING: u32 = key(1, LEN);
        const BOOL: u32 = key(2, VARINT);
        const INT: u32 = key(3, VARINT);
        const DOUBLE: u32 = key(4, FIXED64);
        const ARRAY: u32 = key(5, LEN);
        const MAP: u32 = key(6, LEN);
        const BYTES: u32 = key(7, LEN);
        let mut cursor = Cursor::new(bytes);
        loop {
            // Canonical form sets one member at most; fields nobody knows may stand beside it.
            return Some(match cursor.key()? {
                STRING => AnyValue::Str(Str::new(cursor.len()?)),
                BOOL => AnyValue::Bool(cursor.varint()? != 0),
                INT => AnyValue::Int(cursor.varint()?.cast_signed()),
                DOUBLE => AnyValue::Double(f64::from_bits(cursor.fixed64()?)),
                ARRAY => AnyValue::Array(Array::new(cursor.len()?)),
                MAP => AnyValue::Map(Attributes::of_list(cursor.len()?)),
                BYTES => AnyValue::Bytes(cursor.len()?),
                unknown => {
                    cursor.skip(unknown)?;
                    continue;
                }
            });
        }
    }
}

view! {
    /// The body of `ArrayValue` and `KeyValueList`: one repeated field.
    List {
        /// The values.
        1 values: attributes,
    }
}

/// A list of values.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a>(&'a [u8]);

impl<'a> Array<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self(List::view(body).values)
    }

    /// The values.
    #[must_use]
    pub fn iter(&self) -> ArrayIter<'a> {
        Repeated::new(self.0)
    }

    /// Whether it has no values.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Iterator over the values of an [`Array`].
pub type ArrayIter<'a> = Repeated<'a, AnyValue<'a>>;

impl<'a> IntoIterator for Array<'a> {
    type Item = AnyValue<'a>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

/// Keys with values: attributes of anything, or a value that is a map.
///
/// In the order in which they were sent. OTLP forbids that a key occurs twice; if one does, all
/// occurrences are there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub(crate) const fn new(window: &'a [u8]) -> Self {
        Self(window)
    }

    fn of_list(body: &'a [u8]) -> Self {
        Self(List::view(body).values)
    }

    /// The keys with their values.
    #[must_use]
    pub fn iter(&self) -> AttributesIter<'a> {
        AttributesIter {
            cursor: Cursor::new(self.0),
        }
    }

    /// The fields, one for each attribute, as they stand in the message. Equal bytes are equal
    /// attributes; the same attributes may have other bytes.
    #[cfg(any(feature = "zipkin", feature = "prometheus"))]
    pub(crate) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The value of the first attribute with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<AnyValue<'a>> {
        self.iter()
            .find_map(|(name, value)| (name == *key).then_some(value))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for Attributes<'a> {
    type Item = (Str<'a>, AnyValue<'a>);
    type IntoIter = AttributesIter<'a>;

    fn into_iter(self) -> AttributesIter<'a> {
        self.iter()
    }
}

/// Iterator over [`Attributes`].
#[derive(Clone, Debug)]
pub struct AttributesIter<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for AttributesIter<'a> {
    type Item = (Str<'a>, AnyValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.key()?;
        Some(key_value(self.cursor.len()?))
    }
}

#[inline]
fn key_value(body: &[u8]) -> (Str<'_>, AnyValue<'_>) {
    // Nearly every attribute is a short key, then a short value.
    if let [0x0a, key_length @ 0..0x80, rest @ ..] = body
        && let Some((name, rest)) = rest.split_at_checked(usize::from(*key_length))
        && let [0x12, value_length @ 0..0x80, value @ ..] = rest
        && value.len() == usize::from(*value_length)
    {
        return (Str::new(name), AnyValue::view(value));
    }
    let pair = Pair::view(body);
    (pair.key(), pair.value())
}

/// The key of an attribute, and its value as it stands in the message.
#[cfg(feature = "zipkin")]
pub(crate) fn key_and_value_bytes(body: &[u8]) -> (&[u8], &[u8]) {
    let pair = Pair::view(body);
    (pair.key, pair.value.unwrap_or_default())
}

view! {
    /// A key with its value.
    Pair {
        /// The key.
        1 key: str,
        /// The value.
        2 value: any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_every_spelling_are_read() {
        // Short; with the key's length padded; value before key; without a value.
        let window = b"\x0a\x08\x0a\x01a\x12\x03\x0a\x01x\
            \x0a\x09\x0a\x81\x00b\x12\x03\x0a\x01y\
            \x0a\x07\x12\x02\x18\x05\x0a\x01c\
            \x0a\x03\x0a\x01d";
        let attributes = Attributes::new(window);
        let shown: Vec<String> = attributes
            .iter()
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect();
        assert_eq!(
            shown,
            ["a=Str(\"x\")", "b=Str(\"y\")", "c=Int(5)", "d=Empty"]
        );
        assert_eq!(attributes.get("b").and_then(AnyValue::as_str), Some("y"));
        assert!(attributes.get("e").is_none());
    }
}

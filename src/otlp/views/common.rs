//! Views that all signals share: strings, ids, attributes, values, resource, scope.

use std::{borrow::Cow, fmt, marker::PhantomData};

use crate::otlp::{
    cursor::{Cursor, key},
    wire::{self, FIXED64, LEN, VARINT},
};

use super::{Repeated, View, view};

/// A string of a message: bytes that were checked to be UTF-8.
///
/// Writers take the bytes; people take [`as_str`](Self::as_str).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str<'a>(&'a [u8]);

impl<'a> Str<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The string. It is scanned anew, which costs a pass over its bytes.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        // Checked at the edge; a view of bytes nobody checked must still not panic.
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    /// Whether it is empty, or was not sent: protobuf does not tell the two apart.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Str<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Str<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl<'a> From<Str<'a>> for &'a str {
    fn from(text: Str<'a>) -> Self {
        text.as_str()
    }
}

impl<'a> From<Str<'a>> for Cow<'a, str> {
    fn from(text: Str<'a>) -> Self {
        Cow::Borrowed(text.as_str())
    }
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $size:literal) => {
        $(#[$meta])*
        ///
        /// Shown in lower-case hex. OTLP's protobuf form does not enforce the length, so it may
        /// be wrong: [`to_array`](Self::to_array) tells.
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<'a>(&'a [u8]);

        impl<'a> $name<'a> {
            pub(crate) const fn new(bytes: &'a [u8]) -> Self {
                Self(bytes)
            }

            /// The bytes as they were sent.
            #[must_use]
            pub const fn as_bytes(self) -> &'a [u8] {
                self.0
            }

            /// The bytes, if there are as many as there should be.
            #[must_use]
            pub fn to_array(self) -> Option<[u8; $size]> {
                self.0.try_into().ok()
            }

            /// Whether none was sent.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0.is_empty()
            }

            /// Whether it has the right length and is not all zeros.
            #[must_use]
            pub fn is_valid(self) -> bool {
                self.0.len() == $size && self.0.iter().any(|byte| *byte != 0)
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id!(
    /// Identifies a trace: 16 bytes.
    TraceId,
    16
);
id!(
    /// Identifies a span within a trace: 8 bytes.
    SpanId,
    8
);

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

view! {
    /// What made the telemetry: a service, a host, a device.
    pub Resource {
        /// Attributes.
        1 attributes: attributes,
        /// Number of attributes that the sender left out.
        2 dropped_attributes_count: uint32,
        /// Entities that the resource consists of (in development in OTLP).
        3 entity_refs: repeated<EntityRef>,
    }
}

view! {
    /// An entity that a resource consists of (in development in OTLP).
    pub EntityRef {
        /// Schema URL of the entity.
        1 schema_url: str,
        /// Type of the entity.
        2 kind: str,
        /// Keys of the resource attributes that identify it.
        3 id_keys: repeated<Str>,
        /// Keys of the resource attributes that describe it.
        4 description_keys: repeated<Str>,
    }
}

impl<'a> View<'a> for Str<'a> {
    fn view(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

view! {
    /// The library, or the part of an application, that made the telemetry.
    pub Scope {
        /// Name.
        1 name: str,
        /// Version.
        2 version: str,
        /// Attributes.
        3 attributes: attributes,
        /// Number of attributes that the sender left out.
        4 dropped_attributes_count: uint32,
    }
}

/// A number that protobuf packs into eight bytes.
pub trait PackedScalar: Copy + private::FromBits {}

mod private {
    pub trait FromBits {
        fn from_bits(bits: u64) -> Self;
    }

    impl FromBits for u64 {
        fn from_bits(bits: u64) -> Self {
            bits
        }
    }

    impl FromBits for f64 {
        fn from_bits(bits: u64) -> Self {
            f64::from_bits(bits)
        }
    }
}

impl PackedScalar for u64 {}
impl PackedScalar for f64 {}

/// A list of numbers, eight bytes each.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a, T> {
    bytes: &'a [u8],
    _item: PhantomData<fn() -> T>,
}

impl<'a, T> Packed<'a, T> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            _item: PhantomData,
        }
    }

    /// Number of numbers that are left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len() / 8
    }

    /// Whether there are none left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: PackedScalar> Iterator for Packed<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let (bits, rest) = self.bytes.split_first_chunk::<8>()?;
        self.bytes = rest;
        Some(T::from_bits(u64::from_le_bytes(*bits)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T: PackedScalar> ExactSizeIterator for Packed<'_, T> {}

/// A list of whole numbers of varying width.
#[derive(Clone, Copy, Debug)]
pub struct PackedVarints<'a>(&'a [u8]);

impl<'a> PackedVarints<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether there are none left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Iterator for PackedVarints<'_> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        if self.0.is_empty() {
            return None;
        }
        let mut at = 0;
        let value = wire::varint(self.0, &mut at).ok();
        self.0 = self.0.get(at..).unwrap_or_default();
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_know_what_they_should_be() {
        let id = TraceId::new(&[0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(id.to_array(), Some([0xab; 16]));
        assert!(id.is_valid() && !id.is_empty());
        assert!(!TraceId::new(&[0; 16]).is_valid());
        assert!(!SpanId::new(&[1; 9]).is_valid());
        assert_eq!(SpanId::new(&[1; 9]).to_array(), None);
        assert_eq!(format!("{:?}", SpanId::new(&[0x0f])), "SpanId(0f)");
    }

    #[test]
    fn text_that_nobody_checked_is_empty_not_a_panic() {
        let text = Str::new(b"\xff");
        assert_eq!(text.as_str(), "");
        assert_eq!(text.as_bytes(), b"\xff");
    }

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

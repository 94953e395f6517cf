//! The attributes of a span, read against the keys that are likely.

use crate::otlp::{
    AnyValue,
    cursor::{Cursor, key},
    views::{View, key_and_value_bytes},
    wire::LEN,
};

/// The field of a span that holds an attribute.
const ATTRIBUTE: u32 = key(9, LEN);

/// The value of an attribute, as it stands in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// The value, and whatever stands behind it: short text is copied in blocks that may reach
    /// past its end.
    from: &'a [u8],
    length: usize,
}

/// The value of an attribute, as far as it is text.
pub(super) enum Found<'a> {
    /// The first bytes of the slice, as many as the number says.
    Text(&'a [u8], usize),
    Other(AnyValue<'a>),
}

impl<'a> Value<'a> {
    pub(super) fn get(self) -> AnyValue<'a> {
        AnyValue::view(self.from.get(..self.length).unwrap_or_default())
    }

    #[inline]
    pub(super) fn find(self) -> Found<'a> {
        // Nearly every text is a short one.
        if let [0x0a, length @ 0..0x80, text @ ..] = self.from
            && usize::from(*length) + 2 == self.length
        {
            return Found::Text(text, usize::from(*length));
        }
        if let [0x18, number @ ..] = self.from {
            let mut cursor = Cursor::new(number);
            if let Some(value) = cursor.varint()
                && number.len() - cursor.rest().len() + 1 == self.length
            {
                return Found::Other(AnyValue::Int(value.cast_signed()));
            }
        }
        Found::Other(self.get())
    }
}

/// The keys of a span's attributes, in their order.
#[derive(Debug, Default)]
pub(super) struct Keys<'a> {
    keys: Vec<Key<'a>>,
}

/// The longest head that is compared as one block.
const BLOCK: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Key<'a> {
    key: &'a [u8],
    /// What an attribute with this key begins with in its common spelling, all of it that stands
    /// before the length of the value; and which bytes of it count: the length of the attribute
    /// does not.
    head: [u8; BLOCK],
    mask: [u8; BLOCK],
    /// How many bytes that is; 0 if it is longer than a block.
    length: usize,
}

impl<'a> Key<'a> {
    fn new(key: &'a [u8]) -> Self {
        let mut this = Self {
            key,
            head: [0; BLOCK],
            mask: [0; BLOCK],
            length: 0,
        };
        let length = key.len() + 5;
        let mark = ATTRIBUTE.to_le_bytes()[0];
        let key_length = key.len().to_le_bytes()[0];
        let parts = [mark, 0, 0x0a, key_length].into_iter();
        let parts = parts.chain(key.iter().copied()).chain([0x12]);
        if length <= BLOCK {
            this.length = length;
            let places = this.head.iter_mut().zip(&mut this.mask);
            for ((place, mask), byte) in places.zip(parts) {
                (*place, *mask) = (byte, 0xff);
            }
            this.mask[1] = 0;
        }
        this
    }

    /// Reads the value of the first of these attributes if it has this key and is spelled in the
    /// common way, and says what stands behind it.
    #[inline]
    fn common(&self, attributes: &'a [u8]) -> Option<(Value<'a>, &'a [u8])> {
        let start = attributes.first_chunk::<BLOCK>()?;
        let mut differs = 0;
        for ((byte, head), mask) in start.iter().zip(&self.head).zip(&self.mask) {
            differs |= (byte ^ head) & mask;
        }
        let [length, from @ ..] = attributes.get(self.length..)? else {
            return None;
        };
        let length = usize::from(*length);
        // One byte says the length of the whole, so one says that of the value.
        let whole = usize::from(start[1]);
        if differs != 0 || self.length == 0 || whole >= 0x80 || self.length + length != whole + 1 {
            return None;
        }
        Some((Value { from, length }, from.get(length..)?))
    }
}

impl<'a> Keys<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.keys.iter().map(|key| key.key)
    }

    /// Takes the keys of these attributes, and their values.
    pub(super) fn read(&mut self, attributes: &'a [u8], values: &mut Vec<Value<'a>>) {
        self.keys.clear();
        values.clear();
        let mut cursor = Cursor::new(attributes);
        while let Some((key, value)) = general(&mut cursor) {
            self.keys.push(Key::new(key));
            values.push(value);
        }
    }

    /// Reads the values of the attributes at the start of `from`, and says what stands behind the
    /// last. `None` if their keys are others.
    #[inline]
    pub(super) fn read_values(
        &self,
        from: &'a [u8],
        values: &mut Vec<Value<'a>>,
    ) -> Option<&'a [u8]> {
        values.clear();
        let mut rest = from;
        for key in &self.keys {
            let value = match key.common(rest) {
                Some((value, behind)) => {
                    rest = behind;
                    value
                }
                None => {
                    let (value, behind) = uncommon(rest, key.key)?;
                    rest = behind;
                    value
                }
            };
            values.push(value);
        }
        // Another one may follow.
        let is_last = rest
            .first()
            .is_none_or(|next| u32::from(*next) != ATTRIBUTE);
        is_last.then_some(rest)
    }
}

/// Reads the value of the first of these attributes if it has this key.
#[cold]
fn uncommon<'a>(attributes: &'a [u8], key: &[u8]) -> Option<(Value<'a>, &'a [u8])> {
    let mut cursor = Cursor::new(attributes);
    if cursor.key()? != ATTRIBUTE {
        return None;
    }
    let (found, from) = key_and_value_bytes(cursor.len()?);
    let length = from.len();
    (found == key).then_some((Value { from, length }, cursor.rest()))
}

/// Reads any attribute.
fn general<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], Value<'a>)> {
    cursor.key()?;
    let (key, from) = key_and_value_bytes(cursor.len()?);
    let length = from.len();
    Some((key, Value { from, length }))
}

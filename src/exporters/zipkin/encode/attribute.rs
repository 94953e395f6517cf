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

/// The value of an attribute, as far as it needs no more than a look.
pub(super) enum Found<'a> {
    /// The first bytes of the slice, as many as the number says.
    Text(&'a [u8], usize),
    Int(i64),
    Bool(bool),
    Double(f64),
    Other(AnyValue<'a>),
}

impl<'a> Value<'a> {
    const EMPTY: Self = Self {
        from: &[],
        length: 0,
    };

    pub(super) fn get(self) -> AnyValue<'a> {
        AnyValue::view(self.from.get(..self.length).unwrap_or_default())
    }

    /// Sees the common spellings at once.
    #[inline(always)]
    pub(super) fn find(self) -> Found<'a> {
        match self.from {
            // Nearly every text is a short one.
            [0x0a, length @ 0..0x80, text @ ..] if usize::from(*length) + 2 == self.length => {
                Found::Text(text, usize::from(*length))
            }
            // So is a number of up to 14 bits, below it.
            [0x18, number @ 0..0x80, ..] if self.length == 2 => Found::Int(i64::from(*number)),
            [0x18, low, high @ 0..0x80, ..] if self.length == 3 => {
                Found::Int(i64::from(*low & 0x7f) | i64::from(*high) << 7)
            }
            [0x18, number @ ..] => {
                let mut cursor = Cursor::new(number);
                match cursor.varint() {
                    Some(value) if number.len() - cursor.rest().len() + 1 == self.length => {
                        Found::Int(value.cast_signed())
                    }
                    _ => Found::Other(self.get()),
                }
            }
            [0x10, value @ 0..=1, ..] if self.length == 2 => Found::Bool(*value == 1),
            [0x21, bytes @ ..] if self.length == 9 => match bytes.first_chunk() {
                Some(bytes) => Found::Double(f64::from_le_bytes(*bytes)),
                None => Found::Other(self.get()),
            },
            _ => Found::Other(self.get()),
        }
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
    head: Head,
}

/// What an attribute with a known key begins with in its common spelling: all of it that stands
/// before the length of the value.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// The bytes, in words: so few are compared without a loop.
    bytes: [u128; BLOCK / 16],
    /// Which of them count: the length of the attribute does not.
    mask: [u128; BLOCK / 16],
    /// How many bytes that is.
    length: usize,
}

fn words(bytes: &[u8; BLOCK]) -> [u128; BLOCK / 16] {
    let words = bytes.as_chunks().0;
    let mut result = [0; BLOCK / 16];
    for (to, from) in result.iter_mut().zip(words) {
        *to = u128::from_le_bytes(*from);
    }
    result
}

impl Head {
    fn new(key: &[u8]) -> Self {
        let length = key.len() + 5;
        let mark = ATTRIBUTE.to_le_bytes()[0];
        let key_length = key.len().to_le_bytes()[0];
        let parts = [mark, 0, 0x0a, key_length].into_iter();
        let parts = parts.chain(key.iter().copied()).chain([0x12]);
        let (mut bytes, mut mask) = ([0; BLOCK], [0; BLOCK]);
        for ((byte, mask), part) in bytes.iter_mut().zip(&mut mask).zip(parts) {
            (*byte, *mask) = (part, 0xff);
        }
        mask[1] = 0;
        if length >= BLOCK {
            // Too long a key: no attribute begins like this.
            (bytes[0], mask[0]) = (0, 0xff);
        }
        Self {
            bytes: words(&bytes),
            mask: words(&mask),
            length: length % BLOCK,
        }
    }

    /// Reads the value of the first of these attributes if it begins like this, and says what
    /// stands behind it.
    #[inline(always)]
    fn read<'a>(&self, attributes: &'a [u8]) -> Option<(Value<'a>, &'a [u8])> {
        let start = attributes.first_chunk::<BLOCK>()?;
        let mut differs = 0;
        for ((word, head), mask) in words(start).iter().zip(&self.bytes).zip(&self.mask) {
            differs |= (word ^ head) & mask;
        }
        let place = self.length % BLOCK;
        let (whole, length) = (usize::from(start[1]), usize::from(start[place]));
        // One byte says the length of the whole, so one says that of the value.
        if differs != 0 || (whole & 0x80) | ((place + length) ^ (whole + 1)) != 0 {
            return None;
        }
        let from = attributes.get(place + 1..)?;
        Some((Value { from, length }, attributes.get(whole + 2..)?))
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
            let head = Head::new(key);
            self.keys.push(Key { key, head });
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
        values.resize(self.keys.len(), Value::EMPTY);
        let mut rest = from;
        for (key, value) in self.keys.iter().zip(values) {
            (*value, rest) = match key.head.read(rest) {
                Some(read) => read,
                None => uncommon(rest, key.key)?,
            };
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

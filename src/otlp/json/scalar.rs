//! Single values as the reader finds them: what each kind of field takes, and its protobuf form.

use serde::de::Error;

use crate::otlp::{
    Problem,
    schema::Kind,
    wire::{self, FIXED32, FIXED64, VARINT},
};

use super::{
    base64, hex,
    read::{Place, Value},
};

/// What a field of this kind takes, in words.
pub(super) fn expected(kind: Kind) -> String {
    let words = match kind {
        Kind::Str => "a string",
        Kind::Bytes => "base64 text",
        Kind::Id(size) => return format!("an id of {} hex digits", 2 * size),
        Kind::Bool => "true or false",
        Kind::Uint32 | Kind::Fixed32 => "a whole number from 0 to 2^32 - 1",
        Kind::Uint64 | Kind::Fixed64 => "a whole number from 0 to 2^64 - 1",
        Kind::Int32 | Kind::Sint32 => "a whole number of 32 bits",
        Kind::Int64 | Kind::Sfixed64 => "a whole number of 64 bits",
        Kind::Enum(_) => "the number or the name of an enumeration's value",
        Kind::Double => "a number",
        Kind::Message(_) => "an object",
    };
    words.to_owned()
}

impl Value<'_> {
    pub(super) fn boolean<E: Error>(mut self, value: bool) -> Result<(), E> {
        match self.field.kind {
            Kind::Bool if !self.is_list() => {
                self.varint(u64::from(value));
                Ok(())
            }
            _ => Err(self.unexpected("a boolean")),
        }
    }

    /// Takes a whole number that is not negative.
    pub(super) fn unsigned<E: Error>(mut self, value: u64) -> Result<(), E> {
        if self.is_list() {
            return Err(self.unexpected("a number"));
        }
        match self.field.kind {
            Kind::Uint64 => self.varint(value),
            Kind::Fixed64 => self.fixed64(value),
            Kind::Uint32 | Kind::Fixed32 => match u32::try_from(value) {
                Ok(value) => self.bits32(value),
                Err(_) => return Err(self.unexpected("a larger number")),
            },
            Kind::Double => self.put_double(value as f64),
            _ => match i64::try_from(value) {
                Ok(value) => return self.signed(value),
                Err(_) => return Err(self.unexpected("a larger number")),
            },
        }
        Ok(())
    }

    /// Takes a whole number.
    pub(super) fn signed<E: Error>(mut self, value: i64) -> Result<(), E> {
        if self.is_list() {
            return Err(self.unexpected("a number"));
        }
        match self.field.kind {
            Kind::Int64 => self.varint(value.cast_unsigned()),
            Kind::Sfixed64 => self.fixed64(value.cast_unsigned()),
            Kind::Int32 | Kind::Enum(_) => match i32::try_from(value) {
                // Protobuf extends the sign of a negative number to 64 bits.
                Ok(_) => self.varint(value.cast_unsigned()),
                Err(_) => return Err(self.unexpected("a larger number")),
            },
            Kind::Sint32 => match i32::try_from(value) {
                Ok(value) => {
                    let zigzag = (value << 1) ^ (value >> 31);
                    self.varint(u64::from(zigzag.cast_unsigned()));
                }
                Err(_) => return Err(self.unexpected("a larger number")),
            },
            Kind::Double => self.put_double(value as f64),
            Kind::Uint32 | Kind::Fixed32 | Kind::Uint64 | Kind::Fixed64 => {
                match u64::try_from(value) {
                    Ok(value) => return self.unsigned(value),
                    Err(_) => return Err(self.unexpected("a negative number")),
                }
            }
            _ => return Err(self.unexpected("a number")),
        }
        Ok(())
    }

    /// Takes a number with a fraction or an exponent, or one too large for 64 bits.
    pub(super) fn double<E: Error>(mut self, value: f64) -> Result<(), E> {
        if self.is_list() {
            return Err(self.unexpected("a number"));
        }
        match self.field.kind {
            Kind::Double => {
                self.put_double(value);
                Ok(())
            }
            // serde_json reads `-0` as a floating-point number.
            Kind::Uint32
            | Kind::Uint64
            | Kind::Int32
            | Kind::Int64
            | Kind::Sint32
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed64
            | Kind::Enum(_)
                if value.to_bits() == (-0.0_f64).to_bits() =>
            {
                self.unsigned(0)
            }
            _ => Err(self.unexpected("a floating-point number")),
        }
    }

    #[inline]
    pub(super) fn text<E: Error>(mut self, text: &str) -> Result<(), E> {
        if self.is_list() {
            return Err(self.unexpected("a string"));
        }
        match self.field.kind {
            Kind::Str => {
                if !text.is_empty() || self.is_default_written() {
                    wire::put_len_field(&mut self.state.out, self.field.number, text.as_bytes());
                }
                Ok(())
            }
            Kind::Id(size) => self.id(size, text),
            Kind::Bytes => self.base64(text),
            Kind::Enum(names) => {
                // Lossless: a position in a short list.
                match names.iter().position(|name| *name == text) {
                    Some(number) => self.unsigned(number as u64),
                    None => Err(self.unexpected("an unknown name")),
                }
            }
            Kind::Double => match double(text) {
                Some(value) => {
                    self.put_double(value);
                    Ok(())
                }
                None => Err(self.unexpected("other text")),
            },
            Kind::Bool | Kind::Message(_) => Err(self.unexpected("a string")),
            _ => {
                if let Some(value) = digits(text.as_bytes()) {
                    self.unsigned(value)
                } else if let Ok(value) = text.parse() {
                    self.unsigned(value)
                } else if let Ok(value) = text.parse() {
                    self.signed(value)
                } else {
                    Err(self.unexpected("other text"))
                }
            }
        }
    }

    fn id<E: Error>(mut self, size: usize, text: &str) -> Result<(), E> {
        if text.is_empty() && !self.is_default_written() {
            return Ok(());
        }
        if !text.is_empty() && text.len() != 2 * size {
            let problem = format!(
                "an id of {} digits where {} hex digits are expected",
                text.len(),
                2 * size
            );
            return Err(self.fail(Problem::Json(problem)));
        }
        let body = wire::begin_len(&mut self.state.out, self.field.number);
        if hex::decode(&mut self.state.out, text.as_bytes()).is_none() {
            return Err(self.unexpected("other text"));
        }
        wire::end_len(&mut self.state.out, body);
        Ok(())
    }

    fn base64<E: Error>(mut self, text: &str) -> Result<(), E> {
        if text.is_empty() && !self.is_default_written() {
            return Ok(());
        }
        let body = wire::begin_len(&mut self.state.out, self.field.number);
        if base64::decode(&mut self.state.out, text.as_bytes()).is_none() {
            return Err(self.unexpected("other text"));
        }
        wire::end_len(&mut self.state.out, body);
        Ok(())
    }

    #[inline]
    fn is_default_written(&self) -> bool {
        match self.place {
            Place::Field { write_default } => write_default,
            Place::Element => true,
        }
    }

    /// Writes the field's tag, unless the value is one of a packed run.
    #[inline]
    fn tag(&mut self, wire_type: u8) {
        if self.place != Place::Element {
            wire::put_tag(&mut self.state.out, self.field.number, wire_type);
        }
    }

    #[inline]
    fn varint(&mut self, value: u64) {
        if value != 0 || self.is_default_written() {
            self.tag(VARINT);
            wire::put_varint(&mut self.state.out, value);
        }
    }

    #[inline]
    fn fixed64(&mut self, value: u64) {
        if value != 0 || self.is_default_written() {
            self.tag(FIXED64);
            self.state.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Writes a `uint32` or a `fixed32`.
    #[inline]
    fn bits32(&mut self, value: u32) {
        if matches!(self.field.kind, Kind::Uint32) {
            self.varint(u64::from(value));
        } else if value != 0 || self.is_default_written() {
            self.tag(FIXED32);
            self.state.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Writes a double, even 0: some of OTLP's are optional, where 0 is not the same as nothing.
    #[inline]
    fn put_double(&mut self, value: f64) {
        self.tag(FIXED64);
        self.state
            .out
            .extend_from_slice(&value.to_bits().to_le_bytes());
    }
}

/// Reads a number that is nothing but digits, too few of them to overflow: all that writers write
/// but negative numbers.
#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    if !(1..20).contains(&text.len()) {
        return None;
    }
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Reads a double from a string: a number, or what JSON has no number for.
fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust would also take `inf` and `nan`.
        _ if text.bytes().any(|byte| {
            !byte.is_ascii_digit() && !matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')
        }) =>
        {
            None
        }
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

//! The reader: serde_json parses, the schema's tables say what is expected, and protobuf is
//! written as the text goes by. Nothing stands in between.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::otlp::{
    Limits, Malformed, OtlpBytes, Problem, Signal,
    check::wire_type,
    schema::{Field, Kind, Label, Message},
    wire::{self, LEN, MAX_DEPTH},
};

use super::scalar;

pub(super) fn read(signal: Signal, json: &[u8], limits: &Limits) -> Result<OtlpBytes, Malformed> {
    let limit = limits.max_bytes;
    if json.len() > limit {
        return Err(Malformed::at(0, Problem::TooLarge { limit }));
    }
    // Checked here as a whole, serde_json need not check string by string.
    let text = std::str::from_utf8(json)
        .map_err(|error| Malformed::at(error.valid_up_to(), Problem::InvalidUtf8))?;
    let mut state = State {
        out: Vec::with_capacity(json.len() / 2),
        limit,
        items: 0,
        is_canonical: true,
        problem: None,
        path: Vec::new(),
        index: None,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Messages count their own depth, and serde_json skips what is unknown without recursion.
    deserializer.disable_recursion_limit();
    let root = Root {
        message: Message::root(signal),
        state: &mut state,
    };
    let result = (&mut deserializer)
        .deserialize_any(root)
        .and_then(|()| deserializer.end());
    if let Err(error) = result {
        return Err(state.malformed(&error, json));
    }
    if !state.is_canonical {
        // Puts right what a doubled key has made of the canonical form, and counts anew.
        return OtlpBytes::check(signal, state.out.into(), limits);
    }
    // What was written from text that is UTF-8, field by field, no deeper than allowed, needs no
    // check but for the limits.
    if state.out.len() > limit {
        return Err(Malformed::at(0, Problem::TooLarge { limit }));
    }
    if state.items > limits.max_items {
        let limit = limits.max_items;
        return Err(Malformed::at(0, Problem::TooManyItems { limit }));
    }
    Ok(OtlpBytes::from_json(signal, state.out, state.items))
}

/// What has been written, and what went wrong.
pub(super) struct State {
    pub(super) out: Vec<u8>,
    limit: usize,
    /// Items written so far.
    items: u64,
    /// Whether no message had a field twice, or two members of its oneof.
    is_canonical: bool,
    problem: Option<Problem>,
    /// Where it went wrong: fields from the innermost outwards, filled as the error passes them.
    path: Vec<(&'static str, Option<usize>)>,
    /// Index of the element from which the error comes, for the field around it.
    index: Option<usize>,
}

impl State {
    /// Notes what is wrong. The error returned only ends the parse.
    #[cold]
    fn fail<E: Error>(&mut self, problem: Problem) -> E {
        self.problem = Some(problem);
        E::custom("")
    }

    #[cold]
    fn locate(&mut self, field: &Field) {
        self.path.push((field.name, self.index.take()));
    }

    #[cold]
    fn malformed(self, error: &serde_json::Error, json: &[u8]) -> Malformed {
        let (offset, problem) = match (error.classify(), self.problem) {
            (Category::Eof, _) => (json.len(), Problem::Truncated),
            (_, Some(problem)) => (offset(error, json), problem),
            (Category::Data, None) => (
                offset(error, json),
                Problem::Json("an object is expected".to_owned()),
            ),
            (Category::Syntax | Category::Io, None) => {
                // What serde_json says of a syntax error holds nothing of the text.
                let words = error.to_string();
                let words = words.split(" at line ").next().unwrap_or_default();
                (offset(error, json), Problem::Json(words.to_owned()))
            }
        };
        let mut malformed = Malformed::at(offset, problem);
        for (field, index) in self.path {
            malformed.prepend(field, index);
        }
        malformed
    }
}

/// Position of an error, which serde_json gives as line and column, both counted from 1, columns
/// in bytes.
fn offset(error: &serde_json::Error, json: &[u8]) -> usize {
    let lines = json
        .split(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(|line| line.len() + 1)
        .sum::<usize>();
    (lines + error.column().saturating_sub(1)).min(json.len())
}

/// The object that a request is.
struct Root<'s> {
    message: &'static Message,
    state: &'s mut State,
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        fields(self.message, map, self.state, MAX_DEPTH)
    }
}

/// Reads the fields of an object. `depth` is how many more levels may be entered.
fn fields<'de, A: MapAccess<'de>>(
    message: &'static Message,
    mut map: A,
    state: &mut State,
    depth: usize,
) -> Result<(), A::Error> {
    let mut seen = 0_u32;
    let mut last = 0;
    while let Some(field) = map.next_key_seed(Name { message, last })? {
        let Some(field) = field else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        last = field.number;
        let bit = 1 << field.number;
        let rivals = match field.label {
            Label::Oneof => message.oneof,
            _ => bit,
        };
        state.is_canonical &= seen & rivals == 0;
        let value = Value {
            field,
            place: Place::Field {
                write_default: field.label == Label::Oneof || seen & bit != 0,
            },
            depth,
            state,
        };
        seen |= bit;
        if let Err(error) = map.next_value_seed(value) {
            state.locate(field);
            return Err(error);
        }
    }
    Ok(())
}

/// The name of a field; `None` if it is unknown.
struct Name {
    message: &'static Message,
    /// Number of the field before: the next one mostly follows it.
    last: u32,
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    #[inline]
    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.message.named(name, self.last))
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is a field's only value, or the list of its values.
    Field {
        /// Whether a default must be written: for a oneof it says which member is set, and for a
        /// field that was there before it takes back the other value.
        write_default: bool,
    },
    /// It is one of the values of a repeated field.
    Element,
}

/// The value of a field.
pub(super) struct Value<'s> {
    pub(super) field: &'static Field,
    pub(super) place: Place,
    depth: usize,
    pub(super) state: &'s mut State,
}

impl Value<'_> {
    #[cold]
    pub(super) fn fail<E: Error>(&mut self, problem: Problem) -> E {
        self.state.fail(problem)
    }

    #[cold]
    pub(super) fn unexpected<E: Error>(&mut self, found: &str) -> E {
        let expected = if self.is_list() {
            "an array".to_owned()
        } else {
            scalar::expected(self.field.kind)
        };
        self.fail(Problem::Json(format!(
            "{found} where {expected} is expected"
        )))
    }

    /// Whether a list of values is expected.
    #[inline]
    pub(super) fn is_list(&self) -> bool {
        self.field.label == Label::Repeated && self.place != Place::Element
    }

    /// Enters a message, writes its fields by `write`, and leaves it.
    #[inline]
    fn message<E: Error>(
        mut self,
        write: impl FnOnce(&'static Message, &mut State, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let Kind::Message(message) = self.field.kind else {
            return Err(self.unexpected("an object"));
        };
        if self.is_list() {
            return Err(self.unexpected("an object"));
        }
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(self.fail(Problem::TooDeep));
        };
        self.state.items += u64::from(self.field.is_item);
        let body = wire::begin_len(&mut self.state.out, self.field.number);
        write(message, self.state, depth)?;
        wire::end_len(&mut self.state.out, body);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.json_name)
    }

    /// `null` is an absent field. In a list it is an empty message, as in the Collector; a list of
    /// anything else has no room for it.
    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        match (self.place, self.field.kind) {
            (Place::Field { .. }, _) => Ok(()),
            (Place::Element, Kind::Message(_)) => self.message(|_, _, _| Ok(())),
            (Place::Element, _) => Err(self.unexpected("null")),
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.boolean(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.unsigned(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.signed(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.double(value)
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<(), A::Error> {
        if !self.is_list() {
            return Err(self.unexpected("an array"));
        }
        let Self {
            field,
            depth,
            state,
            ..
        } = self;
        let start = state.out.len();
        let is_packed = wire_type(field.kind) != LEN;
        let body = is_packed.then(|| wire::begin_len(&mut state.out, field.number));
        let mut index = 0;
        loop {
            let value = Value {
                field,
                place: Place::Element,
                depth,
                state,
            };
            match values.next_element_seed(value) {
                Ok(Some(())) => index += 1,
                Ok(None) => break,
                Err(error) => {
                    state.index = Some(index);
                    return Err(error);
                }
            }
            // Packed numbers are the one thing that can be much longer than its JSON: eight
            // bytes for `0,`.
            if state.out.len() > state.limit {
                let limit = state.limit;
                return Err(state.fail(Problem::TooLarge { limit }));
            }
        }
        match body {
            Some(_) if index == 0 => state.out.truncate(start),
            Some(body) => wire::end_len(&mut state.out, body),
            None => {}
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.message(|message, state, depth| fields(message, map, state, depth))
    }
}

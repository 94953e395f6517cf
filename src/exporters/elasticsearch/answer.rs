//! Reading the answer to a bulk request: what became of each document.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

/// What became of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was not sent, or the answer does not say.
    Unknown,
    /// Stored.
    Stored,
    /// Stored where failures are kept, not in its data stream.
    FailureStore,
    /// The server is too busy for it.
    Throttled,
    /// The server could not store it at the moment.
    Unavailable,
    /// The server will never store it.
    Refused,
}

/// What the server says of one document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) status: u16,
    pub(super) error_type: String,
    pub(super) reason: String,
    has_error: bool,
    in_failure_store: bool,
}

const CONFLICT: &str = "version_conflict_engine_exception";

impl Item {
    /// `own_id`: whether we gave the document its id.
    pub(super) fn fate(&self, own_id: bool) -> Fate {
        match self.status {
            _ if self.error_type == "es_rejected_execution_exception"
                || self.error_type == "rejected_execution_exception" =>
            {
                Fate::Throttled
            }
            200..=299 if self.in_failure_store => Fate::FailureStore,
            200..=299 if !self.has_error => Fate::Stored,
            // An earlier attempt has stored it.
            409 if own_id && self.error_type == CONFLICT => Fate::Stored,
            429 => Fate::Throttled,
            500.. => Fate::Unavailable,
            200..=299 | 400..=499 => Fate::Refused,
            _ => Fate::Unknown,
        }
    }

    /// Why, in words that hold nothing of the document.
    pub(super) fn explain(&self) -> String {
        let kind = match &*self.error_type {
            "" => return format!("status {}", self.status),
            CONFLICT => {
                return format!(
                    "{CONFLICT}: a document with the same id, or the same dimensions and time, is there already"
                );
            }
            kind => kind,
        };
        match without_document(&self.reason) {
            reason if reason.is_empty() => kind.to_owned(),
            reason => format!("{kind}: {reason}"),
        }
    }
}

/// A server's reason without what it quotes of the document, and without its id, which would make
/// each reason another one.
fn without_document(reason: &str) -> String {
    const QUOTES: [&str; 6] = [
        "Preview of field's value",
        "For input string",
        "[Source:",
        " at [Source",
        "The prefix of the first immense term",
        ", with value",
    ];
    let end = QUOTES
        .iter()
        .filter_map(|quote| reason.find(quote))
        .min()
        .unwrap_or(reason.len());
    let mut out = reason.get(..end).unwrap_or_default().trim().to_owned();
    const BEFORE_ID: &str = " in document with id '";
    if let Some(start) = out.find(BEFORE_ID) {
        let behind = start + BEFORE_ID.len();
        let id = out.get(behind..).and_then(|rest| rest.find('\''));
        let end = id.map_or(out.len(), |id| behind + id + 1);
        out.replace_range(start..end, "");
    }
    out.trim_end_matches(['.', ' ', ':']).to_owned()
}

/// What the answer says about the request as a whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Whether some document failed, if it says so.
    pub(super) errors: Option<bool>,
    /// How many documents it speaks of.
    pub(super) items: usize,
    /// Whether it was read to its end.
    pub(super) is_whole: bool,
}

/// Reads an answer, and hands out what it says of each document, with the document's position. What
/// stands before a mistake counts.
pub(super) fn read(body: &[u8], each: impl FnMut(usize, Item)) -> Answer {
    let mut answer = Answer::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let root = Root {
        answer: &mut answer,
        each,
    };
    let read = root.deserialize(&mut deserializer);
    answer.is_whole = read.is_ok();
    answer
}

struct Root<'a, F> {
    answer: &'a mut Answer,
    each: F,
}

impl<'de, F: FnMut(usize, Item)> DeserializeSeed<'de> for Root<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(usize, Item)> Visitor<'de> for Root<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer to a bulk request")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(name)) = map.next_key::<Key>()? {
            match name {
                Name::Errors => self.answer.errors = map.next_value::<Value>()?.as_bool(),
                Name::Items => map.next_value_seed(Items {
                    count: &mut self.answer.items,
                    each: &mut self.each,
                })?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Items<'a, F> {
    count: &'a mut usize,
    each: &'a mut F,
}

impl<'de, F: FnMut(usize, Item)> DeserializeSeed<'de> for Items<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(usize, Item)> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of what became of documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(Action(item)) = list.next_element::<Action>()? {
            (self.each)(*self.count, item);
            *self.count += 1;
        }
        Ok(())
    }
}

/// `{"create":{...}}`: the key is the action, whatever it is.
struct Action(Item);

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ActionVisitor).map(Self)
    }
}

struct ActionVisitor;

impl<'de> Visitor<'de> for ActionVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what became of a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = Item::default();
        while map.next_key::<IgnoredAny>()?.is_some() {
            item = map.next_value_seed(Outcome)?;
        }
        Ok(item)
    }
}

struct Outcome;

impl<'de> DeserializeSeed<'de> for Outcome {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Outcome {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("status and error of a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        let mut item = Item::default();
        while let Some(Key(name)) = map.next_key::<Key>()? {
            match name {
                Name::Status => {
                    let status = map.next_value::<Value>()?.as_u64();
                    item.status = status.and_then(|code| code.try_into().ok()).unwrap_or(0);
                }
                Name::Error => item.set_error(map.next_value()?),
                Name::FailureStore => {
                    item.in_failure_store = map.next_value::<Value>()? == "used";
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(item)
    }
}

impl Item {
    fn set_error(&mut self, error: Value) {
        match error {
            Value::Null => {}
            Value::Object(mut fields) => {
                self.has_error = true;
                let mut text = |name| match fields.remove(name) {
                    Some(Value::String(text)) => text,
                    _ => String::new(),
                };
                self.error_type = text("type");
                self.reason = text("reason");
            }
            Value::String(text) => {
                self.has_error = true;
                self.reason = text;
                self.error_type = "error".to_owned();
            }
            _ => self.has_error = true,
        }
    }
}

enum Name {
    Errors,
    Items,
    Status,
    Error,
    FailureStore,
    Other,
}

/// A key, without a string for it.
struct Key(Name);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor).map(Self)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Name, E> {
        Ok(match key {
            "errors" => Name::Errors,
            "items" => Name::Items,
            "status" => Name::Status,
            "error" => Name::Error,
            "failure_store" => Name::FailureStore,
            _ => Name::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(body: &str) -> (Answer, Vec<Item>) {
        let mut items = Vec::new();
        let answer = read(body.as_bytes(), |position, item| {
            assert_eq!(position, items.len());
            items.push(item);
        });
        assert_eq!(answer.items, items.len());
        (answer, items)
    }

    fn only(inner: &str) -> Item {
        let (answer, mut items) = items(&format!(r#"{{"items":[{{"create":{inner}}}]}}"#));
        assert!(answer.is_whole, "{inner}");
        items.pop().expect("one")
    }

    /// The example of section 7.4 of the mapping.
    #[test]
    fn the_example_one_done_one_again_one_refused() {
        let (answer, items) = items(
            r#"{"took":3,"errors":true,"items":[
             {"create":{"_index":"a","status":201}},
             {"create":{"_index":"a","status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue full"}}},
             {"create":{"_index":"a","status":400,"error":{"type":"document_parsing_exception","reason":"..."}}}]}"#,
        );
        assert_eq!((answer.errors, answer.is_whole), (Some(true), true));
        let fates: Vec<Fate> = items.iter().map(|item| item.fate(false)).collect();
        assert_eq!(fates, [Fate::Stored, Fate::Throttled, Fate::Refused]);
        assert_eq!(
            items[1].explain(),
            "es_rejected_execution_exception: queue full"
        );
    }

    #[test]
    fn every_row_of_the_table_of_items() {
        let conflict = r#""error":{"type":"version_conflict_engine_exception","reason":"secret"}"#;
        for (inner, own_id, expected) in [
            (r#"{"status":200}"#.to_owned(), false, Fate::Stored),
            (r#"{"status":201}"#.to_owned(), false, Fate::Stored),
            (
                r#"{"status":201,"error":null}"#.to_owned(),
                false,
                Fate::Stored,
            ),
            (
                format!(r#"{{"status":409,{conflict}}}"#),
                true,
                Fate::Stored,
            ),
            (
                format!(r#"{{"status":409,{conflict}}}"#),
                false,
                Fate::Refused,
            ),
            (
                r#"{"status":429,"error":{"type":"x"}}"#.to_owned(),
                false,
                Fate::Throttled,
            ),
            (r#"{"status":429}"#.to_owned(), true, Fate::Throttled),
            (
                r#"{"status":500,"error":{"type":"x"}}"#.to_owned(),
                false,
                Fate::Unavailable,
            ),
            (
                r#"{"status":503,"error":{"type":"unavailable_shards_exception"}}"#.to_owned(),
                true,
                Fate::Unavailable,
            ),
            (
                r#"{"status":400,"error":{"type":"mapper_parsing_exception"}}"#.to_owned(),
                true,
                Fate::Refused,
            ),
            (
                r#"{"status":404,"error":{"type":"index_not_found_exception"}}"#.to_owned(),
                false,
                Fate::Refused,
            ),
            (
                r#"{"status":201,"failure_store":"used"}"#.to_owned(),
                false,
                Fate::FailureStore,
            ),
            (
                r#"{"status":201,"failure_store":"not_applicable_or_unknown"}"#.to_owned(),
                false,
                Fate::Stored,
            ),
            (
                r#"{"status":400,"failure_store":"failed","error":{"type":"x"}}"#.to_owned(),
                false,
                Fate::Refused,
            ),
            (r#"{"_index":"a"}"#.to_owned(), false, Fate::Unknown),
            (r#"{"status":"many"}"#.to_owned(), false, Fate::Unknown),
        ] {
            assert_eq!(only(&inner).fate(own_id), expected, "{inner} {own_id}");
        }
    }

    #[test]
    fn reasons_quote_nothing_of_the_document() {
        let explain = |reason: &str| {
            let reason = serde_json::to_string(reason).expect("JSON");
            only(&format!(
                r#"{{"status":400,"error":{{"type":"t","reason":{reason}}}}}"#
            ))
            .explain()
        };
        for (reason, expected) in [
            (
                "failed to parse field [n] of type [long] in document with id 'abc'. Preview of field's value: 'secret'",
                "t: failed to parse field [n] of type [long]",
            ),
            (
                "[1:9] failed to parse field [n] of type [date] in document with id 'a' more",
                "t: [1:9] failed to parse field [n] of type [date] more",
            ),
            ("For input string: \"secret\"", "t"),
            (
                "Unexpected character at [Source: (byte[])\"{\"password\":\"secret\"}\"; line: 1]",
                "t: Unexpected character",
            ),
            ("no such index [logs-x]", "t: no such index [logs-x]"),
            ("", "t"),
        ] {
            assert_eq!(explain(reason), expected);
        }
        let conflict = only(
            r#"{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[x][secret@2024]: version conflict"}}"#,
        );
        assert!(!conflict.explain().contains("secret"));
        assert_eq!(
            only(r#"{"status":400,"error":"old form"}"#).explain(),
            "error: old form"
        );
        assert_eq!(only(r#"{"status":400,"error":7}"#).explain(), "status 400");
    }

    #[test]
    fn what_stands_before_a_mistake_counts() {
        let whole =
            r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400}}]}"#;
        for cut in 0..whole.len() {
            let (answer, items) = items(&whole[..cut]);
            assert!(!answer.is_whole);
            assert!(items.len() <= 2);
        }
        let (answer, found) = items(&whole[..whole.len() - 3]);
        assert_eq!((answer.errors, found.len()), (Some(true), 1));
        for other in [
            "",
            "[]",
            "7",
            "<html>",
            r#"{"items":7}"#,
            r#"{"items":[7]}"#,
        ] {
            let (answer, items) = items(other);
            assert!(!answer.is_whole && items.is_empty(), "{other}");
        }
        let (answer, _) = items(r#"{"took":1,"errors":false}"#);
        assert_eq!((answer.errors, answer.is_whole), (Some(false), true));
    }
}

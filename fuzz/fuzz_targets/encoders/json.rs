//! A reader of JSON that is strict about keys: each once in an object.

use std::{collections::BTreeSet, fmt};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads one JSON value, and says how many elements it has if it is a list.
pub(crate) fn read(text: &[u8]) -> usize {
    let text = std::str::from_utf8(text).expect("UTF-8");
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let value =
        Value::deserialize(&mut deserializer).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    deserializer.end().expect("nothing behind it");
    value.0
}

struct Value(usize);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value(0))
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value(0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut length = 0;
        while list.next_element::<Value>()?.is_some() {
            length += 1;
        }
        Ok(Value(length))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, _)) = map.next_entry::<String, Value>()? {
            if let Some(again) = keys.replace(key) {
                return Err(A::Error::custom(format!("the key {again:?} twice")));
            }
        }
        Ok(Value(0))
    }
}

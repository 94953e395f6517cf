//! Values as text, for formats that have no types of their own.
//!
//! The rules are those of the OpenTelemetry specification,
//! [Mapping AnyValue to non-OTLP](https://opentelemetry.io/docs/specs/otel/common/#anyvalue-representation-for-non-otlp-protocols):
//! strings as they are, booleans and numbers as JSON has them, bytes in base64, lists and maps as
//! JSON, no value as the empty text. Where it leaves a choice: no spaces, keys sorted by their
//! bytes, of equal keys the last; inside lists and maps 64-bit integers are plain numbers, bytes
//! and the doubles that JSON has no number for are strings, no value is `null`.

use super::{
    json::{
        base64, double,
        write::{bytes, string},
    },
    views::{AnyValue, Attributes, Str},
};

/// Writes a value behind what `out` holds: UTF-8, without quotes around a string.
pub(crate) fn value(out: &mut Vec<u8>, value: AnyValue<'_>) {
    match value {
        AnyValue::Empty => {}
        AnyValue::Str(text) => out.extend_from_slice(text.as_bytes()),
        AnyValue::Bytes(raw) => base64::encode(out, raw),
        AnyValue::Double(number) if !number.is_finite() => {
            let name: &[u8] = match number {
                f64::INFINITY => b"Infinity",
                f64::NEG_INFINITY => b"-Infinity",
                _ => b"NaN",
            };
            out.extend_from_slice(name);
        }
        _ => json(out, value),
    }
}

/// Writes a value as JSON behind what `out` holds.
pub(crate) fn json(out: &mut Vec<u8>, value: AnyValue<'_>) {
    match value {
        AnyValue::Empty => out.extend_from_slice(b"null"),
        AnyValue::Str(text) => string(out, text.as_bytes()),
        AnyValue::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        AnyValue::Int(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        AnyValue::Double(number) => decimal(out, number),
        AnyValue::Bytes(raw) => bytes(out, raw),
        AnyValue::Array(values) => {
            out.push(b'[');
            for (position, value) in values.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                json(out, value);
            }
            out.push(b']');
        }
        AnyValue::Map(values) => object(out, values),
    }
}

/// Writes a number in its shortest form: `1e-7` where OTLP/JSON has `1e-07`.
fn decimal(out: &mut Vec<u8>, number: f64) {
    double::encode(out, number);
    if let [.., b'e', b'-', b'0', digit] = out[..] {
        out.truncate(out.len() - 2);
        out.push(digit);
    }
}

/// Writes keys with values as a JSON object behind what `out` holds.
pub(crate) fn object(out: &mut Vec<u8>, values: Attributes<'_>) {
    let mut sorted: Vec<(Str<'_>, AnyValue<'_>)> = values.iter().collect();
    // Stable: of equal keys the last stays the last.
    sorted.sort_by_key(|(key, _)| *key);
    out.push(b'{');
    let mut rest = sorted.iter().peekable();
    while let Some((key, value)) = rest.next() {
        if rest.peek().is_some_and(|(next, _)| next == key) {
            continue;
        }
        string(out, key.as_bytes());
        out.push(b':');
        json(out, *value);
        if rest.peek().is_some() {
            out.push(b',');
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::views::View as _;

    fn field(number: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).expect("short");
        [&[number << 3 | 2, length], body].concat()
    }

    fn text(value: &str) -> Vec<u8> {
        field(1, value.as_bytes())
    }

    fn double(value: f64) -> Vec<u8> {
        [&[4 << 3 | 1][..], &value.to_le_bytes()].concat()
    }

    fn list(values: &[Vec<u8>]) -> Vec<u8> {
        let body: Vec<u8> = values.iter().flat_map(|value| field(1, value)).collect();
        field(5, &body)
    }

    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let pair = |(key, value): &(&str, Vec<u8>)| {
            field(1, &[field(1, key.as_bytes()), field(2, value)].concat())
        };
        let body: Vec<u8> = pairs.iter().flat_map(pair).collect();
        field(6, &body)
    }

    fn written(message: &[u8]) -> String {
        let mut out = Vec::new();
        value(&mut out, AnyValue::view(message));
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn single_values_stand_without_quotes() {
        for (message, expected) in [
            (vec![], ""),
            (text("say \"hi\"\n"), "say \"hi\"\n"),
            (vec![0x10, 1], "true"),
            (vec![0x10, 0], "false"),
            (vec![0x18, 42], "42"),
            (field(7, &[0x00, 0xff]), "AP8="),
            (double(0.25), "0.25"),
            (double(1.0), "1"),
            (double(1e21), "1e+21"),
            (double(1e-7), "1e-7"),
            (double(-2.5e-10), "-2.5e-10"),
            (double(f64::NAN), "NaN"),
            (double(f64::INFINITY), "Infinity"),
            (double(f64::NEG_INFINITY), "-Infinity"),
        ] {
            assert_eq!(written(&message), expected);
        }
    }

    #[test]
    fn lists_and_maps_are_json() {
        let nested = map(&[
            ("b", list(&[vec![0x10, 1], vec![]])),
            ("a", vec![0x18, 1]),
            ("\"", text("\n")),
        ]);
        assert_eq!(written(&nested), r#"{"\"":"\n","a":1,"b":[true,null]}"#);
        let odd = list(&[double(f64::NAN), field(7, b"\0"), double(0.5), text("x")]);
        assert_eq!(written(&odd), r#"["NaN","AA==",0.5,"x"]"#);
        assert_eq!(written(&list(&[])), "[]");
        assert_eq!(written(&map(&[])), "{}");
    }

    #[test]
    fn of_equal_keys_the_last_is_kept() {
        let twice = map(&[("a", vec![0x18, 1]), ("b", vec![]), ("a", vec![0x18, 2])]);
        assert_eq!(written(&twice), r#"{"a":2,"b":null}"#);
    }
}

//! The buffer of a block, and the text forms of what stands in it.

use std::fmt::{self, Write as _};

use crate::{
    calendar::civil,
    otlp::{AnyValue, Attributes, Str},
};

/// The text of one request, as it grows.
#[derive(Debug)]
pub(super) struct Text {
    out: String,
    max_value_bytes: usize,
}

impl Text {
    pub(super) fn new(max_value_bytes: Option<usize>) -> Self {
        Self {
            out: String::new(),
            max_value_bytes: max_value_bytes.unwrap_or(usize::MAX),
        }
    }

    pub(super) fn into_string(self) -> String {
        self.out
    }

    /// Text of this program: written as it is.
    pub(super) fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(super) fn end_line(&mut self) {
        self.out.push('\n');
    }

    /// What `Display` makes of a number, an id, or text of this program.
    pub(super) fn show(&mut self, value: impl fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// A string from the telemetry: neutralised, and cut if that is asked for.
    pub(super) fn text(&mut self, text: Str<'_>) {
        let start = self.out.len();
        push_safe(&mut self.out, text.as_str());
        self.cut(start);
    }

    /// A value in its string form, as OpenTelemetry's mapping to non-OTLP formats has it: a
    /// string as it is, a list or a map as JSON, bytes as base64.
    pub(super) fn value(&mut self, value: AnyValue<'_>) {
        let start = self.out.len();
        match value {
            AnyValue::Str(text) => push_safe(&mut self.out, text.as_str()),
            AnyValue::Empty => {}
            AnyValue::Bytes(bytes) => push_base64(&mut self.out, bytes),
            AnyValue::Double(number) => push_json_number(&mut self.out, number),
            other => push_json(&mut self.out, other),
        }
        self.cut(start);
    }

    /// `Str(...)`, `Int(...)` and so on.
    pub(super) fn typed(&mut self, value: AnyValue<'_>) {
        self.raw(match value {
            AnyValue::Str(_) => "Str(",
            AnyValue::Bool(_) => "Bool(",
            AnyValue::Int(_) => "Int(",
            AnyValue::Double(_) => "Double(",
            AnyValue::Bytes(_) => "Bytes(",
            AnyValue::Array(_) => "Slice(",
            AnyValue::Map(_) => "Map(",
            AnyValue::Empty => "Empty(",
        });
        self.value(value);
        self.raw(")");
    }

    /// `key=value` after each other, with `separator` between them. Returns whether there
    /// were any.
    pub(super) fn pairs(&mut self, attributes: Attributes<'_>, first: &str, separator: &str) {
        let mut before = first;
        for (key, value) in attributes {
            self.raw(before);
            self.text(key);
            self.raw("=");
            self.value(value);
            before = separator;
        }
    }

    /// A number with six decimals.
    pub(super) fn fixed(&mut self, number: f64) {
        match special(number) {
            Some(name) => self.raw(name),
            None => self.show(format_args!("{number:.6}")),
        }
    }

    /// A number in its shortest form, with an exponent below 1e-4 and from 1e6 on.
    pub(super) fn shortest(&mut self, number: f64) {
        if let Some(name) = special(number) {
            return self.raw(name);
        }
        let scientific = format!("{number:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        match exponent.parse::<i32>() {
            Ok(exponent) if !(-4..6).contains(&exponent) => {
                let sign = if exponent < 0 { '-' } else { '+' };
                self.show(format_args!(
                    "{digits}e{sign}{:02}",
                    exponent.unsigned_abs()
                ));
            }
            _ => self.show(number),
        }
    }

    /// A moment, in nanoseconds since the Unix epoch: `2023-11-14 22:13:20.5 +0000 UTC`.
    pub(super) fn time(&mut self, unix_nanos: u64) {
        let (seconds, nanos) = (unix_nanos / 1_000_000_000, unix_nanos % 1_000_000_000);
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        self.show(format_args!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        ));
        if nanos != 0 {
            let fraction = format!("{nanos:09}");
            self.raw(".");
            self.raw(fraction.trim_end_matches('0'));
        }
        self.raw(" +0000 UTC");
    }

    /// Cuts what was written since `start` down to the limit, and says how much is missing.
    fn cut(&mut self, start: usize) {
        let length = self.out.len() - start;
        if length <= self.max_value_bytes {
            return;
        }
        let mut end = start + self.max_value_bytes;
        while !self.out.is_char_boundary(end) {
            end -= 1;
        }
        let missing = self.out.len() - end;
        self.out.truncate(end);
        self.show(format_args!("...({missing} bytes more)"));
    }
}

fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        Some("NaN")
    } else if number == f64::INFINITY {
        Some("+Inf")
    } else if number == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// Whether a terminal would act on this character instead of showing it: the control characters
/// (C0, DEL, C1), the line separators, and the marks that reorder text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// Appends `text` with every character that a terminal would act on written as an escape.
fn push_safe(out: &mut String, text: &str) {
    push_escaped(out, text, is_unsafe);
}

fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text, |c| matches!(c, '"' | '\\') || is_unsafe(c));
    out.push('"');
}

fn push_escaped(out: &mut String, text: &str, escape: impl Fn(char) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.find(&escape) {
        let (clean, tail) = rest.split_at(at);
        out.push_str(clean);
        let mut chars = tail.chars();
        match chars.next() {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c @ ('"' | '\\')) => out.extend(['\\', c]),
            Some(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

fn push_json(out: &mut String, value: AnyValue<'_>) {
    match value {
        AnyValue::Str(text) => push_json_string(out, text.as_str()),
        AnyValue::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        AnyValue::Int(value) => {
            let _ = write!(out, "{value}");
        }
        // JSON has no such numbers.
        AnyValue::Double(value) if !value.is_finite() => {
            out.push('"');
            push_json_number(out, value);
            out.push('"');
        }
        AnyValue::Double(value) => push_json_number(out, value),
        AnyValue::Bytes(bytes) => {
            out.push('"');
            push_base64(out, bytes);
            out.push('"');
        }
        AnyValue::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_json(out, value);
            }
            out.push(']');
        }
        AnyValue::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_json_string(out, key.as_str());
                out.push(':');
                push_json(out, value);
            }
            out.push('}');
        }
        AnyValue::Empty => out.push_str("null"),
    }
}

/// The shortest form, with an exponent below 1e-6 and from 1e21 on, as ECMAScript prints it.
fn push_json_number(out: &mut String, number: f64) {
    let magnitude = number.abs();
    let _ = if let Some(name) = special(number) {
        out.push_str(name);
        Ok(())
    } else if magnitude >= 1e21 {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        write!(out, "{digits}e+{exponent}")
    } else if magnitude != 0.0 && magnitude < 1e-6 {
        write!(out, "{number:e}")
    } else {
        write!(out, "{number}")
    };
}

/// Standard base64 with padding (RFC 4648, section 4).
fn push_base64(out: &mut String, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            out.push(if at <= chunk.len() {
                char::from(ALPHABET[(word >> shift & 63) as usize])
            } else {
                '='
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::new(None);
        write(&mut text);
        text.into_string()
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (nanos, shown) in [
            (0, "1970-01-01 00:00:00 +0000 UTC"),
            (951_782_399_000_000_000, "2000-02-28 23:59:59 +0000 UTC"),
            (951_782_400_000_000_000, "2000-02-29 00:00:00 +0000 UTC"),
            (951_868_800_000_000_000, "2000-03-01 00:00:00 +0000 UTC"),
            (4_107_542_400_000_000_000, "2100-03-01 00:00:00 +0000 UTC"),
            (1_700_000_000_200_000_000, "2023-11-14 22:13:20.2 +0000 UTC"),
            (
                1_700_000_000_000_000_001,
                "2023-11-14 22:13:20.000000001 +0000 UTC",
            ),
            (u64::MAX, "2554-07-21 23:34:33.709551615 +0000 UTC"),
        ] {
            assert_eq!(made(|text| text.time(nanos)), shown);
        }
    }

    #[test]
    fn numbers_have_the_forms_of_the_collector() {
        for (number, shortest, fixed) in [
            (1_234_567.0, "1.234567e+06", "1234567.000000"),
            (1_000_000.0, "1e+06", "1000000.000000"),
            (123_456.0, "123456", "123456.000000"),
            (1e21, "1e+21", "1000000000000000000000.000000"),
            (0.0001, "0.0001", "0.000100"),
            (0.00001, "1e-05", "0.000010"),
            (-2.5, "-2.5", "-2.500000"),
            (0.0, "0", "0.000000"),
            (-0.0, "-0", "-0.000000"),
            (0.007_812_5, "0.0078125", "0.007812"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!(made(|text| text.shortest(number)), shortest);
            assert_eq!(made(|text| text.fixed(number)), fixed);
        }
    }

    #[test]
    fn values_have_the_string_form_of_the_specification() {
        for (number, shown) in [
            (0.25, "0.25"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (0.000_001, "0.000001"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(made(|text| text.value(AnyValue::Double(number))), shown);
        }
        for (bytes, shown) in [
            (&b""[..], ""),
            (b"\x00\xff", "AP8="),
            (b"f", "Zg=="),
            (b"foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(made(|text| text.value(AnyValue::Bytes(bytes))), shown);
        }
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let evil = "\x1b[31m\u{9b}2J\x07\r\n\t\u{7f}\u{202e}\u{2066}\u{200f}\u{2028} ü \\ \"";
        let shown = made(|text| text.text(Str::new(evil.as_bytes())));
        assert_eq!(
            shown,
            "\\u001b[31m\\u009b2J\\u0007\\r\\n\\t\\u007f\\u202e\\u2066\\u200f\\u2028 ü \\ \""
        );
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let mut text = Text::new(Some(4));
        text.text(Str::new("abcü-tail".as_bytes()));
        text.raw("|");
        text.text(Str::new(b"four"));
        assert_eq!(text.into_string(), "abc...(7 bytes more)|four");
    }
}

//! The parts of a line: names, tags, fields, and how they are escaped.
//!
//! Source of the rules: [line protocol](https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/).

use crate::otlp::{
    json::{double, hex, write::clean},
    text,
    views::{AnyValue, Number},
};

/// What stands before a key that InfluxDB keeps for itself, as Prometheus does it.
const RENAMED: &[u8] = b"exported_";

/// Writes a measurement.
pub(super) fn measurement(out: &mut Vec<u8>, name: &[u8]) {
    if let [b'#' | b'_', ..] = name {
        out.extend_from_slice(RENAMED);
    }
    escaped(out, name, |byte| matches!(byte, b',' | b' '));
}

/// Writes `,key=value`, unless one of them is empty: then there is no tag. Whether the key that is
/// written is another one: then a tag beside it may have the same.
pub(super) fn tag(
    out: &mut Vec<u8>,
    key: &[u8],
    value: &[u8],
    is_field: fn(&[u8]) -> bool,
) -> bool {
    let value = trimmed(value);
    if trimmed(key).is_empty() || value.is_empty() {
        return false;
    }
    out.push(b',');
    let is_another = tag_key(out, key, is_field);
    out.push(b'=');
    escaped(out, value, is_special);
    is_another
}

/// Writes the key of a tag. Whether it is another one.
pub(super) fn tag_key(out: &mut Vec<u8>, key: &[u8], is_field: fn(&[u8]) -> bool) -> bool {
    let is_odd = |byte: &u8| matches!(byte, b'\\' | b'\n' | b'\r');
    let mut is_another = key.iter().any(is_odd);
    let key = trimmed(key);
    if key.first() == Some(&b'_') || key == b"time" || is_field(key) {
        out.extend_from_slice(RENAMED);
        is_another = true;
    }
    escaped(out, key, is_special);
    is_another
}

/// Whether two of the tags of a line have one key. `line` ends behind its tags.
pub(super) fn has_equal_tags(line: &[u8]) -> bool {
    let mut keys = Vec::new();
    let (mut start, mut at) = (line.len(), 0);
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' => at += 1,
            b',' => start = at + 1,
            b'=' => {
                keys.push(line.get(start..at).unwrap_or_default());
                start = line.len();
            }
            _ => {}
        }
        at += 1;
    }
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// Writes `,key=id` in hex, unless there is no id.
pub(super) fn id_tag(out: &mut Vec<u8>, key: &[u8], id: &[u8]) {
    if !id.is_empty() {
        out.push(b',');
        out.extend_from_slice(key);
        out.push(b'=');
        hex::encode(out, id);
    }
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b',' | b'=' | b' ')
}

/// Without the backslashes at its end: they would escape what follows, and cannot be escaped.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != b'\\');
    &text[..end.map_or(0, |last| last + 1)]
}

/// Writes text with a backslash before what is special. A line break, which no name may have,
/// becomes a space. Backslashes of the text before either are left out, as there is no form for
/// them that all readers agree on: InfluxDB 1 takes two of them for an escape of its own when it
/// looks for the end of a line, and then the lines that follow are lost with this one.
fn escaped(out: &mut Vec<u8>, text: &[u8], is_special: impl Fn(u8) -> bool) {
    let start = out.len();
    for byte in trimmed(text) {
        let special = match *byte {
            b'\n' | b'\r' => b' ',
            special if is_special(special) => special,
            plain => {
                out.push(plain);
                continue;
            }
        };
        while out.len() > start && out.last() == Some(&b'\\') {
            out.pop();
        }
        out.extend_from_slice(&[b'\\', special]);
    }
}

/// Writes the key of a field, or the first part of one.
pub(super) fn field_key(out: &mut Vec<u8>, key: &[u8]) {
    if let [b'_', ..] | b"time" = trimmed(key) {
        out.extend_from_slice(RENAMED);
    }
    escaped(out, key, is_special);
}

/// Writes text between quotes.
pub(super) fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    quoted_body(out, text);
    out.push(b'"');
}

fn quoted_body(out: &mut Vec<u8>, mut text: &[u8]) {
    while let Some((run, [byte, rest @ ..])) = text.split_at_checked(clean(text)) {
        out.extend_from_slice(run);
        if let b'"' | b'\\' = byte {
            out.push(b'\\');
        }
        out.push(*byte);
        text = rest;
    }
    out.extend_from_slice(text);
}

/// Writes a value as JSON within a string field: escaped twice.
pub(super) fn json_in_quotes(out: &mut Vec<u8>, scratch: &mut Vec<u8>, value: AnyValue<'_>) {
    match value {
        AnyValue::Str(text) => json_string_in_quotes(out, text.as_bytes()),
        AnyValue::Bool(_) | AnyValue::Int(_) | AnyValue::Empty => text::json(out, value),
        _ => {
            scratch.clear();
            text::json(scratch, value);
            quoted_body(out, scratch);
        }
    }
}

/// Writes text as a JSON string within a string field.
pub(super) fn json_string_in_quotes(out: &mut Vec<u8>, mut text: &[u8]) {
    out.extend_from_slice(b"\\\"");
    while let Some((run, [byte, rest @ ..])) = text.split_at_checked(clean(text)) {
        out.extend_from_slice(run);
        match byte {
            b'"' => out.extend_from_slice(br#"\\\""#),
            b'\\' => out.extend_from_slice(br"\\\\"),
            b'\n' => out.extend_from_slice(br"\\n"),
            b'\r' => out.extend_from_slice(br"\\r"),
            b'\t' => out.extend_from_slice(br"\\t"),
            control => {
                out.extend_from_slice(br"\\u00");
                hex::encode(out, &[*control]);
            }
        }
        text = rest;
    }
    out.extend_from_slice(text);
    out.extend_from_slice(b"\\\"");
}

/// Lines, and how the fields of this server are written. Keys need no escape unless it is said.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) out: Vec<u8>,
    /// Where the fields of the present line begin.
    fields: usize,
    /// Whether the server knows unsigned integers.
    unsigned: bool,
    /// Whether integers are written as floats.
    floats: bool,
}

impl Line {
    pub(super) const fn new(out: Vec<u8>, unsigned: bool, floats: bool) -> Self {
        Self {
            out,
            fields: 0,
            unsigned,
            floats,
        }
    }

    /// Ends the tags.
    pub(super) fn begin_fields(&mut self) {
        self.out.push(b' ');
        self.fields = self.out.len();
    }

    /// Whether the line has no field yet.
    pub(super) fn has_no_field(&self) -> bool {
        self.out.len() == self.fields
    }

    /// Ends the line.
    pub(super) fn end(&mut self, time: i64) {
        self.out.push(b' ');
        let mut digits = itoa::Buffer::new();
        self.out.extend_from_slice(digits.format(time).as_bytes());
        self.out.push(b'\n');
    }

    /// Writes the comma before a field, and gives what its key is written to.
    pub(super) fn next_field(&mut self) -> &mut Vec<u8> {
        if !self.has_no_field() {
            self.out.push(b',');
        }
        &mut self.out
    }

    /// Writes a key, and gives what the value is written to.
    pub(super) fn key(&mut self, key: &[u8]) -> &mut Vec<u8> {
        let out = self.next_field();
        out.extend_from_slice(key);
        out.push(b'=');
        out
    }

    pub(super) fn int(&mut self, key: &[u8], value: i64) {
        let out = self.key(key);
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        out.push(b'i');
    }

    /// A count that is no measured value: unsigned where the server knows that, and left out
    /// where it does not fit.
    pub(super) fn unsigned(&mut self, key: &[u8], value: u64) {
        if self.unsigned {
            let out = self.key(key);
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            out.push(b'u');
        } else if let Ok(value) = i64::try_from(value) {
            self.int(key, value);
        }
    }

    /// A moment, unless it is not known or beyond what InfluxDB has numbers for.
    pub(super) fn moment(&mut self, key: &[u8], nanos: u64) {
        match i64::try_from(nanos) {
            Ok(nanos) if nanos != 0 => self.int(key, nanos),
            _ => {}
        }
    }

    /// A measured number.
    pub(super) fn measured(&mut self, key: &[u8], value: Number) {
        match value {
            Number::Double(value) => self.float(key, value),
            Number::Int(value) if self.floats => {
                let out = self.key(key);
                out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            }
            Number::Int(value) => self.int(key, value),
        }
    }

    /// A number, unless it is one that line protocol has no form for.
    pub(super) fn float(&mut self, key: &[u8], value: f64) {
        if value.is_finite() {
            double::encode(self.key(key), value);
        }
    }

    pub(super) fn text(&mut self, key: &[u8], text: &[u8]) {
        quoted(self.key(key), text);
    }

    /// Text, unless it is empty.
    pub(super) fn optional_text(&mut self, key: &[u8], text: &[u8]) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    /// An id in hex, unless there is none.
    pub(super) fn id(&mut self, key: &[u8], id: &[u8]) {
        if !id.is_empty() {
            let out = self.key(key);
            out.push(b'"');
            hex::encode(out, id);
            out.push(b'"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_field(_: &[u8]) -> bool {
        false
    }

    fn written<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn tag_of(key: &str, value: &str) -> String {
        written(|out| tag(out, key.as_bytes(), value.as_bytes(), no_field))
    }

    #[test]
    fn escaping_by_place() {
        assert_eq!(
            written(|out| measurement(out, b"my metric,a=b")),
            r"my\ metric\,a=b"
        );
        assert_eq!(tag_of("a key", "x=1, y"), r",a\ key=x\=1\,\ y");
        assert_eq!(tag_of("k", r"C:\dir\"), r",k=C:\dir");
        assert_eq!(tag_of("k\\\\", "v"), ",k=v");
        assert_eq!(tag_of(r"a\\ b", "x\\,\\\ny"), r",a\ b=x\,\ y");
        assert_eq!(tag_of("k", "a\nb\r"), r",k=a\ b\ ");
        assert_eq!(tag_of("k", ""), "");
        assert_eq!(tag_of("", "v"), "");
        assert_eq!(tag_of("k", r"\\"), "");
        assert_eq!(
            written(|out| quoted(out, br#"say "hi" \o/"#)),
            r#""say \"hi\" \\o/""#
        );
        assert_eq!(written(|out| quoted(out, b"a\nb")), "\"a\nb\"");
    }

    #[test]
    fn names_that_influxdb_keeps_for_itself_are_changed() {
        assert_eq!(written(|out| measurement(out, b"#x")), "exported_#x");
        assert_eq!(written(|out| measurement(out, b"_x")), "exported__x");
        assert_eq!(tag_of("_field", "v"), ",exported__field=v");
        assert_eq!(tag_of("time", "v"), ",exported_time=v");
        let is_gauge: fn(&[u8]) -> bool = |key| key == b"gauge";
        assert_eq!(
            written(|out| tag(out, b"gauge", b"v", is_gauge)),
            ",exported_gauge=v"
        );
    }

    #[test]
    fn equal_keys_are_found() {
        for (line, expected) in [
            ("m", false),
            ("m,a=1,b=1", false),
            ("m\\,a=x,a=1", false),
            ("m,a=1,b=2,a=3", true),
            ("m,a\\ b=1,a\\ b=2", true),
            ("m,a=\\,b\\=,b=1", false),
        ] {
            assert_eq!(has_equal_tags(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn json_within_a_string_is_escaped_twice() {
        for text in ["", "a", "say \"hi\"", "\\", "\n\r\t\u{1}", "é\\\"é"] {
            let json = serde_json::to_string(text).expect("text");
            let expected = written(|out| quoted_body(out, json.as_bytes()));
            let found = written(|out| json_string_in_quotes(out, text.as_bytes()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn fields_have_types() {
        let all = |unsigned, floats| {
            let mut line = Line::new(b"m".to_vec(), unsigned, floats);
            line.begin_fields();
            line.float(b"nan", f64::NAN);
            line.float(b"inf", f64::INFINITY);
            assert!(line.has_no_field());
            line.float(b"f", 1.0);
            line.int(b"i", -1);
            line.measured(b"m", Number::Int(2));
            line.measured(b"d", Number::Double(2.5));
            line.unsigned(b"u", 3);
            line.unsigned(b"big", u64::MAX);
            line.moment(b"none", 0);
            line.moment(b"beyond", u64::MAX);
            line.moment(b"t", 4);
            line.id(b"id", &[0xab, 1]);
            line.optional_text(b"none", b"");
            line.text(b"s", b"");
            line.end(7);
            String::from_utf8(line.out).expect("UTF-8")
        };
        assert_eq!(
            all(true, false),
            "m f=1,i=-1i,m=2i,d=2.5,u=3u,big=18446744073709551615u,t=4i,id=\"ab01\",s=\"\" 7\n"
        );
        assert_eq!(
            all(false, true),
            "m f=1,i=-1i,m=2,d=2.5,u=3i,t=4i,id=\"ab01\",s=\"\" 7\n"
        );
    }
}

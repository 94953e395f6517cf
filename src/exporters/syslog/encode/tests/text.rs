//! The text of a message, and its frame.

use super::*;

#[test]
fn bodies_of_every_type() {
    let nested = map(vec![
        pair(
            "a",
            Value::ArrayValue(ArrayValue {
                values: vec![
                    any(Value::IntValue(-1)),
                    AnyValue::default(),
                    any(text("\"\n")),
                ],
            }),
        ),
        pair("b", Value::BytesValue(vec![0, 255])),
        pair("c", Value::DoubleValue(f64::NAN)),
    ]);
    for (body, shown) in [
        (text("plain"), " plain"),
        (text(""), ""),
        (Value::BoolValue(false), " false"),
        (Value::IntValue(i64::MIN), " -9223372036854775808"),
        (Value::DoubleValue(1.5), " 1.5"),
        (Value::DoubleValue(2.0), " 2"),
        (Value::DoubleValue(f64::NAN), " NaN"),
        (Value::DoubleValue(f64::NEG_INFINITY), " -Infinity"),
        (Value::BytesValue(vec![0, 255]), " AP8="),
        (nested, r#" {"a":[-1,null,"\"\n"],"b":"AP8=","c":"NaN"}"#),
        (map(Vec::new()), " {}"),
        (Value::ArrayValue(ArrayValue::default()), " []"),
    ] {
        assert_eq!(plain(with_body(body)), format!("<14>1 - - - - - -{shown}"));
    }
}

#[test]
fn pitfall_octets_are_counted_and_not_characters() {
    let (text, _) = encoded(
        &SyslogFormat::default(),
        &request(Vec::new(), vec![with_body(text("日本語"))]),
    );
    assert_eq!(text, "27 <14>1 - - - - - - 日本語");
}

#[test]
fn pitfall_line_feeds_survive_octet_counting() {
    let (text, _) = encoded(
        &SyslogFormat::default(),
        &request(
            Vec::new(),
            vec![with_body(text("a\nb\r\n")), with_body(text("c"))],
        ),
    );
    assert_eq!(text, "23 <14>1 - - - - - - a\nb\r\n19 <14>1 - - - - - - c");
}

#[test]
fn pitfall_line_feeds_become_spaces_where_they_frame() {
    let format = SyslogFormat::default().framing(Framing::LineFeed);
    let record = LogRecord {
        attributes: vec![pair("k", text("1\n2"))],
        ..with_body(text("a\nb\r\nc"))
    };
    let (text, _) = encoded(
        &format,
        &request(Vec::new(), vec![record, LogRecord::default()]),
    );
    assert_eq!(
        text,
        "<14>1 - - - - - [attributes@32473 k=\"1 2\"] a b  c\n<14>1 - - - - - -\n"
    );
}

#[test]
fn pitfall_frames_of_changing_length() {
    let records =
        [1, 100, 2000, 3, 70_000, 90, 91].map(|length| with_body(text(&"x".repeat(length))));
    let format = SyslogFormat::default()
        .max_message_bytes(1 << 20)
        .expect("a limit");
    let (text, _) = encoded(&format, &request(Vec::new(), records.to_vec()));
    let mut rest = text.as_str();
    for record in records {
        let (length, after) = rest.split_once(' ').expect("a frame");
        assert!(!length.starts_with('0'));
        let (message, after) = after.split_at(length.parse().expect("a length"));
        let body = record.body.and_then(|body| body.value);
        let Some(Value::StringValue(body)) = body else {
            panic!("a text");
        };
        assert_eq!(message, format!("<14>1 - - - - - - {body}"));
        rest = after;
    }
    assert_eq!(rest, "");
}

#[test]
fn a_byte_order_mark_is_an_option() {
    assert_eq!(plain(with_body(text("x"))), "<14>1 - - - - - - x");
    let format = SyslogFormat::default().byte_order_mark(true);
    let marked = |record| message(&format, Vec::new(), record);
    assert_eq!(marked(with_body(text("x"))), "<14>1 - - - - - - \u{feff}x");
    assert_eq!(marked(LogRecord::default()), "<14>1 - - - - - -");
}

#[test]
fn control_characters_stay_as_they_are() {
    let record = LogRecord {
        attributes: vec![pair("k", text("\u{0}\u{7}\u{1b}"))],
        ..with_body(text("\u{0}\t\u{7f}"))
    };
    assert_eq!(
        plain(record),
        "<14>1 - - - - - [attributes@32473 k=\"\u{0}\u{7}\u{1b}\"] \u{0}\t\u{7f}"
    );
}

//! The worked examples, to the byte.

use super::*;

fn local0() -> SyslogFormat {
    SyslogFormat::default().facility(Facility::LOCAL0)
}

fn full_record() -> (Vec<KeyValue>, LogRecord) {
    let resource = vec![
        pair("service.name", text("cart")),
        pair("host.name", text("h1")),
        pair("service.version", text("1.2.0")),
    ];
    let record = LogRecord {
        time_unix_nano: 1_700_000_000_123_456_789,
        severity_number: 17,
        body: Some(any(text(r#"payment "failed""#))),
        attributes: vec![
            pair("order.id", Value::IntValue(42)),
            pair("path", text(r"a]b\c")),
        ],
        trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128
            .to_be_bytes()
            .to_vec(),
        span_id: 0x1112_1314_1516_1718_u64.to_be_bytes().to_vec(),
        flags: 1,
        ..LogRecord::default()
    };
    (resource, record)
}

const FULL: &str = r#"<131>1 2023-11-14T22:13:20.123456Z h1 cart - - [otel@32473 trace_id="4bf92f3577b34da6a3ce929d0e0e4736" span_id="1112131415161718" trace_flags="01"][attributes@32473 order.id="42" path="a\]b\\c"][origin swVersion="1.2.0"] payment "failed""#;

#[test]
fn example_full_record() {
    let (resource, record) = full_record();
    let (text, summary) = encoded(&local0(), &request(resource, vec![record]));
    assert_eq!(text, format!("237 {FULL}"));
    assert_eq!(summary.warning(), None);
}

#[test]
fn example_smallest_record() {
    let (text, _) = encoded(
        &SyslogFormat::default(),
        &request(Vec::new(), vec![LogRecord::default()]),
    );
    assert_eq!(text, "17 <14>1 - - - - - -");
}

#[test]
fn example_non_ascii_body() {
    let record = LogRecord {
        time_unix_nano: 1_700_000_000_000_000_000,
        severity_number: 9,
        ..with_body(text("größe"))
    };
    let resource = vec![pair("service.name", text("my app"))];
    let (text, _) = encoded(&SyslogFormat::default(), &request(resource, vec![record]));
    assert_eq!(
        text,
        "56 <14>1 2023-11-14T22:13:20.000000Z - my_app - - - größe"
    );
}

#[test]
fn example_priorities() {
    for (facility, severity, start) in [(20, 17, "<163>1 "), (23, 5, "<191>1 "), (0, 21, "<0>1 ")] {
        let facility = Facility::new(facility).expect("a facility");
        let record = LogRecord {
            severity_number: severity,
            ..LogRecord::default()
        };
        let format = SyslogFormat::default().facility(facility);
        let message = message(&format, Vec::new(), record);
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn example_header_values() {
    let resource = vec![
        pair("service.name", text(&"s".repeat(60))),
        pair("host.name", text("a b")),
    ];
    let message = message(&SyslogFormat::default(), resource, LogRecord::default());
    assert_eq!(message, format!("<14>1 - a_b {} - - -", "s".repeat(48)));
}

#[test]
fn example_value() {
    let record = with_attributes(vec![pair("v", text(r#"say "x" [y] \z"#))]);
    assert_eq!(
        plain(record),
        r#"<14>1 - - - - - [attributes@32473 v="say \"x\" [y\] \\z"]"#
    );
}

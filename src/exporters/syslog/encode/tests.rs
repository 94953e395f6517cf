//! Every worked example and every pitfall of the mapping, byte for byte.

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};

use super::*;
use crate::ExportRequest;

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn map(pairs: Vec<KeyValue>) -> Value {
    Value::KvlistValue(KeyValueList { values: pairs })
}

fn request(resource: Vec<KeyValue>, records: Vec<LogRecord>) -> ExportRequest {
    ExportRequest::from(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: resource,
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    })
}

fn encoded(format: &SyslogFormat, request: &ExportRequest) -> (String, SyslogSummary) {
    let mut out = Vec::new();
    let summary = format.encode(request.logs().expect("logs"), &mut out);
    (String::from_utf8(out).expect("UTF-8"), summary)
}

/// The one message, without its frame, of which the length is checked.
fn message(format: &SyslogFormat, resource: Vec<KeyValue>, record: LogRecord) -> String {
    let (text, summary) = encoded(format, &request(resource, vec![record]));
    assert_eq!(summary.messages, 1);
    unframed(&text)
}

fn unframed(text: &str) -> String {
    let (length, message) = text.split_once(' ').expect("a frame");
    assert_eq!(length, message.len().to_string());
    message.to_owned()
}

fn plain(record: LogRecord) -> String {
    message(&SyslogFormat::default(), Vec::new(), record)
}

fn with_body(body: Value) -> LogRecord {
    LogRecord {
        body: Some(any(body)),
        ..LogRecord::default()
    }
}

fn with_attributes(attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord {
        attributes,
        ..LogRecord::default()
    }
}

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

#[test]
fn attributes_of_syslog_have_their_places() {
    let record = with_attributes(vec![
        pair("syslog.facility", Value::IntValue(23)),
        pair("syslog.severity", Value::IntValue(2)),
        pair("syslog.procid", Value::IntValue(77)),
        pair("syslog.msgid", text("ID 47")),
        pair("k", text("v")),
    ]);
    assert_eq!(
        plain(record),
        r#"<186>1 - - - 77 ID_47 [attributes@32473 k="v"]"#
    );
}

#[test]
fn attributes_of_syslog_that_cannot_be_used_stay_attributes() {
    let record = LogRecord {
        severity_number: 9,
        ..with_attributes(vec![
            pair("syslog.facility", Value::IntValue(24)),
            pair("syslog.severity", Value::IntValue(2)),
            pair("syslog.structured_data", text("no map")),
            pair("syslog.msgid", text("")),
        ])
    };
    assert_eq!(
        plain(record),
        "<14>1 - - - - - [attributes@32473 syslog.facility=\"24\" syslog.severity=\"2\" \
         syslog.structured_data=\"no map\" syslog.msgid=\"\"]"
    );
}

#[test]
fn process_and_event_name_are_the_second_choice() {
    let resource = vec![pair("process.pid", Value::IntValue(4711))];
    let record = LogRecord {
        event_name: "order placed".to_owned(),
        ..LogRecord::default()
    };
    let format = SyslogFormat::default().host_name("edge-1");
    assert_eq!(
        message(&format, resource, record),
        "<14>1 - edge-1 - 4711 order_placed -"
    );
}

#[test]
fn the_observed_time_is_the_second_choice() {
    let record = LogRecord {
        observed_time_unix_nano: 1_700_000_000_999_999_999,
        ..LogRecord::default()
    };
    assert_eq!(plain(record), "<14>1 2023-11-14T22:13:20.999999Z - - - - -");
}

#[test]
fn an_unset_time_is_not_the_year_1970() {
    assert!(plain(LogRecord::default()).starts_with("<14>1 - "));
}

#[test]
fn structured_data_of_the_record_comes_first_and_each_element_once() {
    let record = LogRecord {
        flags: 1,
        ..with_attributes(vec![pair(
            "syslog.structured_data",
            map(vec![
                pair(
                    "ex@1",
                    map(vec![pair("a]", text("1]")), pair("a_", text("2"))]),
                ),
                pair("none@1", map(Vec::new())),
                pair("ex@1", map(vec![pair("b", text("again"))])),
                pair("otel@32473", map(vec![pair("c", text("ours"))])),
                pair("origin", map(vec![pair("ip", text("192.0.2.1"))])),
                pair("text", text("no map")),
            ]),
        )])
    };
    let (text, summary) = encoded(&SyslogFormat::default(), &request(Vec::new(), vec![record]));
    assert_eq!(
        unframed(&text),
        r#"<14>1 - - - - - [ex@1 a_="1\]"][none@1][origin ip="192.0.2.1"][otel@32473 trace_flags="01"]"#
    );
    assert_eq!(summary.left_out, 4);
}

#[test]
fn what_else_opentelemetry_says() {
    let request = ExportRequest::from(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "lib \"x\"".to_owned(),
                    version: "2.1".to_owned(),
                    ..InstrumentationScope::default()
                }),
                log_records: vec![LogRecord {
                    severity_number: 13,
                    severity_text: "WARN".to_owned(),
                    flags: 0x1ff,
                    ..LogRecord::default()
                }],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    });
    let (text, _) = encoded(&SyslogFormat::default().enterprise_number(9), &request);
    assert_eq!(
        unframed(&text),
        r#"<12>1 - - - - - [otel@9 trace_flags="ff" scope_name="lib \"x\"" scope_version="2.1" severity_text="WARN"]"#
    );
}

#[test]
fn resource_attributes_are_an_option() {
    let resource = vec![
        pair("service.name", text("cart")),
        pair("service.version", text("1]")),
        pair("cloud.region", text("eu")),
        pair("cloud region", text("us")),
        pair("cloud_region", text("us")),
    ];
    let format = SyslogFormat::default().resource_attributes(true);
    let records = vec![LogRecord::default(), LogRecord::default()];
    let (text, summary) = encoded(&format, &request(resource, records));
    let message = r#"<14>1 - - cart - - [origin swVersion="1\]"][resource@32473 cloud.region="eu" cloud_region="us"]"#;
    let frame = format!("{} {message}", message.len());
    assert_eq!(text, frame.repeat(2));
    assert_eq!(summary.left_out, 1);
}

#[test]
fn of_two_keys_that_become_equal_the_first_is_kept_and_the_other_counted() {
    let long = "k".repeat(32);
    let record = with_attributes(vec![
        pair("a b", text("first")),
        pair("a=b", text("second")),
        pair(&format!("{long}1"), text("first")),
        pair(&format!("{long}2"), text("second")),
    ]);
    let (text, summary) = encoded(&SyslogFormat::default(), &request(Vec::new(), vec![record]));
    assert_eq!(
        unframed(&text),
        format!("<14>1 - - - - - [attributes@32473 a_b=\"first\" {long}=\"first\"]")
    );
    assert_eq!(summary.left_out, 2);
    let warning = summary.warning().expect("a warning");
    assert!(warning.starts_with("2 parameters"), "{warning}");
}

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
fn values_of_every_type_are_escaped() {
    let record = with_attributes(vec![
        pair(
            "list",
            Value::ArrayValue(ArrayValue {
                values: vec![any(text("a\"]")), any(Value::BoolValue(true))],
            }),
        ),
        pair("bytes", Value::BytesValue(vec![1])),
        pair("double", Value::DoubleValue(f64::INFINITY)),
        KeyValue {
            key: "unset".to_owned(),
            ..KeyValue::default()
        },
    ]);
    assert_eq!(
        plain(record),
        r#"<14>1 - - - - - [attributes@32473 list="[\"a\\\"\]\",true\]" bytes="AQ==" double="Infinity" unset=""]"#
    );
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
fn pitfall_an_unescaped_bracket_would_end_the_element() {
    let record = LogRecord {
        severity_text: "a\"] b\\".to_owned(),
        ..LogRecord::default()
    };
    assert_eq!(
        plain(record),
        r#"<14>1 - - - - - [otel@32473 severity_text="a\"\] b\\"]"#
    );
}

#[test]
fn pitfall_a_large_text_is_cut_at_the_end_of_a_character_and_counted() {
    let format = SyslogFormat::default()
        .max_message_bytes(480)
        .expect("a limit");
    for filler in ["x", "é", "日", "🦀"] {
        let record = with_body(text(&filler.repeat(480)));
        let (text, summary) = encoded(&format, &request(Vec::new(), vec![record]));
        let message = unframed(&text);
        assert!(message.len() <= 480 && message.len() > 480 - filler.len());
        let body = message
            .strip_prefix("<14>1 - - - - - - ")
            .expect("a header");
        assert_eq!(body.replace(filler, ""), "");
        assert_eq!((summary.messages, summary.cut, summary.rejected), (1, 1, 0));
        let warning = summary.warning().expect("a warning");
        assert_eq!(warning, "1 messages cut to the largest size");
    }
    let fits = with_body(text(&"x".repeat(480 - 18)));
    let (_, summary) = encoded(&format, &request(Vec::new(), vec![fits]));
    assert_eq!(summary.cut, 0);
}

#[test]
fn pitfall_structured_data_that_is_too_large_leaves_room_for_the_text() {
    let format = SyslogFormat::default()
        .max_message_bytes(480)
        .expect("a limit");
    let record = LogRecord {
        flags: 1,
        attributes: vec![
            pair("large", text(&"]".repeat(5000))),
            pair("small", text("kept")),
        ],
        ..with_body(text("what happened"))
    };
    let (written, summary) = encoded(&format, &request(Vec::new(), vec![record.clone()]));
    assert_eq!(
        unframed(&written),
        r#"<14>1 - - - - - [otel@32473 trace_flags="01"][attributes@32473 small="kept"] what happened"#
    );
    assert_eq!((summary.cut, summary.left_out), (1, 1));

    // Both too large: the text has half of the room, or what is left of it.
    let both = LogRecord {
        body: Some(any(text(&"b".repeat(5000)))),
        ..record
    };
    let (written, summary) = encoded(&format, &request(Vec::new(), vec![both]));
    let message = unframed(&written);
    assert_eq!(message.len(), 480);
    assert!(message.ends_with(&"b".repeat(220)), "{message}");
    assert!(message.contains("small=\"kept\""));
    assert_eq!((summary.cut, summary.left_out), (1, 1));
}

#[test]
fn a_record_of_which_the_header_has_no_room_is_rejected_and_its_neighbours_live() {
    let format = SyslogFormat::default()
        .max_message_bytes(480)
        .expect("a limit");
    let resource = vec![
        pair("host.name", text(&"h".repeat(300))),
        pair("service.name", text(&"s".repeat(300))),
    ];
    let mut large = with_attributes(vec![
        pair("syslog.procid", text(&"p".repeat(300))),
        pair("syslog.msgid", text(&"m".repeat(300))),
        pair("k", text(&"v".repeat(300))),
    ]);
    large.time_unix_nano = 1;
    let records = vec![with_body(text("one")), large, with_body(text("two"))];
    let (text, summary) = encoded(&format, &request(resource, records));
    assert_eq!((summary.messages, summary.rejected), (2, 1));
    assert!(text.contains(" one") && text.ends_with(" two"), "{text}");
    let warning = summary.warning().expect("a warning");
    assert!(warning.starts_with("1 records rejected"), "{warning}");
}

#[test]
fn a_limit_that_no_receiver_has_is_refused() {
    assert!(SyslogFormat::default().max_message_bytes(479).is_err());
    assert!(SyslogFormat::default().max_message_bytes(480).is_ok());
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

#[test]
fn fatal_can_be_kept_from_being_an_emergency() {
    let format = SyslogFormat::default().gravest(Severity::Critical);
    for (number, start) in [(24, "<10>"), (18, "<10>"), (17, "<11>"), (0, "<14>")] {
        let record = LogRecord {
            severity_number: number,
            ..LogRecord::default()
        };
        let message = message(&format, Vec::new(), record);
        assert!(message.starts_with(start), "{message}");
    }
}

#[test]
fn each_record_has_its_own_resource() {
    let group = |name: &str| ResourceLogs {
        resource: Some(Resource {
            attributes: vec![
                pair("service.name", text(name)),
                pair("service.version", text(name)),
            ],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            log_records: vec![LogRecord::default()],
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    let nobody = ResourceLogs {
        resource: None,
        ..group("")
    };
    let request = ExportRequest::from(ExportLogsServiceRequest {
        resource_logs: vec![group("a"), nobody, group("b")],
    });
    let format = SyslogFormat::default().framing(Framing::LineFeed);
    let (text, _) = encoded(&format, &request);
    assert_eq!(
        text,
        "<14>1 - - a - - [origin swVersion=\"a\"]\n<14>1 - - - - - -\n<14>1 - - b - - [origin swVersion=\"b\"]\n"
    );
}

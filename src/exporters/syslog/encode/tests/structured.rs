//! Structured data: elements, names, values.

use super::*;

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
fn elements_of_the_record_have_values_of_every_type_and_names_that_are_allowed() {
    let long = "i".repeat(40);
    let record = with_attributes(vec![pair(
        "syslog.structured_data",
        map(vec![
            pair(
                "ex @]1",
                map(vec![
                    pair("n", Value::IntValue(-1)),
                    pair("b", Value::BoolValue(true)),
                    pair("d", Value::DoubleValue(0.5)),
                    pair("raw", Value::BytesValue(vec![1])),
                    pair("m", map(vec![pair("k", text("v"))])),
                ]),
            ),
            pair(&long, map(vec![pair(&long, text("v"))])),
        ]),
    )]);
    let cut = "i".repeat(32);
    assert_eq!(
        plain(record),
        format!(
            r#"<14>1 - - - - - [ex_@_1 n="-1" b="true" d="0.5" raw="AQ==" m="{{\"k\":\"v\"}}"][{cut} {cut}="v"]"#
        )
    );
}

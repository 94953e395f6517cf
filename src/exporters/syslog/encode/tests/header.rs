//! Priority, time, and the names of the sender.

use super::*;

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

#[test]
fn the_record_goes_before_the_resource_and_the_resource_before_the_options() {
    let resource = vec![
        pair("host.name", text("h1")),
        pair("process.pid", Value::IntValue(4711)),
    ];
    let record = LogRecord {
        time_unix_nano: 1_700_000_000_000_001_000,
        observed_time_unix_nano: 1_600_000_000_000_000_000,
        severity_number: 9,
        event_name: "order placed".to_owned(),
        ..with_attributes(vec![
            pair("syslog.facility", Value::IntValue(23)),
            pair("syslog.procid", text("worker-7")),
            pair("syslog.msgid", text("ID47")),
        ])
    };
    let format = SyslogFormat::default()
        .facility(Facility::LOCAL0)
        .host_name("edge-1");
    assert_eq!(
        message(&format, resource, record),
        "<190>1 2023-11-14T22:13:20.000001Z h1 - worker-7 ID47 -"
    );
}

#[test]
fn each_part_of_the_header_has_a_limit_of_its_own() {
    let resource = vec![
        pair("host.name", text(&"h".repeat(300))),
        pair("service.name", text(&"s".repeat(300))),
        pair("process.pid", text(&"p".repeat(300))),
    ];
    let record = LogRecord {
        event_name: "m".repeat(300),
        ..LogRecord::default()
    };
    let [host, app, process, message_id] =
        [("h", 255), ("s", 48), ("p", 128), ("m", 32)].map(|(letter, most)| letter.repeat(most));
    assert_eq!(
        message(&SyslogFormat::default(), resource, record),
        format!("<14>1 - {host} {app} {process} {message_id} -")
    );
}

//! Messages that are too large.

use super::*;

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
fn a_message_has_at_most_64_kib_unless_told_otherwise() {
    for (letters, cut) in [(65_536 - 18, 0), (65_536 - 17, 1)] {
        let record = with_body(text(&"x".repeat(letters)));
        let (written, summary) =
            encoded(&SyslogFormat::default(), &request(Vec::new(), vec![record]));
        assert_eq!(unframed(&written).len(), 65_536);
        assert_eq!(summary.cut, cut);
    }
}

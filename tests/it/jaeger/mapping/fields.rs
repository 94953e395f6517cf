//! Ids, times, flags, and the process.

use super::*;

#[test]
fn ids_are_signed_big_endian_halves() {
    for (id, number) in [
        ("ff00000000000000", -72_057_594_037_927_936),
        ("ff00000000000001", -72_057_594_037_927_935),
        ("00f067aa0ba902b7", 67_667_974_448_284_343),
    ] {
        let span = span(&format!(r#""parentSpanId":"{id}""#));
        assert_eq!(span.parent_span_id, number);
    }
    let span = span("");
    assert_eq!(span.trace_id_high, 72_623_859_790_382_856);
    assert_eq!(span.trace_id_low, 651_345_242_494_996_240);
}

#[test]
fn a_64_bit_trace_id_has_a_high_half_of_zero() {
    let request = traces(
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"0000000000000000090a0b0c0d0e0f10","spanId":"0000000000000001"}]}]}]}"#,
    );
    let span = only(&request);
    assert_eq!(span.trace_id_high, 0);
    assert_eq!(span.trace_id_low, 651_345_242_494_996_240);
}

#[test]
fn a_resource_without_a_usable_name_is_an_unknown_service() {
    let int = r#"{"key":"service.name","value":{"intValue":"5"}}"#.to_owned();
    for (attributes, left) in [
        (text("host.name", "h1"), vec![string("host.name", "h1")]),
        (String::new(), vec![]),
        (text("service.name", ""), vec![string("service.name", "")]),
        (int, vec![long("service.name", 5)]),
    ] {
        let batch = batches(&with_resource(&attributes)).remove(0);
        assert_eq!(batch.process.service_name, "unknown_service");
        assert_eq!(batch.process.tags.unwrap_or_default(), left);
    }
    let request = with_resource(&text("host.name", "h1"));
    for (name, written) in [("edge", "edge"), ("", "unknown_service")] {
        let options = EncodeOptions::default().unknown_service(name);
        let batch = batches_with(&request, &options).remove(0);
        assert_eq!(batch.process.service_name, written);
    }
}

#[test]
fn the_service_name_is_no_tag_and_the_others_keep_their_order() {
    let attributes = [
        text("b", "1"),
        text("service.name", "cart"),
        text("a", "2"),
        r#"{"key":"pid","value":{"intValue":"7"}}"#.to_owned(),
    ];
    let batch = batches(&with_resource(&attributes.join(","))).remove(0);
    assert_eq!(batch.process.service_name, "cart");
    let tags = vec![string("b", "1"), string("a", "2"), long("pid", 7)];
    assert_eq!(batch.process.tags, Some(tags));
}

#[test]
fn an_empty_service_name_is_never_sent() {
    for name in ["", "cart"] {
        let batch = batches(&with_resource(&text("service.name", name))).remove(0);
        assert!(!batch.process.service_name.is_empty());
    }
}

#[test]
fn the_duration_is_cut_off_after_the_subtraction() {
    for (start, end, start_time, duration) in [
        (
            "1700000000123456789",
            "1700000000124957788",
            1_700_000_000_123_456,
            1500,
        ),
        ("1999", "1999", 1, 0),
        ("1000", "1999", 1, 0),
        ("999", "2000", 0, 1),
        // No end; an end before the start.
        ("5000", "0", 5, 0),
        ("5000", "4000", 5, 0),
        ("0", "18446744073709551615", 0, 18_446_744_073_709_551),
        ("18446744073709551615", "0", 18_446_744_073_709_551, 0),
    ] {
        let span = span(&format!(
            r#""startTimeUnixNano":"{start}","endTimeUnixNano":"{end}""#
        ));
        assert_eq!(
            (span.start_time, span.duration),
            (start_time, duration),
            "{start} {end}"
        );
    }
}

#[test]
fn flags_are_masked_and_their_absence_means_sampled() {
    for (flags, written) in [
        (0, 1),
        (1, 1),
        (2, 0),
        (3, 1),
        (0x100, 0),
        (0x101, 1),
        (0x303, 1),
    ] {
        assert_eq!(
            span(&format!(r#""flags":{flags}"#)).flags,
            written,
            "{flags:#x}"
        );
    }
}

#[test]
fn three_resources_are_three_messages_and_equal_neighbours_share_one() {
    let resource = |name: &str, spans: &str| {
        format!(
            r#"{{"resource":{{"attributes":[{}]}},"scopeSpans":[{{"spans":[{spans}]}}]}}"#,
            text("service.name", name)
        )
    };
    let span = r#"{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001"}"#;
    let request = |groups: &[String]| {
        let groups = groups.join(",");
        batches(&traces(&format!(r#"{{"resourceSpans":[{groups}]}}"#)))
            .iter()
            .map(|batch| (batch.process.service_name.clone(), batch.spans.len()))
            .collect::<Vec<_>>()
    };
    let one = |name: &str| resource(name, span);
    let row = |name: &str, spans| (name.to_owned(), spans);
    assert_eq!(
        request(&[one("a"), one("b"), one("c")]),
        [row("a", 1), row("b", 1), row("c", 1)]
    );
    assert_eq!(
        request(&[one("a"), one("a"), one("b"), one("a")]),
        [row("a", 2), row("b", 1), row("a", 1)]
    );
    // Without spans there is nothing to send.
    assert_eq!(
        request(&[resource("x", ""), one("a"), resource("y", ""), one("a")]),
        [row("a", 1), row("a", 1)]
    );
    assert_eq!(request(&[resource("x", "")]), []);
}

#[test]
fn a_thousand_attributes_and_empty_names() {
    let attributes: Vec<String> = (0..1000)
        .map(|number| format!(r#"{{"key":"k{number}","value":{{"intValue":"{number}"}}}}"#))
        .collect();
    let wide = span(&format!(
        r#""name":"","attributes":[{}]"#,
        attributes.join(",")
    ));
    assert_eq!(wide.operation_name, "");
    let expected: Vec<Tag> = (0..1000)
        .map(|number| long(&format!("k{number}"), number))
        .collect();
    assert_eq!(tags(&wide), expected);
    let unnamed =
        span(r#""attributes":[{"key":"","value":{"stringValue":""}}],"events":[{"name":""}]"#);
    assert_eq!(tags(&unnamed), [string("", "")]);
    assert_eq!(logs(&unnamed), [Log::default()]);
}

/// OTLP has each key once; of two names none may be lost.
#[test]
fn of_two_service_names_the_first_counts_and_the_other_is_a_tag() {
    let attributes = [
        text("service.name", ""),
        text("service.name", "cart"),
        text("service.name", "other"),
    ];
    let batch = batches(&with_resource(&attributes.join(","))).remove(0);
    assert_eq!(batch.process.service_name, "cart");
    let tags = vec![string("service.name", ""), string("service.name", "other")];
    assert_eq!(batch.process.tags, Some(tags));
}

//! Events and links.

use super::*;

#[test]
fn events_are_logs() {
    let span = span(
        r#""events":[
        {"timeUnixNano":"1700000000124000999","name":"exception","attributes":[
            {"key":"event","value":{"stringValue":"e"}},{"key":"n","value":{"intValue":"1"}}]},
        {"timeUnixNano":"1000","name":"x","droppedAttributesCount":3,"attributes":[
            {"key":"otel.dropped_attributes_count","value":{"intValue":"9"}}]},
        {"timeUnixNano":"2000"}]"#,
    );
    let log = |timestamp, fields| Log { timestamp, fields };
    let expected = [
        // The name gives way to the attribute.
        log(
            1_700_000_000_124_000,
            vec![string("event", "e"), long("n", 1)],
        ),
        log(
            1,
            vec![
                string("event", "x"),
                long("otel.dropped_attributes_count", 3),
            ],
        ),
        log(2, vec![]),
    ];
    assert_eq!(logs(&span), expected);
}

#[test]
fn links_are_references_but_for_the_one_to_the_parent() {
    let reference = |ref_type, trace_id_high, trace_id_low, span_id| SpanRef {
        ref_type,
        trace_id_low,
        trace_id_high,
        span_id,
    };
    let expected = [
        reference(0, 72_623_859_790_382_856, 651_345_242_494_996_240, 1),
        reference(1, 1, 2, 67_667_974_448_284_343),
    ];
    let linked = span(LINKS);
    assert_eq!(references(&linked), expected);
    assert_eq!(linked.logs, None);
    // The parent is no reference either.
    assert_eq!(
        span(r#""parentSpanId":"00f067aa0ba902b7""#).references,
        None
    );
    let to_parent = r#""parentSpanId":"00f067aa0ba902b7","links":[
        {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"00f067aa0ba902b7"}]"#;
    assert_eq!(span(to_parent).references, None);
}

#[test]
fn links_are_logs_too_if_asked_for() {
    let options = EncodeOptions::default().link_logs(true);
    let batch = batches_with(&with_span(LINKS), &options).remove(0);
    let logs = logs(&batch.spans[0]);
    assert_eq!(logs.len(), 3);
    assert!(logs.iter().all(|log| log.timestamp == 7));
    let expected = [
        string("event", "link"),
        string("trace_id", "0102030405060708090a0b0c0d0e0f10"),
        string("span_id", "0000000000000001"),
        string("opentracing.ref_type", "child_of"),
    ];
    assert_eq!(logs[1].fields, expected);
    assert_eq!(batch.spans[0].references.as_ref().map(Vec::len), Some(2));
}

#[test]
fn a_link_with_an_id_of_a_wrong_length_is_counted_as_dropped() {
    use opentelemetry_proto::tonic::trace::v1::span::Link;
    let link = |trace: usize, span: usize| Link {
        trace_id: vec![3; trace],
        span_id: vec![4; span],
        ..Link::default()
    };
    let mut span = raw_span();
    span.links = vec![link(16, 8), link(8, 8), link(16, 3), link(0, 0)];
    span.dropped_links_count = 5;
    let span = only(&raw(span));
    assert_eq!(references(&span).len(), 2);
    assert_eq!(
        references(&span)[1],
        SpanRef {
            ref_type: 1,
            ..SpanRef::default()
        }
    );
    assert_eq!(tags(&span), [long("otel.dropped_links_count", 7)]);
}

//! The worked examples, to the byte.

use super::*;

/// Section 7.1.
#[test]
fn example_of_a_span_with_one_event() {
    let bulk = encode(Signal::Traces, EVENT_SPAN);
    assert_eq!(
        text(&bulk),
        r#"{"create":{"_index":"traces-generic.otel-default"}}
{"@timestamp":"1700000000123.456789","data_stream":{"type":"traces","dataset":"generic.otel","namespace":"default"},"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"1112131415161718","parent_span_id":"00f067aa0ba902b7","name":"GET /cart","kind":"Server","duration":1500000,"attributes":{"http.response.status_code":500,"ratio":1.0},"links":[],"status":{"message":"boom","code":"Error"},"resource":{"attributes":{"service.name":"cart"}},"scope":{"name":"shop.http","version":"1.2.0"}}
{"create":{"_index":"logs-generic.otel-default"}}
{"@timestamp":"1700000000124.000005","data_stream":{"type":"logs","dataset":"generic.otel","namespace":"default"},"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"1112131415161718","event_name":"retry","attributes":{"n":1,"event.name":"retry"},"resource":{"attributes":{"service.name":"cart"}},"scope":{"name":"shop.http","version":"1.2.0"}}
"#
    );
    let items: Vec<&[u64]> = bulk.documents().map(|document| document.items).collect();
    assert_eq!(items, [[0], [0]]);
}

/// Section 7.2.
#[test]
fn example_of_a_log_record() {
    let bulk = encode(
        Signal::Logs,
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeLogs":[{"logRecords":[
        {"timeUnixNano":"1700000000123456789","observedTimeUnixNano":"1700000000200000000","severityNumber":17,"severityText":"ERROR","body":{"stringValue":"payment failed"},
        "attributes":[{"key":"order.id","value":{"intValue":"42"}},{"key":"data_stream.dataset","value":{"stringValue":"My-App"}}],
        "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]}]}]}"#,
    );
    assert_eq!(
        text(&bulk),
        r#"{"create":{"_index":"logs-my_app.otel-default"}}
{"@timestamp":"1700000000123.456789","observed_timestamp":"1700000000200.000000","data_stream":{"type":"logs","dataset":"my_app.otel","namespace":"default"},"severity_text":"ERROR","severity_number":17,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"1112131415161718","attributes":{"order.id":42},"resource":{"attributes":{"service.name":"cart"}},"scope":{},"body":{"text":"payment failed"}}
"#
    );
}

/// Section 7.3.
#[test]
fn example_of_two_points_in_one_document() {
    let bulk = encode(Signal::Metrics, &metrics(TWO_POINTS));
    assert_eq!(
        text(&bulk),
        r#"{"create":{"_index":"metrics-generic.otel-default","dynamic_templates":{"metrics.http.requests":"counter_long","metrics.queue.size":"gauge_double"}}}
{"@timestamp":1700000000123,"start_timestamp":1699999990000,"unit":"1","data_stream":{"type":"metrics","dataset":"generic.otel","namespace":"default"},"resource":{"attributes":{"service.name":"cart"}},"scope":{},"metrics":{"http.requests":5,"queue.size":2.0},"_metric_names_hash":"40e728e9"}
"#
    );
    let document = bulk.document(0).expect("one");
    assert_eq!(document.items, [0, 1]);
    assert_eq!(document.range, 0..bulk.as_bytes().len());
}

/// Section 7.3, the histogram.
#[test]
fn example_of_a_histogram() {
    let bulk = encode(
        Signal::Metrics,
        &metrics(
            r#"{"name":"latency","histogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1","count":"6","sum":1,"bucketCounts":["3","2","1"],"explicitBounds":[0.1,0.5]}]}}"#,
        ),
    );
    assert!(
        text(&bulk).contains(r#""metrics":{"latency":{"counts":[3,2,1],"values":[0.05,0.3,0.5]}}"#)
    );
    assert!(text(&bulk).contains(r#""dynamic_templates":{"metrics.latency":"histogram"}"#));
}

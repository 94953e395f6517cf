//! Worked examples, byte for byte: written by Prometheus' own libraries unless they say
//! otherwise.

use tower_otlp::exporters::prometheus::{EscapingScheme, Format, PrometheusExporter};

use super::*;

const SHOP: &str = r#"{"resourceMetrics":[{"resource":{"attributes":[
 {"key":"service.namespace","value":{"stringValue":"shop"}},{"key":"service.name","value":{"stringValue":"cart"}},
 {"key":"service.instance.id","value":{"stringValue":"i-1"}},{"key":"host.name","value":{"stringValue":"h1"}}]},
"scopeMetrics":[{"scope":{"name":"shop.http","version":"1.2.0"},"metrics":[
 {"name":"http.requests","unit":"{request}","description":"Requests \"served\"\nper\\path.","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
  {"attributes":[{"key":"http.method","value":{"stringValue":"GET"}}],
   "startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asInt":"5",
   "exemplars":[{"timeUnixNano":"1700000000100000000","asInt":"1","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]}]}},
 {"name":"http.server.request.duration","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[
  {"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","count":"6","sum":1.5,"min":0.01,"max":1.2,
   "bucketCounts":["3","2","1"],"explicitBounds":[0.1,0.5],
   "exemplars":[{"timeUnixNano":"1700000000100000000","asDouble":0.3,"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]}]}}]}]}]}"#;

#[test]
fn the_text_format() {
    let exporter = plain();
    take(&exporter, &json(SHOP));
    assert_eq!(
        text(&exporter),
        r##"# HELP http_requests_total Requests "served"\nper\\path.
# TYPE http_requests_total counter
http_requests_total{http_method="GET",instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 5
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0",le="0.1"} 3
http_server_request_duration_seconds_bucket{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0",le="0.5"} 5
http_server_request_duration_seconds_bucket{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0",le="+Inf"} 6
http_server_request_duration_seconds_sum{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 1.5
http_server_request_duration_seconds_count{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 6
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{host_name="h1",instance="i-1",job="shop/cart"} 1
"##
    );
}

#[test]
fn openmetrics_with_created_lines() {
    let exporter = built(PrometheusExporter::builder().created_lines(true));
    take(&exporter, &json(SHOP));
    assert_eq!(
        openmetrics(&exporter),
        r##"# TYPE http_requests counter
# HELP http_requests Requests \"served\"\nper\\path.
http_requests_total{http_method="GET",instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 5.0 # {span_id="1112131415161718",trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 1.0 1700000000.1
http_requests_created{http_method="GET",instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 1699999990.0
# TYPE http_server_request_duration_seconds histogram
# UNIT http_server_request_duration_seconds seconds
http_server_request_duration_seconds_bucket{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0",le="0.1"} 3
http_server_request_duration_seconds_bucket{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0",le="0.5"} 5 # {span_id="1112131415161718",trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.3 1700000000.1
http_server_request_duration_seconds_bucket{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0",le="+Inf"} 6
http_server_request_duration_seconds_sum{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 1.5
http_server_request_duration_seconds_count{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 6
http_server_request_duration_seconds_created{instance="i-1",job="shop/cart",otel_scope_name="shop.http",otel_scope_version="1.2.0"} 1699999990.0
# TYPE target_info gauge
# HELP target_info Target metadata
target_info{host_name="h1",instance="i-1",job="shop/cart"} 1.0
# EOF
"##
    );
}

#[test]
fn created_lines_are_off_by_default() {
    let exporter = plain();
    take(&exporter, &json(SHOP));
    assert!(!openmetrics(&exporter).contains("_created"));
}

/// The lines of both formats without comments.
fn lines(request: &ExportRequest, name: &str) -> [String; 2] {
    let exporter = built(
        PrometheusExporter::builder()
            .target_info(false)
            .translation_strategy(
                tower_otlp::exporters::prometheus::TranslationStrategy::NoTranslation,
            ),
    );
    take(&exporter, request);
    [Format::Text, Format::OpenMetrics1].map(|format| {
        let page = page_in(&exporter, format, EscapingScheme::AllowUtf8);
        let lines = page
            .lines()
            .filter(|line| !line.starts_with('#') || line.starts_with(&format!("# TYPE {name}")));
        lines.collect::<Vec<_>>().join("; ")
    })
}

#[test]
fn single_lines() {
    let gauge = gauge("jvm_memory_used_bytes", "1234567");
    let line = "jvm_memory_used_bytes 1.234567e+06";
    assert_eq!(lines(&metrics(&gauge), "-"), [line, line]);
    let nan = super::gauge("x", "\"NaN\"");
    assert_eq!(lines(&metrics(&nan), "-"), ["x NaN", "x NaN"]);

    let odd = r#"{"name":"x","gauge":{"dataPoints":[{"asInt":"1","attributes":[{"key":"pool","value":{"stringValue":"a\\b\"c\nd"}}]}]}}"#;
    assert_eq!(
        lines(&metrics(odd), "-"),
        [r#"x{pool="a\\b\"c\nd"} 1"#, r#"x{pool="a\\b\"c\nd"} 1.0"#]
    );

    let summary = r#"{"name":"s","summary":{"dataPoints":[{"count":"4","sum":10,"quantileValues":[{"quantile":0.99,"value":4.5}]}]}}"#;
    assert_eq!(
        lines(&metrics(summary), "-"),
        [
            r#"s{quantile="0.99"} 4.5; s_sum 10; s_count 4"#,
            r#"s{quantile="0.99"} 4.5; s_sum 10.0; s_count 4"#
        ]
    );

    let counter = counter("no_suffix", 1, 1);
    assert_eq!(
        lines(&metrics(&counter), "no_suffix"),
        [
            "# TYPE no_suffix counter; no_suffix 1",
            "# TYPE no_suffix unknown; no_suffix 1.0"
        ]
    );

    let quoted = r#"{"name":"my.metric","gauge":{"dataPoints":[{"asInt":"1","attributes":[{"key":"plain","value":{"stringValue":"w"}},{"key":"label.x","value":{"stringValue":"v"}}]}]}}"#;
    assert_eq!(
        lines(&metrics(quoted), "\"my.metric\""),
        [
            r##"# TYPE "my.metric" gauge; {"my.metric","label.x"="v",plain="w"} 1"##,
            r##"# TYPE "my.metric" gauge; {"my.metric","label.x"="v",plain="w"} 1.0"##
        ]
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_native_histogram_in_protobuf() {
    let exporter = plain();
    let rpc = r#"{"name":"rpc","unit":"s","description":"RPC time.","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"40","sum":12.5,"scale":1,"zeroCount":"3","positive":{"offset":3,"bucketCounts":["10","0","0","20","5","2"]}}]}}"#;
    take(&exporter, &with_resource(r#""service.name":"cart""#, rpc));
    let page = exporter.render(Format::Protobuf, EscapingScheme::AllowUtf8);
    assert_eq!(
        hex(&page),
        "5e0a0b7270635f7365636f6e647312095250432074696d652e180422390a0b0a\
         036a6f621204636172743a2a08281100000000000029402802319d978ccf08ba\
         5b2538036204080810066814681368006828681d68052a077365636f6e6473"
    );
}

#[test]
fn a_counter_in_protobuf() {
    let exporter = plain();
    let jobs = r#"{"name":"jobs","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"5","timeUnixNano":"1"}]}}"#;
    take(&exporter, &metrics(jobs));
    let page = exporter.render(Format::Protobuf, EscapingScheme::AllowUtf8);
    assert_eq!(
        hex(&page),
        "1b0a0a6a6f62735f746f74616c1800220b1a09090000000000001440"
    );
}

/// Prometheus' own translator gives 4, 1, 1 here.
#[test]
fn merging_buckets_counts_empty_ones() {
    let exporter = plain();
    let rpc = r#"{"name":"rpc","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":"6","sum":1,"scale":9,"positive":{"offset":-2,"bucketCounts":["3","1","0","0","1","1"]}}]}}"#;
    take(&exporter, &metrics(rpc));
    let page = exporter.render(Format::Protobuf, EscapingScheme::AllowUtf8);
    let families = model::read(&page);
    let histogram = families[0].metric[0].histogram.as_ref().expect("native");
    assert_eq!(histogram.schema, Some(8));
    let spans: Vec<_> = histogram
        .positive_span
        .iter()
        .map(|span| (span.offset, span.length))
        .collect();
    assert_eq!(spans, [(Some(0), Some(3))]);
    assert_eq!(histogram.positive_delta, [4, -4, 2]);
}

#[test]
fn names_by_each_strategy() {
    use tower_otlp::exporters::prometheus::TranslationStrategy;
    let foo = r#"{"name":"foo.bar","unit":"By","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"5"}]}}"#;
    for (strategy, expected) in TranslationStrategy::ALL.into_iter().zip([
        "foo_bar_bytes_total 5\n",
        "foo_bar 5\n",
        "{\"foo.bar_bytes_total\"} 5\n",
        "{\"foo.bar\"} 5\n",
    ]) {
        let exporter = built(PrometheusExporter::builder().translation_strategy(strategy));
        take(&exporter, &metrics(foo));
        let page = page_in(&exporter, Format::Text, EscapingScheme::AllowUtf8);
        assert!(page.ends_with(expected), "{page}");
        // Whoever did not ask for them gets no quotes.
        let page = page_in(&exporter, Format::Text, EscapingScheme::Underscores);
        assert!(!page.contains('"'), "{page}");
        page_in(&exporter, Format::OpenMetrics1, EscapingScheme::Dots);
        page_in(&exporter, Format::OpenMetrics1, EscapingScheme::Values);
    }
}

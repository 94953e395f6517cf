//! Messages of which the bytes are known, from reference implementations.

use tower_otlp::exporters::prometheus::remote_write::encode::{
    EncodeOptions, HistogramForm, Protocol,
};

use super::{Series, encode_with, json, message, metrics, metrics_of, series_with};
use crate::support::remote_write::{BucketSpan, Count, ZeroCount};

const CART: [(&str, &str); 3] = [
    ("service.namespace", "shop"),
    ("service.name", "cart"),
    ("service.instance.id", "i-1"),
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).expect("two digits");
    digits.chunks(2).map(byte).collect()
}

fn counter() -> tower_otlp::ExportRequest {
    metrics_of(
        &CART,
        r#"{"name":"http.requests","unit":"requests","description":"Requests served.",
        "sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{
        "attributes":[{"key":"method","value":{"stringValue":"GET"}}],
        "startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asInt":"5"}]}}"#,
    )
}

const COUNTER_V1: &str = "
    0a650a1f0a085f5f6e616d655f5f1213687474705f72657175657374735f746f
    74616c0a0f0a08696e7374616e63651203692d310a100a036a6f62120973686f
    702f636172740a0d0a066d6574686f6412034745541210090000000000001440
    10fbd095ffbc31";

const COUNTER_V2: &str = "
    220022085f5f6e616d655f5f2213687474705f72657175657374735f746f7461
    6c2208696e7374616e63652203692d3122036a6f62220973686f702f63617274
    22066d6574686f64220347455422105265717565737473207365727665642e22
    0872657175657374732a2b0a0801020304050607081217090000000000001440
    10fbd095ffbc3118f08195ffbc312a0608011809200a";

#[test]
fn a_counter_as_1_0() {
    let written = message(&counter(), EncodeOptions::default(), Protocol::V1);
    assert_eq!(written, hex(COUNTER_V1));
}

#[test]
fn a_counter_as_2_0() {
    let written = message(&counter(), EncodeOptions::default(), Protocol::V2);
    assert_eq!(written, hex(COUNTER_V2));
}

/// Compressors may differ in what they write, never in what is read.
#[test]
fn reference_bodies_are_snappy_blocks_of_these_messages() {
    let v1 = hex("
        67f0660a650a1f0a085f5f6e616d655f5f1213687474705f7265717565737473
        5f746f74616c0a0f0a08696e7374616e63651203692d310a100a036a6f621209
        73686f702f636172740a0d0a066d6574686f6412034745541210090000000000
        00144010fbd095ffbc31");
    let v2 = hex("
        9601f04f220022085f5f6e616d655f5f2213687474705f72657175657374735f
        746f74616c2208696e7374616e63652203692d3122036a6f62220973686f702f
        6361727422066d6574686f6422034745542210520d3c24207365727665642e22
        08114e3c2a2b0a0801020304050607081217090005015c144010fbd095ffbc31
        18f08195ffbc312a0608011809200a");
    for (block, message) in [(v1, COUNTER_V1), (v2, COUNTER_V2)] {
        let read = snap::raw::Decoder::new()
            .decompress_vec(&block)
            .expect("a block");
        assert_eq!(read, hex(message));
    }
}

#[test]
fn a_stale_marker_keeps_its_bits() {
    let request = metrics(
        r#"{"name":"up","gauge":{"dataPoints":[{"timeUnixNano":"1700000000123456789","flags":1}]}}"#,
    );
    let written = message(&request, EncodeOptions::default(), Protocol::V1);
    let expected = "
        0a220a0e0a085f5f6e616d655f5f12027570121009020000000000f07f10fbd0
        95ffbc31";
    assert_eq!(written, hex(expected));
}

const RPC: &str = r#"{"name":"rpc","unit":"s","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{
    "timeUnixNano":"1700000000123456789","scale":1,"count":"40","sum":12.5,"zeroCount":"3",
    "positive":{"offset":3,"bucketCounts":["10","0","0","20","5","2"]}}]}}"#;

#[test]
fn a_native_histogram_as_1_0() {
    let written = message(&metrics(RPC), EncodeOptions::default(), Protocol::V1);
    let expected = "
        0a480a170a085f5f6e616d655f5f120b7270635f7365636f6e6473222d082819
        00000000000029402002299d978ccf08ba5b2530035a04080810066206141300
        281d0578fbd095ffbc31";
    assert_eq!(written, hex(expected));
}

const T: i64 = 1_700_000_000_123;
const START: i64 = 1_699_999_990_000;

/// The whole table of the conversion.
#[test]
fn each_type_becomes_its_series() {
    let times = r#""startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789""#;
    let exemplar = r#""exemplars":[{"timeUnixNano":"1700000000100000000","asInt":"1","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]"#;
    let attributes = super::attributes_json(&[&CART[..], &[("host.name", "h1")]].concat());
    let request = json(&format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{attributes}]}},
        "scopeMetrics":[{{"scope":{{"name":"shop.http","version":"1.2.0"}},"metrics":[
        {{"name":"http.requests","unit":"{{request}}","sum":{{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
            {{{times},"asInt":"5","attributes":[{{"key":"http.method","value":{{"stringValue":"GET"}}}}],{exemplar}}}]}}}},
        {{"name":"http.server.request.duration","unit":"s","histogram":{{"aggregationTemporality":2,"dataPoints":[
            {{{times},"count":"6","sum":1.5,"explicitBounds":[0.1,0.5],"bucketCounts":["3","2","1"]}}]}}}},
        {{"name":"jvm.memory.used","unit":"By","gauge":{{"dataPoints":[{{{times},"asInt":"1234567"}}]}}}},
        {{"name":"rpc","unit":"s","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[
            {{{times},"scale":1,"count":"40","sum":12.5,"zeroCount":"3","positive":{{"offset":3,"bucketCounts":["10","0","0","20","5","2"]}}}}]}}}},
        {{"name":"old.latency","unit":"ms","summary":{{"dataPoints":[
            {{{times},"count":"4","sum":10,"quantileValues":[{{"quantile":0.5,"value":2}},{{"quantile":0.99,"value":4.5}}]}}]}}}},
        {{"name":"q.stale","gauge":{{"dataPoints":[{{{times},"flags":1}}]}}}},
        {{"name":"delta.one","sum":{{"aggregationTemporality":1,"dataPoints":[{{{times},"asInt":"1"}}]}}}}
        ]}}]}}]}}"#
    ));
    let options = EncodeOptions::default().scope_labels(false);
    let (messages, rejected, reason) =
        encode_with(&request, options, Protocol::V2, super::NO_LIMITS);
    assert_eq!(rejected, 1);
    assert!(
        reason
            .expect("one")
            .starts_with("metric `delta.one`: it has delta temporality")
    );
    let all = super::read_v2(&messages[0]);
    let found = |name: &str| -> &Series {
        all.iter()
            .find(|series| series.name() == name)
            .unwrap_or_else(|| panic!("{name} of {all:#?}"))
    };
    let target = r#"instance="i-1",job="shop/cart""#;
    let floats = [
        (
            format!(r#"http_requests_total{{http_method="GET",{target}}}"#),
            5.0,
            START,
            1,
        ),
        (
            format!("http_server_request_duration_seconds_sum{{{target}}}"),
            1.5,
            START,
            3,
        ),
        (
            format!("http_server_request_duration_seconds_count{{{target}}}"),
            6.0,
            START,
            3,
        ),
        (
            format!(r#"http_server_request_duration_seconds_bucket{{{target},le="0.1"}}"#),
            3.0,
            START,
            3,
        ),
        (
            format!(r#"http_server_request_duration_seconds_bucket{{{target},le="0.5"}}"#),
            5.0,
            START,
            3,
        ),
        (
            format!(r#"http_server_request_duration_seconds_bucket{{{target},le="+Inf"}}"#),
            6.0,
            START,
            3,
        ),
        (
            format!("jvm_memory_used_bytes{{{target}}}"),
            1_234_567.0,
            0,
            2,
        ),
        (
            format!("old_latency_milliseconds_sum{{{target}}}"),
            10.0,
            START,
            5,
        ),
        (
            format!("old_latency_milliseconds_count{{{target}}}"),
            4.0,
            START,
            5,
        ),
        (
            format!(r#"old_latency_milliseconds{{{target},quantile="0.5"}}"#),
            2.0,
            START,
            5,
        ),
        (
            format!(r#"old_latency_milliseconds{{{target},quantile="0.99"}}"#),
            4.5,
            START,
            5,
        ),
        (
            format!(r#"target_info{{host_name="h1",{target}}}"#),
            1.0,
            0,
            2,
        ),
    ];
    for (name, value, start, kind) in &floats {
        let series = found(name);
        assert_eq!(
            series.samples,
            [(f64::to_bits(*value), T, *start)],
            "{name}"
        );
        assert_eq!(series.metadata.as_ref().expect("always").0, *kind, "{name}");
    }
    // And the stale one and the native one.
    assert_eq!(all.len(), floats.len() + 2);
    let stale = found(&format!("q_stale{{{target}}}"));
    assert_eq!(stale.samples, [(0x7ff0_0000_0000_0002, T, 0)]);
    let native = found(&format!("rpc_seconds{{{target}}}"));
    let histogram = &native.histograms[0];
    assert_eq!(histogram.count, Some(Count::Int(40)));
    assert_eq!(histogram.zero_count, Some(ZeroCount::Int(3)));
    assert_eq!((histogram.sum, histogram.schema), (12.5, 1));
    assert!((histogram.zero_threshold - 1e-128).abs() < 1e-140);
    let span = BucketSpan {
        offset: 4,
        length: 6,
    };
    assert_eq!(histogram.positive_spans, [span]);
    assert_eq!(histogram.positive_deltas, [10, -10, 0, 20, -15, -3]);
    assert_eq!((histogram.timestamp, histogram.start_timestamp), (T, START));
    assert_eq!(histogram.reset_hint, 0);
    assert_eq!(
        native.metadata,
        Some((3, String::new(), "seconds".to_owned()))
    );

    let counter = &found(&floats[0].0);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let ids = vec![
        label("span_id", "1112131415161718"),
        label("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ];
    assert_eq!(counter.exemplars, [(ids, 1.0, 1_700_000_000_100)]);
    let info = found(&floats[11].0).metadata.clone().expect("always");
    assert_eq!(info.1, "Target metadata");
}

#[test]
fn explicit_bounds_as_a_native_histogram() {
    let request = metrics(
        r#"{"name":"d","histogram":{"aggregationTemporality":2,"dataPoints":[{
        "timeUnixNano":"1700000000123456789","count":"9","sum":1.5,
        "explicitBounds":[0.1,0.5,1,2],"bucketCounts":["3","0","0","2","4"]}]}}"#,
    );
    let options = EncodeOptions::default().explicit_histograms(HistogramForm::Native);
    let all = series_with(&request, options);
    let histogram = &all["d"].histograms[0];
    assert_eq!(histogram.schema, -53);
    assert_eq!(histogram.custom_values, [0.1, 0.5, 1.0, 2.0]);
    let spans = [(0, 1), (2, 2)].map(|(offset, length)| BucketSpan { offset, length });
    assert_eq!(histogram.positive_spans, spans);
    assert_eq!(histogram.positive_deltas, [3, -1, 2]);
    assert!(histogram.negative_spans.is_empty());
    assert_eq!((histogram.count, histogram.sum), (Some(Count::Int(9)), 1.5));
    assert_eq!(histogram.zero_threshold, 0.0);
}

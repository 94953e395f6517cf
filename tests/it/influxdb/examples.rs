//! Examples with the very lines that they become.

use tower_otlp::{
    ExportRequest, Signal,
    exporters::influxdb::{LineProtocol, MetricsSchema, Precision},
};

use super::parser::{Value, parse};

pub(super) const NOW: u64 = 1_800_000_000_000_000_000;

pub(super) fn encode(protocol: &LineProtocol, signal: Signal, json: &str) -> String {
    let request = ExportRequest::from_json(signal, json.as_bytes()).expect("valid");
    let lines = protocol.encode(&request, NOW);
    assert_eq!((lines.skipped_items(), lines.reason()), (0, None));
    String::from_utf8(lines.into_bytes()).expect("UTF-8")
}

pub(super) fn lines(signal: Signal, json: &str) -> String {
    encode(&LineProtocol::default(), signal, json)
}

pub(super) fn spans(spans: &str) -> String {
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[
        {{"key":"service.name","value":{{"stringValue":"cart"}}}},
        {{"key":"host.name","value":{{"stringValue":"h1"}}}}]}},
        "scopeSpans":[{{"scope":{{"name":"shop.http","version":"1.2.0"}},"spans":[{spans}]}}]}}]}}"#
    )
}

pub(super) fn records(records: &str) -> String {
    format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[
        {{"key":"service.name","value":{{"stringValue":"cart"}}}},
        {{"key":"host.name","value":{{"stringValue":"h1"}}}}]}},
        "scopeLogs":[{{"logRecords":[{records}]}}]}}]}}"#
    )
}

pub(super) fn metrics(metrics: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[
        {{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},
        "scopeMetrics":[{{"scope":{{"name":"shop.http","version":"1.2.0"}},"metrics":[{metrics}]}}]}}]}}"#
    )
}

const SPAN: &str = r#"{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001",
    "parentSpanId":"00f067aa0ba902b7","name":"GET /cart","kind":2,
    "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000124957788",
    "attributes":[
     {"key":"http.response.status_code","value":{"intValue":"500"}},
     {"key":"cache.hit","value":{"boolValue":false}},
     {"key":"ratio","value":{"doubleValue":0.25}},
     {"key":"raw","value":{"bytesValue":"AP8="}},
     {"key":"ids","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a"}]}}}],
    "events":[{"timeUnixNano":"1700000000124000000","name":"cache.miss",
     "attributes":[{"key":"key","value":{"stringValue":"cart:7"}}]}],
    "links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}],
    "status":{"code":2,"message":"boom"}}"#;

const SPAN_LINES: [&str; 3] = [
    r#"logs,span_id=ff00000000000001,trace_id=0102030405060708090a0b0c0d0e0f10 attributes="{\"key\":\"cart:7\"}",event.name="cache.miss" 1700000000124000000"#,
    r#"span-links,linked_span_id=1112131415161718,linked_trace_id=4bf92f3577b34da6a3ce929d0e0e4736,span_id=ff00000000000001,trace_id=0102030405060708090a0b0c0d0e0f10 dropped_attributes_count=0u 1700000000123456789"#,
    r#"spans,service.name=cart,span_id=ff00000000000001,trace_id=0102030405060708090a0b0c0d0e0f10 attributes="{\"cache.hit\":false,\"host.name\":\"h1\",\"http.response.status_code\":500,\"ids\":[1,\"a\"],\"ratio\":0.25,\"raw\":\"AP8=\"}",duration_nano=1500999i,end_time_unix_nano=1700000000124957788i,otel.status_code="Error",otel.status_description="boom",parent_span_id="00f067aa0ba902b7",span.kind="Server",span.name="GET /cart" 1700000000123456789"#,
];

#[test]
fn a_span_with_an_event_and_a_link() {
    let found = lines(Signal::Traces, &spans(SPAN));
    assert_eq!(found.lines().collect::<Vec<_>>(), SPAN_LINES);
}

#[test]
fn influxdb_1_gets_signed_integers() {
    let protocol = LineProtocol::default().unsigned_integers(false);
    let found = encode(&protocol, Signal::Traces, &spans(SPAN));
    assert!(found.contains(" dropped_attributes_count=0i "), "{found}");
}

#[test]
fn log_records() {
    let found = lines(
        Signal::Logs,
        &records(
            r#"{"timeUnixNano":"1700000000123456789","observedTimeUnixNano":"1700000000200000000",
            "severityNumber":17,"severityText":"ERROR","body":{"stringValue":"payment failed"},
            "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718",
            "attributes":[{"key":"order.id","value":{"intValue":"42"}}]},
            {"observedTimeUnixNano":"1700000000200000000","body":{"kvlistValue":{"values":[
             {"key":"b","value":{"arrayValue":{"values":[{"boolValue":true},{}]}}},
             {"key":"a","value":{"intValue":"1"}}]}}}"#,
        ),
    );
    let expected = [
        r#"logs,service.name=cart,span_id=1112131415161718,trace_id=4bf92f3577b34da6a3ce929d0e0e4736 attributes="{\"host.name\":\"h1\",\"order.id\":42}",body="payment failed",observed_time_unix_nano=1700000000200000000i,severity_number=17i,severity_text="ERROR" 1700000000123456789"#,
        r#"logs,service.name=cart attributes="{\"host.name\":\"h1\"}",body="{\"a\":1,\"b\":[true,null]}",observed_time_unix_nano=1700000000200000000i 1700000000200000000"#,
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

const COUNTER: &str = r#"{"name":"http.requests","sum":{"aggregationTemporality":2,"isMonotonic":true,
    "dataPoints":[{"attributes":[{"key":"http.method","value":{"stringValue":"GET"}}],
    "startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789","asInt":"5"}]}}"#;

const HISTOGRAM: &str = r#"{"name":"latency","unit":"s","histogram":{"aggregationTemporality":2,
    "dataPoints":[{"startTimeUnixNano":"1699999990000000000","timeUnixNano":"1700000000123456789",
    "count":"6","sum":1.5,"min":0.01,"max":1.2,"bucketCounts":["3","2","1"],
    "explicitBounds":[0.1,0.5]}]}}"#;

#[test]
fn metrics_by_telegraf_prometheus_v1() {
    let found = lines(Signal::Metrics, &metrics(&format!("{COUNTER},{HISTOGRAM}")));
    let expected = [
        "http.requests,http.method=GET,otel.library.name=shop.http,otel.library.version=1.2.0,service.name=cart counter=5i,start_time_unix_nano=1699999990000000000i 1700000000123456789",
        "latency,otel.library.name=shop.http,otel.library.version=1.2.0,service.name=cart +Inf=6,0.1=3,0.5=5,count=6,max=1.2,min=0.01,start_time_unix_nano=1699999990000000000i,sum=1.5 1700000000123456789",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn metrics_by_telegraf_prometheus_v2() {
    let protocol = LineProtocol::default().metrics_schema(MetricsSchema::TelegrafPrometheusV2);
    let found = encode(&protocol, Signal::Metrics, &metrics(HISTOGRAM));
    let expected = [
        "prometheus,otel.library.name=shop.http,otel.library.version=1.2.0,service.name=cart latency_count=6,latency_max=1.2,latency_min=0.01,latency_sum=1.5,start_time_unix_nano=1699999990000000000i 1700000000123456789",
        "prometheus,le=0.1,otel.library.name=shop.http,otel.library.version=1.2.0,service.name=cart latency_bucket=3 1700000000123456789",
        "prometheus,le=0.5,otel.library.name=shop.http,otel.library.version=1.2.0,service.name=cart latency_bucket=5 1700000000123456789",
        "prometheus,le=+Inf,otel.library.name=shop.http,otel.library.version=1.2.0,service.name=cart latency_bucket=6 1700000000123456789",
    ];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
    let found = encode(&protocol, Signal::Metrics, &metrics(COUNTER));
    assert!(found.contains(" http.requests=5i,"), "{found}");
}

#[test]
fn metrics_by_otel_v1() {
    let protocol = LineProtocol::default().metrics_schema(MetricsSchema::OtelV1);
    let found = encode(&protocol, Signal::Metrics, &metrics(HISTOGRAM));
    let expected = "latency_s_histogram,otel.library.name=shop.http,otel.library.version=1.2.0,service.name=cart count=6u,cumulative_0.1=3u,cumulative_0.5=2u,max=1.2,min=0.01,start_time_unix_nano=1699999990000000000i,sum=1.5 1700000000123456789\n";
    assert_eq!(found, expected);
    let found = encode(&protocol, Signal::Metrics, &metrics(COUNTER));
    assert!(
        found.starts_with("http.requests__sum,")
            && found.contains(" value_cumulative_monotonic_int=5i,"),
        "{found}"
    );
}

#[test]
fn summaries() {
    let summary = metrics(
        r#"{"name":"s","summary":{"dataPoints":[{"timeUnixNano":"7","count":"4","sum":10,
        "quantileValues":[{"quantile":0.5,"value":2},{"quantile":0.99,"value":4.5}]}]}}"#,
    );
    let found = lines(Signal::Metrics, &summary);
    assert!(
        found.ends_with(" 0.5=2,0.99=4.5,count=4,sum=10 7\n"),
        "{found}"
    );
    let protocol = LineProtocol::default().metrics_schema(MetricsSchema::TelegrafPrometheusV2);
    let points = parse(&encode(&protocol, Signal::Metrics, &summary));
    assert_eq!(points.len(), 3);
    assert_eq!(points[0].field("s_count"), Some(&Value::Float(4.0)));
    assert_eq!(points[2].tag("quantile"), Some("0.99"));
    assert_eq!(points[2].field("s"), Some(&Value::Float(4.5)));
}

#[test]
fn exemplars_are_points_of_their_own() {
    let gauge = metrics(
        r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"7","asDouble":1.5,"exemplars":[
        {"timeUnixNano":"6","asInt":"3","traceId":"4bf92f3577b34da6a3ce929d0e0e4736",
         "spanId":"1112131415161718",
         "filteredAttributes":[{"key":"user","value":{"stringValue":"a b"}}]},
        {"timeUnixNano":"6","asInt":"4"}]}]}}"#,
    );
    let points = parse(&lines(Signal::Metrics, &gauge));
    assert_eq!(points.len(), 2);
    assert_eq!(points[1].measurement, "g_exemplar");
    assert_eq!(points[1].tag("user"), Some("a b"));
    assert_eq!(points[1].tag("span_id"), Some("1112131415161718"));
    assert_eq!(points[1].field("gauge"), Some(&Value::Int(3)));
    assert_eq!(points[1].time, 6);
}

#[test]
fn records_with_one_identity_are_moved_apart() {
    let record = r#"{"timeUnixNano":"5","body":{"stringValue":"x"}}"#;
    let same = records(&[record; 3].join(","));
    let times = |protocol: &LineProtocol, json: &str| -> Vec<i64> {
        let text = encode(protocol, Signal::Logs, json);
        parse(&text).iter().map(|point| point.time).collect()
    };
    assert_eq!(times(&LineProtocol::default(), &same), [5, 6, 7]);
    let seconds = LineProtocol::default().precision(Precision::Seconds);
    assert_eq!(times(&seconds, &same), [0, 1, 2]);
}

#[test]
fn integers_can_be_floats() {
    let protocol = LineProtocol::default().integers_as_floats(true);
    let found = encode(&protocol, Signal::Metrics, &metrics(COUNTER));
    assert!(found.contains(" counter=5,"), "{found}");
}

#[test]
fn a_span_without_an_end_has_no_duration() {
    let span = r#"{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"ff00000000000001",
        "startTimeUnixNano":"5"}"#;
    let points = parse(&lines(Signal::Traces, &spans(span)));
    assert_eq!(points[0].field("duration_nano"), None);
    assert_eq!(points[0].field("end_time_unix_nano"), None);
    let before = span.replace("\"5\"", "\"5\",\"endTimeUnixNano\":\"3\"");
    let points = parse(&lines(Signal::Traces, &spans(&before)));
    assert_eq!(points[0].field("duration_nano"), Some(&Value::Int(-2)));
}

#[test]
fn a_span_of_nothing_is_a_line_all_the_same() {
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"events":[{}],"links":[{}]}]}]}]}"#;
    let points = parse(&lines(Signal::Traces, json));
    let measurements: Vec<&str> = points.iter().map(|point| &*point.measurement).collect();
    assert_eq!(measurements, ["logs", "span-links", "spans"]);
    assert!(points.iter().all(|point| point.time == NOW.cast_signed()));
}

#[test]
fn what_has_no_form_is_counted_and_its_neighbours_live() {
    let json = metrics(
        r#"{"name":"e","exponentialHistogram":{"dataPoints":[{},{}]}},
        {"name":"nan","gauge":{"dataPoints":[{"timeUnixNano":"5","asDouble":"NaN"}]}},
        {"name":"torn","histogram":{"dataPoints":[{"bucketCounts":["1"],"explicitBounds":[1,2]}]}},
        {"name":"late","gauge":{"dataPoints":[{"timeUnixNano":"9223372036854775807","asInt":"1"}]}},
        {"name":"","gauge":{"dataPoints":[{"timeUnixNano":"5","asInt":"1"}]}},
        {"name":"stale","gauge":{"dataPoints":[{"timeUnixNano":"5","flags":1}]}},
        {"name":"ok","gauge":{"dataPoints":[{"timeUnixNano":"5","asInt":"1"}]}}"#,
    );
    let request = ExportRequest::from_json(Signal::Metrics, json.as_bytes()).expect("valid");
    let found = LineProtocol::default().encode(&request, NOW);
    assert_eq!(found.skipped_items(), 6);
    assert_eq!(
        found.reason(),
        Some("metric `e`: exponential histograms have no form in any schema")
    );
    let points = parse(str::from_utf8(found.as_bytes()).expect("UTF-8"));
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].measurement, "ok");
    // The one that says it has no value is delivered: there is nothing to write.
    assert_eq!(found.bodies().iter().map(|body| body.items).sum::<u64>(), 2);
}

#[test]
fn tags_with_the_names_of_fields_are_renamed() {
    let gauge = metrics(
        r#"{"name":"g","gauge":{"dataPoints":[{"timeUnixNano":"5","asInt":"1","attributes":[
        {"key":"gauge","value":{"stringValue":"a"}},{"key":"0.5","value":{"stringValue":"b"}},
        {"key":"time","value":{"stringValue":"c"}},{"key":"_x","value":{"stringValue":"d"}}]}]}}"#,
    );
    let points = parse(&lines(Signal::Metrics, &gauge));
    for (key, value) in [
        ("exported_gauge", "a"),
        ("exported_0.5", "b"),
        ("exported_time", "c"),
        ("exported__x", "d"),
    ] {
        assert_eq!(points[0].tag(key), Some(value));
    }
    assert_eq!(points[0].field("gauge"), Some(&Value::Int(1)));
}

#[test]
fn points_of_which_two_attributes_become_one_tag_are_counted() {
    for (one, other) in [
        ("k", "k\\\\"),
        ("a b", "a\\nb"),
        ("time", "exported_time"),
        ("_x", "exported__x"),
        ("gauge", "exported_gauge"),
    ] {
        let attributes = [one, other]
            .map(|key| format!(r#"{{"key":"{key}","value":{{"stringValue":"v"}}}}"#))
            .join(",");
        let json = metrics(&format!(
            r#"{{"name":"g","gauge":{{"dataPoints":[
            {{"timeUnixNano":"5","asInt":"1","attributes":[{attributes}]}},
            {{"timeUnixNano":"5","asInt":"1"}}]}}}}"#
        ));
        let request = ExportRequest::from_json(Signal::Metrics, json.as_bytes()).expect("valid");
        let found = LineProtocol::default().encode(&request, NOW);
        assert_eq!(found.skipped_items(), 1, "{one} {other}");
        assert_eq!(
            found.reason(),
            Some("metric `g`: two of its attributes become one tag")
        );
        let points = parse(str::from_utf8(found.as_bytes()).expect("UTF-8"));
        assert_eq!(points.len(), 1);
    }
}

#[test]
fn large_requests_are_cut_between_items() {
    let record = |time: u32| format!(r#"{{"timeUnixNano":"{time}","body":{{"stringValue":"x"}}}}"#);
    let ten: Vec<String> = (1..=10).map(record).collect();
    let json = records(&ten.join(","));
    let request = ExportRequest::from_json(Signal::Logs, json.as_bytes()).expect("valid");
    let found = LineProtocol::default().max_lines(4).encode(&request, NOW);
    let items: Vec<u64> = found.bodies().iter().map(|body| body.items).collect();
    assert_eq!(items, [4, 4, 2]);
    let whole = LineProtocol::default().encode(&request, NOW);
    assert_eq!(whole.bodies().len(), 1);
    assert_eq!(found.as_bytes(), whole.as_bytes());
    let one_line = whole.as_bytes().len() / 10;
    let found = LineProtocol::default()
        .max_bytes(one_line * 3)
        .encode(&request, NOW);
    let mut end = 0;
    for body in found.bodies() {
        assert_eq!(body.range.start, end);
        end = body.range.end;
        assert!(body.range.len() <= one_line * 3, "{body:?}");
        assert!(found.as_bytes()[body.range.clone()].ends_with(b"\n"));
    }
    assert_eq!(end, found.as_bytes().len());
}

#[test]
fn the_identity_of_a_record_does_not_depend_on_the_rest_of_the_request() {
    let one = |json: &str| lines(Signal::Logs, json);
    let a = r#"{"timeUnixNano":"5","body":{"stringValue":"a"}}"#;
    let b = r#"{"timeUnixNano":"9","body":{"stringValue":"b"}}"#;
    let both = one(&records(&format!("{a},{b}")));
    assert_eq!(both, format!("{}{}", one(&records(a)), one(&records(b))));
}

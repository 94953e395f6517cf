//! Metrics by remote write to Prometheus, now and as it was, and to VictoriaMetrics.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tower::ServiceExt;
use tower_otlp::{BoxExporter, ErrorKind, ExportRequest, Signal, from_url};

use crate::{
    outage::Load,
    servers::{
        prometheus::{Prometheus, Version},
        until,
        victoria_metrics::VictoriaMetrics,
    },
};

/// An exporter to this URL, with these further parameters.
fn exporter(write_url: &str, parameters: &str) -> BoxExporter {
    let url = write_url.replace("http:", "prometheus+rw:");
    from_url(&format!("{url}?proxy=none{parameters}")).expect("valid")
}

/// Milliseconds since the epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_millis()).expect("before 2500")
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn metrics(metrics: Value) -> ExportRequest {
    let message = json!({ "resourceMetrics": [{
        "resource": { "attributes": [
            text("service.namespace", "shop"), text("service.name", "cart"),
            text("service.instance.id", "i-1"), text("host.name", "h\u{e9}"),
        ] },
        "scopeMetrics": [{ "scope": { "name": "lib", "version": "1.2" }, "metrics": metrics }],
    }] });
    ExportRequest::from_json(Signal::Metrics, message.to_string().as_bytes()).expect("valid")
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// One metric of each type, at this time.
fn each_type(time: u64) -> ExportRequest {
    let (start, at) = (format!("{}000000", time - 60_000), format!("{time}000000"));
    let exemplars = json!([{ "timeUnixNano": at, "asDouble": 0.3, "traceId": TRACE, "spanId": "1112131415161718" }]);
    let point = |more: Value| {
        let mut point = json!({ "startTimeUnixNano": start, "timeUnixNano": at });
        let (Value::Object(point), Value::Object(more)) = (&mut point, more) else {
            panic!("objects");
        };
        point.extend(more);
        json!([point])
    };
    metrics(json!([
        { "name": "http.requests", "unit": "{request}", "description": "Requests \"served\"\n.", "sum": {
            "aggregationTemporality": 2, "isMonotonic": true,
            "dataPoints": point(json!({ "asInt": "5", "exemplars": exemplars,
                "attributes": [text("http.method", "GET"), text("odd", "\u{fc} \"\\\n")] })) } },
        { "name": "http.duration", "unit": "s", "histogram": { "aggregationTemporality": 2,
            "dataPoints": point(json!({ "count": "6", "sum": 1.5, "exemplars": exemplars,
                "explicitBounds": [0.1, 0.5], "bucketCounts": ["3", "2", "1"] })) } },
        { "name": "memory", "unit": "By", "gauge": { "dataPoints": point(json!({ "asDouble": 0.25 })) } },
        { "name": "latency", "unit": "ms", "summary": { "dataPoints": point(json!({ "count": "4", "sum": 10.0,
            "quantileValues": [{ "quantile": 0.5, "value": 2.0 }] })) } },
        { "name": "rpc", "unit": "s", "exponentialHistogram": { "aggregationTemporality": 2,
            "dataPoints": point(json!({ "count": "40", "sum": 12.5, "scale": 1, "zeroCount": "3",
                "positive": { "offset": 3, "bucketCounts": ["10", "0", "0", "20", "5", "2"] } })) } },
    ]))
}

/// The series that are there with simple values.
const SERIES: [(&str, &str); 9] = [
    (
        r#"http_requests_total{http_method="GET",odd="ü \"\\\n",job="shop/cart",instance="i-1",otel_scope_name="lib",otel_scope_version="1.2"}"#,
        "5",
    ),
    ("http_duration_seconds_sum", "1.5"),
    ("http_duration_seconds_count", "6"),
    (r#"http_duration_seconds_bucket{le="0.1"}"#, "3"),
    (r#"http_duration_seconds_bucket{le="+Inf"}"#, "6"),
    ("memory_bytes", "0.25"),
    (r#"latency_milliseconds{quantile="0.5"}"#, "2"),
    ("latency_milliseconds_count", "4"),
    (
        r#"target_info{host_name="hé",job="shop/cart",instance="i-1"}"#,
        "1",
    ),
];

async fn prometheus_keeps_every_type(version: Version, parameters: &str) {
    let prometheus = Prometheus::start(version, &[]).await;
    let exporter = exporter(&prometheus.write_url(), parameters);
    let time = now();
    let answer = exporter.oneshot(each_type(time)).await.expect("delivered");
    assert_eq!(
        (answer.delivered_items(), answer.rejected_items()),
        (5, 0),
        "{answer:?}"
    );
    assert_eq!(answer.message(), None);
    let seconds = time as f64 / 1000.0;
    for (query, value) in SERIES {
        let found = prometheus.query(query, Some(seconds)).await;
        assert_eq!(found.len(), 1, "{query}: {found:?}");
        assert_eq!(found[0]["value"][1], value, "{query}");
    }
    let native = prometheus.query("rpc_seconds", Some(seconds)).await;
    let histogram = &native[0]["histogram"][1];
    assert_eq!(
        (&histogram["count"], &histogram["sum"]),
        (&json!("40"), &json!("12.5"))
    );
    // The zero bucket and four that are not empty.
    assert_eq!(histogram["buckets"].as_array().expect("buckets").len(), 5);
    let found = prometheus
        .exemplars("{job=\"shop/cart\"}", seconds - 5.0, seconds + 5.0)
        .await;
    let mut exemplars: Vec<(&Value, &Value)> = found
        .iter()
        .map(|row| (&row["seriesLabels"]["__name__"], &row["seriesLabels"]["le"]))
        .collect();
    exemplars.sort_by_key(|row| row.0.to_string());
    assert_eq!(
        exemplars,
        [
            (&json!("http_duration_seconds_bucket"), &json!("0.5")),
            (&json!("http_requests_total"), &Value::Null),
        ]
    );
    assert_eq!(found[0]["exemplars"][0]["labels"]["trace_id"], TRACE);
    assert!(
        !prometheus.server.log().contains("level=error"),
        "{}",
        prometheus.server.log()
    );
}

#[tokio::test]
async fn prometheus_keeps_every_type_of_2_0() {
    prometheus_keeps_every_type(Version::Current, "&version=2").await;
}

#[tokio::test]
async fn prometheus_keeps_every_type_of_1_0() {
    prometheus_keeps_every_type(Version::Current, "&version=1&metadata").await;
}

/// It takes a message of 2.0 for an empty one of 1.0.
#[tokio::test]
async fn an_old_prometheus_is_sent_1_0() {
    prometheus_keeps_every_type(Version::Debian, "").await;
    let prometheus = Prometheus::start(Version::Debian, &[]).await;
    let fixed = exporter(&prometheus.write_url(), "&version=2");
    let error = fixed
        .oneshot(each_type(now()))
        .await
        .expect_err("not known");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[tokio::test]
async fn prometheus_takes_custom_buckets_and_shards() {
    let prometheus = Prometheus::start(Version::Current, &[]).await;
    let exporter = exporter(
        &prometheus.write_url(),
        "&histograms=native&exponential_histograms=classic&shards=4&max_samples=3",
    );
    let time = now();
    let answer = exporter.oneshot(each_type(time)).await.expect("delivered");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (5, 0));
    let seconds = Some(time as f64 / 1000.0);
    let native = prometheus.query("http_duration_seconds", seconds).await;
    let histogram = &native[0]["histogram"][1];
    assert_eq!(
        (&histogram["count"], &histogram["sum"]),
        (&json!("6"), &json!("1.5"))
    );
    let buckets: Vec<(&Value, &Value)> = histogram["buckets"]
        .as_array()
        .expect("buckets")
        .iter()
        .map(|row| (&row[2], &row[3]))
        .collect();
    let (first, second, last) = (json!("0.1"), json!("0.5"), json!("+Inf"));
    let (three, two, one) = (json!("3"), json!("2"), json!("1"));
    assert_eq!(buckets, [(&first, &three), (&second, &two), (&last, &one)]);
    let classic = prometheus
        .query("rpc_seconds_bucket{le=\"8\"}", seconds)
        .await;
    // Buckets 4 to 6 end at 2 ^ (6 / 2); 10 of 40 are in the first, 3 in the zero bucket.
    assert_eq!(classic[0]["value"][1], "13");
}

#[tokio::test]
async fn a_stale_marker_ends_a_series() {
    let prometheus = Prometheus::start(Version::Current, &[]).await;
    let exporter = exporter(&prometheus.write_url(), "");
    let time = now();
    let at = |time: u64, more: &str| {
        let point = format!(r#"{{"timeUnixNano":"{time}000000"{more}}}"#);
        let point: Value = serde_json::from_str(&point).expect("JSON");
        metrics(json!([{ "name": "x", "gauge": { "dataPoints": [point] } }]))
    };
    for request in [
        at(time, r#","asInt":"1""#),
        at(time + 1000, r#","flags":1"#),
    ] {
        let answer = exporter.clone().oneshot(request).await.expect("delivered");
        assert_eq!(answer.delivered_items(), 1);
    }
    let seconds = time as f64 / 1000.0;
    assert_eq!(prometheus.query("x", Some(seconds + 0.5)).await.len(), 1);
    assert_eq!(
        prometheus.query("x", Some(seconds + 1.5)).await,
        Vec::<Value>::new()
    );
}

/// One that is too old is refused together with its neighbours, as far as the status goes.
#[tokio::test]
async fn a_refusal_says_what_was_written() {
    let prometheus = Prometheus::start(Version::Current, &[]).await;
    let exporter = exporter(&prometheus.write_url(), "&target_info=false");
    let time = now();
    let first = metrics(json!([{ "name": "x", "gauge": { "dataPoints": [
        { "timeUnixNano": format!("{time}000000"), "asInt": "1" }] } }]));
    exporter.clone().oneshot(first).await.expect("delivered");
    let both = metrics(json!([{ "name": "x", "gauge": { "dataPoints": [
        { "timeUnixNano": "1000000000000000000", "asInt": "1" },
        { "timeUnixNano": format!("{}000000", time + 1), "asInt": "2" }] } }]));
    let error = exporter.oneshot(both).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(text.contains("the receiver wrote 1 of 2 samples"), "{text}");
    assert!(text.contains("ConcurrencyLimit"), "{text}");
}

#[tokio::test]
async fn victoria_metrics_keeps_every_type() {
    let server = VictoriaMetrics::start().await;
    // This version knows no native histograms.
    let exporter = exporter(&server.write_url(), "&exponential_histograms=classic");
    let time = now();
    let answer = exporter.oneshot(each_type(time)).await.expect("delivered");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (5, 0));
    for (query, value) in SERIES {
        let found = until(query, async || server.export(query).await.pop()).await;
        assert_eq!(
            found["values"][0].to_string().trim_end_matches(".0"),
            value,
            "{query}"
        );
        assert_eq!(found["timestamps"][0], time, "{query}");
    }
    let found = server.export("rpc_seconds_count").await;
    assert_eq!(found[0]["values"][0], 40);
}

/// A gauge of its own for each number.
fn numbered(number: u64, time: u64) -> ExportRequest {
    metrics(json!([{ "name": "load", "gauge": { "dataPoints": [{
        "timeUnixNano": time.to_string(), "asInt": number.to_string(),
        "attributes": [text("n", &number.to_string())] }] } }]))
}

/// Stopped while points come, frozen, and started again: nothing is lost.
#[tokio::test]
async fn nothing_is_lost_while_prometheus_is_away() {
    let mut prometheus = Prometheus::start(Version::Current, &[]).await;
    let load = Load::start_with(exporter(&prometheus.write_url(), ""), 9_000, numbered);
    load.offer(3_000);
    load.delivered(200).await;
    prometheus.server.stop().await;
    load.noticed().await;
    prometheus.server.restart().await;
    load.delivered(3_000).await;

    load.offer(6_000);
    load.delivered(3_200).await;
    prometheus.server.freeze();
    load.noticed().await;
    prometheus.server.thaw();
    load.all_is_there(async || {
        let rows = prometheus.query("last_over_time(load[30m])", None).await;
        let number = |row: &Value| row["metric"]["n"].as_str()?.parse().ok();
        rows.iter().filter_map(number).collect::<BTreeSet<u64>>()
    })
    .await;
}

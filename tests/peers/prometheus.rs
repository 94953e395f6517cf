//! Prometheus scrapes the exporter, in each of the formats that it reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderValue, Request, header};
use serde_json::Value;
use tower::{ServiceBuilder, ServiceExt, util::MapRequestLayer};
use tower_otlp::{
    ExportRequest, ServiceBuilderExt, Signal,
    exporters::prometheus::{EscapingScheme, Format, PrometheusExporter, TranslationStrategy},
    layers::{
        queue::{QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
};

use crate::{
    generate,
    servers::{
        prometheus::{Prometheus, Version, lint},
        until,
    },
};

/// How the exporter is asked for each format.
const ACCEPTS: [(Format, &str); 3] = [
    (Format::Text, "text/plain;version=0.0.4"),
    (
        Format::OpenMetrics1,
        "application/openmetrics-text;version=1.0.0",
    ),
    (
        Format::Protobuf,
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    ),
];

/// Serves the pages, always in this format; `None`: in the one that is asked for.
async fn serve(exporter: &PrometheusExporter, accept: Option<String>) -> String {
    let force = MapRequestLayer::new(move |mut request: Request<axum::body::Body>| {
        if let Some(accept) = &accept {
            let accept = HeaderValue::from_str(accept).expect("a header");
            request.headers_mut().insert(header::ACCEPT, accept);
        }
        request
    });
    let service = ServiceBuilder::new()
        .layer(force)
        .service(exporter.http_service());
    let router = axum::Router::new().route_service("/metrics", service);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let target = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    target
}

fn now() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    u64::try_from(now.as_nanos()).expect("before 2500")
}

async fn export(exporter: &PrometheusExporter, metrics: &str) {
    let json = format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[
            {{"key":"service.name","value":{{"stringValue":"cart"}}}},{{"key":"host.name","value":{{"stringValue":"h1"}}}}]}},
            "scopeMetrics":[{{"scope":{{"name":"shop.http"}},"metrics":[{metrics}]}}]}}]}}"#
    );
    let request = ExportRequest::from_json(Signal::Metrics, json.as_bytes()).expect("OTLP/JSON");
    let items = request.items();
    let answer = exporter.clone().oneshot(request).await.expect("accepted");
    assert_eq!(answer.delivered_items(), items, "{answer:?}");
}

/// A sum with one point.
fn sum(name: &str, temporality: u8, value: u64, start: u64, time: u64) -> String {
    format!(
        r#"{{"name":"{name}","description":"Jobs.","sum":{{"aggregationTemporality":{temporality},"isMonotonic":true,"dataPoints":[{{"asInt":"{value}","startTimeUnixNano":"{start}","timeUnixNano":"{time}",
        "exemplars":[{{"timeUnixNano":"{time}","asInt":"1","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}}]}}]}}}}"#
    )
}

/// One of each type, and the same total once as deltas and once cumulative.
async fn fill(exporter: &PrometheusExporter) {
    let start = now() - 10_000_000_000;
    for step in 1..=4_u64 {
        let (from, to) = (start + (step - 1) * 1_000_000, start + step * 1_000_000);
        let total = step * (step + 1) / 2;
        let both = [
            sum("jobs.delta", 1, step, from, to),
            sum("jobs.cumulative", 2, total, start, to),
        ];
        export(exporter, &both.join(",")).await;
    }
    let odd = "a\\\\b\\\"c\\nd {x=\\\"y\\\"} ü 🦀 \\u0000 \\r \\t \\u2028";
    let metrics = format!(
        r#"{{"name":"queue.size","unit":"{{item}}","description":"Items \\ in the \"queue\"\nnow.","gauge":{{"dataPoints":[{{"asDouble":1234567.5,"attributes":[{{"key":"odd","value":{{"stringValue":"{odd}"}}}}]}}]}}}},
        {{"name":"rpc.duration","unit":"s","description":"RPCs.","histogram":{{"aggregationTemporality":2,"dataPoints":[{{"count":"6","sum":1.5,"bucketCounts":["3","2","1"],"explicitBounds":[0.1,1],"startTimeUnixNano":"{start}","timeUnixNano":"{to}"}}]}}}},
        {{"name":"db.duration","unit":"s","description":"Queries.","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{"count":"40","sum":12.5,"scale":1,"zeroCount":"3","positive":{{"offset":3,"bucketCounts":["10","0","0","20","5","2"]}},"startTimeUnixNano":"{start}","timeUnixNano":"{to}"}}]}}}},
        {{"name":"gc.pause","unit":"s","description":"Pauses.","summary":{{"dataPoints":[{{"count":"4","sum":10,"quantileValues":[{{"quantile":0.5,"value":2}},{{"quantile":0.99,"value":4.5}}],"startTimeUnixNano":"{start}","timeUnixNano":"{to}"}}]}}}}"#,
        to = now()
    );
    export(exporter, &metrics).await;
}

async fn value(prometheus: &Prometheus, query: &str) -> Option<f64> {
    let sample = prometheus.query(query, None).await.pop()?;
    sample["value"][1].as_str()?.parse().ok()
}

async fn expect(prometheus: &Prometheus, query: &str, expected: f64) {
    let mut found = None;
    let what = format!("{query} is {expected}");
    until(&what, async || {
        found = value(prometheus, query).await;
        (found == Some(expected)).then_some(())
    })
    .await;
}

/// Waits for a scrape; panics with what is wrong if it failed.
async fn scraped(prometheus: &Prometheus) {
    until("a scrape", async || {
        let target = prometheus.targets().await.pop()?;
        let error = target["lastError"].as_str().unwrap_or_default().to_owned();
        let timed_out = error.contains("deadline") || error.contains("timeout");
        assert!(error.is_empty() || timed_out, "{error}");
        (target["health"] == "up").then_some(())
    })
    .await;
}

async fn reads(version: Version, format: Format, accept: &str) {
    let exporter = PrometheusExporter::builder().build().expect("built");
    fill(&exporter).await;
    let scheme = match version {
        Version::Current => ";escaping=allow-utf-8",
        Version::Debian => "",
    };
    let target = serve(&exporter, Some(format!("{accept}{scheme}"))).await;
    let prometheus = Prometheus::start(version, &[&target]).await;
    scraped(&prometheus).await;
    for (query, expected) in [
        ("jobs_delta_total", 10.0),
        ("jobs_cumulative_total", 10.0),
        ("queue_size", 1_234_567.5),
        ("rpc_duration_seconds_sum", 1.5),
        ("rpc_duration_seconds_count", 6.0),
        ("rpc_duration_seconds_bucket{le=~\"0.1\"}", 3.0),
        ("rpc_duration_seconds_bucket{le=~\"1|1.0\"}", 5.0),
        ("rpc_duration_seconds_bucket{le=\"+Inf\"}", 6.0),
        ("gc_pause_seconds{quantile=\"0.99\"}", 4.5),
        ("gc_pause_seconds_sum", 10.0),
        ("gc_pause_seconds_count", 4.0),
        ("target_info{host_name=\"h1\"}", 1.0),
    ] {
        // Prometheus 3 keeps classic buckets beside native ones only if it is told to; here they
        // are all there is.
        expect(&prometheus, query, expected).await;
    }
    if format == Format::Protobuf {
        expect(&prometheus, "histogram_count(db_duration_seconds)", 40.0).await;
        expect(&prometheus, "histogram_sum(db_duration_seconds)", 12.5).await;
    } else {
        expect(&prometheus, "db_duration_seconds_count", 40.0).await;
        expect(&prometheus, "db_duration_seconds_bucket{le=\"+Inf\"}", 40.0).await;
    }
    // Every character of a label arrives.
    let sample = prometheus.query("queue_size", None).await.pop();
    let sample = sample.expect("there");
    assert_eq!(
        sample["metric"]["odd"],
        "a\\b\"c\nd {x=\"y\"} ü 🦀 \u{0} \r \t \u{2028}"
    );
    assert_eq!(sample["metric"]["exported_job"], "cart");
    assert_eq!(sample["metric"]["otel_scope_name"], "shop.http");
    // What stands above the samples.
    let metadata = prometheus.metadata().await;
    let of = |name: &str| metadata[name][0].clone();
    assert_eq!(of("queue_size")["type"], "gauge");
    assert_eq!(of("queue_size")["help"], "Items \\ in the \"queue\"\nnow.");
    assert_eq!(of("rpc_duration_seconds")["type"], "histogram");
    assert_eq!(of("gc_pause_seconds")["type"], "summary");
    let counter = match format {
        Format::OpenMetrics1 => of("jobs_cumulative"),
        _ => of("jobs_cumulative_total"),
    };
    let counter = if counter.is_null() {
        of("jobs_cumulative_total")
    } else {
        counter
    };
    assert_eq!(counter["type"], "counter", "{metadata:#}");
    if format != Format::Text {
        let seconds = now() as f64 / 1e9;
        let found = until("exemplars", async || {
            let all = prometheus
                .exemplars("jobs_cumulative_total", seconds - 600.0, seconds + 600.0)
                .await;
            all.first().cloned()
        })
        .await;
        let labels = &found["exemplars"][0]["labels"];
        assert_eq!(labels["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    }
}

#[tokio::test]
async fn the_current_one_reads_every_format() {
    for (format, accept) in ACCEPTS {
        reads(Version::Current, format, accept).await;
    }
}

#[tokio::test]
async fn debians_reads_every_format() {
    for (format, accept) in ACCEPTS {
        reads(Version::Debian, format, accept).await;
    }
}

/// What they ask for by themselves is served, and read.
#[tokio::test]
async fn what_they_ask_for_is_what_they_get() {
    for version in [Version::Current, Version::Debian] {
        let exporter = PrometheusExporter::builder().build().expect("built");
        fill(&exporter).await;
        let target = serve(&exporter, None).await;
        let prometheus = Prometheus::start(version, &[&target]).await;
        scraped(&prometheus).await;
        expect(&prometheus, "jobs_delta_total", 10.0).await;
        expect(&prometheus, "histogram_count(db_duration_seconds)", 40.0).await;
        assert!(exporter.stats().scrapes > 0);
    }
}

/// No request makes a page that the server refuses.
#[tokio::test]
async fn random_pages_are_read() {
    let strategies = [
        TranslationStrategy::UnderscoreEscapingWithSuffixes,
        TranslationStrategy::NoTranslation,
    ];
    let mut targets = Vec::new();
    for strategy in strategies {
        let exporter = PrometheusExporter::builder()
            .translation_strategy(strategy)
            .created_lines(true)
            .build()
            .expect("built");
        for seed in 0..60 {
            let mut draw = generate::Draw::seeded(seed, generate::Options::default());
            let request = ExportRequest::from(draw.metrics());
            let answer = exporter.clone().oneshot(request).await;
            answer.expect("accepted");
        }
        for (_, accept) in ACCEPTS {
            for scheme in ["allow-utf-8", "underscores", "dots", "values"] {
                let accept = format!("{accept};escaping={scheme}");
                targets.push((
                    serve(&exporter, Some(accept.clone())).await,
                    strategy,
                    accept,
                ));
            }
        }
    }
    let addresses: Vec<&str> = targets.iter().map(|(target, ..)| target.as_str()).collect();
    let prometheus = Prometheus::start(Version::Current, &addresses).await;
    until("all targets are scraped", async || {
        let found = prometheus.targets().await;
        let mut up = 0;
        for target in found {
            let error = target["lastError"].as_str().unwrap_or_default();
            let timed_out = error.contains("deadline") || error.contains("timeout");
            let url = target["scrapeUrl"].as_str().unwrap_or_default();
            let which = targets.iter().find(|(address, ..)| url.contains(address));
            assert!(error.is_empty() || timed_out, "{which:?}: {error}");
            up += usize::from(target["health"] == "up");
        }
        (up == targets.len()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn promtool_finds_nothing() {
    let exporter = PrometheusExporter::builder().build().expect("built");
    fill(&exporter).await;
    let page = exporter.render(Format::Text, EscapingScheme::Underscores);
    let page = String::from_utf8(page).expect("UTF-8");
    assert_eq!(lint(&page), (true, String::new()), "{page}");
}

#[tokio::test]
async fn a_restart_is_a_reset_and_an_end_is_an_end() {
    let exporter = PrometheusExporter::builder().build().expect("built");
    let start = now();
    export(&exporter, &sum("jobs", 2, 50, start, start + 1)).await;
    export(&exporter, &sum("gone", 2, 1, start, start + 1)).await;
    let target = serve(&exporter, None).await;
    let prometheus = Prometheus::start(Version::Current, &[&target]).await;
    expect(&prometheus, "jobs_total", 50.0).await;
    expect(&prometheus, "gone_total", 1.0).await;
    export(&exporter, &sum("jobs", 2, 3, start + 2, start + 3)).await;
    export(
        &exporter,
        r#"{"name":"gone","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"flags":1}]}}"#,
    )
    .await;
    expect(&prometheus, "jobs_total", 3.0).await;
    expect(&prometheus, "resets(jobs_total[5m])", 1.0).await;
    // Long before the five minutes in which Prometheus would look back.
    until("the series is stale", async || {
        prometheus
            .query("gone_total", None)
            .await
            .is_empty()
            .then_some(())
    })
    .await;
    expect(&prometheus, "count_over_time(gone_total[5m]) > bool 0", 1.0).await;
}

/// Prometheus is stopped and started again under load: the totals are right in the end.
#[tokio::test]
async fn totals_are_right_after_an_outage() {
    const REQUESTS: u64 = 3_000;
    let exporter = PrometheusExporter::builder()
        .serve("127.0.0.1:0".parse().expect("an address"), "/metrics")
        .expect("built");
    let target = exporter.local_addr().expect("it listens").to_string();
    let mut prometheus = Prometheus::start(Version::Current, &[&target]).await;
    let stack = ServiceBuilder::new()
        .queue(QueueLayer::new(QueueConfig::new().concurrency(1)).expect("a queue"))
        .export_retry(RetryPolicy::new())
        .attempt_timeout(Duration::from_secs(5))
        .service(exporter.clone());
    let sent = Arc::new(AtomicU64::new(0));
    let load = tokio::spawn({
        let sent = Arc::clone(&sent);
        async move {
            let start = now();
            for number in 1..=REQUESTS {
                let json = format!(
                    r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{}]}}]}}]}}"#,
                    sum("jobs", 1, number, start + number - 1, start + number)
                );
                let request = ExportRequest::from_json(Signal::Metrics, json.as_bytes());
                let answer = stack.clone().oneshot(request.expect("OTLP/JSON")).await;
                let answer = answer.expect("accepted");
                assert_eq!(answer.rejected_items(), 0, "{answer:?}");
                sent.store(number, Ordering::Release);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    until("a third is sent", async || {
        (sent.load(Ordering::Acquire) > REQUESTS / 3).then_some(())
    })
    .await;
    prometheus.server.stop().await;
    assert!(!load.is_finished(), "in the middle");
    until("two thirds are sent", async || {
        (sent.load(Ordering::Acquire) > REQUESTS * 2 / 3).then_some(())
    })
    .await;
    prometheus.server.restart().await;
    load.await.expect("no panic");
    let total = (REQUESTS * (REQUESTS + 1) / 2) as f64;
    expect(&prometheus, "jobs_total", total).await;
    assert_eq!(
        value(&prometheus, "resets(jobs_total[5m])").await,
        Some(0.0)
    );
    assert_eq!(exporter.stats().rejected_points, 0);
    let targets: Vec<Value> = prometheus.targets().await;
    assert_eq!(targets[0]["health"], "up");
}

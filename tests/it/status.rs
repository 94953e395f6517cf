//! The status: what it says of a pipeline, and that all of its pages say the same.

mod http;
mod read;

use std::time::Duration;

use serde_json::Value;
use tokio_test::{assert_pending, task};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExporterExt as _, Lifecycle, ServiceBuilderExt as _,
    Signal, from_url,
    layers::{
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        observe::{BreakerState, Role},
        queue::{Acknowledge, QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
    status::{Branch, BranchRole, Status},
    testing::{ScriptedExporter, Step, logs, metrics, traces},
};

use self::read::{Page, agree, json, page, scraped};

const SECOND: Duration = Duration::from_secs(1);

fn down(message: &str) -> ExportError {
    ExportError::new(ErrorKind::Unavailable, message)
        .with_exporter("scripted", "http://backend:4317")
}

/// A pipeline of one branch, with a queue if there is a config for one.
struct Bench {
    lifecycle: Lifecycle,
    status: Status,
    branch: Branch,
    exporter: ScriptedExporter,
    pipeline: BoxExporter,
}

fn bench(queue: Option<QueueConfig>, steps: impl IntoIterator<Item = Step>) -> Bench {
    let lifecycle = Lifecycle::new();
    let status = Status::new("gateway", &lifecycle);
    let branch = status.branch("eu");
    let exporter = ScriptedExporter::new(steps);
    let queue = queue.map(|queue| {
        let queue = queue.lifecycle(&lifecycle).observer(&branch);
        QueueLayer::new(queue).expect("valid")
    });
    let breaker = CircuitBreakerPolicy::new()
        .consecutive_failures(4)
        .observer(&branch);
    let retry = RetryPolicy::new().max_elapsed(SECOND / 2);
    let pipeline = ServiceBuilder::new()
        .tracked(&lifecycle)
        .option_layer(queue)
        .observed(&branch)
        .export_retry(retry)
        .layer(CircuitBreakerLayer::error(breaker).expect("valid"))
        .observed_attempts(&branch)
        .service(exporter.clone())
        .boxed_exporter();
    Bench {
        lifecycle,
        status,
        branch,
        exporter,
        pipeline,
    }
}

impl Bench {
    async fn agree(&self) {
        agree(&self.status, &self.lifecycle, &[&self.branch]).await;
    }

    async fn page(&self) -> Page {
        page(&self.status).await
    }

    fn json(&self) -> Value {
        json(&self.status)
    }
}

#[tokio::test(start_paused = true)]
async fn all_pages_agree_with_the_counters_at_every_moment() {
    let fails = || Step::Fail(down("no"));
    let bench = bench(
        None,
        [
            Step::Deliver,
            Step::Reject(2),
            fails(),
            Step::Deliver,
            Step::Partial(3, down("half")),
            Step::Deliver,
            fails(),
            fails(),
            fails(),
            fails(),
        ],
    );
    bench.agree().await;
    for request in [
        logs(5),
        traces(7),
        metrics(11),
        logs(13),
        traces(17),
        logs(19),
    ] {
        let _ = bench.pipeline.clone().oneshot(request).await;
        bench.agree().await;
    }
    let json = bench.json();
    let logs_ = &json["branches"][0]["signals"]["logs"];
    assert!(logs_["delivered"].as_u64() > Some(0), "{json}");
    let retries = json["branches"][0]["retries"].as_u64();
    assert!(retries > Some(1), "{json}");

    bench.exporter.extend([Step::Hold]);
    tokio::time::advance(60 * SECOND).await;
    let mut held = task::spawn(bench.pipeline.clone().oneshot(logs(23)));
    assert_pending!(held.poll());
    bench.agree().await;
    let in_flight = |json: &Value| json["branches"][0]["signals"]["logs"]["in_flight"].clone();
    assert_eq!(in_flight(&bench.json()), 23);
    assert_eq!(bench.json()["items"]["in_flight"], 23);
    drop(held);
    bench.agree().await;
    assert_eq!(in_flight(&bench.json()), 0);
    assert_eq!(bench.json()["items"]["cancelled"], 23);
}

#[tokio::test(start_paused = true)]
async fn a_failing_branch_shows_why_and_recovers() {
    let bench = bench(None, [Step::Fail(down("no route")), Step::Hold]);
    assert_eq!(bench.json()["branches"][0]["state"], "idle");
    let mut answer = task::spawn(bench.pipeline.clone().oneshot(logs(3)));
    assert_pending!(answer.poll());
    tokio::time::advance(Duration::from_millis(4_200)).await;

    let json = bench.json();
    let branch = &json["branches"][0];
    assert_eq!(branch["state"], "failing");
    assert_eq!(branch["errors"][0]["type"], "unavailable");
    assert_eq!(branch["errors"][0]["attempts"], 1);
    let error = &branch["last_error"];
    assert_eq!(
        error["message"],
        "scripted exporter (http://backend:4317): unavailable: no route"
    );
    assert_eq!(
        (&error["type"], &error["role"], &error["age_seconds"]),
        (&"unavailable".into(), &"attempt".into(), &4.2.into())
    );
    let shown = bench.page().await;
    assert!(shown.text().contains("Failing"), "{}", shown.text());
    assert!(shown.text().contains("4.2 s ago"), "{}", shown.text());
    let message = "scripted exporter (http://backend:4317): unavailable: no route";
    assert!(shown.text().contains(message), "{}", shown.text());

    assert_pending!(answer.poll());
    bench.exporter.release();
    let mut answer = answer;
    while answer.poll().is_pending() {
        tokio::time::advance(SECOND / 10).await;
    }
    assert_eq!(bench.json()["branches"][0]["state"], "delivering");
    let error = &bench.json()["branches"][0]["last_error"];
    assert_eq!(error["type"], "unavailable", "it is still known");
    assert_eq!(
        bench
            .branch
            .recorder()
            .snapshot()
            .failures_in_a_row(Role::Attempt),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn items_that_a_backend_rejects_come_with_what_it_said() {
    let bench = bench(None, [Step::Reject(2)]);
    bench
        .pipeline
        .clone()
        .oneshot(logs(5))
        .await
        .expect("an answer");
    let branch = &bench.json()["branches"][0];
    assert_eq!(branch["signals"]["logs"]["rejected"], 2);
    assert_eq!(branch["state"], "delivering");
    assert_eq!(branch["last_error"]["type"], "rejected");
    let message = branch["last_error"]["message"].as_str();
    assert!(
        message.is_some_and(|text| text.starts_with("items rejected: 2: ")),
        "{message:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_queue_shows_its_depth_and_the_age_of_the_oldest() {
    let queue = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .concurrency(1);
    let bench = bench(Some(queue), [Step::Hold]);
    for _ in 0..3 {
        let answer = bench.pipeline.clone().oneshot(logs(10)).await;
        assert_eq!(answer.expect("taken").retained_items(), 10);
        tokio::time::advance(SECOND).await;
    }
    while bench.exporter.calls() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(2 * SECOND).await;
    bench.agree().await;
    let json = bench.json();
    assert_eq!(json["items"]["retained"], 30);
    let queue = &json["branches"][0]["queues"][0];
    let held = bench
        .branch
        .recorder()
        .snapshot()
        .queue("queue")
        .expect("one");
    assert!(held.held.requests >= 2, "{held:?}");
    assert_eq!(queue["requests"], held.held.requests);
    assert_eq!(queue["bytes"], held.held.bytes);
    assert_eq!(queue["max_bytes"].as_u64(), held.max_bytes);
    let age = held.oldest_age().as_secs_f64();
    assert!(age >= 4.0, "{age}");
    assert_eq!(queue["oldest_age_seconds"], age);

    tokio::time::advance(10 * SECOND).await;
    let later = &bench.json()["branches"][0]["queues"][0]["oldest_age_seconds"];
    assert_eq!(*later, age + 10.0, "it grows while nothing moves");
    let text = bench.page().await.text();
    assert!(text.contains(&format!("Oldest {} s", age + 10.0)), "{text}");
    let series = scraped(&bench.status).await;
    let age = series.find(
        "tower_otlp_queue_oldest_age_seconds",
        &[("otel_component_name", "eu")],
    );
    assert_eq!(age, later.as_f64());
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_shows_what_opened_it() {
    let fails = || Step::Fail(down("gone"));
    let bench = bench(None, [fails(), fails(), fails(), fails()]);
    while bench.branch.recorder().snapshot().breaker() != Some(BreakerState::Open) {
        let failed = bench.pipeline.clone().oneshot(logs(1)).await;
        failed.expect_err("it fails");
    }
    let refused = bench.pipeline.clone().oneshot(logs(1)).await;
    assert_eq!(refused.expect_err("open").kind(), ErrorKind::CircuitOpen);
    bench.agree().await;
    let branch = &bench.json()["branches"][0];
    assert_eq!(
        (&branch["state"], &branch["breaker"]),
        (&"breaker_open".into(), &"open".into())
    );
    let message = branch["last_error"]["message"].as_str().expect("one");
    assert!(message.ends_with("gone"), "not that it is open: {message}");
    let shown = bench.page().await.text();
    assert!(shown.contains("Breaker open"), "{shown}");
    let series = scraped(&bench.status).await;
    for (state, value) in [("open", 1.0), ("closed", 0.0), ("half_open", 0.0)] {
        let labels = [("tower_otlp_circuit_breaker_state", state)];
        let found = series.find("tower_otlp_circuit_breaker_status", &labels);
        assert_eq!(found, Some(value), "{state}");
    }
}

#[tokio::test(start_paused = true)]
async fn draining_is_shown_and_what_is_dropped_in_the_end() {
    let queue = QueueConfig::new().acknowledge(Acknowledge::OnEnqueue);
    let bench = bench(Some(queue), [Step::Hold, Step::Hold]);
    bench
        .pipeline
        .clone()
        .oneshot(logs(4))
        .await
        .expect("taken");
    assert_eq!(http::get(&bench.status, "/readyz").await.0, 200);
    let mut shutdown = task::spawn(bench.lifecycle.shutdown(5 * SECOND));
    assert_pending!(shutdown.poll());
    let (ready, _, body) = http::get(&bench.status, "/readyz").await;
    assert_eq!((ready.as_u16(), &*body), (503, "draining\n"));
    assert_eq!(http::get(&bench.status, "/livez").await.0, 200);
    assert_eq!(bench.json()["state"], "draining");
    assert!(bench.page().await.text().contains("Draining"));
    let series = scraped(&bench.status).await;
    assert_eq!(series.find("tower_otlp_pipeline_draining", &[]), Some(1.0));
    bench.agree().await;

    let report = shutdown.await;
    assert_eq!(report.dropped, 4);
    bench.agree().await;
    assert_eq!(bench.json()["items"]["drops"]["shutdown"], 4);
    let text = bench.page().await.text();
    assert!(text.contains("Dropped: 4 for shutdown"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_branch_shows_its_fallback_and_its_dead_letter_exporter() {
    let lifecycle = Lifecycle::new();
    let status = Status::new("gateway", &lifecycle).version("1.2.3");
    let branch = status.branch("eu");
    let fallback = branch.fallback("eu");
    let letters = branch.dead_letter("file:///letters");
    let names = [&branch, &fallback, &letters].map(|branch| branch.name().to_owned());
    assert_eq!(names, ["eu", "eu #2", "file:///letters"]);
    assert_eq!(fallback.role(), BranchRole::Fallback);
    let exporter = ServiceBuilder::new()
        .observed(&fallback)
        .service(ScriptedExporter::delivering());
    exporter.oneshot(traces(6)).await.expect("delivered");
    agree(&status, &lifecycle, &[&branch]).await;
    let json = json(&status);
    assert_eq!(json["version"], "1.2.3");
    let others = &json["branches"][0]["others"];
    assert_eq!(others[0]["role"], "fallback");
    assert_eq!(others[0]["signals"]["traces"]["delivered"], 6);
    assert_eq!(others[1]["role"], "dead_letter");
    let series = scraped(&status).await;
    let labels = [("otel_component_name", "eu #2")];
    let delivered = series.find("otel_sdk_exporter_span_exported_total", &labels);
    assert_eq!(delivered, Some(6.0));
    let text = page(&status).await.text();
    assert!(text.contains("Fallback eu #2"), "{text}");
    assert!(text.contains("Dead letter file:///letters"), "{text}");
}

#[tokio::test]
async fn no_secret_is_on_any_page() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closed.local_addr().expect("bound");
    drop(closed);
    let lifecycle = Lifecycle::new();
    let status = Status::new("gateway", &lifecycle);
    for url in [
        format!(
            "otlp+http://s3cretuser:s3cretpass@{address}/p?header.x-key=s3cretheader&proxy=none"
        ),
        format!("influxdb+http://{address}/?db=d&token=s3crettoken&proxy=none"),
        format!("otlp+grpc://{address}?header.authorization=s3cretgrpc"),
    ] {
        let branch = status.branch(&url);
        let exporter = ServiceBuilder::new()
            .observed(&branch)
            .observed_attempts(&branch)
            .service(from_url(&url).expect("valid"));
        exporter.oneshot(logs(1)).await.expect_err("nobody listens");
    }
    assert_eq!(status.branch("x:y").name(), "x:y");
    for path in ["/", "/status.json", "/metrics"] {
        let (code, _, body) = http::get(&status, path).await;
        assert_eq!(code, 200);
        assert!(body.contains("otlp+grpc://"), "{path}: {body}");
        assert!(!body.contains("s3cret"), "{path}: {body}");
    }
    let debug = format!("{status:?} {:?}", status.http_service());
    assert!(!debug.contains("s3cret"), "{debug}");
    let json = json(&status);
    for branch in json["branches"]
        .as_array()
        .expect("branches")
        .iter()
        .take(3)
    {
        assert_eq!(branch["last_error"]["type"], "unavailable", "{json}");
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_texts_are_no_markup() {
    const HOSTILE: &str = "</p><script>alert(\"1\")</script><img src=x onerror='y'>\u{202e}&";
    let lifecycle = Lifecycle::new();
    let status = Status::new(HOSTILE, &lifecycle).version(HOSTILE);
    let branch = status.branch(HOSTILE);
    let exporter = ServiceBuilder::new()
        .observed(&branch)
        .service(ScriptedExporter::new([Step::Fail(down(HOSTILE))]));
    exporter.oneshot(logs(1)).await.expect_err("it fails");
    let (_, _, html) = http::get(&status, "/").await;
    assert_eq!(html.matches("<script").count(), 1, "its own: {html}");
    assert!(!html.contains("<img"), "{html}");
    assert!(
        html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"),
        "{html}"
    );
    assert_eq!(json(&status)["branches"][0]["name"], HOSTILE);
    agree(&status, &lifecycle, &[&branch]).await;
}

#[tokio::test(start_paused = true)]
async fn the_metrics_are_a_request_for_any_exporter() {
    let bench = bench(None, [Step::Reject(1), Step::Deliver]);
    for request in [logs(3), traces(2)] {
        bench
            .pipeline
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
    }
    let request = bench.status.metrics().expect("small");
    assert_eq!(request.signal(), Signal::Metrics);
    let decoded = request.decode().expect("checked");
    let tower_otlp::otlp::Decoded::Metrics(decoded) = decoded else {
        panic!("{decoded:?}")
    };
    let [resource] = &decoded.resource_metrics[..] else {
        panic!("{decoded:?}")
    };
    let mut names: Vec<_> = resource.scope_metrics[0]
        .metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "each once: {names:?}");
    assert!(names.contains(&"tower_otlp.exporter.attempt.duration"));
    // Those that MetricsObserver has are those of the table in the documentation.
    let documented = include_str!("../../src/layers/observe/mod.rs");
    let own = include_str!("../../src/status/mod.rs");
    for name in names {
        let row = format!("| `{name}` |");
        assert!(
            documented.contains(&row) || own.contains(&row),
            "{name} is not documented"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_samples_what_nobody_looks_at() {
    let bench = bench(None, []);
    let server = bench.status.serve("127.0.0.1:0".parse().expect("valid"));
    let server = server.expect("a free port");
    for _ in 0..5 {
        tokio::time::advance(SECOND).await;
        tokio::task::yield_now().await;
        bench
            .pipeline
            .clone()
            .oneshot(logs(10))
            .await
            .expect("delivered");
    }
    tokio::time::advance(SECOND).await;
    let json = bench.json();
    let history = &json["branches"][0]["history"];
    let samples: Vec<f64> = serde_json::from_value(history.clone()).expect("numbers");
    assert_eq!(
        samples.iter().filter(|rate| **rate == 10.0).count(),
        5,
        "{history}"
    );
    let rate = &json["branches"][0]["rate"];
    assert_eq!(
        (&rate["items_per_second"], &rate["requests_per_second"]),
        (&10.0.into(), &1.0.into())
    );
    drop(server);
}

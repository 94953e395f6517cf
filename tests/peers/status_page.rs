//! What `--self` serves, in a real browser and to a real Prometheus: the gateway is a process,
//! and what it sends to goes away and comes back.

use std::{path::PathBuf, process::Command, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinHandle};
use tower::ServiceExt as _;
use tower_otlp::{
    Lifecycle, from_url,
    receivers::OtlpServer,
    testing::{ScriptedExporter, logs, metrics, traces},
};

use crate::{
    gate::Gate,
    gateway::example,
    servers::{
        Ready, Server,
        browser::Browser,
        prometheus::{Prometheus, Version, lint},
        until,
    },
};

/// A gateway of two destinations, the second one behind a gate.
struct Gateway {
    process: Server,
    page: String,
    grpc: String,
    near: String,
    far: Gate,
    backend: Lifecycle,
}

impl Gateway {
    async fn start() -> Self {
        let backend = Lifecycle::new();
        let any = "127.0.0.1:0".parse().expect("valid");
        let server = OtlpServer::bind(any, any).await.expect("free ports");
        let near = format!("otlp+http://{}", server.http_address());
        let far = Gate::open_to(&server.grpc_address().to_string()).await;
        tokio::spawn(server.serve(ScriptedExporter::delivering(), &backend));

        let folder = tempfile::tempdir().expect("a folder");
        let letters = folder.path().join("letters.jsonl");
        let mut command = Command::new(example("gateway"));
        command
            .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(["--self", "127.0.0.1:0", "--ack", "enqueue"])
            .args(["--max-concurrency", "auto"])
            .args(["--to", &format!("{near}?proxy=none&header.x-key=s3cret")])
            .args(["--fallback", "console:?to=stderr"])
            .args(["--to", &format!("otlp+grpc://{}", far.address)])
            .args(["--dead-letter", &format!("file://{}", letters.display())]);
        let ready = Ready::Logged("ready ");
        let process = Server::start("the gateway", folder, command, ready).await;
        let log = process.log();
        let after = |mark: &str| {
            let found = log
                .split_whitespace()
                .find_map(|word| word.strip_prefix(mark));
            found.expect("an address").to_owned()
        };
        Self {
            page: format!("http://{}", after("http://")),
            grpc: format!("otlp+grpc://{}", after("grpc=")),
            process,
            near,
            far,
            backend,
        }
    }

    /// Sends until it is told to stop; gives the number of items.
    fn load(&self) -> (Arc<Notify>, JoinHandle<u64>) {
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let exporter = from_url(&self.grpc).expect("valid");
        let load = tokio::spawn(async move {
            let mut sent = 0;
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            loop {
                tokio::select! {
                    _ = pace.tick() => {}
                    () = stopped.notified() => return sent,
                }
                for request in [logs(20), traces(12), metrics(7)] {
                    sent += request.items();
                    let answer = exporter.clone().oneshot(request).await;
                    answer.expect("the queues take it");
                }
            }
        });
        (stop, load)
    }
}

/// Where pictures go that are to be looked at.
fn picture(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("status_page");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(format!("{name}.png"))
}

/// The number at the end of the row `delivered` of a branch.
fn delivered(branch: usize) -> String {
    format!(
        "Number(document.querySelector('[aria-labelledby=b{branch}] .signals tbody tr td:last-child').textContent.replaceAll(',', ''))"
    )
}

/// What a branch says of itself in a word or two.
fn says(branch: usize, state: &str) -> String {
    format!(
        "document.querySelector('[aria-labelledby=b{branch}] .state').textContent.includes('{state}')"
    )
}

async fn looks_right(browser: &mut Browser, name: &str) {
    let wide = (1600, 1000);
    let light = browser
        .look("light", wide, &picture(&format!("{name}-light")))
        .await;
    let dark = browser
        .look("dark", wide, &picture(&format!("{name}-dark")))
        .await;
    assert_ne!((&light.ground, &light.text), (&dark.ground, &dark.text));
    let narrow = (360, 800);
    let small = browser
        .look("light", narrow, &picture(&format!("{name}-narrow")))
        .await;
    let small_dark = browser
        .look("dark", narrow, &picture(&format!("{name}-narrow-dark")))
        .await;
    for look in [light, dark, small, small_dark] {
        assert!(look.texts > 60, "{look:?}");
        assert!(look.poor.is_empty(), "{look:?}");
        assert_eq!(look.overflow, 0, "{look:?}");
    }
}

async fn nothing_wrong(browser: &mut Browser, origin: &str) {
    let (wrong, requests) = browser.seen().await;
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(!requests.is_empty());
    let foreign: Vec<_> = requests
        .iter()
        .filter(|url| !url.starts_with(origin))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_watches_an_outage() {
    let mut gateway = Gateway::start().await;
    let mut browser = Browser::start().await;
    browser.open(&gateway.page).await;
    assert!(browser.value(&says(0, "Idle")).await.as_bool() == Some(true));
    let (stop, load) = gateway.load();

    // The numbers move while one looks.
    browser
        .until(&format!("{} > 0 && {} > 0", delivered(0), delivered(1)))
        .await;
    let before = browser
        .value(&delivered(1))
        .await
        .as_u64()
        .expect("a count");
    browser.until(&format!("{} > {before}", delivered(1))).await;
    browser
        .until(
            "document.querySelectorAll('.spark path')[0].getAttribute('d').split('M').length > 5",
        )
        .await;
    for branch in [0, 1] {
        browser.until(&says(branch, "Delivering")).await;
    }
    looks_right(&mut browser, "delivering").await;
    nothing_wrong(&mut browser, &gateway.page).await;

    gateway.far.shut().await;
    browser.until(&says(1, "Breaker open")).await;
    browser.until("document.querySelector('[aria-labelledby=b1] .errors').textContent.includes('unavailable')").await;
    browser.until("document.querySelector('[aria-labelledby=b1] .message').textContent.includes('unavailable')").await;
    assert_eq!(browser.value(&says(0, "Delivering")).await, true);
    looks_right(&mut browser, "outage").await;
    assert!(
        !browser
            .value("document.documentElement.outerHTML")
            .await
            .to_string()
            .contains("s3cret")
    );
    nothing_wrong(&mut browser, &gateway.page).await;

    gateway.far.open().await;
    browser.until(&says(1, "Delivering")).await;
    stop.notify_one();
    let sent = load.await.expect("no panic");
    // All of it, once the queue is empty: shown to who looks.
    for branch in [0, 1] {
        browser
            .until(&format!("{} === {sent}", delivered(branch)))
            .await;
    }
    browser
        .until("document.querySelector('.law').textContent.includes('Every accepted item')")
        .await;
    looks_right(&mut browser, "recovered").await;
    nothing_wrong(&mut browser, &gateway.page).await;

    // Without scripts it is the page as it was at its load.
    browser.scripts(false).await;
    browser.open(&gateway.page).await;
    browser.scripts(true).await;
    assert_eq!(browser.value(&delivered(0)).await, sent);
    browser.open(&gateway.page).await;
    nothing_wrong(&mut browser, &gateway.page).await;

    assert_eq!(
        browser
            .value("document.querySelector('.stale').hidden")
            .await,
        true
    );
    gateway.process.kill().await;
    browser
        .until("!document.querySelector('.stale').hidden")
        .await;
    let notice = browser
        .value("document.querySelector('.stale').textContent")
        .await;
    assert!(notice.to_string().contains("No answer since"), "{notice}");
    assert_eq!(browser.value(&delivered(0)).await, sent, "the values stay");
    looks_right(&mut browser, "stale").await;
    drop(gateway.backend);
}

async fn prometheus_reads(version: Version) {
    let gateway = Gateway::start().await;
    let target = gateway
        .page
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let prometheus = Prometheus::start(version, &[target]).await;
    let (stop, load) = gateway.load();
    let query = format!(
        "otel_sdk_exporter_span_exported_total{{otel_component_name=\"{}\",error_type=\"\"}} > 0",
        gateway.near
    );
    until("spans were exported", async || {
        prometheus.query(&query, None).await.pop()
    })
    .await;
    stop.notify_one();
    let sent = load.await.expect("no panic");
    let all = "sum(tower_otlp_pipeline_item_count{tower_otlp_item_state=\"delivered\"})";
    let accepted = "sum(tower_otlp_pipeline_accepted)";
    until("all items are there", async || {
        let value = prometheus.query(all, None).await.pop()?;
        // Each branch has a queue that answers early: an item counts once for each.
        (value["value"][1] == (2 * sent).to_string()).then_some(())
    })
    .await;
    let value = prometheus
        .query(accepted, None)
        .await
        .pop()
        .expect("a series");
    assert_eq!(value["value"][1], (2 * sent).to_string());
    for series in [
        "tower_otlp_queue_request_capacity",
        "tower_otlp_circuit_breaker_status",
        "tower_otlp_concurrency_limit",
        "otel_sdk_exporter_operation_duration_seconds_count",
        "tower_otlp_exporter_attempt_size_bytes_sum",
        "tower_otlp_queue_wait_duration_seconds_bucket",
        "process_uptime_seconds",
        "target_info",
    ] {
        assert!(!prometheus.query(series, None).await.is_empty(), "{series}");
    }
    let targets = prometheus.targets().await;
    assert_eq!(targets[0]["health"], "up", "{targets:?}");
    assert_eq!(targets[0]["lastError"], "", "{targets:?}");
    let metadata = prometheus.metadata().await;
    let kind = &metadata["otel_sdk_exporter_span_exported_total"][0];
    assert_eq!(kind["type"], "counter", "{kind}");

    let page = reqwest::get(format!("{}metrics", gateway.page)).await;
    let page = page.expect("an answer").text().await.expect("text");
    let (_, said) = lint(&page);
    assert!(!said.contains("error"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_current_prometheus_scrapes_a_gateway() {
    prometheus_reads(Version::Current).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debians_prometheus_scrapes_a_gateway() {
    prometheus_reads(Version::Debian).await;
}

//! Which order of layers does what: every answer is found by running it.
//!
//! Stacks are written from outside in, as `ServiceBuilder` takes them. The exporters follow a
//! script and the clock is tokio's paused one, so minutes pass at once.
//!
//! ```sh
//! cargo run --example compose
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, Exporter, ExporterExt, Lifecycle,
    ServiceBuilderExt,
    layers::{
        fan_out::{FanOut, FanOutPolicy},
        retry::RetryPolicy,
    },
    testing::{ScriptedExporter, Step, logs},
};

const SECOND: Duration = Duration::from_secs(1);

fn main() -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?
        .block_on(async {
            timeout_and_retry().await;
            limit_and_retry().await;
            limit_and_timeout().await;
            shedding_and_retry().await;
            change_and_retry().await;
            retry_and_retry().await;
            fan_out_and_retry().await;
            fan_out_and_timeout().await;
            tracking_and_retry().await;
        });
    Ok(())
}

async fn timeout_and_retry() {
    title("Timeout and retry: the first two attempts hang for a minute");
    let backend = || ScriptedExporter::new(vec![Step::DeliverAfter(60 * SECOND); 2]);

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .export_retry(policy())
        .attempt_timeout(5 * SECOND)
        .service(exporter.clone());
    run("retry > attempt timeout 5s", stack, &[&exporter]).await;

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .total_timeout(5 * SECOND)
        .export_retry(policy())
        .service(exporter.clone());
    run("total timeout 5s > retry", stack, &[&exporter]).await;

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .total_timeout(20 * SECOND)
        .export_retry(policy())
        .attempt_timeout(5 * SECOND)
        .service(exporter.clone());
    run("total 20s > retry > attempt 5s", stack, &[&exporter]).await;
    conclude("below the retry it bounds an attempt, above it everything; use both");
}

async fn limit_and_retry() {
    title(
        "Concurrency limit and retry: one permit; request 1 waits 10 s for its retry, request 2:",
    );
    let backend = || ScriptedExporter::new([Step::Fail(throttled(10 * SECOND))]);

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .export_retry(policy())
        .concurrency_limit(1)
        .service(exporter.clone());
    run_second("retry > limit 1", stack, &exporter).await;

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .concurrency_limit(1)
        .export_retry(policy())
        .service(exporter.clone());
    run_second("limit 1 > retry", stack, &exporter).await;
    conclude("below the retry, a request that waits holds no permit");
}

async fn limit_and_timeout() {
    title("Concurrency limit and timeout: one permit; both requests take 8 s, request 2:");
    let backend = || ScriptedExporter::new(vec![Step::DeliverAfter(8 * SECOND); 2]);

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .concurrency_limit(1)
        .attempt_timeout(10 * SECOND)
        .service(exporter.clone());
    run_second("limit 1 > timeout 10s", stack, &exporter).await;

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .attempt_timeout(10 * SECOND)
        .concurrency_limit(1)
        .service(exporter.clone());
    run_second("timeout 10s > limit 1", stack, &exporter).await;
    conclude(
        "a timeout above the limit charges the wait for a permit, one below it only the export",
    );
}

async fn shedding_and_retry() {
    title("Load shedding and retry: one permit; request 1 takes 2 s, request 2:");
    let backend = || ScriptedExporter::new([Step::DeliverAfter(2 * SECOND)]);

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .export_retry(policy().seed(3))
        .load_shed()
        .concurrency_limit(1)
        .service(exporter.clone());
    run_second("retry > shed > limit 1", stack, &exporter).await;

    let exporter = backend();
    let stack = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(1)
        .export_retry(policy())
        .service(exporter.clone());
    run_second("shed > limit 1 > retry", stack, &exporter).await;
    conclude("below the retry, shed requests are sent again; above it, the caller has them back");
}

async fn change_and_retry() {
    title("A change of the request and retry: two attempts fail");
    let backend = || ScriptedExporter::new(vec![Step::Fail(down()); 2]);
    let counted = |changes: &Arc<AtomicUsize>| {
        let changes = changes.clone();
        move |request: ExportRequest| {
            changes.fetch_add(1, Ordering::Relaxed);
            request
        }
    };

    let (changes, exporter) = (Arc::new(AtomicUsize::new(0)), backend());
    let stack = ServiceBuilder::new()
        .map_request(counted(&changes))
        .export_retry(policy())
        .service(exporter.clone());
    run("map_request > retry", stack, &[&exporter]).await;
    note(format!(
        "changed {} time(s)",
        changes.load(Ordering::Relaxed)
    ));

    let (changes, exporter) = (Arc::new(AtomicUsize::new(0)), backend());
    let stack = ServiceBuilder::new()
        .export_retry(policy())
        .map_request(counted(&changes))
        .service(exporter.clone());
    run("retry > map_request", stack, &[&exporter]).await;
    note(format!(
        "changed {} time(s)",
        changes.load(Ordering::Relaxed)
    ));
    conclude("do work above the retry, unless it must be fresh for each attempt");
}

async fn retry_and_retry() {
    title("A retry above a retry: the backend is down");
    let exporter = ScriptedExporter::new(vec![Step::Fail(down()); 99]);
    let stack = ServiceBuilder::new()
        .export_retry(policy().max_attempts(4))
        .export_retry(policy().max_attempts(4))
        .service(exporter.clone());
    run("retry 4 > retry 4", stack, &[&exporter]).await;
    conclude("attempts multiply: have one retry on each way to a backend");
}

async fn fan_out_and_retry() {
    title("Fan-out and retry: branch 1 is down twice, branch 0 works");
    let backends = || {
        (
            ScriptedExporter::delivering(),
            ScriptedExporter::new(vec![Step::Fail(down()); 2]),
        )
    };

    let (good, flaky) = backends();
    let stack = ServiceBuilder::new()
        .export_retry(policy())
        .fan_out([flaky.clone().boxed_exporter()])
        .service(good.clone());
    run("retry > fan-out (all)", stack, &[&good, &flaky]).await;

    let (good, flaky) = backends();
    let retried = |exporter: &ScriptedExporter| -> BoxExporter {
        ServiceBuilder::new()
            .export_retry(policy())
            .service(exporter.clone())
            .boxed_exporter()
    };
    let stack = FanOut::new([retried(&good), retried(&flaky)]);
    run("fan-out (all) > retry in each", stack, &[&good, &flaky]).await;

    let (good, flaky) = backends();
    let stack = ServiceBuilder::new().export_retry(policy()).service(
        FanOut::new([
            good.clone().boxed_exporter(),
            flaky.clone().boxed_exporter(),
        ])
        .policy(FanOutPolicy::BestEffort),
    );
    run("retry > fan-out (best effort)", stack, &[&good, &flaky]).await;

    let (good, flaky) = backends();
    let stack = FanOut::new([retried(&good), retried(&flaky)]).policy(FanOutPolicy::BestEffort);
    run("fan-out (best effort) > retry", stack, &[&good, &flaky]).await;
    conclude("a branch that delivered is not sent to again; best effort needs its retry inside");
}

async fn fan_out_and_timeout() {
    title("Fan-out and timeout: branch 1 hangs for a minute once, branch 0 works");
    let backends = || {
        (
            ScriptedExporter::delivering(),
            ScriptedExporter::new([Step::DeliverAfter(60 * SECOND)]),
        )
    };

    let (good, slow) = backends();
    let timed = |exporter: &ScriptedExporter| -> BoxExporter {
        ServiceBuilder::new()
            .attempt_timeout(5 * SECOND)
            .service(exporter.clone())
            .boxed_exporter()
    };
    let stack = ServiceBuilder::new()
        .export_retry(policy())
        .service(FanOut::new([timed(&good), timed(&slow)]));
    run("retry > fan-out > timeout 5s", stack, &[&good, &slow]).await;

    let (good, slow) = backends();
    let stack = ServiceBuilder::new()
        .export_retry(policy())
        .attempt_timeout(5 * SECOND)
        .fan_out([slow.clone().boxed_exporter()])
        .service(good.clone());
    run("retry > timeout 5s > fan-out", stack, &[&good, &slow]).await;
    conclude(
        "a timeout between retry and fan-out forgets who has delivered: put it in the branches",
    );
}

async fn tracking_and_retry() {
    title("Tracking and retry: two attempts fail, the third delivers 10 items");
    let backend = || ScriptedExporter::new(vec![Step::Fail(down()); 2]);

    let (lifecycle, exporter) = (Lifecycle::new(), backend());
    let stack = ServiceBuilder::new()
        .tracked(&lifecycle)
        .export_retry(policy())
        .service(exporter.clone());
    run("tracked > retry", stack, &[&exporter]).await;
    note(counts(&lifecycle));

    let (lifecycle, exporter) = (Lifecycle::new(), backend());
    let stack = ServiceBuilder::new()
        .export_retry(policy())
        .tracked(&lifecycle)
        .service(exporter.clone());
    run("retry > tracked", stack, &[&exporter]).await;
    note(counts(&lifecycle));
    conclude("outermost it counts requests, below a retry it counts attempts");
}

fn counts(lifecycle: &Lifecycle) -> String {
    let report = lifecycle.report();
    format!(
        "accepted {} items, delivered {}, refused {}",
        report.accepted, report.delivered, report.refused
    )
}

/// Waits of at most a second, the same at each run.
fn policy() -> RetryPolicy {
    RetryPolicy::new().max_backoff(SECOND).seed(1)
}

fn down() -> ExportError {
    ExportError::new(ErrorKind::Unavailable, "connection refused")
}

fn throttled(delay: Duration) -> ExportError {
    ExportError::new(ErrorKind::Throttled, "slow down")
        .with_retry(tower_otlp::RetryAdvice::After(delay))
}

/// Sends one request and tells what came of it.
async fn run(name: &str, stack: impl Exporter, exporters: &[&ScriptedExporter]) {
    let started = Instant::now();
    let answer = answer(stack).await;
    let calls: Vec<_> = exporters
        .iter()
        .map(|exporter| exporter.calls().to_string())
        .collect();
    row(name, &answer, started.elapsed(), &calls.join(" + "));
}

/// Sends a request, then a second one beside it, and tells what came of the second.
async fn run_second(name: &str, stack: impl Exporter, exporter: &ScriptedExporter) {
    let first = tokio::spawn({
        let stack = stack.clone();
        async move { answer(stack).await }
    });
    exporter.wait_for_calls(1).await;
    let started = Instant::now();
    let second = answer(stack).await;
    row(
        name,
        &second,
        started.elapsed(),
        &exporter.calls().to_string(),
    );
    // Let the first one end, so that nothing runs on beside the next scenario.
    let _ = first.await;
}

async fn answer(stack: impl Exporter) -> String {
    match stack.oneshot(logs(10)).await {
        Ok(response) => format!("delivered {}", response.delivered_items()),
        Err(error) => format!("error: {}", error.into().kind()),
    }
}

fn title(text: &str) {
    println!("\n{text}");
    println!("    {:<32} {:<22} {:>8}  calls", "stack", "answer", "after");
}

fn row(stack: &str, answer: &str, after: Duration, calls: &str) {
    let after = format!("{:.1}s", after.as_secs_f64());
    println!("    {stack:<32} {answer:<22} {after:>8}  {calls}");
}

fn note(text: String) {
    println!("    {:<32} {text}", "");
}

fn conclude(text: &str) {
    println!("  = {text}");
}

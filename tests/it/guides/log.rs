//! What the log says.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, Lifecycle, ServiceBuilderExt,
    exporters::otlp::from_lookup,
    layers::{
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy},
        observe::TracingObserver,
        queue::{Acknowledge, Overflow, QueueConfig, QueueLayer},
        split::{SplitConfig, SplitLayer},
    },
    testing::{ScriptedExporter, Step, logs},
};
use tracing_subscriber::fmt::MakeWriter;

/// Where a subscriber writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn fail(kind: ErrorKind) -> Step {
    Step::Fail(ExportError::new(kind, "no"))
}

fn queue(config: QueueConfig, exporter: ScriptedExporter) -> impl tower_otlp::Exporter {
    QueueLayer::new(config).expect("valid").layer(exporter)
}

/// A queue that gives up what it has answered for, with and without a dead letter.
async fn queues() {
    let early = |lifecycle: &Lifecycle| {
        QueueConfig::new()
            .acknowledge(Acknowledge::OnEnqueue)
            .lifecycle(lifecycle)
    };
    let letters = [
        None,
        Some(ScriptedExporter::delivering()),
        Some(ScriptedExporter::new([fail(ErrorKind::Unavailable)])),
    ];
    for letter in letters {
        let lifecycle = Lifecycle::new();
        let mut config = early(&lifecycle);
        if let Some(letter) = letter {
            config = config.dead_letter(letter);
        }
        let exporter = ScriptedExporter::new([fail(ErrorKind::Rejected)]);
        let taken = queue(config, exporter).oneshot(logs(1)).await;
        taken.map_err(Into::into).expect("room");
        lifecycle.shutdown(Duration::from_secs(1)).await;
    }

    let lifecycle = Lifecycle::new();
    let config = early(&lifecycle).max_requests(2).concurrency(1);
    let config = config.overflow(Overflow::DropOldest);
    let config = config.observer(TracingObserver::new("eu"));
    let exporter = ScriptedExporter::new([Step::Hold]);
    let queue = queue(config, exporter.clone());
    for _ in 0..3 {
        queue
            .clone()
            .oneshot(logs(1))
            .await
            .map_err(Into::into)
            .expect("room");
        exporter.wait_for_calls(1).await;
    }
    lifecycle.shutdown(Duration::from_secs(1)).await;
}

/// A breaker that opens and closes, a fallback that takes over and goes back.
async fn detours() {
    let policy = CircuitBreakerPolicy::new().consecutive_failures(1);
    let breaker = CircuitBreakerLayer::error(policy).expect("valid");
    let primary = ScriptedExporter::new([fail(ErrorKind::Unavailable)]);
    let pipeline = ServiceBuilder::new()
        .fallback(ScriptedExporter::delivering())
        .layer(breaker)
        .service(primary);
    for _ in 0..2 {
        pipeline
            .clone()
            .oneshot(logs(1))
            .await
            .expect("one of the two takes it");
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
}

async fn rejections() {
    let split = SplitLayer::new(SplitConfig::new()).expect("valid");
    let too_large = ScriptedExporter::new([fail(ErrorKind::TooLarge)]);
    split
        .layer(too_large)
        .oneshot(logs(1))
        .await
        .expect("an answer");
    let observed = ServiceBuilder::new()
        .observed(TracingObserver::new("eu"))
        .service(ScriptedExporter::new([fail(ErrorKind::Unavailable)]));
    observed.oneshot(logs(1)).await.expect_err("it is down");
}

fn environment() {
    let rows = |name: &str| (name == "OTEL_EXPORTER_OTLP_TIMEOUT").then(|| "10s".to_owned());
    from_lookup(rows).expect("it is ignored");
}

/// The lines, at the levels that a user sees.
pub(super) fn messages() -> Vec<String> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .finish();
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            queues().await;
            detours().await;
            rejections().await;
            environment();
        });
    };
    // On a thread of its own: it may be called within a runtime.
    let logged = std::thread::spawn(move || tracing::subscriber::with_default(subscriber, work));
    logged.join().expect("no panic");
    let bytes = lines
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let text = String::from_utf8(bytes).expect("text");
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn what_the_log_says_is_in_the_guide() {
    let messages = messages();
    for message in &messages {
        println!("{message}");
    }
    assert!(messages.len() >= 10, "{messages:#?}");
    super::assert_explained(&messages);
}

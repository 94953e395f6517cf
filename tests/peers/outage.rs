//! A load through the whole stack while a server is taken away, starved and brought back: what we
//! accepted is there in the end, and our books say the same.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Semaphore, task::JoinHandle};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    Exporter, Lifecycle, ServiceBuilderExt,
    layers::{
        batch::{BatchConfig, BatchLayer},
        circuit_breaker::{CircuitBreakerLayer, CircuitBreakerPolicy, CircuitHandle, CircuitState},
        observe::Recorder,
        queue::{Acknowledge, QueueConfig, QueueLayer},
        retry::RetryPolicy,
    },
};

use crate::{servers::until, workload::span_at};

/// Spans on their way. Each is a request of its own, with its number as its id.
pub struct Load {
    lifecycle: Lifecycle,
    recorder: Recorder,
    circuit: CircuitHandle,
    offered: Arc<Semaphore>,
    sender: JoinHandle<()>,
    spans: u64,
}

impl Load {
    /// Starts to send `spans` spans through the stack to `exporter`, as far as they are
    /// [offered](Self::offer).
    pub fn start(exporter: impl Exporter, spans: u64) -> Self {
        let lifecycle = Lifecycle::new();
        let recorder = Recorder::new();
        let queue = QueueConfig::new()
            .acknowledge(Acknowledge::OnEnqueue)
            // Full soon, so that an outage is felt by the sender, too.
            .max_requests(256)
            .concurrency(128)
            .initial_backoff(Duration::from_millis(20))
            .max_backoff(Duration::from_millis(200))
            .lifecycle(&lifecycle);
        let batch = BatchConfig::new()
            .max_items(20)
            .timeout(Duration::from_millis(10))
            .lifecycle(&lifecycle);
        let retry = RetryPolicy::new()
            .initial_backoff(Duration::from_millis(20))
            .max_backoff(Duration::from_millis(200))
            .lifecycle(&lifecycle);
        let breaker = CircuitBreakerPolicy::new()
            .consecutive_failures(2)
            .open_for(Duration::from_millis(50), Duration::from_millis(200));
        let (breaker, circuit) = CircuitBreakerLayer::pending(breaker)
            .expect("a policy")
            .shared();
        let pipeline = ServiceBuilder::new()
            .tracked(&lifecycle)
            .observed(recorder.clone())
            .queue(QueueLayer::new(queue).expect("a queue"))
            .batch(BatchLayer::new(batch).expect("a batch"))
            .export_retry(retry)
            .circuit_breaker(breaker)
            .concurrency_limit(4)
            .observed_attempts(recorder.clone())
            .attempt_timeout(Duration::from_secs(1))
            .service(exporter);
        let offered = Arc::new(Semaphore::new(0));
        let offers = offered.clone();
        let start = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let start = u64::try_from(start.as_nanos()).expect("before 2500");
        let sender = tokio::spawn(async move {
            for number in 1..=spans {
                offers.acquire().await.expect("open").forget();
                let request = span_at(number, start + number * 1_000);
                let answer = pipeline.clone().oneshot(request).await;
                let answer = answer.expect("accepted");
                assert_eq!(answer.rejected_items(), 0, "{answer:?}");
            }
        });
        Self {
            lifecycle,
            recorder,
            circuit,
            offered,
            sender,
            spans,
        }
    }

    /// Lets so many more spans go.
    pub fn offer(&self, spans: usize) {
        self.offered.add_permits(spans);
    }

    /// Waits until so many spans are delivered in all.
    pub async fn delivered(&self, spans: u64) {
        until(&format!("{spans} spans are delivered"), async || {
            (self.delivered_so_far() >= spans).then_some(())
        })
        .await;
    }

    /// How many spans are delivered.
    pub fn delivered_so_far(&self) -> u64 {
        self.lifecycle.report().delivered
    }

    /// Waits until the circuit breaker has noticed that the server is away, and asserts that the
    /// outage came in the middle.
    pub async fn noticed(&self) {
        until("the circuit breaker opens", async || {
            (self.circuit.state() != CircuitState::Closed).then_some(())
        })
        .await;
        assert!(
            self.delivered_so_far() < self.spans,
            "the outage is in the middle"
        );
    }

    /// Waits until everything is sent, shuts the pipeline down and asserts that its books say that
    /// all is delivered. `stored` then gives the numbers of the spans that the server has.
    pub async fn all_is_there(self, mut stored: impl AsyncFnMut() -> BTreeSet<u64>) {
        self.sender.await.expect("no panic");
        let report = self.lifecycle.shutdown(Duration::from_secs(60)).await;
        assert_eq!(report.accepted, self.spans, "{report:?}");
        assert_eq!(report.delivered, self.spans, "{report:?}");
        assert!(report.complete, "{report:?}");
        assert_eq!(
            (report.rejected, report.refused, report.cancelled),
            (0, 0, 0),
            "{report:?}"
        );
        assert_eq!((report.retained, report.dropped), (0, 0), "{report:?}");
        let attempts = self.recorder.snapshot();
        let attempts = attempts.attempts();
        assert_eq!(attempts.delivered.items, self.spans, "{attempts:?}");
        // A server may answer before it has stored what it took.
        let mut there = 0;
        until("every span is in the server", async || {
            let stored = stored().await;
            let whole = (1..=self.spans).all(|number| stored.contains(&number));
            if stored.len() != there {
                there = stored.len();
                eprintln!("{there} of {} spans are in the server", self.spans);
            }
            whole.then_some(())
        })
        .await;
    }
}

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::{Semaphore, watch};
use tower_service::Service;

use crate::{ExportError, ExportRequest, ExportResponse};

/// What a [`ScriptedExporter`] does with one request.
#[derive(Clone)]
#[non_exhaustive]
pub enum Step {
    /// Delivers all items.
    Deliver,
    /// Rejects so many items, or all if there are fewer, and delivers the others.
    Reject(u64),
    /// Fails.
    Fail(ExportError),
    /// Delivers so many items and fails with this error; what remains is a request of the other
    /// items, made by [`request`](super::request).
    Partial(u64, ExportError),
    /// Waits for [`release`](ScriptedExporter::release), then delivers.
    Hold,
    /// Waits for this long, then delivers.
    DeliverAfter(Duration),
    /// Waits for this long, then fails.
    FailAfter(Duration, ExportError),
    /// Panics when the response is awaited.
    Panic,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Deliver => f.write_str("Deliver"),
            Step::Reject(items) => f.debug_tuple("Reject").field(items).finish(),
            Step::Fail(error) => f.debug_tuple("Fail").field(&error.kind()).finish(),
            Step::Partial(items, error) => f
                .debug_tuple("Partial")
                .field(items)
                .field(&error.kind())
                .finish(),
            Step::Hold => f.write_str("Hold"),
            Step::DeliverAfter(wait) => f.debug_tuple("DeliverAfter").field(wait).finish(),
            Step::FailAfter(wait, error) => f
                .debug_tuple("FailAfter")
                .field(wait)
                .field(&error.kind())
                .finish(),
            Step::Panic => f.write_str("Panic"),
        }
    }
}

/// An exporter that does what it is told, step by step, and remembers what it was given.
///
/// All clones share one script and one memory. When the script is at its end the exporter
/// delivers.
#[derive(Clone)]
pub struct ScriptedExporter {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    released: Semaphore,
    calls: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Step>,
    requests: Vec<ExportRequest>,
    in_flight: usize,
    dropped: usize,
    delivered: u64,
}

impl ScriptedExporter {
    /// An exporter with this script.
    pub fn new(script: impl IntoIterator<Item = Step>) -> Self {
        let state = State {
            script: script.into_iter().collect(),
            ..State::default()
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                released: Semaphore::new(0),
                calls: watch::Sender::new(0),
            }),
        }
    }

    /// An exporter that takes everything.
    #[must_use]
    pub fn delivering() -> Self {
        Self::new([])
    }

    /// Adds steps to the end of the script.
    pub fn extend(&self, steps: impl IntoIterator<Item = Step>) {
        self.state().script.extend(steps);
    }

    /// Lets one request go that a [`Step::Hold`] keeps, now or later.
    pub fn release(&self) {
        self.shared.released.add_permits(1);
    }

    /// The requests that were seen, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<ExportRequest> {
        self.state().requests.clone()
    }

    /// The number of items in each request that was seen, in order.
    #[must_use]
    pub fn items(&self) -> Vec<u64> {
        self.state()
            .requests
            .iter()
            .map(ExportRequest::items)
            .collect()
    }

    /// How many requests were seen.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().requests.len()
    }

    /// Number of items delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.state().delivered
    }

    /// How many requests are neither answered nor dropped.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state().in_flight
    }

    /// How many requests were dropped before their answer.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.state().dropped
    }

    /// How many clones of this exporter exist, this one included.
    #[must_use]
    pub fn handles(&self) -> usize {
        // A future in flight holds one as well.
        Arc::strong_count(&self.shared) - self.in_flight()
    }

    /// Waits until so many requests were seen in all.
    pub async fn wait_for_calls(&self, calls: usize) {
        // The sender is in `self`: it cannot be gone.
        let _ = self
            .shared
            .calls
            .subscribe()
            .wait_for(|seen| *seen >= calls)
            .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ScriptedExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ScriptedExporter")
            .field("script", &state.script)
            .field("calls", &state.requests.len())
            .field("in_flight", &state.in_flight)
            .field("dropped", &state.dropped)
            .finish_non_exhaustive()
    }
}

impl Service<ExportRequest> for ScriptedExporter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Pin<Box<dyn Future<Output = Result<ExportResponse, ExportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let step = {
            let mut state = self.state();
            state.requests.push(request.clone());
            state.script.pop_front().unwrap_or(Step::Deliver)
        };
        let flight = Flight::start(self.shared.clone());
        self.shared.calls.send_modify(|calls| *calls += 1);
        Box::pin(async move {
            let result = perform(step, &request, &flight.shared).await;
            flight.land(&result);
            result
        })
    }
}

async fn perform(
    step: Step,
    request: &ExportRequest,
    shared: &Shared,
) -> Result<ExportResponse, ExportError> {
    let items = request.items();
    match step {
        Step::Reject(rejected) => {
            let rejected = rejected.min(items);
            Ok(ExportResponse::delivered(items - rejected)
                .with_rejected(rejected, "rejected by the script"))
        }
        Step::Fail(error) => Err(error),
        Step::Partial(delivered, error) => {
            let delivered = delivered.min(items);
            let left = usize::try_from(items - delivered).unwrap_or(usize::MAX);
            let remainder =
                super::request(request.signal(), left).with_metadata(request.metadata().clone());
            Err(error.with_remainder(ExportResponse::delivered(delivered), remainder))
        }
        Step::Hold => {
            // The semaphore is never closed.
            if let Ok(permit) = shared.released.acquire().await {
                permit.forget();
            }
            Ok(ExportResponse::delivered(items))
        }
        Step::DeliverAfter(wait) => {
            tokio::time::sleep(wait).await;
            Ok(ExportResponse::delivered(items))
        }
        Step::FailAfter(wait, error) => {
            tokio::time::sleep(wait).await;
            Err(error)
        }
        // Unwinds like any panic and prints nothing: it is expected.
        Step::Panic => std::panic::resume_unwind(Box::new("the script of the exporter says so")),
        Step::Deliver => Ok(ExportResponse::delivered(items)),
    }
}

/// One request in flight.
struct Flight {
    shared: Arc<Shared>,
    landed: bool,
}

impl Flight {
    fn start(shared: Arc<Shared>) -> Self {
        shared.state().in_flight += 1;
        Self {
            shared,
            landed: false,
        }
    }

    fn land(mut self, result: &Result<ExportResponse, ExportError>) {
        self.landed = true;
        let delivered = match result {
            Ok(response) => response.delivered_items(),
            Err(error) => error.progress().map_or(0, ExportResponse::delivered_items),
        };
        self.shared.state().delivered += delivered;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.in_flight -= 1;
        state.dropped += usize::from(!self.landed);
    }
}

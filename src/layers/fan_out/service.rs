use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tower_service::Service;

use super::{FanOutPolicy, ResponseFuture};
use crate::{BoxExporter, ExportError, ExportRequest, ExportResponse, Exporter, ExporterExt};

/// Sends every request to all its branches. See the [module](super).
///
/// It is always ready: whether a branch is ready is for the response future to see.
#[derive(Clone)]
pub struct FanOut {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    /// Whose notes in a request are ours: clones share it, other fan-outs do not.
    pub(super) owner: u64,
    pub(super) policy: FanOutPolicy,
    /// Never asked for readiness: each request takes fresh clones.
    pub(super) branches: Vec<BoxExporter>,
}

impl FanOut {
    /// Sends to these exporters; the policy is [`All`](FanOutPolicy::All).
    ///
    /// Exporters of different types are added one by one: [`empty`](Self::empty),
    /// [`branch`](Self::branch).
    pub fn new(branches: impl IntoIterator<Item = BoxExporter>) -> Self {
        Self::of(branches.into_iter().collect(), FanOutPolicy::All)
    }

    /// A fan-out that has no branches yet. Requests fail until it has one.
    #[must_use]
    pub fn empty() -> Self {
        Self::new([])
    }

    /// Adds a branch.
    #[must_use]
    pub fn branch(self, exporter: impl Exporter) -> Self {
        self.boxed_branches([exporter.boxed_exporter()])
    }

    /// Adds branches whose type is erased already.
    #[must_use]
    pub fn boxed_branches(self, exporters: impl IntoIterator<Item = BoxExporter>) -> Self {
        let mut branches = self.shared.branches.clone();
        branches.extend(exporters);
        Self::of(branches, self.shared.policy)
    }

    /// Sets how many branches must deliver.
    #[must_use]
    pub fn policy(self, policy: FanOutPolicy) -> Self {
        Self::of(self.shared.branches.clone(), policy)
    }

    /// How many branches there are.
    #[must_use]
    pub fn branches(&self) -> usize {
        self.shared.branches.len()
    }

    fn of(branches: Vec<BoxExporter>, policy: FanOutPolicy) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            shared: Arc::new(Shared {
                owner: NEXT.fetch_add(1, Ordering::Relaxed),
                policy,
                branches,
            }),
        }
    }
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("branches", &self.branches())
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}

impl Service<ExportRequest> for FanOut {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> ResponseFuture {
        ResponseFuture::new(&self.shared, request)
    }
}

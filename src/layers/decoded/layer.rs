//! The layer and its chains of closures.

use std::{fmt, sync::Arc};

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use tower_layer::Layer;

use super::DecodedService;
use crate::{
    ExportError,
    otlp::{Decoded, OtlpBytes, Signal},
};

type Chain<T> = Vec<Arc<dyn Fn(&mut T) + Send + Sync>>;

/// The closures, by signal.
#[derive(Clone, Default)]
pub(super) struct Chains {
    traces: Chain<ExportTraceServiceRequest>,
    metrics: Chain<ExportMetricsServiceRequest>,
    logs: Chain<ExportLogsServiceRequest>,
}

impl Chains {
    /// Whether there is a closure for this signal.
    pub(super) fn apply_to(&self, signal: Signal) -> bool {
        match signal {
            Signal::Traces => !self.traces.is_empty(),
            Signal::Metrics => !self.metrics.is_empty(),
            Signal::Logs => !self.logs.is_empty(),
        }
    }

    /// Runs all closures of the signal over the decoded telemetry.
    pub(super) fn run(&self, otlp: &OtlpBytes) -> Result<OtlpBytes, ExportError> {
        Ok(match otlp.decode()? {
            Decoded::Traces(message) => run(&self.traces, message).into(),
            Decoded::Metrics(message) => run(&self.metrics, message).into(),
            Decoded::Logs(message) => run(&self.logs, message).into(),
        })
    }
}

fn run<T>(chain: &Chain<T>, mut message: T) -> T {
    for closure in chain {
        closure(&mut message);
    }
    message
}

/// Runs closures over decoded telemetry before it goes on; see [the module](super).
///
/// Closures of one signal run in the order in which they were added, each on what the one
/// before left. They are shared by all clones of the service, hence `Fn`: state goes into
/// atomics or behind a lock.
#[derive(Clone, Default)]
pub struct DecodedLayer {
    chains: Chains,
}

impl DecodedLayer {
    /// A layer without closures: everything passes untouched.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chains: Chains {
                traces: Vec::new(),
                metrics: Vec::new(),
                logs: Vec::new(),
            },
        }
    }

    /// Adds a closure over spans.
    #[must_use]
    pub fn traces(
        mut self,
        closure: impl Fn(&mut ExportTraceServiceRequest) + Send + Sync + 'static,
    ) -> Self {
        self.chains.traces.push(Arc::new(closure));
        self
    }

    /// Adds a closure over metrics.
    #[must_use]
    pub fn metrics(
        mut self,
        closure: impl Fn(&mut ExportMetricsServiceRequest) + Send + Sync + 'static,
    ) -> Self {
        self.chains.metrics.push(Arc::new(closure));
        self
    }

    /// Adds a closure over log records.
    #[must_use]
    pub fn logs(
        mut self,
        closure: impl Fn(&mut ExportLogsServiceRequest) + Send + Sync + 'static,
    ) -> Self {
        self.chains.logs.push(Arc::new(closure));
        self
    }
}

impl fmt::Debug for DecodedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.chains, f)
    }
}

/// Closures cannot be shown, only counted.
impl fmt::Debug for Chains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedLayer")
            .field("traces", &self.traces.len())
            .field("metrics", &self.metrics.len())
            .field("logs", &self.logs.len())
            .finish()
    }
}

impl<S> Layer<S> for DecodedLayer {
    type Service = DecodedService<S>;

    fn layer(&self, inner: S) -> DecodedService<S> {
        DecodedService::new(inner, Arc::new(self.chains.clone()))
    }
}

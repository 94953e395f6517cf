//! The three exporters that the SDK knows.

use std::{fmt, sync::Arc, time::Duration};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::LogBatch,
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::SpanData,
};

use super::{
    encode::{EncodedResource, encode_logs, encode_metrics, encode_spans},
    hand_over::HandOver,
    shared::Shared,
};

/// How long a flush takes at most where the SDK names no deadline: as long as its own shutdown.
const FLUSH_DEADLINE: Duration = Duration::from_secs(5);

/// Spans of an `SdkTracerProvider` into the pipeline of a [`Bridge`](super::Bridge).
///
/// Its errors are those of the pipeline: a timeout is
/// [`Timeout`](opentelemetry_sdk::error::OTelSdkError::Timeout); others are
/// [`InternalFailure`](opentelemetry_sdk::error::OTelSdkError::InternalFailure) with the kind, the
/// exporter, the endpoint and how many items are not delivered. Items that the backend rejects are
/// counted in the lifecycle's report and told by a `tracing` event at level warn.
pub struct SpanExporter {
    to: HandOver,
    resource: EncodedResource,
}

/// Log records of an `SdkLoggerProvider` into the pipeline of a [`Bridge`](super::Bridge).
///
/// Its errors are like those of the [`SpanExporter`].
pub struct LogExporter {
    to: HandOver,
    resource: EncodedResource,
}

/// Metrics of an `SdkMeterProvider` into the pipeline of a [`Bridge`](super::Bridge).
///
/// Its errors are like those of the [`SpanExporter`].
pub struct MetricExporter {
    to: HandOver,
    temporality: Temporality,
}

impl SpanExporter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            to: HandOver::new(shared),
            resource: EncodedResource::default(),
        }
    }
}

impl LogExporter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            to: HandOver::new(shared),
            resource: EncodedResource::default(),
        }
    }
}

impl MetricExporter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            to: HandOver::new(shared),
            temporality: Temporality::Cumulative,
        }
    }

    /// Whether sums and histograms start anew with each export. Default: cumulative, they do not.
    #[must_use]
    pub const fn with_temporality(mut self, temporality: Temporality) -> Self {
        self.temporality = temporality;
        self
    }
}

impl opentelemetry_sdk::trace::SpanExporter for SpanExporter {
    fn export(&self, batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        self.to.export(encode_spans(&self.resource, &batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.to.shut_down(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.to.force_flush(FLUSH_DEADLINE)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = EncodedResource::new(resource);
    }
}

impl opentelemetry_sdk::logs::LogExporter for LogExporter {
    fn export(&self, batch: LogBatch<'_>) -> impl Future<Output = OTelSdkResult> + Send {
        // The batch is borrowed: it is encoded before anyone waits.
        self.to.export(encode_logs(&self.resource, &batch))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.to.shut_down(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = EncodedResource::new(resource);
    }
}

impl PushMetricExporter for MetricExporter {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        self.to.export(encode_metrics(metrics))
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.to.force_flush(FLUSH_DEADLINE)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.to.shut_down(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

impl fmt::Debug for SpanExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanExporter")
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LogExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogExporter")
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MetricExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricExporter")
            .field("to", &self.to)
            .field("temporality", &self.temporality)
            .finish()
    }
}

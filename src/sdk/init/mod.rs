//! The SDK and a pipeline, from the standard variables: [`init_from_env`].

mod error;
mod pipeline;
mod settings;
mod telemetry;

use opentelemetry::{global, propagation::TextMapCompositePropagator};
use opentelemetry_sdk::{
    Resource,
    logs::SdkLoggerProvider,
    metrics::{SdkMeterProvider, Temporality},
    propagation::{BaggagePropagator, TraceContextPropagator},
    trace::{Sampler, SdkTracerProvider},
};
use tower::BoxError;

use self::settings::{Destination, Propagator, Settings};
pub use self::{error::InitError, telemetry::Telemetry};
use super::Bridge;
use crate::{Exporter, Lifecycle};

/// Sets up traces, metrics and logs as the environment of this process describes them: one line
/// at the start of `main`.
///
/// ```no_run
/// use std::time::Duration;
///
/// let telemetry = tower_otlp::sdk::init_from_env()?;
///
/// // The app's own work, in any runtime or in none:
/// let meter = opentelemetry::global::meter("shop");
/// meter.u64_counter("orders").build().add(1, &[]);
///
/// let report = telemetry.shutdown(Duration::from_secs(5));
/// println!("{report}"); // delivered=1 retained=0 dropped=0
/// # Ok::<(), tower_otlp::sdk::InitError>(())
/// ```
///
/// The providers of traces and metrics and the propagators become the global ones. Keep what it
/// returns until the end: see [`Telemetry`].
///
/// # The same by hand
///
/// With no variable set it does this, no more:
///
/// ```no_run
/// # use opentelemetry::{global, propagation::TextMapCompositePropagator};
/// # use opentelemetry_sdk::{
/// #     logs::SdkLoggerProvider, metrics::SdkMeterProvider, trace::SdkTracerProvider,
/// #     propagation::{BaggagePropagator, TraceContextPropagator},
/// # };
/// # use tower::{BoxError, ServiceBuilder};
/// # use tower_otlp::{ServiceBuilderExt, exporters, sdk::Bridge};
/// # use tower_otlp::layers::retry::RetryPolicy;
/// # use tower_otlp::layers::queue::{Acknowledge, Overflow, QueueConfig, QueueLayer};
/// # fn main() -> Result<(), BoxError> {
/// let bridge = Bridge::start(|lifecycle| {
///     let queue = QueueConfig::new() // 64 MiB, 4096 requests, 8 of them in flight
///         .acknowledge(Acknowledge::OnEnqueue)
///         .overflow(Overflow::DropOldest)
///         .lifecycle(lifecycle);
///     Ok::<_, BoxError>(
///         ServiceBuilder::new()
///             .tracked(lifecycle)
///             .queue(QueueLayer::new(queue)?)
///             .export_retry(RetryPolicy::new().lifecycle(lifecycle)) // 5 minutes
///             .concurrency_limit(8)
///             .service(exporters::otlp::from_env()?), // 10 seconds for each attempt
///     )
/// })?;
/// let traces = SdkTracerProvider::builder().with_batch_exporter(bridge.span_exporter()).build();
/// let metrics = SdkMeterProvider::builder().with_periodic_exporter(bridge.metric_exporter()).build();
/// let logs = SdkLoggerProvider::builder().with_batch_exporter(bridge.log_exporter()).build();
/// global::set_tracer_provider(traces.clone());
/// global::set_meter_provider(metrics.clone());
/// global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
///     Box::new(TraceContextPropagator::new()),
///     Box::new(BaggagePropagator::new()),
/// ]));
/// # let _ = logs; Ok(())
/// # }
/// ```
///
/// # With `tracing`
///
/// ```no_run
/// use opentelemetry::trace::TracerProvider;
/// use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
/// use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};
///
/// let telemetry = tower_otlp::sdk::init_from_env()?;
/// tracing_subscriber::registry()
///     .with(EnvFilter::from_default_env())
///     .with(tracing_opentelemetry::layer().with_tracer(telemetry.tracer_provider().tracer("shop")))
///     .with(OpenTelemetryTracingBridge::new(telemetry.logger_provider()))
///     .init();
/// # Ok::<(), tower_otlp::sdk::InitError>(())
/// ```
///
/// At levels debug and trace read about [the export's own
/// telemetry](super#the-exports-own-telemetry) first.
///
/// # Variables
///
/// Sources: [Environment Variable
/// Specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
/// and [OTLP Exporter Configuration](https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
/// An empty variable counts as not set.
///
/// | Variable | Values | Default |
/// |---|---|---|
/// | `OTEL_SDK_DISABLED` | `true`, `false`: nothing is recorded; propagators work | `false` |
/// | `OTEL_TRACES_EXPORTER` | `otlp`, `console`, `zipkin`, `none` | `otlp` |
/// | `OTEL_METRICS_EXPORTER` | `otlp`, `console`, `prometheus`, `none` | `otlp` |
/// | `OTEL_LOGS_EXPORTER` | `otlp`, `console`, `none` | `otlp` |
/// | `OTEL_EXPORTER_OTLP_*` | see [`exporters::otlp::env`](crate::exporters::otlp::env) | |
/// | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative`, `delta`, `lowmemory` | `cumulative` |
/// | `OTEL_EXPORTER_ZIPKIN_ENDPOINT` | a URL | `http://localhost:9411/api/v2/spans` |
/// | `OTEL_EXPORTER_ZIPKIN_TIMEOUT` | milliseconds, 0 for no limit | `10000` |
/// | `OTEL_EXPORTER_PROMETHEUS_HOST`, `_PORT` | where to be scraped, under `/metrics` | `localhost`, `9464` |
/// | `OTEL_PROPAGATORS` | `tracecontext`, `baggage`, `none`, with commas between | `tracecontext,baggage` |
/// | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | read by the SDK | |
/// | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_SPAN_*`, `OTEL_BSP_*`, `OTEL_BLRP_*`, `OTEL_METRIC_EXPORT_INTERVAL` | read by the SDK | |
///
/// Metrics to be scraped are as fresh as `OTEL_METRIC_EXPORT_INTERVAL`, 60 seconds by default.
/// Signals with different exporters have a queue each.
///
/// # Errors
/// A variable has a value that cannot be used, or needs a Cargo feature that is not enabled: the
/// error names it and says what is allowed. Nothing is set up then.
pub fn init_from_env() -> Result<Telemetry, InitError> {
    let telemetry = Telemetry::from_lookup(|name| std::env::var(name).ok())?;
    telemetry.set_global();
    Ok(telemetry)
}

impl Telemetry {
    /// Like [`init_from_env`], with variables that come from `lookup`, and nothing made
    /// [global](Self::set_global). What the SDK reads itself still comes from the environment of the process.
    ///
    /// ```
    /// use tower_otlp::sdk::Telemetry;
    ///
    /// let error = Telemetry::from_lookup(|name| match name {
    ///     "OTEL_PROPAGATORS" => Some("carrier-pigeon".to_owned()),
    ///     _ => Some("none".to_owned()).filter(|_| name.ends_with("_EXPORTER")),
    /// })
    /// .unwrap_err();
    /// assert_eq!(error.variable(), Some("OTEL_PROPAGATORS"));
    /// ```
    ///
    /// # Errors
    /// As those of [`init_from_env`].
    pub fn from_lookup<F>(lookup: F) -> Result<Self, InitError>
    where
        F: Fn(&str) -> Option<String>,
    {
        let settings = Settings::read(&lookup)?;
        let to = settings.destinations().map(|(_, destination)| destination);
        let is_idle = settings.disabled || to == [Destination::Nowhere; 3];
        let bridge = if is_idle {
            None
        } else {
            let started =
                Bridge::start(|lifecycle| pipeline::pipeline(&settings, &lookup, lifecycle));
            Some(
                started.map_err(|error| match error.downcast::<InitError>() {
                    Ok(ours) => *ours,
                    Err(other) => InitError::other("the bridge cannot start", other),
                })?,
            )
        };
        let to = |destination| {
            bridge
                .as_ref()
                .filter(|_| destination != Destination::Nowhere)
        };
        let mut traces = SdkTracerProvider::builder();
        if settings.disabled {
            traces = traces.with_sampler(Sampler::AlwaysOff);
        }
        if let Some(bridge) = to(settings.traces) {
            traces = traces.with_batch_exporter(bridge.span_exporter());
        }
        let mut metrics = SdkMeterProvider::builder();
        if let Some(bridge) = to(settings.metrics) {
            let temporality = match settings.metrics {
                Destination::Otlp => settings.temporality,
                _ => Temporality::Cumulative,
            };
            let exporter = bridge.metric_exporter().with_temporality(temporality);
            metrics = metrics.with_periodic_exporter(exporter);
        }
        let mut logs = SdkLoggerProvider::builder();
        if let Some(bridge) = to(settings.logs) {
            logs = logs.with_batch_exporter(bridge.log_exporter());
        }
        let (traces, metrics, logs) = (traces.build(), metrics.build(), logs.build());
        let propagators = settings.propagators;
        Ok(Self::new(bridge, traces, metrics, logs, propagators))
    }

    /// Providers of all three signals over one pipeline of yours, and nothing made
    /// [global](Self::set_global).
    ///
    /// The providers have the SDK's default processors, which it sets up by variables of its own,
    /// and cumulative metrics; the propagators are trace context and baggage. `resource` says what
    /// the telemetry is about: `Resource::builder().build()` takes it from `OTEL_SERVICE_NAME` and
    /// `OTEL_RESOURCE_ATTRIBUTES`. The closure is that of [`Bridge::start`]. For anything else, set
    /// up the providers [by hand](init_from_env#the-same-by-hand).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use opentelemetry::trace::{Span, Tracer, TracerProvider};
    /// use opentelemetry_sdk::Resource;
    /// use tower::{BoxError, ServiceBuilder};
    /// use tower_otlp::{ServiceBuilderExt, layers::retry::RetryPolicy, sdk::Telemetry};
    /// # use tower_otlp::{ExportError, ExportRequest, ExportResponse};
    ///
    /// # fn main() -> Result<(), BoxError> {
    /// # let exporter = tower::service_fn(|request: ExportRequest| async move {
    /// #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
    /// # });
    /// let resource = Resource::builder().with_service_name("shop").build();
    /// let telemetry = Telemetry::start(resource, |lifecycle| {
    ///     Ok::<_, BoxError>(
    ///         ServiceBuilder::new()
    ///             .export_retry(RetryPolicy::new().lifecycle(lifecycle))
    ///             .service(exporter),
    ///     )
    /// })?;
    /// telemetry.tracer_provider().tracer("shop").start("charge card").end();
    ///
    /// let report = telemetry.shutdown(Duration::from_secs(5));
    /// assert_eq!(report.to_string(), "delivered=1 retained=0 dropped=0");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As those of [`Bridge::start`].
    pub fn start<P, E>(
        resource: Resource,
        build: impl FnOnce(&Lifecycle) -> Result<P, E>,
    ) -> Result<Self, BoxError>
    where
        P: Exporter,
        E: Into<BoxError>,
    {
        let bridge = Bridge::start(build)?;
        let traces = SdkTracerProvider::builder()
            .with_batch_exporter(bridge.span_exporter())
            .with_resource(resource.clone())
            .build();
        let metrics = SdkMeterProvider::builder()
            .with_periodic_exporter(bridge.metric_exporter())
            .with_resource(resource.clone())
            .build();
        let logs = SdkLoggerProvider::builder()
            .with_batch_exporter(bridge.log_exporter())
            .with_resource(resource)
            .build();
        let propagators = vec![Propagator::TraceContext, Propagator::Baggage];
        Ok(Self::new(Some(bridge), traces, metrics, logs, propagators))
    }

    /// Makes the providers of traces and metrics and the propagators the global ones.
    pub fn set_global(&self) {
        global::set_tracer_provider(self.tracer_provider().clone());
        global::set_meter_provider(self.meter_provider().clone());
        global::set_text_map_propagator(self.propagator());
    }

    /// The propagators as one: those that `OTEL_PROPAGATORS` names, if the environment was asked.
    #[must_use]
    pub fn propagator(&self) -> TextMapCompositePropagator {
        let made = self
            .propagators()
            .iter()
            .map(|propagator| match propagator {
                Propagator::TraceContext => Box::new(TraceContextPropagator::new()) as Box<_>,
                Propagator::Baggage => Box::new(BaggagePropagator::new()) as Box<_>,
            });
        TextMapCompositePropagator::new(made.collect())
    }
}

//! An exporter from the `OTEL_EXPORTER_OTLP_*` variables.
//!
//! ```no_run
//! // What the environment does not say has the defaults of the specification.
//! let exporter = tower_otlp::exporters::otlp::from_env()?;
//! # let _ = exporter;
//! # Ok::<(), tower_otlp::exporters::otlp::EnvError>(())
//! ```
//!
//! Source: [OpenTelemetry Protocol Exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/),
//! "Configuration Options", and
//! [Environment Variable Specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
//!
//! Each variable exists as `OTEL_EXPORTER_OTLP_X` and, for one signal, as
//! `OTEL_EXPORTER_OTLP_TRACES_X`, `..._METRICS_X` and `..._LOGS_X`. That of the signal wins. An
//! empty variable counts as not set.
//!
//! | X | default | meaning |
//! |---|---|---|
//! | `PROTOCOL` | `http/protobuf`; `grpc` if only that is compiled in | `grpc`, `http/protobuf` or `http/json` |
//! | `ENDPOINT` | `http://localhost:4318`, gRPC `http://localhost:4317` | HTTP: a base to which `v1/<signal>` is appended; the form for one signal is used as it is. gRPC: the scheme decides on TLS |
//! | `INSECURE` | `false` | gRPC with an endpoint without scheme: whether to do without TLS. Also `SPAN_INSECURE` and `METRIC_INSECURE` |
//! | `HEADERS` | none | `key=value,key=value`, percent-encoded |
//! | `TIMEOUT` | `10000` | milliseconds for each attempt, 0 for no limit |
//! | `COMPRESSION` | `none` | `gzip` or `none`; also `zstd` and `deflate` |
//! | `CERTIFICATE` | those of the system | file of certificate authorities to trust, PEM |
//! | `CLIENT_CERTIFICATE`, `CLIENT_KEY` | none | files for mutual TLS, PEM |
//!
//! A timeout, a compression or a flag that cannot be understood is ignored with a warning, as
//! the specification wants it. What would send telemetry to the wrong place, or without its
//! credentials, is an [`EnvError`].

mod build;
mod settings;

use std::{
    fmt,
    task::{Context, Poll},
};

use tower::{BoxError, ServiceExt, util::Oneshot};
use tower_service::Service;

use self::settings::Settings;
use crate::{BoxExporter, ExportError, ExportRequest, ExportResponse, ExporterExt, Signal};

/// An exporter as the environment of this process describes it: see the [module](self).
///
/// gRPC connects when the first request is sent. Call it inside a tokio runtime.
///
/// # Errors
/// A variable has a value that cannot be used, or needs a Cargo feature that is not enabled.
pub fn from_env() -> Result<BoxExporter, EnvError> {
    from_lookup(|name| std::env::var(name).ok())
}

/// Like [`from_env`], with variables that come from `lookup`: a pure function of it, but for the
/// files that the variables name.
///
/// ```
/// use tower_otlp::exporters::otlp::from_lookup;
///
/// let error = from_lookup(|name| match name {
///     "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("carrier-pigeon".to_owned()),
///     _ => None,
/// })
/// .unwrap_err();
/// assert_eq!(error.variable(), "OTEL_EXPORTER_OTLP_PROTOCOL");
/// ```
///
/// # Errors
/// A variable has a value that cannot be used, or needs a Cargo feature that is not enabled.
pub fn from_lookup<F>(lookup: F) -> Result<BoxExporter, EnvError>
where
    F: Fn(&str) -> Option<String>,
{
    let [traces, metrics, logs] = Signal::ALL.map(|signal| Settings::read(&lookup, signal));
    let (traces, metrics, logs) = (traces?, metrics?, logs?);
    let for_traces = build::exporter(&traces)?;
    if metrics == traces && logs == traces {
        return Ok(for_traces);
    }
    let for_metrics = if metrics == traces {
        for_traces.clone()
    } else {
        build::exporter(&metrics)?
    };
    let for_logs = if logs == traces {
        for_traces.clone()
    } else if logs == metrics {
        for_metrics.clone()
    } else {
        build::exporter(&logs)?
    };
    Ok(BySignal {
        traces: for_traces,
        metrics: for_metrics,
        logs: for_logs,
    }
    .boxed_exporter())
}

/// One exporter for each signal.
///
/// It is always ready, and waits for the chosen exporter in the response future: being ready for
/// all three would let the slowest stop the others.
#[derive(Clone)]
struct BySignal {
    traces: BoxExporter,
    metrics: BoxExporter,
    logs: BoxExporter,
}

impl Service<ExportRequest> for BySignal {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Oneshot<BoxExporter, ExportRequest>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        let exporter = match request.signal() {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        };
        exporter.clone().oneshot(request)
    }
}

/// A variable whose value cannot be used. Values of headers and URLs are never shown.
#[derive(Debug)]
pub struct EnvError {
    variable: String,
    problem: String,
    source: Option<BoxError>,
}

impl EnvError {
    fn new(variable: &str, problem: impl Into<String>) -> Self {
        Self {
            variable: variable.to_owned(),
            problem: problem.into(),
            source: None,
        }
    }

    fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The variable's name.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.problem)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for EnvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

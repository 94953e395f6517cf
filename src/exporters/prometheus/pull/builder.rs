//! Options of the exporter.

use std::{fmt, net::SocketAddr, time::Duration};

use super::{
    NAME, PrometheusExporter,
    escape::{NameOf, is_classic},
    options::{Options, Pattern},
    server::Server,
};
use crate::{ErrorKind, ExportError, InvalidConfig, exporters::prometheus::TranslationStrategy};

/// Options of a [`PrometheusExporter`].
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Clone)]
pub struct PrometheusBuilder {
    options: Options,
}

impl PrometheusBuilder {
    pub(super) fn new() -> Self {
        Self {
            options: Options::default(),
        }
    }

    /// Stands before each name, set off by an underscore. Default: nothing does.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.options.namespace = namespace.into();
        self
    }

    /// Adds a label to every series. Default: there is none.
    pub fn constant_label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let label = (name.into(), value.into());
        self.options.constant_labels.push(label);
        self
    }

    /// How names are translated. Default:
    /// [`UnderscoreEscapingWithSuffixes`](TranslationStrategy::UnderscoreEscapingWithSuffixes).
    pub fn translation_strategy(mut self, strategy: TranslationStrategy) -> Self {
        self.options.strategy = strategy;
        self
    }

    /// Whether series have the name, the version, the schema URL and the attributes of their
    /// instrumentation scope as labels `otel_scope_...`. Default: true. Without them, metrics of
    /// two scopes that have the same name and attributes are one series.
    pub fn scope_info(mut self, on: bool) -> Self {
        self.options.scope_info = on;
        self
    }

    /// Whether there is a series `target_info` for each resource. Default: true.
    pub fn target_info(mut self, on: bool) -> Self {
        self.options.target_info = on;
        self
    }

    /// Copies resource attributes whose keys match to each series: `k8s.*`, `host.name`. May be
    /// called several times. Default: none is copied.
    pub fn resource_labels(mut self, pattern: impl Into<String>) -> Self {
        self.options.resource_labels.push(Pattern::new(pattern));
        self
    }

    /// How long a series is shown after its last point; zero for ever. Default: 5 minutes.
    ///
    /// Longer than the interval in which points come: else series come and go.
    pub fn metric_expiration(mut self, expiration: Duration) -> Self {
        let millis = u64::try_from(expiration.as_millis()).unwrap_or(u64::MAX);
        self.options.expiration = (millis > 0).then_some(millis);
        self
    }

    /// How many series there may be; points of others are rejected. A histogram is one.
    /// Default: 100,000, which takes about 50 MB with ordinary labels.
    pub fn max_series(mut self, series: usize) -> Self {
        self.options.max_series = series;
        self
    }

    /// Whether OpenMetrics pages say since when counters, histograms and summaries count, as
    /// lines `..._created`. Default: false, as servers that do not look for them store them as
    /// series. Protobuf always says it.
    pub fn created_lines(mut self, on: bool) -> Self {
        self.options.created_lines = on;
        self
    }

    /// Whether OpenMetrics is served to those who ask for it. Default: true.
    pub fn openmetrics(mut self, on: bool) -> Self {
        self.options.openmetrics = on;
        self
    }

    /// Whether sums of deltas that can go down are added up. Default: false: they are rejected,
    /// as their start is unknown after each restart of this exporter.
    pub fn delta_up_down_sums(mut self, on: bool) -> Self {
        self.options.delta_up_down = on;
        self
    }

    /// Builds the exporter.
    ///
    /// # Errors
    /// [`Rejected`](ErrorKind::Rejected) if the namespace or a constant label has no name that
    /// Prometheus takes, or `max_series` is zero or beyond four thousand million.
    pub fn build(self) -> Result<PrometheusExporter, ExportError> {
        self.check().map_err(|error| {
            let message = "the exporter cannot be built";
            ExportError::new(ErrorKind::Rejected, message)
                .with_source(error)
                .with_exporter(NAME, NAME)
        })?;
        Ok(PrometheusExporter::new(self.options))
    }

    /// Builds the exporter with an HTTP server of its own, which answers under one path, such
    /// as `/metrics`, until the last clone of the exporter is dropped.
    ///
    /// The address is bound here: it is in use when this returns.
    ///
    /// # Errors
    /// As those of [`build`](Self::build); [`Rejected`](ErrorKind::Rejected) outside of a tokio
    /// runtime, which must have input and output enabled, and if the address cannot be bound.
    pub fn serve(
        self,
        address: SocketAddr,
        path: impl Into<String>,
    ) -> Result<PrometheusExporter, ExportError> {
        let mut exporter = self.build()?;
        let server = Server::bind(address, path.into(), exporter.http_service())?;
        exporter.server = Some(server.into());
        Ok(exporter)
    }

    fn check(&self) -> Result<(), InvalidConfig> {
        let Options {
            namespace,
            constant_labels,
            max_series,
            strategy,
            ..
        } = &self.options;
        if strategy.escapes() && !namespace.is_empty() && !is_classic(namespace, NameOf::Metric) {
            let message = format!(
                "namespace `{namespace}`: write letters, digits and underscores, no digit first"
            );
            return Err(InvalidConfig::new(message));
        }
        for (name, _) in constant_labels {
            if !is_classic(name, NameOf::Label) || name.starts_with("__") {
                let message = format!(
                    "constant label `{name}`: write letters, digits and underscores, no digit first and no two underscores first"
                );
                return Err(InvalidConfig::new(message));
            }
        }
        if *max_series == 0 || u32::try_from(*max_series).is_err() {
            return Err(InvalidConfig::new("max_series: write a number from 1 on"));
        }
        Ok(())
    }
}

impl fmt::Debug for PrometheusBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusBuilder")
            .field("options", &self.options)
            .finish()
    }
}

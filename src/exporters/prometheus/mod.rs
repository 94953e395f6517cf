//! Prometheus: metrics that a server scrapes, or that are sent to it.
//!
//! ```
//! # #[cfg(feature = "prometheus")] {
//! use tower_otlp::exporters::prometheus::PrometheusExporter;
//!
//! let exporter = PrometheusExporter::builder().namespace("shop").build().unwrap();
//! let pages = exporter.http_service(); // mount it as `/metrics`
//! # let _ = pages;
//! # }
//! ```

#[cfg(feature = "prometheus")]
pub mod pull;
#[cfg(feature = "prometheus-remote-write")]
pub mod remote_write;
// Which of its parts are needed depends on the features.
#[cfg_attr(not(feature = "full"), allow(dead_code, unused_imports))]
mod translate;

#[cfg(feature = "status")]
pub(crate) use self::pull::ScrapeFuture;
#[cfg(feature = "prometheus")]
pub use self::pull::{
    EscapingScheme, Format, PrometheusBuilder, PrometheusExporter, PrometheusHttpService,
    PrometheusStats,
};
pub use self::translate::TranslationStrategy;

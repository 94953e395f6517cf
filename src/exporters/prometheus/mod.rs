//! Prometheus: metrics that a server scrapes, or that are sent to it.

// Which of its parts are needed depends on the features.
#[cfg_attr(not(feature = "full"), allow(dead_code))]
mod translate;

#[cfg(feature = "prometheus-remote-write")]
pub mod remote_write;

pub use self::translate::TranslationStrategy;

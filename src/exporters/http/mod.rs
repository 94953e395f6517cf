//! What the HTTP exporters share: the client, the options, and how answers are read.
//!
//! An HTTP exporter works over any `Service<http::Request<RequestBody>>`: the
//! [`ReqwestService`] that it builds by default, hyper-util's client, a tower-http stack, an
//! `axum::Router` or another receiver in the same process.
//!
//! ```
//! use std::time::Duration;
//! use tower_otlp::exporters::http::HttpClientOptions;
//!
//! let client = HttpClientOptions::default()
//!     .connect_timeout(Duration::from_secs(5))
//!     .no_proxy()
//!     .build()?;
//! # let _ = client;
//! # Ok::<(), tower_otlp::ExportError>(())
//! ```

mod client;
mod common;
mod endpoint;
mod options;
mod reply;
mod sender;
#[cfg(feature = "tls")]
mod tls;

pub use client::{ReqwestFuture, ReqwestService};
pub use options::HttpClientOptions;
pub use sender::HttpExportFuture;

pub(crate) use crate::secrets::Secrets;
#[cfg(feature = "otlp-http")]
pub(crate) use common::is_reserved;
pub(crate) use common::{HttpOptions, http_options};
pub(crate) use endpoint::Endpoint;
pub(crate) use reply::{Reply, Unread, readable};
pub(crate) use sender::{HttpSender, StatusTable};

/// The body of the requests that HTTP exporters send: one piece, shared with the request that
/// it was made from.
pub type RequestBody = http_body_util::Full<bytes::Bytes>;

//! Cuts a request that is too large into pieces that are not.
//!
//! ```
//! use tower::{Service, ServiceExt, layer::Layer};
//! use tower_otlp::layers::split::{SplitConfig, SplitLayer};
//! use tower_otlp::{ErrorKind, ExportError, ExportRequest, ExportResponse};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! // A backend that takes no more than two items at a time.
//! let picky = tower::service_fn(|request: ExportRequest| async move {
//!     match request.items() {
//!         items @ 0..=2 => Ok(ExportResponse::delivered(items)),
//!         _ => Err(ExportError::new(ErrorKind::TooLarge, "two at a time")),
//!     }
//! });
//! let config = SplitConfig::new().max_bytes(4 << 20).isolate_rejected(true);
//! let mut service = SplitLayer::new(config)?.layer(picky);
//!
//! # let five = vec![0x0a, 12, 0x12, 10, 0x12, 0, 0x12, 0, 0x12, 0, 0x12, 0, 0x12, 0];
//! # let request = ExportRequest::from_protobuf(tower_otlp::Signal::Logs, five)?;
//! let response = service.ready().await?.call(request).await?;
//! assert_eq!(response.delivered_items(), 5);
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # What it does
//!
//! - *Ahead:* what is larger than [`max_items`](SplitConfig::max_items) or
//!   [`max_bytes`](SplitConfig::max_bytes) is sent in pieces that are not.
//! - *When refused:* what the inner service calls [`TooLarge`](crate::ErrorKind::TooLarge) is sent
//!   again in two halves, and they in halves again, until they pass. This needs no setting. An
//!   item that is too large even alone is rejected, and no other item with it.
//! - *To isolate:* with [`isolate_rejected`](SplitConfig::isolate_rejected), what the inner service
//!   calls [`Rejected`](crate::ErrorKind::Rejected) is halved in the same way, until the items that
//!   are to blame stand alone and all others are delivered.
//!
//! Cuts are made on the bytes, between two items (see [`OtlpBytes::split`](
//! crate::otlp::OtlpBytes::split)): spans, log records, or data points, also of one metric. A
//! resource, a scope or a metric that is cut is repeated in each piece. Metadata goes with every
//! piece.
//!
//! # What it answers
//!
//! A request that is not cut, and its answer, pass unchanged. Otherwise:
//!
//! | A piece | What becomes of it |
//! |---|---|
//! | is delivered, or rejected in part | its counts and its message are added up |
//! | is one item and `TooLarge` | counts as rejected; the message names it |
//! | is `Rejected` and not to be halved (again) | counts as rejected; the message names it, or says how many items it has |
//! | fails otherwise | no more pieces are sent; those under way are waited for |
//!
//! In the last case the answer is that error. What it says to [remain](
//! crate::ExportError::remainder) are the items without an answer, and its [progress](
//! crate::ExportError::progress) counts the others, so that a retry above sends only the rest. The
//! same is so when the inner service cannot get ready between two pieces.
//!
//! If nothing is delivered and something is `Rejected`, the answer is that error, as it would be
//! without this layer: a backend that takes nothing is better heard of than counted. An item that
//! is `TooLarge` alone counts as rejected even if it is the only one.
//!
//! A span is named by its name and id, a data point by its metric, a log record by the beginning
//! of its body or by its time. Names are at most 48 characters long and have no control characters.
//!
//! # What it costs
//!
//! A backend that takes *L* bytes gets a request of *R* bytes in up to about 4 *R* / *L* calls, half
//! of them refused. [`learn_limit`](SplitConfig::learn_limit) saves the refused ones of later
//! requests: once a size was refused, requests are cut ahead to the largest size that was taken
//! since, and to no less than half of what was refused. It never forgets: leave it off if sizes are
//! refused for reasons that pass.
//!
//! To isolate one item among *n* takes about 2 log2(*n*) calls, and each further one as much at
//! most. A backend that rejects every item of *n* is called 2 *n* - 1 times:
//! [`max_bisections`](SplitConfig::max_bisections) bounds that, and what is rejected beyond the
//! bound counts as rejected as a whole, good items included.
//!
//! # Order
//!
//! Above a retry, each piece is retried by itself and this layer sees what cannot be helped; this
//! suits most pipelines. Below a retry, one failed piece makes the retry send all that remain,
//! in one request that is cut again. An attempt timeout belongs below, or its time is that of all
//! pieces together. A concurrency limit below counts pieces.
//!
//! Below a [fan-out](crate::layers::fan_out), in each branch, and not above it: branches refuse
//! different sizes, and the note in a request of what each branch has done is lost when pieces
//! are put together. The outcomes of branches are not in the answer to a request that was cut.
//!
//! # Readiness
//!
//! The service is ready when the inner one is. That readiness is for the first piece; for each
//! further one the inner service is asked again, when the piece is about to be sent.
//!
//! # Pitfalls
//!
//! Sizes are those of the protobuf form: a backend that counts compressed bytes or JSON has
//! another measure. What holds no items, such as a resource without spans, stays with the item
//! in front of it and may make its piece too large.

mod config;
mod future;
mod layer;
mod learned;
mod name;
mod service;
mod tally;
mod work;

pub use self::{config::SplitConfig, future::ResponseFuture, layer::SplitLayer, service::Split};

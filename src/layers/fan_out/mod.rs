//! Sends every request to several exporters at once, each with its own outcome.
//!
//! ```
//! use tower::ServiceBuilder;
//! use tower_otlp::layers::{fan_out::{FanOut, FanOutPolicy}, retry::{RetryLayer, RetryPolicy}};
//! use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter};
//!
//! fn pipeline(primary: impl Exporter, archive: impl Exporter) -> impl Exporter {
//!     ServiceBuilder::new()
//!         // Above the fan-out: sends again to the branches that failed, and only to those.
//!         .layer(RetryLayer::new(RetryPolicy::new()))
//!         .service(FanOut::empty().branch(primary).branch(archive).policy(FanOutPolicy::All))
//! }
//! # let exporter = tower::service_fn(|request: ExportRequest| async move {
//! #     Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
//! # });
//! # let _ = pipeline(exporter, exporter);
//! ```
//!
//! # What it does
//!
//! A request goes to all branches at the same time. A branch that is slow, or not even ready,
//! keeps no other waiting. The answer comes when all branches have answered, whatever the
//! policy: to answer earlier would cancel deliveries that are under way. A branch that may hang
//! needs a [timeout](crate::layers::timeout) of its own.
//!
//! # What it answers
//!
//! [`ExportResponse::branches`](crate::ExportResponse::branches) holds the outcome of each
//! branch. The [`FanOutPolicy`] says how many branches must deliver:
//!
//! | Policy | Branches needed |
//! |---|---|
//! | `All` | every one |
//! | `Quorum(n)` | `n`, and at least one, and at most all there are |
//! | `BestEffort` | none: the answer is never an error |
//!
//! *Rejected* is the number of items that kept the needed branches from a full delivery: the
//! smallest count that so many branches stay within. With `All` that is the largest count of any
//! branch, with `BestEffort` the smallest; a branch that failed rejects what it did not deliver.
//! All other items count as delivered. The message names the branches that failed or have
//! something to say.
//!
//! # When too few deliver
//!
//! The error has the kind of a branch that failed. It may be retried as long as one branch may:
//! after the longest delay that a server of these named. What [remains](
//! crate::ExportError::remainder) is the whole request, with a note in it of what each branch has
//! done, and so the next call goes only to branches that are still without an answer, each with
//! what remains for *it*. A branch that has delivered, or has failed for good, is not called
//! again. When no branch is left to call, and still too few delivered, the error is final. The
//! outcome of each branch is in its [progress](crate::ExportError::progress), whose own counts
//! stay zero: the counts of an answer after retries are complete without them.
//!
//! The note is lost, and all branches are sent everything again, if a layer between the retry and
//! the fan-out replaces the telemetry of the request, or gives up on it as a timeout does. Put
//! timeouts into the branches.
//!
//! # Retry above or below
//!
//! A retry *above* waits once for all branches: a server that names a long delay makes the others
//! wait as well, and if the delay is more than the retry has left, it gives up on all of them. A
//! retry *in* a branch waits for that branch alone. It also suits [`BestEffort`](FanOutPolicy::BestEffort), which gives a retry above no error to act
//! on.
//!
//! # Panics
//!
//! A branch that panics has failed with [`Internal`](crate::ErrorKind::Internal); the others go on.

mod future;
mod layer;
mod outcome;
mod service;

pub use self::{
    future::ResponseFuture, layer::FanOutLayer, outcome::FanOutPolicy, service::FanOut,
};

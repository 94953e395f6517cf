//! Jaeger, by Thrift: over HTTP to a collector, over UDP to an agent.
//!
//! ```no_run
//! use tower::ServiceExt;
//! use tower_otlp::{ExportRequest, Signal, exporters::jaeger::JaegerHttpExporter};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = JaegerHttpExporter::builder()
//!     .endpoint("http://jaeger.example:14268")
//!     .build()?;
//! # let bytes = Vec::<u8>::new();
//! let request = ExportRequest::from_protobuf(Signal::Traces, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! println!("{} delivered", response.delivered_items());
//! # Ok(())
//! # }
//! ```
//!
//! Jaeger 1.35 and later take OTLP as it is: the [OTLP exporters](super::otlp) carry more, and are
//! to be preferred for anything new. This is for collectors and agents that are there already.
//!
//! Jaeger keeps traces only. Metrics and logs are
//! [`Unsupported`](crate::ErrorKind::Unsupported) at once. What becomes of each field of a span
//! stands in [`encode`].
//!
//! # Two ways in
//!
//! | | [`JaegerHttpExporter`] | [`JaegerUdpExporter`] |
//! |---|---|---|
//! | receiver | collector, port 14268 | agent, port 6831 (compact) or 6832 (binary) |
//! | a message | a batch of one resource | the same, in one datagram of up to 65,000 bytes |
//! | delivered means | the collector said so | the operating system took the datagram |
//!
//! A request of several resources is several messages, sent one after the other in the order of
//! the request; resources that stand side by side and are the same share messages. What a message
//! cannot hold goes into the next one. A span that is too large for a message of its own is
//! rejected, named and counted; so is one that has no valid ids.
//!
//! # When a part fails
//!
//! | a message | then |
//! |---|---|
//! | is refused as [`Rejected`](crate::ErrorKind::Rejected) or [`TooLarge`](crate::ErrorKind::TooLarge) | the others are still sent |
//! | fails otherwise | no more are sent |
//!
//! The error then has the spans that are still undelivered as its
//! [remainder](crate::ExportError::remainder), and the others as its
//! [progress](crate::ExportError::progress): a retry above sends only the rest, and a
//! [`split`](crate::layers::split) above halves only the message that was too large.
//!
//! # Thrift
//!
//! The messages are written straight from the views, not with the `thrift` crate: that wants
//! structs of owned strings, and calls a method by pointer for each field. Measured (`cargo bench
//! --bench encoders -- jaeger`): to decode, fill structs and write them takes about twelve times as
//! long, to write structs that are there already nearly four times. The tests read what was
//! written with that crate.

pub mod encode;
mod http;
mod tally;
mod thrift;
mod udp;

pub use self::{
    http::{JaegerHttpBuilder, JaegerHttpExporter, JaegerHttpFuture},
    udp::{AgentProtocol, JaegerUdpBuilder, JaegerUdpExporter, JaegerUdpFuture},
};
use crate::{ErrorKind, ExportError, Signal};

/// The methods of a builder over its field `encode: EncodeOptions`.
macro_rules! encode_options {
    ($builder:ident) => {
        impl $builder {
            /// Sets how spans are written. See
            /// [`EncodeOptions`](crate::exporters::jaeger::encode::EncodeOptions).
            #[must_use]
            pub fn encode(
                mut self,
                options: crate::exporters::jaeger::encode::EncodeOptions,
            ) -> Self {
                self.encode = options;
                self
            }
        }
    };
}
use encode_options;

fn unsupported(signal: Signal) -> ExportError {
    ExportError::new(
        ErrorKind::Unsupported,
        format!("Jaeger keeps traces only, not {signal}; route {signal} to another exporter"),
    )
}

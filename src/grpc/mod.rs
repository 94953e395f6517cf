//! gRPC framing: one message in a frame, its compression kept.
//!
//! tonic's codecs decompress and compress on their own. Here a message is taken and given in the
//! form in which it travels, so that a relay hands on the bytes that came.
//!
//! Source: [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md),
//! "Length-Prefixed-Message".

mod body;
mod read;

use crate::Signal;

pub(crate) use body::UnaryBody;
pub(crate) use read::{Message, ReadError, UnaryReader};

/// Length of what stands before each message: a flag and a length.
const PREFIX: usize = 5;

/// Content type of a gRPC body.
pub(crate) const CONTENT_TYPE: &str = "application/grpc";

/// Full name of the OTLP service for a signal.
#[cfg(any(feature = "receiver-grpc", test))]
pub(crate) const fn service_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "opentelemetry.proto.collector.trace.v1.TraceService",
        Signal::Metrics => "opentelemetry.proto.collector.metrics.v1.MetricsService",
        Signal::Logs => "opentelemetry.proto.collector.logs.v1.LogsService",
    }
}

/// Path of the one call of that service.
pub(crate) const fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_of_service_names() {
        for signal in Signal::ALL {
            assert_eq!(path(signal), format!("/{}/Export", service_name(signal)));
        }
    }
}

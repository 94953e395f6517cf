//! Decoded telemetry: the structs of `opentelemetry-proto`, made from a request and back.

use prost::Message as _;

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};

use super::{OtlpBytes, Signal};
use crate::{ErrorKind, ExportError, ExportRequest};

/// A request as structs.
///
/// For what is hard to write over bytes. It costs a decode, about ten times a walk through the
/// [views](super::views), and drops the fields that this version does not know.
///
/// ```
/// use tower_otlp::{ExportRequest, otlp::Decoded};
///
/// # let request = ExportRequest::from(
/// #     tower_otlp::otlp::opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest::default());
/// if let Decoded::Traces(mut traces) = request.decode()? {
///     traces.resource_spans.retain(|group| group.resource.is_some());
///     let changed = ExportRequest::from(traces).with_metadata(request.metadata().clone());
/// #   assert_eq!(changed.items(), 0);
/// }
/// # Ok::<(), tower_otlp::ExportError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Data points.
    Metrics(ExportMetricsServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
}

impl Decoded {
    /// What kind of telemetry this is.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        match self {
            Decoded::Traces(_) => Signal::Traces,
            Decoded::Metrics(_) => Signal::Metrics,
            Decoded::Logs(_) => Signal::Logs,
        }
    }
}

impl OtlpBytes {
    /// Decodes into structs. Fields that this version does not know are dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] if prost refuses what the check accepted, which is not known to
    /// happen.
    pub fn decode(&self) -> Result<Decoded, ExportError> {
        let bytes = self.bytes().clone();
        match self.signal() {
            Signal::Traces => ExportTraceServiceRequest::decode(bytes).map(Decoded::Traces),
            Signal::Metrics => ExportMetricsServiceRequest::decode(bytes).map(Decoded::Metrics),
            Signal::Logs => ExportLogsServiceRequest::decode(bytes).map(Decoded::Logs),
        }
        .map_err(|error| {
            ExportError::new(ErrorKind::Rejected, "OTLP data cannot be decoded").with_source(error)
        })
    }
}

impl ExportRequest {
    /// Decodes into structs. Fields that this version does not know are dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] if prost refuses what the check accepted, which is not known to
    /// happen.
    pub fn decode(&self) -> Result<Decoded, ExportError> {
        self.otlp().decode()
    }
}

macro_rules! from_decoded {
    ($($message:ident, $signal:ident;)*) => {$(
        /// Encodes the telemetry.
        ///
        /// Values that are nested so deep that no protobuf implementation would read them (more
        /// than 100 messages, about 48 arrays in each other) are left out.
        impl From<$message> for OtlpBytes {
            fn from(message: $message) -> Self {
                OtlpBytes::from_encoder(Signal::$signal, message.encode_to_vec())
            }
        }

        /// Encodes the telemetry.
        ///
        /// Values that are nested so deep that no protobuf implementation would read them (more
        /// than 100 messages, about 48 arrays in each other) are left out.
        impl From<$message> for ExportRequest {
            fn from(message: $message) -> Self {
                OtlpBytes::from(message).into()
            }
        }

        impl From<$message> for Decoded {
            fn from(message: $message) -> Self {
                Decoded::$signal(message)
            }
        }
    )*};
}
from_decoded! {
    ExportTraceServiceRequest, Traces;
    ExportMetricsServiceRequest, Metrics;
    ExportLogsServiceRequest, Logs;
}

/// Encodes the telemetry, as the conversions from the single signals do.
impl From<Decoded> for OtlpBytes {
    fn from(decoded: Decoded) -> Self {
        match decoded {
            Decoded::Traces(message) => message.into(),
            Decoded::Metrics(message) => message.into(),
            Decoded::Logs(message) => message.into(),
        }
    }
}

/// Encodes the telemetry, as the conversions from the single signals do.
impl From<Decoded> for ExportRequest {
    fn from(decoded: Decoded) -> Self {
        OtlpBytes::from(decoded).into()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        common::v1::{AnyValue, ArrayValue, any_value::Value},
        logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    };

    use super::*;

    fn log(body: AnyValue) -> ExportLogsServiceRequest {
        let record = LogRecord {
            body: Some(body),
            severity_text: "kept".to_owned(),
            ..LogRecord::default()
        };
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records: vec![record],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        }
    }

    fn nested(levels: usize) -> AnyValue {
        let mut value = AnyValue {
            value: Some(Value::IntValue(7)),
        };
        for _ in 0..levels {
            value = AnyValue {
                value: Some(Value::ArrayValue(ArrayValue {
                    values: vec![value],
                })),
            };
        }
        value
    }

    #[test]
    fn structs_come_back_as_they_went() {
        let message = log(nested(48));
        let request = ExportRequest::from(message.clone());
        assert_eq!(request.items(), 1);
        assert_eq!(request.decode().expect("decodes"), Decoded::Logs(message));
    }

    #[test]
    fn values_beyond_the_depth_limit_are_left_out() {
        let request = ExportRequest::from(log(nested(60)));
        assert_eq!(request.items(), 1);
        let checked = ExportRequest::from_protobuf(Signal::Logs, request.protobuf().clone())
            .expect("within the limit");
        assert!(checked.otlp().is_as_received());
        let Decoded::Logs(read) = request.decode().expect("decodes") else {
            panic!("not logs");
        };
        let record = &read.resource_logs[0].scope_logs[0].log_records[0];
        assert_eq!(record.severity_text, "kept");
        // Four messages around the body and two a level: 48 levels, then a value left empty.
        let mut depth = 0;
        let mut value = record.body.as_ref();
        while let Some(AnyValue {
            value: Some(Value::ArrayValue(array)),
        }) = value
        {
            depth += 1;
            value = array.values.first();
        }
        assert_eq!((depth, value), (48, Some(&AnyValue::default())));
    }
}

//! `otlp+grpc:`, `otlp+grpcs:` and `otlp+unix:`

use crate::{
    BoxExporter,
    url::{UrlError, parse::Target},
};

pub(in crate::url) fn grpc(_: Target) -> Result<BoxExporter, UrlError> {
    Err(UrlError::new("scheme", "not yet"))
}
pub(in crate::url) use grpc as grpcs;
pub(in crate::url) use grpc as unix;

//! OTLP/JSON: written straight from views, read straight into protobuf.
//!
//! ```
//! use tower_otlp::{ExportRequest, Signal, otlp};
//!
//! let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET /"}]}]}]}"#;
//! # #[cfg(feature = "json")]
//! let request = ExportRequest::from_json(Signal::Traces, json)?;
//! # #[cfg(not(feature = "json"))]
//! # let request = ExportRequest::from_protobuf(Signal::Traces, b"\x0a\x0b\x12\x09\x12\x07\x2a\x05GET /".to_vec())?;
//! assert_eq!(
//!     otlp::json::write(request.otlp()),
//!     br#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"name":"GET /","status":{}}]}]}]}"#,
//! );
//! # Ok::<(), tower_otlp::otlp::Malformed>(())
//! ```
//!
//! # The form
//!
//! OTLP/JSON is the
//! [JSON mapping of protobuf](https://protobuf.dev/programming-guides/json/) with the changes that
//! the [OTLP specification](https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding)
//! makes: ids in hex, enumerations as numbers, names in lowerCamelCase.
//!
//! Where the specification leaves a choice, the writer does as the OpenTelemetry Collector does:
//! fields in the order of the `.proto` files, no spaces, default values left out, but `resource`,
//! `scope`, a span's `status`, a log record's `body` and both halves of an exponential histogram
//! always there, `{}` if empty; doubles in their shortest form, with an exponent below `1e-06` and
//! from `1e+21` on; `NaN` and the infinities as strings. Fields that only profiles use, and fields
//! that this version does not know, are not written.
//!
//! The reader takes what the Collector takes, which is more than the specification asks for:
//! names in snake_case, enumerations by name, 64-bit integers as numbers, other numbers as strings,
//! base64 in either alphabet, padded or not. Unknown fields are ignored, `null` is absent. A 64-bit
//! integer in the form of a floating-point number (`1.7e18`) is an error, for it has lost digits.

pub(crate) mod base64;
pub(crate) mod double;
pub(crate) mod form;
pub(crate) mod hex;
mod messages;
#[cfg(feature = "json")]
mod read;
#[cfg(feature = "json")]
mod scalar;
pub(crate) mod write;

use super::OtlpBytes;
#[cfg(feature = "json")]
use super::{Limits, Malformed, Signal};

/// Items that OTLP/JSON has no form for: an exporter leaves them out, and counts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Number of items.
    pub items: u64,
    /// What is wrong with them, and how the first one is called.
    pub message: String,
}

/// Writes OTLP/JSON.
#[must_use]
pub fn write(otlp: &OtlpBytes) -> Vec<u8> {
    // JSON takes about twice the bytes of protobuf; numbers and ids more, long text less.
    let mut out = Vec::with_capacity(otlp.bytes().len() / 4 * 9 + 64);
    write_into(otlp, &mut out);
    out
}

/// Writes OTLP/JSON behind what `out` holds.
pub fn write_into(otlp: &OtlpBytes, out: &mut Vec<u8>) {
    messages::write(otlp, out);
}

/// Reads OTLP/JSON of one signal.
///
/// Nothing but the protobuf form is built. Messages may be nested as deep as in protobuf; values
/// of unknown fields to any depth.
///
/// # Errors
/// [`Malformed`] says what is wrong, in which field, at which byte of the JSON text. It never
/// quotes the text.
///
/// [`Limits::max_bytes`] holds for the JSON text and for its protobuf form, each.
#[cfg(feature = "json")]
pub fn read(signal: Signal, json: &[u8], limits: &Limits) -> Result<OtlpBytes, Malformed> {
    read::read(signal, json, limits)
}

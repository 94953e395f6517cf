//! The data model: OTLP protobuf bytes that were checked once, and views to read them.
//!
//! ```
//! use tower_otlp::{Signal, otlp::{Limits, OtlpBytes}};
//!
//! // ResourceSpans { scope_spans { spans { name: "GET /" } } }
//! let bytes = b"\x0a\x0b\x12\x09\x12\x07\x2a\x05GET /".to_vec();
//! let otlp = OtlpBytes::check(Signal::Traces, bytes.into(), &Limits::default())?;
//! let span = otlp
//!     .traces()
//!     .into_iter()
//!     .flat_map(|traces| traces.resources())
//!     .flat_map(|resource| resource.scopes())
//!     .flat_map(|scope| scope.items())
//!     .next()
//!     .unwrap();
//! assert_eq!(span.name(), "GET /");
//! # Ok::<(), tower_otlp::otlp::Malformed>(())
//! ```
//!
//! # Why bytes
//!
//! Decoding OTLP into structs costs about thirty allocations a span and four times its memory.
//! On checked bytes a clone is a reference count, and reading every field in place costs a
//! fraction of a decode. Fields that this version does not know travel on untouched.
//!
//! # What may be relied upon
//!
//! [`OtlpBytes`] can only be made by a check, and hold their *canonical form*: a singular field
//! occurs at most once, a oneof has at most one member, the values of a repeated field stand
//! side by side, repeated numbers are one packed run. Varints may be padded (some SDKs do), so
//! encoded bytes must not be compared or hashed for equality.

mod canonical;
mod check;
pub(crate) mod cursor;
pub mod json;
mod malformed;
mod merge;
#[cfg(any(feature = "_grpc", feature = "_http"))]
pub(crate) mod response;
pub(crate) mod schema;
mod select;
mod signal;
mod split;
#[cfg_attr(not(test), allow(dead_code, reason = "only some exporters write text"))]
pub(crate) mod text;
pub mod views;
pub(crate) mod wire;

#[cfg(feature = "prost")]
mod decoded;
#[cfg(feature = "prost")]
pub use decoded::Decoded;
/// The crate whose structs [`Decoded`] holds, in the version that fits.
#[cfg(feature = "prost")]
pub use opentelemetry_proto;

use bytes::Bytes;

pub use malformed::{Malformed, Problem};
pub use merge::MergeError;
pub use signal::Signal;
pub use split::Pieces;
pub use views::*;

/// What a check accepts at most.
///
/// ```
/// let limits = tower_otlp::otlp::Limits::default().max_items(100_000);
/// # let _ = limits;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of the protobuf form, in bytes. Default: 64 MiB, the limit that OTLP recommends.
    pub max_bytes: usize,
    /// Number of items. Default: no limit (items cost no more memory than their bytes).
    pub max_items: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_items: u64::MAX,
        }
    }
}

impl Limits {
    /// Sets the size limit, in bytes.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the limit on the number of items.
    #[must_use]
    pub const fn max_items(mut self, items: u64) -> Self {
        self.max_items = items;
        self
    }
}

/// Checked OTLP protobuf of one signal, in canonical form. Cloned in O(1).
#[derive(Clone)]
pub struct OtlpBytes {
    bytes: Bytes,
    items: u64,
    signal: Signal,
    as_received: bool,
}

impl OtlpBytes {
    /// Checks `bytes`: an `ExportTraceServiceRequest`, `ExportMetricsServiceRequest` or
    /// `ExportLogsServiceRequest` (which are, on the wire, the same as `TracesData`,
    /// `MetricsData`, `LogsData`).
    ///
    /// # Errors
    /// [`Malformed`] names the field and the byte offset of what is wrong.
    pub fn check(signal: Signal, bytes: Bytes, limits: &Limits) -> Result<Self, Malformed> {
        let checked = check::check(signal, &bytes, limits)?;
        if checked.canonical {
            return Ok(Self {
                bytes,
                items: checked.items,
                signal,
                as_received: true,
            });
        }
        let bytes = canonical::canonicalise(schema::Message::root(signal), &bytes);
        // A member of a oneof that another one replaced took its items with it. The limit on
        // items holds for what is left; the one on bytes held for what came.
        let items = check::check(signal, &bytes, &limits.max_bytes(usize::MAX))?.items;
        Ok(Self {
            bytes: Bytes::from(bytes),
            items,
            signal,
            as_received: false,
        })
    }

    /// Takes what an encoder of ours, or one we trust, wrote: canonical by nature, but perhaps
    /// nested deeper than a check allows. What is too deep is left out.
    #[cfg(feature = "prost")]
    pub(crate) fn from_encoder(signal: Signal, bytes: Vec<u8>) -> Self {
        let limits = Limits {
            max_bytes: usize::MAX,
            max_items: u64::MAX,
        };
        let (bytes, items) = match check::check(signal, &bytes, &limits) {
            Ok(checked) => (bytes, checked.items),
            Err(_) => {
                let bytes = canonical::canonicalise(schema::Message::root(signal), &bytes);
                let items = check::check(signal, &bytes, &limits).map_or(0, |found| found.items);
                (bytes, items)
            }
        };
        Self {
            bytes: bytes.into(),
            items,
            signal,
            as_received: true,
        }
    }

    /// Takes what the JSON reader wrote, if it saw no key twice: canonical, and counted on the way.
    #[cfg(feature = "json")]
    fn from_json(signal: Signal, bytes: Vec<u8>, items: u64) -> Self {
        Self {
            as_received: true,
            ..Self::from_surgery(signal, bytes.into(), items)
        }
    }

    /// Takes what was cut out of checked bytes, merged from them, or written with the same care:
    /// canonical, and counted right.
    pub(crate) fn from_surgery(signal: Signal, bytes: Bytes, items: u64) -> Self {
        debug_assert!(
            check::check(signal, &bytes, &Limits::default().max_bytes(usize::MAX))
                .is_ok_and(|found| found.canonical && found.items == items),
            "checked, canonical and counted right"
        );
        Self {
            bytes,
            items,
            signal,
            as_received: false,
        }
    }

    /// The same in a buffer of its own.
    pub(crate) fn copied(mut self) -> Self {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
        self
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Number of items: spans, data points or log records.
    #[must_use]
    pub const fn items(&self) -> u64 {
        self.items
    }

    /// What kind of telemetry this is.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        self.signal
    }

    /// Whether the bytes are those that were checked: no canonical rewriting of them, no piece,
    /// no merge.
    #[must_use]
    pub const fn is_as_received(&self) -> bool {
        self.as_received
    }

    /// The spans, if the signal is traces.
    #[must_use]
    pub fn traces(&self) -> Option<Traces<'_>> {
        (self.signal == Signal::Traces).then(|| Telemetry::new(&self.bytes))
    }

    /// The metrics, if the signal is metrics.
    #[must_use]
    pub fn metrics(&self) -> Option<Metrics<'_>> {
        (self.signal == Signal::Metrics).then(|| Telemetry::new(&self.bytes))
    }

    /// The log records, if the signal is logs.
    #[must_use]
    pub fn logs(&self) -> Option<Logs<'_>> {
        (self.signal == Signal::Logs).then(|| Telemetry::new(&self.bytes))
    }
}

impl std::fmt::Debug for OtlpBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OtlpBytes")
            .field("signal", &self.signal)
            .field("items", &self.items)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_replaced_oneof_member_do_not_count() {
        // Metric { gauge { point, point }, sum { point } }: only the sum is left.
        let metric = b"\x2a\x04\x0a\x00\x0a\x00\x3a\x02\x0a\x00";
        let mut bytes = vec![0x0a, 14, 0x12, 12, 0x12, 10];
        bytes.extend_from_slice(metric);
        let otlp =
            OtlpBytes::check(Signal::Metrics, bytes.into(), &Limits::default()).expect("legal");
        assert_eq!(otlp.items(), 1);
        assert!(!otlp.is_as_received());
    }
}

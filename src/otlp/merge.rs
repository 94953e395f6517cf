//! Merges requests, by putting their bytes one behind the other.
//!
//! A request is one repeated field, its resources, and protobuf reads two messages in a row as
//! one. Resources that several parts have in common stay as often as they came.

use super::{
    OtlpBytes, Signal,
    split::{Frame, resources},
};

/// Why requests cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There were none.
    #[error("there is nothing to merge")]
    Nothing,
    /// Requests of two signals are no request.
    #[error("{first} and {other} cannot be in one request")]
    MixedSignals {
        /// Signal of the first part.
        first: Signal,
        /// Signal of a part that differs.
        other: Signal,
    },
}

impl OtlpBytes {
    /// Merges parts of the same signal, in this order, with one allocation. A single part is
    /// handed back as it is.
    ///
    /// Fields of a request that this version does not know are kept, behind or in front of all
    /// resources.
    ///
    /// ```
    /// # let request = |bytes: &'static [u8]| tower_otlp::ExportRequest::from_protobuf(
    /// #     tower_otlp::Signal::Logs, bytes).unwrap();
    /// # let (one, two) = (request(b"\x0a\x04\x12\x02\x12\x00"), request(b"\x0a\x04\x12\x02\x12\x00"));
    /// use tower_otlp::otlp::OtlpBytes;
    ///
    /// let both = OtlpBytes::merge(&[one.otlp().clone(), two.otlp().clone()])?;
    /// assert_eq!(both.items(), one.items() + two.items());
    /// # Ok::<(), tower_otlp::otlp::MergeError>(())
    /// ```
    ///
    /// # Errors
    /// If there are no parts, or their signals differ.
    pub fn merge(parts: &[OtlpBytes]) -> Result<OtlpBytes, MergeError> {
        Self::merge_all(parts.iter())
    }

    /// As [`merge`](Self::merge), for parts that stand in something else.
    pub(crate) fn merge_all<'a>(
        parts: impl Iterator<Item = &'a OtlpBytes> + Clone,
    ) -> Result<OtlpBytes, MergeError> {
        let first = parts.clone().next().ok_or(MergeError::Nothing)?;
        let signal = first.signal();
        let (mut size, mut items, mut filled) = (0, 0, 0);
        let mut last_filled = first;
        for part in parts.clone() {
            if part.signal() != signal {
                return Err(MergeError::MixedSignals {
                    first: signal,
                    other: part.signal(),
                });
            }
            if !part.bytes().is_empty() {
                last_filled = part;
                filled += 1;
            }
            size += part.bytes().len();
            items += part.items();
        }
        if filled <= 1 {
            return Ok(last_filled.clone());
        }
        let mut out = Vec::with_capacity(size);
        let frame = |part: &OtlpBytes| Frame::root(part.bytes(), resources(signal));
        if parts.clone().all(|part| frame(part).header() == 0) {
            for part in parts {
                out.extend_from_slice(part.bytes());
            }
            return Ok(OtlpBytes::from_surgery(signal, out.into(), items));
        }
        // In canonical form all resources stand side by side: what a part says in front of its
        // own comes before those of all parts, and what it says behind them after those.
        let mut copy = |range: fn(&Frame) -> std::ops::Range<usize>| {
            for part in parts.clone() {
                let bytes = part.bytes().get(range(&frame(part)));
                out.extend_from_slice(bytes.unwrap_or_default());
            }
        };
        copy(|frame| frame.body..frame.first);
        copy(|frame| frame.first..frame.last);
        copy(|frame| frame.last..frame.end);
        Ok(OtlpBytes::from_surgery(signal, out.into(), items))
    }
}

//! OTLP/JSON, both ways.

use super::OtlpBytes;

/// Writes OTLP/JSON.
#[must_use]
pub fn write(otlp: &OtlpBytes) -> Vec<u8> {
    let _ = otlp;
    Vec::new()
}

#[cfg(feature = "json")]
pub(crate) fn read(
    signal: super::Signal,
    json: &[u8],
    limits: &super::Limits,
) -> Result<OtlpBytes, super::Malformed> {
    let _ = (signal, json, limits);
    Err(super::Malformed::at(0, super::Problem::Truncated))
}

//! Layers: what happens between a receiver and an exporter.

#[cfg(feature = "prost")]
pub mod decoded;
pub mod fan_out;
pub mod retry;
pub mod timeout;

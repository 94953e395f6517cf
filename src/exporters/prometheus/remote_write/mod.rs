//! Remote write.
pub mod encode;

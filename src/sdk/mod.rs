//! The exporters of the OpenTelemetry SDK over any pipeline.

pub mod encode;

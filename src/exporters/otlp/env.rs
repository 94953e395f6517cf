//! The `OTEL_EXPORTER_OTLP_*` variables.

//! Human-readable telemetry.

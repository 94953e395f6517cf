//! From the SDK's types straight to OTLP bytes.

//! otlp_http

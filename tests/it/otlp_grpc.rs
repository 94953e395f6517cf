//! otlp_grpc

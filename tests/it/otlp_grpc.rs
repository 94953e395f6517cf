//! The OTLP gRPC exporter, over real sockets.

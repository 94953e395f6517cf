//! gRPC framing: one message in a frame, its compression kept.

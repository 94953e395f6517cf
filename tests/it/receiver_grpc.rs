//! receiver_grpc

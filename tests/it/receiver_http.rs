//! receiver_http

//! The first tier: everything that needs nothing but cargo.

mod support;

mod circuit_breaker;
mod compression;
mod console;
mod env;
mod examples;
mod fallback;
mod fan_out;
mod json;
mod lifecycle;
mod malformed;
mod otlp_grpc;
mod otlp_http;
mod properties;
mod receiver_grpc;
mod receiver_http;
mod retry;
mod route;
mod timeout;
mod tower_layers;
mod url;

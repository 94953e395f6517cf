//! The first tier: everything that needs nothing but cargo.

mod support;

mod compression;
mod console;
mod env;
mod examples;
mod fan_out;
mod json;
mod lifecycle;
mod malformed;
mod otlp_grpc;
mod otlp_http;
mod properties;
mod queue;
mod receiver_grpc;
mod receiver_http;
mod retry;
mod timeout;
mod tower_layers;
mod url;

//! The first tier: everything that needs nothing but cargo.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

mod adaptive_concurrency;
mod admission;
mod apps;
mod batch;
mod circuit_breaker;
mod compression;
mod console;
mod elasticsearch;
mod embedding;
mod env;
mod examples;
mod fallback;
mod fan_out;
mod file;
mod fuzz_seeds;
mod guides;
mod influxdb;
mod jaeger;
mod json;
mod lifecycle;
mod loss_catalogue;
mod malformed;
mod merge_split;
mod observe;
mod otlp_grpc;
mod otlp_http;
mod prometheus;
mod properties;
mod queue;
mod rate_limit;
mod receiver_grpc;
mod receiver_http;
mod remote_write;
mod retry;
mod route;
mod sdk;
mod sdk_encode;
mod split;
mod status;
mod syslog;
mod tcp;
mod timeout;
mod tower_layers;
mod url;
mod zipkin;

//! What the whole stack costs a request, how fast a queue takes requests from many producers, and
//! whether it holds the memory that it says it holds.
//!
//! An argument that is no option leaves the parts with that in their name: `stack`, `producers`,
//! `memory`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a benchmark stops at the first surprise, and measures in real time"
)]

#[allow(dead_code, reason = "the other benches use the rest")]
mod support;

#[path = "stack/layers.rs"]
mod layers;
#[path = "stack/memory.rs"]
mod memory;
#[path = "stack/producers.rs"]
mod producers;

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use tower::Service;
use tower_otlp::{ExportError, ExportRequest, ExportResponse, Signal};

/// Takes everything at once.
#[derive(Clone, Copy)]
struct Instant;

impl Service<ExportRequest> for Instant {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Ready<Result<ExportResponse, ExportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        ready(Ok(ExportResponse::delivered(request.items())))
    }
}

/// One log record with a body of so many bytes, in a buffer of its own.
fn record(body: usize) -> ExportRequest {
    fn field(tag: u8, inner: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        let mut length = inner.len();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(inner);
        bytes
    }
    let value = field(0x0a, &vec![b'x'; body]);
    // resource_logs { scope_logs { log_records { body { string_value } } } }
    let bytes = field(0x0a, &field(0x12, &field(0x12, &field(0x2a, &value))));
    ExportRequest::from_protobuf(Signal::Logs, bytes.into_boxed_slice().into_vec()).expect("valid")
}

fn main() {
    if memory::is_child() {
        return memory::child();
    }
    let part = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let wants = |name: &str| {
        part.as_ref()
            .is_none_or(|part| name.contains(part.as_str()))
    };
    if wants("stack") {
        layers::run();
    }
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    if wants("producers") {
        producers::run();
    }
    if wants("memory") {
        memory::run();
    }
}

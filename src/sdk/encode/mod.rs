//! From the SDK's types straight to OTLP bytes.
//!
//! ```
//! use opentelemetry::trace::{Span, Tracer, TracerProvider};
//! use opentelemetry_sdk::{
//!     Resource,
//!     trace::{InMemorySpanExporter, SdkTracerProvider},
//! };
//! use tower_otlp::sdk::encode::{EncodedResource, encode_spans};
//!
//! let kept = InMemorySpanExporter::default();
//! let provider = SdkTracerProvider::builder()
//!     .with_simple_exporter(kept.clone())
//!     .build();
//! provider.tracer("checkout").start("GET /cart").end();
//!
//! let resource = EncodedResource::new(&Resource::builder().build());
//! let request = encode_spans(&resource, &kept.get_finished_spans()?);
//! assert_eq!(request.items(), 1);
//! # Ok::<(), opentelemetry_sdk::error::OTelSdkError>(())
//! ```
//!
//! # What is written
//!
//! The functions are pure: they borrow a batch and give one [`ExportRequest`]. The bytes are
//! written once, into one buffer of about the right size, with no structs in between; the number
//! of allocations does not depend on the size of the batch. They are what
//! [`OtlpBytes::check`](crate::otlp::OtlpBytes::check) would accept as it is, which debug builds
//! assert.
//!
//! A request has one resource, and one group for each instrumentation scope: those that differ in
//! name, version, schema URL or attributes, in the order of their first items. A log record whose
//! *target* is set is in a scope of that name, since bridges from logging libraries use one logger
//! for the whole program.
//!
//! A batch without items gives a request without bytes: `is_empty()`, and nothing to send.
//!
//! # Differences from opentelemetry-proto
//!
//! Messages say what the structs of `opentelemetry_proto::transform` say, but for these:
//!
//! - A `u64` above `i64::MAX` is a double, for OTLP's integers are signed. There it becomes 0.
//! - A time after July 2554, when 64 bits of nanoseconds are full, is the last that fits. There it
//!   wraps around. Both make a time before 1970 0, which is unknown.
//! - A log record without the time of its observation has none. There it panics.
//! - Lists and maps of a log record that are nested deeper than readers accept (100 messages: 48
//!   lists, or 32 maps, in a body) are written as strings from there on: their JSON. There the
//!   whole request is one that receivers refuse.
//! - Identifiers of all zeros are left out of log records and exemplars: OTLP calls them invalid.
//! - An empty version or schema URL is the same as none, and not a number the same as itself:
//!   scopes that only differ in that are one.
//! - What a reader takes for granted is left out: a status that is unset, a side of an
//!   exponential histogram where nothing fell.
//! - Kinds of values that are added to the SDK later become their text. There they panic.

mod any_value;
mod attributes;
mod logs;
mod metrics;
mod nested;
mod resource;
mod scopes;
mod spans;
mod time;

use opentelemetry_sdk::{logs::LogBatch, metrics::data::ResourceMetrics, trace::SpanData};

pub use resource::EncodedResource;

use self::{
    nested::{field_len, put_message, put_text},
    scopes::{ByScope, Item, Scope},
};
use crate::{
    ExportRequest,
    otlp::{OtlpBytes, Signal},
};

/// Encodes a batch of spans as an `ExportTraceServiceRequest`.
///
/// Without spans the request has no bytes.
#[must_use]
pub fn encode_spans(resource: &EncodedResource, batch: &[SpanData]) -> ExportRequest {
    let spans = batch.iter().map(|span| {
        let scope = Scope::new(&span.instrumentation_scope);
        (scope, spans::span_len(span), span)
    });
    let spans = ByScope::group(batch.len(), spans);
    encode_groups(Signal::Traces, resource, &spans, |out, span| {
        spans::put_span(out, span);
    })
}

/// Encodes a batch of log records as an `ExportLogsServiceRequest`.
///
/// Without records the request has no bytes.
#[must_use]
pub fn encode_logs(resource: &EncodedResource, batch: &LogBatch<'_>) -> ExportRequest {
    let records = batch.iter().map(|(record, scope)| {
        let scope = logs::scope_of(record, scope);
        (scope, logs::record_len(record), record)
    });
    let records = ByScope::group(batch.iter().count(), records);
    encode_groups(Signal::Logs, resource, &records, |out, record| {
        logs::put_record(out, record);
    })
}

/// Encodes what a reader collected as an `ExportMetricsServiceRequest`.
///
/// Without data points the request has no bytes, whatever metrics there are.
#[must_use]
pub fn encode_metrics(metrics: &ResourceMetrics) -> ExportRequest {
    let scopes = metrics.scope_metrics();
    let scopes: Vec<_> = scopes
        .map(|scope| (scope, metrics::scope_sizes(scope)))
        .collect();
    let points = scopes.iter().map(|(_, sizes)| sizes.points).sum();
    let mut out = Vec::new();
    if points > 0 {
        let bytes = scopes.iter().map(|(_, sizes)| field_len(sizes.bytes)).sum();
        let resource = EncodedResource::new(metrics.resource());
        resource.put_request(&mut out, bytes, |out| {
            for (scope, sizes) in &scopes {
                put_message(out, 2, sizes.bytes, |out| metrics::put_scope(out, scope));
            }
        });
    }
    finish(Signal::Metrics, out, points)
}

/// Writes the groups of a batch: field 2 of the resource's group, with a scope and, as field 2,
/// its items.
fn encode_groups<T>(
    signal: Signal,
    resource: &EncodedResource,
    groups: &ByScope<'_, T>,
    put_item: impl Fn(&mut Vec<u8>, &T),
) -> ExportRequest {
    let expected = |scope: &Scope<'_>, items: &[Item<T>]| {
        let items: usize = items.iter().map(|item| field_len(item.length)).sum();
        items + scope.len() + 8
    };
    let mut out = Vec::new();
    if groups.len() > 0 {
        let bytes = groups
            .iter()
            .map(|(scope, items)| field_len(expected(&scope, items)))
            .sum();
        resource.put_request(&mut out, bytes, |out| {
            for (scope, items) in groups.iter() {
                put_message(out, 2, expected(&scope, items), |out| {
                    scope.put(out);
                    for item in items {
                        put_message(out, 2, item.length, |out| put_item(out, &item.item));
                    }
                    put_text(out, 3, scope.schema_url());
                });
            }
        });
    }
    finish(signal, out, groups.len() as u64)
}

fn finish(signal: Signal, out: Vec<u8>, items: u64) -> ExportRequest {
    OtlpBytes::from_surgery(signal, out.into(), items).into()
}

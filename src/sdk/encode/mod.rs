//! From the SDK's types straight to OTLP bytes.
//!
//! ```
//! use std::time::SystemTime;
//!
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

/// Encodes a batch of spans.
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

/// Encodes a batch of log records.
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

/// Encodes what a reader collected.
#[must_use]
pub fn encode_metrics(metrics: &ResourceMetrics) -> ExportRequest {
    let (bytes, points) = metrics
        .scope_metrics()
        .map(metrics::scope_sizes)
        .fold((0, 0), |(bytes, points), scope| {
            (bytes + field_len(scope.bytes), points + scope.points)
        });
    let mut out = Vec::new();
    if points > 0 {
        let resource = EncodedResource::new(metrics.resource());
        resource.put_request(&mut out, bytes, |out| {
            for scope in metrics.scope_metrics() {
                let expected = metrics::scope_sizes(scope).bytes;
                put_message(out, 2, expected, |out| metrics::put_scope(out, scope));
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

//! From `tracing` to a receiver: a program's spans and events arrive as it made them.

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, any_value::Value},
    logs::v1::LogRecord,
    resource::v1::Resource as OtlpResource,
    trace::v1::Span,
};
use opentelemetry_sdk::{Resource, logs::SdkLoggerProvider, trace::SdkTracerProvider};
use prost::Message;
use tower::BoxError;
use tower_otlp::{Signal, exporters::otlp::OtlpHttpExporter, sdk::Bridge};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use super::{LONG, Receiver, alone, in_time};

/// A program as people write it.
fn program(endpoint: &str) -> Result<(), BoxError> {
    let bridge = Bridge::start(|_| OtlpHttpExporter::builder().endpoint(endpoint).build())?;
    let resource = Resource::builder_empty()
        .with_service_name("checkout")
        .with_attribute(KeyValue::new("deployment.environment.name", "test"))
        .build();
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(bridge.span_exporter())
        .with_resource(resource.clone())
        .build();
    let logs = SdkLoggerProvider::builder()
        .with_batch_exporter(bridge.log_exporter())
        .with_resource(resource)
        .build();
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(traces.tracer("program")))
        .with(OpenTelemetryTracingBridge::new(&logs))
        .init();

    handle("c-42");
    tracing::warn!("outside of any span");

    traces.shutdown()?;
    logs.shutdown()?;
    let report = bridge.shutdown(LONG);
    assert!(report.complete, "{report:?}");
    Ok(())
}

#[tracing::instrument]
fn handle(cart: &str) {
    tracing::info!(items = 3, "cart loaded");
    // It logs its error itself.
    let _ = charge(1250);
}

#[tracing::instrument(err)]
fn charge(cents: i64) -> Result<(), std::fmt::Error> {
    tracing::error!(cents, "card declined");
    Err(std::fmt::Error)
}

fn spans(receiver: &Receiver) -> Vec<(OtlpResource, Span)> {
    let mut spans = Vec::new();
    for request in receiver.backend.seen() {
        if request.signal() == Signal::Traces {
            let message = ExportTraceServiceRequest::decode(request.protobuf().clone());
            for resource in message.expect("OTLP").resource_spans {
                let of = resource.resource.expect("a resource");
                let all = resource
                    .scope_spans
                    .into_iter()
                    .flat_map(|scope| scope.spans);
                spans.extend(all.map(|span| (of.clone(), span)));
            }
        }
    }
    spans
}

fn logs(receiver: &Receiver) -> Vec<(OtlpResource, LogRecord)> {
    let mut logs = Vec::new();
    for request in receiver.backend.seen() {
        if request.signal() == Signal::Logs {
            let message = ExportLogsServiceRequest::decode(request.protobuf().clone());
            for resource in message.expect("OTLP").resource_logs {
                let of = resource.resource.expect("a resource");
                let all = resource.scope_logs.into_iter();
                let all = all.flat_map(|scope| scope.log_records);
                logs.extend(all.map(|record| (of.clone(), record)));
            }
        }
    }
    logs
}

fn value(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str) -> Value {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let found = found.and_then(|found| found.value.clone()?.value);
    found.unwrap_or_else(|| panic!("no {key} in {attributes:?}"))
}

fn text(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

#[test]
fn spans_and_events_of_tracing_arrive_as_they_were_made() {
    if let Some(endpoint) = alone::child() {
        return program(&endpoint).expect("it ends well");
    }
    in_time(|| {
        let receiver = Receiver::start();
        alone::run(
            "sdk::bridges::spans_and_events_of_tracing_arrive_as_they_were_made",
            &format!("http://{}", receiver.http),
            &[],
        );
        let spans = spans(&receiver);
        let span = |name: &str| {
            let mut found = spans.iter().filter(|(_, span)| span.name == name);
            let found = found
                .next()
                .unwrap_or_else(|| panic!("no {name} in {spans:?}"));
            found.1.clone()
        };
        assert_eq!(spans.len(), 2, "{spans:?}");
        let (handle, charge) = (span("handle"), span("charge"));
        assert!(handle.parent_span_id.is_empty());
        assert_eq!(charge.parent_span_id, handle.span_id);
        assert_eq!(charge.trace_id, handle.trace_id);
        assert_eq!(value(&handle.attributes, "cart"), text("c-42"));
        assert_eq!(value(&charge.attributes, "cents"), Value::IntValue(1250));
        assert!(handle.end_time_unix_nano >= charge.end_time_unix_nano);

        let logs = logs(&receiver);
        let record = |body: &str| {
            let is_it = |record: &&(OtlpResource, LogRecord)| {
                record.1.body
                    == Some(AnyValue {
                        value: Some(text(body)),
                    })
            };
            let found = logs.iter().find(is_it);
            found
                .unwrap_or_else(|| panic!("no {body} in {logs:?}"))
                .1
                .clone()
        };
        let loaded = record("cart loaded");
        assert_eq!(value(&loaded.attributes, "items"), Value::IntValue(3));
        assert_eq!(loaded.severity_text, "INFO");
        assert_eq!(loaded.trace_id, handle.trace_id);
        assert_eq!(loaded.span_id, handle.span_id);
        let declined = record("card declined");
        assert_eq!(declined.severity_text, "ERROR");
        assert_eq!(declined.span_id, charge.span_id);
        let outside = record("outside of any span");
        assert!(outside.trace_id.is_empty() && outside.span_id.is_empty());

        let resources = spans.iter().map(|(resource, _)| resource);
        for resource in resources.chain(logs.iter().map(|(resource, _)| resource)) {
            let attributes = &resource.attributes;
            assert_eq!(value(attributes, "service.name"), text("checkout"));
            assert_eq!(
                value(attributes, "deployment.environment.name"),
                text("test")
            );
        }
    });
}

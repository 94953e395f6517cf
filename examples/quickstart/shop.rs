//! A program that is instrumented with the OpenTelemetry SDK. Nothing here is special: it would
//! send to any OTLP receiver.

use std::net::SocketAddr;

use opentelemetry::{
    KeyValue,
    logs::{LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    metrics::MeterProvider as _,
    trace::{Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource, logs::SdkLoggerProvider, metrics::SdkMeterProvider, trace::SdkTracerProvider,
};
use tower::BoxError;

/// Takes a few orders. Traces go to `grpc`, metrics and logs to `http`.
pub fn trade(grpc: SocketAddr, http: SocketAddr) -> Result<(), BoxError> {
    let resource = Resource::builder_empty().with_service_name("shop").build();

    let spans = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://{grpc}"))
        .build()?;
    let traces = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(spans)
        .build();

    let points = MetricExporter::builder()
        .with_http()
        .with_endpoint(format!("http://{http}/v1/metrics"))
        .build()?;
    let metrics = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_periodic_exporter(points)
        .build();

    let records = LogExporter::builder()
        .with_http()
        .with_endpoint(format!("http://{http}/v1/logs"))
        .build()?;
    let logs = SdkLoggerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(records)
        .build();

    let tracer = traces.tracer("shop");
    let logger = logs.logger("shop");
    let meter = metrics.meter("shop");
    let orders = meter.u64_counter("orders").build();
    let duration = meter
        .u64_histogram("order.duration")
        .with_unit("ms")
        .with_boundaries(vec![1.0, 2.0, 4.0])
        .build();

    for hour in 9..14 {
        for order in 1..=3_u64 {
            tracer.in_span("order", |_| {
                tracer.in_span("charge card", |_| {});
                let mut record = logger.create_log_record();
                record.set_severity_number(Severity::Info);
                record.set_body(format!("order {order} of hour {hour}").into());
                logger.emit(record);
            });
            orders.add(1, &[KeyValue::new("paid", order != 2)]);
            duration.record(order, &[]);
        }
        // A long-running program would let the timers of the SDK do this.
        traces.force_flush()?;
        metrics.force_flush()?;
        logs.force_flush()?;
    }
    traces.shutdown()?;
    metrics.shutdown()?;
    logs.shutdown()?;
    Ok(())
}

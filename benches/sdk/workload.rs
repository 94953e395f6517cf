//! What a busy service gives its exporters.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    logs::{AnyValue, LogRecord as _, Logger, LoggerProvider, Severity},
    metrics::MeterProvider,
    trace::{Event, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::{
    Resource,
    logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider},
    metrics::{
        Aggregation, InMemoryMetricExporter, Instrument, InstrumentKind, PeriodicReader,
        SdkMeterProvider, Stream, data::ResourceMetrics,
    },
    trace::{SpanData, SpanEvents, SpanLinks},
};

pub(crate) const BATCH: usize = 512;

pub(crate) fn resource() -> Resource {
    Resource::builder_empty()
        .with_service_name("checkout")
        .with_attributes([
            KeyValue::new("service.namespace", "shop"),
            KeyValue::new("service.version", "2.31.4"),
            KeyValue::new("service.instance.id", "checkout-6d9f7c4b8-x3kz2"),
            KeyValue::new("deployment.environment.name", "production"),
            KeyValue::new("host.name", "ip-10-0-3-17.eu-central-1.compute.internal"),
            KeyValue::new("k8s.pod.name", "checkout-6d9f7c4b8-x3kz2"),
            KeyValue::new("telemetry.sdk.name", "opentelemetry"),
            KeyValue::new("telemetry.sdk.language", "rust"),
            KeyValue::new("process.pid", 4003),
        ])
        .build()
}

/// One of so many libraries.
fn scope(of: usize, index: usize) -> InstrumentationScope {
    const NAMES: [&str; 3] = ["axum-tracing", "sqlx-tracing", "checkout"];
    InstrumentationScope::builder(NAMES[index % of])
        .with_version("2.9.0")
        .build()
}

fn attributes(index: usize) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("http.request.method", ["GET", "POST", "PUT"][index % 3]),
        KeyValue::new("http.response.status_code", 200 + (index % 4) as i64),
        KeyValue::new("url.path", format!("/api/v2/orders/{}/items", index * 7919)),
        KeyValue::new("url.scheme", "https"),
        KeyValue::new("server.address", "checkout.shop.example.com"),
        KeyValue::new("server.port", 8443),
        KeyValue::new("client.address", format!("192.0.2.{}", index % 255)),
        KeyValue::new("app.cache.hit", index.is_multiple_of(2)),
    ];
    if index.is_multiple_of(2) {
        attributes.push(KeyValue::new("app.cart.value", index as f64 / 100.0));
        attributes.push(KeyValue::new("thread.id", index as i64 % 16));
    }
    attributes
}

fn context(index: usize) -> SpanContext {
    let mixed = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    SpanContext::new(
        TraceId::from(u128::from(mixed) << 64 | u128::from(!mixed)),
        SpanId::from(mixed),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    )
}

pub(crate) fn spans(scopes: usize) -> Vec<SpanData> {
    let now = SystemTime::now();
    let span = |index: usize| {
        let mut events = SpanEvents::default();
        if index.is_multiple_of(8) {
            let attributes = vec![KeyValue::new("exception.type", "TimeoutError")];
            events
                .events
                .push(Event::new("exception", now, attributes, 0));
        }
        SpanData {
            span_context: context(index),
            parent_span_id: context(index / 4).span_id(),
            parent_span_is_remote: index.is_multiple_of(4),
            span_kind: SpanKind::Server,
            name: "GET /api/v2/orders/{id}/items".into(),
            start_time: now,
            end_time: now + Duration::from_micros(index as u64),
            attributes: attributes(index),
            dropped_attributes_count: 0,
            events,
            links: SpanLinks::default(),
            status: match index % 16 {
                0 => Status::error("deadline exceeded"),
                _ => Status::Unset,
            },
            instrumentation_scope: scope(scopes, index),
        }
    };
    (0..BATCH).map(span).collect()
}

pub(crate) fn records() -> Vec<(SdkLogRecord, InstrumentationScope)> {
    static LOGGER: LazyLock<SdkLogger> =
        LazyLock::new(|| SdkLoggerProvider::builder().build().logger("bench"));
    const TARGETS: [&str; 4] = ["checkout::cart", "checkout::pay", "sqlx::query", "hyper"];
    let now = SystemTime::now();
    let record = |index: usize| {
        let mut record = LOGGER.create_log_record();
        record.set_timestamp(now);
        record.set_observed_timestamp(now);
        record.set_target(TARGETS[index % 4]);
        record.set_severity_number(Severity::Info);
        record.set_severity_text("INFO");
        record.set_body(AnyValue::from(format!("order {index} was paid in full")));
        let context = context(index);
        let flags = Some(TraceFlags::SAMPLED);
        record.set_trace_context(context.trace_id(), context.span_id(), flags);
        record.add_attribute("order.id", index as i64);
        record.add_attribute("order.currency", "EUR");
        record.add_attribute("order.total", index as f64 / 100.0);
        record.add_attribute("customer.tier", "gold");
        record.add_attribute("code.file.path", "src/checkout/pay.rs");
        record.add_attribute("code.line.number", 117);
        record.add_attribute("retry", false);
        record.add_attribute("url.path", format!("/api/v2/orders/{index}/pay"));
        (record, scope(1, 0))
    };
    (0..BATCH).map(record).collect()
}

/// Ten instruments with a hundred series each: counters, gauges, and histograms of both kinds.
pub(crate) fn metrics() -> ResourceMetrics {
    let collected = InMemoryMetricExporter::default();
    let exponential = |instrument: &Instrument| {
        let name = instrument.name();
        (instrument.kind() == InstrumentKind::Histogram && name.ends_with("exponential"))
            .then(|| {
                Stream::builder()
                    .with_aggregation(Aggregation::Base2ExponentialHistogram {
                        max_size: 160,
                        max_scale: 20,
                        record_min_max: true,
                    })
                    .build()
                    .ok()
            })
            .flatten()
    };
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(collected.clone()).build())
        .with_resource(resource())
        .with_view(exponential)
        .build();
    let meter = provider.meter_with_scope(scope(3, 2));
    for series in 0..100 {
        let attributes = &attributes(series)[..4];
        for name in ["http.server.requests", "db.client.calls", "cache.hits"] {
            meter
                .u64_counter(name)
                .build()
                .add(1 + series as u64, attributes);
        }
        for name in ["process.memory.usage", "queue.length", "pool.idle"] {
            meter
                .f64_gauge(name)
                .build()
                .record(series as f64, attributes);
        }
        for name in [
            "http.server.request.duration",
            "db.client.operation.duration",
            "http.client.request.duration.exponential",
            "messaging.process.duration.exponential",
        ] {
            let histogram = meter.f64_histogram(name).with_unit("s").build();
            for value in 0..20 {
                histogram.record(f64::from(value) * 0.01 + 0.002, attributes);
            }
        }
    }
    provider.force_flush().expect("collects");
    let collected = collected.get_finished_metrics().expect("collected");
    collected.into_iter().next().expect("a collection")
}

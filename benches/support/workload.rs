//! Telemetry as services send it: 1,000 items, from 4 resources with 3 scopes each.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use prost::Message;
use tower_otlp::Signal;

use super::{
    generate::{Draw, Options},
    respell,
};

/// Items of each workload.
pub(crate) const ITEMS: u64 = 1000;

const NOW: u64 = 1_767_225_600_000_000_000;

/// Encoded telemetry of this signal.
pub(crate) fn encoded(signal: Signal) -> Vec<u8> {
    let mut draw = Draw::seeded(7, Options::default());
    match signal {
        Signal::Traces => traces(&mut draw).encode_to_vec(),
        Signal::Metrics => metrics(&mut draw).encode_to_vec(),
        Signal::Logs => logs(&mut draw).encode_to_vec(),
    }
}

/// The same with the length of every sub-message padded to four bytes.
pub(crate) fn padded(signal: Signal) -> Vec<u8> {
    respell::pad_lengths(signal, &encoded(signal))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

fn id(draw: &mut Draw, length: usize) -> Vec<u8> {
    (0..length).map(|_| draw.number() as u8).collect()
}

fn resource(index: u64) -> Resource {
    Resource {
        attributes: vec![
            text("service.name", format!("checkout-{index}")),
            text("service.namespace", "shop"),
            text("service.version", "2.31.4"),
            text(
                "service.instance.id",
                format!("checkout-6d9f7c4b8-x{index}kz2"),
            ),
            text("deployment.environment.name", "production"),
            text(
                "host.name",
                format!("ip-10-0-{index}-17.eu-central-1.compute.internal"),
            ),
            text("k8s.pod.name", format!("checkout-6d9f7c4b8-x{index}kz2")),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.language", "java"),
            attribute("process.pid", Value::IntValue(4000 + index as i64)),
        ],
        ..Resource::default()
    }
}

fn scope(index: u64) -> InstrumentationScope {
    InstrumentationScope {
        name: format!("io.opentelemetry.instrumentation-{index}"),
        version: "2.9.0".to_owned(),
        ..InstrumentationScope::default()
    }
}

/// How many of the items fall to each of the twelve scopes.
fn share(index: u64) -> u64 {
    ITEMS / 12 + u64::from(index < ITEMS % 12)
}

/// Ten attributes of a request that was served.
fn request_attributes(draw: &mut Draw) -> Vec<KeyValue> {
    let method = draw.pick(&["GET", "POST", "PUT", "DELETE"]);
    let status = draw.pick(&[200, 200, 200, 201, 204, 404, 500]);
    let order = draw.below(1_000_000);
    vec![
        text("http.request.method", method),
        attribute("http.response.status_code", Value::IntValue(status)),
        text("url.path", format!("/api/v2/orders/{order}/items")),
        text("url.scheme", "https"),
        text("server.address", "checkout.shop.example.com"),
        attribute("server.port", Value::IntValue(8443)),
        text("client.address", format!("192.0.2.{}", draw.below(255))),
        text(
            "user_agent.original",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko",
        ),
        attribute("app.cache.hit", Value::BoolValue(draw.one_in(2))),
        attribute(
            "app.cart.value",
            Value::DoubleValue(draw.below(100_000) as f64 / 100.0),
        ),
    ]
}

fn traces(draw: &mut Draw) -> ExportTraceServiceRequest {
    let mut resource_spans = Vec::new();
    for group in 0..4 {
        let mut scope_spans = Vec::new();
        for part in 0..3 {
            let spans = (0..share(group * 3 + part)).map(|_| span(draw)).collect();
            scope_spans.push(ScopeSpans {
                scope: Some(scope(part)),
                spans,
                schema_url: "https://opentelemetry.io/schemas/1.37.0".to_owned(),
            });
        }
        resource_spans.push(ResourceSpans {
            resource: Some(resource(group)),
            scope_spans,
            schema_url: String::new(),
        });
    }
    ExportTraceServiceRequest { resource_spans }
}

fn span(draw: &mut Draw) -> Span {
    let start = NOW + draw.below(1_000_000_000) as u64;
    let end = start + draw.below(50_000_000) as u64;
    let events = if draw.one_in(5) {
        vec![span::Event {
            time_unix_nano: start + 10,
            name: "exception".to_owned(),
            attributes: vec![
                text("exception.type", "java.net.SocketTimeoutException"),
                text("exception.message", "Read timed out after 2000 ms"),
            ],
            dropped_attributes_count: 0,
        }]
    } else {
        Vec::new()
    };
    let links = if draw.one_in(20) {
        vec![span::Link {
            trace_id: id(draw, 16),
            span_id: id(draw, 8),
            ..span::Link::default()
        }]
    } else {
        Vec::new()
    };
    Span {
        trace_id: id(draw, 16),
        span_id: id(draw, 8),
        parent_span_id: id(draw, 8),
        flags: 0x101,
        name: "GET /api/v2/orders/{id}/items".to_owned(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes: request_attributes(draw),
        status: Some(Status {
            message: String::new(),
            code: if events.is_empty() { 0 } else { 2 },
        }),
        events,
        links,
        ..Span::default()
    }
}

fn logs(draw: &mut Draw) -> ExportLogsServiceRequest {
    let mut resource_logs = Vec::new();
    for group in 0..4 {
        let mut scope_logs = Vec::new();
        for part in 0..3 {
            let records = (0..share(group * 3 + part)).map(|_| log_record(draw));
            scope_logs.push(ScopeLogs {
                scope: Some(scope(part)),
                log_records: records.collect(),
                schema_url: String::new(),
            });
        }
        resource_logs.push(ResourceLogs {
            resource: Some(resource(group)),
            scope_logs,
            schema_url: String::new(),
        });
    }
    ExportLogsServiceRequest { resource_logs }
}

fn log_record(draw: &mut Draw) -> LogRecord {
    let time = NOW + draw.below(1_000_000_000) as u64;
    let order = draw.below(1_000_000);
    let body = format!("Order {order} could not be priced yet, trying again in a moment");
    let mut attributes = request_attributes(draw);
    attributes.truncate(6);
    attributes.push(text("code.function.name", "com.example.shop.Pricing.price"));
    attributes.push(text("thread.name", "http-nio-8443-exec-7"));
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time + 1_000,
        severity_number: 13,
        severity_text: "WARN".to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(body)),
        }),
        attributes,
        flags: 1,
        trace_id: id(draw, 16),
        span_id: id(draw, 8),
        ..LogRecord::default()
    }
}

/// A thousand points: gauges, sums, and a sixth each of the two histograms.
fn metrics(draw: &mut Draw) -> ExportMetricsServiceRequest {
    let mut resource_metrics = Vec::new();
    for group in 0..4 {
        let mut scope_metrics = Vec::new();
        for part in 0..3 {
            let points = share(group * 3 + part);
            let histograms = points / 6;
            let sums = points / 4;
            let gauges = points - sums - 2 * histograms;
            let all = [
                ("jvm.memory.used", "By", gauge(draw, gauges)),
                ("http.server.requests", "{request}", sum(draw, sums)),
                (
                    "http.server.request.duration",
                    "s",
                    histogram(draw, histograms),
                ),
                (
                    "db.client.operation.duration",
                    "s",
                    exponential(draw, histograms),
                ),
            ];
            let metrics = all.map(|(name, unit, data)| Metric {
                name: name.to_owned(),
                description: "As the semantic conventions describe it.".to_owned(),
                unit: unit.to_owned(),
                metadata: Vec::new(),
                data: Some(data),
            });
            scope_metrics.push(ScopeMetrics {
                scope: Some(scope(part)),
                metrics: metrics.into(),
                schema_url: String::new(),
            });
        }
        resource_metrics.push(ResourceMetrics {
            resource: Some(resource(group)),
            scope_metrics,
            schema_url: String::new(),
        });
    }
    ExportMetricsServiceRequest { resource_metrics }
}

fn point_attributes(draw: &mut Draw) -> Vec<KeyValue> {
    let mut attributes = request_attributes(draw);
    attributes.truncate(4);
    attributes
}

fn number(draw: &mut Draw, value: number_data_point::Value) -> NumberDataPoint {
    NumberDataPoint {
        attributes: point_attributes(draw),
        start_time_unix_nano: NOW,
        time_unix_nano: NOW + 60_000_000_000,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn gauge(draw: &mut Draw, points: u64) -> Data {
    let data_points = (0..points).map(|_| {
        let value = draw.below(1 << 30) as f64 / 8.0;
        number(draw, number_data_point::Value::AsDouble(value))
    });
    Data::Gauge(Gauge {
        data_points: data_points.collect(),
    })
}

fn sum(draw: &mut Draw, points: u64) -> Data {
    let data_points = (0..points).map(|_| {
        let value = draw.below(1 << 20) as i64;
        number(draw, number_data_point::Value::AsInt(value))
    });
    Data::Sum(Sum {
        data_points: data_points.collect(),
        aggregation_temporality: 2,
        is_monotonic: true,
    })
}

fn histogram(draw: &mut Draw, points: u64) -> Data {
    let data_points = (0..points).map(|_| HistogramDataPoint {
        attributes: point_attributes(draw),
        start_time_unix_nano: NOW,
        time_unix_nano: NOW + 60_000_000_000,
        count: 1000,
        sum: Some(12.5),
        bucket_counts: (0..15).map(|_| draw.below(100) as u64).collect(),
        explicit_bounds: (0..14).map(|bound| f64::from(bound) / 4.0).collect(),
        min: Some(0.001),
        max: Some(3.5),
        ..HistogramDataPoint::default()
    });
    Data::Histogram(Histogram {
        data_points: data_points.collect(),
        aggregation_temporality: 2,
    })
}

fn exponential(draw: &mut Draw, points: u64) -> Data {
    let data_points = (0..points).map(|_| ExponentialHistogramDataPoint {
        attributes: point_attributes(draw),
        start_time_unix_nano: NOW,
        time_unix_nano: NOW + 60_000_000_000,
        count: 1000,
        sum: Some(12.5),
        scale: 4,
        zero_count: 2,
        positive: Some(Buckets {
            offset: -20,
            bucket_counts: (0..20).map(|_| draw.below(300) as u64).collect(),
        }),
        min: Some(0.001),
        max: Some(3.5),
        ..ExponentialHistogramDataPoint::default()
    });
    Data::ExponentialHistogram(ExponentialHistogram {
        data_points: data_points.collect(),
        aggregation_temporality: 2,
    })
}

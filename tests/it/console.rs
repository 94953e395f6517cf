//! The console exporter: its text byte for byte, and what it does with its output.

#![allow(clippy::expect_used, clippy::panic)]

use std::{
    io,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point, summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use tower::ServiceExt as _;
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, Signal,
    exporters::console::{self, ConsoleExporter, Verbosity},
};
use tracing_subscriber::fmt::MakeWriter;

const TIME: u64 = 1_700_000_000_123_456_789;
const START: u64 = 1_699_999_990_000_000_000;
const TRACE: [u8; 16] = *b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36";
const SPAN: [u8; 8] = *b"\x11\x12\x13\x14\x15\x16\x17\x18";

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn string(text: &str) -> Value {
    Value::StringValue(text.to_owned())
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..Default::default()
    }
}

fn resource(host: bool) -> Option<Resource> {
    let mut attributes = vec![pair("service.name", string("cart"))];
    if host {
        attributes.push(pair("host.name", string("h1")));
    }
    Some(Resource {
        attributes,
        ..Default::default()
    })
}

fn scope(attributes: Vec<KeyValue>) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "shop.http".to_owned(),
        version: "1.2.0".to_owned(),
        attributes,
        ..Default::default()
    })
}

fn checked(signal: Signal, message: &impl prost::Message) -> ExportRequest {
    ExportRequest::from_protobuf(signal, message.encode_to_vec()).expect("valid OTLP")
}

fn traces_of(span: Span) -> ExportRequest {
    let scope_spans = vec![ScopeSpans {
        scope: scope(vec![]),
        spans: vec![span],
        ..Default::default()
    }];
    let resource_spans = vec![ResourceSpans {
        resource: resource(true),
        scope_spans,
        ..Default::default()
    }];
    checked(
        Signal::Traces,
        &ExportTraceServiceRequest { resource_spans },
    )
}

fn traces() -> ExportRequest {
    let ids = ArrayValue {
        values: vec![any(Value::IntValue(1)), any(string("a"))],
    };
    traces_of(Span {
        trace_id: (1..=16).collect(),
        span_id: b"\xff\0\0\0\0\0\0\x01".to_vec(),
        parent_span_id: b"\x00\xf0\x67\xaa\x0b\xa9\x02\xb7".to_vec(),
        flags: 257,
        name: "GET /cart".to_owned(),
        kind: 2,
        start_time_unix_nano: TIME,
        end_time_unix_nano: 1_700_000_000_124_957_788,
        attributes: vec![
            pair("http.response.status_code", Value::IntValue(500)),
            pair("cache.hit", Value::BoolValue(false)),
            pair("ratio", Value::DoubleValue(0.25)),
            pair("ids", Value::ArrayValue(ids)),
            pair("raw", Value::BytesValue(vec![0, 255])),
        ],
        events: vec![span::Event {
            time_unix_nano: 1_700_000_000_124_000_000,
            name: "cache.miss".to_owned(),
            attributes: vec![pair("key", string("cart:7"))],
            ..Default::default()
        }],
        links: vec![span::Link {
            trace_id: TRACE.to_vec(),
            span_id: SPAN.to_vec(),
            ..Default::default()
        }],
        status: Some(Status {
            code: 2,
            message: "boom".to_owned(),
        }),
        ..Default::default()
    })
}

fn logs() -> ExportRequest {
    let observed_time_unix_nano = 1_700_000_000_200_000_000;
    let list = ArrayValue {
        values: vec![any(Value::BoolValue(true)), AnyValue { value: None }],
    };
    let body = KeyValueList {
        values: vec![
            pair("a", Value::IntValue(1)),
            pair("b", Value::ArrayValue(list)),
        ],
    };
    let log_records = vec![
        LogRecord {
            time_unix_nano: TIME,
            observed_time_unix_nano,
            severity_text: "ERROR".to_owned(),
            severity_number: 17,
            body: Some(any(string("payment failed"))),
            attributes: vec![pair("order.id", Value::IntValue(42))],
            trace_id: TRACE.to_vec(),
            span_id: SPAN.to_vec(),
            flags: 1,
            ..Default::default()
        },
        LogRecord {
            observed_time_unix_nano,
            body: Some(any(Value::KvlistValue(body))),
            ..Default::default()
        },
    ];
    let scope_logs = vec![ScopeLogs {
        scope: scope(vec![]),
        log_records,
        ..Default::default()
    }];
    let resource_logs = vec![ResourceLogs {
        resource: resource(true),
        scope_logs,
        ..Default::default()
    }];
    checked(Signal::Logs, &ExportLogsServiceRequest { resource_logs })
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

fn metrics_of(metrics: Vec<Metric>) -> ExportRequest {
    let scope_metrics = vec![ScopeMetrics {
        scope: scope(vec![pair("team", string("a"))]),
        metrics,
        ..Default::default()
    }];
    let resource_metrics = vec![ResourceMetrics {
        resource: resource(false),
        scope_metrics,
        ..Default::default()
    }];
    checked(
        Signal::Metrics,
        &ExportMetricsServiceRequest { resource_metrics },
    )
}

fn metrics() -> ExportRequest {
    let mut requests = metric(
        "http.requests",
        "{request}",
        Data::Sum(Sum {
            data_points: vec![NumberDataPoint {
                attributes: vec![pair("http.method", string("GET"))],
                start_time_unix_nano: START,
                time_unix_nano: TIME,
                value: Some(number_data_point::Value::AsInt(5)),
                exemplars: vec![Exemplar {
                    time_unix_nano: 1_700_000_000_100_000_000,
                    trace_id: TRACE.to_vec(),
                    span_id: SPAN.to_vec(),
                    value: Some(exemplar::Value::AsInt(1)),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            aggregation_temporality: 2,
            is_monotonic: true,
        }),
    );
    requests.description = "Requests served.".to_owned();
    let duration = Data::Histogram(Histogram {
        data_points: vec![HistogramDataPoint {
            start_time_unix_nano: START,
            time_unix_nano: TIME,
            count: 6,
            sum: Some(1.5),
            min: Some(0.01),
            max: Some(1.2),
            explicit_bounds: vec![0.1, 0.5],
            bucket_counts: vec![3, 2, 1],
            ..Default::default()
        }],
        aggregation_temporality: 2,
    });
    let memory = Data::Gauge(Gauge {
        data_points: vec![NumberDataPoint {
            time_unix_nano: TIME,
            value: Some(number_data_point::Value::AsDouble(1_234_567.0)),
            ..Default::default()
        }],
    });
    let rpc = Data::ExponentialHistogram(ExponentialHistogram {
        data_points: vec![ExponentialHistogramDataPoint {
            start_time_unix_nano: START,
            time_unix_nano: TIME,
            count: 40,
            sum: Some(12.5),
            scale: 1,
            zero_count: 3,
            positive: Some(Buckets {
                offset: 3,
                bucket_counts: vec![10, 0, 0, 20, 5, 2],
            }),
            ..Default::default()
        }],
        aggregation_temporality: 2,
    });
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let latency = Data::Summary(Summary {
        data_points: vec![SummaryDataPoint {
            time_unix_nano: TIME,
            count: 4,
            sum: 10.0,
            quantile_values: vec![quantile(0.5, 2.0), quantile(0.99, 4.5)],
            ..Default::default()
        }],
    });
    metrics_of(vec![
        requests,
        metric("http.server.request.duration", "s", duration),
        metric("jvm.memory.used", "By", memory),
        metric("rpc", "s", rpc),
        metric("old.latency", "ms", latency),
    ])
}

/// Compares text line by line first: a difference of one line then shows as one line.
#[track_caller]
fn assert_text(made: &str, expected: &str) {
    for (number, (made, expected)) in made.lines().zip(expected.lines()).enumerate() {
        assert_eq!(made, expected, "line {}", number + 1);
    }
    assert_eq!(made, expected);
}

#[test]
fn normal_text_is_that_of_the_collector() {
    assert_text(
        &console::format(&traces(), Verbosity::Normal),
        concat!(
            "Traces: 1 resource spans, 1 spans\n",
            include_str!("golden/console_normal_traces.txt")
        ),
    );
    assert_text(
        &console::format(&logs(), Verbosity::Normal),
        concat!(
            "Logs: 1 resource logs, 2 log records\n",
            include_str!("golden/console_normal_logs.txt")
        ),
    );
    assert_text(
        &console::format(&metrics(), Verbosity::Normal),
        concat!(
            "Metrics: 1 resource metrics, 5 metrics, 5 data points\n",
            include_str!("golden/console_normal_metrics.txt")
        ),
    );
}

#[test]
fn detailed_text_is_that_of_the_collector() {
    assert_text(
        &console::format(&traces(), Verbosity::Detailed),
        concat!(
            "Traces: 1 resource spans, 1 spans\n",
            include_str!("golden/console_detailed_traces.txt")
        ),
    );
    assert_text(
        &console::format(&logs(), Verbosity::Detailed),
        concat!(
            "Logs: 1 resource logs, 2 log records\n",
            include_str!("golden/console_detailed_logs.txt")
        ),
    );
    assert_text(
        &console::format(&metrics(), Verbosity::Detailed),
        concat!(
            "Metrics: 1 resource metrics, 5 metrics, 5 data points\n",
            include_str!("golden/console_detailed_metrics.txt")
        ),
    );
}

#[test]
fn basic_text_is_one_line() {
    assert_eq!(
        console::format(&traces(), Verbosity::Basic),
        "Traces: 1 resource spans, 1 spans\n"
    );
}

#[test]
fn negative_buckets_run_from_the_lowest_value_upwards() {
    let request = metrics_of(vec![metric(
        "m",
        "",
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint {
                count: 6,
                zero_count: 1,
                negative: Some(Buckets {
                    offset: 0,
                    bucket_counts: vec![2, 3],
                }),
                ..Default::default()
            }],
            ..Default::default()
        }),
    )]);
    let detailed = console::format(&request, Verbosity::Detailed);
    let buckets: Vec<&str> = detailed
        .lines()
        .filter(|line| line.starts_with("Bucket"))
        .collect();
    assert_eq!(
        buckets,
        [
            "Bucket [-4.000000, -2.000000), Count: 3",
            "Bucket [-2.000000, -1.000000), Count: 2",
            "Bucket [0, 0], Count: 1",
        ]
    );
    let normal = console::format(&request, Verbosity::Normal);
    assert!(
        normal.ends_with("m{} count=6 zero=1 le-2=3 le-1=2\n"),
        "{normal}"
    );
}

#[test]
fn metrics_without_a_value_or_a_type_are_shown() {
    let empty = Metric {
        name: "none".to_owned(),
        ..Default::default()
    };
    let no_value = Data::Gauge(Gauge {
        data_points: vec![NumberDataPoint::default()],
    });
    let request = metrics_of(vec![empty, metric("gone", "", no_value)]);
    let normal = console::format(&request, Verbosity::Normal);
    assert!(normal.ends_with("gone{} \n"), "{normal}");
    let detailed = console::format(&request, Verbosity::Detailed);
    assert!(
        detailed.contains("     -> DataType: Empty\nMetric #1\n"),
        "{detailed}"
    );
    assert!(!detailed.contains("Value:"), "{detailed}");
}

#[test]
fn enumerations_nobody_knows_are_shown_as_numbers() {
    let request = traces_of(Span {
        kind: 77,
        ..Default::default()
    });
    let detailed = console::format(&request, Verbosity::Detailed);
    assert!(detailed.contains("    Kind           : 77\n"), "{detailed}");
}

#[test]
fn telemetry_cannot_act_on_the_terminal_or_forge_a_line() {
    let evil = "\x1b]0;owned\x07\nSpan #7\u{9b}31m\u{202e}";
    let request = traces_of(Span {
        name: evil.to_owned(),
        attributes: vec![
            pair(evil, string(evil)),
            pair(
                "list",
                Value::ArrayValue(ArrayValue {
                    values: vec![any(string(evil))],
                }),
            ),
        ],
        ..Default::default()
    });
    for verbosity in Verbosity::ALL {
        let text = console::format(&request, verbosity);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(!text.contains('\u{202e}'), "{text:?}");
        assert!(!text.contains("\nSpan #7"), "{text:?}");
    }
}

/// A writer whose writes can be looked at, one by one.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<String>>>);

impl Writes {
    fn taken(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl io::Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        self.0.lock().expect("not poisoned").push(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writes {
    type Writer = Writes;

    fn make_writer(&'a self) -> Writes {
        self.clone()
    }
}

async fn export(
    exporter: &ConsoleExporter,
    request: ExportRequest,
) -> Result<ExportResponse, ExportError> {
    exporter.clone().oneshot(request).await
}

#[tokio::test]
async fn a_request_is_one_write() {
    let writes = Writes::default();
    let exporter = ConsoleExporter::builder()
        .verbosity(Verbosity::Detailed)
        .writer(writes.clone())
        .build();
    for request in [traces(), metrics(), logs()] {
        let items = request.items();
        let response = export(&exporter, request).await.expect("written");
        assert_eq!(response.delivered_items(), items);
        assert_eq!(response.message(), None);
    }
    let expected =
        [traces(), metrics(), logs()].map(|request| console::format(&request, Verbosity::Detailed));
    assert_eq!(writes.taken(), expected);
}

#[tokio::test]
async fn long_values_are_cut_if_that_is_asked_for() {
    let writes = Writes::default();
    let exporter = ConsoleExporter::builder()
        .verbosity(Verbosity::Normal)
        .max_value_bytes(8)
        .writer(writes.clone())
        .build();
    export(&exporter, logs()).await.expect("written");
    let text = writes.taken().concat();
    assert!(
        text.contains("payment ...(6 bytes more) order.id=42\n"),
        "{text}"
    );
}

/// A writer that fails in one way.
struct Failing(io::ErrorKind);

impl io::Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_output_is_tried_again() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::WouldBlock] {
        let exporter = ConsoleExporter::builder().writer(Failing(kind)).build();
        let error = export(&exporter, traces()).await.expect_err("full");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{kind:?}");
        assert_eq!(error.retry(), RetryAdvice::Backoff, "{kind:?}");
        assert_eq!(error.exporter(), Some("console"));
    }
}

#[tokio::test]
async fn an_output_that_is_gone_holds_nothing_up() {
    let exporter = ConsoleExporter::builder()
        .writer(Failing(io::ErrorKind::BrokenPipe))
        .build();
    let response = export(&exporter, traces()).await.expect("delivered");
    assert_eq!(response.delivered_items(), 1);
    let message = response.message().expect("says so");
    assert!(message.contains("nothing was shown"), "{message}");
}

#[tokio::test]
async fn tracing_gets_the_counts_as_fields_and_the_block() {
    let writes = Writes::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(writes.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let exporter = ConsoleExporter::builder()
        .verbosity(Verbosity::Normal)
        .tracing()
        .build();
    {
        let _guard = tracing::subscriber::set_default(subscriber);
        export(&exporter, metrics()).await.expect("emitted");
    }
    let events = writes.taken();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        events[0].trim(),
        "INFO tower_otlp::console: Metrics resource_metrics=1 metrics=5 data_points=5"
    );
    assert!(
        events[1].contains("http.requests{http.method=GET} 5"),
        "{events:?}"
    );
}

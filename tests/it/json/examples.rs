//! Whole requests in the form of the OpenTelemetry Collector, byte for byte.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value},
    metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    },
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tower_otlp::{ExportRequest, Signal};

use super::{read, write};

const SPAN: &str = r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","traceState":"k=v","flags":257,"name":"x<&>","startTimeUnixNano":"1700000000123456789","attributes":[{"key":"nan","value":{"doubleValue":"NaN"}},{"key":"inf","value":{"doubleValue":"-Infinity"}},{"key":"big","value":{"doubleValue":1e+21}},{"key":"small","value":{"doubleValue":1e-07}},{"key":"one","value":{"doubleValue":1}},{"key":"i","value":{"intValue":"-9223372036854775808"}},{"key":"b","value":{"bytesValue":"AP8="}},{"key":"e","value":{}},{"key":"f","value":{"boolValue":false}},{"key":"s","value":{"arrayValue":{}}},{"key":"m","value":{"kvlistValue":{}}},{"key":"es","value":{"stringValue":""}}],"droppedAttributesCount":3,"status":{}}]}]}]}"#;

const LOG: &str = r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"observedTimeUnixNano":"1700000000000000000","severityNumber":9,"body":{"stringValue":"hi"},"eventName":"ev"}]}]}]}"#;

const METRICS: &str = r#"{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"scope":{},"metrics":[{"name":"h","histogram":{"dataPoints":[{"timeUnixNano":"5","count":"3","sum":0,"bucketCounts":["1","2"],"explicitBounds":[0.5]}],"aggregationTemporality":2}},{"name":"g","gauge":{"dataPoints":[{"asInt":"0"},{"asDouble":0}]}},{"name":"e","exponentialHistogram":{"dataPoints":[{"scale":-1,"zeroCount":"2","positive":{"offset":-3,"bucketCounts":["1"]},"negative":{},"zeroThreshold":0.1}]}}]}]}]}"#;

fn from_prost(signal: Signal, message: &impl Message) -> String {
    let request = ExportRequest::from_protobuf(signal, message.encode_to_vec())
        .expect("prost writes valid messages");
    write(request.otlp())
}

fn attribute(key: &str, value: Option<Value>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value }),
        ..KeyValue::default()
    }
}

#[test]
fn a_span_of_every_kind_of_value() {
    let span = Span {
        trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128
            .to_be_bytes()
            .to_vec(),
        span_id: (0x11..=0x18).collect(),
        trace_state: "k=v".to_owned(),
        flags: 257,
        name: "x<&>".to_owned(),
        start_time_unix_nano: 1_700_000_000_123_456_789,
        attributes: vec![
            attribute("nan", Some(Value::DoubleValue(f64::NAN))),
            attribute("inf", Some(Value::DoubleValue(f64::NEG_INFINITY))),
            attribute("big", Some(Value::DoubleValue(1e21))),
            attribute("small", Some(Value::DoubleValue(1e-7))),
            attribute("one", Some(Value::DoubleValue(1.0))),
            attribute("i", Some(Value::IntValue(i64::MIN))),
            attribute("b", Some(Value::BytesValue(vec![0, 255]))),
            attribute("e", None),
            attribute("f", Some(Value::BoolValue(false))),
            attribute("s", Some(Value::ArrayValue(ArrayValue::default()))),
            attribute("m", Some(Value::KvlistValue(KeyValueList::default()))),
            attribute("es", Some(Value::StringValue(String::new()))),
        ],
        dropped_attributes_count: 3,
        ..Span::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    assert_eq!(from_prost(Signal::Traces, &request), SPAN);

    let otlp = read(Signal::Traces, SPAN).expect("valid OTLP/JSON");
    assert_eq!(otlp.items(), 1);
    assert_eq!(write(&otlp), SPAN);
}

#[test]
fn a_log_record() {
    let bytes = hex("0a191217121510092a040a0268695900002a36fe9c971762026576");
    let request = ExportRequest::from_protobuf(Signal::Logs, bytes.clone()).expect("valid OTLP");
    assert_eq!(write(request.otlp()), LOG);

    let otlp = read(Signal::Logs, LOG).expect("valid OTLP/JSON");
    assert_eq!(otlp.items(), 1);
    assert_eq!(write(&otlp), LOG);
    let records = |bytes: &[u8]| {
        ExportLogsServiceRequest::decode(bytes)
            .expect("valid protobuf")
            .resource_logs[0]
            .scope_logs[0]
            .log_records
            .clone()
    };
    assert_eq!(records(otlp.bytes()), records(&bytes));
}

#[test]
fn metrics() {
    let metric = |name: &str, data| Metric {
        name: name.to_owned(),
        data: Some(data),
        ..Metric::default()
    };
    let number = |value| NumberDataPoint {
        value: Some(value),
        ..NumberDataPoint::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![
                    metric(
                        "h",
                        Data::Histogram(Histogram {
                            data_points: vec![HistogramDataPoint {
                                time_unix_nano: 5,
                                count: 3,
                                sum: Some(0.0),
                                bucket_counts: vec![1, 2],
                                explicit_bounds: vec![0.5],
                                ..HistogramDataPoint::default()
                            }],
                            aggregation_temporality: 2,
                        }),
                    ),
                    metric(
                        "g",
                        Data::Gauge(Gauge {
                            data_points: vec![
                                number(number_data_point::Value::AsInt(0)),
                                number(number_data_point::Value::AsDouble(0.0)),
                            ],
                        }),
                    ),
                    metric(
                        "e",
                        Data::ExponentialHistogram(ExponentialHistogram {
                            data_points: vec![ExponentialHistogramDataPoint {
                                scale: -1,
                                zero_count: 2,
                                positive: Some(Buckets {
                                    offset: -3,
                                    bucket_counts: vec![1],
                                }),
                                zero_threshold: 0.1,
                                ..ExponentialHistogramDataPoint::default()
                            }],
                            aggregation_temporality: 0,
                        }),
                    ),
                ],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    assert_eq!(from_prost(Signal::Metrics, &request), METRICS);

    let otlp = read(Signal::Metrics, METRICS).expect("valid OTLP/JSON");
    assert_eq!(otlp.items(), 4);
    assert_eq!(write(&otlp), METRICS);
}

/// Every field of every message, in the order of the `.proto` files.
#[test]
fn every_field() {
    let attributes = r#""attributes":[{"key":"k","value":{"stringValue":"v"}}]"#;
    let head = format!(
        r#""resource":{{{attributes},"droppedAttributesCount":1,"entityRefs":[{{"schemaUrl":"s","type":"host","idKeys":["k",""],"descriptionKeys":["d"]}}]}}"#
    );
    let scope =
        format!(r#""scope":{{"name":"n","version":"v",{attributes},"droppedAttributesCount":1}}"#);
    let ids = r#""traceId":"000102030405060708090a0b0c0d0e0f","spanId":"1011121314151617""#;
    let exemplars = r#""exemplars":[{"filteredAttributes":[{"key":"k","value":{}}],"timeUnixNano":"1","asDouble":-0.5,"spanId":"1011121314151617","traceId":"000102030405060708090a0b0c0d0e0f"},{"asInt":"-1"}]"#;
    let times = format!(r#"{attributes},"startTimeUnixNano":"1","timeUnixNano":"2""#);
    let items = [
        (
            Signal::Traces,
            ["resourceSpans", "scopeSpans", "spans"],
            format!(
                r#"{{{ids},"traceState":"t","parentSpanId":"18191a1b1c1d1e1f","flags":4294967295,"name":"n","kind":5,"startTimeUnixNano":"1","endTimeUnixNano":"18446744073709551615",{attributes},"droppedAttributesCount":4294967295,"events":[{{"timeUnixNano":"1","name":"e",{attributes},"droppedAttributesCount":1}},{{}}],"droppedEventsCount":1,"links":[{{{ids},"traceState":"t",{attributes},"droppedAttributesCount":1,"flags":1}},{{}}],"droppedLinksCount":1,"status":{{"message":"m","code":2}}}}"#
            ),
        ),
        (
            Signal::Logs,
            ["resourceLogs", "scopeLogs", "logRecords"],
            format!(
                r#"{{"timeUnixNano":"1","observedTimeUnixNano":"2","severityNumber":24,"severityText":"FATAL4","body":{{"kvlistValue":{{"values":[{{"key":"a","value":{{"arrayValue":{{"values":[{{}},{{"intValue":"0"}}]}}}}}}]}}}},{attributes},"droppedAttributesCount":1,"flags":1,{ids},"eventName":"e"}}"#
            ),
        ),
        (
            Signal::Metrics,
            ["resourceMetrics", "scopeMetrics", "metrics"],
            [
                r#""gauge":{}"#.to_owned(),
                format!(
                    r#""sum":{{"dataPoints":[{{{times},"asInt":"-5",{exemplars},"flags":1}}],"aggregationTemporality":1,"isMonotonic":true}}"#
                ),
                format!(
                    r#""histogram":{{"dataPoints":[{{{times},"count":"3","sum":1.5,"bucketCounts":["0","3"],"explicitBounds":[0],{exemplars},"flags":1,"min":0,"max":-0}}],"aggregationTemporality":2}}"#
                ),
                format!(
                    r#""exponentialHistogram":{{"dataPoints":[{{{times},"count":"3","sum":1.5,"scale":20,"zeroCount":"1","positive":{{"offset":2147483647,"bucketCounts":["0","18446744073709551615"]}},"negative":{{"offset":-2147483648}},"flags":1,{exemplars},"min":0,"max":1,"zeroThreshold":1e-300}}],"aggregationTemporality":2}}"#
                ),
                format!(
                    r#""summary":{{"dataPoints":[{{{times},"count":"3","sum":1.5,"quantileValues":[{{"quantile":0.5,"value":7}},{{}}],"flags":1}}]}}"#
                ),
            ]
            .map(|data| {
                format!(
                    r#"{{"name":"n","description":"d","unit":"By",{data},"metadata":[{{"key":"m","value":{{"boolValue":true}}}}]}}"#
                )
            })
            .join(","),
        ),
    ];
    for (signal, [resources, scopes, name], items) in items {
        let text = format!(
            r#"{{"{resources}":[{{{head},"{scopes}":[{{{scope},"{name}":[{items}],"schemaUrl":"s"}}],"schemaUrl":"r"}}]}}"#
        );
        let otlp = read(signal, &text).expect("valid OTLP/JSON");
        assert_eq!(write(&otlp), text);
    }
}

#[test]
fn nothing_at_all() {
    for signal in Signal::ALL {
        let otlp = read(signal, "{}").expect("an empty request");
        assert!(otlp.bytes().is_empty());
        assert_eq!(write(&otlp), "{}");
    }
}

#[test]
fn writing_appends() {
    let otlp = read(Signal::Logs, LOG).expect("valid OTLP/JSON");
    let mut lines = Vec::new();
    for _ in 0..2 {
        tower_otlp::otlp::json::write_into(&otlp, &mut lines);
        lines.push(b'\n');
    }
    assert_eq!(lines, format!("{LOG}\n{LOG}\n").as_bytes());
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
        .collect()
}

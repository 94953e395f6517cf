//! The remote write exporter: what it writes, read back with prost, and what it does over real
//! sockets.

#![allow(clippy::expect_used, clippy::panic)]

mod examples;
mod http;
mod mapping;
mod properties;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prost::Message as _;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::prometheus::remote_write::encode::{
        EncodeOptions, Encoder, MessageLimits, Protocol,
    },
};

use crate::support::remote_write::{Histogram, v1, v2};

const NO_LIMITS: MessageLimits = MessageLimits {
    samples: usize::MAX,
    bytes: usize::MAX,
};

/// What a point without a time has: 2023-11-14.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_001_000)
}

/// Names with values, in order.
type Labels = Vec<(String, String)>;

/// A series of either protocol.
#[derive(Clone, Debug, Default)]
struct Series {
    labels: Labels,
    /// Bits of the value, time, start.
    samples: Vec<(u64, i64, i64)>,
    histograms: Vec<Histogram>,
    /// Labels, value, time.
    exemplars: Vec<(Labels, f64, i64)>,
    /// Type, help, unit.
    metadata: Option<(i32, String, String)>,
}

impl Series {
    /// As Prometheus writes it.
    fn name(&self) -> String {
        let mut name = String::new();
        let mut rest = Vec::new();
        for (label, value) in &self.labels {
            if label == "__name__" {
                name.clone_from(value);
            } else {
                rest.push(format!("{label}={value:?}"));
            }
        }
        if rest.is_empty() {
            return name;
        }
        format!("{name}{{{}}}", rest.join(","))
    }

    /// The only sample.
    fn value(&self) -> f64 {
        assert_eq!(self.samples.len(), 1, "{self:?}");
        f64::from_bits(self.samples[0].0)
    }
}

fn read_v1(message: &[u8]) -> Vec<Series> {
    let request = v1::WriteRequest::decode(message).expect("a message of 1.0");
    let labels = |labels: Vec<v1::Label>| {
        labels
            .into_iter()
            .map(|label| (label.name, label.value))
            .collect::<Vec<_>>()
    };
    let one = |series: v1::TimeSeries| Series {
        labels: labels(series.labels),
        samples: series
            .samples
            .iter()
            .map(|sample| (sample.value.to_bits(), sample.timestamp, 0))
            .collect(),
        histograms: series.histograms,
        exemplars: series
            .exemplars
            .into_iter()
            .map(|exemplar| (labels(exemplar.labels), exemplar.value, exemplar.timestamp))
            .collect(),
        metadata: None,
    };
    request.timeseries.into_iter().map(one).collect()
}

fn read_v2(message: &[u8]) -> Vec<Series> {
    let request = v2::Request::decode(message).expect("a message of 2.0");
    let symbols = request.symbols;
    assert_eq!(symbols.first().map(String::as_str), Some(""));
    let unique: std::collections::BTreeSet<&String> = symbols.iter().collect();
    assert_eq!(unique.len(), symbols.len(), "each string once");
    let symbol = |number: u32| symbols[number as usize].clone();
    let labels = |refs: &[u32]| {
        assert_eq!(refs.len() % 2, 0, "names and values");
        refs.chunks(2)
            .map(|pair| (symbol(pair[0]), symbol(pair[1])))
            .collect::<Vec<_>>()
    };
    let one = |series: v2::TimeSeries| Series {
        labels: labels(&series.labels_refs),
        samples: series
            .samples
            .iter()
            .map(|sample| {
                (
                    sample.value.to_bits(),
                    sample.timestamp,
                    sample.start_timestamp,
                )
            })
            .collect(),
        histograms: series.histograms,
        exemplars: series
            .exemplars
            .iter()
            .map(|exemplar| {
                (
                    labels(&exemplar.labels_refs),
                    exemplar.value,
                    exemplar.timestamp,
                )
            })
            .collect(),
        metadata: series
            .metadata
            .map(|own| (own.kind, symbol(own.help_ref), symbol(own.unit_ref))),
    };
    request.timeseries.into_iter().map(one).collect()
}

fn read(protocol: Protocol, message: &[u8]) -> Vec<Series> {
    match protocol {
        Protocol::V1 => read_v1(message),
        _ => read_v2(message),
    }
}

/// Messages, number of rejected points, reason.
fn encode_with(
    request: &ExportRequest,
    options: EncodeOptions,
    protocol: Protocol,
    limits: MessageLimits,
) -> (Vec<Vec<u8>>, u64, Option<String>) {
    let mut encoder = Encoder::new(options);
    let metrics = request.metrics().expect("metrics");
    encoder.convert(metrics, protocol, 1, now());
    let mut messages = Vec::new();
    let mut out = Vec::new();
    while encoder.next_into(0, limits, &mut out).is_some() {
        messages.push(std::mem::take(&mut out));
    }
    let reason = encoder.reason().map(str::to_owned);
    (messages, encoder.rejected(), reason)
}

/// The one message of a request.
fn message(request: &ExportRequest, options: EncodeOptions, protocol: Protocol) -> Vec<u8> {
    let (mut messages, rejected, reason) = encode_with(request, options, protocol, NO_LIMITS);
    assert_eq!((messages.len(), rejected), (1, 0), "{reason:?}");
    messages.remove(0)
}

/// All series of a request as 2.0, by name; nothing is rejected.
fn series_with(request: &ExportRequest, options: EncodeOptions) -> BTreeMap<String, Series> {
    let all = read_v2(&message(request, options, Protocol::V2));
    let count = all.len();
    let by_name: BTreeMap<String, Series> = all
        .into_iter()
        .map(|series| (series.name(), series))
        .collect();
    assert_eq!(by_name.len(), count, "each series once");
    by_name
}

fn series(request: &ExportRequest) -> BTreeMap<String, Series> {
    series_with(request, EncodeOptions::default())
}

fn names(request: &ExportRequest) -> Vec<String> {
    series(request).into_keys().collect()
}

fn json(text: &str) -> ExportRequest {
    ExportRequest::from_json(Signal::Metrics, text.as_bytes())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A request with these metrics, of a resource with these attributes.
fn metrics_of(attributes: &[(&str, &str)], metrics: &str) -> ExportRequest {
    let attributes = attributes_json(attributes);
    json(&format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{attributes}]}},
        "scopeMetrics":[{{"metrics":[{metrics}]}}]}}]}}"#
    ))
}

fn metrics(metrics: &str) -> ExportRequest {
    metrics_of(&[], metrics)
}

fn attributes_json(attributes: &[(&str, &str)]) -> String {
    let all = attributes
        .iter()
        .map(|(key, value)| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#));
    all.collect::<Vec<_>>().join(",")
}

/// A gauge `x` with one point with these attributes.
fn gauge(attributes: &[(&str, &str)]) -> ExportRequest {
    let attributes = attributes_json(attributes);
    metrics(&format!(
        r#"{{"name":"x","gauge":{{"dataPoints":[{{"timeUnixNano":"1700000000123456789","asDouble":1,"attributes":[{attributes}]}}]}}}}"#
    ))
}

//! Requests whose items have a number each, and how to read the numbers back.

use std::rc::Rc;

use fastrand::Rng;
use tower_otlp::{ExportRequest, Metadata, Signal, otlp::MetricData, otlp::Traces};

pub type Ids = Rc<[u64]>;

/// A request of items with these numbers, in one or two resources.
pub fn request(rng: &mut Rng, signal: Signal, ids: &[u64]) -> ExportRequest {
    let cut = if rng.bool() {
        ids.len()
    } else {
        rng.usize(0..=ids.len())
    };
    let (one, other) = ids.split_at(cut);
    let mut bytes = Vec::new();
    for (region, ids) in [("eu", one), ("us", other)] {
        if !ids.is_empty() {
            bytes.extend(resource(signal, region, ids));
        }
    }
    let request = ExportRequest::from_protobuf(signal, bytes).expect("valid OTLP");
    assert_eq!(request.items(), ids.len() as u64);
    let metadata = match rng.u8(0..3) {
        0 => Metadata::default(),
        tenant => Metadata::default().with_tenant(format!("t{tenant}")),
    };
    request.with_metadata(metadata)
}

fn resource(signal: Signal, region: &str, ids: &[u64]) -> Vec<u8> {
    let value = field(0x0a, region.as_bytes());
    let attribute = [field(0x0a, b"region"), field(0x12, &value)].concat();
    let mut scope = Vec::new();
    for id in ids {
        let tag = match signal {
            Signal::Metrics => 0x19,
            Signal::Traces => 0x39,
            Signal::Logs => 0x09,
        };
        let mut item = vec![tag];
        item.extend(id.to_le_bytes());
        if signal == Signal::Metrics {
            item = field(0x2a, &field(0x0a, &item));
        }
        scope.extend(field(0x12, &item));
    }
    let resource = [field(0x0a, &field(0x0a, &attribute)), field(0x12, &scope)];
    field(0x0a, &resource.concat())
}

fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length as u8 & 0x7f) | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(content);
    out
}

/// The numbers of the items, in their order.
pub fn ids(request: &ExportRequest) -> Ids {
    let mut out = Vec::with_capacity(request.items() as usize);
    if let Some(logs) = request.logs() {
        for scope in logs.resources().flat_map(|resource| resource.scopes()) {
            out.extend(scope.items().map(|item| item.time_unix_nano()));
        }
    } else if let Some(traces) = request.traces() {
        let traces: Traces<'_> = traces;
        for scope in traces.resources().flat_map(|resource| resource.scopes()) {
            out.extend(scope.items().map(|item| item.start_time_unix_nano()));
        }
    } else if let Some(metrics) = request.metrics() {
        for scope in metrics.resources().flat_map(|resource| resource.scopes()) {
            for metric in scope.items() {
                if let Some(MetricData::Gauge(gauge)) = metric.data() {
                    out.extend(gauge.points().map(|point| point.time_unix_nano()));
                }
            }
        }
    }
    assert_eq!(out.len() as u64, request.items(), "items and their numbers");
    out.into()
}

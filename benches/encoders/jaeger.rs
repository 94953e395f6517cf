//! Spans as Jaeger's Thrift, against structs as a Thrift compiler makes them: filled from what
//! prost decodes, and written with the `thrift` crate.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span, span::Link},
};
use prost::Message;
use thrift::protocol::{TBinaryOutputProtocol, TCompactOutputProtocol};
use tower_otlp::{
    ExportRequest, Signal,
    exporters::jaeger::encode::{Batches, EncodeOptions, Format},
};

use crate::support::{
    jaeger_idl::{self as idl, Record},
    table::{Goal, Group},
    workload::{self, ITEMS},
};

pub(crate) fn groups() -> Vec<Group<'static>> {
    let bytes: &'static [u8] = workload::encoded(Signal::Traces).leak();
    let request = ExportRequest::from_protobuf(Signal::Traces, bytes).expect("valid");
    let request: &'static ExportRequest = Box::leak(Box::new(request));
    vec![
        Group::new("jaeger collector", ITEMS)
            .baseline("prost, structs, thrift crate", move || {
                let decoded = ExportTraceServiceRequest::decode(bytes).expect("valid");
                let mut sizes = 0;
                for batch in batches(&decoded) {
                    let mut out = Vec::with_capacity(1 << 19);
                    let mut protocol = TBinaryOutputProtocol::new(&mut out, true);
                    batch.write(&mut protocol).expect("written");
                    sizes += out.len();
                }
                sizes
            })
            .candidate("from checked bytes", Goal::Times(4.0), move || {
                encode(request, Format::Collector, usize::MAX)
            }),
        Group::new("jaeger agent, compact", ITEMS)
            .baseline("prost, structs, thrift crate", move || {
                let decoded = ExportTraceServiceRequest::decode(bytes).expect("valid");
                let mut sizes = 0;
                // Without the search for what fits into a datagram, which costs more.
                for batch in batches(&decoded) {
                    let mut out = Vec::with_capacity(1 << 19);
                    let mut protocol = TCompactOutputProtocol::new(&mut out);
                    idl::write_call(&batch, &mut protocol).expect("written");
                    sizes += out.len();
                }
                sizes
            })
            .candidate(
                "from checked bytes, datagrams",
                Goal::Times(4.0),
                move || encode(request, Format::AgentCompact, 65_000),
            ),
        Group::new("jaeger, writing alone", ITEMS)
            .baseline("thrift crate, from finished structs", {
                let decoded = ExportTraceServiceRequest::decode(bytes).expect("valid");
                let batches: Vec<idl::Batch> = batches(&decoded).collect();
                move || {
                    let mut out = Vec::with_capacity(1 << 21);
                    for batch in &batches {
                        let mut protocol = TBinaryOutputProtocol::new(&mut out, true);
                        batch.write(&mut protocol).expect("written");
                    }
                    out
                }
            })
            .candidate("from checked bytes", Goal::None, move || {
                encode(request, Format::Collector, usize::MAX)
            }),
    ]
}

fn encode(request: &ExportRequest, format: Format, limit: usize) -> usize {
    let options = EncodeOptions::default();
    let traces = request.traces().expect("traces");
    let mut batches = Batches::new(traces, &options, format, limit);
    let mut out = Vec::with_capacity(request.byte_size() * 2);
    let mut sizes = 0;
    while batches.next_into(&mut out).is_some() {
        sizes += out.len();
        out.clear();
    }
    sizes
}

fn batches(request: &ExportTraceServiceRequest) -> impl Iterator<Item = idl::Batch> + '_ {
    request.resource_spans.iter().map(|group| {
        let attributes = group
            .resource
            .iter()
            .flat_map(|resource| &resource.attributes);
        let mut process = idl::Process::default();
        let mut tags = Vec::new();
        for attribute in attributes {
            match (&*attribute.key, &attribute.value) {
                (
                    "service.name",
                    Some(AnyValue {
                        value: Some(Value::StringValue(name)),
                    }),
                ) => process.service_name.clone_from(name),
                _ => tags.push(tag(attribute)),
            }
        }
        process.tags = Some(tags);
        let mut spans = Vec::new();
        for scope in &group.scope_spans {
            let info = scope.scope.as_ref();
            for source in &scope.spans {
                let name = info.map_or("", |scope| &scope.name);
                let version = info.map_or("", |scope| &scope.version);
                spans.push(span(source, name, version));
            }
        }
        idl::Batch { process, spans }
    })
}

fn int(bytes: &[u8]) -> i64 {
    bytes.try_into().map_or(0, i64::from_be_bytes)
}

fn text(key: &str, value: &str) -> idl::Tag {
    idl::Tag {
        key: key.to_owned(),
        v_str: Some(value.to_owned()),
        ..idl::Tag::default()
    }
}

fn tag(attribute: &KeyValue) -> idl::Tag {
    let mut tag = idl::Tag {
        key: attribute.key.clone(),
        ..idl::Tag::default()
    };
    match attribute
        .value
        .as_ref()
        .and_then(|value| value.value.as_ref())
    {
        Some(Value::StringValue(value)) => tag.v_str = Some(value.clone()),
        Some(Value::DoubleValue(value)) => (tag.v_type, tag.v_double) = (1, Some(*value)),
        Some(Value::BoolValue(value)) => (tag.v_type, tag.v_bool) = (2, Some(*value)),
        Some(Value::IntValue(value)) => (tag.v_type, tag.v_long) = (3, Some(*value)),
        Some(Value::BytesValue(value)) => (tag.v_type, tag.v_binary) = (4, Some(value.clone())),
        // The workload has no others.
        _ => tag.v_str = Some(String::new()),
    }
    tag
}

fn reference(link: &Link) -> idl::SpanRef {
    let (high, low) = link.trace_id.split_at(link.trace_id.len() / 2);
    idl::SpanRef {
        ref_type: 1,
        trace_id_low: int(low),
        trace_id_high: int(high),
        span_id: int(&link.span_id),
    }
}

fn span(source: &Span, scope: &str, version: &str) -> idl::Span {
    let mut tags = vec![
        text("otel.scope.name", scope),
        text("otel.scope.version", version),
    ];
    tags.extend(source.attributes.iter().map(tag));
    if let Some(kind) = ["internal", "server", "client", "producer", "consumer"]
        .get(usize::try_from(source.kind - 1).unwrap_or(usize::MAX))
    {
        tags.push(text("span.kind", kind));
    }
    if source
        .status
        .as_ref()
        .is_some_and(|status| status.code == 2)
    {
        tags.push(text("otel.status_code", "ERROR"));
        tags.push(idl::Tag {
            key: "error".to_owned(),
            v_type: 2,
            v_bool: Some(true),
            ..idl::Tag::default()
        });
    }
    let logs = source.events.iter().map(|event| {
        let mut fields = vec![text("event", &event.name)];
        fields.extend(event.attributes.iter().map(tag));
        idl::Log {
            timestamp: (event.time_unix_nano / 1000).cast_signed(),
            fields,
        }
    });
    let (high, low) = source.trace_id.split_at(source.trace_id.len() / 2);
    let duration = source
        .end_time_unix_nano
        .saturating_sub(source.start_time_unix_nano);
    idl::Span {
        trace_id_low: int(low),
        trace_id_high: int(high),
        span_id: int(&source.span_id),
        parent_span_id: int(&source.parent_span_id),
        operation_name: source.name.clone(),
        references: (!source.links.is_empty())
            .then(|| source.links.iter().map(reference).collect()),
        flags: (source.flags & 1).cast_signed(),
        start_time: (source.start_time_unix_nano / 1000).cast_signed(),
        duration: (duration / 1000).cast_signed(),
        tags: Some(tags),
        logs: (!source.events.is_empty()).then(|| logs.collect()),
    }
}

//! The sender: requests encoded, compressed and framed once, eight in flight.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tokio::time::Instant;
use tonic::{body::Body, transport::Endpoint};
use tower::{Service, ServiceExt};

pub const SPANS: u64 = 512;
const IN_FLIGHT: usize = 8;

pub struct Load {
    pub items: u64,
    pub elapsed: Duration,
}

pub fn run(address: &str, gzip: bool, requests: usize) -> Load {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(send(address, gzip, requests))
}

async fn send(address: &str, gzip: bool, requests: usize) -> Load {
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .connect()
        .await
        .expect("the relay listens");
    let frame = frame(&traces(), gzip);
    let uri: http::Uri =
        format!("http://{address}/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            .parse()
            .expect("a URI");
    // Let everything connect and warm up before the clock starts.
    let one = |frame: Bytes| {
        let mut channel = channel.clone();
        let uri = uri.clone();
        async move {
            let mut request = http::Request::post(uri)
                .header("content-type", "application/grpc")
                .header("te", "trailers");
            if gzip {
                request = request.header("grpc-encoding", "gzip");
            }
            let request = request.body(Body::new(Full::new(frame))).expect("valid");
            let response = channel
                .ready()
                .await
                .expect("ready")
                .call(request)
                .await
                .expect("an answer");
            let early = response.headers().get("grpc-status").cloned();
            let collected = response.into_body().collect().await.expect("a body");
            let status = early.or_else(|| collected.trailers()?.get("grpc-status").cloned());
            assert_eq!(status.expect("a status"), "0");
        }
    };
    for _ in 0..16 {
        one(frame.clone()).await;
    }
    let start = Instant::now();
    stream::iter((0..requests).map(|_| one(frame.clone())))
        .buffer_unordered(IN_FLIGHT)
        .for_each(|()| async {})
        .await;
    Load {
        items: SPANS * (requests as u64 + 16),
        elapsed: start.elapsed(),
    }
}

fn frame(request: &ExportTraceServiceRequest, gzip: bool) -> Bytes {
    use std::io::Read;
    let mut body = request.encode_to_vec();
    if gzip {
        let mut small = Vec::new();
        flate2::bufread::GzEncoder::new(&body[..], flate2::Compression::fast())
            .read_to_end(&mut small)
            .expect("compresses");
        body = small;
    }
    let mut frame = BytesMut::with_capacity(body.len() + 5);
    frame.put_u8(u8::from(gzip));
    frame.put_u32(u32::try_from(body.len()).expect("short"));
    frame.put_slice(&body);
    frame.freeze()
}

fn attribute(key: String, value: any_value::Value) -> KeyValue {
    KeyValue {
        key,
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

fn traces() -> ExportTraceServiceRequest {
    use any_value::Value;
    let span = |number: u64| {
        // Ids must look random, or they would compress as no real ones do.
        let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
        Span {
            trace_id: [id.to_be_bytes(), id.rotate_left(29).to_le_bytes()].concat(),
            span_id: id.rotate_left(13).to_be_bytes().to_vec(),
            parent_span_id: id.rotate_left(41).to_be_bytes().to_vec(),
            name: format!("GET /api/v1/resource/{}", number % 20),
            kind: 2,
            start_time_unix_nano: 1_700_000_000_000_000_000 + number * 1_234_567,
            end_time_unix_nano: 1_700_000_000_000_000_000 + number * 1_234_567 + id % 50_000_000,
            attributes: (0..10)
                .map(|column| {
                    let key = format!("http.request.attribute.{column}");
                    match column % 3 {
                        0 => attribute(key, Value::IntValue((id >> 40) as i64 + column)),
                        1 => attribute(key, Value::StringValue(format!("value-{}", id % 1000))),
                        _ => attribute(key, Value::BoolValue(number.is_multiple_of(2))),
                    }
                })
                .collect(),
            ..Default::default()
        }
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![attribute(
                    "service.name".to_owned(),
                    Value::StringValue("bench".to_owned()),
                )],
                ..Default::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "bench".to_owned(),
                    ..Default::default()
                }),
                spans: (0..SPANS).map(span).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

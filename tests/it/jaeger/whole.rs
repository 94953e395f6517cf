//! A trace with everything in it, over every way to Jaeger.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::net::UdpSocket;
use tower::ServiceExt;
use tower_otlp::exporters::{
    http::RequestBody,
    jaeger::{AgentProtocol, JaegerHttpExporter, JaegerUdpExporter, encode::Format},
};

use super::{binary, boolean, double, long, read, string};
use crate::support::{
    jaeger_idl::{Batch, Log, Process, Span, SpanRef, Tag},
    whole,
};

const START: i64 = 1_700_000_000_123_456;

fn halves(trace: u128) -> (i64, i64) {
    // Cut in two, on purpose.
    ((trace >> 64) as i64, trace as i64)
}

/// A root span of half a second.
fn span(id: i64, name: &str) -> Span {
    let (trace_id_high, trace_id_low) = halves(whole::TRACE);
    Span {
        trace_id_low,
        trace_id_high,
        span_id: id,
        operation_name: name.to_owned(),
        flags: 1,
        start_time: START,
        duration: 500_000,
        tags: Some(of_scope(Vec::new())),
        ..Span::default()
    }
}

/// The tags of the scope, and these.
fn of_scope(tags: Vec<Tag>) -> Vec<Tag> {
    let scope = vec![
        string("otel.scope.name", "shop.http"),
        string("otel.scope.version", "1.2.0"),
    ];
    [scope, tags].concat()
}

fn full() -> Span {
    let reference = |trace, span_id| {
        let (trace_id_high, trace_id_low) = halves(trace);
        SpanRef {
            ref_type: 1,
            trace_id_low,
            trace_id_high,
            span_id,
        }
    };
    let log = |timestamp, fields| Log { timestamp, fields };
    Span {
        parent_span_id: 0x00f0_67aa_0ba9_02b7,
        references: Some(vec![
            reference(whole::LINKED.0, 0x1112_1314_1516_1718),
            reference(whole::TRACE, 10),
        ]),
        // The difference is cut off, not the times.
        duration: 1500,
        tags: Some(of_scope(vec![
            string("text", "naïve 🦀"),
            long("int", i64::MIN),
            boolean("bool", true),
            double("double", 0.25),
            binary("bytes", &[0, 255]),
            string("list", r#"[1,"a"]"#),
            string("map", r#"{"a":"x","z":1}"#),
            string("unset", ""),
            string("span.kind", "server"),
            string("otel.status_code", "ERROR"),
            boolean("error", true),
            string("otel.status_description", "boom"),
            string("w3c.tracestate", "vendor=a,other=b"),
            long("otel.dropped_attributes_count", 3),
            long("otel.dropped_events_count", 4),
            long("otel.dropped_links_count", 5),
        ])),
        logs: Some(vec![
            log(
                1_700_000_000_123_999,
                vec![
                    string("event", "cache.miss"),
                    string("key", "cart:7"),
                    long("a", 1),
                    long("otel.dropped_attributes_count", 2),
                ],
            ),
            log(1_700_000_000_124_000, vec![string("event", "done")]),
        ]),
        ..span(1, "GET /cart")
    }
}

fn expected() -> Batch {
    let child = |id, name| Span {
        parent_span_id: 1,
        duration: 0,
        ..span(id, name)
    };
    let (trace_id_high, trace_id_low) = halves(whole::OLD);
    assert_eq!(trace_id_high, 0);
    let old = Span {
        trace_id_high,
        trace_id_low,
        ..span(5, "old")
    };
    let numbers = (0..whole::WIDE).map(|number| long(&format!("k{number}"), number));
    let wide = Span {
        tags: Some(of_scope(numbers.collect())),
        ..span(6, "wide")
    };
    let nameless = Span {
        tags: Some(of_scope(vec![string("", "")])),
        logs: Some(vec![Log {
            timestamp: START,
            fields: Vec::new(),
        }]),
        ..span(7, "")
    };
    Batch {
        process: Process {
            service_name: "cart".to_owned(),
            tags: Some(vec![string("host.name", "h1"), long("process.pid", 7)]),
        },
        spans: vec![
            full(),
            child(2, "endless"),
            child(3, "instant"),
            child(4, "backwards"),
            old,
            wide,
            nameless,
        ],
    }
}

#[tokio::test]
async fn a_trace_stays_whole_over_http() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let collector = {
        let seen = Arc::clone(&seen);
        tower::service_fn(move |request: Request<RequestBody>| {
            let body = request.into_body().into_inner().expect("a body");
            seen.lock().expect("no panic").push(body);
            let response = Response::builder().status(202);
            let response = response.body(Full::<Bytes>::default()).expect("a response");
            async { Ok::<_, std::convert::Infallible>(response) }
        })
    };
    let exporter = JaegerHttpExporter::builder().build_on(collector);
    let response = exporter
        .expect("valid")
        .oneshot(whole::message().into())
        .await
        .expect("delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (7, 0)
    );
    let bodies = std::mem::take(&mut *seen.lock().expect("no panic"));
    assert_eq!(bodies.len(), 1);
    assert_eq!(read(Format::Collector, &bodies[0]), expected());
}

#[tokio::test]
async fn a_trace_stays_whole_over_udp() {
    for (protocol, format) in [
        (AgentProtocol::Compact, Format::AgentCompact),
        (AgentProtocol::Binary, Format::AgentBinary),
    ] {
        let agent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let exporter = JaegerUdpExporter::builder()
            .host("127.0.0.1")
            .port(agent.local_addr().expect("an address").port())
            .protocol(protocol)
            .build()
            .expect("valid");
        let response = exporter.oneshot(whole::message().into()).await;
        let response = response.expect("sent");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (7, 0)
        );
        let mut datagram = vec![0; 65_000];
        let received = tokio::time::timeout(Duration::from_secs(30), agent.recv(&mut datagram));
        let size = received.await.expect("in time").expect("a datagram");
        assert_eq!(read(format, &datagram[..size]), expected(), "{format:?}");
    }
}

//! The gRPC receiver, over real sockets.

#[path = "support/grpc.rs"]
pub(crate) mod support;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use opentelemetry_proto::tonic::collector::{
    logs::v1::logs_service_client::LogsServiceClient,
    metrics::v1::metrics_service_client::MetricsServiceClient,
    trace::v1::trace_service_client::TraceServiceClient,
};
use tokio::sync::Semaphore;
use tonic::{Code, body::Body, codec::CompressionEncoding, server::NamedService};
use tower::{Service, ServiceExt};
use tower_otlp::{
    BoxExporter, Compression, Encoding, ErrorKind, ExportError, ExportRequest, ExportResponse,
    RetryAdvice, Signal,
    otlp::Limits,
    receivers::grpc::{
        LogsServiceServer, MetricsServiceServer, OtlpGrpcReceiver, TraceServiceServer,
    },
};

use support::{
    TRACES_PATH, answer, connect, encoded, framed, gzip, logs, metrics, post, recorder,
    recorder_with, serve, traces,
};

const ENCODINGS: [Option<CompressionEncoding>; 3] = [
    None,
    Some(CompressionEncoding::Gzip),
    Some(CompressionEncoding::Zstd),
];

#[tokio::test]
async fn the_generated_client_exports_all_signals_with_each_compression() {
    let (exporter, mut seen) = recorder();
    let address = serve(OtlpGrpcReceiver::new(exporter).routes()).await;
    let channel = connect(address).await;
    for encoding in ENCODINGS {
        let mut traces_client = TraceServiceClient::new(channel.clone());
        let mut metrics_client = MetricsServiceClient::new(channel.clone());
        let mut logs_client = LogsServiceClient::new(channel.clone());
        if let Some(encoding) = encoding {
            traces_client = traces_client.send_compressed(encoding);
            metrics_client = metrics_client.send_compressed(encoding);
            logs_client = logs_client.send_compressed(encoding);
        }
        let answer = traces_client.export(traces(3)).await.expect("taken");
        assert!(answer.into_inner().partial_success.is_none());
        metrics_client.export(metrics(4)).await.expect("taken");
        logs_client.export(logs(5)).await.expect("taken");
        for (signal, items) in [(Signal::Traces, 3), (Signal::Metrics, 4), (Signal::Logs, 5)] {
            let request = seen.recv().await.expect("a request");
            assert_eq!(request.signal(), signal);
            assert_eq!(request.items(), items as u64);
            assert_eq!(*request.protobuf(), encoded(signal, items));
        }
    }
}

#[tokio::test]
async fn the_compressed_form_is_kept() {
    let (exporter, mut seen) = recorder();
    let channel = connect(serve(OtlpGrpcReceiver::new(exporter).routes()).await).await;
    // A level that this crate does not use, so that compressing again would show.
    let compressed = gzip(9, &encoded(Signal::Traces, 500));
    let answer = post(
        &channel,
        TRACES_PATH,
        &[("grpc-encoding", "gzip")],
        framed(true, &compressed),
    )
    .await;
    assert_eq!(answer.code(), Code::Ok);
    let request = seen.recv().await.expect("a request");
    assert_eq!(*request.protobuf(), encoded(Signal::Traces, 500));
    let sent_on = request
        .body(Encoding::Protobuf, Compression::Gzip)
        .expect("a body");
    assert_eq!(sent_on, compressed);
}

#[tokio::test]
async fn a_message_is_read_however_it_is_cut_into_data_frames() {
    let (exporter, mut seen) = recorder();
    let channel = connect(serve(OtlpGrpcReceiver::new(exporter).routes()).await).await;
    let message = encoded(Signal::Traces, 40_000);
    assert!(message.len() > 2 << 20, "{} bytes", message.len());
    let frame = framed(false, &message);
    let small = framed(false, &encoded(Signal::Traces, 2));
    for (frame, size) in [(frame, 100_003), (small, 1)] {
        let parts: Vec<Result<_, Infallible>> = frame
            .chunks(size)
            .map(|part| Ok(http_body::Frame::data(Bytes::copy_from_slice(part))))
            .collect();
        let request = http::Request::post(TRACES_PATH)
            .header("content-type", "application/grpc+proto")
            .body(Body::new(StreamBody::new(tokio_stream::iter(parts))))
            .expect("a request");
        assert_eq!(answer(channel.clone(), request).await.code(), Code::Ok);
        let request = seen.recv().await.expect("a request");
        assert_eq!(request.protobuf()[..], frame[5..]);
    }
}

/// An exporter that waits for a permit, so that a call stays open.
fn gated(gate: &Arc<Semaphore>) -> BoxExporter {
    let gate = Arc::clone(gate);
    BoxExporter::new(tower::service_fn(move |request: ExportRequest| {
        let gate = Arc::clone(&gate);
        async move {
            let permit = gate.acquire().await;
            permit.expect("open").forget();
            Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
        }
    }))
}

/// Name, headers, body; the status and a part of its message.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    Bytes,
    Code,
    &'static str,
);

#[tokio::test]
async fn bad_requests_end_their_own_call_only() {
    let gate = Arc::new(Semaphore::new(0));
    let receiver = OtlpGrpcReceiver::new(gated(&gate))
        .max_wire_bytes(100_000)
        .limits(Limits::default().max_bytes(200_000).max_items(1000))
        .accept([Compression::Gzip, Compression::Zstd]);
    let channel = connect(serve(receiver.routes()).await).await;
    // A neighbour on the same connection, open all the while.
    let neighbour = tokio::spawn({
        let channel = channel.clone();
        async move {
            post(
                &channel,
                TRACES_PATH,
                &[],
                framed(false, &encoded(Signal::Traces, 1)),
            )
            .await
        }
    });

    let good = encoded(Signal::Traces, 1);
    let whole = framed(false, &good);
    let two = [whole.clone(), whole.clone()].concat();
    // ResourceSpans { scope_spans { spans { name: 0xff } } }
    let not_utf8 = b"\x0a\x07\x12\x05\x12\x03\x2a\x01\xff";
    let bomb = gzip(9, &vec![0; 10 << 20]);
    assert!(bomb.len() < 100_000);
    let mut huge_claim = framed(false, &good).to_vec();
    huge_claim[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
    let gz: &[_] = &[("grpc-encoding", "gzip")];
    let rows: Vec<Row> = vec![
        (
            "truncated frame",
            &[],
            whole.slice(..whole.len() - 1),
            Code::InvalidArgument,
            "ends inside",
        ),
        (
            "truncated header",
            &[],
            whole.slice(..3),
            Code::InvalidArgument,
            "ends inside",
        ),
        (
            "no message",
            &[],
            Bytes::new(),
            Code::InvalidArgument,
            "no gRPC message",
        ),
        (
            "two messages",
            &[],
            two.into(),
            Code::InvalidArgument,
            "more data than one",
        ),
        (
            "odd flag",
            &[],
            Bytes::from_static(&[9, 0, 0, 0, 0]),
            Code::InvalidArgument,
            "flag 9",
        ),
        (
            "not compressed, but flagged",
            gz,
            framed(true, &good),
            Code::InvalidArgument,
            "not validly compressed",
        ),
        (
            "flagged without an encoding",
            &[],
            framed(true, &good),
            Code::Internal,
            "names no compression",
        ),
        (
            "not protobuf",
            &[],
            framed(false, b"hello, world"),
            Code::InvalidArgument,
            "invalid OTLP data",
        ),
        (
            "not UTF-8",
            &[],
            framed(false, not_utf8),
            Code::InvalidArgument,
            "resource_spans[0].scope_spans[0].spans[0].name, byte 8",
        ),
        (
            "claims 4 GiB",
            &[],
            huge_claim.into(),
            Code::ResourceExhausted,
            "larger than max (4294967295 vs. 100000)",
        ),
        (
            "too large",
            &[],
            framed(false, &vec![0; 100_001]),
            Code::ResourceExhausted,
            "larger than max (100001 vs. 100000)",
        ),
        (
            "decompression bomb",
            gz,
            framed(true, &bomb),
            Code::ResourceExhausted,
            "larger than max (200000)",
        ),
        (
            "too many items",
            gz,
            framed(true, &gzip(9, &encoded(Signal::Traces, 1001))),
            Code::ResourceExhausted,
            "1000 items",
        ),
        (
            "unknown encoding",
            &[("grpc-encoding", "snappy")],
            framed(true, &good),
            Code::Unimplemented,
            "\"snappy\" is not supported, only identity,gzip,zstd",
        ),
        (
            "encoding that was not accepted",
            &[("grpc-encoding", "deflate")],
            framed(true, &good),
            Code::Unimplemented,
            "not supported",
        ),
    ];
    for (name, headers, body, code, says) in rows {
        let answer = post(&channel, TRACES_PATH, headers, body).await;
        assert_eq!(answer.http, 200, "{name}");
        assert_eq!(answer.code(), code, "{name}: {}", answer.message());
        assert!(
            answer.message().contains(says),
            "{name}: {}",
            answer.message()
        );
        if code == Code::Unimplemented {
            assert_eq!(
                answer.headers["grpc-accept-encoding"], "identity,gzip,zstd",
                "{name}"
            );
        }
    }

    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Import";
    let wrong_call = post(&channel, path, &[], whole.clone()).await;
    assert_eq!(wrong_call.code(), Code::Unimplemented);
    let wrong_service = post(&channel, "/a.B/Export", &[], whole.clone()).await;
    assert_eq!(wrong_service.code(), Code::Unimplemented);
    for content_type in [
        "application/json",
        "application/grpc-web",
        "application/grpc+json",
    ] {
        let headers = [("content-type", content_type)];
        let answer = post(&channel, TRACES_PATH, &headers, whole.clone()).await;
        assert_eq!(answer.http, 415, "{content_type}");
        assert!(answer.grpc.is_none());
    }
    let get = http::Request::get(TRACES_PATH)
        .header("content-type", "application/grpc")
        .body(Body::empty())
        .expect("a request");
    assert_eq!(answer(channel.clone(), get).await.http, 405);

    assert!(!neighbour.is_finished());
    gate.add_permits(1);
    let answer = neighbour.await.expect("no panic");
    assert_eq!(answer.code(), Code::Ok);
    assert_eq!(answer.body[..], [0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn the_exporters_answer_and_errors_reach_the_client() {
    let throttled = |request: &ExportRequest| {
        Err(match request.items() {
            1 => ExportError::new(ErrorKind::Throttled, "slow down")
                .with_retry(RetryAdvice::After(Duration::from_secs(3))),
            2 => ExportError::new(ErrorKind::Overloaded, "queue full"),
            3 => ExportError::new(ErrorKind::Rejected, "too old"),
            4 => ExportError::new(ErrorKind::Unavailable, "down"),
            _ => return Ok(ExportResponse::delivered(2).with_rejected(3, "odd spans")),
        })
    };
    let (exporter, _seen) = recorder_with(throttled);
    let channel = connect(serve(OtlpGrpcReceiver::new(exporter).routes()).await).await;
    let mut client = TraceServiceClient::new(channel);

    let partial = client.export(traces(5)).await.expect("taken").into_inner();
    let partial = partial.partial_success.expect("a partial success");
    assert_eq!(partial.rejected_spans, 3);
    assert_eq!(partial.error_message, "odd spans");

    // google.rpc.Status { code: 8, message: .., details: [RetryInfo { retry_delay: 3 s }] }
    let status = client.export(traces(1)).await.expect_err("throttled");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("slow down"), "{status}");
    let type_url = b"type.googleapis.com/google.rpc.RetryInfo";
    let retry_info = [&[0x0a, 40][..], type_url, &[0x12, 4, 0x0a, 2, 0x08, 3]].concat();
    assert!(status.details().starts_with(&[0x08, 8, 0x12]));
    assert!(status.details().ends_with(&retry_info));

    let status = client.export(traces(2)).await.expect_err("overloaded");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(
        !status.details().is_empty(),
        "a client without a delay drops the data"
    );

    let status = client.export(traces(3)).await.expect_err("rejected");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.details().is_empty());

    let status = client.export(traces(4)).await.expect_err("down");
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_tenant_that_cannot_be_told_is_refused() {
    let (exporter, mut seen) = recorder();
    let receiver = OtlpGrpcReceiver::new(exporter).tenant_header("x-tenant");
    let channel = connect(serve(receiver.routes()).await).await;
    let body = framed(false, &encoded(Signal::Traces, 1));
    for headers in [
        &[("x-tenant", "caf\u{e9}")][..],
        &[("x-tenant", "a"), ("x-tenant", "b")],
    ] {
        let answer = post(&channel, TRACES_PATH, headers, body.clone()).await;
        assert_eq!(answer.code(), Code::InvalidArgument, "{headers:?}");
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn metadata_is_kept_as_told() {
    let (exporter, mut seen) = recorder();
    let receiver = OtlpGrpcReceiver::new(exporter)
        .tenant_header("X-Scope-OrgID")
        .keep_header("X-Region")
        .keep_header("not a header name");
    let channel = connect(serve(receiver.routes()).await).await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [
        ("x-scope-orgid", "acme"),
        ("x-region", "eu"),
        ("x-region", "us"),
        ("authorization", "Bearer s3cret"),
        ("traceparent", traceparent),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
    ];
    let body = framed(false, &encoded(Signal::Traces, 1));
    let answer = post(&channel, TRACES_PATH, &headers, body.clone()).await;
    assert_eq!(answer.code(), Code::Ok);
    let request = seen.recv().await.expect("a request");
    let metadata = request.metadata();
    assert_eq!(metadata.tenant(), Some("acme"));
    assert_eq!(metadata.traceparent(), Some(traceparent));
    assert_eq!(metadata.tracestate(), Some("a=1,b=2"));
    let kept: Vec<_> = metadata.headers().collect();
    assert_eq!(kept, [("x-region", "eu"), ("x-region", "us")]);

    let answer = post(&channel, TRACES_PATH, &[], body).await;
    assert_eq!(answer.code(), Code::Ok);
    let request = seen.recv().await.expect("a request");
    assert!(request.metadata().is_empty());
}

/// A tonic service as a user writes one by hand.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "user.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut response = http::Response::new(request.into_body());
        response
            .headers_mut()
            .insert("grpc-status", http::HeaderValue::from_static("0"));
        std::future::ready(Ok(response))
    }
}

#[tokio::test]
async fn the_services_stand_beside_those_of_a_user() {
    let (exporter, mut seen) = recorder();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(Echo)
            .add_service(TraceServiceServer::new(exporter.clone()))
            .add_service(MetricsServiceServer::new(exporter.clone()))
            .add_service(LogsServiceServer::new(exporter))
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );
    let channel = connect(address).await;
    let echoed = post(&channel, "/user.Echo/Say", &[], Bytes::from_static(b"hi")).await;
    assert_eq!(echoed.body, "hi");
    LogsServiceClient::new(channel)
        .export(logs(2))
        .await
        .expect("taken");
    assert_eq!(seen.recv().await.expect("a request").items(), 2);
}

#[tokio::test]
async fn it_is_a_service_for_an_axum_router_too() {
    let (exporter, mut seen) = recorder();
    let receiver = OtlpGrpcReceiver::new(exporter);
    let routers = [
        receiver.routes().into_axum_router(),
        axum::Router::new().fallback_service(receiver),
    ];
    for router in routers {
        let request = http::Request::post(TRACES_PATH)
            .header("content-type", "application/grpc")
            .body(axum::body::Body::new(Full::new(framed(
                false,
                &encoded(Signal::Traces, 7),
            ))))
            .expect("a request");
        let response = router.oneshot(request).await.expect("infallible");
        let body = response.into_body().collect().await.expect("a body");
        assert_eq!(body.trailers().expect("trailers")["grpc-status"], "0");
        assert_eq!(seen.recv().await.expect("a request").items(), 7);
    }
}

#[tokio::test]
async fn readiness_below_holds_back_the_answer() {
    let gate = Arc::new(Semaphore::new(0));
    let slow = tower::limit::ConcurrencyLimit::new(gated(&gate), 1);
    let channel = connect(serve(OtlpGrpcReceiver::new(slow).routes()).await).await;
    let body = framed(false, &encoded(Signal::Traces, 1));
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (channel, body) = (channel.clone(), body.clone());
            tokio::spawn(async move { post(&channel, TRACES_PATH, &[], body).await })
        })
        .collect();
    gate.add_permits(3);
    for call in calls {
        assert_eq!(call.await.expect("no panic").code(), Code::Ok);
    }
    assert_eq!(gate.available_permits(), 0);
}

//! The OTLP gRPC exporter, over real sockets.

use std::{
    convert::Infallible,
    io,
    path::Path,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::collector::{
    logs::v1::logs_service_server::LogsServiceServer,
    metrics::v1::metrics_service_server::MetricsServiceServer,
    trace::v1::trace_service_server::TraceServiceServer,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::{
    Code, Status,
    body::Body,
    codec::CompressionEncoding,
    service::Routes,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_otlp::{
    Compression, Encoding, ErrorKind, ExportError, ExportRequest, ExportResponse, Metadata,
    RetryAdvice, Signal, TlsOptions,
    exporters::otlp::{OtlpGrpcBuilder, OtlpGrpcExporter},
    receivers::grpc::OtlpGrpcReceiver,
};

use crate::receiver_grpc::support::{
    Peer, TRACES_PATH, connect, encoded, framed, gzip, post, recorder, recorder_with, request,
    serve,
};

fn peer_routes(peer: &Peer) -> Routes {
    let (gzip, zstd) = (CompressionEncoding::Gzip, CompressionEncoding::Zstd);
    let mut routes = Routes::builder();
    routes
        .add_service(
            TraceServiceServer::new(peer.clone())
                .accept_compressed(gzip)
                .accept_compressed(zstd)
                .send_compressed(gzip),
        )
        .add_service(
            MetricsServiceServer::new(peer.clone())
                .accept_compressed(gzip)
                .accept_compressed(zstd),
        )
        .add_service(
            LogsServiceServer::new(peer.clone())
                .accept_compressed(gzip)
                .accept_compressed(zstd),
        );
    routes.routes()
}

async fn to(peer: &Peer) -> OtlpGrpcBuilder {
    let address = serve(peer_routes(peer)).await;
    OtlpGrpcExporter::builder().endpoint(format!("http://{address}"))
}

async fn export<T>(exporter: &OtlpGrpcExporter<T>, request: ExportRequest) -> Outcome
where
    OtlpGrpcExporter<T>: Service<ExportRequest, Response = ExportResponse, Error = ExportError>,
    T: Clone,
{
    exporter.clone().oneshot(request).await
}

type Outcome = Result<ExportResponse, ExportError>;

#[tokio::test]
async fn the_generated_server_takes_all_signals_with_each_compression() {
    let peer = Peer::default();
    let options = to(&peer).await;
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let exporter = options.clone().compression(compression).build();
        let exporter = exporter.expect("valid");
        for signal in Signal::ALL {
            // Large enough for many DATA frames.
            for items in [0, 3, 20_000] {
                let response = export(&exporter, request(signal, items)).await;
                let response = response.expect("delivered");
                assert_eq!(response.delivered_items(), items as u64);
                assert_eq!(response.rejected_items(), 0);
                assert_eq!(response.message(), None);
                let taken = peer.taken();
                assert_eq!(taken.len(), 1);
                assert_eq!(taken[0].signal, signal);
                assert_eq!(taken[0].protobuf, encoded(signal, items));
                let encoding = taken[0].metadata.get("grpc-encoding");
                match compression {
                    Compression::None => assert!(encoding.is_none()),
                    other => assert_eq!(encoding.expect("set"), other.as_str()),
                }
            }
        }
    }
}

#[tokio::test]
async fn a_relay_sends_the_compressed_bytes_on_as_they_came() {
    let (sink, mut seen) = recorder();
    let backend = serve(OtlpGrpcReceiver::new(sink).routes()).await;
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(backend.to_string())
        .compression(Compression::Gzip)
        .build()
        .expect("valid");
    let relay = serve(OtlpGrpcReceiver::new(exporter).routes()).await;

    // A level that this crate does not use, so that compressing again would show.
    let compressed = gzip(9, &encoded(Signal::Traces, 2000));
    let answer = post(
        &connect(relay).await,
        TRACES_PATH,
        &[("grpc-encoding", "gzip")],
        framed(true, &compressed),
    )
    .await;
    assert_eq!(answer.code(), Code::Ok);
    // The backend kept the form in which it came to it.
    let arrived = seen.recv().await.expect("a request");
    let arrived = arrived.body(Encoding::Protobuf, Compression::Gzip);
    assert_eq!(arrived.expect("a body"), compressed);
}

#[tokio::test]
async fn errors_keep_their_kind_and_advice_across_the_wire() {
    let rows = [
        (ErrorKind::Rejected, RetryAdvice::Never),
        (ErrorKind::TooLarge, RetryAdvice::Never),
        (ErrorKind::Unsupported, RetryAdvice::Never),
        (ErrorKind::Unavailable, RetryAdvice::Backoff),
        (ErrorKind::Timeout, RetryAdvice::Backoff),
        (
            ErrorKind::Throttled,
            RetryAdvice::After(Duration::from_millis(2500)),
        ),
    ];
    let (exporter, _seen) = recorder_with(move |request| {
        let (kind, retry) = rows[request.items() as usize];
        Err(ExportError::new(kind, "because of a").with_retry(retry))
    });
    let address = serve(OtlpGrpcReceiver::new(exporter).routes()).await;
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(address.to_string())
        .build()
        .expect("valid");
    for (items, (kind, retry)) in rows.into_iter().enumerate() {
        let error = export(&exporter, request(Signal::Logs, items)).await;
        let error = error.expect_err("an error");
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{error}");
        assert_eq!(error.exporter(), Some("otlp-grpc"));
        assert_eq!(error.endpoint(), Some(&*format!("http://{address}")));
        assert!(error.to_string().contains("because of a"), "{error}");
    }
}

#[tokio::test]
async fn retry_info_of_another_server_is_read() {
    fn throttled() -> Status {
        // google.rpc.Status { code: 8, details: [RetryInfo { retry_delay: 90.5 s }] }
        let type_url = b"type.googleapis.com/google.rpc.RetryInfo";
        let duration = [0x08, 90, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];
        let mut any = vec![0x0a, type_url.len() as u8];
        any.extend(type_url);
        any.extend([0x12, 2 + duration.len() as u8, 0x0a, duration.len() as u8]);
        any.extend(duration);
        let mut status = vec![0x08, 8, 0x1a, any.len() as u8];
        status.extend(any);
        Status::with_details(Code::ResourceExhausted, "slow down", status.into())
    }
    let mut peer = Peer {
        fails_with: Some(throttled),
        ..Peer::default()
    };
    let exporter = to(&peer).await.build().expect("valid");
    let error = export(&exporter, request(Signal::Traces, 1)).await;
    let error = error.expect_err("throttled");
    assert_eq!(error.kind(), ErrorKind::Throttled);
    let delay = Duration::from_millis(90_500);
    assert_eq!(error.retry(), RetryAdvice::After(delay));

    // Without RetryInfo, OTLP says not to send it again; a user may say otherwise.
    peer.fails_with = Some(|| Status::resource_exhausted("slow down"));
    let options = to(&peer).await;
    let exporter = options.clone().build().expect("valid");
    let error = export(&exporter, request(Signal::Traces, 1)).await;
    assert_eq!(error.expect_err("throttled").retry(), RetryAdvice::Never);
    let exporter = options
        .on_status(
            Code::ResourceExhausted,
            ErrorKind::Throttled,
            RetryAdvice::Backoff,
        )
        .build()
        .expect("valid");
    let error = export(&exporter, request(Signal::Traces, 1)).await;
    assert_eq!(error.expect_err("throttled").retry(), RetryAdvice::Backoff);
}

#[tokio::test]
async fn partial_success_is_counted() {
    let peer = Peer {
        rejected: 2,
        message: "too old",
        ..Peer::default()
    };
    // The trace service answers compressed.
    let exporter = to(&peer).await.build().expect("valid");
    for signal in Signal::ALL {
        let response = export(&exporter, request(signal, 5)).await;
        let response = response.expect("taken");
        assert_eq!(response.delivered_items(), 3);
        assert_eq!(response.rejected_items(), 2);
        assert_eq!(response.message(), Some("too old"));
        let destination = response.destination().expect("set");
        assert!(destination.contains("http://127.0.0.1:"), "{destination}");
    }
}

#[tokio::test]
async fn too_large_is_refused_by_us_and_understood_from_the_server() {
    let peer = Peer::default();
    let options = to(&peer).await;
    let exporter = options.max_request_bytes(1000).build().expect("valid");
    let error = export(&exporter, request(Signal::Traces, 1000)).await;
    assert_eq!(error.expect_err("too large").kind(), ErrorKind::TooLarge);
    assert!(peer.taken().is_empty(), "it was not sent");

    let small = TraceServiceServer::new(peer.clone()).max_decoding_message_size(1000);
    let tonic_server = serve(Routes::new(small)).await;
    let (sink, _seen) = recorder();
    let receiver = OtlpGrpcReceiver::new(sink).max_message_bytes(1000);
    let our_server = serve(receiver.routes()).await;
    for (address, compression) in [
        (tonic_server, Compression::None),
        (our_server, Compression::None),
        (our_server, Compression::Gzip),
    ] {
        let exporter = OtlpGrpcExporter::builder()
            .endpoint(address.to_string())
            .compression(compression)
            .build()
            .expect("valid");
        let error = export(&exporter, request(Signal::Traces, 1000)).await;
        let error = error.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert!(!error.is_retryable());
    }

    // Refused while most of it is still on its way: the status must not get lost.
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(our_server.to_string())
        .build()
        .expect("valid");
    let large = request(Signal::Traces, 40_000);
    for _ in 0..10 {
        let error = export(&exporter, large.clone()).await;
        let error = error.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
}

#[tokio::test]
async fn headers_are_sent_and_forwarded() {
    let peer = Peer::default();
    let options = to(&peer)
        .await
        .header("authorization", "Bearer ours")
        .headers([("x-one", "1")])
        .user_agent("agent/1.0")
        .timeout(Duration::from_secs(7));
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let metadata = Metadata::default()
        .with_header("authorization", "Bearer theirs")
        .with_header("x-two", "2")
        .with_trace_context(traceparent, Some("a=1".into()));
    let request = request(Signal::Metrics, 1).with_metadata(metadata);

    let exporter = options.clone().build().expect("valid");
    export(&exporter, request.clone()).await.expect("delivered");
    let taken = peer.taken();
    let headers = taken[0].metadata.clone().into_headers();
    assert_eq!(headers["authorization"], "Bearer ours");
    assert_eq!(headers["x-one"], "1");
    assert_eq!(headers["grpc-timeout"], "7000m");
    let agent = headers["user-agent"].to_str().expect("text");
    assert!(
        agent.starts_with("agent/1.0 OTel-OTLP-Exporter-Rust-tower/"),
        "{agent}"
    );
    assert!(!headers.contains_key("x-two"));
    assert!(!headers.contains_key("traceparent"));

    let exporter = options.forward_headers(true).build().expect("valid");
    export(&exporter, request).await.expect("delivered");
    let taken = peer.taken();
    let headers = taken[0].metadata.clone().into_headers();
    let all: Vec<_> = headers.get_all("authorization").iter().collect();
    assert_eq!(all, ["Bearer ours"]);
    assert_eq!(headers["x-two"], "2");
    assert_eq!(headers["traceparent"], traceparent);
    assert_eq!(headers["tracestate"], "a=1");
}

#[tokio::test]
async fn tower_layers_fit_below() {
    let peer = Peer::default();
    let exporter = to(&peer).await.build_with(|channel| {
        ServiceBuilder::new()
            .map_request(|mut request: http::Request<Body>| {
                let token = HeaderValue::from_static("Bearer fresh");
                request.headers_mut().insert("authorization", token);
                request
            })
            .concurrency_limit(4)
            .service(channel)
    });
    let exporter = exporter.expect("valid");
    export(&exporter, request(Signal::Traces, 1))
        .await
        .expect("delivered");
    let token = peer.taken()[0].metadata.get("authorization").cloned();
    assert_eq!(token.expect("set"), "Bearer fresh");

    // tonic's interceptors, too.
    let exporter = to(&peer).await.build_with(|channel| {
        tonic::service::interceptor::InterceptedService::new(channel, |_: tonic::Request<()>| {
            Err(Status::unauthenticated("no token yet"))
        })
    });
    let error = export(&exporter.expect("valid"), request(Signal::Traces, 1)).await;
    let error = error.expect_err("intercepted");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
}

#[tokio::test]
async fn any_grpc_service_will_do() {
    // Our own receiver, in process: no socket at all.
    let (sink, mut seen) = recorder();
    let exporter = OtlpGrpcExporter::new(OtlpGrpcReceiver::new(sink))
        .with_origin(http::Uri::from_static("https://in.process:1"));
    let response = export(&exporter, request(Signal::Logs, 4)).await;
    let response = response.expect("delivered");
    assert_eq!(response.delivered_items(), 4);
    let destination = response.destination().expect("set");
    assert_eq!(destination, "otlp-grpc exporter (https://in.process:1)");
    assert_eq!(seen.recv().await.expect("a request").items(), 4);
}

/// Serves the routes on a Unix socket until the sender of the signal is dropped or used.
fn serve_unix(path: &Path, routes: Routes) -> tokio::sync::oneshot::Sender<()> {
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let listener = UnixListener::bind(path).expect("binds");
    let server = Server::builder()
        .add_routes(routes)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), async {
            let _ = stopped.await;
        });
    tokio::spawn(server);
    stop
}

#[cfg(unix)]
#[tokio::test]
async fn an_exporter_outlives_its_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otlp.sock");
    let peer = Peer::default();
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(format!("unix:{}", path.display()))
        .build()
        .expect("valid");

    // Not there yet.
    let error = export(&exporter, request(Signal::Traces, 1)).await;
    let error = error.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable());
    assert!(error.to_string().contains("otlp.sock"), "{error}");

    // There.
    let stop = serve_unix(&path, peer_routes(&peer));
    export(&exporter, request(Signal::Traces, 1))
        .await
        .expect("delivered");

    // Gone again: the listener of a server that stops is closed before its connections are.
    drop(stop);
    std::fs::remove_file(&path).expect("removes");
    loop {
        match export(&exporter, request(Signal::Traces, 1)).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                break;
            }
        }
    }

    // Back.
    let _stop = serve_unix(&path, peer_routes(&peer));
    export(&exporter, request(Signal::Traces, 1))
        .await
        .expect("delivered");
}

#[tokio::test]
async fn an_unreachable_endpoint_is_named() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(address.to_string())
        .build();
    let mut exporter = exporter.expect("valid");
    for _ in 0..3 {
        // The same instance all the while: it is never dead.
        let ready = exporter.ready().await.expect("ready");
        let error = ready.call(request(Signal::Traces, 1)).await;
        let error = error.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let text = error.to_string();
        assert!(text.contains(&format!("http://{address}")), "{text}");
        assert!(text.to_lowercase().contains("refused"), "{text}");
    }
}

/// A gRPC service that answers nothing, or something odd.
#[derive(Clone)]
struct Odd(fn() -> Option<http::Response<Body>>);

impl Service<http::Request<Body>> for Odd {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = futures_util::future::Either<
        std::future::Ready<Result<Self::Response, Infallible>>,
        std::future::Pending<Result<Self::Response, Infallible>>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        use futures_util::future::Either;
        match (self.0)() {
            Some(response) => Either::Left(std::future::ready(Ok(response))),
            None => Either::Right(std::future::pending()),
        }
    }
}

async fn odd(service: fn() -> Option<http::Response<Body>>) -> Outcome {
    let exporter = OtlpGrpcExporter::builder()
        .timeout(Duration::from_secs(4))
        .build_on(Odd(service))
        .expect("valid");
    exporter.oneshot(request(Signal::Traces, 3)).await
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_a_timeout() {
    let start = tokio::time::Instant::now();
    let error = odd(|| None).await.expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("4s"), "{error}");
    assert_eq!(start.elapsed().as_secs(), 4);

    // An answer of which only the head comes.
    let error = odd(|| {
        let never = tokio_stream::pending::<Result<http_body::Frame<Bytes>, Infallible>>();
        Some(http::Response::new(Body::new(
            http_body_util::StreamBody::new(never),
        )))
    })
    .await
    .expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    let exporter = OtlpGrpcExporter::builder()
        .endpoint(address.to_string())
        .timeout(Duration::from_millis(50))
        .build()
        .expect("valid");
    let error = export(&exporter, request(Signal::Traces, 1)).await;
    assert_eq!(error.expect_err("no answer").kind(), ErrorKind::Timeout);

    // A channel keeps to the header of its own accord.
    let mut channel = exporter.into_inner();
    let call = http::Request::post(TRACES_PATH)
        .header("grpc-timeout", "50m")
        .body(Body::empty())
        .expect("a request");
    let ready = channel.ready().await.expect("ready");
    let error = ready.call(call).await.expect_err("no answer");
    let error = ExportError::from(tower::BoxError::from(error));
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn odd_answers() {
    // A proxy that speaks no gRPC.
    let error = odd(|| {
        let page = Full::new(Bytes::from_static(b"<html>"));
        let mut response = http::Response::new(Body::new(page));
        *response.status_mut() = http::StatusCode::BAD_GATEWAY;
        Some(response)
    })
    .await
    .expect_err("a proxy's page");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("502"), "{error}");

    // The answer ends without a status: nobody knows whether the data was taken.
    let error = odd(|| Some(http::Response::new(Body::empty())))
        .await
        .expect_err("no status");
    assert!(error.is_retryable(), "{error}");

    // Taken, but the message is garbage: it must not be sent again.
    let response = odd(|| {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let body = Full::new(framed(true, b"not compressed"))
            .with_trailers(std::future::ready(Some(Ok(trailers))));
        Some(http::Response::new(Body::new(body)))
    })
    .await
    .expect("taken");
    assert_eq!(response.delivered_items(), 3);

    // Details that are not base64.
    let error = odd(|| {
        let response = http::Response::builder()
            .header("grpc-status", "14")
            .header("grpc-status-details-bin", "~~~");
        response.body(Body::empty()).ok()
    })
    .await
    .expect_err("unavailable");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[derive(Clone)]
struct Dead;

impl Service<http::Request<Body>> for Dead {
    type Response = http::Response<Body>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Err(io::Error::other("dead")))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        std::future::ready(Err(io::Error::other("called while not ready")))
    }
}

#[tokio::test]
async fn readiness_is_that_of_the_service_below() {
    let mut exporter = OtlpGrpcExporter::new(Dead);
    let error = exporter.ready().await.expect_err("dead");
    assert!(error.to_string().contains("dead"), "{error}");
    assert_eq!(error.exporter(), Some("otlp-grpc"));
}

struct Pki {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("an authority");
        Self { ca }
    }

    fn pem(&self) -> String {
        self.ca.pem()
    }

    /// Certificate and key, PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new([name.to_owned()])
            .and_then(|params| params.signed_by(&key, &self.ca))
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// Serves with TLS; gives the endpoint.
async fn serve_tls(tls: ServerTlsConfig, peer: &Peer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(
        Server::builder()
            .tls_config(tls)
            .expect("valid")
            .add_routes(peer_routes(peer))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    format!("https://localhost:{port}")
}

async fn export_tls(endpoint: &str, tls: TlsOptions) -> Outcome {
    let exporter = OtlpGrpcExporter::builder().endpoint(endpoint).tls(tls);
    let exporter = exporter.build().expect("valid");
    exporter.oneshot(request(Signal::Traces, 2)).await
}

#[tokio::test]
async fn tls_checks_the_server() {
    let peer = Peer::default();
    let pki = Pki::new("ours");
    let (certificate, key) = pki.issue("localhost");
    let identity = Identity::from_pem(certificate, key);
    let endpoint = serve_tls(ServerTlsConfig::new().identity(identity), &peer).await;

    let trusted = TlsOptions::default().ca_pem(pki.pem());
    let response = export_tls(&endpoint, trusted.clone()).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);

    // Another authority.
    let stranger = TlsOptions::default().ca_pem(Pki::new("strange").pem());
    let error = export_tls(&endpoint, stranger)
        .await
        .expect_err("untrusted");
    let text = error.to_string();
    assert!(text.contains("certificate"), "{text}");
    assert!(text.contains(&endpoint), "{text}");

    // Another name.
    let error = export_tls(&endpoint, trusted.clone().server_name("example.com")).await;
    let text = error.expect_err("another name").to_string();
    assert!(text.contains("certificate"), "{text}");

    // Plain text to a TLS port.
    let plain = OtlpGrpcExporter::builder()
        .endpoint(endpoint.replace("https", "http"))
        .build()
        .expect("valid");
    let error = export(&plain, request(Signal::Traces, 2)).await;
    assert_eq!(error.expect_err("no TLS").kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn mutual_tls_checks_the_client() {
    let peer = Peer::default();
    let pki = Pki::new("ours");
    let (certificate, key) = pki.issue("localhost");
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(pki.pem()));
    let endpoint = serve_tls(tls, &peer).await;
    let trusted = TlsOptions::default().ca_pem(pki.pem());

    let (certificate, key) = pki.issue("client");
    let known = trusted.clone().identity_pem(certificate, key);
    let response = export_tls(&endpoint, known).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);
    assert_eq!(peer.taken().len(), 1);

    let error = export_tls(&endpoint, trusted.clone()).await;
    let error = error.expect_err("no client certificate");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");

    let (certificate, key) = Pki::new("strange").issue("client");
    let stranger = trusted.identity_pem(certificate, key);
    let error = export_tls(&endpoint, stranger).await;
    let error = error.expect_err("a stranger's certificate");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(peer.taken().is_empty());
}

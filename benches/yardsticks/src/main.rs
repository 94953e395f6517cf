//! The sink and the two relays: the first argument says which.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_client::TraceServiceClient,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{NamedService, UnaryService},
    transport::{Channel, Endpoint, Server},
};
use tower::Service;

const SERVICE: &str = "opentelemetry.proto.collector.trace.v1.TraceService";
const WINDOW: u32 = 1 << 20;

/// Where to send, and whether with gzip, out of the arguments that the gateway takes.
fn target() -> (Channel, bool) {
    let to = std::env::args()
        .skip_while(|arg| arg != "--to")
        .nth(1)
        .expect("--to");
    let gzip = to.ends_with("?compression=gzip");
    let address = to
        .trim_start_matches("otlp+grpc://")
        .trim_end_matches("?compression=gzip");
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("an address")
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(4 * WINDOW)
        .connect_lazy();
    (channel, gzip)
}

fn serve<S>(service: impl FnOnce() -> S)
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    // As many threads as the gateway's own runtime has by default.
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
            eprintln!("ready grpc={}", listener.local_addr().expect("bound"));
            Server::builder()
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(4 * WINDOW)
                .add_service(service())
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .expect("serves");
        });
}

/// Takes everything and answers OK.
#[derive(Clone)]
struct Sink;

impl NamedService for Sink {
    const NAME: &'static str = SERVICE;
}

impl Service<http::Request<Body>> for Sink {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                drop(frame);
            }
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            let empty = http_body_util::Full::new(Bytes::from_static(&[0; 5]))
                .with_trailers(async move { Some(Ok(trailers)) });
            Ok(http::Response::builder()
                .header("content-type", "application/grpc")
                .body(Body::new(empty))
                .expect("valid"))
        })
    }
}

fn sink() {
    serve(|| Sink);
}

struct Obvious(TraceServiceClient<Channel>);

#[tonic::async_trait]
impl TraceService for Obvious {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.clone().export(request.into_inner()).await
    }
}

fn obvious() {
    serve(|| {
        let (channel, gzip) = target();
        let mut client = TraceServiceClient::new(channel);
        if gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        TraceServiceServer::new(Obvious(client)).accept_compressed(CompressionEncoding::Gzip)
    });
}

/// A codec that hands the message over as it is.
#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

#[derive(Clone)]
struct Relay {
    client: tonic::client::Grpc<Channel>,
}

impl NamedService for Relay {
    const NAME: &'static str = SERVICE;
}

impl UnaryService<Bytes> for Relay {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let mut client = self.client.clone();
        Box::pin(async move {
            client
                .ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            let path = http::uri::PathAndQuery::from_static(
                "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            );
            let message = Request::new(request.into_inner());
            client.unary(message, path, BytesCodec).await
        })
    }
}

impl Service<http::Request<Body>> for Relay {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let relay = self.clone();
        Box::pin(async move {
            let mut grpc =
                tonic::server::Grpc::new(BytesCodec).accept_compressed(CompressionEncoding::Gzip);
            Ok(grpc.unary(relay, request).await)
        })
    }
}

fn bytes() {
    serve(|| {
        let (channel, gzip) = target();
        let mut client = tonic::client::Grpc::new(channel);
        if gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        Relay { client }
    });
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("sink") => sink(),
        Some("obvious") => obvious(),
        Some("bytes") => bytes(),
        other => panic!("sink, obvious or bytes, and not {other:?}"),
    }
}

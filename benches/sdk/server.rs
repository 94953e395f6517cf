//! A collector that takes everything and looks at nothing, in a process of its own: what it does
//! is not measured.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

/// The argument that makes this program the server.
pub(crate) const SERVE: &str = "--serve";

/// The server's process.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program)
            .arg(SERVE)
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut address = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut address)
            .expect("the server's address");
        Self {
            process,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                // With the default window a client would wait for round trips in each batch.
                server
                    .http2()
                    .initial_stream_window_size(1 << 20)
                    .initial_connection_window_size(4 << 20);
                let answers = service_fn(answer);
                let _ = server.serve_connection(TokioIo::new(stream), answers).await;
            });
        }
    });
}

async fn answer(
    request: http::Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let is_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"));
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    let (media, body) = if is_grpc {
        // One empty message, and the status 0.
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let body = Full::new(Bytes::from_static(&[0; 5]));
        let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
        ("application/grpc", body.boxed())
    } else {
        ("application/x-protobuf", Full::default().boxed())
    };
    let mut response = Response::new(body);
    let media = HeaderValue::from_static(media);
    response.headers_mut().insert(CONTENT_TYPE, media);
    Ok(response)
}

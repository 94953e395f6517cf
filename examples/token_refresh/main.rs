//! A token that has to be refreshed, as one tower layer below both OTLP exporters.
//!
//! `cargo run --example token_refresh`
//!
//! The backend takes each token for six requests, and then answers 401 or UNAUTHENTICATED. The
//! layer throws that token away, and the retry above sends the request again, with a new one.

mod backend;
mod refresh;

use std::{sync::Arc, time::Duration};

use backend::Backend;
use futures_util::future::try_join_all;
use http::{HeaderValue, StatusCode};
use refresh::{RefreshTokenLayer, Token};
use tokio::{sync::Mutex, time::Instant};
use tower::{BoxError, ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExporterExt, ServiceBuilderExt, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    layers::retry::RetryPolicy,
};

/// Asks the token endpoint.
async fn fetch(client: reqwest::Client, url: String) -> Result<Token, ExportError> {
    let unavailable = |what| ExportError::new(ErrorKind::Unavailable, what);
    let sent = client.post(url).send().await;
    let answer = sent.map_err(|error| unavailable("no token").with_source(error))?;
    match answer.status() {
        StatusCode::OK => {}
        // Until somebody repairs the credentials it is of no use to ask again.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let what = "the token endpoint does not accept the credentials";
            return Err(ExportError::new(ErrorKind::Unauthenticated, what));
        }
        _ => return Err(unavailable("the token endpoint does not work")),
    }
    let body = answer.bytes().await;
    let body = body.map_err(|error| unavailable("no token").with_source(error))?;
    let read = |body: &[u8]| {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        let mut header = HeaderValue::try_from(format!("Bearer {}", body["token"].as_str()?));
        header.as_mut().ok()?.set_sensitive(true);
        let lifetime = Duration::from_secs(body["expires_in"].as_u64()?);
        Some(Token {
            header: header.ok()?,
            refresh_at: Instant::now() + lifetime.mul_f64(0.9),
        })
    };
    read(&body).ok_or_else(|| unavailable("the token endpoint sent no token"))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let backend = Arc::new(Mutex::new(Backend::default()));
    let url = backend::serve(Arc::clone(&backend)).await?;

    let client = reqwest::Client::builder().no_proxy().build()?;
    let endpoint = format!("{url}/token");
    let token = RefreshTokenLayer::new(move || fetch(client.clone(), endpoint.clone()));
    let grpc = OtlpGrpcExporter::builder()
        .endpoint(&url)
        .build_with(|channel| ServiceBuilder::new().layer(&token).service(channel))?;
    let http = OtlpHttpExporter::builder()
        .endpoint(&url)
        .no_proxy()
        .build_with(|client| ServiceBuilder::new().layer(&token).service(client))?;

    // A refused token is a final error, unless the policy says otherwise.
    let policy = RetryPolicy::new()
        .initial_backoff(Duration::from_millis(20))
        .also_retry(ErrorKind::Unauthenticated, 1);
    let retry = |exporter| {
        ServiceBuilder::new()
            .export_retry(policy.clone())
            .service(exporter)
    };
    let pipelines = [retry(grpc.boxed_exporter()), retry(http.boxed_exporter())];

    // A record without content: ResourceLogs { scope_logs { log_records { } } }
    let record = ExportRequest::from_protobuf(Signal::Logs, &b"\x0a\x04\x12\x02\x12\x00"[..])?;
    let mut delivered = 0;
    for _ in 0..3 {
        for pipeline in &pipelines {
            // Four at a time: they share a fetch.
            let four = [(); 4].map(|()| pipeline.clone().oneshot(record.clone()));
            for response in try_join_all(four).await? {
                delivered += response.delivered_items();
            }
        }
    }

    let Backend {
        tokens,
        stored,
        refused,
        ..
    } = *backend.lock().await;
    println!("log records sent       24   over gRPC and HTTP");
    println!("  delivered            {delivered:>2}");
    println!("  stored               {stored:>2}");
    println!("attempts refused       {refused:>2}   the token was used up");
    println!("tokens fetched         {tokens:>2}");
    assert_eq!(
        (delivered, stored),
        (24, 24),
        "something was lost or doubled"
    );
    assert_eq!((tokens, refused), (4, 8), "requests did not share a fetch");
    Ok(())
}

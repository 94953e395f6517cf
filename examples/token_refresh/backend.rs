//! The backend of the example: OTLP over gRPC and HTTP, and the tokens that it wants, on one port.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{StatusCode, header::AUTHORIZATION};
use tokio::{net::TcpListener, sync::Mutex};
use tower::{BoxError, service_fn};
use tower_otlp::{
    ExportError, ExportRequest, ExportResponse,
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
};

/// Issues tokens, and takes the newest one for six requests.
#[derive(Default)]
pub struct Backend {
    pub tokens: u64,
    left: u32,
    pub stored: u64,
    pub refused: u64,
}

type Shared = State<Arc<Mutex<Backend>>>;

async fn issue(State(backend): Shared) -> Json<serde_json::Value> {
    let mut backend = backend.lock().await;
    backend.tokens += 1;
    backend.left = 6;
    let token = format!("s3cret-{}", backend.tokens);
    Json(serde_json::json!({ "token": token, "expires_in": 60 }))
}

async fn check(State(backend): Shared, request: Request, next: Next) -> Response {
    {
        let mut backend = backend.lock().await;
        let valid = format!("Bearer s3cret-{}", backend.tokens);
        let shown = request.headers().get(AUTHORIZATION);
        if backend.left == 0 || shown.is_none_or(|shown| shown != valid.as_str()) {
            backend.refused += 1;
            let is_grpc = request.headers()["content-type"] == "application/grpc";
            return match is_grpc {
                true => tonic::Status::unauthenticated("used up").into_http(),
                false => StatusCode::UNAUTHORIZED.into_response(),
            };
        }
        backend.left -= 1;
    }
    next.run(request).await
}

/// Serves it in the background, and returns its URL.
pub async fn serve(backend: Arc<Mutex<Backend>>) -> Result<String, BoxError> {
    let counts = Arc::clone(&backend);
    let store = service_fn(move |request: ExportRequest| {
        let counts = Arc::clone(&counts);
        async move {
            counts.lock().await.stored += request.items();
            Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
        }
    });
    let app: Router = OtlpGrpcReceiver::new(store.clone())
        .routes()
        .into_axum_router()
        .merge(OtlpHttpReceiver::new(store).into_axum_router())
        .layer(middleware::from_fn_with_state(Arc::clone(&backend), check))
        .merge(
            Router::new()
                .route("/token", post(issue))
                .with_state(backend),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

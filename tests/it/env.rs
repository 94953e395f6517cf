//! The `OTEL_EXPORTER_OTLP_*` variables, as far as a server sees them. None is set in the
//! process: the exporter is made from a table.

#![allow(clippy::expect_used, clippy::panic)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use http::{Request, Response, request::Parts};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_otlp::{
    BoxExporter, Signal,
    exporters::otlp::{EnvError, from_lookup},
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
};

use crate::support::{
    backend::{Backend, telemetry},
    http_server::{Authority, serve, serve_tls},
};

fn exporter(rows: &[(&str, &str)]) -> Result<BoxExporter, EnvError> {
    let rows: HashMap<String, String> = rows
        .iter()
        .map(|(name, value)| (format!("OTEL_EXPORTER_OTLP_{name}"), (*value).to_owned()))
        .collect();
    from_lookup(|name| rows.get(name).cloned())
}

/// Sends one item of this signal, and says how it went.
async fn send(exporter: &BoxExporter, signal: Signal) {
    let response = exporter.clone().oneshot(telemetry(signal, 1)).await;
    let response = response.unwrap_or_else(|error| panic!("{signal}: {error}"));
    assert_eq!(response.delivered_items(), 1, "{signal}");
}

/// A server that takes everything, and the heads of what it was sent.
async fn server() -> (String, Arc<Mutex<Vec<Parts>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let router = {
        let seen = Arc::clone(&seen);
        Router::new().fallback(move |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            body.collect().await.expect("a whole body");
            seen.lock().expect("no panic").push(parts);
            Response::new(Body::empty())
        })
    };
    (serve(router).await.to_string(), seen)
}

fn take(seen: &Mutex<Vec<Parts>>) -> Vec<String> {
    let seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    seen.iter()
        .map(|parts| {
            let header = |name: &str| match parts.headers.get(name) {
                Some(value) => value.to_str().expect("text").to_owned(),
                None => "-".to_owned(),
            };
            format!(
                "{} {} {} {}",
                parts.uri,
                header("content-type"),
                header("content-encoding"),
                header("x-key")
            )
        })
        .collect()
}

#[tokio::test]
async fn a_generic_endpoint_serves_all_signals() {
    let (address, seen) = server().await;
    let exporter = exporter(&[
        ("ENDPOINT", &format!("http://{address}/otlp")),
        ("HEADERS", "x-key=a%20b"),
        ("COMPRESSION", "gzip"),
    ])
    .expect("valid");
    for signal in Signal::ALL {
        send(&exporter, signal).await;
    }
    assert_eq!(
        take(&seen),
        [
            "/otlp/v1/traces application/x-protobuf gzip a b",
            "/otlp/v1/metrics application/x-protobuf gzip a b",
            "/otlp/v1/logs application/x-protobuf gzip a b",
        ]
    );
}

#[tokio::test]
async fn each_signal_has_its_own_settings() {
    let (general, seen) = server().await;
    let (special, seen_special) = server().await;
    let exporter = exporter(&[
        ("ENDPOINT", &format!("http://{general}")),
        ("HEADERS", "x-key=general"),
        ("TRACES_ENDPOINT", &format!("http://{special}")),
        ("TRACES_HEADERS", "x-key=special"),
        ("METRICS_PROTOCOL", "http/json"),
        ("LOGS_ENDPOINT", &format!("http://{special}/in/logs")),
        ("LOGS_COMPRESSION", "zstd"),
    ])
    .expect("valid");
    for signal in Signal::ALL {
        send(&exporter, signal).await;
    }
    assert_eq!(take(&seen), ["/v1/metrics application/json - general"]);
    assert_eq!(
        take(&seen_special),
        [
            // Used as it is; an empty path is the root.
            "/ application/x-protobuf - special",
            "/in/logs application/x-protobuf zstd general",
        ]
    );
}

#[tokio::test]
async fn signals_may_go_by_different_protocols() {
    let backend = Backend::new();
    let router = OtlpGrpcReceiver::new(backend.clone())
        .routes()
        .into_axum_router();
    let grpc = serve(router).await;
    let router = OtlpHttpReceiver::new(backend.clone()).into_axum_router();
    let http = serve(router).await;
    let exporter = exporter(&[
        ("ENDPOINT", &format!("http://{http}")),
        ("METRICS_PROTOCOL", "grpc"),
        ("METRICS_ENDPOINT", &grpc.to_string()),
        ("METRICS_INSECURE", "true"),
        ("METRICS_TIMEOUT", "0"),
    ])
    .expect("valid");
    for signal in Signal::ALL {
        send(&exporter, signal).await;
    }
    let signals: Vec<Signal> = backend.seen().iter().map(|seen| seen.signal()).collect();
    assert_eq!(signals, Signal::ALL);
}

#[tokio::test]
async fn certificates_come_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (servers, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = clients.issue("client");
    let authority = write("ca.pem", &servers.pem);
    let certificate = write("client.pem", &certificate);
    let key = write("client.key", &key);

    for protocol in ["http/protobuf", "grpc"] {
        let backend = Backend::new();
        let router = OtlpHttpReceiver::new(backend.clone())
            .into_axum_router()
            .merge(
                OtlpGrpcReceiver::new(backend.clone())
                    .routes()
                    .into_axum_router(),
            );
        let server = serve_tls(router, servers.server(Some(&clients))).await;
        let endpoint = format!("https://{server}");
        let exporter = exporter(&[
            ("PROTOCOL", protocol),
            ("ENDPOINT", &endpoint),
            ("CERTIFICATE", &authority),
            ("CLIENT_CERTIFICATE", &certificate),
            ("CLIENT_KEY", &key),
        ])
        .expect("valid");
        send(&exporter, Signal::Traces).await;
        assert_eq!(backend.only().items(), 1, "{protocol}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_named() {
    for (rows, variable, says) in [
        (&[("PROTOCOL", "thrift")][..], "PROTOCOL", "\"thrift\""),
        (
            &[("ENDPOINT", "collector:4318")],
            "ENDPOINT",
            "http:// or https://",
        ),
        (
            &[("ENDPOINT", "http://u:s3cret@h:x")],
            "ENDPOINT",
            "valid URL",
        ),
        (
            &[("LOGS_ENDPOINT", "ftp://s3cret")],
            "LOGS_ENDPOINT",
            "http://",
        ),
        (&[("HEADERS", "a=1,s3cret")], "HEADERS", "entry 2"),
        (&[("HEADERS", "a=s3cret%0a")], "HEADERS", "the value of a"),
        (
            &[("CERTIFICATE", "/nowhere/ca.pem")],
            "CERTIFICATE",
            "cannot be read",
        ),
        (
            &[("METRICS_CLIENT_KEY", "/nowhere")],
            "METRICS_CLIENT_KEY",
            "CLIENT_CERTIFICATE",
        ),
        (
            &[("PROTOCOL", "grpc"), ("ENDPOINT", "http://u:s3cret@h:1")],
            "ENDPOINT",
            "credentials",
        ),
    ] {
        let error = exporter(rows).expect_err(variable);
        assert_eq!(error.variable(), format!("OTEL_EXPORTER_OTLP_{variable}"));
        let shown = format!("{error} {error:?}");
        assert!(error.to_string().contains(says), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_none_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "not PEM").expect("writes");
    let path = file.path().to_str().expect("UTF-8");
    let error = exporter(&[("ENDPOINT", "https://localhost"), ("CERTIFICATE", path)]);
    let error = error.expect_err("not PEM");
    assert_eq!(error.variable(), "OTEL_EXPORTER_OTLP_CERTIFICATE");
    assert!(
        error.to_string().contains("holds no certificate"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_only_odd_is_ignored() {
    let (address, seen) = server().await;
    let exporter = exporter(&[
        ("ENDPOINT", &format!("http://{address}")),
        ("TIMEOUT", "-5"),
        ("COMPRESSION", "brotli"),
        ("LOGS_HEADERS", ""),
        ("INSECURE", "perhaps"),
    ])
    .expect("valid");
    send(&exporter, Signal::Logs).await;
    assert_eq!(take(&seen), ["/v1/logs application/x-protobuf - -"]);
}

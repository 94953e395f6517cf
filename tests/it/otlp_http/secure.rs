//! TLS and mutual TLS.

use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, ExportError, ExportResponse, Signal, TlsOptions,
    exporters::otlp::{OtlpHttpBuilder, OtlpHttpExporter},
    receivers::OtlpHttpReceiver,
};

use crate::support::{
    backend::{Backend, telemetry},
    http_server::{Authority, serve_tls},
};

/// An exporter to a server of this authority.
async fn to_server(
    authority: &Authority,
    clients: Option<&Authority>,
    backend: &Backend,
) -> OtlpHttpBuilder {
    let router = OtlpHttpReceiver::new(backend.clone()).into_axum_router();
    let server = serve_tls(router, authority.server(clients)).await;
    OtlpHttpExporter::builder()
        .endpoint(format!("https://{server}"))
        .no_proxy()
}

async fn export(builder: OtlpHttpBuilder) -> Result<ExportResponse, ExportError> {
    let exporter = builder.build()?;
    exporter.oneshot(telemetry(Signal::Traces, 3)).await
}

#[tokio::test]
async fn ones_own_authority_is_trusted() {
    let authority = Authority::new();
    let backend = Backend::new();
    let builder = to_server(&authority, None, &backend).await;
    let tls = TlsOptions::default().ca_pem(authority.pem.as_str());
    let response = export(builder.tls(tls)).await.expect("delivered");
    assert_eq!(response.delivered_items(), 3);
    assert_eq!(backend.only().items(), 3);
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let backend = Backend::new();
    let builder = to_server(&Authority::new(), None, &backend).await;
    let other = TlsOptions::default().ca_pem(Authority::new().pem);
    let error = export(builder.tls(other)).await.expect_err("not trusted");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(
        text.starts_with("otlp-http exporter (https://127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains("certificate"), "{text}");
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn a_client_proves_who_it_is() {
    let servers = Authority::new();
    let clients = Authority::new();
    let backend = Backend::new();
    let builder = to_server(&servers, Some(&clients), &backend).await;
    let tls = TlsOptions::default().ca_pem(servers.pem.as_str());

    let (certificate, key) = clients.issue("client");
    let known = tls.clone().identity_pem(certificate, key);
    let response = export(builder.clone().tls(known)).await.expect("delivered");
    assert_eq!(response.delivered_items(), 3);

    let (certificate, key) = servers.issue("stranger");
    let stranger = tls.clone().identity_pem(certificate, key);
    for refused in [stranger, tls] {
        let error = export(builder.clone().tls(refused)).await;
        let error = error.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn wrong_tls_options_are_errors_when_building() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue("client");
    let (other, _) = authority.issue("other");
    let tls = TlsOptions::default;
    for (options, says) in [
        (tls().ca_pem("not PEM"), "holds no certificate"),
        (tls().ca_pem(""), "holds no certificate"),
        (
            tls().native_roots(false),
            "no certificate authority to trust",
        ),
        (tls().identity_pem("", key.as_str()), "client certificate"),
        (
            tls().identity_pem(certificate.as_str(), "s3cret"),
            "client key",
        ),
        (
            tls().identity_pem(other, key.as_str()),
            "its key cannot be used",
        ),
        (tls().server_name("other"), "server name"),
    ] {
        let builder = OtlpHttpExporter::builder().endpoint("https://localhost");
        let error = builder.tls(options).build().expect_err(says);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = format!("{error} {error:?}");
        assert!(error.to_string().contains(says), "{text}");
        assert!(
            !text.contains("s3cret") && !text.contains("PRIVATE"),
            "{text}"
        );
    }
}

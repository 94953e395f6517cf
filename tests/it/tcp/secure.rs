//! TLS and mutual TLS.

use rustls::ServerConfig;
use tokio::io::AsyncReadExt;
use tower::ServiceExt;
use tower_otlp::{
    ErrorKind, ExportError, ExportResponse, Signal, TlsOptions, exporters::tcp::TcpExporter,
    from_url,
};

use super::{assert_line, exporter};
use crate::support::{
    backend::telemetry,
    http_server::Authority,
    listener::{Listener, within},
};

/// A server that reads one line and then waits for the end; what it saw, if it got so far.
async fn serve_one(listener: Listener, config: ServerConfig) -> bool {
    let Ok(mut stream) = listener.accept_tls(config).await else {
        return false;
    };
    assert_line(&mut stream, &telemetry(Signal::Logs, 3)).await;
    // A farewell, and not just the end of the connection.
    let mut rest = Vec::new();
    within(stream.read_to_end(&mut rest))
        .await
        .expect("in good order");
    assert!(rest.is_empty());
    true
}

/// Sends one request; says what came of it on either side.
async fn exchange(
    config: ServerConfig,
    tls: TlsOptions,
) -> (Result<ExportResponse, ExportError>, bool) {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).tls(tls).build().unwrap();
    let server = tokio::spawn(serve_one(listener, config));
    let sent = exporter.oneshot(telemetry(Signal::Logs, 3)).await;
    (sent, within(server).await.unwrap())
}

#[tokio::test]
async fn ones_own_authority_is_trusted() {
    let authority = Authority::new();
    let tls = TlsOptions::default().ca_pem(authority.pem.as_str());
    let (sent, arrived) = exchange(authority.server(None), tls).await;
    assert_eq!(sent.expect("delivered").delivered_items(), 3);
    assert!(arrived);
}

#[tokio::test]
async fn a_server_that_sends_no_tickets_is_not_waited_for_long() {
    let authority = Authority::new();
    let mut config = authority.server(None);
    config.send_tls13_tickets = 0;
    let tls = TlsOptions::default().ca_pem(authority.pem.as_str());
    let (sent, arrived) = exchange(config, tls).await;
    assert_eq!(sent.expect("delivered").delivered_items(), 3);
    assert!(arrived);
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let tls = TlsOptions::default().ca_pem(Authority::new().pem);
    let (sent, arrived) = exchange(Authority::new().server(None), tls).await;
    let error = sent.expect_err("not trusted");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("the TLS handshake failed"), "{text}");
    assert!(text.contains("certificate"), "{text}");
    assert!(!arrived);
}

#[tokio::test]
async fn the_server_name_is_checked() {
    let authority = Authority::new();
    let tls = TlsOptions::default()
        .ca_pem(authority.pem.as_str())
        .server_name("logs.example");
    let (sent, arrived) = exchange(authority.server(None), tls).await;
    assert_eq!(sent.expect_err("127.0.0.1").kind(), ErrorKind::Unavailable);
    assert!(!arrived);
}

#[tokio::test]
async fn a_client_proves_who_it_is() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let tls = TlsOptions::default().ca_pem(servers.pem.as_str());
    let (certificate, key) = clients.issue("client");
    let known = tls.clone().identity_pem(certificate, key);
    let (sent, arrived) = exchange(servers.server(Some(&clients)), known).await;
    assert_eq!(sent.expect("delivered").delivered_items(), 3);
    assert!(arrived);
}

/// In TLS 1.3 the client is done before the server has seen its certificate.
#[tokio::test]
async fn a_refusal_behind_the_handshake_is_not_taken_for_a_delivery() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let tls = TlsOptions::default().ca_pem(servers.pem.as_str());
    let (certificate, key) = servers.issue("stranger");
    let stranger = tls.clone().identity_pem(certificate, key);
    for refused in [stranger, tls] {
        let (sent, arrived) = exchange(servers.server(Some(&clients)), refused).await;
        let error = sent.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(
            error.to_string().contains("the TLS server refused"),
            "{error}"
        );
        assert!(!arrived);
    }
}

#[tokio::test]
async fn a_plain_server_fails_the_handshake() {
    use tokio::io::AsyncWriteExt;
    let listener = Listener::bind().await;
    let tls = TlsOptions::default().ca_pem(Authority::new().pem);
    let exporter = exporter(&listener).tls(tls).build().unwrap();
    let attempt = tokio::spawn(exporter.oneshot(telemetry(Signal::Logs, 3)));
    let mut socket = listener.accept().await;
    socket.write_all(b"220 hello\r\n").await.unwrap();
    let error = within(attempt).await.unwrap().expect_err("no TLS");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("handshake"), "{error}");
}

#[tokio::test]
async fn urls() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (servers, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = clients.issue("client");
    let (ca, cert, key) = (
        file("ca", &servers.pem),
        file("cert", &certificate),
        file("key", &key),
    );
    let listener = Listener::bind().await;
    let port = listener.address.port();
    let url = format!(
        "tcp+tls://localhost:{port}?ca={ca}&cert={cert}&key={key}&native_roots=false&server_name=127.0.0.1"
    );
    let exporter = from_url(&url).unwrap_or_else(|error| panic!("{error}"));
    let server = tokio::spawn(serve_one(listener, servers.server(Some(&clients))));
    let sent = exporter.oneshot(telemetry(Signal::Logs, 3)).await;
    assert_eq!(sent.expect("delivered").delivered_items(), 3);
    assert!(within(server).await.unwrap());
}

#[test]
fn wrong_tls_options_are_errors_when_building_and_keys_are_never_shown() {
    let (certificate, _) = Authority::new().issue("client");
    let tls = TlsOptions::default;
    for (options, says) in [
        (tls().ca_pem("not PEM"), "holds no certificate"),
        (
            tls().native_roots(false),
            "no certificate authority to trust",
        ),
        (
            tls().identity_pem(certificate.as_str(), "s3cret"),
            "client key",
        ),
        (tls().server_name("a b"), "server name"),
    ] {
        let builder = TcpExporter::builder().endpoint("localhost:1").tls(options);
        assert!(!format!("{builder:?}").contains("s3cret"));
        let error = builder.build().expect_err(says);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let authority = Authority::new();
    let (certificate, key) = authority.issue("client");
    let options = tls()
        .ca_pem(authority.pem.as_str())
        .identity_pem(certificate, key);
    let exporter = TcpExporter::builder().endpoint("localhost:1").tls(options);
    let text = format!("{exporter:?} {:?}", exporter.clone().build().unwrap());
    assert!(
        !text.contains("PRIVATE") && text.contains("tcp+tls://localhost:1"),
        "{text}"
    );
}

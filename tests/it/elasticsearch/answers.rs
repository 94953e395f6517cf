//! What stands in a request, and what the status of its answer means.

use std::{io::Read as _, time::Duration};

use http::StatusCode;
use tower::ServiceExt;
use tower_otlp::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, Signal,
    exporters::elasticsearch::{
        BulkFormat, ElasticsearchBuilder, ElasticsearchExporter, Mapping, Product,
    },
    from_url,
};

use super::{bodies, logs, server::Server};
use crate::support::{
    backend::telemetry,
    http_server::{Authority, serve, serve_tls},
};

fn builder() -> ElasticsearchBuilder {
    ElasticsearchExporter::builder().no_proxy()
}

async fn export(server: &Server, request: ExportRequest) -> Result<ExportResponse, ExportError> {
    let address = serve(server.router()).await;
    let exporter = builder().endpoint(format!("http://{address}")).build()?;
    exporter.oneshot(request).await
}

#[tokio::test]
async fn what_stands_in_a_request() {
    let server = Server::new();
    let address = serve(server.router()).await;
    let exporter = builder()
        .endpoint(format!("http://elastic:p%40ss@{address}/proxied/"))
        .pipeline("my pipeline")
        .require_data_stream(true)
        .header("x-tenant", "blue")
        .user_agent("shop/1.2")
        .build()
        .expect("valid");
    let response = exporter
        .oneshot(logs(&["a", "b"]))
        .await
        .expect("delivered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (2, 0)
    );
    let destination = format!("elasticsearch exporter (http://{address}/proxied/_bulk)");
    assert_eq!(response.destination(), Some(destination.as_str()));
    assert_eq!(response.message(), None);

    let (parts, body) = server.request();
    assert_eq!(
        (parts.method.as_str(), parts.uri.path()),
        ("POST", "/proxied/_bulk")
    );
    let query = parts.uri.query().expect("a query");
    for part in [
        "filter_path=errors%2Citems.*.status%2Citems.*.failure_store%2Citems.*.error.type%2Citems.*.error.reason",
        "pipeline=my+pipeline",
        "require_data_stream=true",
    ] {
        assert!(query.split('&').any(|found| found == part), "{query}");
    }
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    assert_eq!(header("content-type"), Some("application/x-ndjson"));
    assert_eq!(header("content-encoding"), None);
    // elastic:p@ss
    assert_eq!(header("authorization"), Some("Basic ZWxhc3RpYzpwQHNz"));
    assert_eq!(header("x-tenant"), Some("blue"));
    let agent = header("user-agent").expect("there");
    assert!(agent.starts_with("shop/1.2 tower-otlp/"), "{agent}");
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 4);
    assert!(body.ends_with(b"\n"));
    assert_eq!(server.texts(), ["a", "b"]);
}

#[tokio::test]
async fn a_key_is_sent_in_base64() {
    for (key, expected) in [
        ("id:key", "ApiKey aWQ6a2V5"),
        ("aWQ6a2V5", "ApiKey aWQ6a2V5"),
    ] {
        let server = Server::new();
        let exporter = builder()
            .api_key(key)
            .build_on(server.router())
            .expect("valid");
        exporter.oneshot(logs(&["a"])).await.expect("delivered");
        let (parts, _) = server.request();
        assert_eq!(parts.headers["authorization"], expected);
        assert!(parts.headers["authorization"].is_sensitive());
    }
}

#[tokio::test]
async fn a_body_may_be_gzip() {
    let server = Server::new();
    let exporter = builder()
        .compression(Compression::Gzip)
        .build_on(server.router())
        .expect("valid");
    exporter.oneshot(logs(&["a"; 9])).await.expect("delivered");
    let (parts, body) = server.request();
    assert_eq!(parts.headers["content-encoding"], "gzip");
    let mut plain = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(&*body);
    reader.read_to_end(&mut plain).expect("gzip");
    assert_eq!(
        plain,
        BulkFormat::default()
            .encode(logs(&["a"; 9]).otlp())
            .as_bytes()
    );
    assert_eq!(server.texts().len(), 9);
}

#[tokio::test]
async fn opensearch_is_not_asked_what_it_does_not_know() {
    let server = Server::new();
    let exporter = builder()
        .product(Product::OpenSearch)
        .require_data_stream(true)
        .build_on(server.router())
        .expect("valid");
    exporter
        .oneshot(telemetry(Signal::Metrics, 1))
        .await
        .expect("delivered");
    let (parts, body) = server.request();
    assert!(!parts.uri.query().expect("a query").contains("require"));
    assert!(!String::from_utf8_lossy(&body).contains("dynamic_templates"));
}

#[tokio::test]
async fn every_signal_has_its_documents() {
    for signal in Signal::ALL {
        let server = Server::new();
        let response = export(&server, telemetry(signal, 1))
            .await
            .expect("delivered");
        assert_eq!(response.delivered_items(), 1, "{signal}");
        let stored = server.stored();
        assert!(!stored.is_empty());
        let prefix = format!("{signal}-generic.otel-default");
        assert!(
            stored.iter().all(|(index, _)| *index == prefix),
            "{stored:?}"
        );
    }
}

#[tokio::test]
async fn the_bodymap_mapping_is_for_logs_alone() {
    let server = Server::new();
    let exporter = builder()
        .mapping(Mapping::BodyMap)
        .build_on(server.router())
        .expect("valid");
    for signal in [Signal::Traces, Signal::Metrics] {
        let error = exporter.clone().oneshot(telemetry(signal, 1)).await;
        let error = error.expect_err("not carried");
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (ErrorKind::Unsupported, false)
        );
        assert_eq!(error.exporter(), Some("elasticsearch"));
        assert!(error.message().contains(&signal.to_string()), "{error}");
    }
    // A record that has no map is rejected, and nothing is sent.
    let response = exporter.oneshot(logs(&["text"])).await.expect("an answer");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (0, 1)
    );
    assert!(response.message().expect("a reason").contains("bodymap"));
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn nothing_is_sent_without_items() {
    let server = Server::new();
    let empty = ExportRequest::from_protobuf(Signal::Logs, Vec::new()).expect("valid");
    let response = export(&server, empty).await.expect("an answer");
    assert_eq!((response.delivered_items(), server.requests()), (0, 0));
}

/// Section 2, the table of HTTP statuses.
#[tokio::test]
async fn every_status_is_classified() {
    use ErrorKind as K;
    for (status, kind, retryable) in [
        (302, K::Rejected, false),
        (400, K::Rejected, false),
        (401, K::Unauthenticated, false),
        (403, K::Unauthenticated, false),
        (404, K::Unsupported, false),
        (408, K::Timeout, true),
        (413, K::TooLarge, false),
        (429, K::Throttled, true),
        (500, K::Unavailable, true),
        (501, K::Unsupported, false),
        (502, K::Unavailable, true),
        (503, K::Unavailable, true),
        (504, K::Timeout, true),
    ] {
        let server = Server::failing(status);
        let error = export(&server, logs(&["a", "b"])).await;
        let error = error.expect_err("not a success");
        assert_eq!(
            (error.kind(), error.is_retryable()),
            (kind, retryable),
            "{status}"
        );
        assert_eq!(error.exporter(), Some("elasticsearch"));
        assert!(error.endpoint().expect("there").ends_with("/_bulk"));
        let start = format!("HTTP {status}");
        assert!(error.message().starts_with(&start), "{error}");
        assert!(error.remainder().is_none(), "all of it");
    }
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let server = Server::answering(vec![Some((429, &[("retry-after", "7")], String::new()))]);
    let error = export(&server, logs(&["a"])).await.expect_err("429");
    assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_row_of_the_table_can_be_replaced() {
    let server = Server::failing(400);
    let exporter = builder()
        .on_status(400, ErrorKind::Unavailable, RetryAdvice::Backoff)
        .build_on(server.router())
        .expect("valid");
    let error = exporter.oneshot(logs(&["a"])).await.expect_err("400");
    assert_eq!(error.retry(), RetryAdvice::Backoff);
}

/// A proxy's page with status 200 is no success: nothing is known to be stored.
#[tokio::test]
async fn a_success_that_says_nothing_of_documents_is_none() {
    for body in [
        "<html>welcome</html>",
        "",
        "{}",
        r#"{"items":[]}"#,
        r#"{"errors":true}"#,
    ] {
        let server = Server::answering(vec![Some((200, &[], body.to_owned()))]);
        let error = export(&server, logs(&["a", "b"])).await.expect_err(body);
        assert!(error.is_retryable(), "{error}");
        assert!(error.remainder().is_none(), "{error}");
    }
    let server = Server::answering(vec![Some((200, &[], r#"{"errors":false}"#.to_owned()))]);
    let response = export(&server, logs(&["a", "b"])).await.expect("no errors");
    assert_eq!(response.delivered_items(), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_long_says_what_to_do() {
    let server = Server::new();
    let exporter = builder()
        .max_response_bytes(40)
        .build_on(server.router())
        .expect("valid");
    let error = exporter
        .oneshot(logs(&["a", "b"]))
        .await
        .expect_err("too long");
    assert!(error.is_retryable());
    assert!(error.message().contains("max_response_bytes"), "{error}");
}

#[tokio::test]
async fn what_was_read_of_an_answer_that_breaks_off_counts() {
    let half = r#"{"items":[{"create":{"status":201}},{"create":{"status":2"#;
    let server = Server::answering(vec![Some((200, &[], half.to_owned()))]);
    let error = export(&server, logs(&["a", "b", "c"]))
        .await
        .expect_err("half");
    assert_eq!(error.progress().expect("some").delivered_items(), 1);
    assert_eq!(bodies(error.remainder().expect("the rest")), ["b", "c"]);
}

#[tokio::test]
async fn over_tls_and_from_urls() {
    let authority = Authority::new();
    let server = Server::new();
    let address = serve_tls(server.router(), authority.server(None)).await;
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), &authority.pem).expect("written");
    let ca = ca.path().display();
    for scheme in ["elasticsearch+https", "opensearch+https"] {
        let url = format!("{scheme}://{address}?ca={ca}&proxy=none");
        let exporter = from_url(&url).expect("a URL");
        let response = exporter.oneshot(logs(&["a"])).await.expect("delivered");
        assert_eq!(response.delivered_items(), 1);
    }
}

#[tokio::test]
async fn every_parameter_of_a_url_counts() {
    let server = Server::new();
    let address = serve(server.router()).await;
    let url = format!(
        "elasticsearch+http://user:pass@{address}?header.x-tenant=blue&timeout=5s&proxy=none\
        &compression=gzip&prefix=shop&logs_index=mine&pipeline=p&require_data_stream\
        &document_ids=content&action=index&max_request_bytes=1MB&mapping=otel&node={address},[::1]:1"
    );
    let exporter = from_url(&url).expect("a URL");
    let response = exporter.oneshot(logs(&["a"])).await.expect("delivered");
    assert_eq!(response.delivered_items(), 1);
    let (parts, _) = server.request();
    assert_eq!(parts.headers["x-tenant"], "blue");
    assert_eq!(parts.headers["content-encoding"], "gzip");
    assert!(parts.headers.contains_key("authorization"));
    assert_eq!(server.stored()[0].0, "mine");
    assert!(parts.uri.query().expect("a query").contains("pipeline=p"));

    let url = format!("opensearch+http://{address}?api_key=a:b&dataset=D&namespace=N&proxy=none");
    let exporter = from_url(&url).expect("a URL");
    exporter.oneshot(logs(&["a"])).await.expect("delivered");
    let (parts, _) = server.request();
    assert_eq!(parts.headers["authorization"], "ApiKey YTpi");
    assert_eq!(server.stored()[1].0, "logs-d.otel-n");
}

#[test]
fn wrong_options_are_named_without_secrets() {
    for (options, says) in [
        (builder().endpoint("s3cret:9200"), "http:// or https://"),
        (builder().node("http://u:s3cret@"), "not a valid URL"),
        (builder().header("x-key", "s3cret\n"), "x-key"),
        (builder().api_key("s3cret\n"), "API key"),
        (
            builder().api_key("s3cret").endpoint("http://u:p@h"),
            "an API key and a user",
        ),
        (
            builder().api_key("s3cret").header("Authorization", "x"),
            "authorization",
        ),
        (builder().compression(Compression::Zstd), "gzip"),
    ] {
        assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");
        let error = options.build().expect_err(says);
        let text = format!("{error} {error:?}");
        assert!(
            text.contains(says) && text.contains("elasticsearch"),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
    }
    for (url, says) in [
        (
            "elasticsearch+http://h?mapping=ecs",
            "parameter `mapping`: `ecs` is not one of otel, bodymap",
        ),
        (
            "elasticsearch+http://h?node=http://u:s3cret@x",
            "parameter `node`: it is not a list of host:port",
        ),
        (
            "opensearch+http://h?index=x",
            "parameter `index`: opensearch+http: knows no such",
        ),
        (
            "elasticsearch+http://h?api_key=a&s3cret=x",
            "parameter number 2",
        ),
        (
            "elasticsearch+http://h?compression=zstd",
            "`zstd` is not one of none, gzip",
        ),
        ("elasticsearch+http:?", "host"),
    ] {
        let Err(error) = from_url(url) else {
            panic!("{url} is accepted");
        };
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn a_quoted_secret_is_hidden() {
    for builder in [
        builder().api_key("s3cret"),
        builder().header("x-key", "s3cret"),
    ] {
        assert!(!format!("{builder:?}").contains("s3cret"), "{builder:?}");
        let text = "unknown key s3cret".to_owned();
        let status = StatusCode::UNAUTHORIZED.as_u16();
        let server = Server::answering(vec![Some((status, &[], text))]);
        let exporter = builder.build_on(server.router()).expect("valid");
        assert!(!format!("{exporter:?}").contains("s3cret"), "{exporter:?}");
        let error = exporter.oneshot(logs(&["a"])).await.expect_err("401");
        assert!(error.message().ends_with("unknown key ***"), "{error}");
    }
}

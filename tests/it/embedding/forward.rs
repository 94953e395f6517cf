//! What a receiver kept of its clients' headers reaches the backend, and batches keep it apart.

use std::time::Duration;

use futures_util::future::join_all;
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    BoxExporter, ErrorKind, Exporter, ExporterExt, Metadata, ServiceBuilderExt, Signal,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    from_url,
    layers::batch::{BatchConfig, BatchLayer},
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
};

use crate::support::{
    backend::{Backend, telemetry},
    http_server::serve,
};

const TENANT: &str = "x-scope-orgid";

/// Both protocols, each to a receiver that hands what it kept to the backend.
fn exporters(backend: &Backend) -> [BoxExporter; 2] {
    let grpc = OtlpGrpcExporter::builder()
        .tenant_header(TENANT)
        .forward_header("x-region")
        .build_on(
            OtlpGrpcReceiver::new(backend.clone())
                .tenant_header(TENANT)
                .keep_header("x-region")
                .keep_header("x-user"),
        );
    let http = OtlpHttpExporter::builder()
        .tenant_header(TENANT)
        .forward_header("x-region")
        .build_on(
            OtlpHttpReceiver::new(backend.clone())
                .tenant_header(TENANT)
                .keep_header("x-region")
                .keep_header("x-user"),
        );
    [
        grpc.expect("valid").boxed_exporter(),
        http.expect("valid").boxed_exporter(),
    ]
}

fn of(tenant: &str, region: &str) -> Metadata {
    let metadata = match tenant {
        "" => Metadata::default(),
        tenant => Metadata::default().with_tenant(tenant),
    };
    metadata
        .with_header("x-region", region)
        .with_header("x-user", "ann")
}

/// Tenant, region and items of each request, sorted.
fn arrived(backend: &Backend) -> Vec<(String, String, u64)> {
    let seen = backend.seen();
    let arrived = seen.iter().map(|request| {
        let metadata = request.metadata();
        assert_eq!(metadata.header("x-user"), None, "nobody named it");
        let tenant = metadata.tenant().unwrap_or_default().to_owned();
        let region = metadata.header("x-region").unwrap_or_default().to_owned();
        (tenant, region, request.items())
    });
    let mut arrived: Vec<_> = arrived.collect();
    arrived.sort();
    arrived
}

async fn send_all(pipeline: impl Exporter) {
    let sent = [
        of("acme", "eu"),
        of("globex", "eu"),
        of("acme", "us"),
        of("", "eu"),
        of("acme", "eu"),
    ];
    let answers = sent.map(|metadata| {
        let request = telemetry(Signal::Logs, 1).with_metadata(metadata);
        pipeline.clone().oneshot(request)
    });
    for answer in join_all(answers).await {
        let answer = answer.map_err(Into::into).expect("delivered");
        assert_eq!(answer.delivered_items(), 1);
    }
}

fn expected(rows: &[(&str, &str, u64)]) -> Vec<(String, String, u64)> {
    let rows = rows.iter();
    rows.map(|(tenant, region, items)| ((*tenant).to_owned(), (*region).to_owned(), *items))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_batch_never_mixes_tenants_nor_the_headers_of_its_key() {
    for number in 0..2 {
        let backend = Backend::new();
        let exporter = exporters(&backend)[number].clone();
        let config = BatchConfig::new()
            .timeout(Duration::from_secs(1))
            .key_header("x-region");
        let batch = BatchLayer::new(config).expect("valid");
        send_all(ServiceBuilder::new().batch(batch).service(exporter)).await;
        assert_eq!(
            arrived(&backend),
            expected(&[
                ("", "eu", 1),
                ("acme", "eu", 2),
                ("acme", "us", 1),
                ("globex", "eu", 1),
            ])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_is_not_in_the_key_is_left_out_where_it_differs() {
    for number in 0..2 {
        let backend = Backend::new();
        let exporter = exporters(&backend)[number].clone();
        let config = BatchConfig::new().timeout(Duration::from_secs(1));
        let batch = BatchLayer::new(config).expect("valid");
        send_all(ServiceBuilder::new().batch(batch).service(exporter)).await;
        assert_eq!(
            arrived(&backend),
            expected(&[("", "eu", 1), ("acme", "", 3), ("globex", "eu", 1)])
        );
    }
}

#[tokio::test]
async fn a_tenant_that_no_header_can_hold_is_refused_before_it_is_sent() {
    let backend = Backend::new();
    for exporter in exporters(&backend) {
        let request = telemetry(Signal::Traces, 2).with_metadata(of("ac\nme", "eu"));
        let error = exporter.oneshot(request).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Rejected);
        let said = error.to_string();
        assert!(said.contains(TENANT) && said.starts_with("otlp-"), "{said}");
    }
    assert_eq!(backend.seen().len(), 0);
}

#[test]
fn names_that_belong_to_the_protocol_are_refused_when_built() {
    let grpc = OtlpGrpcExporter::builder().tenant_header("grpc-timeout");
    let error = grpc.build_on(()).expect_err("reserved");
    assert!(error.to_string().contains("grpc-timeout"), "{error}");
    let http = OtlpHttpExporter::builder().forward_header("content-type");
    let error = http.build_on(()).expect_err("reserved");
    assert!(error.to_string().contains("content-type"), "{error}");
}

#[tokio::test]
async fn a_url_names_the_header_of_the_tenant() {
    let backend = Backend::new();
    let receiver = OtlpHttpReceiver::new(backend.clone()).tenant_header(TENANT);
    let address = serve(receiver.into_axum_router()).await;
    let url = format!("otlp+http://{address}?tenant_header={TENANT}&proxy=none");
    let request = telemetry(Signal::Logs, 1).with_metadata(of("acme", "eu"));
    let sent = from_url(&url).expect("a URL").oneshot(request).await;
    sent.expect("delivered");
    assert_eq!(backend.only().metadata().tenant(), Some("acme"));
}

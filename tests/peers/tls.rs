//! TLS and mutual TLS with the Collector.

use tower::ServiceExt;
use tower_otlp::{ErrorKind, ExportError, Exporter, TlsOptions, exporters::otlp};

use crate::{
    certificates::Certificates, collector::Collector, exporters::everything_arrives, workload,
};

fn start(config: &str, certificates: &Certificates) -> Collector {
    let env = certificates.collector_env();
    let env: Vec<(&str, &str)> = env
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Collector::start(config, &env)
}

fn grpc(collector: &Collector, tls: TlsOptions) -> impl Exporter {
    otlp::OtlpGrpcExporter::builder()
        .endpoint(format!("https://{}", collector.grpc))
        .tls(tls)
        .build()
        .expect("options")
}

fn http(collector: &Collector, tls: TlsOptions) -> impl Exporter {
    otlp::OtlpHttpExporter::builder()
        .endpoint(format!("https://{}", collector.http))
        .tls(tls)
        .build()
        .expect("options")
}

async fn refused(exporter: impl Exporter, address: &str) {
    let error: ExportError = exporter
        .oneshot(workload::numbered_span(1))
        .await
        .expect_err("refused")
        .into();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let text = error.to_string();
    assert!(text.contains(address), "{text}");
    assert!(
        text.to_lowercase().contains("certificate") || text.contains("alert"),
        "{text}"
    );
}

#[tokio::test]
async fn own_authority() {
    let certificates = Certificates::new();
    let tls = || TlsOptions::default().ca_pem(certificates.ca.clone());
    let collector = start("sink-tls.yaml", &certificates);
    everything_arrives(grpc(&collector, tls()), &collector).await;
    let collector = start("sink-tls.yaml", &certificates);
    everything_arrives(http(&collector, tls()), &collector).await;
}

#[tokio::test]
async fn mutual() {
    let certificates = Certificates::new();
    let (certificate, key) = &certificates.client;
    let tls = || {
        TlsOptions::default()
            .ca_pem(certificates.ca.clone())
            .identity_pem(certificate.clone(), key.clone())
    };
    let collector = start("sink-mtls.yaml", &certificates);
    everything_arrives(grpc(&collector, tls()), &collector).await;
    let collector = start("sink-mtls.yaml", &certificates);
    everything_arrives(http(&collector, tls()), &collector).await;
}

#[tokio::test]
async fn a_wrong_certificate_is_named() {
    let certificates = Certificates::new();
    let stranger = || TlsOptions::default().ca_pem(Certificates::new().ca);
    let collector = start("sink-tls.yaml", &certificates);
    refused(grpc(&collector, stranger()), &collector.grpc).await;
    refused(http(&collector, stranger()), &collector.http).await;
}

#[tokio::test]
async fn without_a_client_certificate_nobody_gets_in() {
    let certificates = Certificates::new();
    let tls = || TlsOptions::default().ca_pem(certificates.ca.clone());
    let collector = start("sink-mtls.yaml", &certificates);
    for exporter in [
        tower_otlp::ExporterExt::boxed_exporter(grpc(&collector, tls())),
        tower_otlp::ExporterExt::boxed_exporter(http(&collector, tls())),
    ] {
        let error = exporter
            .oneshot(workload::numbered_span(1))
            .await
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
    }
}

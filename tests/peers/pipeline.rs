//! The main job: the Python SDK to our receivers, through a pipeline that a user composed, to the
//! Collector.

use std::time::Duration;

use tower::ServiceBuilder;
use tower_otlp::{
    Compression, Exporter, ExporterExt, ServiceBuilderExt, Signal,
    exporters::otlp,
    layers::{fan_out::FanOut, retry::RetryPolicy},
};

use crate::{collector::Collector, python, receivers::Receivers};

fn to(collector: &Collector) -> impl Exporter {
    let grpc = otlp::OtlpGrpcExporter::builder()
        .endpoint(format!("http://{}", collector.grpc))
        .compression(Compression::Gzip)
        .build()
        .expect("options");
    ServiceBuilder::new()
        .export_retry(RetryPolicy::default())
        .attempt_timeout(Duration::from_secs(5))
        .service(grpc)
}

#[tokio::test]
async fn the_python_sdk_arrives_whole() {
    let collector = Collector::start("sink.yaml", &[]);
    let receivers = Receivers::start(to(&collector)).await;
    let mut sent = Vec::new();
    for (seed, (protocol, endpoint, compression)) in [
        ("grpc", &receivers.grpc, "gzip"),
        ("grpc", &receivers.grpc, "none"),
        ("http", &receivers.http, "gzip"),
        ("http", &receivers.http, "none"),
    ]
    .into_iter()
    .enumerate()
    {
        let seed = u32::try_from(seed).expect("few") + 1;
        let endpoint = format!("http://{endpoint}");
        sent.push(python::send(protocol, &endpoint, compression, seed).await);
    }
    for (signal, count) in [
        (Signal::Traces, "spans"),
        (Signal::Logs, "logs"),
        (Signal::Metrics, "metric_points"),
    ] {
        let items = sent.iter().map(|sent| sent.count(count)).sum();
        collector.wait_for(signal, items).await;
    }
    python::check(collector.out(), &sent).await;
}

#[tokio::test]
async fn a_fan_out_reaches_two_collectors() {
    let collectors = [
        Collector::start("sink.yaml", &[]),
        Collector::start("sink.yaml", &[]),
    ];
    let both = FanOut::new(
        collectors
            .iter()
            .map(|collector| to(collector).boxed_exporter()),
    );
    let receivers = Receivers::start(both).await;
    let sent = [python::send("grpc", &format!("http://{}", receivers.grpc), "gzip", 7).await];
    for collector in &collectors {
        collector
            .wait_for(Signal::Traces, sent[0].count("spans"))
            .await;
        collector
            .wait_for(Signal::Logs, sent[0].count("logs"))
            .await;
        collector
            .wait_for(Signal::Metrics, sent[0].count("metric_points"))
            .await;
        python::check(collector.out(), &sent).await;
    }
}

//! A Collector that goes away and comes back: what we accepted is there in the end.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, stream};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    ExporterExt, ServiceBuilderExt, Signal, exporters::otlp, layers::retry::RetryPolicy,
};

use crate::{
    collector::Collector,
    workload::{numbered_span, numbers},
};

const REQUESTS: u64 = 400;

async fn nothing_is_lost(exporter: tower_otlp::BoxExporter, mut collector: Collector) {
    let pipeline = ServiceBuilder::new()
        .export_retry(
            RetryPolicy::default()
                .initial_backoff(Duration::from_millis(20))
                .max_backoff(Duration::from_millis(200)),
        )
        .attempt_timeout(Duration::from_secs(2))
        .service(exporter);
    let (half, mut half_seen) = tokio::sync::mpsc::channel(1);
    let sender = tokio::spawn(async move {
        let mut acknowledged = BTreeSet::new();
        let mut answers = stream::iter((1..=REQUESTS).map(|number| {
            let pipeline = pipeline.clone();
            async move {
                let answer = pipeline.oneshot(numbered_span(number)).await;
                (number, answer)
            }
        }))
        .buffer_unordered(8);
        while let Some((number, answer)) = answers.next().await {
            assert_eq!(answer.expect("delivered").delivered_items(), 1);
            acknowledged.insert(number);
            if acknowledged.len() == 100 {
                half.send(()).await.expect("someone listens");
            }
        }
        acknowledged
    });
    half_seen.recv().await.expect("a hundred are delivered");
    collector.stop();
    assert!(
        !sender.is_finished(),
        "the Collector went away in the middle"
    );
    collector.restart();
    let acknowledged = sender.await.expect("no panic");
    assert_eq!(acknowledged, (1..=REQUESTS).collect());
    // A request that arrived twice must not stand for one that is still in the file's buffer: the
    // Collector writes all of it when it stops.
    collector.stop();
    let received = collector.received(Signal::Traces);
    let received: BTreeSet<u64> = numbers(&received).into_iter().collect();
    assert_eq!(received, acknowledged, "all that was accepted is there");
}

#[tokio::test]
async fn over_grpc() {
    let collector = Collector::start("sink.yaml", &[]);
    let exporter = otlp::OtlpGrpcExporter::builder()
        .endpoint(format!("http://{}", collector.grpc))
        .build()
        .expect("options");
    nothing_is_lost(exporter.boxed_exporter(), collector).await;
}

#[tokio::test]
async fn over_http() {
    let collector = Collector::start("sink.yaml", &[]);
    let exporter = otlp::OtlpHttpExporter::builder()
        .endpoint(format!("http://{}", collector.http))
        .build()
        .expect("options");
    nothing_is_lost(exporter.boxed_exporter(), collector).await;
}

//! tower's own layers between ours: their boxed errors are read, and the data arrives.

use std::time::Duration;

use tokio_test::{assert_pending, task};
use tower::{
    BoxError, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    limit::ConcurrencyLimitLayer,
    load_shed::LoadShedLayer,
    timeout::TimeoutLayer,
    util::{Either, MapRequestLayer, option_layer},
};
use tower_layer::Layer;
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, Exporter, ExporterExt, Metadata,
    ServiceBuilderExt,
    layers::{
        fan_out::FanOut,
        retry::{RetryLayer, RetryPolicy},
        timeout,
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, logs},
};

const SECOND: Duration = Duration::from_secs(1);

fn down() -> Step {
    Step::Fail(ExportError::new(ErrorKind::Unavailable, "down"))
}

type Bottom = timeout::Timeout<ReadinessProbe<ScriptedExporter>>;

/// Our retry above `layer`, our timeout and a scripted exporter below it.
fn between<L>(layer: L, exporter: &ScriptedExporter) -> BoxExporter
where
    L: Layer<Bottom>,
    L::Service: Exporter,
{
    ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .layer(layer)
        .attempt_timeout(60 * SECOND)
        .service(ReadinessProbe::new(exporter.clone()))
        .boxed_exporter()
}

/// An error of ours from below passes the layer unchanged, and a retry above acts on it.
async fn carries_errors_and_data<L>(layer: L)
where
    L: Layer<Bottom>,
    L::Service: Exporter,
{
    let rejected =
        ExportError::new(ErrorKind::Rejected, "bad data").with_exporter("scripted", "nowhere");
    let exporter = ScriptedExporter::new([down(), down(), Step::Deliver, Step::Fail(rejected)]);
    let service = between(layer, &exporter);
    let response = service.clone().oneshot(logs(3)).await.unwrap();
    assert_eq!(response.delivered_items(), 3);
    assert_eq!(exporter.items(), [3, 3, 3]);
    let error = service.oneshot(logs(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(
        error.to_string(),
        "scripted exporter (nowhere): rejected: bad data"
    );
    assert_eq!(exporter.calls(), 4, "it was not sent again");
}

#[tokio::test(start_paused = true)]
async fn errors_and_data_pass_through_each() {
    carries_errors_and_data(TimeoutLayer::new(30 * SECOND)).await;
    carries_errors_and_data(ConcurrencyLimitLayer::new(1)).await;
    carries_errors_and_data(BufferLayer::<ExportRequest>::new(4)).await;
    carries_errors_and_data(MapRequestLayer::new(|request: ExportRequest| request)).await;
    // What is shed is not ready at the first question here: a buffer makes it so.
    carries_errors_and_data(
        ServiceBuilder::new()
            .layer(LoadShedLayer::new())
            .layer(BufferLayer::<ExportRequest>::new(4))
            .into_inner(),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn timeout_is_a_timeout_and_is_retried() {
    let exporter = ScriptedExporter::new([Step::DeliverAfter(45 * SECOND)]);
    let service = between(TimeoutLayer::new(5 * SECOND), &exporter);
    let response = service.oneshot(logs(3)).await.unwrap();
    assert_eq!(response.delivered_items(), 3);
    assert_eq!(exporter.calls(), 2);

    let exporter = ScriptedExporter::new(vec![Step::DeliverAfter(45 * SECOND); 9]);
    let retry = RetryLayer::new(RetryPolicy::new().max_attempts(2));
    let service = retry.layer(TimeoutLayer::new(5 * SECOND).layer(exporter.clone()));
    let error = service.oneshot(logs(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(exporter.dropped(), 2);
}

#[tokio::test(start_paused = true)]
async fn concurrency_limit_is_free_while_a_retry_waits() {
    let exporter = ScriptedExporter::new([down()]);
    let service = between(ConcurrencyLimitLayer::new(1), &exporter);
    let mut first = task::spawn(service.clone().oneshot(logs(1)));
    // Not ready at first, then the attempt, which fails: now it waits.
    assert_pending!(first.poll());
    assert_pending!(first.poll());
    assert_eq!(exporter.calls(), 1);
    service.oneshot(logs(2)).await.unwrap();
    assert_eq!(exporter.items(), [1, 2]);
    assert!(first.await.is_ok());
    assert_eq!(exporter.items(), [1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn load_shed_is_overloaded_and_is_retried() {
    let exporter = ScriptedExporter::new([Step::Hold]);
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new().max_attempts(1))
        .load_shed()
        .concurrency_limit(1)
        .attempt_timeout(SECOND)
        .service(exporter.clone());
    let mut first = task::spawn(service.clone().oneshot(logs(1)));
    assert_pending!(first.poll());
    let error = service.clone().oneshot(logs(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert!(error.is_retryable());
    exporter.release();
    assert!(first.await.is_ok());

    // With attempts to spare the retry delivers what was shed.
    exporter.extend([Step::DeliverAfter(SECOND / 2)]);
    let patient = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .load_shed()
        .concurrency_limit(1)
        .service(exporter.clone());
    let (one, two) = tokio::join!(
        patient.clone().oneshot(logs(3)),
        patient.clone().oneshot(logs(4)),
    );
    assert_eq!(one.unwrap().delivered_items(), 3);
    assert_eq!(two.unwrap().delivered_items(), 4);
    assert_eq!(exporter.items(), [1, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn buffer_shares_one_service() {
    let exporter = ScriptedExporter::delivering();
    let service = between(BufferLayer::<ExportRequest>::new(2), &exporter);
    let requests = (1..=5).map(|items| service.clone().oneshot(logs(items)));
    let mut delivered = 0;
    for response in futures_util::future::join_all(requests).await {
        delivered += response.unwrap().delivered_items();
    }
    assert_eq!(delivered, 15);
    assert_eq!(exporter.items(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn buffer_that_lost_its_worker_is_closed() {
    let (service, worker) =
        tower::buffer::Buffer::<ExportRequest, _>::pair(ScriptedExporter::delivering(), 2);
    drop(worker);
    let error = RetryLayer::new(RetryPolicy::new())
        .layer(service)
        .oneshot(logs(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn map_request_changes_each_attempt() {
    let exporter = ScriptedExporter::new([down()]);
    let enrich = MapRequestLayer::new(|request: ExportRequest| {
        request.with_metadata(Metadata::default().with_tenant("acme"))
    });
    between(enrich, &exporter).oneshot(logs(1)).await.unwrap();
    for request in exporter.requests() {
        assert_eq!(request.metadata().tenant(), Some("acme"));
    }
    assert_eq!(exporter.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn option_layer_takes_ours() {
    for retries in [true, false] {
        let exporter = ScriptedExporter::new([down()]);
        let retry = retries.then(|| RetryLayer::new(RetryPolicy::new()));
        let service: Either<_, _> = option_layer(retry).layer(
            ServiceBuilder::new()
                .attempt_timeout(SECOND)
                .service(exporter.clone()),
        );
        let result = service.oneshot(logs(1)).await;
        assert_eq!(result.is_ok(), retries);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_ends_in_a_boxed_error_is_a_branch() {
    let exporter = ScriptedExporter::new([Step::DeliverAfter(60 * SECOND)]);
    let boxed = ServiceBuilder::new()
        .timeout(SECOND)
        .concurrency_limit(1)
        .service(exporter);
    fn yields_a_boxed_error<S: Exporter + tower::Service<ExportRequest, Error = BoxError>>(_: &S) {}
    yields_a_boxed_error(&boxed);
    let error = FanOut::empty()
        .branch(boxed)
        .oneshot(logs(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

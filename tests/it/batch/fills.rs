//! Which requests share a batch, and when it is sent.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;
use tower_otlp::{
    Metadata,
    testing::{contract, logs, metrics, traces},
};
use tracing::{Instrument, Subscriber, span};
use tracing_subscriber::{
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    let eager = || BatchConfig::new().timeout(Duration::ZERO).max_in_flight(1);
    for config in [BatchConfig::new(), BatchConfig::new().max_items(1), eager()] {
        let layer = layer(config);
        contract::readiness_belongs_to_one_handle(&layer).await;
        contract::every_attempt_asks_for_readiness(&layer).await;
        contract::a_panic_ends_only_its_request(&layer).await;
        contract::accepted_requests_outlive_the_handles(&layer).await;
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    for (config, setting) in [
        (BatchConfig::new().max_items(0), "max_items"),
        (BatchConfig::new().max_bytes(0), "max_bytes"),
        (BatchConfig::new().max_in_flight(0), "max_in_flight"),
        (BatchConfig::new().max_keys(0), "max_keys"),
        (BatchConfig::new().key_header(""), "key_header"),
    ] {
        let error = BatchLayer::new(config).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_sent_when_the_next_request_does_not_fit_or_nothing_more_does() {
    let (service, exporter) = batch(patient().max_items(10), []);
    let answers = [4, 4, 4, 6, 10].map(|items| send(&service, logs(items)));
    let started = Instant::now();
    for (answer, items) in answers.into_iter().zip([4, 4, 4, 6, 10]) {
        assert_eq!(delivered(answer).await, items);
    }
    assert_eq!(exporter.items(), [8, 10, 10]);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn bytes_count_as_well() {
    let request = records(["twelve bytes"]);
    let size = request.byte_size();
    let (service, exporter) = batch(patient().max_bytes(2 * size + 1), []);
    let answers = [(); 4].map(|()| send(&service, request.clone()));
    exporter.wait_for_calls(1).await;
    settle().await;
    assert_eq!(exporter.items(), [2]);
    assert!(exporter.requests()[0].byte_size() <= 2 * size + 1);
    drop(service);
    for answer in answers {
        assert_eq!(delivered(answer).await, 1);
    }
    assert_eq!(exporter.items(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_timer_runs_from_the_first_request() {
    let (service, exporter) = batch(BatchConfig::new(), []);
    let started = Instant::now();
    let first = send(&service, logs(1));
    tokio::time::sleep(Duration::from_millis(150)).await;
    let second = send(&service, logs(2));
    exporter.wait_for_calls(1).await;
    assert_eq!(started.elapsed(), Duration::from_millis(200));
    assert_eq!(delivered(first).await + delivered(second).await, 3);

    tokio::time::sleep(Duration::from_millis(70)).await;
    let third = Instant::now();
    assert_eq!(delivered(send(&service, logs(4))).await, 4);
    assert_eq!(third.elapsed(), Duration::from_millis(200));
    assert_eq!(exporter.items(), [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn without_a_timer_batches_grow_only_while_all_places_are_taken() {
    let config = BatchConfig::new().timeout(Duration::ZERO).max_in_flight(1);
    let (service, exporter) = batch(config, [Step::Hold]);
    let first = send(&service, logs(1));
    exporter.wait_for_calls(1).await;
    let others = [2, 3, 4].map(|items| send(&service, logs(items)));
    settle().await;
    assert_eq!(exporter.items(), [1]);
    exporter.release();
    assert_eq!(delivered(first).await, 1);
    for (answer, items) in others.into_iter().zip([2, 3, 4]) {
        assert_eq!(delivered(answer).await, items);
    }
    assert_eq!(exporter.items(), [1, 9]);
}

#[tokio::test(start_paused = true)]
async fn signals_tenants_and_key_headers_do_not_mix() {
    let (service, exporter) = batch(BatchConfig::new().key_header("X-Region"), []);
    let region = |tenant: &str, region: &str| {
        Metadata::default()
            .with_tenant(tenant)
            .with_header("x-region", region)
    };
    let requests = [
        logs(1).with_metadata(region("a", "eu")),
        logs(2).with_metadata(region("a", "us")),
        logs(3).with_metadata(region("b", "eu")),
        metrics(4).with_metadata(region("a", "eu")),
        traces(5).with_metadata(region("a", "eu")),
        logs(10).with_metadata(region("a", "eu").with_header("x-user", "ann")),
    ];
    for answer in requests.map(|request| send(&service, request)) {
        delivered(answer).await;
    }
    let sent = exporter.requests();
    assert_eq!(exporter.items(), [11, 2, 3, 4, 5]);
    assert_eq!(
        *sent[0].metadata(),
        region("a", "eu"),
        "the user is not theirs"
    );
    assert_eq!(*sent[2].metadata(), region("b", "eu"));
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_one_request_is_that_request() {
    let (service, exporter) = batch(BatchConfig::new(), []);
    let metadata = Metadata::default()
        .with_trace_context("00-trace-span-01", None)
        .with_header("x-user", "ann");
    let request = records(["one"]).with_metadata(metadata.clone());
    delivered(send(&service, request.clone())).await;
    let sent = &exporter.requests()[0];
    assert_eq!(*sent.metadata(), metadata);
    assert_eq!(
        sent.protobuf().as_ptr(),
        request.protobuf().as_ptr(),
        "nothing is copied"
    );
}

#[tokio::test(start_paused = true)]
async fn one_key_too_many_sends_the_oldest_batch() {
    let (service, exporter) = batch(patient().max_keys(2), []);
    let tenant =
        |name: &str, items| logs(items).with_metadata(Metadata::default().with_tenant(name));
    let first = send(&service, tenant("a", 1));
    let others = [
        tenant("b", 2),
        tenant("a", 4),
        tenant("c", 8),
        tenant("b", 16),
    ]
    .map(|request| send(&service, request));
    assert_eq!(delivered(first).await, 1);
    assert_eq!(exporter.items(), [5], "that of tenant a");
    drop(service);
    for answer in others {
        delivered(answer).await;
    }
    assert_eq!(exporter.items(), [5, 18, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_items_is_answered_at_once() {
    let (service, exporter) = batch(patient(), []);
    assert_eq!(delivered(send(&service, logs(0))).await, 0);
    assert_eq!(exporter.calls(), 0);
}

/// Remembers which span follows from which, by name.
#[derive(Clone, Default)]
struct Links(Arc<Mutex<Vec<(&'static str, &'static str)>>>);

impl<S> tracing_subscriber::Layer<S> for Links
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_follows_from(&self, span: &span::Id, follows: &span::Id, context: Context<'_, S>) {
        let name = |id| context.span(id).unwrap().name();
        self.0.lock().unwrap().push((name(span), name(follows)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_batch_follows_from_those_of_its_members() {
    let links = Links::default();
    let subscriber = tracing_subscriber::registry().with(links.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (service, _) = batch(BatchConfig::new(), []);
    let round = async || {
        let answers = [(); 2].map(|()| {
            let call = service.clone().oneshot(logs(1));
            tokio::spawn(call.instrument(tracing::info_span!("receive")))
        });
        for answer in answers {
            delivered(answer).await;
        }
    };
    // A span that a test on another thread came to first may be off for good: no subscriber was
    // there. By now it is known, and may be turned on.
    round().await;
    tracing::callsite::rebuild_interest_cache();
    links.0.lock().unwrap().clear();
    round().await;
    assert_eq!(*links.0.lock().unwrap(), [("export_batch", "receive"); 2]);
}

//! What each member of a batch is told.

use std::collections::HashSet;

use tokio::time::Instant;
use tower::{ServiceBuilder, timeout::TimeoutLayer};
use tower_otlp::{
    BoxExporter, ExporterExt, ServiceBuilderExt,
    layers::{
        fan_out::{FanOut, FanOutPolicy},
        retry::{RetryLayer, RetryPolicy},
        split::{SplitConfig, SplitLayer},
    },
    testing::logs,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_failed_batch_fails_its_members_and_no_others() {
    let config = patient().max_items(4).max_in_flight(1);
    let (service, exporter) = batch(config, [Step::Deliver, Step::Fail(down()), Step::Deliver]);
    let answers: Vec<_> = (0..6).map(|_| send(&service, logs(2))).collect();
    let mut outcomes = Vec::new();
    for answer in answers {
        let outcome = answer
            .await
            .unwrap()
            .map(|response| response.delivered_items());
        outcomes.push(outcome.map_err(|error| (error.kind(), error.message().to_owned())));
    }
    let down = || Err((ErrorKind::Unavailable, "down".to_owned()));
    assert_eq!(outcomes, [Ok(2), Ok(2), down(), down(), Ok(2), Ok(2)]);
    assert_eq!(exporter.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn rejected_items_are_shared_out_to_the_last() {
    let (service, exporter) = batch(BatchConfig::new(), [Step::Reject(7)]);
    let sizes = [10, 1, 5, 20];
    let answers = sizes.map(|items| send(&service, logs(items)));
    let mut rejected = 0;
    for (answer, items) in answers.into_iter().zip(sizes) {
        let response = answer.await.unwrap().unwrap();
        rejected += response.rejected_items();
        assert_eq!(
            response.delivered_items() + response.rejected_items(),
            items as u64
        );
        let message = response.message().unwrap();
        assert!(message.contains("rejected by the script"), "{message}");
        assert!(message.contains("7 of 36"), "{message}");
    }
    assert_eq!(rejected, 7);
    assert_eq!(exporter.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_batch_and_the_worker_goes_on() {
    let (service, exporter) = batch(BatchConfig::new(), [Step::Panic]);
    let answers = [1, 2].map(|items| send(&service, logs(items)));
    for answer in answers {
        let error = failed(answer).await;
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.is_retryable());
    }
    assert_eq!(delivered(send(&service, logs(3))).await, 3);
    assert_eq!(exporter.items(), [3, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_of_several_hands_all_of_each_back() {
    // The script makes up what remains: nobody can tell whose it is.
    let (service, _) = batch(BatchConfig::new(), [Step::Partial(3, down())]);
    let answers = [["a", "b"], ["c", "d"]].map(|bodies| send(&service, records(bodies)));
    for answer in answers {
        let error = failed(answer).await;
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.remainder().is_none(), "the whole request remains");
    }
}

#[tokio::test(start_paused = true)]
async fn a_partial_failure_of_one_is_handed_on() {
    let (service, _) = batch(BatchConfig::new(), [Step::Partial(3, down())]);
    let error = failed(send(&service, logs(5))).await;
    assert_eq!(error.remainder().unwrap().items(), 2);
    assert_eq!(error.progress().unwrap().delivered_items(), 3);
}

#[tokio::test(start_paused = true)]
async fn members_that_a_split_below_has_delivered_are_done() {
    let exporter = ScriptedExporter::new([Step::Deliver, Step::Reject(1), Step::Fail(down())]);
    let split = SplitLayer::new(SplitConfig::new().max_items(2)).unwrap();
    let service =
        layer(BatchConfig::new()).layer(split.layer(ReadinessProbe::new(exporter.clone())));
    let answers = [vec!["a", "b", "c"], vec!["d", "e", "f"], vec!["g", "h"]]
        .map(|bodies| send(&service, records(bodies)));
    let [first, second, third] = answers;
    let first = first.await.unwrap().unwrap();
    let second = failed(second).await;
    let third = failed(third).await;
    assert_eq!(bodies(second.remainder().unwrap()), ["e", "f"]);
    let done = second.progress().unwrap();
    assert_eq!(
        (
            first.delivered_items() + done.delivered_items(),
            first.rejected_items() + done.rejected_items()
        ),
        (3, 1)
    );
    assert!(third.remainder().is_none());
    assert_eq!(third.kind(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_retry_above_sends_the_members_again_and_they_meet_again() {
    let (service, exporter) = batch(BatchConfig::new().timeout(5 * SECOND), [Step::Fail(down())]);
    let retry = RetryLayer::new(RetryPolicy::new()).layer(service);
    let answers = [1, 2].map(|items| tokio::spawn(retry.clone().oneshot(logs(items))));
    for (answer, items) in answers.into_iter().zip([1, 2]) {
        assert_eq!(delivered(answer).await, items);
    }
    assert_eq!(exporter.items(), [3, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_below_sends_the_batch_again() {
    let exporter = ScriptedExporter::new([Step::Partial(2, down())]);
    let service = ServiceBuilder::new()
        .batch(layer(BatchConfig::new()))
        .export_retry(RetryPolicy::new())
        .service(ReadinessProbe::new(exporter.clone()));
    let answers = [1, 2].map(|items| send(&service, logs(items)));
    for (answer, items) in answers.into_iter().zip([1, 2]) {
        assert_eq!(delivered(answer).await, items);
    }
    assert_eq!(exporter.items(), [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_a_fan_out_wants_resumed_goes_alone_and_at_once() {
    let healthy = ScriptedExporter::delivering();
    let failing = ScriptedExporter::new([Step::Fail(down())]);
    let branches = [healthy.clone(), failing.clone()];
    let branches: [BoxExporter; 2] = branches.map(ExporterExt::boxed_exporter);
    let service = layer(BatchConfig::new().timeout(HOUR).max_items(10))
        .layer(FanOut::new(branches).policy(FanOutPolicy::All));
    let retry = RetryLayer::new(RetryPolicy::new()).layer(service.clone());
    let resumed = tokio::spawn(retry.oneshot(logs(10)));
    failing.wait_for_calls(1).await;
    let other = send(&service, logs(3));
    let started = Instant::now();
    assert_eq!(delivered(resumed).await, 10);
    assert!(started.elapsed() < 2 * SECOND, "not the timer of the other");
    assert_eq!(
        healthy.items(),
        [10],
        "a branch that delivered is not called again"
    );
    assert_eq!(failing.items(), [10, 10]);
    drop(service);
    assert_eq!(delivered(other).await, 3);
}

#[tokio::test(start_paused = true)]
async fn members_have_the_branches_of_a_fan_out_for_themselves() {
    let script = [[Step::Reject(2)], [Step::Deliver]];
    let branches = script.map(|script| ScriptedExporter::new(script).boxed_exporter());
    let service = layer(BatchConfig::new()).layer(FanOut::new(branches));
    for (answer, items) in [4, 4].map(|items| (send(&service, logs(items)), items)) {
        let response = answer.await.unwrap().unwrap();
        assert_eq!(response.branches().len(), 2);
        for branch in response.branches() {
            let answer = branch.result.as_ref().unwrap();
            let all = answer.delivered_items() + answer.rejected_items();
            assert_eq!(all, items as u64);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn foreign_errors_below_are_understood() {
    let exporter = ScriptedExporter::new([Step::Hold]);
    let service = ServiceBuilder::new()
        .batch(layer(BatchConfig::new()))
        .layer(TimeoutLayer::new(SECOND))
        .service(exporter);
    let kinds: HashSet<_> = {
        let mut kinds = HashSet::new();
        for answer in [1, 2].map(|items| send(&service, logs(items))) {
            kinds.insert(failed(answer).await.kind());
        }
        kinds
    };
    assert_eq!(kinds, HashSet::from([ErrorKind::Timeout]));
}

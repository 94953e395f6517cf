//! The fan-out: outcomes of its branches, policies, and what a retry sends again.

use std::time::Duration;

use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceExt, layer::Layer, limit::ConcurrencyLimit};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExporterExt, RetryAdvice,
    layers::{
        fan_out::{FanOut, FanOutLayer, FanOutPolicy},
        retry::{RetryLayer, RetryPolicy},
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

const SECOND: Duration = Duration::from_secs(1);

fn down() -> Step {
    Step::Fail(ExportError::new(ErrorKind::Unavailable, "down"))
}

fn refused() -> Step {
    Step::Fail(ExportError::new(ErrorKind::Unauthenticated, "who are you"))
}

fn throttled(delay: Duration) -> Step {
    Step::Fail(
        ExportError::new(ErrorKind::Throttled, "slow down").with_retry(RetryAdvice::After(delay)),
    )
}

/// Exporters with these scripts and a fan-out over them.
fn fan_out<const N: usize>(
    policy: FanOutPolicy,
    scripts: [&[Step]; N],
) -> (FanOut, [ScriptedExporter; N]) {
    let exporters = scripts.map(|script| ScriptedExporter::new(script.iter().cloned()));
    let service = FanOut::new(exporters.iter().map(probed)).policy(policy);
    (service, exporters)
}

fn probed(exporter: &ScriptedExporter) -> BoxExporter {
    ReadinessProbe::new(exporter.clone()).boxed_exporter()
}

fn retried(service: FanOut) -> BoxExporter {
    RetryLayer::new(RetryPolicy::new())
        .layer(service)
        .boxed_exporter()
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    let other = || ScriptedExporter::delivering().boxed_exporter();
    for policy in [
        FanOutPolicy::All,
        FanOutPolicy::Quorum(2),
        FanOutPolicy::BestEffort,
    ] {
        contract::check(&FanOutLayer::new([]).policy(policy)).await;
        contract::check(&FanOutLayer::new([other(), other()]).policy(policy)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_branch_gets_everything() {
    let (service, exporters) = fan_out(FanOutPolicy::All, [&[], &[Step::Reject(2)], &[]]);
    let response = service.oneshot(logs(10)).await.unwrap();
    for exporter in &exporters {
        assert_eq!(exporter.items(), [10]);
    }
    assert_eq!(response.delivered_items(), 8);
    assert_eq!(response.rejected_items(), 2);
    assert_eq!(
        response.message(),
        Some("branch 1: rejected by the script"),
        "a message names its branch"
    );
    let delivered: Vec<_> = response
        .branches()
        .iter()
        .map(|one| (one.branch, one.result.as_ref().unwrap().delivered_items()))
        .collect();
    assert_eq!(delivered, [(0, 10), (1, 8), (2, 10)]);
}

#[tokio::test(start_paused = true)]
async fn branches_run_at_the_same_time_and_all_are_awaited() {
    for policy in [
        FanOutPolicy::All,
        FanOutPolicy::Quorum(1),
        FanOutPolicy::BestEffort,
    ] {
        let slow = |secs| [Step::DeliverAfter(secs * SECOND)];
        let (service, exporters) = fan_out(policy, [&slow(3), &slow(7), &slow(5)]);
        let started = Instant::now();
        service.oneshot(logs(1)).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 7, "{policy:?}");
        assert!(exporters.iter().all(|exporter| exporter.delivered() == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_not_ready_stalls_no_other() {
    let (held, free) = (
        ScriptedExporter::new([Step::Hold]),
        ScriptedExporter::delivering(),
    );
    let mut limited = ConcurrencyLimit::new(held.clone(), 1);
    let mut service = FanOut::empty().branch(limited.clone()).branch(free.clone());
    let mut occupant = task::spawn(limited.ready().await.unwrap().call(logs(1)));
    assert_pending!(occupant.poll());

    let mut request = task::spawn(service.ready().await.unwrap().call(logs(1)));
    assert_pending!(request.poll());
    assert_eq!(free.delivered(), 1, "the other branch has delivered");
    held.release();
    assert!(occupant.await.is_ok());
    assert!(request.is_woken());
    assert_eq!(assert_ready!(request.poll()).unwrap().delivered_items(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_retries_only_the_branches_that_failed() {
    let (service, [good, flaky, partial]) = fan_out(
        FanOutPolicy::All,
        [
            &[],
            &[down(), down()],
            &[
                Step::Partial(6, ExportError::new(ErrorKind::Unavailable, "cut")),
                Step::Reject(1),
            ],
        ],
    );
    let response = retried(service).oneshot(logs(10)).await.unwrap();
    assert_eq!(good.items(), [10]);
    assert_eq!(flaky.items(), [10, 10, 10]);
    assert_eq!(partial.items(), [10, 4]);
    assert_eq!(response.delivered_items(), 9);
    assert_eq!(response.rejected_items(), 1);
    let last = response.branches()[2].result.as_ref().unwrap();
    assert_eq!((last.delivered_items(), last.rejected_items()), (9, 1));
}

#[tokio::test(start_paused = true)]
async fn all_retries_others_before_it_gives_up_for_a_branch_that_failed_for_good() {
    let (service, [hopeless, flaky, good]) =
        fan_out(FanOutPolicy::All, [&[refused()], &[down(), down()], &[]]);
    let error = retried(service).oneshot(logs(5)).await.unwrap_err();
    assert_eq!(hopeless.calls(), 1);
    assert_eq!(flaky.delivered(), 5);
    assert_eq!(good.calls(), 1);
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.retry(), RetryAdvice::Never);
    assert_eq!(
        error.to_string(),
        "unauthenticated: 2 of 3 branches delivered, 3 must: \
         branch 0: unauthenticated: who are you"
    );
    let delivered: Vec<_> = error
        .progress()
        .unwrap()
        .branches()
        .iter()
        .map(|one| one.result.is_ok())
        .collect();
    assert_eq!(delivered, [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_settled_request_sent_again_calls_no_branch() {
    let (mut service, [hopeless, good]) = fan_out(FanOutPolicy::All, [&[refused()], &[]]);
    let error = service.call(logs(5)).await.unwrap_err();
    let again = service
        .call(error.remainder().unwrap().clone())
        .await
        .unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
    assert_eq!((hopeless.calls(), good.calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_longest_server_delay_counts() {
    let (mut service, _) = fan_out(
        FanOutPolicy::All,
        [
            &[throttled(3 * SECOND)],
            &[throttled(9 * SECOND)],
            &[down()],
        ],
    );
    let error = service.call(logs(1)).await.unwrap_err();
    assert_eq!(error.retry(), RetryAdvice::After(9 * SECOND));
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.remainder().unwrap().items(), 1);
    assert_eq!(error.progress().unwrap().delivered_items(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_error_is_that_of_a_branch_that_a_retry_can_help() {
    let (mut service, _) = fan_out(FanOutPolicy::All, [&[refused()], &[Step::Panic], &[down()]]);
    let error = service.call(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    let (mut service, _) = fan_out(FanOutPolicy::All, [&[refused()], &[Step::Panic]]);
    let error = service.call(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
}

#[tokio::test(start_paused = true)]
async fn a_quorum_is_enough_and_less_is_not() {
    let (service, exporters) = fan_out(
        FanOutPolicy::Quorum(2),
        [&[Step::Reject(3)], &[refused()], &[Step::Reject(1)]],
    );
    let response = retried(service).oneshot(logs(10)).await.unwrap();
    assert_eq!(response.delivered_items(), 7, "two branches took so many");
    assert_eq!(response.rejected_items(), 3);
    assert!(response.message().unwrap().contains("branch 1: unauth"));
    assert!(exporters.iter().all(|exporter| exporter.calls() == 1));

    let (service, [good, flaky, hopeless]) =
        fan_out(FanOutPolicy::Quorum(2), [&[], &[down()], &[refused()]]);
    retried(service).oneshot(logs(10)).await.unwrap();
    assert_eq!((good.calls(), flaky.calls(), hopeless.calls()), (1, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_quorum_is_at_least_one_and_at_most_all() {
    let (mut service, _) = fan_out(FanOutPolicy::Quorum(0), [&[refused()], &[refused()]]);
    assert!(service.call(logs(1)).await.is_err());
    let (mut service, _) = fan_out(FanOutPolicy::Quorum(9), [&[], &[]]);
    assert!(service.call(logs(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn best_effort_tells_what_failed_and_counts_what_someone_took() {
    let (mut service, _) = fan_out(
        FanOutPolicy::BestEffort,
        [&[refused()], &[Step::Reject(2)], &[down()]],
    );
    let response = service.call(logs(10)).await.unwrap();
    assert_eq!(response.delivered_items(), 8);
    assert_eq!(response.rejected_items(), 2);
    assert_eq!(
        response.message(),
        Some(
            "branch 0: unauthenticated: who are you; branch 1: rejected by the script; \
             branch 2: unavailable: down"
        )
    );

    let cut = ExportError::new(ErrorKind::Unavailable, "cut");
    let (mut service, _) = fan_out(
        FanOutPolicy::BestEffort,
        [&[down()], &[Step::Partial(4, cut)]],
    );
    let response = service.call(logs(10)).await.unwrap();
    assert_eq!(response.delivered_items(), 4);
    assert_eq!(response.rejected_items(), 6, "nobody has them");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_branch_is_its_own_failure() {
    let (service, [bad, good]) = fan_out(FanOutPolicy::All, [&[Step::Panic], &[]]);
    retried(service).oneshot(logs(2)).await.unwrap();
    assert_eq!(bad.calls(), 2);
    assert_eq!(good.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_request_drops_all_branches() {
    let (mut service, exporters) = fan_out(FanOutPolicy::All, [&[Step::Hold], &[Step::Hold]]);
    let mut request = task::spawn(service.call(logs(1)));
    assert_pending!(request.poll());
    assert_pending!(request.poll());
    assert!(exporters.iter().all(|exporter| exporter.in_flight() == 1));
    drop(request);
    assert!(exporters.iter().all(|exporter| exporter.dropped() == 1));
}

#[tokio::test(start_paused = true)]
async fn nested_fan_outs_each_keep_their_own_notes() {
    let (inner, [inner_good, inner_flaky]) = fan_out(FanOutPolicy::All, [&[], &[down(), down()]]);
    let outer_flaky = ScriptedExporter::new([down()]);
    let outer = FanOut::empty().branch(inner).branch(outer_flaky.clone());
    let response = retried(outer).oneshot(logs(10)).await.unwrap();
    assert_eq!(inner_good.items(), [10]);
    assert_eq!(inner_flaky.items(), [10, 10, 10]);
    assert_eq!(outer_flaky.items(), [10, 10]);
    assert_eq!(response.delivered_items(), 10);
    let nested = response.branches()[0].result.as_ref().unwrap();
    assert_eq!(nested.branches().len(), 2);
    assert_eq!(nested.delivered_items(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_retry_in_a_branch_concerns_that_branch_alone() {
    let (flaky, good) = (
        ScriptedExporter::new([down(), down()]),
        ScriptedExporter::delivering(),
    );
    let service = FanOut::empty()
        .branch(RetryLayer::default().layer(flaky.clone()))
        .branch(good.clone())
        .policy(FanOutPolicy::BestEffort);
    let response = service.oneshot(logs(3)).await.unwrap();
    assert_eq!(response.delivered_items(), 3);
    assert_eq!((flaky.calls(), good.calls()), (3, 1));
    assert_eq!(response.message(), None);
}

#[tokio::test(start_paused = true)]
async fn the_notes_of_another_fan_out_are_ignored() {
    let (mut first, _) = fan_out(FanOutPolicy::All, [&[down()], &[]]);
    let error = first.call(logs(3)).await.unwrap_err();
    let (mut second, exporters) = fan_out(FanOutPolicy::All, [&[], &[]]);
    let request = error.remainder().unwrap().clone();
    second.call(request).await.unwrap();
    assert!(exporters.iter().all(|exporter| exporter.items() == [3]));
}

#[tokio::test(start_paused = true)]
async fn no_branches_is_an_error() {
    let error = FanOut::empty().call(logs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// Whatever the branches do, in the end each has every item exactly once.
#[tokio::test(start_paused = true)]
async fn no_branch_loses_or_doubles_an_item() {
    let mut complete = 0;
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let script: [Vec<Step>; 4] = std::array::from_fn(|_| {
            let steps = 0..rng.usize(0..6);
            steps
                .map(|_| match rng.u8(0..4) {
                    0 => down(),
                    1 => throttled(rng.u32(0..9) * SECOND),
                    2 => Step::Panic,
                    _ => Step::Partial(
                        rng.u64(0..=5),
                        ExportError::new(ErrorKind::Unavailable, "cut"),
                    ),
                })
                .collect()
        });
        let exporters = script.map(ScriptedExporter::new);
        let [one, two, three, four] = exporters.each_ref().map(probed);
        let service = FanOut::new([one, FanOut::new([two, three]).boxed_exporter(), four]);
        // Panics are few, but five of them in one branch may end the request.
        let policy = RetryPolicy::new().seed(seed).no_max_elapsed();
        match RetryLayer::new(policy)
            .layer(service)
            .oneshot(logs(20))
            .await
        {
            Ok(response) => {
                complete += 1;
                assert_eq!(response.delivered_items(), 20, "seed {seed}");
                for exporter in &exporters {
                    assert_eq!(exporter.delivered(), 20, "seed {seed}: {exporter:?}");
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Internal, "seed {seed}");
                for exporter in &exporters {
                    assert!(exporter.delivered() <= 20, "seed {seed}: {exporter:?}");
                }
            }
        }
    }
    assert!(complete > 290, "{complete} of 300 requests were delivered");
}

#[tokio::test]
async fn a_rejection_in_one_branch_does_not_deliver_what_another_only_keeps() {
    let keeps = tower::service_fn(|request: tower_otlp::ExportRequest| async move {
        Ok::<_, ExportError>(tower_otlp::ExportResponse::retained(request.items()))
    });
    let service = FanOut::empty()
        .branch(keeps)
        .branch(ScriptedExporter::new([Step::Reject(3)]))
        .policy(FanOutPolicy::BestEffort);
    let response = service.oneshot(logs(3)).await.unwrap();
    assert_eq!(response.delivered_items(), 0);
    assert_eq!(response.retained_items(), 3);
}

//! Places in flight, backpressure, and requests that are too large for one batch.

use tokio_test::{assert_pending, assert_ready, task};
use tower::limit::ConcurrencyLimit;
use tower_otlp::{Metadata, testing::logs};

use super::*;

#[tokio::test(start_paused = true)]
async fn several_batches_are_in_flight() {
    let config = patient().max_items(2).max_in_flight(3);
    let (service, exporter) = batch(config, [Step::Hold, Step::Hold, Step::Hold]);
    let answers = [(); 4].map(|()| send(&service, logs(2)));
    exporter.wait_for_calls(3).await;
    settle().await;
    assert_eq!(exporter.in_flight(), 3);
    exporter.release();
    exporter.wait_for_calls(4).await;
    exporter.release();
    exporter.release();
    for answer in answers {
        assert_eq!(delivered(answer).await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_wait_for_readiness_while_everything_is_full() {
    let (mut service, exporter) = batch(patient().max_items(4).max_in_flight(1), [Step::Hold]);
    let mut answers = vec![send(&service, logs(4))];
    exporter.wait_for_calls(1).await;
    // One batch in flight, one that is full and one that is begun; the rest is on its way. A
    // caller that is never ready has not handed its request over.
    let mut taken = 0;
    loop {
        let mut ready = task::spawn(service.ready());
        if ready.poll().is_pending() {
            settle().await;
            if ready.poll().is_pending() {
                break;
            }
        }
        drop(ready);
        answers.push(tokio::spawn(service.call(logs(3))));
        taken += 1;
        assert!(taken < 1000, "no backpressure");
    }
    assert_eq!(exporter.calls(), 1);
    let mut waiting = task::spawn(service.clone().oneshot(logs(1)));
    assert_pending!(waiting.poll());
    exporter.release();
    exporter.wait_for_calls(taken).await;
    settle().await;
    assert!(waiting.is_woken());
    assert_pending!(waiting.poll());
    drop(service);
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    settle().await;
    assert_ready!(waiting.poll()).unwrap();
    assert_eq!(exporter.delivered(), 4 + 3 * taken as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_much_to_send_does_not_starve_another() {
    let config = BatchConfig::new().max_items(4).max_in_flight(1);
    let (service, exporter) = batch(config, vec![Step::DeliverAfter(SECOND); 40]);
    let tenant = |name: &str| Metadata::default().with_tenant(name);
    let busy: Vec<_> = (0..20)
        .map(|_| send(&service, logs(4).with_metadata(tenant("busy"))))
        .collect();
    let quiet = send(&service, logs(1).with_metadata(tenant("quiet")));
    let more: Vec<_> = (0..20)
        .map(|_| send(&service, logs(4).with_metadata(tenant("busy"))))
        .collect();
    assert_eq!(delivered(quiet).await, 1);
    assert!(exporter.calls() <= 23, "{} calls", exporter.calls());
    for answer in busy.into_iter().chain(more) {
        assert_eq!(delivered(answer).await, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_below_that_is_not_ready_holds_up_its_batches_and_nobody_holds_it() {
    let exporter = ScriptedExporter::delivering();
    let mut limit = ConcurrencyLimit::new(ReadinessProbe::new(exporter.clone()), 1);
    let service = layer(BatchConfig::new()).layer(limit.clone());
    assert_eq!(delivered(send(&service, logs(1))).await, 1);
    // The layer is idle: the only permit is free.
    let occupant = limit.ready().await.unwrap();
    let answer = send(&service, logs(2));
    tokio::time::sleep(SECOND).await;
    assert_eq!(exporter.calls(), 1);
    occupant.call(logs(4)).await.unwrap();
    assert_eq!(delivered(answer).await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_oversize_request_is_cut_and_its_neighbours_are_not() {
    let (service, exporter) = batch(BatchConfig::new().max_items(4), []);
    let before = send(&service, records(["before"]));
    let large = send(&service, records(0..10));
    let after = send(&service, records(["after"]));
    for (answer, items) in [(before, 1), (large, 10), (after, 1)] {
        assert_eq!(delivered(answer).await, items);
    }
    let sent: Vec<_> = exporter.requests().iter().map(bodies).collect();
    assert_eq!(
        sent,
        [
            vec!["0", "1", "2", "3"],
            vec!["4", "5", "6", "7"],
            vec!["before", "8", "9", "after"],
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn pieces_wait_for_places_too() {
    let config = BatchConfig::new().max_items(2).max_in_flight(1);
    let (service, exporter) = batch(config, [Step::Hold]);
    let large = send(&service, records(0..6));
    exporter.wait_for_calls(1).await;
    settle().await;
    assert_eq!(exporter.calls(), 1);
    exporter.release();
    assert_eq!(delivered(large).await, 6);
    assert_eq!(exporter.items(), [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn an_item_larger_than_a_batch_goes_alone() {
    let (service, exporter) = batch(BatchConfig::new().max_bytes(100), []);
    let giant = "x".repeat(300);
    let mixed = send(&service, records(["a", &giant, "b"]));
    let alone = send(&service, records([&giant]));
    assert_eq!(delivered(mixed).await, 3);
    assert_eq!(delivered(alone).await, 1);
    assert_eq!(exporter.delivered(), 4);
    let large = exporter
        .requests()
        .iter()
        .filter(|sent| sent.byte_size() > 300)
        .count();
    assert_eq!(large, 2);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_cut_request_counts_every_item_once() {
    let script = [
        Step::Reject(1),
        Step::Fail(ExportError::new(ErrorKind::Rejected, "no")),
        Step::Fail(down()),
        Step::Deliver,
    ];
    let config = BatchConfig::new().max_items(2).max_in_flight(1);
    let (service, exporter) = batch(config, script);
    let metadata = Metadata::default().with_tenant("acme");
    let answer = send(&service, records(0..8).with_metadata(metadata.clone()));
    let error = failed(answer).await;
    assert_eq!(exporter.items(), [2, 2, 2, 2]);
    // What may be retried speaks, and all that failed remains: nothing is given up unseen.
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let progress = error.progress().unwrap();
    assert_eq!(
        (progress.delivered_items(), progress.rejected_items()),
        (3, 1)
    );
    let remainder = error.remainder().unwrap();
    assert_eq!(bodies(remainder), ["2", "3", "4", "5"]);
    assert_eq!(*remainder.metadata(), metadata);
}

#[tokio::test(start_paused = true)]
async fn a_cut_request_of_which_all_fails_has_a_plain_error() {
    let (service, _) = batch(
        BatchConfig::new().max_items(2),
        [Step::Fail(down()), Step::Fail(down())],
    );
    let error = failed(send(&service, records(0..4))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.remainder().is_none());
}

//! Whatever is sent, and whatever fails: every item arrives, and every caller hears of it.

use proptest::prelude::*;
use tower_otlp::{
    Metadata,
    layers::retry::{RetryLayer, RetryPolicy},
};

use super::*;

#[derive(Clone, Debug)]
struct Sent {
    items: usize,
    /// Length of each body, about.
    length: usize,
    tenant: u8,
    /// How long before it nothing is sent.
    pause: Duration,
    /// Whether the caller waits for the answer.
    waits: bool,
}

#[derive(Clone, Debug)]
struct Bounds {
    items: u64,
    bytes: usize,
    timeout: Duration,
    in_flight: usize,
    keys: usize,
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn sent() -> impl Strategy<Value = Sent> {
    let pause = prop_oneof![Just(Duration::ZERO), millis(0..300)];
    (
        0..12usize,
        0..60usize,
        0..4u8,
        pause,
        prop::bool::weighted(0.9),
    )
        .prop_map(|(items, length, tenant, pause, waits)| Sent {
            items,
            length,
            tenant,
            pause,
            waits,
        })
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (1..10u64, 1..400usize, millis(0..300), 1..4usize, 1..4usize).prop_map(
        |(items, bytes, timeout, in_flight, keys)| Bounds {
            items,
            bytes,
            timeout,
            in_flight,
            keys,
        },
    )
}

/// What one batch meets: how long it takes and whether it fails.
fn step() -> impl Strategy<Value = (Duration, bool)> {
    (millis(0..400), prop::bool::weighted(0.2))
}

/// Sends everything through a batch with a retry below, and checks what arrived.
async fn check(bounds: Bounds, steps: Vec<(Duration, bool)>, all: Vec<Sent>) {
    let script = steps.iter().map(|(wait, fails)| match fails {
        true => Step::FailAfter(*wait, down()),
        false => Step::DeliverAfter(*wait),
    });
    let exporter = ScriptedExporter::new(script);
    let policy = RetryPolicy::new().seed(1).no_max_elapsed();
    let retry = RetryLayer::new(policy).layer(ReadinessProbe::new(exporter.clone()));
    let config = BatchConfig::new()
        .max_items(bounds.items)
        .max_bytes(bounds.bytes)
        .timeout(bounds.timeout)
        .max_in_flight(bounds.in_flight)
        .max_keys(bounds.keys);
    let service = layer(config).layer(retry);

    let mut expected = Vec::new();
    let mut answers = Vec::new();
    for (number, sent) in all.into_iter().enumerate() {
        tokio::time::sleep(sent.pause).await;
        let texts: Vec<String> = (0..sent.items)
            .map(|item| {
                format!(
                    "{}/{number}/{item}/{}",
                    sent.tenant,
                    "x".repeat(sent.length)
                )
            })
            .collect();
        expected.extend(texts.iter().cloned());
        let metadata = Metadata::default().with_tenant(sent.tenant.to_string());
        let mut handle = service.clone();
        let call = handle
            .ready()
            .await
            .unwrap()
            .call(records(texts).with_metadata(metadata));
        if sent.waits {
            answers.push((sent.items as u64, tokio::spawn(call)));
        }
    }
    drop(service);
    for (items, answer) in answers {
        assert_eq!(delivered(answer).await, items);
    }
    // Those that nobody waits for are on their way still.
    while exporter.handles() > 1 {
        tokio::time::sleep(SECOND).await;
    }

    let mut arrived = Vec::new();
    for (number, request) in exporter.requests().iter().enumerate() {
        assert!(request.items() <= bounds.items);
        assert!(request.byte_size() <= bounds.bytes || request.items() == 1);
        let tenant = request.metadata().tenant().unwrap();
        let texts = bodies(request);
        assert!(
            texts.iter().all(|text| text.starts_with(tenant)),
            "{texts:?}"
        );
        let (_, fails) = steps.get(number).copied().unwrap_or_default();
        if !fails {
            arrived.extend(texts);
        }
    }
    expected.sort_unstable();
    arrived.sort_unstable();
    assert_eq!(arrived, expected);
}

proptest! {
    #[test]
    fn every_item_arrives_once(
        bounds in bounds(),
        steps in prop::collection::vec(step(), 0..30),
        all in prop::collection::vec(sent(), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(check(bounds, steps, all));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_item_arrives_once_on_several_threads() {
    let config = BatchConfig::new()
        .max_items(50)
        .timeout(Duration::from_millis(1))
        .max_in_flight(3);
    let (service, exporter) = batch(config, []);
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let mut service = service.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for number in 0..100 {
                    let request = records([format!("{caller}/{number}")]);
                    answers.push(service.ready().await.unwrap().call(request));
                }
                for answer in answers {
                    assert_eq!(answer.await.unwrap().delivered_items(), 1);
                }
            })
        })
        .collect();
    drop(service);
    for caller in callers {
        caller.await.unwrap();
    }
    let mut arrived: Vec<_> = exporter.requests().iter().flat_map(bodies).collect();
    arrived.sort_unstable();
    arrived.dedup();
    assert_eq!(arrived.len(), 800);
    assert_eq!(exporter.delivered(), 800);
}

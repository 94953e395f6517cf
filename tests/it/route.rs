//! The route: who gets what, how requests are cut, and what a retry sends again.

// Helpers of tests may say what they expect, like tests.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimit};
use tower_otlp::{
    BoxExporter, ErrorKind, ExportError, ExportRequest, ExportResponse, ExporterExt, Metadata,
    RetryAdvice, ServiceBuilderExt, Signal,
    layers::{
        fallback::Fallback,
        retry::RetryPolicy,
        route::{Route, RouteBuilder},
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs, metrics, traces},
};

const SECOND: Duration = Duration::from_secs(1);

fn fail(kind: ErrorKind) -> Step {
    Step::Fail(ExportError::new(kind, "no"))
}

fn down() -> Step {
    fail(ErrorKind::Unavailable)
}

fn cut(delivered: u64) -> Step {
    Step::Partial(delivered, ExportError::new(ErrorKind::Unavailable, "cut"))
}

fn probed(exporter: &ScriptedExporter) -> BoxExporter {
    ReadinessProbe::new(exporter.clone()).boxed_exporter()
}

/// Field `number` with this content. All lengths in here are below 128.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
    out.extend_from_slice(content);
    out
}

/// The attribute `k` with this value, as a resource; without one if there is no value.
fn resource(value: Option<&str>) -> Vec<u8> {
    let Some(value) = value else {
        return Vec::new();
    };
    let any = field(2, &field(1, value.as_bytes()));
    field(1, &field(1, &[field(1, b"k"), any].concat()))
}

fn group(value: Option<&str>, items: usize) -> Vec<u8> {
    let records = field(2, b"").repeat(items);
    field(1, &[resource(value), field(2, &records)].concat())
}

/// Log records, so many for each of these values.
fn grouped(groups: &[(&str, usize)]) -> ExportRequest {
    let bytes: Vec<u8> = groups
        .iter()
        .flat_map(|(value, items)| group(Some(value), *items))
        .collect();
    ExportRequest::from_protobuf(Signal::Logs, bytes).unwrap()
}

/// The value and the number of items of each resource in a request.
fn read(request: &ExportRequest) -> Vec<(String, usize)> {
    let logs = request.logs().unwrap();
    logs.resources()
        .map(|group| {
            let value = group.attributes().get("k");
            (
                value.and_then(|value| value.as_str()).unwrap_or("").into(),
                group.scopes().map(|scope| scope.items().count()).sum(),
            )
        })
        .collect()
}

fn owned(groups: &[(&str, usize)]) -> Vec<(String, usize)> {
    groups.iter().map(|(key, n)| ((*key).into(), *n)).collect()
}

/// Routes `a`, `b` and `c` by attribute to exporters with these scripts.
fn by_attribute<const N: usize>(scripts: [&[Step]; N]) -> (RouteBuilder, [ScriptedExporter; N]) {
    let exporters = scripts.map(|script| ScriptedExporter::new(script.iter().cloned()));
    let mut builder = Route::by_attribute("k");
    for (name, exporter) in ["a", "b", "c"].into_iter().zip(&exporters) {
        builder = builder.to(name, probed(exporter));
    }
    (builder, exporters)
}

async fn send(route: &Route, request: ExportRequest) -> Result<ExportResponse, ExportError> {
    route.clone().oneshot(request).await
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    let other = ScriptedExporter::delivering;
    contract::check(&Route::by_tenant().to("x", other()).layer().unwrap()).await;
    contract::check(&Route::by_attribute("x").to("x", other()).layer().unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn by_each_property_of_a_request() {
    let metadata = || {
        Metadata::default()
            .with_tenant("acme")
            .with_header("x-region", "eu")
    };
    for (builder, value) in [
        (Route::by_signal(), "logs"),
        (Route::by_tenant(), "acme"),
        (Route::by_header("X-Region"), "eu"),
        (
            Route::by_request(|request| Some(request.items().to_string())),
            "3",
        ),
        (
            Route::by_resource(|attributes| Some(format!("{}", attributes.is_empty()))),
            "true",
        ),
    ] {
        let (there, other) = (
            ScriptedExporter::delivering(),
            ScriptedExporter::delivering(),
        );
        let route = builder
            .to(value, probed(&there))
            .otherwise(probed(&other))
            .build()
            .unwrap();
        let response = send(&route, logs(3).with_metadata(metadata())).await;
        assert_eq!(response.unwrap().delivered_items(), 3);
        assert_eq!((there.calls(), other.calls()), (1, 0), "{route:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn signals_go_their_ways() {
    let [one, two] = [(); 2].map(|()| ScriptedExporter::delivering());
    let route = Route::by_signal()
        .to_any(["traces", "logs"], probed(&one))
        .to(Signal::Metrics.as_str(), probed(&two))
        .build()
        .unwrap();
    for request in [traces(1), metrics(2), logs(3)] {
        send(&route, request).await.unwrap();
    }
    assert_eq!((one.items(), two.items()), (vec![1, 3], vec![2]));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_route_goes_to_the_default() {
    let (builder, [a]) = by_attribute([&[]]);
    let default = ScriptedExporter::delivering();
    let route = builder.otherwise(probed(&default)).build().unwrap();
    for request in [grouped(&[("x", 1)]), logs(2), logs(0)] {
        send(&route, request).await.unwrap();
    }
    assert_eq!((a.calls(), default.items()), (0, vec![1, 2, 0]));
}

#[tokio::test(start_paused = true)]
async fn without_a_default_it_is_rejected_by_name() {
    let (builder, [a]) = by_attribute([&[]]);
    let route = builder.build().unwrap();
    let hostile = format!("x\n\u{1b}[31m{}", "y".repeat(80));
    let failed = send(&route, grouped(&[(&hostile, 1)])).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Rejected);
    let shown = failed.to_string();
    assert!(
        shown.contains(r#"resource attribute k "x\n\u{1b}[31myyy"#),
        "{shown}"
    );
    assert!(!shown.contains('\n') && shown.len() < 170, "{shown}");
    let failed = send(&route, logs(1)).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "rejected: no route without a resource attribute k, and no default"
    );
    assert_eq!(a.calls(), 0);
    // There is nothing to lose.
    assert_eq!(send(&route, logs(0)).await.unwrap().delivered_items(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_value_of_a_header_is_not_shown() {
    let secret = || logs(1).with_metadata(Metadata::default().with_header("x-key", "s3cret"));
    for builder in [
        Route::by_header("x-key"),
        Route::by_request(|request| request.metadata().header("x-key").map(Into::into)),
    ] {
        let route = builder
            .to("0ther", ScriptedExporter::delivering())
            .build()
            .unwrap();
        let failed = send(&route, secret()).await.unwrap_err();
        let shown = format!("{failed} {failed:?} {route:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("0ther"),
            "{shown}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_for_one_exporter_is_not_touched() {
    let (builder, [a, _]) = by_attribute([&[], &[]]);
    let request = grouped(&[("a", 1), ("a", 2)]);
    send(&builder.build().unwrap(), request.clone())
        .await
        .unwrap();
    let seen = &a.requests()[0];
    assert_eq!(seen.protobuf().as_ptr(), request.protobuf().as_ptr());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_cut_between_its_resources() {
    let (builder, [a, b]) = by_attribute([&[], &[Step::Reject(1)]]);
    let default = ScriptedExporter::delivering();
    let route = builder.otherwise(probed(&default)).build().unwrap();
    let request = grouped(&[("b", 2), ("a", 1), ("x", 3), ("b", 4), ("y", 5)])
        .with_metadata(Metadata::default().with_tenant("acme"));
    let response = send(&route, request).await.unwrap();
    assert_eq!(read(&a.requests()[0]), owned(&[("a", 1)]));
    assert_eq!(read(&b.requests()[0]), owned(&[("b", 2), ("b", 4)]));
    assert_eq!(read(&default.requests()[0]), owned(&[("x", 3), ("y", 5)]));
    assert_eq!(a.requests()[0].metadata().tenant(), Some("acme"));
    assert_eq!(response.delivered_items(), 14);
    assert_eq!(response.rejected_items(), 1);
    assert_eq!(response.message(), Some("route 1: rejected by the script"));
    let numbers: Vec<_> = response.branches().iter().map(|one| one.branch).collect();
    assert_eq!(numbers, [1, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn fields_that_nobody_knows_travel_on() {
    let (builder, [a, b]) = by_attribute([&[], &[]]);
    let unknown = field(9, b"what is this");
    let bytes = [group(Some("a"), 1), group(Some("b"), 1), unknown.clone()].concat();
    let request = ExportRequest::from_protobuf(Signal::Logs, bytes).unwrap();
    send(&builder.build().unwrap(), request).await.unwrap();
    assert_eq!(
        a.requests()[0].protobuf()[..],
        [group(Some("a"), 1), unknown].concat()
    );
    assert_eq!(b.requests()[0].protobuf()[..], group(Some("b"), 1));
}

#[tokio::test(start_paused = true)]
async fn parts_run_at_the_same_time_and_none_stalls_another() {
    let slow = |secs| [Step::DeliverAfter(secs * SECOND)];
    let (builder, _) = by_attribute([&slow(3), &slow(7)]);
    let started = Instant::now();
    let request = || grouped(&[("a", 1), ("b", 1)]);
    send(&builder.build().unwrap(), request()).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 7);

    let mut limit = ConcurrencyLimit::new(ScriptedExporter::delivering(), 1);
    let free = ScriptedExporter::delivering();
    let route = Route::by_attribute("k")
        .to("a", limit.clone())
        .to("b", free.clone())
        .build()
        .unwrap();
    limit.ready().await.unwrap();
    let mut request = task::spawn(route.oneshot(request()));
    assert_pending!(request.poll());
    assert_eq!(free.delivered(), 1);
    drop(limit);
    assert!(request.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_retry_sends_again_only_what_failed() {
    let (builder, [a, b, c]) = by_attribute([&[], &[down(), cut(1), down()], &[cut(2), down()]]);
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .service(builder.build().unwrap());
    let request = grouped(&[("a", 1), ("b", 5), ("c", 7)]);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.delivered_items(), 13);
    assert_eq!(a.items(), [1]);
    assert_eq!(b.items(), [5, 5, 4, 4]);
    assert_eq!(c.items(), [7, 5, 5]);
}

#[tokio::test(start_paused = true)]
async fn the_remainder_is_what_failed_and_the_progress_what_did_not() {
    let busy = ExportError::new(ErrorKind::Throttled, "slow down")
        .with_retry(RetryAdvice::After(9 * SECOND));
    let (builder, _) = by_attribute([&[Step::Reject(1)], &[down()], &[Step::Fail(busy)]]);
    let request = grouped(&[("a", 3), ("b", 5), ("c", 7), ("b", 2)])
        .with_metadata(Metadata::default().with_tenant("acme"));
    let failed = send(&builder.build().unwrap(), request).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Unavailable);
    assert_eq!(failed.retry(), RetryAdvice::After(9 * SECOND));
    let progress = failed.progress().unwrap();
    assert_eq!(
        (progress.delivered_items(), progress.rejected_items()),
        (2, 1)
    );
    let remainder = failed.remainder().unwrap();
    assert_eq!(read(remainder), owned(&[("b", 5), ("b", 2), ("c", 7)]));
    assert_eq!(remainder.items(), 14);
    assert_eq!(remainder.metadata().tenant(), Some("acme"));
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_good_is_not_sent_again_and_not_lost() {
    let refused = fail(ErrorKind::Unauthenticated);
    let (builder, [a, b, c]) =
        by_attribute([std::slice::from_ref(&refused), &[down(), down()], &[]]);
    let builder = builder.to("d", probed(&ScriptedExporter::delivering()));
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .service(builder.build().unwrap());
    let request = grouped(&[("a", 1), ("b", 2), ("c", 4), ("nowhere", 8)]);
    let failed = service.oneshot(request).await.unwrap_err();
    assert_eq!(failed.retry(), RetryAdvice::Never);
    assert_eq!(failed.kind(), ErrorKind::Unauthenticated);
    assert_eq!((a.calls(), b.calls(), c.calls()), (1, 3, 1));
    assert_eq!(failed.progress().unwrap().delivered_items(), 6);
    let remainder = failed.remainder().unwrap();
    assert_eq!(read(remainder), owned(&[("a", 1), ("nowhere", 8)]));
    assert!(failed.to_string().contains("\"nowhere\""), "{failed}");

    // A fallback above takes just that.
    let (builder, _) = by_attribute([&[refused], &[], &[]]);
    let archive = ScriptedExporter::delivering();
    let service = Fallback::new(builder.build().unwrap(), archive.clone());
    let response = service
        .oneshot(grouped(&[("a", 1), ("b", 2)]))
        .await
        .unwrap();
    assert_eq!(response.delivered_items(), 3);
    assert_eq!(read(&archive.requests()[0]), owned(&[("a", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_part_is_its_own_failure() {
    let (builder, [a, b]) = by_attribute([&[Step::Panic], &[]]);
    let failed = send(&builder.build().unwrap(), grouped(&[("a", 1), ("b", 2)]))
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Internal);
    assert_eq!(read(failed.remainder().unwrap()), owned(&[("a", 1)]));
    assert_eq!((a.delivered(), b.delivered()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_request_drops_all_parts() {
    let (builder, exporters) = by_attribute([&[Step::Hold], &[Step::Hold]]);
    let mut request = task::spawn(
        builder
            .build()
            .unwrap()
            .oneshot(grouped(&[("a", 1), ("b", 1)])),
    );
    assert_pending!(request.poll());
    assert_pending!(request.poll());
    assert!(exporters.iter().all(|exporter| exporter.in_flight() == 1));
    drop(request);
    assert!(exporters.iter().all(|exporter| exporter.dropped() == 1));
}

#[tokio::test(start_paused = true)]
async fn routes_within_routes_each_keep_their_own_notes() {
    let (inner, [a, b]) = by_attribute([&[], &[down(), down()]]);
    let other = ScriptedExporter::new([down()]);
    let outer = Route::by_resource(|attributes| {
        let value = attributes.get("k").and_then(|value| value.as_str());
        Some(value?.len().to_string())
    })
    .to("1", inner.build().unwrap())
    .otherwise(other.clone())
    .build()
    .unwrap();
    let service = ServiceBuilder::new()
        .export_retry(RetryPolicy::new())
        .service(outer);
    let request = grouped(&[("a", 1), ("long", 2), ("b", 4)]);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.delivered_items(), 7);
    assert_eq!((a.items(), b.items()), (vec![1], vec![4, 4, 4]));
    assert_eq!(other.items(), [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_layer_makes_the_service_below_the_default() {
    let [a, below] = [(); 2].map(|()| ScriptedExporter::delivering());
    let routes = Route::by_attribute("k").to("a", a.clone()).layer().unwrap();
    let mut service = ServiceBuilder::new().route(routes).service(below.clone());
    let request = grouped(&[("a", 1), ("b", 2)]);
    service.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!((a.items(), below.items()), (vec![1], vec![2]));
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    let exporter = ScriptedExporter::delivering;
    let tenant = Route::by_tenant;
    let none: [&str; 0] = [];
    for (result, says) in [
        (tenant().build().map(drop), "add one with `to`"),
        (tenant().layer().map(drop), "add one with `to`"),
        (
            tenant()
                .to("x", exporter())
                .otherwise(exporter())
                .layer()
                .map(drop),
            "leave `otherwise` out",
        ),
        (
            tenant()
                .to("x", exporter())
                .to("x", exporter())
                .build()
                .map(drop),
            "leave it out of one",
        ),
        (
            tenant().to_any(none, exporter()).build().map(drop),
            "name one",
        ),
        (
            Route::by_signal().to("trace", exporter()).build().map(drop),
            "use traces, metrics or logs",
        ),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
}

/// Whatever the exporters do, in the end every item was delivered exactly once.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let script: [Vec<Step>; 3] = std::array::from_fn(|_| {
            (0..rng.usize(0..6))
                .map(|_| match rng.u8(0..3) {
                    0 => Step::Deliver,
                    1 => cut(rng.u64(0..5)),
                    _ => down(),
                })
                .collect()
        });
        let (builder, exporters) = by_attribute(script.each_ref().map(Vec::as_slice));
        let default = ScriptedExporter::delivering();
        let route = builder.otherwise(default.clone()).build().unwrap();
        let service = ServiceBuilder::new()
            .export_retry(RetryPolicy::new().no_max_elapsed().seed(seed))
            .service(route);
        let mut expected = [0; 4];
        let groups: Vec<_> = (0..rng.usize(2..9))
            .map(|_| {
                let (to, items) = (rng.usize(0..4), rng.usize(0..9));
                expected[to] += items as u64;
                (["a", "b", "c", "x"][to], items)
            })
            .collect();
        let used = groups
            .iter()
            .map(|(to, _)| to)
            .collect::<std::collections::HashSet<_>>();
        if used.len() < 2 {
            continue;
        }
        let response = service.oneshot(grouped(&groups)).await.unwrap();
        assert_eq!(response.delivered_items(), expected.iter().sum::<u64>());
        let [a, b, c] = exporters.map(|exporter| exporter.delivered());
        assert_eq!([a, b, c, default.delivered()], expected, "seed {seed}");
    }
}

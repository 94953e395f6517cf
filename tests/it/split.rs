//! The split layer: what it cuts, what it answers, and that no neighbour is lost.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use tower::{Service, ServiceExt, layer::Layer, limit::ConcurrencyLimit};
use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, ExportResponse, Exporter, Metadata, RetryAdvice,
    layers::{
        retry::{RetryLayer, RetryPolicy},
        split::{Split, SplitConfig, SplitLayer},
    },
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

fn layer(config: SplitConfig) -> SplitLayer {
    SplitLayer::new(config).expect("a configuration that works")
}

fn fails(kind: ErrorKind) -> Step {
    Step::Fail(ExportError::new(kind, "says the script"))
}

/// Log records with these bodies, in one scope.
fn records(bodies: impl IntoIterator<Item = String>) -> ExportRequest {
    let log_records = bodies.into_iter().map(|body| LogRecord {
        body: Some(AnyValue {
            value: Some(Value::StringValue(body)),
        }),
        ..LogRecord::default()
    });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: log_records.collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
    .into()
}

/// The bodies of the log records of a request.
fn bodies(request: &ExportRequest) -> Vec<String> {
    let logs = request.logs().expect("logs");
    logs.resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .map(|record| record.body().as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A backend that judges each request, and keeps what it takes.
#[derive(Clone, Default)]
struct Backend {
    taken: Arc<Mutex<Vec<String>>>,
    calls: Arc<Mutex<Vec<usize>>>,
}

impl Backend {
    fn judging(
        &self,
        judge: impl Fn(&ExportRequest) -> Option<ErrorKind> + Clone + Send + Sync + 'static,
    ) -> impl Exporter {
        let backend = self.clone();
        let service = tower::service_fn(move |request: ExportRequest| {
            backend.calls.lock().unwrap().push(request.byte_size());
            let result = match judge(&request) {
                Some(kind) => Err(ExportError::new(kind, "says the backend")),
                None => {
                    backend.taken.lock().unwrap().extend(bodies(&request));
                    Ok(ExportResponse::delivered(request.items()))
                }
            };
            async move { result }
        });
        // Strict about readiness, and one call at a time.
        ConcurrencyLimit::new(ReadinessProbe::new(service), 1)
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

async fn send(
    config: SplitConfig,
    inner: impl Exporter,
    request: ExportRequest,
) -> Result<ExportResponse, ExportError> {
    layer(config).layer(inner).oneshot(request).await
}

fn numbered(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("record {number}"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    contract::check(&SplitLayer::default()).await;
    let all = SplitConfig::new()
        .max_items(1)
        .max_bytes(1)
        .isolate_rejected(true)
        .max_in_flight(3)
        .learn_limit(true);
    contract::check(&layer(all)).await;
}

#[test]
fn a_configuration_that_cannot_work_is_not_built() {
    for (config, named) in [
        (SplitConfig::new().max_items(0), "max_items"),
        (SplitConfig::new().max_bytes(0), "max_bytes"),
        (SplitConfig::new().max_in_flight(0), "max_in_flight"),
        (
            SplitConfig::new().isolate_rejected(true).max_bisections(0),
            "max_bisections",
        ),
    ] {
        let error = SplitLayer::new(config).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
        assert!(Split::new((), config).is_err(), "{named}");
    }
}

#[tokio::test]
async fn what_fits_passes_unchanged_with_its_answer() {
    let request = records(numbered(10)).with_metadata(Metadata::default().with_tenant("acme"));
    let exporter = tower::service_fn({
        let sent = request.clone();
        move |got: ExportRequest| {
            assert_eq!(got.protobuf().as_ptr(), sent.protobuf().as_ptr());
            async { Ok::<_, ExportError>(ExportResponse::delivered(10).with_message("a warning")) }
        }
    });
    let config = SplitConfig::new()
        .max_items(10)
        .max_bytes(request.byte_size());
    let response = send(config, exporter, request).await.unwrap();
    assert_eq!(response.delivered_items(), 10);
    assert_eq!(response.message(), Some("a warning"));
}

#[tokio::test]
async fn cuts_ahead_by_items_and_by_bytes_and_keeps_the_metadata() {
    let exporter = ScriptedExporter::delivering();
    let request = records(numbered(25)).with_metadata(Metadata::default().with_tenant("acme"));
    let config = SplitConfig::new().max_items(10);
    let probe = ReadinessProbe::new(exporter.clone());
    let response = send(config, probe, request.clone()).await.unwrap();
    assert_eq!(response.delivered_items(), 25);
    assert_eq!(response.message(), None);
    assert_eq!(exporter.items(), [10, 10, 5]);
    let mut seen = Vec::new();
    for piece in exporter.requests() {
        assert_eq!(piece.metadata(), request.metadata());
        seen.extend(bodies(&piece));
    }
    assert_eq!(seen, numbered(25));

    let exporter = ScriptedExporter::delivering();
    let config = SplitConfig::new().max_bytes(request.byte_size() / 3);
    let response = send(config, exporter.clone(), request.clone())
        .await
        .unwrap();
    assert_eq!(response.delivered_items(), 25);
    assert!(exporter.calls() >= 3, "{}", exporter.calls());
    for piece in exporter.requests() {
        assert!(piece.byte_size() <= request.byte_size() / 3);
    }
}

#[tokio::test]
async fn too_large_is_halved_until_it_passes() {
    let backend = Backend::default();
    let inner =
        backend.judging(|request| (request.byte_size() > 200).then_some(ErrorKind::TooLarge));
    let response = send(SplitConfig::new(), inner, records(numbered(100)))
        .await
        .unwrap();
    assert_eq!(response.delivered_items(), 100);
    assert_eq!(response.rejected_items(), 0);
    assert_eq!(backend.taken(), numbered(100), "in the order they came");
}

#[tokio::test]
async fn one_item_that_is_too_large_alone_is_rejected_by_name_and_no_neighbour_with_it() {
    for position in [0, 1, 5, 8, 9] {
        let mut all = numbered(10);
        all[position] = format!("giant\n{}", "x".repeat(5000));
        let backend = Backend::default();
        let inner =
            backend.judging(|request| (request.byte_size() > 1000).then_some(ErrorKind::TooLarge));
        let response = send(SplitConfig::new(), inner, records(all)).await.unwrap();
        assert_eq!(response.delivered_items(), 9);
        assert_eq!(response.rejected_items(), 1);
        let message = response.message().expect("the name of what was rejected");
        assert!(message.starts_with("log record \"giant?xxx"), "{message}");
        assert!(
            message.ends_with("bytes: too_large: says the backend"),
            "{message}"
        );
        assert!(message.len() < 150, "{message}");
        let mut expected = numbered(10);
        expected.remove(position);
        assert_eq!(backend.taken(), expected);
    }
}

#[tokio::test]
async fn spans_and_data_points_are_named_too() {
    let spans: ExportRequest = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![Span {
                    name: "GET /orders".to_owned(),
                    span_id: vec![1, 2, 3, 4, 5, 6, 7, 8],
                    ..Span::default()
                }],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
    .into();
    let points: ExportRequest = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![
                    Metric {
                        name: "empty".to_owned(),
                        ..Metric::default()
                    },
                    Metric {
                        name: "queue.length".to_owned(),
                        data: Some(Data::Gauge(Gauge {
                            data_points: vec![NumberDataPoint::default()],
                        })),
                        ..Metric::default()
                    },
                ],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
    .into();
    for (request, name) in [
        (spans, "span \"GET /orders\" (0102030405060708), "),
        (points, "data point of metric \"queue.length\", "),
        (logs(1), "log record of 0 ns since the epoch, "),
    ] {
        let exporter = ScriptedExporter::new([fails(ErrorKind::TooLarge)]);
        let response = send(SplitConfig::new(), exporter, request).await.unwrap();
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (0, 1)
        );
        let message = response.message().expect("a name");
        assert!(message.starts_with(name), "{message}");
    }
}

#[tokio::test]
async fn rejected_is_handed_on_unless_told_to_isolate() {
    let exporter = ScriptedExporter::new([fails(ErrorKind::Rejected)]);
    let error = send(SplitConfig::new(), exporter.clone(), logs(8))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.remainder().is_none());
    assert_eq!(exporter.calls(), 1);
}

fn poisonous(request: &ExportRequest) -> Option<ErrorKind> {
    let poison = bodies(request).iter().any(|body| body.contains("poison"));
    poison.then_some(ErrorKind::Rejected)
}

#[tokio::test]
async fn poison_is_isolated_and_all_others_are_delivered() {
    let isolate = SplitConfig::new().isolate_rejected(true);
    for (positions, most) in [(vec![0], 21), (vec![617], 21), (vec![3, 4, 999], 63)] {
        let mut all = numbered(1000);
        let mut expected = all.clone();
        for position in positions.iter().rev() {
            all[*position] = format!("poison {position}");
            expected.remove(*position);
        }
        let backend = Backend::default();
        let response = send(isolate, backend.judging(poisonous), records(all))
            .await
            .unwrap();
        assert_eq!(response.rejected_items(), positions.len() as u64);
        assert_eq!(response.delivered_items(), expected.len() as u64);
        assert_eq!(backend.taken(), expected);
        assert!(backend.calls() <= most, "{}", backend.calls());
        let message = response.message().expect("names");
        for position in positions {
            assert!(message.contains(&format!("poison {position}")), "{message}");
        }
    }
}

#[tokio::test]
async fn bisections_can_be_bounded() {
    let mut all = numbered(1000);
    all[617] = "poison".to_owned();
    let backend = Backend::default();
    let config = SplitConfig::new().isolate_rejected(true).max_bisections(2);
    let response = send(config, backend.judging(poisonous), records(all))
        .await
        .unwrap();
    assert_eq!(backend.calls(), 5);
    assert_eq!(response.delivered_items(), 750);
    assert_eq!(response.rejected_items(), 250);
    assert_eq!(
        response.message(),
        Some("250 log records: rejected: says the backend")
    );
}

#[tokio::test]
async fn a_backend_that_takes_nothing_is_an_error_and_not_a_count() {
    for config in [
        SplitConfig::new().isolate_rejected(true),
        SplitConfig::new().max_items(3),
    ] {
        let backend = Backend::default();
        let inner = backend.judging(|_| Some(ErrorKind::Rejected));
        let error = send(config, inner, records(numbered(8))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.remainder().is_none(), "all of it is undelivered");
    }
}

#[tokio::test]
async fn a_rejected_piece_does_not_keep_the_others_back() {
    let exporter =
        ScriptedExporter::new([Step::Deliver, fails(ErrorKind::Rejected), Step::Reject(1)]);
    let config = SplitConfig::new().max_items(10);
    let response = send(config, exporter.clone(), logs(35)).await.unwrap();
    assert_eq!(exporter.items(), [10, 10, 10, 5]);
    assert_eq!(response.delivered_items(), 24);
    assert_eq!(response.rejected_items(), 11);
    assert_eq!(
        response.message(),
        Some("10 log records: rejected: says the script; rejected by the script")
    );
}

#[tokio::test]
async fn many_rejections_make_a_short_message() {
    let exporter = tower::service_fn(|request: ExportRequest| async move {
        match bodies(&request).as_slice() {
            [_] => Err(ExportError::new(ErrorKind::TooLarge, "")),
            _ => Ok(ExportResponse::delivered(request.items())),
        }
    });
    let config = SplitConfig::new().max_items(1);
    let response = send(config, exporter, records(numbered(100)))
        .await
        .unwrap();
    assert_eq!(response.rejected_items(), 100);
    let message = response.message().expect("names");
    assert!(message.ends_with("; and 96 more"), "{message}");
}

#[tokio::test]
async fn a_failure_stops_and_what_remains_is_exact() {
    let exporter = ScriptedExporter::new([
        Step::Deliver,
        Step::Reject(2),
        Step::Fail(
            ExportError::new(ErrorKind::Throttled, "slow down")
                .with_retry(RetryAdvice::After(std::time::Duration::from_secs(7))),
        ),
    ]);
    let request = records(numbered(50)).with_metadata(Metadata::default().with_tenant("acme"));
    let config = SplitConfig::new().max_items(10);
    let error = send(config, exporter.clone(), request.clone())
        .await
        .unwrap_err();
    assert_eq!(exporter.calls(), 3);
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(
        error.retry(),
        RetryAdvice::After(std::time::Duration::from_secs(7))
    );
    let progress = error.progress().expect("two pieces are done");
    assert_eq!(progress.delivered_items(), 18);
    assert_eq!(progress.rejected_items(), 2);
    let remainder = error.remainder().expect("three pieces are not");
    assert_eq!(bodies(remainder), numbered(50)[20..]);
    assert_eq!(remainder.metadata(), request.metadata());
}

#[tokio::test]
async fn progress_within_a_piece_counts() {
    let down = ExportError::new(ErrorKind::Unavailable, "down");
    let exporter = ScriptedExporter::new([Step::Deliver, Step::Partial(4, down)]);
    let config = SplitConfig::new().max_items(10);
    let error = send(config, exporter, logs(30)).await.unwrap_err();
    assert_eq!(error.progress().expect("progress").delivered_items(), 14);
    assert_eq!(error.remainder().expect("a remainder").items(), 16);
}

#[tokio::test]
async fn a_failure_before_anything_was_done_leaves_the_whole_request() {
    let exporter = ScriptedExporter::new([
        fails(ErrorKind::TooLarge),
        fails(ErrorKind::Unauthenticated),
    ]);
    let error = send(SplitConfig::new(), exporter.clone(), logs(9))
        .await
        .unwrap_err();
    assert_eq!(exporter.calls(), 2, "credentials are not a matter of size");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.remainder().is_none() && error.progress().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_retry_above_sends_only_what_remains() {
    let exporter = ScriptedExporter::new([
        fails(ErrorKind::TooLarge),
        Step::Deliver,
        fails(ErrorKind::Unavailable),
        fails(ErrorKind::Unavailable),
    ]);
    let service = RetryLayer::new(RetryPolicy::new())
        .layer(SplitLayer::default().layer(ReadinessProbe::new(exporter.clone())));
    let response = service.oneshot(records(numbered(8))).await.unwrap();
    assert_eq!(response.delivered_items(), 8);
    assert_eq!(exporter.items(), [8, 4, 4, 4, 4]);
    assert_eq!(exporter.delivered(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_retry_below_retries_each_piece() {
    let exporter = ScriptedExporter::new([Step::Deliver, fails(ErrorKind::Unavailable)]);
    let retry = RetryLayer::new(RetryPolicy::new()).layer(ReadinessProbe::new(exporter.clone()));
    let config = SplitConfig::new().max_items(3);
    let response = send(config, retry, logs(8)).await.unwrap();
    assert_eq!(response.delivered_items(), 8);
    assert_eq!(exporter.items(), [3, 3, 3, 2]);
}

#[tokio::test]
async fn pieces_go_one_at_a_time_or_so_many() {
    for most in [1, 3] {
        let exporter = ScriptedExporter::new(vec![Step::Hold; 8]);
        let config = SplitConfig::new().max_items(1).max_in_flight(most);
        let mut service = layer(config).layer(ReadinessProbe::new(exporter.clone()));
        let answer = service.ready().await.unwrap().call(logs(8));
        let mut answer = tokio_test::task::spawn(answer);
        let mut done = 0;
        let response = loop {
            match answer.poll() {
                std::task::Poll::Ready(response) => break response.unwrap(),
                // The probe wakes for a second look at its readiness.
                std::task::Poll::Pending if answer.is_woken() => continue,
                std::task::Poll::Pending => {}
            }
            assert_eq!(exporter.in_flight(), most.min(8 - done), "{done} done");
            exporter.release();
            done += 1;
        };
        assert_eq!(response.delivered_items(), 8);
        assert_eq!(done, 8);
    }
}

#[tokio::test]
async fn with_several_under_way_those_are_waited_for_when_one_fails() {
    let exporter = ScriptedExporter::new([Step::Hold, Step::Hold, fails(ErrorKind::Unavailable)]);
    let config = SplitConfig::new().max_items(2).max_in_flight(3);
    let service = layer(config).layer(exporter.clone());
    let mut answer = tokio_test::task::spawn(service.oneshot(records(numbered(12))));
    tokio_test::assert_pending!(answer.poll());
    assert_eq!(exporter.in_flight(), 2);
    exporter.release();
    exporter.release();
    let error = answer.await.unwrap_err();
    assert_eq!(exporter.calls(), 3, "nothing is sent after a failure");
    assert_eq!(error.progress().expect("progress").delivered_items(), 4);
    let remainder = error.remainder().expect("a remainder");
    assert_eq!(bodies(remainder), numbered(12)[4..]);
}

/// Ready once, then dead.
#[derive(Clone, Default)]
struct DiesAfterOne {
    calls: u32,
}

impl Service<ExportRequest> for DiesAfterOne {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = std::future::Ready<Result<ExportResponse, ExportError>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), ExportError>> {
        std::task::Poll::Ready(match self.calls {
            0 => Ok(()),
            _ => Err(ExportError::new(ErrorKind::Closed, "dead")),
        })
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        self.calls += 1;
        std::future::ready(Ok(ExportResponse::delivered(request.items())))
    }
}

#[tokio::test]
async fn an_inner_service_that_dies_between_two_pieces_loses_nothing() {
    let config = SplitConfig::new().max_items(3);
    let error = send(config, DiesAfterOne::default(), records(numbered(8)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert_eq!(error.progress().expect("progress").delivered_items(), 3);
    let remainder = error.remainder().expect("a remainder");
    assert_eq!(bodies(remainder), numbered(8)[3..]);
}

#[tokio::test]
async fn a_learned_limit_saves_the_refused_calls() {
    let backend = Backend::default();
    let refusing =
        |request: &ExportRequest| (request.byte_size() > 400).then_some(ErrorKind::TooLarge);
    let config = SplitConfig::new().learn_limit(true);
    let service = layer(config).layer(backend.judging(refusing));
    for round in 0..3 {
        let calls = backend.calls();
        let response = service
            .clone()
            .oneshot(records(numbered(100)))
            .await
            .unwrap();
        assert_eq!(response.delivered_items(), 100);
        let sizes = backend.calls.lock().unwrap()[calls..].to_vec();
        let refused = sizes.iter().filter(|size| **size > 400).count();
        // Within the first request the halves of its halves are not known yet.
        assert_eq!(refused == 0, round > 0, "{round}: {sizes:?}");
    }

    let forgetful = layer(SplitConfig::new()).layer(backend.judging(refusing));
    let mut calls = Vec::new();
    for _ in 0..2 {
        let before = backend.calls();
        let request = records(numbered(100));
        forgetful.clone().oneshot(request).await.unwrap();
        calls.push(backend.calls() - before);
    }
    assert_eq!(calls[0], calls[1]);
}

#[tokio::test]
async fn a_request_without_items_passes_and_its_error_too() {
    let exporter = ScriptedExporter::new([Step::Deliver, fails(ErrorKind::TooLarge)]);
    let config = SplitConfig::new().max_items(1).max_bytes(1);
    let response = send(config, exporter.clone(), logs(0)).await.unwrap();
    assert_eq!(response.delivered_items(), 0);
    let error = send(config, exporter.clone(), logs(0)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn errors_of_any_type_below() {
    let boxed = tower::service_fn(|request: ExportRequest| async move {
        match request.items() {
            0..=2 => Ok(ExportResponse::delivered(request.items())),
            _ => Err(tower::BoxError::from(ExportError::new(
                ErrorKind::TooLarge,
                "two at a time",
            ))),
        }
    });
    let response = send(SplitConfig::new(), boxed, logs(9)).await.unwrap();
    assert_eq!(response.delivered_items(), 9);
}

#[tokio::test]
async fn what_a_queue_below_answers_early_is_still_retained() {
    let early = tower::service_fn(|request: ExportRequest| async move {
        Ok::<_, ExportError>(ExportResponse::retained(request.items()))
    });
    let mut service = layer(SplitConfig::new().max_items(2)).layer(early);
    let response = service.ready().await.unwrap().call(logs(5)).await.unwrap();
    assert_eq!(response.retained_items(), 5);
    assert_eq!(response.delivered_items(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_it_keeps_no_place_in_line_that_a_piece_under_way_waits_for() {
    use std::{sync::atomic::AtomicUsize, time::Duration};

    // The first piece fails and is sent again; the second fails for good, but later than that; the
    // third waits in front of the first.
    let calls = Arc::new(AtomicUsize::new(0));
    let exporter = tower::service_fn(move |request: ExportRequest| {
        let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            match call {
                0 => Err(ExportError::new(ErrorKind::Unavailable, "not yet")),
                1 => {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    Err(ExportError::new(ErrorKind::Unauthenticated, "never"))
                }
                _ => Ok(ExportResponse::delivered(request.items())),
            }
        }
    });
    let retry = RetryPolicy::new().max_backoff(Duration::from_secs(1));
    let limited = ConcurrencyLimit::new(exporter, 1);
    let service = layer(SplitConfig::new().max_items(2).max_in_flight(3))
        .layer(RetryLayer::new(retry).layer(limited));
    let answer = service.oneshot(logs(6));
    let answer = tokio::time::timeout(Duration::from_secs(600), answer).await;
    let error = answer.expect("an answer").expect_err("one piece fails");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(error.progress().unwrap().delivered_items(), 2);
    assert_eq!(error.remainder().unwrap().items(), 4);
}

//! What an answer promises, who shares a write, and what is said about failures.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use tower::{Service as _, ServiceBuilder, ServiceExt as _};
use tower_otlp::{
    ErrorKind, ExportRequest, Lifecycle, RetryAdvice, ServiceBuilderExt as _, Signal,
    exporters::file::{FileCompression, FileExporter, FileFormat, Fsync},
    layers::{
        batch::{BatchConfig, BatchLayer},
        queue::{Acknowledge, QueueConfig, QueueLayer},
        rate_limit::RateLimiter,
        retry::RetryPolicy,
    },
    receivers::FileReader,
    testing,
};

use super::*;

#[tokio::test]
async fn every_form_reads_back_in_order() {
    for form in forms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.log");
        let exporter = builder(&path, form).build().expect("opened");
        write(&exporter, 1..=5).await;
        write_at_once(&exporter, 6..=100).await;
        assert_eq!(read_all(&path), (1..=100).collect::<Vec<_>>(), "{form:?}");
        close(exporter).await;
        // And it goes on where it was.
        let exporter = builder(&path, form).build().expect("opened again");
        write(&exporter, 101..=102).await;
        assert_eq!(read_all(&path), (1..=102).collect::<Vec<_>>(), "{form:?}");
        let name = with_ending(&path, form.1);
        assert_eq!(
            names(folder.path()),
            [name.file_name().unwrap().to_str().unwrap()]
        );
    }
}

#[tokio::test]
async fn ordinary_tools_read_compressed_files() {
    for (compression, tool) in [
        (FileCompression::Gzip, &["zcat"][..]),
        (FileCompression::Zstd, &["zstd", "-dc"]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.jsonl");
        let exporter = builder(&path, (FileFormat::Json, compression))
            .build()
            .expect("opened");
        write(&exporter, 1..=3).await;
        let run = Command::new(tool[0])
            .args(&tool[1..])
            .arg(with_ending(&path, compression))
            .stdin(Stdio::null())
            .output();
        let Ok(output) = run else {
            // Not on every machine; the reader is checked against the tools where they are.
            eprintln!("{} is not installed", tool[0]);
            continue;
        };
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(text.lines().count(), 3);
        for (line, number) in text.lines().zip(1..) {
            let request = ExportRequest::from_json(Signal::Logs, line.as_bytes()).expect("OTLP");
            assert_eq!(numbers(&request), [number]);
        }
    }
}

#[tokio::test]
async fn requests_that_come_together_share_writes_and_syncs() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path)
        .fsync(Fsync::EveryWrite)
        .build()
        .expect("opened");
    write_at_once(&exporter, 0..2000).await;
    let stats = exporter.stats();
    assert_eq!(stats.records, 2000);
    assert_eq!(
        stats.writes, stats.syncs,
        "each write is synced before its answers"
    );
    assert!(stats.writes <= 1000, "{stats:?}");
    assert_eq!(stats.bytes, fs::metadata(&path).expect("a file").len());
    // One after the other, each has its own.
    write(&exporter, 2000..2010).await;
    let more = exporter.stats();
    assert_eq!(
        (more.writes, more.syncs),
        (stats.writes + 10, stats.syncs + 10)
    );
    assert_eq!(read_all(&path).len(), 2010);
}

#[tokio::test]
async fn never_means_never() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let lifecycle = Lifecycle::new();
    let exporter = FileExporter::builder(&path)
        .fsync(Fsync::Never)
        .lifecycle(&lifecycle)
        .build()
        .expect("opened");
    write(&exporter, 0..10).await;
    let report = lifecycle.force_flush(Duration::from_secs(10)).await;
    assert!(report.complete, "{report}");
    assert_eq!(exporter.stats().syncs, 0);
}

#[tokio::test]
async fn an_interval_is_kept_and_a_flush_does_not_wait_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let short = Fsync::Interval(Duration::from_millis(1));
    let exporter = FileExporter::builder(&path)
        .fsync(short)
        .build()
        .expect("opened");
    write(&exporter, 0..1).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while exporter.stats().syncs == 0 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    close(exporter).await;

    let lifecycle = Lifecycle::new();
    let exporter = FileExporter::builder(&path)
        .fsync(Fsync::Interval(Duration::from_secs(3600)))
        .lifecycle(&lifecycle)
        .build()
        .expect("opened");
    write(&exporter, 1..3).await;
    assert_eq!(exporter.stats().syncs, 0);
    let report = lifecycle.force_flush(Duration::from_secs(20)).await;
    assert!(report.complete, "{report}");
    assert_eq!(exporter.stats().syncs, 1);
    write(&exporter, 3..4).await;
    let report = lifecycle.shutdown(Duration::from_secs(20)).await;
    assert!(report.complete, "{report}");
    assert_eq!(exporter.stats().syncs, 2);
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_being_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let lifecycle = Lifecycle::new();
    let exporter = FileExporter::builder(&path)
        .lifecycle(&lifecycle)
        .build()
        .expect("opened");
    let mut pipeline = ServiceBuilder::new()
        .tracked(&lifecycle)
        .service(exporter.clone());
    let mut answers = Vec::new();
    for number in 0..50 {
        answers.push(
            pipeline
                .ready()
                .await
                .expect("ready")
                .call(numbered(number)),
        );
    }
    // The callers go away; their telemetry does not.
    drop(answers);
    let report = lifecycle.shutdown(Duration::from_secs(20)).await;
    assert!(report.complete, "{report}");
    assert_eq!(read_all(&path), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_handed_over_is_written_when_all_handles_are_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let mut exporter = FileExporter::builder(&path).build().expect("opened");
    for number in 0..50 {
        drop(
            exporter
                .ready()
                .await
                .expect("ready")
                .call(numbered(number)),
        );
    }
    close(exporter).await;
    assert_eq!(read_all(&path), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn signals_share_a_file_or_have_one_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let requests = [testing::traces(2), testing::metrics(3), testing::logs(4)];
    for (name, files) in [("all.jsonl", 1), ("of-{signal}.jsonl", 3)] {
        let path = folder.path().join(name);
        let exporter = FileExporter::builder(&path).build().expect("opened");
        for request in &requests {
            let response = export(&exporter, request.clone()).await.expect("written");
            assert_eq!(response.delivered_items(), request.items());
            let destination = response.destination().expect("says where");
            assert!(destination.starts_with("file /"), "{destination}");
        }
        let reader = FileReader::builder()
            .rotated_set(&path)
            .build()
            .expect("files");
        let records: Vec<_> = reader.map(|record| record.expect("reads")).collect();
        let mut paths: Vec<_> = records
            .iter()
            .map(|record| record.position.path.clone())
            .collect();
        paths.dedup();
        assert_eq!(paths.len(), files);
        for (record, request) in records.iter().zip(&requests) {
            assert_eq!(record.request.signal(), request.signal());
            assert_eq!(record.request.items(), request.items());
        }
        close(exporter).await;
    }
    let expected = [
        "all.jsonl",
        "of-logs.jsonl",
        "of-metrics.jsonl",
        "of-traces.jsonl",
    ];
    assert_eq!(names(folder.path()), expected);
}

#[tokio::test]
async fn another_signal_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("logs.bin");
    let exporter = builder(&path, (FileFormat::Protobuf, FileCompression::None))
        .build()
        .expect("opened");
    for request in [testing::traces(1), testing::metrics(0)] {
        let error = export(&exporter, request.clone())
            .await
            .expect_err("only logs");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.exporter(), Some("file"));
        assert!(
            error.to_string().contains(request.signal().as_str()),
            "{error}"
        );
    }
    assert_eq!(exporter.stats().writes, 0);
}

#[tokio::test]
async fn an_empty_request_leaves_no_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    let response = export(&exporter, testing::logs(0)).await.expect("fine");
    assert_eq!(response.delivered_items(), 0);
    assert_eq!(fs::metadata(&path).expect("a file").len(), 0);
}

#[tokio::test]
async fn items_without_a_form_are_rejected_by_name_and_their_neighbours_written() {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        trace::v1::{ResourceSpans, ScopeSpans, Span},
    };
    let span = |name: &str, id: usize| Span {
        name: name.to_owned(),
        trace_id: vec![1; id],
        ..Default::default()
    };
    let request = |spans: Vec<Span>| {
        let message = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans,
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        ExportRequest::from_protobuf(Signal::Traces, message.encode_to_vec()).expect("valid")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    let mixed = request(vec![span("good", 16), span("short", 5), span("none", 0)]);
    let response = export(&exporter, mixed).await.expect("written");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (2, 1)
    );
    let message = response.message().expect("says so");
    assert!(message.contains("span \"short\""), "{message}");
    // Nothing is left of this one.
    let response = export(&exporter, request(vec![span("x", 3)]))
        .await
        .expect("answered");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (0, 1)
    );
    let reader = FileReader::builder().file(&path).build().expect("a file");
    let items: Vec<u64> = reader
        .map(|record| record.expect("reads").request.items())
        .collect();
    assert_eq!(items, [2]);
}

#[tokio::test]
async fn what_is_too_large_is_split_by_the_layer_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path)
        .max_record_bytes(300)
        .build()
        .expect("opened");
    let large = ExportRequest::merge(&(0..20).map(numbered).collect::<Vec<_>>()).expect("merged");
    let error = export(&exporter, large.clone())
        .await
        .expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.retry(), RetryAdvice::Never);
    assert_eq!(fs::metadata(&path).expect("a file").len(), 0);
    let mut pipeline = ServiceBuilder::new()
        .layer(
            tower_otlp::layers::split::SplitLayer::new(
                tower_otlp::layers::split::SplitConfig::new(),
            )
            .expect("valid"),
        )
        .service(exporter);
    let response = pipeline
        .ready()
        .await
        .expect("ready")
        .call(large)
        .await
        .expect("split");
    assert_eq!(response.delivered_items(), 20);
    assert_eq!(read_all(&path), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn it_is_ready_for_so_many_requests_and_then_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    // Reserved and not called: none is left.
    let mut ready = Vec::new();
    for _ in 0..64 {
        let mut handle = exporter.clone();
        handle.ready().await.expect("ready");
        ready.push(handle);
    }
    let mut late = tokio_test::task::spawn(exporter.clone());
    tokio_test::assert_pending!(late.enter(|cx, mut exporter| exporter.poll_ready(cx)));
    // One that goes away makes room.
    ready.pop();
    assert!(late.is_woken());
    tokio_test::assert_ready_ok!(late.enter(|cx, mut exporter| exporter.poll_ready(cx)));
    assert!(format!("{exporter:?}").contains("otel.jsonl"));
}

#[tokio::test]
async fn it_stands_under_the_usual_stack_with_towers_layers_between() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let lifecycle = Lifecycle::new();
    let exporter = FileExporter::builder(&path)
        .lifecycle(&lifecycle)
        .fsync(Fsync::EveryWrite)
        .build()
        .expect("opened");
    let queue = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .lifecycle(&lifecycle);
    let batch = BatchConfig::new()
        .max_items(10)
        .timeout(Duration::from_secs(3600))
        .lifecycle(&lifecycle);
    let mut pipeline = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(QueueLayer::new(queue).expect("valid"))
        .batch(BatchLayer::new(batch).expect("valid"))
        .export_retry(RetryPolicy::new())
        .map_request(|request: ExportRequest| request)
        .rate_limited(RateLimiter::items_per_second(1e9).expect("valid"))
        .concurrency_limit(4)
        .timeout(Duration::from_secs(60))
        .attempt_timeout(Duration::from_secs(30))
        .service(exporter.clone());
    for number in 0..95 {
        let answer = pipeline
            .ready()
            .await
            .expect("ready")
            .call(numbered(number));
        assert_eq!(answer.await.expect("retained").retained_items(), 1);
    }
    let report = lifecycle.shutdown(Duration::from_secs(30)).await;
    assert!(report.complete && report.delivered == 95, "{report}");
    let mut found = read_all(&path);
    found.sort_unstable();
    assert_eq!(found, (0..95).collect::<Vec<_>>());
    assert!(exporter.stats().records < 95, "batches are records");
}

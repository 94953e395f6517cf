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
    layers::retry::RetryPolicy,
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
async fn a_file_has_one_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    write(&exporter, 0..1).await;
    let error = FileExporter::builder(&path).build().expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("another exporter of this one"), "{text}");
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    #[cfg(unix)]
    {
        // By another name, too.
        let link = folder.path().join("link.jsonl");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        let error = FileExporter::builder(&link).build().expect_err("in use");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    close(exporter).await;
    let exporter = FileExporter::builder(&path).build().expect("free again");
    write(&exporter, 1..2).await;
    assert_eq!(read_all(&path), [0, 1]);
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
async fn a_file_that_is_moved_or_deleted_is_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    write(&exporter, 0..2).await;
    fs::rename(&path, folder.path().join("moved")).expect("moved");
    write(&exporter, 2..4).await;
    assert_eq!(read_all(&path), [2, 3]);
    assert_eq!(read_all(&folder.path().join("moved")), [0, 1]);
    fs::remove_file(&path).expect("deleted");
    write(&exporter, 4..5).await;
    assert_eq!(read_all(&path), [4]);
    // Emptied in place, as `copytruncate` does.
    fs::File::create(&path).expect("emptied");
    write(&exporter, 5..6).await;
    assert_eq!(read_all(&path), [5]);
}

#[tokio::test]
async fn a_folder_that_is_gone_is_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("created");
    let path = inner.join("otel.jsonl");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    fs::remove_dir_all(&inner).expect("removed");
    let error = export(&exporter, numbered(0)).await.expect_err("gone");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("create_directory"), "{error}");
    let mut pipeline = ServiceBuilder::new()
        .export_retry(RetryPolicy::new().initial_backoff(Duration::from_millis(1)))
        .attempt_timeout(Duration::from_secs(20))
        .concurrency_limit(4)
        .service(exporter);
    let answer = pipeline.ready().await.expect("ready").call(numbered(1));
    let mend = async {
        tokio::task::yield_now().await;
        fs::create_dir(&inner).expect("created");
    };
    let (answer, ()) = tokio::join!(answer, mend);
    assert_eq!(answer.expect("written in the end").delivered_items(), 1);
    assert_eq!(read_all(&path), [1]);
}

#[tokio::test]
async fn folders_are_created_if_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a/b/otel.jsonl");
    let error = FileExporter::builder(&path).build().expect_err("no folder");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let exporter = FileExporter::builder(&path)
        .create_directory(true)
        .build()
        .expect("created");
    write(&exporter, 0..1).await;
    assert_eq!(read_all(&path), [0]);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_tried_again() {
    let exporter = FileExporter::builder("/dev/full").build().expect("opened");
    let error = export(&exporter, numbered(0)).await.expect_err("full");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), RetryAdvice::Backoff);
    let text = error.to_string();
    assert!(
        text.starts_with("file exporter (/dev/full): unavailable: cannot write the file"),
        "{text}"
    );
    assert!(text.contains("make room"), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn new_files_have_the_mode_that_is_asked_for() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path)
        .mode(0o606)
        .rotate_bytes(1)
        .build()
        .expect("opened");
    write(&exporter, 0..3).await;
    for name in names(folder.path()) {
        let mode = fs::metadata(folder.path().join(&name))
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o606, "{name}");
    }
    assert_eq!(names(folder.path()).len(), 3);
}

#[test]
fn options_that_contradict_each_other_are_refused_with_advice() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| FileExporter::builder(folder.path().join(name));
    for (builder, part) in [
        (at("a").keep(3), "when to rotate"),
        (at("a").keep_for(Duration::from_secs(1)), "when to rotate"),
        (at("a").format(FileFormat::Protobuf), "{signal}"),
        (at("a").rotate_bytes(0), "zero"),
        (at("a").max_record_bytes(0), "zero"),
    ] {
        let error = builder.build().expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(names(folder.path()).is_empty(), "nothing was created");
    let error = FileExporter::builder("/").build().expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn another_content_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for (content, form) in [
        (
            &b"\x1f\x8b\x08\x00\x00"[..],
            (FileFormat::Json, FileCompression::None),
        ),
        (b"{}\n", (FileFormat::Protobuf, FileCompression::None)),
        (b"root:x:0:0\n", (FileFormat::Json, FileCompression::Zstd)),
        (b"root:x:0:0\n", (FileFormat::Json, FileCompression::Gzip)),
    ] {
        let path = folder.path().join("otel.log");
        let path = with_ending(&path, form.1);
        fs::write(&path, content).expect("written");
        let error = builder(&path, form).build().expect_err("something else");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{form:?}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(fs::read(&path).expect("there"), content, "{form:?}");
    }
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

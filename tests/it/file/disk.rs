//! Files and folders that are in use, in the way, full, moved, or not there.

use std::{fs, time::Duration};

use tower::{Service as _, ServiceBuilder, ServiceExt as _};
use tower_otlp::{
    ErrorKind, RetryAdvice, ServiceBuilderExt as _,
    exporters::file::{FileCompression, FileExporter, FileFormat},
    layers::retry::RetryPolicy,
};

use super::*;

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

/// A named pipe takes what is written, and nobody can sync it.
#[cfg(unix)]
#[tokio::test]
async fn a_sync_that_fails_is_not_tried_again_and_again_while_draining() {
    use tower_otlp::{Lifecycle, exporters::file::Fsync};

    const REQUESTS: u64 = 50;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    let lifecycle = Lifecycle::new();
    let exporter = FileExporter::builder(&path)
        .fsync(Fsync::Interval(Duration::from_secs(3600)))
        .lifecycle(&lifecycle)
        .build()
        .expect("opened");
    write(&exporter, 0..1).await;
    let report = lifecycle.shutdown(Duration::from_secs(10)).await;
    assert!(report.complete, "{report}");
    assert_eq!(exporter.stats().failed_syncs, 1);
    // Each write makes the worker look at what there is to do.
    write(&exporter, 1..REQUESTS).await;
    let failed = exporter.stats().failed_syncs;
    assert!(failed <= REQUESTS, "{failed} of {REQUESTS}");
}

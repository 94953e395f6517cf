//! When a new file is begun, and which old ones stay.

use std::{fs, time::Duration};

use tower_otlp::exporters::file::{FileCompression, FileExporter, FileFormat, Fsync};

use super::*;

/// Whether a name is `otel-2022-09-14T05-02-14.173.jsonl`.
fn is_rotated(name: &str) -> bool {
    let form = "otel-0000-00-00T00-00-00.000.jsonl";
    let is_like = |(byte, form): (u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    };
    name.len() == form.len() && name.bytes().zip(form.bytes()).all(is_like)
}

#[tokio::test]
async fn no_file_is_larger_than_asked_for_and_the_set_is_in_order() {
    for form in forms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.jsonl");
        let exporter = builder(&path, form)
            .rotate_bytes(1000)
            .build()
            .expect("opened");
        write(&exporter, 0..100).await;
        write_at_once(&exporter, 100..200).await;
        let names = names(folder.path());
        assert!(names.len() > 5, "{form:?} {names:?}");
        assert_eq!(exporter.stats().rotations, names.len() as u64 - 1);
        for name in &names {
            let size = fs::metadata(folder.path().join(name))
                .expect("a file")
                .len();
            // What is compressed together may be more than fits.
            assert!(
                size <= 1000 || form.1 != FileCompression::None,
                "{form:?} {name}: {size}"
            );
        }
        assert_eq!(read_all(&path), (0..200).collect::<Vec<_>>(), "{form:?}");
        close(exporter).await;
    }
}

#[tokio::test]
async fn rotated_files_have_the_time_in_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path)
        .rotate_bytes(1)
        .build()
        .expect("opened");
    write(&exporter, 0..4).await;
    let names = names(folder.path());
    assert_eq!(
        names.iter().filter(|name| is_rotated(name)).count(),
        3,
        "{names:?}"
    );
    assert_eq!(names.last().map(String::as_str), Some("otel.jsonl"));
}

#[tokio::test]
async fn the_oldest_are_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let other = folder.path().join("otel-notes.jsonl");
    fs::write(&other, "mine\n").expect("written");
    let exporter = FileExporter::builder(&path)
        .rotate_bytes(1)
        .keep(3)
        .build()
        .expect("opened");
    write(&exporter, 0..20).await;
    assert_eq!(read_all(&path), [16, 17, 18, 19]);
    assert!(other.exists());
}

#[tokio::test]
async fn what_is_too_old_is_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let old = folder.path().join("otel-2020-01-01T00-00-00.000.jsonl");
    fs::write(&old, "").expect("written");
    let day = Duration::from_secs(86_400);
    let exporter = FileExporter::builder(&path)
        .rotate_bytes(1)
        .keep_for(day)
        .build()
        .expect("opened");
    write(&exporter, 0..1).await;
    assert!(old.exists(), "not before a rotation");
    write(&exporter, 1..5).await;
    assert!(!old.exists());
    assert_eq!(read_all(&path), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_file_that_is_old_is_rotated() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    // Any time at all has passed by the next write.
    let age = Duration::from_nanos(1);
    let exporter = FileExporter::builder(&path)
        .rotate_after(age)
        .build()
        .expect("opened");
    write(&exporter, 0..3).await;
    assert_eq!(names(folder.path()).len(), 3);
    close(exporter).await;
    let hour = Duration::from_secs(3600);
    let exporter = FileExporter::builder(&path)
        .rotate_after(hour)
        .build()
        .expect("opened");
    write(&exporter, 3..6).await;
    assert_eq!(names(folder.path()).len(), 3, "not old enough");
    assert_eq!(read_all(&path), (0..6).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_rotated_file_is_synced_before_its_records_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path)
        .rotate_bytes(1)
        .fsync(Fsync::Interval(Duration::from_secs(3600)))
        .build()
        .expect("opened");
    write(&exporter, 0..4).await;
    assert_eq!(exporter.stats().syncs, 3, "each that was rotated away");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_in_which_nothing_can_be_renamed_does_not_stop_telemetry() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let exporter = FileExporter::builder(&path)
        .rotate_bytes(1)
        .build()
        .expect("opened");
    write(&exporter, 0..1).await;
    let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode));
    mode(0o500).expect("changed");
    write(&exporter, 1..3).await;
    mode(0o700).expect("changed");
    // To root everything is permitted: then it was rotated.
    assert_eq!(read_all(&path), [0, 1, 2]);
}

#[tokio::test]
async fn a_record_larger_than_a_file_has_one_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let form = (FileFormat::Json, FileCompression::None);
    let exporter = builder(&path, form)
        .rotate_bytes(100)
        .build()
        .expect("opened");
    write_at_once(&exporter, 0..5).await;
    assert_eq!(names(folder.path()).len(), 5);
    assert_eq!(read_all(&path), [0, 1, 2, 3, 4]);
}

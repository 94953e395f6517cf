//! What the reader takes, and what it says about the rest.

use std::{fs, io::Write as _};

use futures_util::StreamExt as _;
use tower_otlp::{
    Signal,
    otlp::Limits,
    receivers::file::{Checkpoint, FileReadProblem, FileReader},
};

use super::*;

fn line(number: u64) -> String {
    let json = tower_otlp::otlp::json::write(numbered(number).otlp());
    String::from_utf8(json).expect("UTF-8") + "\n"
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).expect("memory");
    gzip.finish().expect("memory")
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).expect("memory")
}

/// What is read from a file with this content.
fn read_content(content: &[u8]) -> (Vec<u64>, Vec<FileReadError>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("some-file");
    fs::write(&path, content).expect("written");
    read(&path)
}

#[test]
fn content_decides_and_not_the_name() {
    let text = format!("{}{}", line(1), line(2));
    for content in [
        text.clone().into_bytes(),
        gzip(&text),
        zstd(&text),
        [gzip(&line(1)), gzip(&line(2))].concat(),
        [zstd(&line(1)), zstd(&line(2))].concat(),
        // A skippable frame, as some tools put in front.
        [&b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"[..], &zstd(&text)].concat(),
        // Lines that go on in the next frame, and padding with zeros.
        [zstd(&text[..100]), zstd(&text[100..])].concat(),
        [gzip(&text), vec![0; 512]].concat(),
        // Blank lines, a byte order mark, the ends of lines of Windows, no end of the last.
        format!(
            "\u{feff}{}\r\n\n \n{}",
            line(1).trim_end(),
            line(2).trim_end()
        )
        .into_bytes(),
    ] {
        let (found, errors) = read_content(&content);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(found, [1, 2]);
    }
}

#[test]
fn a_malformed_line_is_named_counted_and_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let first = line(1);
    let text = format!(
        "{first}{{\"resourceLogs\":7}}\n\nnonsense\n{{\"level\":1}}\n{}",
        line(2)
    );
    fs::write(&path, &text).expect("written");
    let mut reader = reader(&path);
    let records: Vec<_> = reader.by_ref().collect();
    assert_eq!(reader.errors(), 3);
    let errors: Vec<_> = records
        .iter()
        .filter_map(|record| record.as_ref().err())
        .collect();
    let places: Vec<_> = errors
        .iter()
        .map(|error| (error.record(), error.offset()))
        .collect();
    let at = first.len() as u64;
    assert_eq!(places, [(2, at), (4, at + 20), (5, at + 29)]);
    assert!(matches!(errors[0].problem(), FileReadProblem::Malformed(_)));
    assert!(matches!(errors[2].problem(), FileReadProblem::NoTelemetry));
    let shown = errors[0].to_string();
    let start = format!("{}, record 2, byte {at}: invalid OTLP: ", path.display());
    assert!(shown.starts_with(&start), "{shown}");
    let last = records.last().expect("some").as_ref().expect("reads");
    assert_eq!(last.position.record, 6);
    assert_eq!(numbers(&last.request), [2]);
}

#[test]
fn a_line_beyond_the_limit_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let limits = Limits::default().max_bytes(1000);
    let text = format!("{}{}\n{}", line(1), "x".repeat(1_000_000), line(2));
    for content in [text.clone().into_bytes(), gzip(&text), zstd(&text)] {
        fs::write(&path, content).expect("written");
        let reader = FileReader::builder()
            .file(&path)
            .limits(limits)
            .build()
            .expect("a file");
        let records: Vec<_> = reader.collect();
        assert_eq!(records.len(), 3);
        let error = records[1].as_ref().expect_err("too long");
        assert!(
            matches!(error.problem(), FileReadProblem::TooLarge { limit: 1000 }),
            "{error}"
        );
        assert!(error.to_string().contains("1000 bytes"), "{error}");
        assert!(records[2].is_ok());
    }
}

#[test]
fn a_record_beyond_the_limit_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.bin");
    let mut content = Vec::new();
    let mut record = |bytes: &[u8]| {
        content.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
        content.extend_from_slice(bytes);
    };
    record(numbered(1).protobuf());
    record(&[7; 5000]);
    // One that would unpack to more.
    record(&zstd(&"x".repeat(1_000_000)));
    record(b"\xff\xff");
    record(numbered(2).protobuf());
    fs::write(&path, content).expect("written");
    let limits = Limits::default().max_bytes(1000);
    let reader = FileReader::builder().signal(Signal::Logs).limits(limits);
    let records: Vec<_> = reader.file(&path).build().expect("a file").collect();
    let shown: Vec<_> = records
        .iter()
        .map(|record| match record {
            Ok(record) => numbers(&record.request)[0].to_string(),
            Err(error) => match error.problem() {
                FileReadProblem::TooLarge { .. } => "large".to_owned(),
                FileReadProblem::Malformed(_) => "malformed".to_owned(),
                other => other.to_string(),
            },
        })
        .collect();
    assert_eq!(shown, ["1", "large", "large", "malformed", "2"]);
}

#[test]
fn reading_goes_on_behind_damage() {
    // It ends its line: a frame without a checksum may be read as something else.
    let noise: String = (0..400).map(|n| format!("{:x}", n * 7919)).collect();
    let noise = noise + "\n";
    let spoiled = |mut member: Vec<u8>| {
        let middle = member.len() / 2;
        member[middle..middle + 20].fill(0xa5);
        member
    };
    for pack in [gzip as fn(&str) -> Vec<u8>, zstd] {
        let content = [pack(&line(1)), spoiled(pack(&noise)), pack(&line(2))].concat();
        let (found, errors) = read_content(&content);
        assert_eq!(found, [1, 2]);
        assert!(!errors.is_empty());
        let content = [pack(&line(1)), b"something else".to_vec(), pack(&line(2))].concat();
        let (found, errors) = read_content(&content);
        assert_eq!(found, [1, 2]);
        let [error] = &errors[..] else {
            panic!("{errors:?}");
        };
        assert!(
            matches!(error.problem(), FileReadProblem::Damaged(_)),
            "{error}"
        );
    }
}

#[test]
fn nothing_is_read_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    for builder in [
        FileReader::builder().file(&path),
        FileReader::builder().rotated_set(&path),
        FileReader::builder().rotated_set(folder.path().join("of-{signal}")),
        FileReader::builder().rotated_set(folder.path().join("none/otel.jsonl")),
    ] {
        let error = builder.build().expect_err("not there");
        assert!(matches!(error.problem(), FileReadProblem::Io(_)));
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
    assert_eq!(read_content(b"").0, [0; 0]);
    // A folder opens, and then does not read.
    let reader = FileReader::builder()
        .file(folder.path())
        .build()
        .expect("there");
    let records: Vec<_> = reader.collect();
    assert_eq!(records.len(), 1);
    assert!(matches!(
        records[0].as_ref().unwrap_err().problem(),
        FileReadProblem::Io(_)
    ));
}

#[test]
fn memory_is_bounded_by_what_is_there() {
    // A length of 60 MB, and nothing behind it.
    let content = [&60_000_000_u32.to_be_bytes()[..], &[1; 100]].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.bin");
    fs::write(&path, content).expect("written");
    let (records, _, bytes) = crate::support::allocations::allocations(|| reader(&path).count());
    assert_eq!(records, 1);
    assert!(bytes < 2 << 20, "{bytes}");
}

#[test]
fn progress_is_in_bytes_of_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let text: String = (0..5000).map(line).collect();
    for content in [text.clone().into_bytes(), gzip(&text)] {
        fs::write(&path, &content).expect("written");
        let mut reader = reader(&path);
        let progress = reader.progress();
        assert_eq!(
            (progress.bytes_read(), progress.total_bytes()),
            (0, content.len() as u64)
        );
        reader.by_ref().take(10).for_each(drop);
        assert!(progress.bytes_read() > 0);
        reader.for_each(drop);
        assert_eq!(progress.bytes_read(), content.len() as u64);
    }
}

#[tokio::test]
async fn a_stream_yields_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    let text: String = (0..100).map(line).collect();
    fs::write(&path, text + "{\"reso").expect("written");
    let mut stream = reader(&path).into_stream();
    let mut found = Vec::new();
    let mut errors = 0;
    while let Some(record) = stream.next().await {
        match record {
            Ok(record) => found.extend(numbers(&record.request)),
            Err(_) => errors += 1,
        }
    }
    assert_eq!((found, errors), ((0..100).collect(), 1));
}

#[tokio::test]
async fn reading_goes_on_where_a_checkpoint_says_whatever_the_file_is_called_now() {
    for form in forms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.log");
        let state = folder.path().join("state");
        let exporter = builder(&path, form).build().expect("opened");
        write(&exporter, 0..10).await;
        close(exporter).await;

        let mut checkpoint = Checkpoint::load(&state).expect("there is none");
        for record in reader(&path).take(4) {
            checkpoint.advance(&record.expect("reads").position);
        }
        checkpoint.save(&state).expect("saved");

        // It grows, and then is rotated away.
        let exporter = builder(&path, form).build().expect("opened");
        write(&exporter, 10..12).await;
        close(exporter).await;
        let exporter = builder(&path, form)
            .rotate_bytes(1)
            .build()
            .expect("opened");
        write(&exporter, 12..14).await;
        close(exporter).await;

        let checkpoint = Checkpoint::load(&state).expect("reads");
        let builder = FileReader::builder()
            .signal(Signal::Logs)
            .resume(checkpoint);
        let mut reader = builder.rotated_set(&path).build().expect("files");
        let found: Vec<u64> = reader
            .by_ref()
            .flat_map(|record| numbers(&record.expect("reads").request))
            .collect();
        assert_eq!(found, (4..14).collect::<Vec<_>>(), "{form:?}");
        assert_eq!(reader.resumed(), 4);
    }
}

#[test]
fn a_checkpoint_is_no_other_file() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "something else").expect("written");
    let error = Checkpoint::load(file.path()).expect_err("no checkpoint");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    let checkpoint = Checkpoint::new();
    checkpoint.save(file.path()).expect("saved");
    assert_eq!(Checkpoint::load(file.path()).expect("reads"), checkpoint);
}

/// Fields that nobody knows yet may make a message begin like JSON or like a Zstandard frame.
#[test]
fn protobuf_is_known_however_it_begins() {
    let item = b"\x0a\x04\x12\x02\x12\x00".as_slice();
    for unknown in [
        // A group, and a number with four bytes behind it.
        b"\x7b\x7c".as_slice(),
        b"\x7b\x22\x00\x7c",
        b"\x28\xb5\x2f\xfd\x2f1234",
        b"\x28\xb5\x2f\xfd\x001234",
    ] {
        let message = [unknown, item].concat();
        let request = ExportRequest::from_protobuf(Signal::Logs, message).expect("valid");
        let mut content = Vec::new();
        let left_out =
            tower_otlp::exporters::file::encode(request.otlp(), FileFormat::Protobuf, &mut content);
        assert_eq!(left_out, None);
        let path = tempfile::NamedTempFile::new().expect("a file");
        fs::write(path.path(), [&*content, &content].concat()).expect("written");
        let reader = FileReader::builder().file(path.path()).signal(Signal::Logs);
        let found: Vec<_> = reader.build().expect("a file").collect();
        assert_eq!(found.len(), 2, "{unknown:?}");
        for found in found {
            let found = found.unwrap_or_else(|error| panic!("{unknown:?}: {error}"));
            assert_eq!(found.request.protobuf(), request.protobuf());
        }
    }
}

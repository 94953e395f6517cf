//! `file:` URLs.

use std::fs;

use tower::ServiceExt as _;
use tower_otlp::{Signal, from_url, receivers::FileReader};

use super::*;

fn error(url: &str) -> String {
    from_url(url).map(drop).expect_err(url).to_string()
}

#[tokio::test]
async fn a_url_says_all_there_is_to_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().to_str().expect("UTF-8");
    for (name, rest, file) in [
        ("a.jsonl", "", "a.jsonl"),
        (
            "b.jsonl",
            "?rotate=100MB&keep=10&compression=zstd",
            "b.jsonl.zst",
        ),
        (
            "c%20d-%7Bsignal%7D.jsonl",
            "?compression=gzip&fsync=never",
            "c d-logs.jsonl.gz",
        ),
        (
            "e-{signal}",
            "?format=protobuf&fsync=every-write&keep_for=720h&rotate_after=24h",
            "e-logs",
        ),
        (
            "f/g",
            "?create_directory&fsync=500ms&signal=logs&format=protobuf",
            "f/g",
        ),
        (
            "h",
            "?mode=0640&compression=zstd-records&max_record_bytes=1MiB",
            "h",
        ),
    ] {
        let url = format!("file://{at}/{name}{rest}");
        let exporter = from_url(&url).unwrap_or_else(|error| panic!("{error}"));
        let response = exporter.oneshot(numbered(5)).await.expect("written");
        assert_eq!(response.delivered_items(), 1);
        let path = folder.path().join(file);
        let reader = FileReader::builder().signal(Signal::Logs).file(&path);
        let records: Vec<_> = reader.build().expect(file).collect();
        assert_eq!(records.len(), 1, "{file}");
        assert_eq!(numbers(&records[0].as_ref().expect("reads").request), [5]);
        #[cfg(unix)]
        if file == "h" {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o640);
        }
    }
    let log = fs::read(folder.path().join("a.jsonl")).expect("there");
    assert!(log.starts_with(b"{\"resourceLogs\""));
}

#[test]
fn what_is_wrong_is_named() {
    for (url, message) in [
        (
            "file:",
            "path: it must be absolute; write file:///path/of/file",
        ),
        (
            "file:otel.jsonl",
            "path: it must be absolute; write file:///path/of/file",
        ),
        (
            "file:///",
            "path: the file is missing; write file:///path/of/file",
        ),
        (
            "file:///var/log/",
            "path: the file is missing; write file:///path/of/file",
        ),
        (
            "file://host/var/log/x",
            "host: there is none to be; write file:///path/of/file",
        ),
        (
            "file:///x?format=xml",
            "parameter `format`: `xml` is not one of json, protobuf",
        ),
        (
            "file:///x?compression=lz4",
            "parameter `compression`: `lz4` is not one of none, gzip, zstd, zstd-records",
        ),
        (
            "file:///x?rotate=10M",
            "parameter `rotate`: `10M` is not a size; write 1000, 64KiB, 4MiB, 1GiB, 64KB or 4MB",
        ),
        (
            "file:///x?rotate_after=1d",
            "parameter `rotate_after`: `1d` is not a duration; write 500ms, 5s, 1m or 2h",
        ),
        (
            "file:///x?keep=all",
            "parameter `keep`: `all` is not a number of files",
        ),
        (
            "file:///x?fsync=always",
            "parameter `fsync`: `always` is not one of never, every-write, nor a duration such as 1s",
        ),
        (
            "file:///x?signal=spans",
            "parameter `signal`: `spans` is not one of traces, metrics, logs",
        ),
        (
            "file:///x?mode=rw",
            "parameter `mode`: `rw` is not octal permissions such as 0640",
        ),
        (
            "file:///x?mode=4777",
            "parameter `mode`: `4777` is not octal permissions such as 0640",
        ),
    ] {
        assert_eq!(error(url), format!("exporter URL: {message}"));
    }
    let text = error("file:///x?compresion=gzip");
    assert!(
        text.contains("file: knows no such parameter; there are format, compression"),
        "{text}"
    );
    let text = error("file:///no/such/folder/x");
    assert!(
        text.contains("as a whole: the exporter cannot be built: file exporter (/no/such"),
        "{text}"
    );
    let text = error("file:///x?keep=3");
    assert!(text.contains("when to rotate"), "{text}");
    let text = error("file:///x?format=protobuf");
    assert!(text.contains("{signal}"), "{text}");
}

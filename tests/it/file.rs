//! The file exporter and the reader of its files, on real files.

mod answers;
mod crash;
mod disk;
mod examples;
mod properties;
mod read;
mod replay;
mod rotate;
mod url;
mod whole;

use std::{fs, path::Path};

use futures_util::future::join_all;
use prost::Message as _;
use tower::ServiceExt as _;
use tower_otlp::{
    ExportError, ExportRequest, ExportResponse, Signal,
    exporters::file::{FileBuilder, FileCompression, FileExporter, FileFormat},
    receivers::file::{FileReadError, FileReader},
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};

/// All ways to write a file.
fn forms() -> Vec<(FileFormat, FileCompression)> {
    let compressions = [
        FileCompression::None,
        FileCompression::Gzip,
        FileCompression::Zstd,
        FileCompression::ZstdRecords,
    ];
    let formats = [FileFormat::Json, FileFormat::Protobuf];
    let pair = |format| compressions.map(|compression| (format, compression));
    formats.into_iter().flat_map(pair).collect()
}

/// A request of one log record that says its number.
fn numbered(number: u64) -> ExportRequest {
    let message = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![LogRecord {
                    time_unix_nano: number,
                    body: Some(AnyValue {
                        value: Some(Value::StringValue(format!("log record {number}"))),
                    }),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    ExportRequest::from_protobuf(Signal::Logs, message.encode_to_vec()).expect("valid")
}

/// The numbers of the log records of a request.
fn numbers(request: &ExportRequest) -> Vec<u64> {
    let logs = request.logs().expect("logs");
    let records = logs
        .resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items());
    records.map(|record| record.time_unix_nano()).collect()
}

fn builder(path: &Path, (format, compression): (FileFormat, FileCompression)) -> FileBuilder {
    FileExporter::builder(path)
        .signal(Signal::Logs)
        .format(format)
        .compression(compression)
}

async fn export(
    exporter: &FileExporter,
    request: ExportRequest,
) -> Result<ExportResponse, ExportError> {
    exporter.clone().oneshot(request).await
}

/// Sends these numbers one after the other.
async fn write(exporter: &FileExporter, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let response = export(exporter, numbered(number)).await.expect("written");
        assert_eq!(response.delivered_items(), 1);
    }
}

/// Sends these numbers all at once.
async fn write_at_once(exporter: &FileExporter, numbers: impl IntoIterator<Item = u64>) {
    let all = numbers.into_iter().map(|n| export(exporter, numbered(n)));
    for response in join_all(all).await {
        assert_eq!(response.expect("written").delivered_items(), 1);
    }
}

/// Gives the exporter up, and waits until its files are free.
async fn close(exporter: FileExporter) {
    let closed = exporter.closed();
    drop(exporter);
    closed.await;
}

/// The files of a rotated set that are there, the oldest first.
fn reader(path: &Path) -> FileReader {
    let builder = FileReader::builder().signal(Signal::Logs);
    builder.rotated_set(path).build().expect("files")
}

/// The numbers in a rotated set, and what could not be read.
fn read(path: &Path) -> (Vec<u64>, Vec<FileReadError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for record in reader(path) {
        match record {
            Ok(record) => found.extend(numbers(&record.request)),
            Err(error) => errors.push(error),
        }
    }
    (found, errors)
}

/// The numbers in a rotated set, in which there is nothing wrong.
#[track_caller]
fn read_all(path: &Path) -> Vec<u64> {
    let (found, errors) = read(path);
    assert!(errors.is_empty(), "{errors:?}");
    found
}

/// The path with the ending that the compression gives it.
fn with_ending(path: &Path, compression: FileCompression) -> std::path::PathBuf {
    let ending = match compression {
        FileCompression::Gzip => ".gz",
        FileCompression::Zstd => ".zst",
        _ => "",
    };
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
    let mut names: Vec<_> = entries
        .map(|entry| name(entry.expect("an entry")))
        .collect();
    names.sort();
    names
}

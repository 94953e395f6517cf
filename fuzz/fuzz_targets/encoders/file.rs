//! Files: what was written is read back by the reader, but for what was counted as left out.

use std::fs;

use tower_otlp::{
    ExportRequest,
    exporters::file::{self, FileFormat},
    otlp,
    receivers::FileReader,
};

use crate::{BEFORE, Choices, json, written};

pub(crate) fn check(request: &ExportRequest, choices: Choices) {
    if request.is_empty() {
        // The exporter writes no such record.
        return;
    }
    let format = choices.pick(0, [FileFormat::Json, FileFormat::Protobuf]);
    let mut out = BEFORE.to_vec();
    let left_out = file::encode(request.otlp(), format, &mut out);
    let record = written(&out, request);
    let left_out = left_out.map_or(0, |left_out| {
        assert!(left_out.items > 0 && !left_out.message.is_empty());
        left_out.items
    });
    if format == FileFormat::Json && !record.is_empty() {
        let line = record.strip_suffix(b"\n").expect("a line feed");
        assert!(!line.contains(&b'\n'));
        json::read(line);
    }

    // Twice, so that the end of the first is found.
    let found = read(&[&record[..], &record].concat(), request);
    let items: u64 = found.iter().map(ExportRequest::items).sum();
    assert_eq!(items, 2 * (request.items() - left_out));
    for found in found {
        match format {
            FileFormat::Protobuf => assert_eq!(found.protobuf(), request.protobuf()),
            _ => {
                let mut again = otlp::json::write(found.otlp());
                again.push(b'\n');
                assert_eq!(again, record, "another line");
            }
        }
    }
}

fn read(content: &[u8], request: &ExportRequest) -> Vec<ExportRequest> {
    // A worker of the fuzzer is a process.
    let path = std::env::temp_dir().join(format!("tower-otlp-fuzz-{}", std::process::id()));
    fs::write(&path, content).expect("written");
    let reader = FileReader::builder().file(&path).signal(request.signal());
    let found = reader.build().expect("a file");
    let found = found
        .map(|record| record.expect("what was written").request)
        .collect();
    fs::remove_file(&path).expect("removed");
    found
}

//! Records of 1,000 items, and reading them back.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use tower::ServiceExt as _;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::file::{FileExporter, FileFormat, Fsync, encode},
    receivers::FileReader,
};

use crate::support::{
    table::{Goal, Group},
    workload::{self, ITEMS},
};

pub(crate) fn groups() -> Vec<Group<'static>> {
    let mut groups = Vec::new();
    for signal in Signal::ALL {
        groups.extend(match signal {
            Signal::Traces => of_signal::<ExportTraceServiceRequest>(signal),
            Signal::Metrics => of_signal::<ExportMetricsServiceRequest>(signal),
            Signal::Logs => of_signal::<ExportLogsServiceRequest>(signal),
        });
    }
    groups
}

fn of_signal<T>(signal: Signal) -> Vec<Group<'static>>
where
    T: Message + Default + Serialize + DeserializeOwned + 'static,
{
    let bytes = Bytes::from(workload::encoded(signal));
    let request = ExportRequest::from_protobuf(signal, bytes.clone()).expect("valid");
    assert_eq!(request.items(), ITEMS);

    let wire = bytes.clone();
    let mut theirs = Vec::new();
    let line = Group::new(format!("file line, {signal}"), ITEMS).baseline(
        "prost decode + serde_json",
        move || {
            theirs.clear();
            let decoded = T::decode(wire.clone()).expect("valid");
            serde_json::to_writer(&mut theirs, &decoded).expect("writes");
            theirs.push(b'\n');
            theirs.len()
        },
    );
    let (source, mut out) = (request.clone(), Vec::new());
    let line = line.candidate("from bytes", Goal::Times(4.0), move || {
        out.clear();
        assert_eq!(encode(source.otlp(), FileFormat::Json, &mut out), None);
        out.len()
    });
    let (source, mut out) = (request.clone(), Vec::new());
    let line = line.candidate("protobuf record", Goal::None, move || {
        out.clear();
        assert_eq!(encode(source.otlp(), FileFormat::Protobuf, &mut out), None);
        out.len()
    });

    // The whole way: to the file and back from it.
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let exporter = FileExporter::builder(folder.path().join("written.jsonl"))
        .rotate_bytes(64 << 20)
        .keep(0)
        .fsync(Fsync::Never)
        .build()
        .expect("opened");
    let path = folder.path().join("read.jsonl");
    let mut record = Vec::new();
    encode(request.otlp(), FileFormat::Json, &mut record);
    std::fs::write(&path, &record).expect("written");
    let text = record.clone();
    let write = Group::new(format!("file, {signal}"), ITEMS)
        .baseline("serde_json + prost encode", move || {
            let decoded: T = serde_json::from_slice(&text).expect("reads");
            decoded.encode_to_vec()
        })
        .candidate("reader, from a file", Goal::Times(2.0), move || {
            let mut reader = FileReader::builder().file(&path).build().expect("there");
            reader.next().expect("a record").expect("reads")
        })
        .candidate("exporter, to a file", Goal::None, move || {
            let _ = &folder;
            let export = exporter.clone().oneshot(request.clone());
            runtime.block_on(export).expect("written")
        });
    vec![line, write]
}

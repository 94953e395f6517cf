//! A line of OTLP/JSON, and the same through structs.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use tower_otlp::{Encoding, ExportRequest, Signal, exporters::tcp};

use crate::support::{
    table::{Goal, Group},
    workload::{self, ITEMS},
};

pub(crate) fn group() -> Group<'static> {
    let bytes = workload::encoded(Signal::Logs);
    let request = ExportRequest::from_protobuf(Signal::Logs, bytes.clone()).expect("valid");
    let mut line = Vec::new();
    let mut record = Vec::new();
    let same = request.clone();
    Group::new("tcp, logs", ITEMS)
        .baseline("prost decode + serde_json", move || {
            let decoded = ExportLogsServiceRequest::decode(&*bytes).expect("valid");
            let mut line = serde_json::to_vec(&decoded).expect("writes");
            line.push(b'\n');
            line
        })
        .candidate("a line from bytes", Goal::Times(4.5), move || {
            line.clear();
            tcp::encode(request.otlp(), Encoding::Json, &mut line).expect("small enough");
            line.len()
        })
        .candidate("a framed record from bytes", Goal::None, move || {
            record.clear();
            tcp::encode(same.otlp(), Encoding::Protobuf, &mut record).expect("small enough");
            record.len()
        })
}

//! A trace with everything in it, as a line and as a framed record.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::io::AsyncReadExt as _;
use tower::ServiceExt as _;
use tower_otlp::{Encoding, ExportRequest, Signal};

use super::exporter;
use crate::support::{
    listener::{Listener, line, within},
    whole,
};

#[tokio::test]
async fn a_trace_stays_whole_in_both_encodings() {
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let listener = Listener::bind().await;
        let exporter = exporter(&listener).encoding(encoding).only(Signal::Traces);
        let exporter = exporter.build().expect("valid");
        let response = exporter.oneshot(whole::message().into()).await;
        let response = response.expect("delivered");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (7, 0)
        );
        let mut socket = listener.accept().await;
        let found = match encoding {
            Encoding::Json => {
                let line = line(&mut socket).await.expect("a line");
                let read = ExportRequest::from_json(Signal::Traces, &line);
                read.expect("OTLP/JSON").protobuf().to_vec()
            }
            _ => {
                let length = within(socket.read_u32()).await.expect("a length");
                let mut record = vec![0; length as usize];
                within(socket.read_exact(&mut record)).await.expect("whole");
                record
            }
        };
        let found = ExportTraceServiceRequest::decode(&*found).expect("protobuf");
        assert_eq!(found, whole::message(), "{encoding:?}");
    }
}

//! A trace with everything in it, in every form of a file.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use super::*;
use crate::support::whole;

#[tokio::test]
async fn a_trace_stays_whole_in_every_form() {
    for (format, compression) in forms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel");
        let exporter = builder(&path, (format, compression)).signal(Signal::Traces);
        let exporter = exporter.build().expect("opened");
        let response = export(&exporter, whole::message().into()).await;
        let response = response.expect("written");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (7, 0)
        );
        let reader = FileReader::builder()
            .signal(Signal::Traces)
            .file(with_ending(&path, compression));
        let found: Vec<_> = reader.build().expect("a file").collect();
        assert_eq!(found.len(), 1, "{format:?} {compression:?}");
        let found = &found[0].as_ref().expect("reads").request;
        let found = ExportTraceServiceRequest::decode(&**found.protobuf()).expect("protobuf");
        assert_eq!(found, whole::message(), "{format:?} {compression:?}");
    }
}

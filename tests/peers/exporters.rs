//! Our exporters to the Collector: what it writes down equals what went in, field by field.

use tower::ServiceExt;
use tower_otlp::{Compression, Encoding, Exporter, Signal, exporters::otlp};

use crate::{collector::Collector, compare::assert_same, workload};

const REQUESTS: u64 = 40;

/// Sends all signals through `exporter` and compares.
pub async fn everything_arrives(mut exporter: impl Exporter, collector: &Collector) {
    for signal in Signal::ALL {
        let sent = workload::requests(signal, REQUESTS);
        let mut items = 0;
        for request in &sent {
            let response = exporter
                .ready()
                .await
                .map_err(Into::into)
                .expect("ready")
                .call(request.clone())
                .await
                .map_err(Into::into)
                .expect("delivered");
            assert_eq!(response.delivered_items(), request.items());
            assert_eq!(response.rejected_items(), 0);
            items += request.items();
        }
        let received = collector.wait_for(signal, items).await;
        assert_same(signal, &sent, &received);
    }
}

async fn grpc(compression: Compression) {
    let collector = Collector::start("sink.yaml", &[]);
    let exporter = otlp::OtlpGrpcExporter::builder()
        .endpoint(format!("http://{}", collector.grpc))
        .compression(compression)
        .build()
        .expect("options");
    everything_arrives(exporter, &collector).await;
}

async fn http(encoding: Encoding, compression: Compression) {
    let collector = Collector::start("sink.yaml", &[]);
    let exporter = otlp::OtlpHttpExporter::builder()
        .endpoint(format!("http://{}", collector.http))
        .encoding(encoding)
        .compression(compression)
        .build()
        .expect("options");
    everything_arrives(exporter, &collector).await;
}

macro_rules! cases {
    ($($name:ident: $run:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            $run.await;
        }
    )*};
}

cases! {
    grpc_plain: grpc(Compression::None);
    grpc_gzip: grpc(Compression::Gzip);
    grpc_zstd: grpc(Compression::Zstd);
    http_protobuf_plain: http(Encoding::Protobuf, Compression::None);
    http_protobuf_gzip: http(Encoding::Protobuf, Compression::Gzip);
    http_protobuf_zstd: http(Encoding::Protobuf, Compression::Zstd);
    http_protobuf_deflate: http(Encoding::Protobuf, Compression::Deflate);
    http_json_plain: http(Encoding::Json, Compression::None);
    http_json_gzip: http(Encoding::Json, Compression::Gzip);
    http_json_zstd: http(Encoding::Json, Compression::Zstd);
}

//! The Collector as a client of our receivers.

use std::sync::{Arc, Mutex};

use tower::ServiceExt;
use tower_otlp::{ExportError, ExportRequest, ExportResponse, Exporter, Signal, exporters::otlp};

use crate::{collector::Collector, compare::assert_same, receivers::Receivers, workload};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<ExportRequest>>>);

impl Seen {
    fn exporter(&self) -> impl Exporter {
        let seen = self.clone();
        tower::service_fn(move |request: ExportRequest| {
            let response = ExportResponse::delivered(request.items());
            seen.0.lock().expect("no panic").push(request);
            std::future::ready(Ok::<_, ExportError>(response))
        })
    }

    fn of(&self, signal: Signal) -> Vec<ExportRequest> {
        let all = self.0.lock().expect("no panic");
        let of_signal = all.iter().filter(|request| request.signal() == signal);
        of_signal.cloned().collect()
    }
}

async fn relayed(config: &str, env: &[(&str, &str)]) {
    let seen = Seen::default();
    let receivers = Receivers::start(seen.exporter()).await;
    let http = format!("http://{}", receivers.http);
    let mut all = vec![("TO_GRPC", receivers.grpc.as_str()), ("TO_HTTP", &http)];
    all.extend_from_slice(env);
    let collector = Collector::start(config, &all);
    let exporter = otlp::OtlpGrpcExporter::builder()
        .endpoint(format!("http://{}", collector.grpc))
        .build()
        .expect("options");
    for signal in Signal::ALL {
        let sent = workload::requests(signal, 30);
        for request in &sent {
            let delivered = exporter.clone().oneshot(request.clone()).await;
            assert_eq!(
                delivered.expect("relayed").delivered_items(),
                request.items()
            );
        }
        assert_same(signal, &sent, &seen.of(signal));
    }
}

macro_rules! cases {
    ($($name:ident: $config:literal, $($variable:literal = $value:literal),*;)*) => {$(
        #[tokio::test]
        async fn $name() {
            relayed($config, &[$(($variable, $value)),*]).await;
        }
    )*};
}

cases! {
    grpc_plain: "relay-grpc.yaml", "COMPRESSION" = "none";
    grpc_gzip: "relay-grpc.yaml", "COMPRESSION" = "gzip";
    grpc_zstd: "relay-grpc.yaml", "COMPRESSION" = "zstd";
    http_protobuf_gzip: "relay-http.yaml", "COMPRESSION" = "gzip", "ENCODING" = "proto";
    http_protobuf_zstd: "relay-http.yaml", "COMPRESSION" = "zstd", "ENCODING" = "proto";
    http_protobuf_deflate: "relay-http.yaml", "COMPRESSION" = "deflate", "ENCODING" = "proto";
    http_json_plain: "relay-http.yaml", "COMPRESSION" = "none", "ENCODING" = "json";
    http_json_gzip: "relay-http.yaml", "COMPRESSION" = "gzip", "ENCODING" = "json";
}

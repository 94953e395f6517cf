//! Random telemetry: the server has what our lines say by the rules of the documentation.

use prost::Message;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::influxdb::{LineProtocol, MetricsSchema},
};

use super::{assert_same, points_of, stored};
use crate::{
    generate::{Draw, Options},
    servers::influxdb::InfluxDb,
};

const NOW: u64 = 1_800_000_000_000_000_000;

/// One database for each request: what one leaves behind must not hide what another lacks.
#[tokio::test]
async fn random_telemetry_is_stored_as_the_lines_say() {
    let influxdb = InfluxDb::start().await;
    let mut number = 0;
    for seed in 0..12 {
        let mut draw = Draw::seeded(seed, Options::default());
        for (signal, bytes) in [
            (Signal::Traces, draw.traces().encode_to_vec()),
            (Signal::Logs, draw.logs().encode_to_vec()),
            (Signal::Metrics, draw.metrics().encode_to_vec()),
        ] {
            let request = ExportRequest::from_protobuf(signal, bytes).expect("generated");
            let schemas = match signal {
                Signal::Metrics => &MetricsSchema::ALL[..],
                _ => &MetricsSchema::ALL[..1],
            };
            for schema in schemas {
                number += 1;
                let database = format!("d{number}");
                // Times from 1970 to 2262 are else thousands of shards of a week.
                let create =
                    format!("CREATE DATABASE {database} WITH DURATION INF SHARD DURATION 5200w");
                influxdb.execute(&create, None).await;
                let protocol = LineProtocol::default()
                    .metrics_schema(*schema)
                    .unsigned_integers(false)
                    // A random metric is an integer here and a float there.
                    .integers_as_floats(true);
                let lines = protocol.encode(&request, NOW);
                let lines = String::from_utf8(lines.into_bytes()).expect("UTF-8");
                let url = format!("{}/write?db={database}&precision=ns", influxdb.url);
                crate::servers::post(&url, "text/plain", lines.clone(), 204).await;
                let what = format!("{signal} of seed {seed} by {}", schema.as_str());
                assert_same(
                    &points_of(&lines),
                    &stored(&influxdb, &database).await,
                    &what,
                );
            }
        }
    }
}

//! What InfluxDB does not take, and what becomes of its neighbours.

use serde_json::{Value as Json, json};
use tower::{ServiceBuilder, ServiceExt};
use tower_otlp::{
    Compression, ErrorKind, ExportError, ExportRequest, ExportResponse, RetryAdvice, Signal,
    exporters::influxdb::{InfluxDbBuilder, LineProtocol},
    layers::split::{SplitConfig, SplitLayer},
};

use super::{from_json, stored, to};
use crate::servers::influxdb::{DATABASE, InfluxDb};

const START: i64 = 1_700_000_000_000_000_000;

/// A gauge's points, a nanosecond apart.
fn gauge(name: &str, values: &[Json]) -> ExportRequest {
    let points: Vec<Json> = (START..)
        .zip(values)
        .map(|(time, value)| {
            let mut point = value.clone();
            point["timeUnixNano"] = json!(time.to_string());
            point
        })
        .collect();
    let metric = json!({ "name": name, "gauge": { "dataPoints": points } });
    let message = json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": [metric] }] }] });
    from_json(Signal::Metrics, &message)
}

/// Log records at these times, each of this text.
fn logs(times: &[i64], text: &str) -> ExportRequest {
    let records: Vec<Json> = times
        .iter()
        .map(|time| json!({ "timeUnixNano": time.to_string(), "body": { "stringValue": text } }))
        .collect();
    let message = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] });
    from_json(Signal::Logs, &message)
}

async fn export(
    exporter: InfluxDbBuilder,
    request: ExportRequest,
) -> Result<ExportResponse, ExportError> {
    exporter.build().expect("options").oneshot(request).await
}

#[tokio::test]
async fn points_of_another_type_are_counted_and_their_neighbours_stored() {
    let influxdb = InfluxDb::start().await;
    let before = gauge("level", &[json!({ "asInt": "1" })]);
    let answer = export(to(&influxdb, DATABASE), before)
        .await
        .expect("taken");
    assert_eq!(answer.rejected_items(), 0);
    let values = [
        json!({ "asDouble": 1.5 }),
        json!({ "asInt": "2" }),
        json!({ "asDouble": 2.5 }),
        json!({ "asInt": "3" }),
    ];
    let mixed = gauge("level", &values);
    let answer = export(to(&influxdb, DATABASE), mixed.clone())
        .await
        .expect("taken in part");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (2, 2));
    let message = answer.message().expect("why");
    assert!(message.contains("field type conflict"), "{message}");
    let values: Vec<Json> = stored(&influxdb, DATABASE)
        .await
        .into_values()
        .map(|fields| fields["gauge"].clone())
        .collect();
    // The first one of the second request has the time of that before, and is not stored.
    assert_eq!(
        values,
        [
            json!(["integer", 1]),
            json!(["integer", 2]),
            json!(["integer", 3])
        ]
    );
    // What the documentation advises against it, in a database that has seen no integer.
    influxdb.execute("CREATE DATABASE floats", None).await;
    let floats = LineProtocol::default().integers_as_floats(true);
    let answer = export(to(&influxdb, "floats").line_protocol(floats), mixed)
        .await
        .expect("taken");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (4, 0));
    assert_eq!(stored(&influxdb, "floats").await.len(), 4);
}

#[tokio::test]
async fn points_beyond_the_retention_policy_are_counted_and_their_neighbours_stored() {
    let influxdb = InfluxDb::start().await;
    let statement =
        format!("CREATE RETENTION POLICY hours ON {DATABASE} DURATION 2h REPLICATION 1 DEFAULT");
    influxdb.execute(&statement, None).await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let now = i64::try_from(now.as_nanos()).expect("before 2262");
    let request = logs(&[START, now, START + 1, START + 2, now + 1], "text");
    let answer = export(to(&influxdb, DATABASE), request)
        .await
        .expect("in part");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (2, 3));
    let message = answer.message().expect("why");
    assert!(message.contains("retention policy"), "{message}");
    let times: Vec<i64> = stored(&influxdb, DATABASE)
        .await
        .into_keys()
        .map(|(_, _, time)| time)
        .collect();
    assert_eq!(times, [now, now + 1]);
}

/// What has more than 64 KiB of tags, which InfluxDB 1 has no room for.
#[tokio::test]
async fn a_tag_that_is_too_long_is_counted_and_its_neighbours_are_stored() {
    let influxdb = InfluxDb::start().await;
    let long = json!({ "asInt": "1", "attributes": [
        { "key": "k", "value": { "stringValue": "x".repeat(70_000) } }] });
    let request = gauge(
        "level",
        &[json!({ "asInt": "2" }), long, json!({ "asInt": "3" })],
    );
    let answer = export(to(&influxdb, DATABASE), request)
        .await
        .expect("in part");
    assert_eq!((answer.delivered_items(), answer.rejected_items()), (2, 1));
    let message = answer.message().expect("why");
    assert!(!message.contains("xxx"), "{message}");
    assert_eq!(stored(&influxdb, DATABASE).await.len(), 2);
}

#[tokio::test]
async fn an_unknown_database_is_not_tried_again() {
    let influxdb = InfluxDb::start().await;
    let error = export(to(&influxdb, "nowhere"), logs(&[START], "text"))
        .await
        .expect_err("refused");
    assert_eq!(error.retry(), RetryAdvice::Never, "{error}");
    let shown = error.to_string();
    assert!(
        shown.contains("404") && shown.contains("nowhere"),
        "{shown}"
    );
    assert!(
        shown.contains("influxdb") && shown.contains(&influxdb.url),
        "{shown}"
    );
}

#[tokio::test]
async fn users_and_passwords() {
    let influxdb = InfluxDb::start_with("auth-enabled = true").await;
    influxdb
        .execute(
            "CREATE USER u WITH PASSWORD 'a b/c' WITH ALL PRIVILEGES",
            None,
        )
        .await;
    let user = Some(("u", "a b/c"));
    influxdb.execute("CREATE DATABASE telemetry", user).await;
    influxdb
        .execute("CREATE USER r WITH PASSWORD 'r'", user)
        .await;
    let with = |user: &str| {
        let url = influxdb.url.replace("http://", &format!("http://{user}@"));
        to(&influxdb, DATABASE).endpoint(url)
    };
    for exporter in [to(&influxdb, DATABASE), with("u:wrong"), with("r:r")] {
        let shown = format!("{exporter:?}");
        let error = export(exporter, logs(&[START], "text"))
            .await
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
        assert_eq!(error.retry(), RetryAdvice::Never, "{error}");
        assert!(
            !error.to_string().contains("wrong") && !shown.contains("wrong"),
            "{error}"
        );
    }
    let answer = export(with("u:a%20b%2Fc"), logs(&[START], "text")).await;
    assert_eq!(answer.expect("taken").delivered_items(), 1);
}

/// The server has a smaller limit than the exporter: what is too large is halved until it fits.
#[tokio::test]
async fn what_is_too_large_is_split() {
    let influxdb = InfluxDb::start_with("max-body-size = 20000").await;
    influxdb.execute("CREATE DATABASE telemetry", None).await;
    let times: Vec<i64> = (START..START + 100).collect();
    let request = logs(&times, &"text ".repeat(200));
    let error = export(to(&influxdb, DATABASE), request.clone())
        .await
        .expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    assert_eq!(error.retry(), RetryAdvice::Never, "{error}");
    assert!(stored(&influxdb, DATABASE).await.is_empty());
    let exporter = to(&influxdb, DATABASE).build().expect("options");
    let pipeline = ServiceBuilder::new()
        .layer(SplitLayer::new(SplitConfig::new()).expect("a split"))
        .service(exporter);
    let answer = pipeline.oneshot(request.clone()).await.expect("taken");
    assert_eq!(answer.delivered_items(), 100, "{answer:?}");
    assert_eq!(stored(&influxdb, DATABASE).await.len(), 100);
    // It is the limit of what is sent: compressed it is taken at once.
    let gzip = to(&influxdb, DATABASE).compression(Compression::Gzip);
    let answer = export(gzip, request).await.expect("taken");
    assert_eq!(answer.delivered_items(), 100, "{answer:?}");
    assert_eq!(stored(&influxdb, DATABASE).await.len(), 100);
}

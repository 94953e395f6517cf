//! Our InfluxDB exporter to InfluxDB 1 and to VictoriaMetrics: what they answer queries with is
//! what the mapping says, value by value.

mod fields;
#[path = "../it/influxdb/parser.rs"]
#[allow(dead_code, reason = "the tests of the first tier take more of it")]
mod parser;
mod random;
mod refusals;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tower::ServiceExt;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::influxdb::{InfluxDbBuilder, InfluxDbExporter},
};

use self::parser::{Point, Value};
use crate::{
    outage::Load,
    servers::influxdb::{DATABASE, InfluxDb},
    workload::TRACE,
};

/// Exports to a database of this server.
fn to(influxdb: &InfluxDb, database: &str) -> InfluxDbBuilder {
    InfluxDbExporter::builder()
        .endpoint(&influxdb.url)
        .database(database)
}

/// Sends a request of which nothing is rejected.
async fn deliver(exporter: InfluxDbBuilder, request: &ExportRequest) {
    let answer = exporter
        .build()
        .expect("options")
        .oneshot(request.clone())
        .await
        .expect("delivered");
    assert_eq!(answer.rejected_items(), 0, "{answer:?}");
    assert_eq!(answer.delivered_items(), request.items());
}

fn from_json(signal: Signal, json: &Json) -> ExportRequest {
    ExportRequest::from_json(signal, json.to_string().as_bytes()).expect("valid")
}

/// What tells points apart: measurement, tags and time. Then their fields, each with its type.
type Points = BTreeMap<(String, BTreeMap<String, String>, i64), BTreeMap<String, Json>>;

/// A point as an expectation says it: measurement, tags, time, fields.
fn points<const N: usize>(all: [(&str, Json, i64, Json); N]) -> Points {
    let points = all.into_iter().map(|(measurement, tags, time, fields)| {
        let tags = serde_json::from_value(tags).expect("texts");
        let fields = serde_json::from_value(fields).expect("an object");
        ((measurement.to_owned(), tags, time), fields)
    });
    points.collect()
}

/// The points that lines become, as InfluxDB 1 understands them.
fn points_of(lines: &str) -> Points {
    let mut points = Points::new();
    for Point {
        measurement,
        tags,
        fields,
        time,
    } in parser::parse(lines)
    {
        let tags = tags.into_iter().collect();
        let point = points.entry((measurement, tags, time)).or_default();
        for (key, value) in fields {
            let value = match value {
                Value::Float(value) => float(value),
                Value::Int(value) => json!(["integer", value]),
                Value::Text(value) => json!(["string", value]),
                Value::Unsigned(_) => panic!("InfluxDB 1 does not know {value:?}"),
            };
            point.insert(key, value);
        }
    }
    points
}

fn float(value: f64) -> Json {
    json!(["float", value])
}

/// What InfluxQL finds a measurement by, with others maybe: it has quotes, too, but no way to say
/// each letter in them.
fn pattern(name: &str) -> String {
    let pattern: String = name
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '.'
            }
        })
        .collect();
    format!("/^{pattern}$/")
}

/// Everything that a database has.
async fn stored(influxdb: &InfluxDb, database: &str) -> Points {
    let mut points = Points::new();
    for measurements in influxdb.query_in(database, "SHOW MEASUREMENTS").await {
        for measurement in texts(&measurements, 0) {
            let pattern = pattern(&measurement);
            let is_it = |series: &&Json| series["name"] == *measurement;
            let query = format!("SHOW FIELD KEYS FROM {pattern}");
            let types = influxdb.query_in(database, &query).await;
            let types: BTreeMap<String, String> = types
                .iter()
                .filter(is_it)
                .flat_map(|series| texts(series, 0).into_iter().zip(texts(series, 1)))
                .collect();
            let query = format!("SELECT * FROM {pattern} GROUP BY *");
            let found = influxdb.query_in(database, &query).await;
            for series in found.iter().filter(is_it) {
                add_series(&mut points, &measurement, &types, series);
            }
        }
    }
    points
}

fn add_series(
    points: &mut Points,
    measurement: &str,
    types: &BTreeMap<String, String>,
    series: &Json,
) {
    // A tag that a series has not is an empty one, and there is no other empty one.
    let tags: BTreeMap<String, String> = match series.get("tags") {
        Some(tags) => serde_json::from_value(tags.clone()).expect("texts"),
        None => BTreeMap::new(),
    };
    let tags: BTreeMap<String, String> = tags
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let columns: Vec<String> = serde_json::from_value(series["columns"].clone()).expect("names");
    for row in series["values"].as_array().expect("rows") {
        let row = row.as_array().expect("a row");
        let time = row[0].as_i64().expect("a time");
        let mut fields = BTreeMap::new();
        for (column, value) in columns.iter().zip(row).skip(1) {
            let value = match (&*types[column], value) {
                (_, Json::Null) => continue,
                ("float", value) => float(value.as_f64().expect("a number")),
                (kind, value) => json!([kind, value]),
            };
            fields.insert(column.clone(), value);
        }
        let before = points.insert((measurement.to_owned(), tags.clone(), time), fields);
        assert_eq!(before, None, "a point is there once");
    }
}

/// A column of a table of texts.
fn texts(series: &Json, column: usize) -> Vec<String> {
    let rows = series["values"].as_array().expect("rows");
    let cells = rows.iter().map(|row| row[column].as_str().expect("text"));
    cells.map(str::to_owned).collect()
}

/// Asserts that both are the same, and names the points that are not.
fn assert_same(expected: &Points, found: &Points, what: &str) {
    let missing: Vec<_> = expected
        .iter()
        .filter(|(key, fields)| found.get(*key) != Some(*fields))
        .take(3)
        .collect();
    let added: Vec<_> = found
        .iter()
        .filter(|(key, fields)| expected.get(*key) != Some(*fields))
        .take(3)
        .collect();
    assert!(
        missing.is_empty() && added.is_empty(),
        "{what}: expected {missing:#?}, and found {added:#?}"
    );
}

/// Stopped, frozen, killed and started again while spans come: nothing is lost.
#[tokio::test]
async fn nothing_is_lost_while_influxdb_is_away() {
    let mut influxdb = InfluxDb::start().await;
    let exporter = to(&influxdb, DATABASE).build().expect("options");
    let load = Load::start(exporter, 9_000);
    load.offer(3_000);
    load.delivered(200).await;
    influxdb.server.stop().await;
    load.noticed().await;
    influxdb.server.restart().await;
    load.delivered(3_000).await;

    load.offer(3_000);
    load.delivered(3_200).await;
    influxdb.server.freeze();
    load.noticed().await;
    influxdb.server.thaw();
    load.delivered(6_000).await;

    load.offer(3_000);
    load.delivered(6_200).await;
    influxdb.server.kill().await;
    load.noticed().await;
    influxdb.server.restart().await;
    load.all_is_there(async || numbers(&influxdb).await).await;
    let counts = influxdb
        .query("SELECT count(duration_nano) FROM spans")
        .await;
    assert_eq!(counts[0]["values"][0][1], 9_000, "each is one point");
}

async fn numbers(influxdb: &InfluxDb) -> BTreeSet<u64> {
    let query = format!("SELECT span_id, duration_nano FROM spans WHERE trace_id = '{TRACE}'");
    let mut numbers = BTreeSet::new();
    for series in influxdb.query(&query).await {
        for id in texts(&series, 1) {
            numbers.insert(u64::from_str_radix(&id, 16).expect("an id"));
        }
    }
    numbers
}

//! Metrics of every type in each of the three schemas.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tower::ServiceExt;
use tower_otlp::{
    ExportRequest, Signal,
    exporters::influxdb::{InfluxDbExporter, LineProtocol, MetricsSchema},
};

use super::{
    Points, assert_same, from_json,
    parser::{self, Value},
    points, stored, to,
};
use crate::servers::{
    influxdb::{DATABASE, InfluxDb},
    until,
    victoria_metrics::VictoriaMetrics,
};

const TIME: i64 = 1_700_000_000_123_456_789;
const BEGIN: i64 = 1_699_999_990_000_000_000;

/// One point of each type, all with one attribute, and what no schema has a form for.
fn metrics(gauge: &str) -> ExportRequest {
    let point = |more: Json| {
        let mut point = json!({
            "timeUnixNano": TIME.to_string(), "startTimeUnixNano": BEGIN.to_string(),
            "attributes": [
                { "key": "a, b=c\\", "value": { "stringValue": "d, e=\"f\" \\ g\\" } },
                { "key": "gauge", "value": { "boolValue": true } },
                { "key": "le", "value": { "intValue": "7" } },
            ],
        });
        if let (Some(point), Json::Object(more)) = (point.as_object_mut(), more) {
            point.extend(more);
        }
        json!([point])
    };
    let sum = |name: &str, temporality: u8, is_monotonic: bool, value: Json| {
        json!({ "name": name, "unit": "By", "sum": { "aggregationTemporality": temporality,
            "isMonotonic": is_monotonic, "dataPoints": point(value) } })
    };
    let message = json!({ "resourceMetrics": [{
        "resource": { "attributes": [
            { "key": "service.name", "value": { "stringValue": "cart" } }] },
        "scopeMetrics": [{ "scope": { "name": "s", "version": "1" }, "metrics": [
            { "name": gauge, "unit": "1",
              "gauge": { "dataPoints": point(json!({ "asDouble": 0.1 })) } },
            { "name": "level", "gauge": { "dataPoints": point(json!({ "asInt": "-9" })) } },
            sum("total", 2, true, json!({ "asInt": "9223372036854775807", "exemplars": [{
                "timeUnixNano": (TIME - 1).to_string(), "asInt": "4",
                "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "1112131415161718",
                "filteredAttributes": [{ "key": "_q", "value": { "stringValue": "\"" } }] }] })),
            sum("delta", 1, true, json!({ "asDouble": 2.5 })),
            sum("change", 2, false, json!({ "asInt": "-4" })),
            { "name": "latency", "unit": "s", "histogram": { "aggregationTemporality": 2,
              "dataPoints": point(json!({ "count": "6", "sum": 1.5, "min": 0.01, "max": 1.2,
                "bucketCounts": ["3", "2", "1"], "explicitBounds": [0.1, 0.5] })) } },
            { "name": "sizes", "unit": "By/s", "histogram": { "aggregationTemporality": 1,
              "dataPoints": point(json!({ "count": "1" })) } },
            { "name": "quantiles", "summary": { "dataPoints": point(json!({
                "count": "4", "sum": 10.25, "quantileValues": [
                  { "quantile": 0.5, "value": 2 }, { "quantile": 0.99, "value": 4.5 }] })) } },
            { "name": "exponential", "exponentialHistogram": { "aggregationTemporality": 2,
              "dataPoints": point(json!({ "count": "1", "scale": 0 })) } },
            { "name": "not a number",
              "gauge": { "dataPoints": point(json!({ "asDouble": "NaN" })) } },
        ] }],
    }] });
    from_json(Signal::Metrics, &message)
}

/// The tags of each point, and some more.
fn tags(more: Json) -> Json {
    let mut tags = json!({
        "a, b=c": "d, e=\"f\"  g",
        "otel.library.name": "s",
        "otel.library.version": "1",
        "service.name": "cart",
    });
    if let (Some(tags), Json::Object(more)) = (tags.as_object_mut(), more) {
        tags.extend(more);
    }
    tags
}

fn begin() -> Json {
    json!(["integer", BEGIN])
}

fn exemplar() -> (&'static str, Json, i64, Json) {
    let tags = json!({ "exported__q": "\"", "span_id": "1112131415161718",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736" });
    let fields = json!({ "gauge": ["integer", 4] });
    ("total_exemplar", tags, TIME - 1, fields)
}

fn by_telegraf_v1() -> Points {
    let tags = tags(json!({ "exported_gauge": "true", "le": "7" }));
    let point = |name: &'static str, mut fields: Json| {
        fields["start_time_unix_nano"] = begin();
        (name, tags.clone(), TIME, fields)
    };
    points([
        point("free, space=\"", json!({ "gauge": ["float", 0.1] })),
        point("level", json!({ "gauge": ["integer", -9] })),
        point("total", json!({ "counter": ["integer", i64::MAX] })),
        exemplar(),
        point("delta", json!({ "gauge": ["float", 2.5] })),
        point("change", json!({ "gauge": ["integer", -4] })),
        point(
            "latency",
            json!({ "+Inf": ["float", 6.0], "0.1": ["float", 3.0], "0.5": ["float", 5.0],
                "count": ["float", 6.0], "sum": ["float", 1.5],
                "min": ["float", 0.01], "max": ["float", 1.2] }),
        ),
        point("sizes", json!({ "count": ["float", 1.0] })),
        point(
            "quantiles",
            json!({ "0.5": ["float", 2.0], "0.99": ["float", 4.5],
                "count": ["float", 4.0], "sum": ["float", 10.25] }),
        ),
    ])
}

/// All in one measurement; points with equal tags and times are one.
fn by_telegraf_v2() -> Points {
    let own = || json!({ "gauge": "true", "exported_le": "7" });
    let with = |key: &str, value: &str| {
        let mut own = own();
        own[key] = json!(value);
        tags(own)
    };
    let bucket = |le: &str, count: f64| {
        let fields = json!({ "latency_bucket": ["float", count] });
        ("prometheus", with("le", le), TIME, fields)
    };
    let quantile = |quantile: &str, value: f64| {
        let fields = json!({ "quantiles": ["float", value] });
        ("prometheus", with("quantile", quantile), TIME, fields)
    };
    points([
        (
            "prometheus",
            tags(own()),
            TIME,
            json!({
                "start_time_unix_nano": begin(),
                "free, space=\"": ["float", 0.1],
                "level": ["integer", -9],
                "total": ["integer", i64::MAX],
                "delta": ["float", 2.5],
                "change": ["integer", -4],
                "latency_count": ["float", 6.0], "latency_sum": ["float", 1.5],
                "latency_min": ["float", 0.01], "latency_max": ["float", 1.2],
                "sizes_count": ["float", 1.0],
                "quantiles_count": ["float", 4.0], "quantiles_sum": ["float", 10.25],
            }),
        ),
        exemplar(),
        bucket("0.1", 3.0),
        bucket("0.5", 5.0),
        bucket("+Inf", 6.0),
        quantile("0.5", 2.0),
        quantile("0.99", 4.5),
    ])
}

fn by_otel_v1() -> Points {
    let tags = tags(json!({ "gauge": "true", "le": "7" }));
    let point = |name: &'static str, mut fields: Json| {
        fields["start_time_unix_nano"] = begin();
        (name, tags.clone(), TIME, fields)
    };
    points([
        point(
            "total_By_sum",
            json!({ "value_cumulative_monotonic_int": ["integer", i64::MAX] }),
        ),
        exemplar(),
        point(
            "delta_By_sum",
            json!({ "value_delta_monotonic_double": ["float", 2.5] }),
        ),
        point(
            "change_By_sum",
            json!({ "value_cumulative_nonmonotonic_int": ["integer", -4] }),
        ),
        point(
            "latency_s_histogram",
            json!({ "cumulative_0.1": ["integer", 3], "cumulative_0.5": ["integer", 2],
                "count": ["integer", 6], "sum": ["float", 1.5],
                "min": ["float", 0.01], "max": ["float", 1.2] }),
        ),
        point("sizes_By/s_histogram", json!({ "count": ["integer", 1] })),
    ])
}

#[tokio::test]
async fn metrics_of_every_type_are_stored_in_each_schema() {
    let influxdb = InfluxDb::start().await;
    let request = metrics("free, space=\"\\");
    for (schema, expected, rejected) in [
        // An exponential histogram and a value that is no number.
        (MetricsSchema::TelegrafPrometheusV1, by_telegraf_v1(), 2),
        (MetricsSchema::TelegrafPrometheusV2, by_telegraf_v2(), 2),
        // And three gauges less one, which is counted already, and a summary.
        (MetricsSchema::OtelV1, by_otel_v1(), 5),
    ] {
        let database = schema.as_str();
        let create = format!("CREATE DATABASE \"{database}\"");
        influxdb.execute(&create, None).await;
        let answer = to(&influxdb, database)
            .metrics_schema(schema)
            .build()
            .expect("options")
            .oneshot(request.clone())
            .await
            .expect("delivered");
        assert_eq!(answer.rejected_items(), rejected, "{answer:?}");
        assert_eq!(answer.delivered_items() + rejected, request.items());
        assert_same(&expected, &stored(&influxdb, database).await, database);
    }
}

/// VictoriaMetrics makes a series of each field that is a number.
#[tokio::test]
async fn victoria_metrics_has_each_field_as_a_series() {
    for schema in MetricsSchema::ALL {
        let mut server = VictoriaMetrics::start().await;
        let protocol = LineProtocol::default().metrics_schema(schema);
        // It takes a quotation mark in the name of a field for the beginning of a text.
        let request = metrics("free, space=\\");
        let lines = protocol
            .clone()
            .unsigned_integers(false)
            .encode(&request, 1);
        let lines = String::from_utf8(lines.into_bytes()).expect("UTF-8");
        let mut expected = BTreeMap::new();
        for point in parser::parse(&lines) {
            for (key, value) in &point.fields {
                let value = match value {
                    Value::Float(value) => *value,
                    #[expect(clippy::cast_precision_loss, reason = "it has only floats")]
                    Value::Int(value) => *value as f64,
                    other => panic!("{other:?} is no number"),
                };
                let mut labels: BTreeMap<String, String> = point.tags.iter().cloned().collect();
                let name = format!("{}_{key}", point.measurement);
                labels.insert("__name__".to_owned(), name);
                labels.insert("db".to_owned(), DATABASE.to_owned());
                expected.insert(labels, (value, point.time / 1_000_000));
            }
        }
        let exporter = InfluxDbExporter::builder()
            .endpoint(&server.url)
            .database(DATABASE)
            .line_protocol(protocol)
            .build()
            .expect("options");
        let answer = exporter.oneshot(request).await.expect("delivered");
        assert!(answer.delivered_items() > 0, "{answer:?}");
        let series = until("every series is there", async || {
            let series = server.export("{__name__!=\"\"}").await;
            (series.len() >= expected.len()).then_some(series)
        })
        .await;
        let found: BTreeMap<BTreeMap<String, String>, (f64, i64)> = series
            .into_iter()
            .map(|series| {
                let labels = serde_json::from_value(series["metric"].clone()).expect("labels");
                let value = series["values"][0].as_f64().expect("a value");
                let time = series["timestamps"][0].as_i64().expect("a time");
                (labels, (value, time))
            })
            .collect();
        assert_eq!(found, expected, "{}", schema.as_str());
        server.server.stop().await;
    }
}

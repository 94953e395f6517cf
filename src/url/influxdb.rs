//! `influxdb+http:` and `influxdb+https:`

use super::{
    UrlError, http,
    options::common_options,
    parse::Target,
    value::{flag, one_of},
};
use crate::{
    BoxExporter, Compression, ExporterExt as _,
    exporters::influxdb::{
        InfluxDbBuilder, InfluxDbExporter, LineProtocol, MetricsSchema, Precision, WriteApi,
    },
};

/// The port of InfluxDB 1 and 2.
const PORT: u16 = 8086;

/// What InfluxDB reads.
const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("gzip", Compression::Gzip)];

pub(super) fn http(mut target: Target) -> Result<BoxExporter, UrlError> {
    let client = http::client(&mut target)?;
    let builder = builder(&mut target, "http", PORT)?.client(client);
    finish(target, builder)
}

#[cfg(feature = "tls")]
pub(super) fn https(mut target: Target) -> Result<BoxExporter, UrlError> {
    let client = http::tls_client(&mut target)?;
    let builder = builder(&mut target, "https", super::options::HTTPS_PORT)?.client(client);
    finish(target, builder)
}

fn builder(
    target: &mut Target,
    scheme: &str,
    default_port: u16,
) -> Result<InfluxDbBuilder, UrlError> {
    let endpoint = http::endpoint(target, scheme, default_port)?;
    let api = api(target)?;
    let params = &mut target.params;
    let token = params.take("token")?;
    let builder = InfluxDbExporter::builder().endpoint(endpoint).api(api);
    let mut builder = common_options!(params, builder, COMPRESSIONS);
    if let Some(token) = token {
        builder = builder.token(token);
    }
    let mut protocol = LineProtocol::default();
    let schemas = MetricsSchema::ALL.map(|schema| (schema.as_str(), schema));
    if let Some(schema) = params.read("metrics_schema", |value| one_of(value, &schemas))? {
        protocol = protocol.metrics_schema(schema);
    }
    let precisions = [
        ("ns", Precision::Nanoseconds),
        ("us", Precision::Microseconds),
        ("ms", Precision::Milliseconds),
        ("s", Precision::Seconds),
    ];
    if let Some(precision) = params.read("precision", |value| one_of(value, &precisions))? {
        protocol = protocol.precision(precision);
    }
    if let Some(floats) = params.read("integers_as_floats", flag)? {
        protocol = protocol.integers_as_floats(floats);
    }
    if let Some(keys) = params.take("span_dimensions")? {
        protocol = protocol.span_dimensions(list(&keys));
    }
    if let Some(keys) = params.take("log_record_dimensions")? {
        protocol = protocol.log_record_dimensions(list(&keys));
    }
    Ok(builder.line_protocol(protocol))
}

/// Which version it is: `bucket` is of 2, `db` of 1, or of 3 if `version` says so.
fn api(target: &mut Target) -> Result<WriteApi, UrlError> {
    let params = &mut target.params;
    let version = params.read("version", |value| {
        one_of(value, &[("1", 1), ("2", 2), ("3", 3)])
    })?;
    let database = params.take("db")?;
    let policy = params.take("rp")?;
    let org = params.take("org")?;
    let bucket = params.take("bucket")?;
    let missing = |name: &str, example: &str| {
        UrlError::parameter(name, format!("it is missing; write {example}"))
    };
    let misplaced =
        |name: &str, version: u8| UrlError::parameter(name, format!("InfluxDB {version} has none"));
    let version = version.unwrap_or(if bucket.is_some() || org.is_some() {
        2
    } else {
        1
    });
    let foreign = match version {
        2 => [("db", &database), ("rp", &policy)],
        _ => [("org", &org), ("bucket", &bucket)],
    };
    if let Some((name, _)) = foreign.into_iter().find(|(_, value)| value.is_some()) {
        return Err(misplaced(name, version));
    }
    match version {
        2 => Ok(WriteApi::V2 {
            org: org.ok_or_else(|| missing("org", "?org=NAME&bucket=NAME"))?,
            bucket: bucket.ok_or_else(|| missing("bucket", "?org=NAME&bucket=NAME"))?,
        }),
        3 if policy.is_some() => Err(misplaced("rp", 3)),
        3 => Ok(WriteApi::V3 {
            database: database.ok_or_else(|| missing("db", "?db=NAME&version=3"))?,
        }),
        _ => Ok(WriteApi::V1 {
            database: database.ok_or_else(|| {
                missing("db", "?db=NAME, or for InfluxDB 2 ?org=NAME&bucket=NAME")
            })?,
            retention_policy: policy,
        }),
    }
}

fn list(keys: &str) -> impl Iterator<Item = &str> {
    keys.split(',').filter(|key| !key.is_empty())
}

fn finish(target: Target, builder: InfluxDbBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

//! An exporter from a URL, for configuration files, command lines and environment variables.
//!
//! The public face is [`from_url`]. Each scheme is one row of [`SCHEMES`].

#[cfg(feature = "console")]
mod console;
#[cfg(feature = "elasticsearch")]
mod elasticsearch;
mod error;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "_http_client")]
mod http;
#[cfg(feature = "influxdb")]
mod influxdb;
#[cfg(feature = "jaeger")]
mod jaeger;
#[cfg(any(feature = "otlp-grpc", feature = "_http_client"))]
mod options;
#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
mod otlp;
// Which of their parts are needed depends on the schemes that are compiled in.
#[cfg_attr(not(feature = "full"), allow(dead_code))]
mod params;
#[cfg_attr(not(feature = "full"), allow(dead_code))]
mod parse;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "prometheus-remote-write")]
mod prometheus_remote_write;
#[cfg(feature = "_socket")]
mod socket;
#[cfg(feature = "syslog")]
mod syslog;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg_attr(not(feature = "full"), allow(dead_code))]
mod value;
#[cfg(feature = "zipkin")]
mod zipkin;

pub use self::error::UrlError;
use self::parse::Target;
use crate::BoxExporter;

/// Makes an exporter from a URL.
///
/// ```
/// let exporter = tower_otlp::from_url("console:?verbosity=normal&to=stderr")?;
/// # let _ = exporter;
///
/// let error = tower_otlp::from_url("console:?verbosity=loud").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "exporter URL: parameter `verbosity`: `loud` is not one of basic, normal, detailed",
/// );
/// # Ok::<(), tower_otlp::UrlError>(())
/// ```
///
/// # Schemes
///
/// | URL | exporter | Cargo features |
/// |---|---|---|
/// | `otlp+grpc://host:4317` | OTLP over gRPC | `otlp-grpc` |
/// | `otlp+grpcs://host:443` | the same over TLS | `otlp-grpc`, `tls` |
/// | `otlp+unix:///run/otel.sock` | the same over a Unix socket | `otlp-grpc` |
/// | `otlp+http://host:4318/prefix` | OTLP over HTTP, to `/prefix/v1/traces` and so on | `otlp-http` |
/// | `otlp+https://host:443/prefix` | the same over TLS | `otlp-http`, `tls` |
/// | `jaeger+http://host:14268/api/traces` | Jaeger's collector; the path may be left out | `jaeger` |
/// | `jaeger+https://host:443/api/traces` | the same over TLS | `jaeger`, `tls` |
/// | `jaeger+udp://host:6831` | Jaeger's agent | `jaeger` |
/// | `elasticsearch+http://host:9200` | Elasticsearch | `elasticsearch` |
/// | `elasticsearch+https://host:443` | the same over TLS | `elasticsearch`, `tls` |
/// | `opensearch+http://host:9200` | OpenSearch | `elasticsearch` |
/// | `opensearch+https://host:443` | the same over TLS | `elasticsearch`, `tls` |
/// | `prometheus+rw://host:9090/api/v1/write` | Prometheus remote write: metrics only; the path may be left out | `prometheus-remote-write` |
/// | `prometheus+rws://host:443/api/v1/write` | the same over TLS | `prometheus-remote-write`, `tls` |
/// | `influxdb+http://host:8086/?db=NAME` | InfluxDB 1; `?org=NAME&bucket=NAME` for 2, `?db=NAME&version=3` for 3 | `influxdb` |
/// | `influxdb+https://host:443/` | the same over TLS | `influxdb`, `tls` |
/// | `console:` | standard output, standard error, or `tracing` | `console` |
/// | `tcp://host:5170` | OTLP over a bare TCP connection | `tcp` |
/// | `tcp+tls://host:5170` | the same over TLS | `tcp`, `tls` |
/// | `syslog+tcp://host:514` | syslog: logs only | `syslog` |
/// | `syslog+tls://host:6514` | the same over TLS | `syslog`, `tls` |
/// | `zipkin+http://host:9411` | Zipkin, to `/api/v2/spans` or the path that is given | `zipkin` |
/// | `zipkin+https://host:443` | the same over TLS | `zipkin`, `tls` |
/// | `file:///var/log/otel-{signal}.jsonl` | files, one for all signals or, with `{signal}`, one each | `file` |
/// | `prometheus://0.0.0.0:9464/metrics` | metrics only: listens, for a Prometheus server to scrape | `prometheus` |
///
/// Without a port, the backend's own is used (OTLP: 4317 for gRPC, 4318 for HTTP; Jaeger: 14268,
/// 6831 for compact and 6832 for binary datagrams; Zipkin: 9411; Elasticsearch: 9200; InfluxDB:
/// 8086; Prometheus: 9090, and 9464 to listen on; syslog: 514, 6514 over TLS), and 443 for HTTP and
/// gRPC over TLS; `tcp` has none of its own.
///
/// # Parameters
///
/// Names and values are percent-decoded; `+` stands for itself. What is not given has the
/// default of the exporter's builder.
///
/// | parameter | for | value |
/// |---|---|---|
/// | `compression` | OTLP, HTTP | `none`, `gzip`, `zstd`, `deflate`: those that the backend reads |
/// | `timeout` | OTLP, HTTP, Jaeger over UDP | of one attempt: a duration, or `none` |
/// | `connect_timeout` | OTLP, HTTP, TCP, syslog | a duration |
/// | `header.NAME` | OTLP, HTTP | sent with each request |
/// | `tenant_header` | OTLP | the header that has the tenant of each request |
/// | `user_agent` | OTLP, HTTP | text |
/// | `max_request_bytes` | OTLP, HTTP, TCP, syslog | a size |
/// | `proxy` | HTTP | a URL, or `none`; by default the environment is asked |
/// | `keepalive` | OTLP/gRPC, TCP, syslog | a duration: after which silence the server is pinged; or `none` |
/// | `version` | InfluxDB | `1`, `2`, `3`; by default 2 if there is a `bucket`, else 1 |
/// | `db`, `rp` | InfluxDB 1, 3 | database; retention policy (1 only) |
/// | `org`, `bucket` | InfluxDB 2 | names or ids |
/// | `token` | InfluxDB | of the API |
/// | `metrics_schema` | InfluxDB | `telegraf-prometheus-v1`, `telegraf-prometheus-v2`, `otel-v1` |
/// | `precision` | InfluxDB | `ns`, `us`, `ms`, `s` |
/// | `integers_as_floats` | InfluxDB | `true`, `false` |
/// | `span_dimensions`, `log_record_dimensions` | InfluxDB | keys of attributes with commas between: these become tags |
/// | `ca` | TLS | PEM file: trust these authorities, and no others |
/// | `native_roots` | TLS | `true`, `false`: trust those of the operating system |
/// | `cert`, `key` | TLS | PEM files: the client's certificate and its key |
/// | `server_name` | gRPC, TCP and syslog over TLS | the name that the server's certificate must have |
/// | `encoding` | OTLP/HTTP, Zipkin, TCP | `protobuf`, `json` |
/// | `protocol` | Jaeger over UDP | `compact`, `binary` |
/// | `max_packet_bytes` | Jaeger over UDP | a size: of a datagram |
/// | `unknown_service` | Jaeger | text: the name of a service that has none |
/// | `internal_kind` | Jaeger | `true`, `false`: whether internal spans say so |
/// | `scope_attributes` | Jaeger | `true`, `false`: whether spans have those of their scope |
/// | `link_logs` | Jaeger | `true`, `false`: whether links are logs too |
/// | `node` | Elasticsearch | other nodes of the cluster: `host:port`, with commas between |
/// | `api_key` | Elasticsearch | the key, in base64 or as `id:key` |
/// | `mapping` | Elasticsearch | `otel`, `bodymap` |
/// | `prefix` | Elasticsearch | text: to `PREFIX-traces` and so on, in place of data streams |
/// | `traces_index`, `metrics_index`, `logs_index` | Elasticsearch | where all of a kind go |
/// | `dataset`, `namespace` | Elasticsearch | of telemetry that names none: text |
/// | `action` | Elasticsearch | `create`, `index` |
/// | `document_ids` | Elasticsearch | `server`, `content`, `attribute` |
/// | `pipeline` | Elasticsearch | the name of an ingest pipeline |
/// | `require_data_stream` | Elasticsearch | `true`, `false` |
/// | `version` | remote write | `auto`, `1`, `2` |
/// | `shards` | remote write | how many messages at once: a number |
/// | `max_samples` | remote write | samples in a message: a number |
/// | `translation_strategy` | remote write | as in the OpenTelemetry specification: `UnderscoreEscapingWithSuffixes` and so on |
/// | `namespace` | remote write | text before the names of metrics |
/// | `external_labels` | remote write | `name=value,name=value`: of all series |
/// | `resource_labels` | remote write | `key,key`: resource attributes that become labels of all series |
/// | `scope_labels`, `target_info`, `exemplars` | remote write | `true`, `false`: whether they are written |
/// | `metadata` | remote write | `true`, `false`: whether it is written with version 1 |
/// | `histograms`, `exponential_histograms` | remote write | `classic`, `native` |
/// | `verbosity` | console | `basic`, `normal`, `detailed` |
/// | `to` | console | `stdout`, `stderr`, `tracing` |
/// | `connections` | TCP, syslog | how many at most: a number |
/// | `write_timeout` | TCP, syslog | of one request: a duration, or `none` |
/// | `acknowledge_timeout` | TCP, syslog | a duration: how long the peer's host may be silent about what was written; or `none` |
/// | `nodelay` | TCP, syslog | `true`, `false` |
/// | `send_buffer` | TCP, syslog | a size |
/// | `only` | TCP | `traces`, `metrics`, `logs`: needed with `encoding=protobuf` |
/// | `framing` | syslog | `octet-counting`, `line-feed` |
/// | `facility` | syslog | `user`, `daemon`, `local0` and so on |
/// | `gravest` | syslog | `emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info`, `debug` |
/// | `host_name` | syslog | of resources that have none: text |
/// | `enterprise_number` | syslog | a number |
/// | `resource_attributes` | syslog | `true`, `false` |
/// | `max_message_bytes` | syslog | a size of 480 bytes or more |
/// | `byte_order_mark` | syslog | `true`, `false` |
/// | `default_service_name` | Zipkin | text: for resources without `service.name` |
/// | `annotations` | Zipkin | `specification`, `collector`: the form of events |
/// | `link_tags`, `library_tags`, `internal_kind_tag` | Zipkin | `true`, `false` |
/// | `format` | file | `json`, `protobuf` |
/// | `rotate`, `rotate_after` | file | a size, a duration: when to begin a new file |
/// | `keep`, `keep_for` | file | a number, a duration: which rotated files to keep |
/// | `fsync` | file | `never`, `every-write`, or a duration |
/// | `signal` | file | `traces`, `metrics`, `logs`: takes no other |
/// | `mode` | file | octal permissions of new files: `0640` |
/// | `create_directory` | file | `true`, `false` |
/// | `max_record_bytes` | file | a size |
/// | `namespace` | Prometheus | text: stands before each name |
/// | `label.NAME` | Prometheus | a label of every series |
/// | `resource_labels` | Prometheus | `host.name,k8s.*`: resource attributes that every series has |
/// | `translation_strategy` | Prometheus | `UnderscoreEscapingWithSuffixes`, `UnderscoreEscapingWithoutSuffixes`, `NoUTF8EscapingWithSuffixes`, `NoTranslation` |
/// | `metric_expiration` | Prometheus | how long a series is shown after its last point: a duration, or `none` for ever |
/// | `max_series` | Prometheus | a number |
/// | `scope_info`, `target_info`, `created_lines`, `openmetrics`, `delta_up_down_sums` | Prometheus | `true`, `false` |
///
/// Durations are `500ms`, `5s`, `1m`, `2h`; sizes are bytes, or `64KiB`, `4MiB`, `1GiB`, `4MB`.
/// User and password of an HTTP exporter's URL are sent as Basic authentication.
///
/// # Errors
/// [`UrlError`] says which part is wrong, and what may stand there. Neither header values nor
/// credentials are ever in it. OTLP/gRPC and Prometheus must be made inside a tokio runtime; to
/// make them outside is an error, too.
pub fn from_url(url: &str) -> Result<BoxExporter, UrlError> {
    let (name, _) = url
        .trim()
        .split_once(':')
        .ok_or_else(|| UrlError::new("scheme", format!("it is missing; {}", known())))?;
    let scheme = SCHEMES
        .iter()
        .find(|scheme| scheme.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| unknown(name))?;
    let Some(build) = scheme.build else {
        let features = scheme.features;
        let message = format!("`{}` needs {features} of tower-otlp", scheme.name);
        return Err(UrlError::new("scheme", message));
    };
    build(Target::parse(scheme.name, url.trim())?)
}

type Build = fn(Target) -> Result<BoxExporter, UrlError>;

struct Scheme {
    name: &'static str,
    /// Which Cargo features it needs, in words.
    features: &'static str,
    /// `None` if it is not compiled in.
    build: Option<Build>,
}

/// `Some(build)` if the features are on.
macro_rules! compiled_in {
    ($features:meta, $build:path) => {{
        #[cfg($features)]
        {
            Some($build as Build)
        }
        #[cfg(not($features))]
        {
            None
        }
    }};
}

static SCHEMES: &[Scheme] = &[
    Scheme {
        name: "otlp+grpc",
        features: "the Cargo feature `otlp-grpc`",
        build: compiled_in!(feature = "otlp-grpc", otlp::grpc),
    },
    Scheme {
        name: "otlp+grpcs",
        features: "the Cargo features `otlp-grpc` and `tls`",
        build: compiled_in!(all(feature = "otlp-grpc", feature = "tls"), otlp::grpcs),
    },
    Scheme {
        name: "otlp+unix",
        features: "the Cargo feature `otlp-grpc`, and an operating system with Unix sockets",
        build: compiled_in!(all(feature = "otlp-grpc", unix), otlp::unix),
    },
    Scheme {
        name: "otlp+http",
        features: "the Cargo feature `otlp-http`",
        build: compiled_in!(feature = "otlp-http", otlp::http),
    },
    Scheme {
        name: "otlp+https",
        features: "the Cargo features `otlp-http` and `tls`",
        build: compiled_in!(all(feature = "otlp-http", feature = "tls"), otlp::https),
    },
    Scheme {
        name: "jaeger+http",
        features: "the Cargo feature `jaeger`",
        build: compiled_in!(feature = "jaeger", jaeger::http),
    },
    Scheme {
        name: "jaeger+https",
        features: "the Cargo features `jaeger` and `tls`",
        build: compiled_in!(all(feature = "jaeger", feature = "tls"), jaeger::https),
    },
    Scheme {
        name: "jaeger+udp",
        features: "the Cargo feature `jaeger`",
        build: compiled_in!(feature = "jaeger", jaeger::udp),
    },
    Scheme {
        name: "elasticsearch+http",
        features: "the Cargo feature `elasticsearch`",
        build: compiled_in!(feature = "elasticsearch", elasticsearch::http),
    },
    Scheme {
        name: "elasticsearch+https",
        features: "the Cargo features `elasticsearch` and `tls`",
        build: compiled_in!(
            all(feature = "elasticsearch", feature = "tls"),
            elasticsearch::https
        ),
    },
    Scheme {
        name: "opensearch+http",
        features: "the Cargo feature `elasticsearch`",
        build: compiled_in!(feature = "elasticsearch", elasticsearch::opensearch_http),
    },
    Scheme {
        name: "opensearch+https",
        features: "the Cargo features `elasticsearch` and `tls`",
        build: compiled_in!(
            all(feature = "elasticsearch", feature = "tls"),
            elasticsearch::opensearch_https
        ),
    },
    Scheme {
        name: "prometheus+rw",
        features: "the Cargo feature `prometheus-remote-write`",
        build: compiled_in!(
            feature = "prometheus-remote-write",
            prometheus_remote_write::http
        ),
    },
    Scheme {
        name: "prometheus+rws",
        features: "the Cargo features `prometheus-remote-write` and `tls`",
        build: compiled_in!(
            all(feature = "prometheus-remote-write", feature = "tls"),
            prometheus_remote_write::https
        ),
    },
    Scheme {
        name: "influxdb+http",
        features: "the Cargo feature `influxdb`",
        build: compiled_in!(feature = "influxdb", influxdb::http),
    },
    Scheme {
        name: "influxdb+https",
        features: "the Cargo features `influxdb` and `tls`",
        build: compiled_in!(all(feature = "influxdb", feature = "tls"), influxdb::https),
    },
    Scheme {
        name: "console",
        features: "the Cargo feature `console`",
        build: compiled_in!(feature = "console", console::console),
    },
    Scheme {
        name: "tcp",
        features: "the Cargo feature `tcp`",
        build: compiled_in!(feature = "tcp", tcp::plain),
    },
    Scheme {
        name: "tcp+tls",
        features: "the Cargo features `tcp` and `tls`",
        build: compiled_in!(all(feature = "tcp", feature = "tls"), tcp::tls),
    },
    Scheme {
        name: "syslog+tcp",
        features: "the Cargo feature `syslog`",
        build: compiled_in!(feature = "syslog", syslog::plain),
    },
    Scheme {
        name: "syslog+tls",
        features: "the Cargo features `syslog` and `tls`",
        build: compiled_in!(all(feature = "syslog", feature = "tls"), syslog::tls),
    },
    Scheme {
        name: "zipkin+http",
        features: "the Cargo feature `zipkin`",
        build: compiled_in!(feature = "zipkin", zipkin::http),
    },
    Scheme {
        name: "zipkin+https",
        features: "the Cargo features `zipkin` and `tls`",
        build: compiled_in!(all(feature = "zipkin", feature = "tls"), zipkin::https),
    },
    Scheme {
        name: "file",
        features: "the Cargo feature `file`",
        build: compiled_in!(feature = "file", file::file),
    },
    Scheme {
        name: "prometheus",
        features: "the Cargo feature `prometheus`",
        build: compiled_in!(feature = "prometheus", prometheus::prometheus),
    },
];

/// The schemes, by whether they are compiled in. Those that are not name their feature when used.
fn known() -> String {
    let list = |compiled_in: bool| {
        let rows = SCHEMES.iter();
        let rows = rows.filter(|row| row.build.is_some() == compiled_in);
        let names: Vec<_> = rows.map(|row| format!("{}:", row.name)).collect();
        names.join(", ")
    };
    match (list(true), list(false)) {
        (here, missing) if missing.is_empty() => format!("there are {here}"),
        (here, missing) => format!("there are {here}; not compiled in are {missing}"),
    }
}

fn unknown(name: &str) -> UrlError {
    // `host:4317` has no scheme: what stands before the colon may be anything, a secret too.
    let is_scheme = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    // What the endpoints of SDKs begin with, and what one may guess.
    let is_otlp = ["http", "https", "grpc", "otlp"]
        .iter()
        .any(|guess| name.eq_ignore_ascii_case(guess));
    let shown = if is_otlp {
        let message = "which protocol it speaks: for OTLP write otlp+grpc, otlp+grpcs, otlp+http \
                       or otlp+https";
        format!("`{name}` does not say {message}; {}", known())
    } else if is_scheme && name.len() <= 32 {
        format!("`{name}` is not known; {}", known())
    } else {
        format!("it is not known; {}", known())
    };
    UrlError::new("scheme", shown)
}

#[cfg(test)]
mod tests;

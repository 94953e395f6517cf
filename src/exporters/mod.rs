//! Exporters: where telemetry goes. One module per backend.
//!
//! ```
//! use tower_otlp::exporters::console::{ConsoleExporter, Verbosity};
//!
//! let exporter = ConsoleExporter::new(Verbosity::Normal);
//! # let _ = exporter;
//! ```
//!
//! Each is a [`Service`](tower::Service) of an [`ExportRequest`](crate::ExportRequest) that can be
//! used alone. It sends a request once; whatever makes it reliable is a
//! [layer](crate::layers) around it.
//!
//! | Exporter | Signals | URL |
//! |---|---|---|
//! | `otlp::OtlpGrpcExporter` | all | `otlp+grpc://`, `otlp+grpcs://`, `otlp+unix:` |
//! | `otlp::OtlpHttpExporter` | all | `otlp+http://`, `otlp+https://` |
//! | `jaeger::JaegerHttpExporter` | traces | `jaeger+http://`, `jaeger+https://` |
//! | `jaeger::JaegerUdpExporter` | traces | `jaeger+udp://` |
//! | `elasticsearch::ElasticsearchExporter` | all | `elasticsearch+http://`, `elasticsearch+https://`, `opensearch+http://`, `opensearch+https://` |
//! | `prometheus::remote_write::PrometheusRemoteWriteExporter` | metrics | `prometheus+rw://`, `prometheus+rws://` |
//! | `influxdb::InfluxDbExporter` | all | `influxdb+http://`, `influxdb+https://` |
//! | `file::FileExporter` | all | `file://` |
//! | `console::ConsoleExporter` | all | `console:` |
//! | `tcp::TcpExporter` | all | `tcp://`, `tcp+tls://` |
//! | `syslog::SyslogExporter` | logs | `syslog+tcp://`, `syslog+tls://` |
//! | `zipkin::ZipkinExporter` | traces | `zipkin+http://`, `zipkin+https://` |
//! | `prometheus::PrometheusExporter` | metrics | `prometheus://` |

#[cfg(feature = "console")]
pub mod console;
#[cfg(feature = "elasticsearch")]
pub mod elasticsearch;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "_http_client")]
pub mod http;
#[cfg(feature = "influxdb")]
pub mod influxdb;
#[cfg(feature = "jaeger")]
pub mod jaeger;
#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
pub mod otlp;
#[cfg(feature = "_prometheus")]
pub mod prometheus;
#[cfg(feature = "_socket")]
pub mod socket;
#[cfg(feature = "syslog")]
pub mod syslog;
#[cfg(feature = "tcp")]
pub mod tcp;
#[cfg(feature = "zipkin")]
pub mod zipkin;

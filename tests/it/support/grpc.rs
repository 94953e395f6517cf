//! Servers, clients and telemetry for the gRPC tests.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::LogsService,
        },
        metrics::v1::{
            ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::MetricsService,
        },
        trace::v1::{
            ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::TraceService,
        },
    },
    common::v1::{AnyValue, KeyValue, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
    },
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    metadata::MetadataMap,
    service::Routes,
    transport::{Channel, Endpoint, Server},
};
use tower::{Service, ServiceExt};
use tower_otlp::{BoxExporter, ExportError, ExportRequest, ExportResponse, Signal};

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..Default::default()
    }
}

pub(crate) fn traces(items: usize) -> ExportTraceServiceRequest {
    let spans = (0..items).map(|number| Span {
        trace_id: vec![1; 16],
        span_id: (number as u64).to_be_bytes().to_vec(),
        name: format!("GET /{number}"),
        attributes: vec![attribute("http.route", "/things/{id}")],
        ..Default::default()
    });
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: spans.collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

pub(crate) fn metrics(items: usize) -> ExportMetricsServiceRequest {
    let points = (0..items).map(|number| NumberDataPoint {
        value: Some(number_data_point::Value::AsDouble(number as f64)),
        ..Default::default()
    });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![Metric {
                    name: "queue.depth".to_owned(),
                    data: Some(metric::Data::Gauge(Gauge {
                        data_points: points.collect(),
                    })),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

pub(crate) fn logs(items: usize) -> ExportLogsServiceRequest {
    let records = (0..items).map(|number| LogRecord {
        severity_text: format!("INFO {number}"),
        ..Default::default()
    });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: records.collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

pub(crate) fn encoded(signal: Signal, items: usize) -> Bytes {
    Bytes::from(match signal {
        Signal::Traces => traces(items).encode_to_vec(),
        Signal::Metrics => metrics(items).encode_to_vec(),
        Signal::Logs => logs(items).encode_to_vec(),
    })
}

pub(crate) fn request(signal: Signal, items: usize) -> ExportRequest {
    ExportRequest::from_protobuf(signal, encoded(signal, items)).expect("valid OTLP")
}

/// An exporter that shows what reaches it, and answers as it is told.
pub(crate) fn recorder_with(
    answer: impl Fn(&ExportRequest) -> Result<ExportResponse, ExportError> + Send + Sync + 'static,
) -> (BoxExporter, mpsc::UnboundedReceiver<ExportRequest>) {
    let (seen, requests) = mpsc::unbounded_channel();
    let answer = Arc::new(answer);
    let exporter = tower::service_fn(move |request: ExportRequest| {
        let outcome = answer(&request);
        let _ = seen.send(request);
        std::future::ready(outcome)
    });
    (BoxExporter::new(exporter), requests)
}

/// An exporter that takes everything and shows it.
pub(crate) fn recorder() -> (BoxExporter, mpsc::UnboundedReceiver<ExportRequest>) {
    recorder_with(|request| Ok(ExportResponse::delivered(request.items())))
}

/// Serves on a port of the loopback interface until the test ends.
pub(crate) async fn serve(routes: Routes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(
        Server::builder()
            .add_routes(routes)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    address
}

pub(crate) async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .expect("a URI")
        .connect()
        .await
        .expect("connects")
}

/// A message in its frame.
pub(crate) fn framed(compressed: bool, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + payload.len());
    frame.put_u8(u8::from(compressed));
    frame.put_u32(payload.len() as u32);
    frame.put_slice(payload);
    frame.freeze()
}

pub(crate) fn gzip(level: u32, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(bytes).expect("compresses");
    encoder.finish().expect("compresses")
}

pub(crate) const TRACES_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// What came back from a call below the level of any generated client.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) http: http::StatusCode,
    /// From headers or trailers.
    pub(crate) grpc: Option<Status>,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl RawAnswer {
    pub(crate) fn code(&self) -> tonic::Code {
        self.grpc.as_ref().expect("a gRPC status").code()
    }

    pub(crate) fn message(&self) -> &str {
        self.grpc.as_ref().expect("a gRPC status").message()
    }
}

/// Posts exactly these bytes with exactly these headers.
pub(crate) async fn post(
    channel: &Channel,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> RawAnswer {
    let mut request = http::Request::post(path).header("te", "trailers");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::new(Full::new(body))).expect("a request");
    answer(channel.clone(), request).await
}

pub(crate) async fn answer(mut channel: Channel, request: http::Request<Body>) -> RawAnswer {
    let ready = channel.ready().await.expect("ready");
    let response = ready.call(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let collected = body.collect().await.expect("a whole body");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    RawAnswer {
        http: head.status,
        grpc: Status::from_header_map(&head.headers).or_else(|| Status::from_header_map(&trailers)),
        headers: head.headers,
        body: collected.to_bytes(),
    }
}

/// A server of opentelemetry-proto's generated code: knows nothing of this crate.
#[derive(Clone, Default)]
pub(crate) struct Peer {
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) rejected: i64,
    pub(crate) message: &'static str,
    pub(crate) fails_with: Option<fn() -> Status>,
}

pub(crate) struct Seen {
    pub(crate) signal: Signal,
    pub(crate) protobuf: Vec<u8>,
    pub(crate) metadata: MetadataMap,
}

impl Peer {
    fn take<T: Message>(&self, signal: Signal, request: Request<T>) -> Result<bool, Status> {
        if let Some(status) = self.fails_with {
            return Err(status());
        }
        let (metadata, _, message) = request.into_parts();
        self.seen.lock().expect("not poisoned").push(Seen {
            signal,
            protobuf: message.encode_to_vec(),
            metadata,
        });
        Ok(self.rejected != 0 || !self.message.is_empty())
    }

    pub(crate) fn taken(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("not poisoned"))
    }
}

#[tonic::async_trait]
impl TraceService for Peer {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let partial = self.take(Signal::Traces, request)?;
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: partial.then(|| ExportTracePartialSuccess {
                rejected_spans: self.rejected,
                error_message: self.message.to_owned(),
            }),
        }))
    }
}

#[tonic::async_trait]
impl MetricsService for Peer {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let partial = self.take(Signal::Metrics, request)?;
        Ok(Response::new(ExportMetricsServiceResponse {
            partial_success: partial.then(|| ExportMetricsPartialSuccess {
                rejected_data_points: self.rejected,
                error_message: self.message.to_owned(),
            }),
        }))
    }
}

#[tonic::async_trait]
impl LogsService for Peer {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let partial = self.take(Signal::Logs, request)?;
        Ok(Response::new(ExportLogsServiceResponse {
            partial_success: partial.then(|| ExportLogsPartialSuccess {
                rejected_log_records: self.rejected,
                error_message: self.message.to_owned(),
            }),
        }))
    }
}

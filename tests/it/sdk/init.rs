//! Everything from the standard variables.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use opentelemetry::{
    Context, global,
    propagation::TextMapPropagator,
    trace::{TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest, metrics::v1::metric::Data,
};
use opentelemetry_sdk::Resource;
use prost::Message;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tower_otlp::{
    Encoding, ExportRequest, Signal, from_url,
    sdk::{InitError, Telemetry, init_from_env},
};

use super::{Caller, LONG, Receiver, SHORT, alone, count, in_time, log, span};

fn telemetry(rows: &[(&str, &str)]) -> Result<Telemetry, InitError> {
    let rows: HashMap<_, _> = rows.iter().copied().collect();
    Telemetry::from_lookup(|name| rows.get(name).map(|value| (*value).to_owned()))
}

/// One item of each signal.
fn work(telemetry: &Telemetry) {
    span(telemetry.tracer_provider());
    log(telemetry.logger_provider());
    count(telemetry.meter_provider());
}

#[test]
fn otlp_takes_all_signals_from_every_caller() {
    for caller in Caller::ALL {
        in_time(move || {
            let receiver = Receiver::start();
            let endpoint = format!("http://{}", receiver.http);
            let report = caller.run(move || {
                let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
                let telemetry = telemetry.expect("valid");
                work(&telemetry);
                telemetry.shutdown(LONG)
            });
            assert!(report.complete, "{caller:?}: {report:?}");
            assert_eq!(report.delivered, 3, "{caller:?}: {report:?}");
            for signal in Signal::ALL {
                assert_eq!(receiver.items(signal), 1, "{caller:?}: {signal}");
            }
        });
    }
}

#[test]
fn a_pipeline_of_ones_own_has_all_providers_with_one_resource() {
    for caller in Caller::ALL {
        in_time(move || {
            let receiver = Receiver::start();
            let endpoint = format!("otlp+http://{}", receiver.http);
            let report = caller.run(move || {
                let resource = Resource::builder_empty().with_service_name("shop").build();
                let telemetry = Telemetry::start(resource, |_| from_url(&endpoint));
                let telemetry = telemetry.expect("a URL");
                work(&telemetry);
                assert_eq!(telemetry.propagator().fields().count(), 3, "and baggage");
                telemetry.shutdown(LONG)
            });
            assert_eq!(report.to_string(), "delivered=3 retained=0 dropped=0");
            for signal in Signal::ALL {
                assert_eq!(receiver.items(signal), 1, "{caller:?}: {signal}");
                let shop = |request: &ExportRequest| names_the_shop(request, signal);
                let seen = receiver.backend.seen();
                let mut seen = seen.iter().filter(|request| request.signal() == signal);
                assert!(seen.all(shop), "{caller:?}: {signal}");
            }
        });
    }
    let wrong = Telemetry::start(Resource::builder().build(), |_| from_url("pigeon://coop"));
    let told = wrong.expect_err("no such scheme").to_string();
    assert!(told.contains("pigeon"), "{told}");
}

/// Whether the resource is the one that was given, and says no more.
fn names_the_shop(request: &ExportRequest, signal: Signal) -> bool {
    let json = request.encoded(Encoding::Json);
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let resources = match signal {
        Signal::Traces => "resourceSpans",
        Signal::Metrics => "resourceMetrics",
        Signal::Logs => "resourceLogs",
    };
    let name = json!([{"key": "service.name", "value": {"stringValue": "shop"}}]);
    json[resources][0]["resource"]["attributes"] == name
}

#[test]
fn a_drop_delivers() {
    in_time(|| {
        let receiver = Receiver::start();
        let endpoint = format!("http://{}", receiver.http);
        let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
        let telemetry = telemetry.expect("valid");
        work(&telemetry);
        drop(telemetry);
        assert_eq!(receiver.items(Signal::Traces), 1);
        assert_eq!(receiver.items(Signal::Logs), 1);
    });
}

#[tokio::test]
async fn a_flush_and_a_shutdown_may_be_awaited() {
    let receiver = Receiver::start();
    let endpoint = format!("http://{}", receiver.http);
    let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).expect("valid");
    span(telemetry.tracer_provider());
    let report = telemetry.force_flush_async(LONG).await;
    assert!(report.complete, "{report:?}");
    assert_eq!(receiver.items(Signal::Traces), 1);
    log(telemetry.logger_provider());
    let report = telemetry.shutdown_async(LONG).await;
    assert!(report.complete, "{report:?}");
    assert_eq!(receiver.items(Signal::Logs), 1);
    let again = telemetry.shutdown(LONG);
    assert_eq!(again.delivered, report.delivered);
}

#[test]
fn a_backend_that_is_away_ends_a_shutdown_at_its_deadline_and_not_at_those_of_the_sdk() {
    in_time(|| {
        let address = tokio_test::block_on(crate::support::http_server::nobody());
        let endpoint = format!("http://{address}");
        let telemetry = telemetry(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
        let telemetry = telemetry.expect("valid");
        work(&telemetry);
        let started = Instant::now();
        let report = telemetry.shutdown(SHORT);
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{:?}",
            started.elapsed()
        );
        assert_eq!((report.delivered, report.dropped), (0, 3), "{report:?}");
    });
}

#[test]
fn signals_go_where_their_variables_say() {
    in_time(|| {
        let receiver = Receiver::start();
        let endpoint = format!("http://{}", receiver.http);
        let zipkin = tokio_test::block_on(crate::support::http_server::nobody());
        let telemetry = telemetry(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", &format!("http://{zipkin}")),
            ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "1000"),
            ("OTEL_METRICS_EXPORTER", "none"),
            // Nobody needs it, so nobody minds.
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "carrier-pigeon"),
        ]);
        let telemetry = telemetry.expect("valid");
        work(&telemetry);
        let report = telemetry.force_flush(Duration::from_secs(1));
        // Zipkin is away, and keeps no other waiting.
        assert_eq!(receiver.items(Signal::Logs), 1, "{report:?}");
        assert_eq!((report.delivered, report.retained), (1, 1), "{report:?}");
        let report = telemetry.shutdown(SHORT);
        assert_eq!((report.delivered, report.dropped), (1, 1), "{report:?}");
    });
}

#[test]
fn metrics_are_scraped_if_the_variables_say_so() {
    in_time(|| {
        let address = tokio_test::block_on(crate::support::http_server::nobody());
        let telemetry = telemetry(&[
            ("OTEL_TRACES_EXPORTER", "none"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", &address.port().to_string()),
        ]);
        let telemetry = telemetry.expect("valid");
        count(telemetry.meter_provider());
        assert!(telemetry.force_flush(LONG).complete);
        let page = tokio_test::block_on(scraped(address));
        assert!(page.contains("carts_total"), "{page}");
    });
}

/// The page, by the plainest of means.
async fn scraped(address: SocketAddr) -> String {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.expect("written");
    let mut page = String::new();
    socket.read_to_string(&mut page).await.expect("read");
    page
}

#[test]
fn the_temporality_of_metrics_is_as_the_variable_says() {
    in_time(|| {
        for (preference, expected) in [("delta", 1), ("cumulative", 2), ("LOWMEMORY", 1)] {
            let receiver = Receiver::start();
            let endpoint = format!("http://{}", receiver.http);
            let telemetry = telemetry(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                (
                    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                    preference,
                ),
            ]);
            let telemetry = telemetry.expect("valid");
            count(telemetry.meter_provider());
            assert!(telemetry.force_flush(LONG).complete);
            let request = receiver.backend.only();
            let message = ExportMetricsServiceRequest::decode(request.protobuf().clone());
            let message = message.expect("OTLP");
            let metric = &message.resource_metrics[0].scope_metrics[0].metrics[0];
            let Some(Data::Sum(sum)) = &metric.data else {
                panic!("{metric:?}");
            };
            assert_eq!(sum.aggregation_temporality, expected, "{preference}");
        }
    });
}

#[test]
fn nothing_is_recorded_if_it_is_disabled_and_context_still_travels() {
    in_time(|| {
        let telemetry = telemetry(&[("OTEL_SDK_DISABLED", "true")]).expect("valid");
        work(&telemetry);
        let span = telemetry
            .tracer_provider()
            .tracer("test")
            .start("GET /cart");
        assert!(!opentelemetry::trace::Span::is_recording(&span));
        let report = telemetry.shutdown(LONG);
        assert!(report.complete);
        assert_eq!(report.accepted, 0);
        assert_eq!(telemetry.propagator().fields().count(), 3);
    });
}

#[test]
fn propagators_are_those_of_the_variable() {
    for (value, fields) in [
        ("tracecontext", vec!["traceparent", "tracestate"]),
        ("baggage", vec!["baggage"]),
        ("none", vec![]),
    ] {
        let telemetry = telemetry(&[("OTEL_PROPAGATORS", value), ("OTEL_SDK_DISABLED", "true")]);
        let propagator = telemetry.expect("valid").propagator();
        let mut found: Vec<_> = propagator.fields().collect();
        found.sort_unstable();
        assert_eq!(found, fields, "{value}");
    }
}

#[test]
fn a_variable_that_cannot_be_used_is_named_and_its_secrets_are_not() {
    for (variable, value, words) in [
        (
            "OTEL_TRACES_EXPORTER",
            "kafka",
            "otlp, console, zipkin, none",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "pigeon",
            "grpc, http/protobuf",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret", "key=value"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not://u:s3cret@x", "http"),
    ] {
        let error = telemetry(&[(variable, value)]).expect_err(value);
        assert_eq!(error.variable(), Some(variable), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    for (variable, value) in [
        ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "not://u:s3cret@x"),
        ("OTEL_EXPORTER_ZIPKIN_TIMEOUT", "soon"),
    ] {
        let rows = [("OTEL_TRACES_EXPORTER", "zipkin"), (variable, value)];
        let error = telemetry(&rows).expect_err(value);
        assert_eq!(error.variable(), Some(variable), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    let rows = [
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "http"),
    ];
    let error = telemetry(&rows).expect_err("no port");
    assert_eq!(error.variable(), Some("OTEL_EXPORTER_PROMETHEUS_PORT"));
}

#[test]
fn debug_shows_no_secret() {
    let telemetry = telemetry(&[
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://user:s3cret@localhost:1",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret"),
    ]);
    let shown = format!("{:?}", telemetry.expect("valid"));
    assert!(shown.contains("exports: true"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// Global providers, and what the SDK reads itself: in a process of its own.
#[test]
fn one_line_sets_up_a_process() {
    if alone::child().is_some() {
        let telemetry = init_from_env().expect("valid");
        global::tracer("shop").in_span("charge card", |context| {
            assert!(context.span().span_context().is_valid());
            let mut carrier = HashMap::new();
            global::get_text_map_propagator(|propagator| {
                propagator.inject_context(&Context::current(), &mut carrier);
            });
            assert!(carrier.contains_key("traceparent"), "{carrier:?}");
        });
        let meter = global::meter("shop");
        meter.u64_counter("orders").build().add(1, &[]);
        // The interval of the environment, and no flush.
        let delivered = async {
            while telemetry.report().delivered < 2 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let delivered = tokio_test::block_on(async { timeout(LONG, delivered).await });
        delivered.unwrap_or_else(|_| panic!("{:?}", telemetry.report()));
        assert!(telemetry.shutdown(LONG).complete);
        return;
    }
    in_time(|| {
        let receiver = Receiver::start();
        let endpoint = format!("http://{}", receiver.grpc);
        alone::run(
            "sdk::init::one_line_sets_up_a_process",
            &endpoint,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_SERVICE_NAME", "checkout"),
                (
                    "OTEL_RESOURCE_ATTRIBUTES",
                    "deployment.environment.name=test",
                ),
                ("OTEL_BSP_SCHEDULE_DELAY", "50"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "50"),
            ],
        );
        assert_eq!(receiver.items(Signal::Traces), 1);
        assert!(receiver.items(Signal::Metrics) >= 1);
        for request in receiver.backend.seen() {
            let json = String::from_utf8(request.encoded(Encoding::Json).to_vec());
            let json = json.expect("UTF-8");
            for part in ["checkout", "deployment.environment.name"] {
                assert!(json.contains(part), "{part}: {json}");
            }
        }
    });
}

//! From destinations to a pipeline.

use tower::ServiceBuilder;

use super::{
    InitError,
    settings::{Destination, Settings},
};
use crate::{
    BoxExporter, Exporter, ExporterExt, InvalidConfig, Lifecycle, ServiceBuilderExt,
    layers::{
        queue::{Acknowledge, Overflow, QueueConfig, QueueLayer},
        retry::RetryPolicy,
        route::Route,
    },
};

/// How many requests to one destination are in flight at a time.
const CONCURRENCY: usize = 8;

/// One queue for each destination: one that is away keeps no other waiting.
pub(super) fn pipeline<F>(
    settings: &Settings,
    lookup: &F,
    lifecycle: &Lifecycle,
) -> Result<BoxExporter, InitError>
where
    F: Fn(&str) -> Option<String>,
{
    let mut stacks: Vec<(Destination, BoxExporter)> = Vec::new();
    for (_, destination) in settings.destinations() {
        if destination == Destination::Nowhere
            || stacks.iter().any(|(known, _)| *known == destination)
        {
            continue;
        }
        let exporter = exporter(destination, settings, lookup)?;
        let stack = stack(exporter, lifecycle).map_err(invalid)?;
        stacks.push((destination, stack.boxed_exporter()));
    }
    let pipeline = if let [(_, only)] = &*stacks {
        only.clone()
    } else {
        let mut route = Route::by_signal();
        for (signal, destination) in settings.destinations() {
            let stack = stacks.iter().find(|(known, _)| *known == destination);
            if let Some((_, stack)) = stack {
                route = route.to(signal.as_str(), stack.clone());
            }
        }
        route.build().map_err(invalid)?.boxed_exporter()
    };
    let tracked = ServiceBuilder::new().tracked(lifecycle).service(pipeline);
    Ok(tracked.boxed_exporter())
}

fn stack(
    exporter: BoxExporter,
    lifecycle: &Lifecycle,
) -> Result<impl Exporter + use<>, InvalidConfig> {
    let queue = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .overflow(Overflow::DropOldest)
        .lifecycle(lifecycle);
    Ok(ServiceBuilder::new()
        .queue(QueueLayer::new(queue)?)
        .export_retry(RetryPolicy::new().lifecycle(lifecycle))
        .concurrency_limit(CONCURRENCY)
        .service(exporter))
}

fn invalid(error: InvalidConfig) -> InitError {
    InitError::other("the pipeline cannot be built", error.into())
}

#[cfg_attr(
    not(all(feature = "zipkin", feature = "prometheus", feature = "console")),
    allow(unused_variables, clippy::unnecessary_wraps)
)]
fn exporter<F>(
    destination: Destination,
    settings: &Settings,
    lookup: &F,
) -> Result<BoxExporter, InitError>
where
    F: Fn(&str) -> Option<String>,
{
    match destination {
        #[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
        Destination::Otlp => otlp(settings, lookup),
        #[cfg(feature = "console")]
        Destination::Console => {
            use crate::exporters::console::{ConsoleExporter, Verbosity};
            Ok(ConsoleExporter::new(Verbosity::Normal).boxed_exporter())
        }
        #[cfg(feature = "zipkin")]
        Destination::Zipkin => zipkin(lookup),
        #[cfg(feature = "prometheus")]
        Destination::Prometheus => prometheus(lookup),
        // Reading the settings has refused these, naming the feature; and nothing goes nowhere.
        _ => Err(InitError::other(
            "the exporter is not compiled in",
            format!("{destination:?}").into(),
        )),
    }
}

#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
fn otlp<F>(settings: &Settings, lookup: &F) -> Result<BoxExporter, InitError>
where
    F: Fn(&str) -> Option<String>,
{
    use crate::exporters::otlp;

    // What is set for a signal that goes elsewhere is nobody's concern.
    let elsewhere: Vec<_> = settings
        .destinations()
        .into_iter()
        .filter(|(_, destination)| *destination != Destination::Otlp)
        .map(|(signal, _)| {
            let signal = signal.as_str().to_ascii_uppercase();
            format!("OTEL_EXPORTER_OTLP_{signal}_")
        })
        .collect();
    let exporter = otlp::from_lookup(|name| {
        let is_elsewhere = elsewhere.iter().any(|prefix| name.starts_with(&**prefix));
        if is_elsewhere { None } else { lookup(name) }
    })?;
    Ok(exporter)
}

#[cfg(feature = "zipkin")]
fn zipkin<F>(lookup: &F) -> Result<BoxExporter, InitError>
where
    F: Fn(&str) -> Option<String>,
{
    use std::time::Duration;

    use crate::exporters::zipkin::ZipkinExporter;

    const ENDPOINT: &str = "OTEL_EXPORTER_ZIPKIN_ENDPOINT";
    const TIMEOUT: &str = "OTEL_EXPORTER_ZIPKIN_TIMEOUT";
    let endpoint = set(lookup, ENDPOINT);
    let mut builder =
        ZipkinExporter::builder().endpoint(endpoint.as_deref().unwrap_or("http://localhost:9411"));
    if let Some(value) = set(lookup, TIMEOUT) {
        builder = match value.parse() {
            Ok(0) => builder.no_timeout(),
            Ok(millis) => builder.timeout(Duration::from_millis(millis)),
            Err(_) => {
                let problem = "it must be a whole number of milliseconds, or 0";
                return Err(InitError::new(TIMEOUT, problem));
            }
        };
    }
    let exporter = builder.build().map_err(|error| {
        InitError::new(ENDPOINT, "the Zipkin exporter cannot use it").with_source(error)
    })?;
    Ok(exporter.boxed_exporter())
}

#[cfg(feature = "prometheus")]
fn prometheus<F>(lookup: &F) -> Result<BoxExporter, InitError>
where
    F: Fn(&str) -> Option<String>,
{
    use std::net::ToSocketAddrs;

    use crate::exporters::prometheus::PrometheusExporter;

    const HOST: &str = "OTEL_EXPORTER_PROMETHEUS_HOST";
    const PORT: &str = "OTEL_EXPORTER_PROMETHEUS_PORT";
    let port: u16 = match set(lookup, PORT) {
        Some(value) => value
            .parse()
            .map_err(|_| InitError::new(PORT, "it must be a port, from 0 to 65535"))?,
        None => 9464,
    };
    let host = set(lookup, HOST).unwrap_or_else(|| "localhost".to_owned());
    let mut addresses = (&*host, port)
        .to_socket_addrs()
        .map_err(|error| InitError::new(HOST, "it names no address").with_source(error))?;
    let address = addresses
        .next()
        .ok_or_else(|| InitError::new(HOST, "it names no address"))?;
    let exporter = PrometheusExporter::builder()
        .serve(address, "/metrics")
        .map_err(|error| InitError::new(PORT, "cannot listen there").with_source(error))?;
    Ok(exporter.boxed_exporter())
}

/// A variable with a value.
#[cfg(any(feature = "zipkin", feature = "prometheus"))]
fn set<F>(lookup: &F, name: &str) -> Option<String>
where
    F: Fn(&str) -> Option<String>,
{
    let value = lookup(name)?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

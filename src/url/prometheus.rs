//! `prometheus:`

use std::net::ToSocketAddrs as _;

use super::{
    UrlError,
    parse::Target,
    value::{duration_or_none, flag, number, one_of},
};
use crate::{
    BoxExporter, ExporterExt as _,
    exporters::prometheus::{PrometheusExporter, TranslationStrategy},
};

/// The port that OpenTelemetry's SDKs listen on.
const PORT: u16 = 9464;

pub(super) fn prometheus(mut target: Target) -> Result<BoxExporter, UrlError> {
    target.no_user_info()?;
    let (host, port) = target.host_and_port(PORT)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // A server listens on addresses of this host, which it knows without asking anybody.
    let address = (host, port)
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next())
        .ok_or_else(|| UrlError::new("host", "it is no address of this machine"))?;
    let path = match target.path() {
        "" | "/" => "/metrics".to_owned(),
        path => path.to_owned(),
    };
    let params = &mut target.params;
    let mut builder = PrometheusExporter::builder();
    if let Some(value) = params.take("namespace")? {
        builder = builder.namespace(value);
    }
    for (name, value) in params.prefixed("label.", "label.NAME") {
        builder = builder.constant_label(name, value);
    }
    if let Some(value) = params.take("resource_labels")? {
        for pattern in value.split(',') {
            builder = builder.resource_labels(pattern);
        }
    }
    let strategies = TranslationStrategy::ALL.map(|strategy| (strategy.as_str(), strategy));
    if let Some(value) = params.read("translation_strategy", |value| one_of(value, &strategies))? {
        builder = builder.translation_strategy(value);
    }
    if let Some(value) = params.read("metric_expiration", duration_or_none)? {
        builder = builder.metric_expiration(value.unwrap_or_default());
    }
    if let Some(value) = params.read("max_series", number)? {
        builder = builder.max_series(value);
    }
    if let Some(value) = params.read("scope_info", flag)? {
        builder = builder.scope_info(value);
    }
    if let Some(value) = params.read("target_info", flag)? {
        builder = builder.target_info(value);
    }
    if let Some(value) = params.read("created_lines", flag)? {
        builder = builder.created_lines(value);
    }
    if let Some(value) = params.read("openmetrics", flag)? {
        builder = builder.openmetrics(value);
    }
    if let Some(value) = params.read("delta_up_down_sums", flag)? {
        builder = builder.delta_up_down_sums(value);
    }
    target.params.finish()?;
    let exporter = builder.serve(address, path).map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

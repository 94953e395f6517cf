//! `prometheus+rw:` and `prometheus+rws:`

use super::{
    UrlError, http,
    params::Params,
    parse::Target,
    value::{duration_or_none, flag, number, one_of, size},
};
use crate::{
    BoxExporter, ExporterExt as _,
    exporters::prometheus::{
        TranslationStrategy,
        remote_write::{
            PrometheusRemoteWriteBuilder, PrometheusRemoteWriteExporter, RemoteWriteVersion,
            encode::{EncodeOptions, HistogramForm},
        },
    },
};

/// The port of Prometheus.
const PORT: u16 = 9090;

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
) -> Result<PrometheusRemoteWriteBuilder, UrlError> {
    let endpoint = http::endpoint(target, scheme, default_port)?;
    let params = &mut target.params;
    let mut builder = PrometheusRemoteWriteExporter::builder()
        .endpoint(endpoint)
        .headers(params.headers());
    // The common options but for compression: the protocol has one.
    builder = match params.read("timeout", duration_or_none)? {
        Some(Some(value)) => builder.timeout(value),
        Some(None) => builder.no_timeout(),
        None => builder,
    };
    if let Some(value) = params.take("user_agent")? {
        builder = builder.user_agent(value);
    }
    if let Some(value) = params.read("max_request_bytes", size)? {
        builder = builder.max_request_bytes(value);
    }
    let versions = RemoteWriteVersion::ALL.map(|version| (version.as_str(), version));
    if let Some(value) = params.read("version", |value| one_of(value, &versions))? {
        builder = builder.version(value);
    }
    if let Some(value) = params.read("shards", number)? {
        builder = builder.shards(value);
    }
    if let Some(value) = params.read("max_samples", number)? {
        builder = builder.max_samples(value);
    }
    Ok(builder.encode(encode(params)?))
}

fn encode(params: &mut Params) -> Result<EncodeOptions, UrlError> {
    let mut options = EncodeOptions::default();
    let strategies = TranslationStrategy::ALL.map(|strategy| (strategy.as_str(), strategy));
    if let Some(value) = params.read("translation_strategy", |value| one_of(value, &strategies))? {
        options = options.translation_strategy(value);
    }
    if let Some(value) = params.take("namespace")? {
        options = options.namespace(value);
    }
    for (name, value) in params.read("external_labels", pairs)?.unwrap_or_default() {
        options = options.external_label(name, value);
    }
    if let Some(value) = params.take("resource_labels")? {
        options = options.resource_labels(value.split(',').filter(|key| !key.is_empty()));
    }
    if let Some(write) = params.read("scope_labels", flag)? {
        options = options.scope_labels(write);
    }
    if let Some(write) = params.read("target_info", flag)? {
        options = options.target_info(write);
    }
    if let Some(write) = params.read("exemplars", flag)? {
        options = options.exemplars(write);
    }
    if let Some(write) = params.read("metadata", flag)? {
        options = options.metadata(write);
    }
    let forms = [HistogramForm::Classic, HistogramForm::Native].map(|form| (form.as_str(), form));
    if let Some(form) = params.read("histograms", |value| one_of(value, &forms))? {
        options = options.explicit_histograms(form);
    }
    if let Some(form) = params.read("exponential_histograms", |value| one_of(value, &forms))? {
        options = options.exponential_histograms(form);
    }
    Ok(options)
}

/// `name=value,name=value`
fn pairs(value: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |text: &str| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!(
            "`{text}` is not a label; write cluster=eu,replica=a"
        )),
    };
    value.split(',').map(pair).collect()
}

fn finish(target: Target, builder: PrometheusRemoteWriteBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

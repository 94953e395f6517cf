//! `jaeger+http:`, `jaeger+https:` and `jaeger+udp:`

use super::{
    UrlError, http,
    options::{COMPRESSIONS, common_options},
    params::Params,
    parse::Target,
    value::{duration_or_none, flag, one_of, size},
};
use crate::{
    BoxExporter, ExporterExt as _,
    exporters::jaeger::{
        AgentProtocol, JaegerHttpBuilder, JaegerHttpExporter, JaegerUdpExporter,
        encode::EncodeOptions,
    },
};

/// The port of a collector.
const PORT: u16 = 14_268;

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

pub(super) fn udp(mut target: Target) -> Result<BoxExporter, UrlError> {
    target.no_user_info()?;
    target.no_path()?;
    let protocols = AgentProtocol::ALL.map(|protocol| (protocol.as_str(), protocol));
    let params = &mut target.params;
    let protocol = params.read("protocol", |value| one_of(value, &protocols))?;
    let protocol = protocol.unwrap_or_default();
    let mut builder = JaegerUdpExporter::builder()
        .protocol(protocol)
        .encode(encode(params)?);
    if let Some(bytes) = params.read("max_packet_bytes", size)? {
        builder = builder.max_packet_bytes(bytes);
    }
    builder = match params.read("timeout", duration_or_none)? {
        Some(Some(value)) => builder.timeout(value),
        Some(None) => builder.no_timeout(),
        None => builder,
    };
    let (host, port) = target.host_and_port(protocol.port())?;
    target.params.finish()?;
    let exporter = builder.host(host).port(port).build();
    Ok(exporter.map_err(UrlError::refused)?.boxed_exporter())
}

fn builder(
    target: &mut Target,
    scheme: &str,
    default_port: u16,
) -> Result<JaegerHttpBuilder, UrlError> {
    let endpoint = http::endpoint(target, scheme, default_port)?;
    let params = &mut target.params;
    let builder = JaegerHttpExporter::builder().endpoint(endpoint);
    let builder = common_options!(params, builder, COMPRESSIONS);
    Ok(builder.encode(encode(params)?))
}

fn encode(params: &mut Params) -> Result<EncodeOptions, UrlError> {
    let mut options = EncodeOptions::default();
    if let Some(name) = params.take("unknown_service")? {
        options = options.unknown_service(name);
    }
    if let Some(write) = params.read("internal_kind", flag)? {
        options = options.internal_kind(write);
    }
    if let Some(write) = params.read("scope_attributes", flag)? {
        options = options.scope_attributes(write);
    }
    if let Some(write) = params.read("link_logs", flag)? {
        options = options.link_logs(write);
    }
    Ok(options)
}

fn finish(target: Target, builder: JaegerHttpBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

//! `otlp+grpc:`, `otlp+grpcs:` and `otlp+unix:`

use std::time::Duration;

use crate::{
    BoxExporter, ExporterExt as _,
    exporters::otlp::{OtlpGrpcBuilder, OtlpGrpcExporter},
    url::{
        UrlError,
        options::{COMPRESSIONS, common_options},
        parse::Target,
        value::{duration, duration_or_none},
    },
};

/// The port of OTLP/gRPC.
const PORT: u16 = 4317;

/// How long the answer to a keepalive may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

pub(in crate::url) fn grpc(mut target: Target) -> Result<BoxExporter, UrlError> {
    let endpoint = endpoint(&target, "http", PORT)?;
    let builder = builder(&mut target, endpoint)?;
    finish(target, builder)
}

#[cfg(feature = "tls")]
pub(in crate::url) fn grpcs(mut target: Target) -> Result<BoxExporter, UrlError> {
    let endpoint = endpoint(&target, "https", crate::url::options::HTTPS_PORT)?;
    let mut builder = builder(&mut target, endpoint)?;
    let mut tls = crate::url::tls::options(&mut target.params)?;
    if let Some(name) = target.params.take("server_name")? {
        tls = tls.server_name(name);
    }
    builder = builder.tls(tls);
    finish(target, builder)
}

#[cfg(unix)]
pub(in crate::url) fn unix(mut target: Target) -> Result<BoxExporter, UrlError> {
    target.no_authority("otlp+unix:///path/of/socket")?;
    let path = target.file_path()?;
    if !path.starts_with('/') || path == "/" {
        let message = "the socket is missing; write otlp+unix:///path/of/socket";
        return Err(UrlError::new("path", message));
    }
    let builder = builder(&mut target, format!("unix:{path}"))?;
    finish(target, builder)
}

fn endpoint(target: &Target, scheme: &str, default_port: u16) -> Result<String, UrlError> {
    target.no_user_info()?;
    target.no_path()?;
    let authority = target.authority(default_port)?;
    Ok(format!("{scheme}://{authority}"))
}

fn builder(target: &mut Target, endpoint: String) -> Result<OtlpGrpcBuilder, UrlError> {
    let params = &mut target.params;
    let builder = OtlpGrpcExporter::builder().endpoint(endpoint);
    let mut builder = common_options!(params, builder, COMPRESSIONS);
    if let Some(name) = params.take("tenant_header")? {
        builder = builder.tenant_header(name);
    }
    if let Some(value) = params.read("connect_timeout", duration)? {
        builder = builder.connect_timeout(value);
    }
    Ok(match params.read("keepalive", duration_or_none)? {
        Some(Some(value)) => builder.keepalive(value, KEEPALIVE_TIMEOUT),
        Some(None) => builder.no_keepalive(),
        None => builder,
    })
}

fn finish(target: Target, builder: OtlpGrpcBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

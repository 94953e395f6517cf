//! `otlp+http:` and `otlp+https:`

use super::common_options;
use crate::{
    BoxExporter, Encoding, ExporterExt as _,
    exporters::{
        http::HttpClientOptions,
        otlp::{OtlpHttpBuilder, OtlpHttpExporter},
    },
    url::{
        UrlError,
        parse::Target,
        value::{duration, one_of},
    },
};

/// The port of OTLP/HTTP.
const PORT: u16 = 4318;

pub(in crate::url) fn http(mut target: Target) -> Result<BoxExporter, UrlError> {
    let client = client(&mut target)?;
    let builder = builder(&mut target, "http", PORT)?.client(client);
    finish(target, builder)
}

#[cfg(feature = "tls")]
pub(in crate::url) fn https(mut target: Target) -> Result<BoxExporter, UrlError> {
    let client = client(&mut target)?.tls(super::tls::options(&mut target.params)?);
    let builder = builder(&mut target, "https", super::HTTPS_PORT)?.client(client);
    finish(target, builder)
}

fn builder(
    target: &mut Target,
    scheme: &str,
    default_port: u16,
) -> Result<OtlpHttpBuilder, UrlError> {
    let user_info = target.user_info();
    let authority = target.authority(default_port)?;
    let path = target.path();
    let endpoint = format!("{scheme}://{user_info}{authority}{path}");
    let params = &mut target.params;
    let mut builder = common_options!(params, OtlpHttpExporter::builder().endpoint(endpoint));
    let encodings = [("protobuf", Encoding::Protobuf), ("json", Encoding::Json)];
    if let Some(value) = params.read("encoding", |value| one_of(value, &encodings))? {
        builder = builder.encoding(value);
    }
    Ok(builder)
}

fn client(target: &mut Target) -> Result<HttpClientOptions, UrlError> {
    let mut client = HttpClientOptions::default();
    if let Some(value) = target.params.read("connect_timeout", duration)? {
        client = client.connect_timeout(value);
    }
    match target.params.take("proxy")?.as_deref() {
        Some("none") => Ok(client.no_proxy()),
        Some(url) => Ok(client.proxy(url)),
        None => Ok(client),
    }
}

fn finish(target: Target, builder: OtlpHttpBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

//! `otlp+http:` and `otlp+https:`

use crate::{
    BoxExporter, Encoding, ExporterExt as _,
    exporters::otlp::{OtlpHttpBuilder, OtlpHttpExporter},
    url::{
        UrlError, http,
        options::{COMPRESSIONS, common_options},
        parse::Target,
        value::one_of,
    },
};

/// The port of OTLP/HTTP.
const PORT: u16 = 4318;

pub(in crate::url) fn http(mut target: Target) -> Result<BoxExporter, UrlError> {
    let client = http::client(&mut target)?;
    let builder = builder(&mut target, "http", PORT)?.client(client);
    finish(target, builder)
}

#[cfg(feature = "tls")]
pub(in crate::url) fn https(mut target: Target) -> Result<BoxExporter, UrlError> {
    use crate::url::options::HTTPS_PORT;

    let client = http::tls_client(&mut target)?;
    let builder = builder(&mut target, "https", HTTPS_PORT)?.client(client);
    finish(target, builder)
}

fn builder(
    target: &mut Target,
    scheme: &str,
    default_port: u16,
) -> Result<OtlpHttpBuilder, UrlError> {
    let endpoint = http::endpoint(target, scheme, default_port)?;
    let params = &mut target.params;
    let builder = OtlpHttpExporter::builder().endpoint(endpoint);
    let mut builder = common_options!(params, builder, COMPRESSIONS);
    let encodings = [("protobuf", Encoding::Protobuf), ("json", Encoding::Json)];
    if let Some(value) = params.read("encoding", |value| one_of(value, &encodings))? {
        builder = builder.encoding(value);
    }
    if let Some(name) = params.take("tenant_header")? {
        builder = builder.tenant_header(name);
    }
    Ok(builder)
}

fn finish(target: Target, builder: OtlpHttpBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

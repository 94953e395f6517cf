//! `zipkin+http:` and `zipkin+https:`

use super::{
    UrlError, http,
    options::common_options,
    parse::Target,
    value::{flag, one_of},
};
use crate::{
    BoxExporter, Compression, ExporterExt as _,
    exporters::zipkin::{AnnotationFormat, ZipkinBuilder, ZipkinEncoding, ZipkinExporter},
};

/// The port of Zipkin.
const PORT: u16 = 9411;

/// What servers read.
const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("gzip", Compression::Gzip)];

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
) -> Result<ZipkinBuilder, UrlError> {
    let endpoint = http::endpoint(target, scheme, default_port)?;
    let params = &mut target.params;
    let builder = ZipkinExporter::builder().endpoint(endpoint);
    let mut builder = common_options!(params, builder, COMPRESSIONS);
    let encodings = [
        ("json", ZipkinEncoding::Json),
        ("protobuf", ZipkinEncoding::Protobuf),
    ];
    if let Some(value) = params.read("encoding", |value| one_of(value, &encodings))? {
        builder = builder.encoding(value);
    }
    if let Some(value) = params.take("default_service_name")? {
        builder = builder.default_service_name(value);
    }
    let formats = [
        ("specification", AnnotationFormat::Specification),
        ("collector", AnnotationFormat::Collector),
    ];
    if let Some(value) = params.read("annotations", |value| one_of(value, &formats))? {
        builder = builder.annotations(value);
    }
    if let Some(value) = params.read("link_tags", flag)? {
        builder = builder.link_tags(value);
    }
    if let Some(value) = params.read("library_tags", flag)? {
        builder = builder.library_tags(value);
    }
    if let Some(value) = params.read("internal_kind_tag", flag)? {
        builder = builder.internal_kind_tag(value);
    }
    Ok(builder)
}

fn finish(target: Target, builder: ZipkinBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

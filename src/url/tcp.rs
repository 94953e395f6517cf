//! `tcp:` and `tcp+tls:`

use super::{
    UrlError,
    parse::Target,
    socket,
    value::{one_of, size},
};
use crate::{
    BoxExporter, Encoding, ExporterExt as _, Signal,
    exporters::{socket::SocketOptions, tcp::TcpExporter},
};

pub(super) fn plain(mut target: Target) -> Result<BoxExporter, UrlError> {
    let endpoint = socket::endpoint(&mut target)?;
    build(target, endpoint)
}

#[cfg(feature = "tls")]
pub(super) fn tls(mut target: Target) -> Result<BoxExporter, UrlError> {
    let endpoint = socket::tls_endpoint(&mut target)?;
    build(target, endpoint)
}

fn build(
    mut target: Target,
    (endpoint, socket): (String, SocketOptions),
) -> Result<BoxExporter, UrlError> {
    let params = &mut target.params;
    let mut builder = TcpExporter::builder().endpoint(endpoint).socket(socket);
    let encodings = [("protobuf", Encoding::Protobuf), ("json", Encoding::Json)];
    if let Some(value) = params.read("encoding", |value| one_of(value, &encodings))? {
        builder = builder.encoding(value);
    }
    let signals = Signal::ALL.map(|signal| (signal.as_str(), signal));
    if let Some(value) = params.read("only", |value| one_of(value, &signals))? {
        builder = builder.only(value);
    }
    if let Some(value) = params.read("max_request_bytes", size)? {
        builder = builder.max_request_bytes(value);
    }
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

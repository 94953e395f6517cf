//! `syslog+tcp:` and `syslog+tls:`

use super::{
    UrlError,
    parse::Target,
    socket,
    value::{flag, number, one_of, size},
};
use crate::{
    BoxExporter, ExporterExt as _,
    exporters::{
        socket::SocketOptions,
        syslog::{Facility, Framing, Severity, SyslogExporter, SyslogFormat},
    },
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
    let format = format(&mut target)?;
    let mut builder = SyslogExporter::builder()
        .endpoint(endpoint)
        .socket(socket)
        .format(format);
    if let Some(value) = target.params.read("max_request_bytes", size)? {
        builder = builder.max_request_bytes(value);
    }
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

fn format(target: &mut Target) -> Result<SyslogFormat, UrlError> {
    let params = &mut target.params;
    let mut format = SyslogFormat::default();
    let framings = [
        ("octet-counting", Framing::OctetCounting),
        ("line-feed", Framing::LineFeed),
    ];
    if let Some(value) = params.read("framing", |value| one_of(value, &framings))? {
        format = format.framing(value);
    }
    let facility = |value: &str| {
        Facility::from_name(value)
            .ok_or_else(|| format!("`{value}` is not one of {}", Facility::names().join(", ")))
    };
    if let Some(value) = params.read("facility", facility)? {
        format = format.facility(value);
    }
    let severities = Severity::ALL.map(|severity| (severity.as_str(), severity));
    if let Some(value) = params.read("gravest", |value| one_of(value, &severities))? {
        format = format.gravest(value);
    }
    if let Some(value) = params.take("host_name")? {
        format = format.host_name(value);
    }
    if let Some(value) = params.read("enterprise_number", number)? {
        format = format.enterprise_number(value);
    }
    if let Some(value) = params.read("resource_attributes", flag)? {
        format = format.resource_attributes(value);
    }
    let cut = format.clone();
    let max_message_bytes = |value: &str| {
        cut.max_message_bytes(size(value)?)
            .map_err(|error| error.to_string())
    };
    if let Some(value) = params.read("max_message_bytes", max_message_bytes)? {
        format = value;
    }
    if let Some(value) = params.read("byte_order_mark", flag)? {
        format = format.byte_order_mark(value);
    }
    Ok(format)
}

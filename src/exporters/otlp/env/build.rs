//! From settings to an exporter.

use super::{
    EnvError,
    settings::{Protocol, Settings, Variable},
};
use crate::BoxExporter;

/// Stands for all variables in an error that no single one caused.
const ANY: &str = "OTEL_EXPORTER_OTLP_*";

pub(super) fn exporter(settings: &Settings) -> Result<BoxExporter, EnvError> {
    match settings.protocol {
        #[cfg(feature = "otlp-grpc")]
        Protocol::Grpc => grpc(settings),
        #[cfg(feature = "otlp-http")]
        Protocol::HttpProtobuf => http(settings, crate::Encoding::Protobuf),
        #[cfg(feature = "otlp-http")]
        Protocol::HttpJson => http(settings, crate::Encoding::Json),
        // Reading the settings has refused these, naming the feature.
        #[cfg(not(feature = "otlp-grpc"))]
        Protocol::Grpc => Err(EnvError::new(ANY, "gRPC is not compiled in")),
        #[cfg(not(feature = "otlp-http"))]
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            Err(EnvError::new(ANY, "HTTP is not compiled in"))
        }
    }
}

#[cfg(feature = "otlp-http")]
fn http(settings: &Settings, encoding: crate::Encoding) -> Result<BoxExporter, EnvError> {
    use crate::{
        ExporterExt,
        exporters::{http::Endpoint, otlp::OtlpHttpExporter},
    };

    let mut builder = OtlpHttpExporter::builder()
        .encoding(encoding)
        .compression(settings.compression)
        .headers(settings.headers.iter().cloned());
    builder = match settings.timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder.no_timeout(),
    };
    if let Some(endpoint) = &settings.endpoint {
        Endpoint::parse(&endpoint.value).map_err(|problem| endpoint.error(problem))?;
        builder = match endpoint.for_signal {
            // This exporter serves one signal only; the rest of its endpoints are never used.
            Some(signal) => builder.signal_endpoint(signal, &endpoint.value),
            None => builder.endpoint(&endpoint.value),
        };
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = tls(settings)? {
        builder = builder.tls(tls);
    }
    #[cfg(not(feature = "tls"))]
    no_tls(settings)?;
    let exporter = builder.build().map_err(|error| failed(settings, error))?;
    Ok(exporter.boxed_exporter())
}

#[cfg(feature = "otlp-grpc")]
fn grpc(settings: &Settings) -> Result<BoxExporter, EnvError> {
    use crate::{ExporterExt, exporters::otlp::OtlpGrpcExporter};

    let mut builder = OtlpGrpcExporter::builder()
        .compression(settings.compression)
        .headers(settings.headers.iter().cloned());
    builder = match settings.timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder.no_timeout(),
    };
    let endpoint = settings
        .endpoint
        .as_ref()
        .map(|endpoint| grpc_endpoint(&endpoint.value, settings.insecure));
    #[cfg(feature = "tls")]
    if let Some(tls) = tls(settings)?
        // A certificate for all signals says nothing against a signal that is sent in the clear.
        && endpoint.as_ref().is_some_and(|url| url.starts_with("https:"))
    {
        builder = builder.tls(tls);
    }
    #[cfg(not(feature = "tls"))]
    no_tls(settings)?;
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint(endpoint);
    }
    let exporter = builder.build().map_err(|error| failed(settings, error))?;
    Ok(exporter.boxed_exporter())
}

/// An endpoint without scheme gets one: the specification wants TLS unless it is told otherwise.
#[cfg(feature = "otlp-grpc")]
fn grpc_endpoint(endpoint: &str, insecure: bool) -> String {
    const PORT: u16 = 4317;
    if endpoint.contains("://") || endpoint.starts_with("unix:") {
        return endpoint.to_owned();
    }
    let scheme = if insecure { "http" } else { "https" };
    match endpoint.parse::<::http::uri::Authority>() {
        Ok(authority) if authority.port().is_none() => format!("{scheme}://{endpoint}:{PORT}"),
        _ => format!("{scheme}://{endpoint}"),
    }
}

/// Names the variable that is most likely meant: files were read and the URL was parsed before.
fn failed(settings: &Settings, error: crate::ExportError) -> EnvError {
    let variable = settings
        .certificate
        .as_ref()
        .or(settings.client_certificate.as_ref())
        .or(settings.endpoint.as_ref());
    let variable = variable.map_or(ANY, |variable| &*variable.name);
    EnvError::new(variable, "the exporter cannot be built").with_source(error)
}

#[cfg(feature = "tls")]
fn tls(settings: &Settings) -> Result<Option<crate::TlsOptions>, EnvError> {
    let mut tls = crate::TlsOptions::default();
    let mut set = false;
    if let Some(certificate) = &settings.certificate {
        tls = tls.ca_pem(read(certificate)?);
        set = true;
    }
    if let (Some(certificate), Some(key)) = (&settings.client_certificate, &settings.client_key) {
        tls = tls.identity_pem(read(certificate)?, read(key)?);
        set = true;
    }
    Ok(set.then_some(tls))
}

#[cfg(feature = "tls")]
fn read(file: &Variable) -> Result<Vec<u8>, EnvError> {
    std::fs::read(&file.value)
        .map_err(|error| file.error("the file cannot be read").with_source(error))
}

#[cfg(not(feature = "tls"))]
fn no_tls(settings: &Settings) -> Result<(), EnvError> {
    let set: Option<&Variable> = settings
        .certificate
        .as_ref()
        .or(settings.client_certificate.as_ref());
    match set {
        Some(variable) => Err(variable.error("it needs the Cargo feature `tls` of tower-otlp")),
        None => Ok(()),
    }
}

#[cfg(all(test, feature = "otlp-grpc"))]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_endpoint_without_scheme_is_secure_unless_told_otherwise() {
        for (endpoint, insecure, expected) in [
            ("collector:4317", false, "https://collector:4317"),
            ("collector:4317", true, "http://collector:4317"),
            ("collector", true, "http://collector:4317"),
            ("[::1]", false, "https://[::1]:4317"),
            ("http://collector:1", false, "http://collector:1"),
            ("https://collector:1", true, "https://collector:1"),
            ("unix:/run/otlp.sock", false, "unix:/run/otlp.sock"),
        ] {
            assert_eq!(grpc_endpoint(endpoint, insecure), expected);
        }
    }
}

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
    let _ = settings;
    Err(EnvError::new(ANY, "gRPC is not compiled in"))
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

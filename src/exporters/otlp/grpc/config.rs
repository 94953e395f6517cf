//! What every call of an exporter shares.

use std::{fmt, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use tonic::Code;

use crate::{
    Compression, ExportError, Signal,
    classify::Overrides,
    exporters::otlp::forward::Forward,
    grpc::{CONTENT_TYPE, path},
    secrets::Secrets,
};

pub(super) const NAME: &str = "otlp-grpc";

/// The form that the OTLP specification asks for, "User Agent".
pub(super) const USER_AGENT: &str =
    concat!("OTel-OTLP-Exporter-Rust-tower/", env!("CARGO_PKG_VERSION"));

/// OTLP specification, "Configuration options": timeout, and the limit it recommends.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_MAX_REQUEST: usize = 64 << 20;
/// What other gRPC clients accept.
const DEFAULT_MAX_RESPONSE: usize = 4 << 20;

/// All that [`Compression`] can read; the answer of a server is tiny either way.
const ACCEPT_ENCODING: &str = "identity,gzip,zstd,deflate";

#[derive(Clone)]
pub(super) struct Config {
    uris: [Uri; Signal::ALL.len()],
    /// Without credentials.
    pub(super) endpoint: Arc<str>,
    /// Where delivered telemetry came to rest.
    pub(super) destination: Arc<str>,
    /// The head of every call. Values that a user set are marked as sensitive.
    pub(super) headers: HeaderMap,
    pub(super) compression: Compression,
    pub(super) timeout: Option<Duration>,
    pub(super) max_request_bytes: usize,
    pub(super) max_response_bytes: usize,
    pub(super) forward: Forward,
    pub(super) overrides: Overrides<Code>,
    /// The sensitive values of `headers`.
    pub(super) secrets: Secrets,
}

impl Default for Config {
    fn default() -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(
            "grpc-accept-encoding",
            HeaderValue::from_static(ACCEPT_ENCODING),
        );
        let mut config = Self {
            uris: Signal::ALL.map(|signal| Uri::from_static(path(signal))),
            endpoint: Arc::from(""),
            destination: Arc::from(""),
            headers,
            compression: Compression::None,
            timeout: None,
            max_request_bytes: DEFAULT_MAX_REQUEST,
            max_response_bytes: DEFAULT_MAX_RESPONSE,
            forward: Forward::nothing(),
            overrides: Overrides::default(),
            secrets: Secrets::default(),
        };
        config.set_timeout(Some(DEFAULT_TIMEOUT));
        config.set_origin(&Uri::from_static(super::endpoint::DEFAULT));
        config
    }
}

impl Config {
    pub(super) fn uri(&self, signal: Signal) -> &Uri {
        let [traces, metrics, logs] = &self.uris;
        match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        }
    }

    pub(super) fn set_origin(&mut self, origin: &Uri) {
        let scheme = origin.scheme().cloned().unwrap_or(Scheme::HTTP);
        let authority = origin.authority().and_then(without_credentials);
        let authority = authority.unwrap_or_else(|| Authority::from_static("localhost"));
        let prefix = origin.path().trim_end_matches('/');
        self.uris = Signal::ALL.map(|signal| {
            let path = path(signal);
            let mut parts = http::uri::Parts::default();
            parts.scheme = Some(scheme.clone());
            parts.authority = Some(authority.clone());
            parts.path_and_query = Some(
                PathAndQuery::try_from(format!("{prefix}{path}"))
                    .unwrap_or_else(|_| PathAndQuery::from_static(path)),
            );
            Uri::from_parts(parts).unwrap_or_else(|_| Uri::from_static(path))
        });
        self.set_endpoint(format!("{scheme}://{authority}{prefix}"));
    }

    pub(super) fn set_endpoint(&mut self, endpoint: String) {
        self.destination = Arc::from(format!("{NAME} exporter ({endpoint})"));
        self.endpoint = Arc::from(endpoint);
    }

    pub(super) fn set_compression(&mut self, compression: Compression) {
        self.compression = compression;
        if compression == Compression::None {
            self.headers.remove("grpc-encoding");
        } else {
            let name = HeaderValue::from_static(compression.as_str());
            self.headers.insert("grpc-encoding", name);
        }
    }

    pub(super) fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
        self.headers.remove("grpc-timeout");
        if let Some(value) = timeout.and_then(grpc_timeout) {
            self.headers.insert("grpc-timeout", value);
        }
    }

    /// The error with this exporter's name on it.
    pub(super) fn named(&self, error: ExportError) -> ExportError {
        error.with_exporter(NAME, Arc::clone(&self.endpoint))
    }
}

/// Headers that belong to the protocol.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 7] = [
        header::TE,
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::HOST,
    ];
    RESERVED.contains(name)
        || name.as_str().starts_with("grpc-")
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

fn without_credentials(authority: &Authority) -> Option<Authority> {
    let (_, host) = authority
        .as_str()
        .rsplit_once('@')
        .unwrap_or(("", authority.as_str()));
    Authority::try_from(host).ok()
}

/// gRPC over HTTP/2, "Timeout": at most eight digits and a unit.
fn grpc_timeout(timeout: Duration) -> Option<HeaderValue> {
    const EIGHT_DIGITS: u128 = 99_999_999;
    let units = [
        ("m", timeout.as_millis()),
        ("S", u128::from(timeout.as_secs())),
        ("M", u128::from(timeout.as_secs() / 60)),
        ("H", u128::from(timeout.as_secs() / 3600)),
    ];
    let (unit, value) = units
        .into_iter()
        .find(|(_, value)| *value <= EIGHT_DIGITS)?;
    HeaderValue::try_from(format!("{value}{unit}")).ok()
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("Config")
            .field("endpoint", &self.endpoint)
            .field("headers", &names)
            .field("compression", &self.compression)
            .field("timeout", &self.timeout)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("forward", &self.forward)
            .field("overrides", &self.overrides)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_at_most_eight_digits() {
        for (timeout, text) in [
            (Duration::from_secs(10), "10000m"),
            (Duration::from_millis(1), "1m"),
            (Duration::from_secs(1_000_000), "1000000S"),
            (Duration::from_secs(6_000_000_000), "1666666H"),
        ] {
            let value = grpc_timeout(timeout).expect("fits");
            assert!(value.len() <= 9, "{value:?}");
            if timeout.as_secs() < 6_000_000_000 {
                assert_eq!(value, text);
            }
        }
        assert!(grpc_timeout(Duration::MAX).is_none());
    }

    #[test]
    fn an_origin_gives_scheme_authority_and_prefix_without_credentials() {
        let mut config = Config::default();
        config.set_origin(&Uri::from_static("https://user:s3cret@host:1/otlp/"));
        assert_eq!(
            config.uri(Signal::Logs),
            "https://host:1/otlp/opentelemetry.proto.collector.logs.v1.LogsService/Export"
        );
        assert_eq!(&*config.endpoint, "https://host:1/otlp");
    }
}

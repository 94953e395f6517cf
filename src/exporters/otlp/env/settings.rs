//! What the variables say about one signal.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::EnvError;
use crate::{Compression, Signal};

/// Default of `TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which protocol to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

/// A variable that is set.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    /// Whether it is the form for one signal.
    pub(super) for_signal: Option<Signal>,
}

impl Variable {
    pub(super) fn error(&self, problem: impl Into<String>) -> EnvError {
        EnvError::new(&self.name, problem)
    }

    fn ignored(&self, problem: &str) {
        tracing::warn!(variable = self.name, "ignored: {problem}");
    }
}

/// The settings of one signal. Signals with equal settings share an exporter.
#[derive(Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) protocol: Protocol,
    pub(super) endpoint: Option<Variable>,
    pub(super) insecure: bool,
    pub(super) headers: Vec<(String, String)>,
    /// `None` is no limit.
    pub(super) timeout: Option<Duration>,
    pub(super) compression: Compression,
    pub(super) certificate: Option<Variable>,
    pub(super) client_certificate: Option<Variable>,
    pub(super) client_key: Option<Variable>,
}

impl Settings {
    pub(super) fn read<F>(lookup: &F, signal: Signal) -> Result<Self, EnvError>
    where
        F: Fn(&str) -> Option<String>,
    {
        let from = Lookup { lookup, signal };
        let mut settings = Self {
            protocol: from.protocol()?,
            endpoint: from.first("ENDPOINT"),
            insecure: false,
            headers: match from.first("HEADERS") {
                Some(variable) => headers(&variable)?,
                None => Vec::new(),
            },
            timeout: from.timeout(),
            compression: from.compression(),
            certificate: from.first("CERTIFICATE"),
            client_certificate: from.first("CLIENT_CERTIFICATE"),
            client_key: from.first("CLIENT_KEY"),
        };
        if settings.protocol == Protocol::Grpc {
            settings.insecure = from.insecure();
            // No path depends on the signal, so the two forms mean the same.
            if let Some(endpoint) = &mut settings.endpoint {
                endpoint.for_signal = None;
            }
        }
        match (&settings.client_certificate, &settings.client_key) {
            (Some(certificate), None) => Err(certificate.error("there is no CLIENT_KEY for it")),
            (None, Some(key)) => Err(key.error("there is no CLIENT_CERTIFICATE for it")),
            _ => Ok(settings),
        }
    }
}

struct Lookup<'a, F> {
    lookup: &'a F,
    signal: Signal,
}

impl<F: Fn(&str) -> Option<String>> Lookup<'_, F> {
    /// The forms of a variable that are set, the one for the signal first.
    fn all(&self, suffix: &str) -> impl Iterator<Item = Variable> {
        let signal = self.signal.as_str().to_ascii_uppercase();
        let forms = [
            (
                format!("OTEL_EXPORTER_OTLP_{signal}_{suffix}"),
                Some(self.signal),
            ),
            (format!("OTEL_EXPORTER_OTLP_{suffix}"), None),
        ];
        forms
            .into_iter()
            .filter_map(|(name, for_signal)| self.get(name, for_signal))
    }

    fn first(&self, suffix: &str) -> Option<Variable> {
        self.all(suffix).next()
    }

    fn get(&self, name: String, for_signal: Option<Signal>) -> Option<Variable> {
        let value = (self.lookup)(&name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| Variable {
            name,
            value: value.to_owned(),
            for_signal,
        })
    }

    fn protocol(&self) -> Result<Protocol, EnvError> {
        let Some(variable) = self.first("PROTOCOL") else {
            return Ok(if cfg!(feature = "otlp-http") {
                Protocol::HttpProtobuf
            } else {
                Protocol::Grpc
            });
        };
        let (protocol, compiled_in, feature) = match variable.value.to_ascii_lowercase().as_str() {
            "grpc" => (Protocol::Grpc, cfg!(feature = "otlp-grpc"), "otlp-grpc"),
            "http/protobuf" => (
                Protocol::HttpProtobuf,
                cfg!(feature = "otlp-http"),
                "otlp-http",
            ),
            "http/json" => (Protocol::HttpJson, cfg!(feature = "otlp-http"), "otlp-http"),
            _ => {
                return Err(variable.error(format!(
                    "unknown protocol {:?}: it must be grpc, http/protobuf or http/json",
                    variable.value
                )));
            }
        };
        if !compiled_in {
            return Err(variable.error(format!(
                "{} needs the Cargo feature `{feature}` of tower-otlp",
                variable.value
            )));
        }
        Ok(protocol)
    }

    fn timeout(&self) -> Option<Duration> {
        for variable in self.all("TIMEOUT") {
            match variable.value.parse() {
                Ok(0) => return None,
                Ok(millis) => return Some(Duration::from_millis(millis)),
                Err(_) => variable.ignored("it must be a whole number of milliseconds, or 0"),
            }
        }
        Some(TIMEOUT)
    }

    fn compression(&self) -> Compression {
        for variable in self.all("COMPRESSION") {
            match Compression::from_name(&variable.value) {
                Some(compression) => return compression,
                None => variable.ignored("it must be gzip, zstd, deflate or none"),
            }
        }
        Compression::None
    }

    fn insecure(&self) -> bool {
        let obsolete = match self.signal {
            Signal::Traces => Some("OTEL_EXPORTER_OTLP_SPAN_INSECURE"),
            Signal::Metrics => Some("OTEL_EXPORTER_OTLP_METRIC_INSECURE"),
            Signal::Logs => None,
        };
        let obsolete = obsolete.and_then(|name| self.get(name.to_owned(), Some(self.signal)));
        for variable in self.all("INSECURE").chain(obsolete) {
            match variable.value.to_ascii_lowercase().as_str() {
                "true" => return true,
                "false" => return false,
                _ => variable.ignored("it must be true or false"),
            }
        }
        false
    }
}

/// Reads `key=value,key=value`, percent-encoded: a W3C Baggage without properties.
fn headers(variable: &Variable) -> Result<Vec<(String, String)>, EnvError> {
    let mut headers = Vec::new();
    let entries = variable.value.split(',').map(str::trim);
    for (position, entry) in entries.enumerate().filter(|(_, entry)| !entry.is_empty()) {
        let problem = |what: &str| variable.error(format!("entry {}: {what}", position + 1));
        let (key, value) = entry
            .split_once('=')
            .ok_or_else(|| problem("it is not key=value"))?;
        let key = decode(key).ok_or_else(|| problem("the key is not UTF-8"))?;
        let value = decode(value).ok_or_else(|| problem("the value is not UTF-8"))?;
        let key = key
            .parse::<HeaderName>()
            .map_err(|_| problem("the key cannot name a header"))?;
        HeaderValue::from_str(&value)
            .map_err(|_| problem(&format!("the value of {key} cannot stand in a header")))?;
        headers.push((key.as_str().to_owned(), value));
    }
    Ok(headers)
}

fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text.trim()).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &[(&str, &str)], signal: Signal) -> Result<Settings, EnvError> {
        let lookup = |name: &str| {
            let found = rows
                .iter()
                .find(|(row, _)| name.strip_prefix("OTEL_EXPORTER_OTLP_") == Some(row));
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&lookup, signal)
    }

    fn traces(rows: &[(&str, &str)]) -> Settings {
        read(rows, Signal::Traces).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn nothing_set_gives_the_defaults() {
        let settings = traces(&[("ENDPOINT", ""), ("TIMEOUT", " ")]);
        assert!(settings.endpoint.is_none());
        assert_eq!(settings.timeout, Some(Duration::from_secs(10)));
        assert_eq!(settings.compression, Compression::None);
        assert!(settings.headers.is_empty());
        #[cfg(feature = "otlp-http")]
        assert_eq!(settings.protocol, Protocol::HttpProtobuf);
        #[cfg(not(feature = "otlp-http"))]
        assert_eq!(settings.protocol, Protocol::Grpc);
    }

    #[test]
    fn the_form_of_the_signal_wins() {
        let rows = [
            ("TIMEOUT", "1"),
            ("TRACES_TIMEOUT", "2"),
            ("HEADERS", "a=1"),
            ("TRACES_HEADERS", "b=2"),
            ("COMPRESSION", "gzip"),
            ("TRACES_COMPRESSION", "none"),
            ("ENDPOINT", "http://a"),
            ("TRACES_ENDPOINT", "http://b"),
        ];
        let own = traces(&rows);
        assert_eq!(own.timeout, Some(Duration::from_millis(2)));
        assert_eq!(own.headers, [("b".to_owned(), "2".to_owned())]);
        assert_eq!(own.compression, Compression::None);
        assert_eq!(own.endpoint.expect("set").value, "http://b");
        let other = read(&rows, Signal::Logs).expect("valid");
        assert_eq!(other.timeout, Some(Duration::from_millis(1)));
        assert_eq!(other.headers, [("a".to_owned(), "1".to_owned())]);
        assert_eq!(other.compression, Compression::Gzip);
        assert_eq!(other.endpoint.expect("set").value, "http://a");
    }

    #[test]
    fn timeouts() {
        let second = Some(Duration::from_secs(1));
        for (generic, own, expected) in [
            ("1000", "", second),
            ("0", "", None),
            ("1000", "0", None),
            ("1000", "-5", second),
            ("1000", "soon", second),
            ("-5", "", Some(TIMEOUT)),
            ("1.5", "", Some(TIMEOUT)),
        ] {
            let settings = traces(&[("TIMEOUT", generic), ("TRACES_TIMEOUT", own)]);
            assert_eq!(settings.timeout, expected, "{generic:?} {own:?}");
        }
    }

    #[test]
    fn compressions() {
        for (value, expected) in [
            ("gzip", Compression::Gzip),
            ("none", Compression::None),
            ("zstd", Compression::Zstd),
            ("deflate", Compression::Deflate),
            ("brotli", Compression::None),
        ] {
            let settings = traces(&[("COMPRESSION", value)]);
            assert_eq!(settings.compression, expected, "{value}");
        }
    }

    #[test]
    fn headers_are_decoded() {
        let settings = traces(&[("HEADERS", " Api-Key = a%20b , x=1=2,, y=caf%65;p=q,")]);
        let expected = [("api-key", "a b"), ("x", "1=2"), ("y", "cafe;p=q")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(settings.headers, expected);
    }

    #[test]
    fn header_errors_show_no_value() {
        for (value, problem) in [
            ("a=1,s3cret", "entry 2: it is not key=value"),
            ("a=s3cret%ff", "entry 1: the value is not UTF-8"),
            ("a b=s3cret", "entry 1: the key cannot name a header"),
            ("=s3cret", "entry 1: the key cannot name a header"),
            (
                "k=s3cret%0a",
                "entry 1: the value of k cannot stand in a header",
            ),
        ] {
            let error = read(&[("HEADERS", value)], Signal::Traces).err();
            let error = error.unwrap_or_else(|| panic!("{value} must fail"));
            assert_eq!(
                error.to_string(),
                format!("OTEL_EXPORTER_OTLP_HEADERS: {problem}")
            );
            assert!(!format!("{error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn protocols() {
        #[cfg(feature = "otlp-http")]
        for (value, expected) in [
            ("http/protobuf", Protocol::HttpProtobuf),
            ("HTTP/JSON", Protocol::HttpJson),
        ] {
            assert_eq!(traces(&[("PROTOCOL", value)]).protocol, expected);
        }
        #[cfg(feature = "otlp-grpc")]
        assert_eq!(traces(&[("PROTOCOL", "grpc")]).protocol, Protocol::Grpc);
        let error = read(&[("TRACES_PROTOCOL", "thrift")], Signal::Traces).err();
        let error = error.expect("unknown");
        assert_eq!(error.variable(), "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
    }

    /// The words are those of both features' absence, whichever is absent.
    #[cfg(not(all(feature = "otlp-http", feature = "otlp-grpc")))]
    #[test]
    fn a_protocol_that_is_not_compiled_in_names_the_feature() {
        let (value, feature) = if cfg!(feature = "otlp-http") {
            ("grpc", "`otlp-grpc`")
        } else {
            ("http/protobuf", "`otlp-http`")
        };
        let error = read(&[("PROTOCOL", value)], Signal::Traces).err();
        assert!(error.expect("refused").to_string().contains(feature));
    }

    #[cfg(feature = "otlp-grpc")]
    #[test]
    fn insecure_flags() {
        for (rows, expected) in [
            (&[("INSECURE", "TRUE")][..], true),
            (&[("INSECURE", "true"), ("TRACES_INSECURE", "false")], false),
            (&[("INSECURE", "yes")], false),
            (&[("SPAN_INSECURE", "true")], true),
            (&[("METRIC_INSECURE", "true")], false),
        ] {
            let rows = [rows, &[("PROTOCOL", "grpc")]].concat();
            assert_eq!(traces(&rows).insecure, expected, "{rows:?}");
        }
    }

    #[test]
    fn a_certificate_needs_its_key() {
        for (set, missing) in [
            ("CLIENT_CERTIFICATE", "CLIENT_KEY"),
            ("CLIENT_KEY", "CLIENT_CERTIFICATE"),
        ] {
            let error = read(&[(set, "/a.pem")], Signal::Logs).err().expect("half");
            assert_eq!(error.variable(), format!("OTEL_EXPORTER_OTLP_{set}"));
            assert!(error.to_string().contains(missing));
        }
    }
}

//! Endpoints as people write them.

use http::Uri;

/// OTLP specification, "OTLP/gRPC Default Port".
pub(super) const DEFAULT: &str = "http://localhost:4317";

const DEFAULT_PORT: u16 = 4317;

/// Where a channel connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `http://` or `https://`.
    Tcp(Uri),
    /// The path of a Unix domain socket.
    Unix(String),
}

impl Target {
    /// Reads `http://host:port`, `https://host:port`, `unix:/path`, `unix:///path`,
    /// `host:port` or `host`. The error says what is wrong without repeating the endpoint,
    /// which may hold credentials.
    pub(super) fn parse(endpoint: &str) -> Result<Self, &'static str> {
        let endpoint = endpoint.trim();
        if let Some(rest) = endpoint.strip_prefix("unix:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return if path.is_empty() {
                Err("the endpoint names no socket after `unix:`")
            } else {
                Ok(Target::Unix(path.to_owned()))
            };
        }
        let has_scheme = endpoint.contains("://");
        let uri = if has_scheme {
            Uri::try_from(endpoint)
        } else {
            Uri::try_from(format!("http://{endpoint}"))
        };
        let uri = uri.map_err(|_| "the endpoint is not a valid URI")?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("the endpoint's scheme is none of http, https, unix");
        }
        let authority = uri.authority().ok_or("the endpoint names no host")?;
        if authority.as_str().contains('@') {
            return Err("the endpoint holds credentials; set a header instead");
        }
        if uri.query().is_some() {
            return Err("the endpoint of a gRPC server has no query");
        }
        if has_scheme || uri.port().is_some() {
            return Ok(Target::Tcp(uri));
        }
        Uri::try_from(format!("http://{authority}:{DEFAULT_PORT}{}", uri.path()))
            .map(Target::Tcp)
            .map_err(|_| "the endpoint is not a valid URI")
    }

    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(super) fn is_https(&self) -> bool {
        matches!(self, Target::Tcp(uri) if uri.scheme_str() == Some("https"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_as_people_write_them() {
        for (text, expected) in [
            ("http://localhost:4317", "http://localhost:4317/"),
            ("https://otlp.example.com", "https://otlp.example.com/"),
            ("collector:4317", "http://collector:4317/"),
            ("collector", "http://collector:4317/"),
            ("127.0.0.1:1", "http://127.0.0.1:1/"),
            ("[::1]:4317", "http://[::1]:4317/"),
            (" http://h:1/prefix ", "http://h:1/prefix"),
        ] {
            assert_eq!(
                Target::parse(text),
                Ok(Target::Tcp(Uri::from_static(expected))),
                "{text}"
            );
        }
        for text in ["unix:/run/otlp.sock", "unix:///run/otlp.sock"] {
            assert_eq!(
                Target::parse(text),
                Ok(Target::Unix("/run/otlp.sock".to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_endpoint() {
        for text in [
            "",
            "unix:",
            "ftp://h:1",
            "http://",
            "http://user:s3cret@h:1",
            "h ost",
            "http://h:1?x=s3cret",
        ] {
            let error = Target::parse(text).expect_err(text);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}

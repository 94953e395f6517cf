//! The parts of a URL.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{UrlError, params::Params};

/// A URL taken apart, with its scheme already known.
pub(super) struct Target {
    url: Url,
    pub(super) params: Params,
}

impl Target {
    pub(super) fn parse(scheme: &'static str, text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|error| {
            use url::ParseError;
            match error {
                ParseError::InvalidPort => UrlError::new("port", "it is not a number below 65536"),
                // The parser's words quote nothing of the URL.
                ParseError::EmptyHost
                | ParseError::IdnaError
                | ParseError::InvalidIpv4Address
                | ParseError::InvalidIpv6Address
                | ParseError::InvalidDomainCharacter => UrlError::new("host", error.to_string()),
                _ => UrlError::new("as a whole", format!("it is not a URL: {error}")),
            }
        })?;
        if scheme == "file" && !text.get(5..).unwrap_or_default().starts_with('/') {
            // The parser would take a relative path for an absolute one.
            let message = "it must be absolute; write file:///path/of/file";
            return Err(UrlError::new("path", message));
        }
        if url.fragment().is_some() {
            let message = "there is none to be; write a # in a value as %23";
            return Err(UrlError::new("fragment", message));
        }
        Ok(Self {
            params: Params::parse(scheme, url.query().unwrap_or_default())?,
            url,
        })
    }

    /// Host and port, as they stand in another URL.
    pub(super) fn authority(&self, default_port: u16) -> Result<String, UrlError> {
        match self.url.host_str() {
            None | Some("") => Err(UrlError::new("host", "it is missing; write //host:port")),
            Some(host) => Ok(format!(
                "{host}:{}",
                self.url.port().unwrap_or(default_port)
            )),
        }
    }

    /// Host, and port if there is one, as they stand in the URL.
    pub(super) fn authority_as_given(&self) -> Result<String, UrlError> {
        match self.url.port() {
            Some(port) => self.authority(port),
            None => {
                let authority = self.authority(0)?;
                Ok(authority.trim_end_matches(":0").to_owned())
            }
        }
    }

    /// Host and port, apart.
    pub(super) fn host_and_port(&self, default_port: u16) -> Result<(String, u16), UrlError> {
        match self.url.host_str() {
            None | Some("") => Err(UrlError::new("host", "it is missing; write //host:port")),
            Some(host) => Ok((host.to_owned(), self.url.port().unwrap_or(default_port))),
        }
    }

    /// `user:password@`, or nothing.
    pub(super) fn user_info(&self) -> String {
        match (self.url.username(), self.url.password()) {
            ("", None) => String::new(),
            (user, None) => format!("{user}@"),
            (user, Some(password)) => format!("{user}:{password}@"),
        }
    }

    pub(super) fn no_user_info(&self) -> Result<(), UrlError> {
        if self.user_info().is_empty() {
            return Ok(());
        }
        let message = "this exporter takes none; use a parameter such as header.authorization";
        Err(UrlError::new("user information", message))
    }

    pub(super) fn no_authority(&self, example: &str) -> Result<(), UrlError> {
        match self.url.host_str() {
            None | Some("") => Ok(()),
            Some(_) => {
                let message = format!("there is none to be; write {example}");
                Err(UrlError::new("host", message))
            }
        }
    }

    /// The path as it stands in the URL.
    pub(super) fn path(&self) -> &str {
        self.url.path()
    }

    /// The path of a file.
    pub(super) fn file_path(&self) -> Result<String, UrlError> {
        match percent_decode_str(self.url.path()).decode_utf8() {
            Ok(path) => Ok(path.into_owned()),
            Err(_) => Err(UrlError::new("path", "it is not UTF-8")),
        }
    }

    pub(super) fn no_path(&self) -> Result<(), UrlError> {
        if matches!(self.url.path(), "" | "/") {
            return Ok(());
        }
        Err(UrlError::new("path", "this exporter takes none"))
    }
}

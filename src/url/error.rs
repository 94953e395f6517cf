//! What is wrong with a URL.

use std::{error::Error, fmt};

use crate::ExportError;

/// Which part of an exporter's URL is wrong, and what may stand there.
///
/// It never holds header values or credentials.
pub struct UrlError {
    part: String,
    message: String,
    source: Option<ExportError>,
}

impl UrlError {
    pub(super) fn new(part: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            message: message.into(),
            source: None,
        }
    }

    pub(super) fn parameter(name: &str, message: impl Into<String>) -> Self {
        Self::new(format!("parameter `{name}`"), message)
    }

    /// The exporter's builder refused what the parts make together.
    #[cfg(any(
        feature = "file",
        feature = "otlp-grpc",
        feature = "_http_client",
        feature = "_socket",
        feature = "prometheus"
    ))]
    pub(super) fn refused(error: ExportError) -> Self {
        Self {
            source: Some(error),
            ..Self::new("as a whole", "the exporter cannot be built")
        }
    }

    /// The part that is wrong: `scheme`, `host`, ``parameter `timeout` `` and so on.
    #[must_use]
    pub fn part(&self) -> &str {
        &self.part
    }
}

/// The text: a `main` that returns the error shows this.
impl fmt::Debug for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UrlError")
            .field(&format_args!("{self}"))
            .finish()
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exporter URL: {}: {}", self.part, self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for UrlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

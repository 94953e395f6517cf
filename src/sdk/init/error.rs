//! Why nothing was set up.

use std::{error::Error, fmt};

use tower::BoxError;

/// Why telemetry could not be set up from the environment. Values of headers and URLs are never
/// shown.
pub struct InitError {
    variable: Option<String>,
    problem: String,
    source: Option<BoxError>,
}

impl InitError {
    pub(super) fn new(variable: &str, problem: impl Into<String>) -> Self {
        Self {
            variable: Some(variable.to_owned()),
            problem: problem.into(),
            source: None,
        }
    }

    /// What no variable caused.
    pub(super) fn other(problem: &str, source: BoxError) -> Self {
        Self {
            variable: None,
            problem: problem.to_owned(),
            source: Some(source),
        }
    }

    pub(super) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The variable that has a value which cannot be used, if that is the cause.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.variable.as_deref()
    }
}

#[cfg(any(feature = "otlp-grpc", feature = "otlp-http"))]
impl From<crate::exporters::otlp::EnvError> for InitError {
    fn from(error: crate::exporters::otlp::EnvError) -> Self {
        let text = error.to_string();
        let problem = text.strip_prefix(&format!("{}: ", error.variable()));
        Self::new(error.variable(), problem.unwrap_or(&text))
    }
}

/// The text: a `main` that returns the error shows this.
impl fmt::Debug for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InitError")
            .field(&format_args!("{self}"))
            .finish()
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            write!(f, "{variable}: ")?;
        }
        f.write_str(&self.problem)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl Error for InitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

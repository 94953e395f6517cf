//! The one error type of every layer and exporter.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use tower::BoxError;

use crate::{ExportRequest, ExportResponse, otlp::Malformed};

/// Why an export failed.
///
/// The kind decides what happens next: a retry, a fallback, a circuit breaker and the status
/// that a receiver answers all go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The backend refused the data itself; sending it again cannot help.
    Rejected,
    /// The request is larger than the backend takes; a smaller one may pass.
    TooLarge,
    /// The backend did not accept the credentials, or denied permission.
    Unauthenticated,
    /// This exporter cannot carry this signal, or the backend does not know the call.
    Unsupported,
    /// The backend asked to slow down.
    Throttled,
    /// The backend could not be reached or is not working at the moment.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// A limit of this process was reached: a full queue, a shed load.
    Overloaded,
    /// A circuit breaker is open: the request was not sent.
    CircuitOpen,
    /// The service has shut down.
    Closed,
    /// Anything else. Retryable, so that an error nobody recognises never drops data in silence.
    Internal,
}

impl ErrorKind {
    /// In the order of their numbers.
    pub(crate) const ALL: [Self; 11] = [
        ErrorKind::Rejected,
        ErrorKind::TooLarge,
        ErrorKind::Unauthenticated,
        ErrorKind::Unsupported,
        ErrorKind::Throttled,
        ErrorKind::Unavailable,
        ErrorKind::Timeout,
        ErrorKind::Overloaded,
        ErrorKind::CircuitOpen,
        ErrorKind::Closed,
        ErrorKind::Internal,
    ];
    /// `kind as usize` is below this.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// A stable lower-case name, fit for a metric attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Rejected => "rejected",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::Unauthenticated => "unauthenticated",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Throttled => "throttled",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::CircuitOpen => "circuit_open",
            ErrorKind::Closed => "closed",
            ErrorKind::Internal => "internal",
        }
    }

    /// The advice that an error of this kind carries unless its maker says otherwise.
    #[must_use]
    pub const fn default_retry(self) -> RetryAdvice {
        match self {
            ErrorKind::Rejected
            | ErrorKind::TooLarge
            | ErrorKind::Unauthenticated
            | ErrorKind::Unsupported
            | ErrorKind::Closed => RetryAdvice::Never,
            ErrorKind::Throttled
            | ErrorKind::Unavailable
            | ErrorKind::Timeout
            | ErrorKind::Overloaded
            | ErrorKind::CircuitOpen
            | ErrorKind::Internal => RetryAdvice::Backoff,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether, and when, the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAdvice {
    /// Sending it again cannot succeed.
    Never,
    /// Again, after a delay that the sender chooses.
    Backoff,
    /// Again, but not before the delay that the server named (`Retry-After`, `RetryInfo`).
    After(Duration),
}

/// Why and where an export failed, what may be done about it, and what is still undelivered.
///
/// One pointer wide, cheap to clone: a failed batch hands the same error to each of its members.
///
/// Its `Display` names the exporter and the endpoint, the kind, and the whole chain of causes;
/// [`source`](Error::source) gives the typed cause. Neither ever holds a header value or a
/// credential.
///
/// ```
/// use tower_otlp::{ErrorKind, ExportError, RetryAdvice};
///
/// let error = ExportError::new(ErrorKind::Unavailable, "connection refused")
///     .with_exporter("otlp-grpc", "http://collector:4317");
/// assert_eq!(error.retry(), RetryAdvice::Backoff);
/// assert_eq!(
///     error.to_string(),
///     "otlp-grpc exporter (http://collector:4317): unavailable: connection refused",
/// );
/// ```
#[derive(Clone)]
pub struct ExportError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    retry: RetryAdvice,
    message: Arc<str>,
    exporter: Option<Arc<str>>,
    endpoint: Option<Arc<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    partial: Option<Partial>,
}

/// What an attempt had achieved before it failed.
#[derive(Clone)]
struct Partial {
    progress: ExportResponse,
    remainder: ExportRequest,
}

impl ExportError {
    /// An error of this kind, with [the advice](ErrorKind::default_retry) that goes with it.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            retry: kind.default_retry(),
            message: message.into(),
            exporter: None,
            endpoint: None,
            source: None,
            partial: None,
        }))
    }

    /// Sets whether the request may be sent again.
    #[must_use]
    pub fn with_retry(self, retry: RetryAdvice) -> Self {
        self.edit(|inner| inner.retry = retry)
    }

    /// Names the exporter (a short type name such as `otlp-grpc`) and its endpoint.
    ///
    /// The endpoint must hold no credentials: strip the user information of a URL first.
    #[must_use]
    pub fn with_exporter(
        self,
        exporter: impl Into<Arc<str>>,
        endpoint: impl Into<Arc<str>>,
    ) -> Self {
        self.edit(|inner| {
            inner.exporter = Some(exporter.into());
            inner.endpoint = Some(endpoint.into());
        })
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(self, source: impl Into<BoxError>) -> Self {
        let source: Arc<dyn Error + Send + Sync> = Arc::from(source.into());
        self.edit(|inner| inner.source = Some(source))
    }

    /// Says that a part of the request is done (`progress`), and that only `remainder` is
    /// still undelivered. A retry sends just that.
    #[must_use]
    pub fn with_remainder(self, progress: ExportResponse, remainder: ExportRequest) -> Self {
        self.edit(|inner| {
            inner.partial = Some(Partial {
                progress,
                remainder,
            });
        })
    }

    /// The same error about another request: nothing is known of what that had achieved.
    pub(crate) fn without_remainder(self) -> Self {
        if self.0.partial.is_none() {
            return self;
        }
        self.edit(|inner| inner.partial = None)
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether, and when, the request may be sent again.
    #[must_use]
    pub fn retry(&self) -> RetryAdvice {
        self.0.retry
    }

    /// Whether sending the request again can succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retry != RetryAdvice::Never
    }

    /// What happened, in words, without exporter, kind and causes.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The exporter that failed, if one did (layers fail too).
    #[must_use]
    pub fn exporter(&self) -> Option<&str> {
        self.0.exporter.as_deref()
    }

    /// The endpoint that failed, without credentials.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// What is still undelivered, if that is less than the whole request.
    #[must_use]
    pub fn remainder(&self) -> Option<&ExportRequest> {
        self.0.partial.as_ref().map(|partial| &partial.remainder)
    }

    /// What was delivered, and rejected for good, before the failure, if anything was.
    #[must_use]
    pub fn progress(&self) -> Option<&ExportResponse> {
        self.0.partial.as_ref().map(|partial| &partial.progress)
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        match (&inner.exporter, &inner.endpoint) {
            (Some(exporter), Some(endpoint)) => write!(f, "{exporter} exporter ({endpoint}): ")?,
            (Some(exporter), None) => write!(f, "{exporter} exporter: ")?,
            _ => {}
        }
        write!(f, "{}: {}", inner.kind, inner.message)?;
        // Libraries often repeat the text of their cause in their own: print each text once.
        let mut said = inner.message.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !text.is_empty() && !said.contains(&text) {
                write!(f, ": {text}")?;
                said.push_str(&text);
            }
            next = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("ExportError");
        out.field("kind", &inner.kind)
            .field("retry", &inner.retry)
            .field("message", &inner.message);
        if let Some(exporter) = &inner.exporter {
            out.field("exporter", exporter);
        }
        if let Some(endpoint) = &inner.endpoint {
            out.field("endpoint", endpoint);
        }
        if let Some(source) = &inner.source {
            out.field("source", source);
        }
        if let Some(partial) = &inner.partial {
            out.field("progress", &partial.progress)
                .field("remainder", &partial.remainder);
        }
        out.finish()
    }
}

impl Error for ExportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

/// A configuration that cannot work. Its text says what is wrong and what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidConfig {
    message: String,
}

impl InvalidConfig {
    /// Says what is wrong and what to change.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl From<std::convert::Infallible> for ExportError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<Malformed> for ExportError {
    fn from(malformed: Malformed) -> Self {
        ExportError::new(ErrorKind::Rejected, "invalid OTLP data").with_source(malformed)
    }
}

#[cfg(feature = "_grpc")]
impl From<tonic::Status> for ExportError {
    fn from(status: tonic::Status) -> Self {
        ExportError::from(Box::new(status) as BoxError)
    }
}

/// Reads the errors of tower's layers, tonic, hyper, reqwest and `std::io`, wherever they stand
/// in the chain of causes; an [`ExportError`] in the chain is handed back as it is.
///
/// What nobody recognises becomes [`ErrorKind::Internal`], which is retryable.
impl From<BoxError> for ExportError {
    fn from(error: BoxError) -> Self {
        let error = match error.downcast::<ExportError>() {
            Ok(ours) => return *ours,
            Err(other) => other,
        };
        let mut found = None;
        let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
        while let Some(cause) = next {
            if let Some(ours) = cause.downcast_ref::<ExportError>() {
                return ours.clone();
            }
            // The deepest recognised cause says the most: a connect error wraps an io error.
            found = recognise(cause).or(found);
            next = match cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
            {
                // `io::Error::source` skips the error that it wraps.
                Some(wrapped) => Some(wrapped),
                None => cause.source(),
            };
        }
        let (kind, message) = found.unwrap_or((ErrorKind::Internal, "unrecognised error"));
        ExportError::new(kind, message).with_source(error)
    }
}

fn recognise(error: &(dyn Error + 'static)) -> Option<(ErrorKind, &'static str)> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some((ErrorKind::Timeout, "no answer in time"));
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some((ErrorKind::Overloaded, "load was shed"));
    }
    if error.is::<tower::buffer::error::Closed>() {
        return Some((ErrorKind::Closed, "the buffer has shut down"));
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return Some(match io.kind() {
            io::ErrorKind::TimedOut => (ErrorKind::Timeout, "input or output timed out"),
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable => (ErrorKind::Unavailable, "cannot connect"),
            _ => (ErrorKind::Unavailable, "input or output failed"),
        });
    }
    #[cfg(feature = "_http_client")]
    if let Some(http) = error.downcast_ref::<reqwest::Error>() {
        return Some(if http.is_timeout() {
            (ErrorKind::Timeout, "no HTTP answer in time")
        } else if http.is_builder() {
            (ErrorKind::Rejected, "the HTTP request cannot be built")
        } else {
            (ErrorKind::Unavailable, "the HTTP request failed")
        });
    }
    #[cfg(any(feature = "_http_client", feature = "otlp-grpc"))]
    if let Some(http) = error.downcast_ref::<hyper::Error>() {
        return Some(if http.is_timeout() {
            (ErrorKind::Timeout, "no HTTP answer in time")
        } else {
            (ErrorKind::Unavailable, "the HTTP connection failed")
        });
    }
    #[cfg(feature = "_grpc")]
    if error.is::<tonic::TimeoutExpired>() {
        return Some((ErrorKind::Timeout, "no gRPC answer in time"));
    }
    #[cfg(feature = "otlp-grpc")]
    if error.is::<tonic::transport::Error>() {
        return Some((ErrorKind::Unavailable, "the gRPC transport failed"));
    }
    #[cfg(feature = "_grpc")]
    if let Some(status) = error.downcast_ref::<tonic::Status>() {
        return Some((
            crate::classify::grpc(status.code(), None).0,
            "the gRPC call failed",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tower_errors_are_recognised_through_a_chain() {
        let elapsed: BoxError = Box::new(tower::timeout::error::Elapsed::new());
        assert_eq!(ExportError::from(elapsed).kind(), ErrorKind::Timeout);
        let shed: BoxError = Box::new(tower::load_shed::error::Overloaded::new());
        assert_eq!(ExportError::from(shed).kind(), ErrorKind::Overloaded);
        let io: BoxError = Box::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        let io = ExportError::from(io);
        assert_eq!(io.kind(), ErrorKind::Unavailable);
        assert_eq!(io.message(), "cannot connect");
    }

    #[test]
    fn our_own_error_survives_a_box_and_a_wrapper() {
        let ours = ExportError::new(ErrorKind::TooLarge, "too large");
        let boxed: BoxError = Box::new(ours.clone());
        assert_eq!(ExportError::from(boxed).kind(), ErrorKind::TooLarge);
        let wrapped: BoxError = Box::new(io::Error::other(ours));
        assert_eq!(ExportError::from(wrapped).kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn an_unknown_error_is_retryable() {
        let error = ExportError::from(BoxError::from("what is this"));
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.retry(), RetryAdvice::Backoff);
        assert!(error.to_string().contains("what is this"));
    }

    #[test]
    fn kinds_stand_in_the_order_of_their_numbers() {
        for (number, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind}");
        }
        assert_eq!(ErrorKind::Internal as usize + 1, ErrorKind::COUNT);
    }

    #[test]
    fn display_says_each_cause_once() {
        let error = ExportError::new(ErrorKind::Unavailable, "cannot connect")
            .with_source(io::Error::other("cannot connect"))
            .with_exporter("otlp-http", "http://h:4318");
        assert_eq!(
            error.to_string(),
            "otlp-http exporter (http://h:4318): unavailable: cannot connect"
        );
    }
}

//! Human-readable telemetry, for tests and diagnosis.
//!
//! ```
//! use tower::ServiceExt as _;
//! use tower_otlp::{
//!     ExportRequest, Signal,
//!     exporters::console::{ConsoleExporter, Verbosity},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = ConsoleExporter::builder()
//!     .verbosity(Verbosity::Normal)
//!     .build();
//!
//! // ResourceSpans { scope_spans { spans { name: "GET /" } } }
//! let bytes = b"\x0a\x0b\x12\x09\x12\x07\x2a\x05GET /".to_vec();
//! let request = ExportRequest::from_protobuf(Signal::Traces, bytes)?;
//! let response = exporter.oneshot(request).await?;
//! assert_eq!(response.delivered_items(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Levels
//!
//! [`Verbosity::Basic`] prints a line a request, [`Normal`](Verbosity::Normal) also about a line
//! an item, [`Detailed`](Verbosity::Detailed) every field. The shape is that of the OpenTelemetry
//! Collector's debug exporter (v0.159). It is for people: it may change, nobody should parse it.
//!
//! # What may be relied upon
//!
//! - The text of a request is written at once: concurrent requests do not interleave.
//! - Characters that a terminal would act on (control characters, marks that reorder text) are
//!   shown as escapes: telemetry cannot attack the terminal, nor forge a line.
//! - Nothing is sampled. Nothing is cut unless
//!   [`max_value_bytes`](ConsoleBuilder::max_value_bytes) asks for it.
//!
//! # Pitfalls
//!
//! Writing blocks: a terminal or a pipe that is not read holds up the thread. At the detailed
//! level formatting costs more than an export does; it is not for production traffic. With
//! [`tracing`](ConsoleBuilder::tracing) as output, do not feed the events back into this
//! exporter.

mod format;
mod sink;

use std::{
    fmt, future, io,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

pub use self::format::format;
use self::{format::Summary, sink::Sink};
use crate::{ExportError, ExportRequest, ExportResponse};

/// How much of a request is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verbosity {
    /// One line with the counts.
    #[default]
    Basic,
    /// The counts, and about one line for each item.
    Normal,
    /// The counts, and every field.
    Detailed,
}

impl Verbosity {
    /// All levels, from the shortest to the longest.
    pub const ALL: [Verbosity; 3] = [Verbosity::Basic, Verbosity::Normal, Verbosity::Detailed];

    /// `"basic"`, `"normal"` or `"detailed"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Verbosity::Basic => "basic",
            Verbosity::Normal => "normal",
            Verbosity::Detailed => "detailed",
        }
    }
}

/// Shows telemetry to people. Takes all three signals; see the [module](self).
///
/// Always ready, and done when `call` returns. Clones share the output.
///
/// # Errors
/// [`Unavailable`](crate::ErrorKind::Unavailable), to be tried again, if the output is full or
/// was interrupted. Output that is gone for good, such as a pipe that nobody reads any more, is
/// no reason to keep telemetry: the request then counts as delivered, and the answer's message
/// says what happened.
#[derive(Clone, Debug, Default)]
pub struct ConsoleExporter {
    verbosity: Verbosity,
    max_value_bytes: Option<usize>,
    sink: Arc<Sink>,
}

impl ConsoleExporter {
    /// Prints at this level to standard output.
    #[must_use]
    pub fn new(verbosity: Verbosity) -> Self {
        Self::builder().verbosity(verbosity).build()
    }

    /// Options; by default [`Verbosity::Basic`] to standard output.
    pub fn builder() -> ConsoleBuilder {
        ConsoleBuilder::default()
    }

    fn export(&self, request: &ExportRequest) -> Result<ExportResponse, ExportError> {
        let response = ExportResponse::delivered(request.items()).with_destination("console");
        let block = || format::block(request, self.verbosity, self.max_value_bytes);
        let written = match &*self.sink {
            Sink::Tracing => {
                sink::trace(Summary::of(request), block);
                Ok(())
            }
            Sink::Writer(writer) => {
                let mut text = Summary::of(request).line();
                text.push_str(&block());
                writer.write(&text)
            }
        };
        match written {
            Ok(()) => Ok(response),
            Err(error) if sink::is_passing(&error) => Err(sink::unavailable(error)),
            Err(error) => Ok(response.with_message(format!("nothing was shown: {error}"))),
        }
    }
}

impl Service<ExportRequest> for ConsoleExporter {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = future::Ready<Result<ExportResponse, ExportError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        future::ready(self.export(&request))
    }
}

/// Options of a [`ConsoleExporter`].
#[derive(Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ConsoleBuilder {
    verbosity: Verbosity,
    max_value_bytes: Option<usize>,
    sink: Sink,
}

impl ConsoleBuilder {
    /// How much is shown. Default: [`Verbosity::Basic`].
    pub const fn verbosity(mut self, verbosity: Verbosity) -> Self {
        self.verbosity = verbosity;
        self
    }

    /// Cuts each string or value of the telemetry to this many bytes, and says how many are
    /// missing. Default: nothing is cut.
    pub const fn max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Prints to standard output. This is the default.
    pub fn stdout(self) -> Self {
        self.writer(io::stdout())
    }

    /// Prints to standard error.
    pub fn stderr(self) -> Self {
        self.writer(io::stderr())
    }

    /// Prints to this writer: a file, a buffer of a test. It is flushed after each request.
    pub fn writer(mut self, writer: impl io::Write + Send + 'static) -> Self {
        self.sink = Sink::writer(writer);
        self
    }

    /// Emits [`tracing`] events instead of text, at level info with the target
    /// `tower_otlp::console`: one with the counts as fields, and above
    /// [`Verbosity::Basic`] a second one whose message is the whole block.
    pub fn tracing(mut self) -> Self {
        self.sink = Sink::Tracing;
        self
    }

    /// Builds the exporter.
    #[must_use]
    pub fn build(self) -> ConsoleExporter {
        ConsoleExporter {
            verbosity: self.verbosity,
            max_value_bytes: self.max_value_bytes,
            sink: Arc::new(self.sink),
        }
    }
}

impl fmt::Debug for ConsoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleBuilder")
            .field("verbosity", &self.verbosity)
            .field("max_value_bytes", &self.max_value_bytes)
            .field("sink", &self.sink)
            .finish()
    }
}

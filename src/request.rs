//! The one request type: validated OTLP bytes of one signal.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;

use crate::{
    Metadata,
    otlp::{Limits, Logs, Malformed, MergeError, Metrics, OtlpBytes, Signal, Traces},
};

/// Telemetry to export: OTLP protobuf of one [`Signal`], validated once, cloned in O(1).
///
/// The bytes are an `ExportTraceServiceRequest`, `ExportMetricsServiceRequest` or
/// `ExportLogsServiceRequest`. They are in canonical form (see [`OtlpBytes`]), so the views
/// ([`traces`](Self::traces), [`metrics`](Self::metrics), [`logs`](Self::logs)) cannot fail.
///
/// ```
/// use tower_otlp::{ExportRequest, Signal};
///
/// // ResourceLogs { scope_logs { log_records { } } }
/// let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
/// let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
/// assert_eq!(request.items(), 1);
/// # Ok::<(), tower_otlp::otlp::Malformed>(())
/// ```
#[derive(Clone)]
pub struct ExportRequest {
    otlp: OtlpBytes,
    metadata: Metadata,
    forms: Arc<Forms>,
    resume: Option<Arc<Resume>>,
}

/// Other encodings of the same body, made at most once and shared by all clones.
#[derive(Default)]
struct Forms {
    json: OnceLock<Bytes>,
    #[cfg(feature = "_compression")]
    compressed: [[OnceLock<Option<Bytes>>; crate::Compression::ALL.len()]; Encoding::ALL.len()],
}

/// How OTLP is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Binary protobuf, `application/x-protobuf`.
    #[default]
    Protobuf,
    /// OTLP/JSON, `application/json`.
    Json,
}

impl Encoding {
    #[cfg(feature = "_compression")]
    const ALL: [Encoding; 2] = [Encoding::Protobuf, Encoding::Json];

    /// The media type of a body of this encoding over HTTP.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        }
    }
}

impl ExportRequest {
    /// Checks `bytes` as OTLP protobuf of this signal, with the default [`Limits`].
    ///
    /// # Errors
    /// [`Malformed`] names the field and the byte offset of what is wrong.
    pub fn from_protobuf(signal: Signal, bytes: impl Into<Bytes>) -> Result<Self, Malformed> {
        Self::from_protobuf_with(signal, bytes, &Limits::default())
    }

    /// Checks `bytes` as OTLP protobuf of this signal.
    ///
    /// # Errors
    /// [`Malformed`] names the field and the byte offset of what is wrong.
    pub fn from_protobuf_with(
        signal: Signal,
        bytes: impl Into<Bytes>,
        limits: &Limits,
    ) -> Result<Self, Malformed> {
        OtlpBytes::check(signal, bytes.into(), limits).map(Self::from)
    }

    /// Reads OTLP/JSON of this signal, with the default [`Limits`].
    ///
    /// # Errors
    /// [`Malformed`] names the field and the position of what is wrong.
    #[cfg(feature = "json")]
    pub fn from_json(signal: Signal, json: &[u8]) -> Result<Self, Malformed> {
        Self::from_json_with(signal, json, &Limits::default())
    }

    /// Reads OTLP/JSON of this signal.
    ///
    /// # Errors
    /// [`Malformed`] names the field and the position of what is wrong.
    #[cfg(feature = "json")]
    pub fn from_json_with(signal: Signal, json: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        crate::otlp::json::read(signal, json, limits).map(Self::from)
    }

    /// The same telemetry with this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }

    /// Other telemetry with the metadata of this request: how a layer that changes the
    /// telemetry (a sampler, a redactor) replaces it.
    #[must_use]
    pub fn with_otlp(&self, otlp: OtlpBytes) -> Self {
        Self::from(otlp).with_metadata(self.metadata.clone())
    }

    /// Merges requests of the same signal, in this order: see [`OtlpBytes::merge`]. The metadata
    /// is that of the first. A single request is handed back as it is.
    ///
    /// # Errors
    /// If there are no requests, or their signals differ.
    pub fn merge(parts: &[ExportRequest]) -> Result<ExportRequest, MergeError> {
        if let [single] = parts {
            return Ok(single.clone());
        }
        let otlp = OtlpBytes::merge_all(parts.iter().map(Self::otlp))?;
        let first = parts.first().ok_or(MergeError::Nothing)?;
        Ok(first.with_otlp(otlp))
    }

    /// What kind of telemetry this is.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.otlp.signal()
    }

    /// Number of items: spans, data points or log records.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.otlp.items()
    }

    /// Size of the protobuf form, in bytes.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.otlp.bytes().len()
    }

    /// Whether there is no item in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items() == 0
    }

    /// The protobuf bytes. Cloning them copies nothing.
    #[must_use]
    pub fn protobuf(&self) -> &Bytes {
        self.otlp.bytes()
    }

    /// The checked bytes with their signal and count.
    #[must_use]
    pub fn otlp(&self) -> &OtlpBytes {
        &self.otlp
    }

    /// What travels beside the telemetry.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The spans, if this is a request of traces.
    #[must_use]
    pub fn traces(&self) -> Option<Traces<'_>> {
        self.otlp.traces()
    }

    /// The metrics, if this is a request of metrics.
    #[must_use]
    pub fn metrics(&self) -> Option<Metrics<'_>> {
        self.otlp.metrics()
    }

    /// The log records, if this is a request of logs.
    #[must_use]
    pub fn logs(&self) -> Option<Logs<'_>> {
        self.otlp.logs()
    }

    /// The body in this encoding: made once, shared by all clones of the request.
    #[must_use]
    pub fn encoded(&self, encoding: Encoding) -> Bytes {
        match encoding {
            Encoding::Protobuf => self.otlp.bytes().clone(),
            Encoding::Json => self
                .forms
                .json
                .get_or_init(|| Bytes::from(crate::otlp::json::write(&self.otlp)))
                .clone(),
        }
    }

    /// The body in this encoding and compression: made once, shared by all clones of the
    /// request. A body that arrived in this form is handed out as it came.
    ///
    /// # Errors
    /// Only if the compressor fails, which is not known to happen when it writes to memory.
    #[cfg(feature = "_compression")]
    pub fn body(
        &self,
        encoding: Encoding,
        compression: crate::Compression,
    ) -> Result<Bytes, crate::ExportError> {
        let Some(slot) = self.forms.slot(encoding, compression) else {
            return Ok(self.encoded(encoding));
        };
        // A second caller waits for the first instead of doing the same work beside it.
        slot.get_or_init(|| {
            let made = compression.compress(&self.encoded(encoding)).ok()?;
            Some(Bytes::from(made))
        })
        .clone()
        .ok_or_else(|| {
            crate::ExportError::new(
                crate::ErrorKind::Internal,
                format!("{} compression failed", compression.as_str()),
            )
        })
    }

    /// Keeps the form in which the body arrived, so that it can be sent on unchanged.
    ///
    /// Nothing is kept if the bytes had to be put into canonical form.
    #[cfg(all(
        feature = "_compression",
        any(feature = "receiver-grpc", feature = "receiver-http")
    ))]
    pub(crate) fn keep_arrived(&self, compression: crate::Compression, body: Bytes) {
        if self.otlp.is_as_received()
            && let Some(slot) = self.forms.slot(Encoding::Protobuf, compression)
        {
            // A second form of the same body is as good as the first.
            let _ = slot.set(Some(body));
        }
    }

    /// Size of the other forms of the body that are kept beside the protobuf form, in bytes.
    pub(crate) fn kept_size(&self) -> usize {
        let json = self.forms.json.get().map_or(0, Bytes::len);
        #[cfg(feature = "_compression")]
        let compressed = {
            let slots = self.forms.compressed.iter().flatten();
            let kept = slots.filter_map(|slot| slot.get().and_then(Option::as_ref));
            kept.map(Bytes::len).sum::<usize>()
        };
        #[cfg(not(feature = "_compression"))]
        let compressed = 0;
        json + compressed
    }

    /// About how much memory the request holds, in bytes: its body, its metadata, and the other
    /// encodings that were made of the body so far.
    ///
    /// A body that is a piece of a larger buffer keeps all of that buffer, which cannot be seen
    /// from here.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        let pending = |branch: &ResumeBranch| match branch {
            ResumeBranch::Pending(left, _)
                if left.protobuf().as_ptr() != self.protobuf().as_ptr() =>
            {
                left.byte_size()
            }
            _ => 0,
        };
        let resume = self.resume.iter().flat_map(|resume| &resume.branches);
        size_of::<Self>()
            + size_of::<Forms>()
            + self.byte_size()
            + self.metadata.memory_size()
            + self.forms.memory_size()
            + resume.map(pending).sum::<usize>()
    }

    /// The request as one that waits should be: without the encodings that can be made again.
    pub(crate) fn without_forms(mut self) -> Self {
        self.forms = Arc::default();
        self
    }

    /// The request as one that is to be sent again should be: without the plain JSON if there is
    /// a compressed form of it.
    pub(crate) fn without_steps(self) -> Self {
        #[cfg(feature = "_compression")]
        if self.forms.json.get().is_some() {
            let [_, json] = &self.forms.compressed;
            if json.iter().any(|form| form.get().is_some()) {
                let compressed = self.forms.compressed.clone();
                let json = OnceLock::new();
                return Self {
                    forms: Arc::new(Forms { json, compressed }),
                    ..self
                };
            }
        }
        self
    }

    /// The request with a body of its own, so that it keeps no larger buffer, if the body is so
    /// small that a copy costs next to nothing.
    pub(crate) fn detached(mut self) -> Self {
        const SMALL: usize = 16 << 10;
        if self.byte_size() <= SMALL {
            self.otlp = self.otlp.copied();
        }
        self
    }

    pub(crate) fn resume(&self) -> Option<&Arc<Resume>> {
        self.resume.as_ref()
    }

    pub(crate) fn with_resume(mut self, resume: Option<Arc<Resume>>) -> Self {
        self.resume = resume;
        self
    }
}

impl Forms {
    fn memory_size(&self) -> usize {
        let json = self.json.get().map_or(0, Bytes::len);
        #[cfg(feature = "_compression")]
        let compressed = self
            .compressed
            .iter()
            .flatten()
            .filter_map(|form| form.get()?.as_ref())
            .map(Bytes::len)
            .sum::<usize>();
        #[cfg(not(feature = "_compression"))]
        let compressed = 0;
        json + compressed
    }

    #[cfg(feature = "_compression")]
    fn slot(
        &self,
        encoding: Encoding,
        compression: crate::Compression,
    ) -> Option<&OnceLock<Option<Bytes>>> {
        let column = crate::Compression::ALL
            .iter()
            .position(|known| *known == compression)?;
        let row = Encoding::ALL.iter().position(|known| *known == encoding)?;
        self.compressed.get(row)?.get(column)
    }
}

impl From<OtlpBytes> for ExportRequest {
    fn from(otlp: OtlpBytes) -> Self {
        Self {
            otlp,
            metadata: Metadata::default(),
            forms: Arc::default(),
            resume: None,
        }
    }
}

impl fmt::Debug for ExportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportRequest")
            .field("signal", &self.signal())
            .field("items", &self.items())
            .field("bytes", &self.byte_size())
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// What a fan-out left in a request that it could not deliver everywhere: the state of each
/// branch, so that a retry goes only where it is needed.
pub(crate) struct Resume {
    /// Which fan-out wrote it; another one ignores it.
    pub(crate) owner: u64,
    /// One entry a branch.
    pub(crate) branches: Vec<ResumeBranch>,
}

/// The state of one branch of a fan-out between two attempts.
#[derive(Clone)]
pub(crate) enum ResumeBranch {
    /// Settled: delivered, or failed in a way that no retry can help.
    Settled(Result<crate::ExportResponse, crate::ExportError>),
    /// Still to be sent, after this much progress.
    Pending(ExportRequest, crate::ExportResponse),
}

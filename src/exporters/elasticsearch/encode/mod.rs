//! Telemetry as documents in the body of a bulk request.

mod bulk;
mod group;
mod hash;
mod logs;
mod metrics;
mod target;
#[cfg(test)]
mod tests;
mod traces;
mod value;

pub use self::bulk::{Bulk, Document};
use crate::{ExportError, Signal, otlp::OtlpBytes};

/// The layout of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mapping {
    /// That of OpenTelemetry's index templates, which Elasticsearch has from 8.12 on.
    #[default]
    Otel,
    /// Logs only: the body of a log record, a map, is the document, and nothing is added.
    BodyMap,
}

impl Mapping {
    /// All layouts.
    pub const ALL: [Mapping; 2] = [Mapping::Otel, Mapping::BodyMap];

    /// The name in a URL: `otel`, `bodymap`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Mapping::Otel => "otel",
            Mapping::BodyMap => "bodymap",
        }
    }

    /// Whether there are documents of this signal in it.
    #[must_use]
    pub const fn carries(self, signal: Signal) -> bool {
        match self {
            Mapping::Otel => true,
            Mapping::BodyMap => matches!(signal, Signal::Logs),
        }
    }
}

/// Which of the two servers it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Product {
    /// Elasticsearch, 8.12 or later for the layout of OpenTelemetry.
    #[default]
    Elasticsearch,
    /// OpenSearch: `dynamic_templates` and `require_data_stream` are not sent to it.
    OpenSearch,
}

/// What is done with a document whose id is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BulkAction {
    /// Nothing: it was delivered before. The one action that data streams take.
    #[default]
    Create,
    /// It replaces the one that is there. For plain indices.
    Index,
}

/// The `_id` of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DocumentIds {
    /// The server makes one for each document: a request that is sent again after its answer was
    /// lost is there twice.
    #[default]
    Server,
    /// A hash of the document and of where it goes: the same document sent twice is there once.
    /// Time series data streams of Elasticsearch take no ids.
    Content,
    /// The attribute `elasticsearch.document_id` of a record, and where it has none the server.
    Attribute,
}

/// How telemetry becomes documents, and where they go.
///
/// | option | default |
/// |---|---|
/// | [`mapping`](Self::mapping) | [`Mapping::Otel`] |
/// | [`product`](Self::product) | [`Product::Elasticsearch`] |
/// | [`action`](Self::action) | [`BulkAction::Create`] |
/// | [`document_ids`](Self::document_ids) | [`DocumentIds::Server`] |
/// | [`dataset`](Self::dataset) | `generic` |
/// | [`namespace`](Self::namespace) | `default` |
/// | [`index`](Self::index) | data streams |
///
/// ```
/// use tower_otlp::{ExportRequest, Signal, exporters::elasticsearch::BulkFormat};
///
/// let json = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1700000000123456789","body":{"stringValue":"hello"}}]}]}]}"#;
/// let request = ExportRequest::from_json(Signal::Logs, json)?;
/// let bulk = BulkFormat::default().encode(request.otlp());
/// assert_eq!(
///     bulk.as_bytes(),
///     br#"{"create":{"_index":"logs-generic.otel-default"}}
/// {"@timestamp":"1700000000123.456789","observed_timestamp":"0.000000","data_stream":{"type":"logs","dataset":"generic.otel","namespace":"default"},"resource":{},"scope":{},"body":{"text":"hello"}}
/// "#,
/// );
/// # Ok::<(), tower_otlp::otlp::Malformed>(())
/// ```
#[derive(Clone, Debug)]
pub struct BulkFormat {
    mapping: Mapping,
    product: Product,
    action: BulkAction,
    ids: DocumentIds,
    dataset: String,
    namespace: String,
    /// In the order of `Signal::ALL`.
    indices: [Option<String>; 3],
}

impl Default for BulkFormat {
    fn default() -> Self {
        Self {
            mapping: Mapping::Otel,
            product: Product::Elasticsearch,
            action: BulkAction::Create,
            ids: DocumentIds::Server,
            dataset: "generic".to_owned(),
            namespace: "default".to_owned(),
            indices: [None, None, None],
        }
    }
}

impl BulkFormat {
    /// Sets the layout of documents.
    #[must_use]
    pub const fn mapping(mut self, mapping: Mapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Sets which server it is.
    #[must_use]
    pub const fn product(mut self, product: Product) -> Self {
        self.product = product;
        self
    }

    /// Sets what is done with a document whose id is there already.
    #[must_use]
    pub const fn action(mut self, action: BulkAction) -> Self {
        self.action = action;
        self
    }

    /// Sets where the ids of documents come from.
    #[must_use]
    pub const fn document_ids(mut self, ids: DocumentIds) -> Self {
        self.ids = ids;
        self
    }

    /// Sets the dataset of telemetry that names none.
    #[must_use]
    pub fn dataset(mut self, dataset: impl Into<String>) -> Self {
        self.dataset = dataset.into();
        self
    }

    /// Sets the namespace of telemetry that names none.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Sends all documents of this kind to one index or data stream, whatever attributes say. Span
    /// events are documents of the kind logs.
    #[must_use]
    pub fn index(mut self, kind: Signal, index: impl Into<String>) -> Self {
        let [traces, metrics, logs] = &mut self.indices;
        let slot = match kind {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
            Signal::Logs => logs,
        };
        *slot = Some(index.into());
        self
    }

    /// Sends all documents to the indices `{prefix}-traces`, `{prefix}-metrics` and
    /// `{prefix}-logs`.
    #[must_use]
    pub fn index_prefix(self, prefix: &str) -> Self {
        Signal::ALL.into_iter().fold(self, |this, kind| {
            this.index(kind, format!("{prefix}-{kind}"))
        })
    }

    /// The index of this kind of documents, if one is set.
    fn index_of(&self, kind: Signal) -> Option<&str> {
        let [traces, metrics, logs] = &self.indices;
        match kind {
            Signal::Traces => traces.as_deref(),
            Signal::Metrics => metrics.as_deref(),
            Signal::Logs => logs.as_deref(),
        }
    }

    pub(super) const fn carries(&self, signal: Signal) -> bool {
        self.mapping.carries(signal)
    }

    pub(super) const fn is_elasticsearch(&self) -> bool {
        matches!(self.product, Product::Elasticsearch)
    }

    /// Writes all documents of a request. What the [mapping](Mapping::carries) has no documents
    /// for is in [`Bulk::rejected`].
    #[must_use]
    pub fn encode(&self, otlp: &OtlpBytes) -> Bulk {
        let mut bulk = Bulk::default();
        self.encode_into(&mut bulk, otlp);
        bulk
    }

    /// Writes all documents of a request into `bulk`, in place of what it holds.
    pub fn encode_into(&self, bulk: &mut Bulk, otlp: &OtlpBytes) {
        bulk.clear();
        let items = usize::try_from(otlp.items()).unwrap_or(usize::MAX);
        // A request is in memory, and an item takes two bytes of it at least.
        let items = items.min(otlp.bytes().len() / 2);
        bulk.documents.reserve(items);
        bulk.items.reserve(items);
        // Documents repeat their resource, which takes more than JSON alone.
        bulk.text
            .reserve(otlp.bytes().len().saturating_mul(2) + items.saturating_mul(600));
        if !self.carries(otlp.signal()) {
            for item in 0..otlp.items() {
                let reason = "the mapping `bodymap` is for logs alone";
                bulk.rejections.add(item, reason, "");
            }
        } else if let Some(traces) = otlp.traces() {
            traces::write(self, bulk, traces);
        } else if let Some(logs) = otlp.logs() {
            logs::write(self, bulk, logs);
        } else if let Some(metrics) = otlp.metrics() {
            metrics::write(self, bulk, metrics, items);
        }
    }

    /// Refuses a signal that the mapping cannot carry.
    pub(super) fn check(&self, signal: Signal) -> Result<(), ExportError> {
        if self.carries(signal) {
            return Ok(());
        }
        let mapping = self.mapping.as_str();
        Err(ExportError::new(
            crate::ErrorKind::Unsupported,
            format!("the mapping `{mapping}` cannot carry {signal}; use `otel`"),
        ))
    }
}

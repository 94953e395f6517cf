//! What may be chosen about the form of spans.

/// How a body is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ZipkinEncoding {
    /// Zipkin v2 JSON, `application/json`: every server reads it.
    #[default]
    Json,
    /// `ListOfSpans` of `zipkin.proto`, `application/x-protobuf`.
    Protobuf,
}

impl ZipkinEncoding {
    /// The media type of a body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            ZipkinEncoding::Json => "application/json",
            ZipkinEncoding::Protobuf => "application/x-protobuf",
        }
    }
}

/// How an event with attributes becomes the text of an annotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AnnotationFormat {
    /// `"name":{"key":"value"}`, as the OpenTelemetry specification has it.
    #[default]
    Specification,
    /// `name|{"key":"value"}|dropped`, which the Collector can read back, and which has room for
    /// the number of dropped attributes.
    Collector,
}

/// What may be chosen about the form of spans.
///
/// | option | default |
/// |---|---|
/// | encoding | JSON |
/// | default service name | `unknown_service` |
/// | annotations | [`AnnotationFormat::Specification`] |
/// | links as tags | yes |
/// | `otel.library.*` beside `otel.scope.*` | no |
/// | `span.kind` for internal spans | no |
/// | largest body | no limit |
#[derive(Clone, Debug)]
pub struct ZipkinOptions {
    pub(super) encoding: ZipkinEncoding,
    pub(super) default_service_name: String,
    pub(super) annotations: AnnotationFormat,
    pub(super) link_tags: bool,
    pub(super) library_tags: bool,
    pub(super) internal_kind_tag: bool,
    pub(super) max_bytes: usize,
}

impl Default for ZipkinOptions {
    fn default() -> Self {
        Self {
            encoding: ZipkinEncoding::Json,
            default_service_name: "unknown_service".to_owned(),
            annotations: AnnotationFormat::Specification,
            link_tags: true,
            library_tags: false,
            internal_kind_tag: false,
            max_bytes: usize::MAX,
        }
    }
}

impl ZipkinOptions {
    /// Sets the encoding. Default: JSON.
    #[must_use]
    pub const fn encoding(mut self, encoding: ZipkinEncoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets the name of services whose resource has no `service.name`. Default:
    /// `unknown_service`. If it is empty such spans have no name, and no local endpoint unless
    /// they say an address.
    #[must_use]
    pub fn default_service_name(mut self, name: impl Into<String>) -> Self {
        self.default_service_name = name.into();
        self
    }

    /// Sets how events with attributes are written. Default: as the specification has it.
    #[must_use]
    pub const fn annotations(mut self, format: AnnotationFormat) -> Self {
        self.annotations = format;
        self
    }

    /// Whether links become tags `otlp.link.0` and so on, as the Collector does it: Zipkin has no
    /// links. Default: true. If not, spans are sent without them.
    #[must_use]
    pub const fn link_tags(mut self, write: bool) -> Self {
        self.link_tags = write;
        self
    }

    /// Whether the scope is also written under its old keys, `otel.library.name` and
    /// `otel.library.version`. Default: false.
    #[must_use]
    pub const fn library_tags(mut self, write: bool) -> Self {
        self.library_tags = write;
        self
    }

    /// Whether internal spans get a tag `span.kind` that says so: Zipkin has no such kind.
    /// Default: false.
    #[must_use]
    pub const fn internal_kind_tag(mut self, write: bool) -> Self {
        self.internal_kind_tag = write;
        self
    }

    /// Sets the size of a body, in bytes, at which encoding is given up. Default: no limit.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The media type of a body.
    pub(in crate::exporters::zipkin) const fn content_type(&self) -> &'static str {
        self.encoding.content_type()
    }

    /// The size of a body at which encoding is given up.
    pub(in crate::exporters::zipkin) const fn most_bytes(&self) -> usize {
        self.max_bytes
    }
}

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tower_service::Service;

use super::{ResponseFuture, RouteBuilder, select::Selector};
use crate::{BoxExporter, ExportError, ExportRequest, ExportResponse, otlp::Attributes};

/// Sends each request, or each resource in it, to the exporter that its value stands for. See the
/// [module](super).
///
/// It is always ready: whether an exporter is ready is for the response future to see.
#[derive(Clone)]
pub struct Route {
    table: Arc<Table>,
}

#[derive(Clone)]
pub(super) struct Table {
    /// Whose notes in a request are ours.
    pub(super) owner: u64,
    pub(super) selector: Selector,
    values: HashMap<Arc<str>, usize>,
    /// Never asked for readiness: each request takes fresh clones.
    pub(super) exporters: Vec<BoxExporter>,
    /// Which of them takes what has no route.
    pub(super) default: Option<usize>,
}

impl Table {
    pub(super) fn new(
        selector: Selector,
        values: HashMap<Arc<str>, usize>,
        exporters: Vec<BoxExporter>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            // Fan-outs count from zero.
            owner: u64::MAX - NEXT.fetch_add(1, Ordering::Relaxed),
            selector,
            values,
            exporters,
            default: None,
        }
    }

    /// The same with a default, and with a name of its own.
    pub(super) fn with_default(self, exporter: BoxExporter) -> Self {
        let mut table = Self::new(self.selector, self.values, self.exporters);
        table.default = Some(table.exporters.len());
        table.exporters.push(exporter);
        table
    }

    /// The exporter for this value.
    pub(super) fn find(&self, value: Option<&str>) -> Result<usize, ExportError> {
        value
            .and_then(|value| self.values.get(value).copied())
            .or(self.default)
            .ok_or_else(|| self.selector.unmatched(value))
    }
}

impl Route {
    pub(super) fn new(table: Table) -> Self {
        Self {
            table: Arc::new(table),
        }
    }

    /// By signal: `traces`, `metrics`, `logs`.
    #[must_use]
    pub const fn by_signal() -> RouteBuilder {
        RouteBuilder::new(Selector::Signal)
    }

    /// By the [tenant](crate::Metadata::tenant).
    #[must_use]
    pub const fn by_tenant() -> RouteBuilder {
        RouteBuilder::new(Selector::Tenant)
    }

    /// By the first header of this name that [travels](crate::Metadata::header) with the request.
    pub fn by_header(name: impl Into<Arc<str>>) -> RouteBuilder {
        RouteBuilder::new(Selector::Header(name.into()))
    }

    /// By what `select` makes of a request.
    pub fn by_request(
        select: impl Fn(&ExportRequest) -> Option<String> + Send + Sync + 'static,
    ) -> RouteBuilder {
        RouteBuilder::new(Selector::Request(Arc::new(select)))
    }

    /// By this attribute of each resource. Numbers and booleans count by their text; lists, maps
    /// and bytes as if the attribute were missing.
    pub fn by_attribute(key: impl Into<Arc<str>>) -> RouteBuilder {
        RouteBuilder::new(Selector::Attribute(key.into()))
    }

    /// By what `select` makes of the attributes of each resource.
    pub fn by_resource(
        select: impl Fn(Attributes<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> RouteBuilder {
        RouteBuilder::new(Selector::Resource(Arc::new(select)))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("by", &format_args!("{}", self.table.selector))
            .field("exporters", &self.table.exporters.len())
            .field("default", &self.table.default.is_some())
            .finish_non_exhaustive()
    }
}

impl Service<ExportRequest> for Route {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ExportRequest) -> ResponseFuture {
        ResponseFuture::new(&self.table, request)
    }
}

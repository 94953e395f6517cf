use std::fmt;

use tower_layer::Layer;

use super::{Route, service::Table};
use crate::{Exporter, ExporterExt};

/// Applies [`Route`] to a service, which becomes the default. Made by
/// [`RouteBuilder::layer`](super::RouteBuilder::layer).
#[derive(Clone)]
pub struct RouteLayer {
    table: Table,
}

impl RouteLayer {
    pub(super) const fn new(table: Table) -> Self {
        Self { table }
    }
}

impl<S: Exporter> Layer<S> for RouteLayer {
    type Service = Route;

    fn layer(&self, inner: S) -> Route {
        Route::new(self.table.clone().with_default(inner.boxed_exporter()))
    }
}

impl fmt::Debug for RouteLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteLayer")
            .field("by", &format_args!("{}", self.table.selector))
            .field("exporters", &self.table.exporters.len())
            .finish_non_exhaustive()
    }
}

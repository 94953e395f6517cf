use std::{collections::HashMap, fmt, sync::Arc};

use super::{Route, RouteLayer, select::Selector, service::Table};
use crate::{BoxExporter, Exporter, ExporterExt, InvalidConfig, Signal};

/// Collects the routes of a [`Route`]; made by [`Route::by_tenant`] and its like.
#[derive(Clone)]
pub struct RouteBuilder {
    selector: Selector,
    routes: Vec<(Vec<Arc<str>>, BoxExporter)>,
    default: Option<BoxExporter>,
}

impl RouteBuilder {
    pub(super) const fn new(selector: Selector) -> Self {
        Self {
            selector,
            routes: Vec::new(),
            default: None,
        }
    }

    /// Sends what has this value to `exporter`.
    #[must_use]
    pub fn to(self, value: impl Into<Arc<str>>, exporter: impl Exporter) -> Self {
        self.to_any([value], exporter)
    }

    /// Sends what has one of these values to `exporter`.
    #[must_use]
    pub fn to_any<V: Into<Arc<str>>>(
        mut self,
        values: impl IntoIterator<Item = V>,
        exporter: impl Exporter,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.routes.push((values, exporter.boxed_exporter()));
        self
    }

    /// Sends to `exporter` what has another value, or none.
    #[must_use]
    pub fn otherwise(mut self, exporter: impl Exporter) -> Self {
        self.default = Some(exporter.boxed_exporter());
        self
    }

    /// The service.
    ///
    /// # Errors
    /// If there is no route and no default, a route without a value, a value with two routes, or
    /// a value that no signal has.
    pub fn build(self) -> Result<Route, InvalidConfig> {
        self.table().map(Route::new)
    }

    /// The layer that makes the service below the default.
    ///
    /// # Errors
    /// Like [`build`](Self::build), and if there is another default.
    pub fn layer(self) -> Result<RouteLayer, InvalidConfig> {
        if self.default.is_some() {
            return Err(InvalidConfig::new(
                "the service below a route layer is the default: leave `otherwise` out, or use \
                 `build`",
            ));
        }
        if self.routes.is_empty() {
            return Err(InvalidConfig::new(
                "a route layer needs a route: add one with `to`",
            ));
        }
        self.table().map(RouteLayer::new)
    }

    fn table(self) -> Result<Table, InvalidConfig> {
        let Self {
            selector,
            routes,
            default,
        } = self;
        if routes.is_empty() && default.is_none() {
            return Err(InvalidConfig::new(
                "a route without exporters delivers nothing: add one with `to` or `otherwise`",
            ));
        }
        let mut values = HashMap::new();
        let mut exporters = Vec::with_capacity(routes.len() + 1);
        for (number, (names, exporter)) in routes.into_iter().enumerate() {
            exporters.push(exporter);
            if names.is_empty() {
                return Err(InvalidConfig::new(format!(
                    "route {number} has no value: name one"
                )));
            }
            for name in names {
                let known = Signal::ALL.iter().any(|signal| *name == *signal.as_str());
                if matches!(selector, Selector::Signal) && !known {
                    return Err(InvalidConfig::new(format!(
                        "route {number}: no signal has the name {name:?}: use traces, metrics or \
                         logs"
                    )));
                }
                if values.insert(name, number).is_some() {
                    return Err(InvalidConfig::new(format!(
                        "route {number} has a value that an earlier route has: leave it out of one"
                    )));
                }
            }
        }
        let table = Table::new(selector, values, exporters);
        Ok(match default {
            Some(default) => table.with_default(default),
            None => table,
        })
    }
}

impl fmt::Debug for RouteBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteBuilder")
            .field("by", &format_args!("{}", self.selector))
            .field("routes", &self.routes.len())
            .field("default", &self.default.is_some())
            .finish()
    }
}

//! Scopes: the labels that all series of one have.

use super::{Store, Tally, labels::Labels};
use crate::{
    exporters::prometheus::pull::options::Options,
    otlp::views::{Metric, ScopeGroup},
};

/// A scope of one resource that was seen before.
#[derive(Debug)]
pub(super) struct Scope {
    /// Those of the resource are among them.
    pub(super) labels: Labels,
}

impl Store {
    /// The scope of these metrics.
    pub(super) fn scope(
        &mut self,
        resource: usize,
        group: &ScopeGroup<'_, Metric<'_>>,
        options: &Options,
        tally: &mut Tally,
    ) -> usize {
        let scope = group.scope();
        self.key.clear();
        self.key.extend_from_slice(&resource.to_le_bytes());
        let schema_url = group.schema_url().as_bytes();
        self.key.extend_from_slice(&schema_url.len().to_le_bytes());
        self.key.extend_from_slice(schema_url);
        self.key.extend_from_slice(scope.as_bytes());
        if let Some(found) = self.scopes.find(&self.key) {
            return found;
        }
        let resource = self.resources.get(resource);
        let mut labels = resource.map_or_else(Labels::default, |found| found.labels.clone());
        if options.scope_info {
            labels.fixed("otel_scope_name", scope.name().as_bytes());
            labels.fixed("otel_scope_version", scope.version().as_bytes());
            labels.fixed("otel_scope_schema_url", schema_url);
            for (key, value) in scope.attributes() {
                if !matches!(key.as_str(), "name" | "version" | "schema_url") {
                    let mut rendered = Vec::new();
                    crate::otlp::text::value(&mut rendered, value);
                    let key = format!("otel_scope_{}", key.as_str());
                    labels.translated(options.strategy, &key, rendered);
                }
            }
        }
        tally.nameless += std::mem::take(&mut labels.nameless);
        self.scopes.insert(&self.key, Scope { labels })
    }
}

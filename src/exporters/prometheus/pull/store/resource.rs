//! Resources: the labels that all series of one have, and the series that describes it.

use std::sync::Arc;

use super::{Store, Tally, Value, labels::Labels};
use crate::{
    exporters::prometheus::pull::options::Options,
    otlp::views::{Attributes, Metric, Number, ResourceGroup},
};

/// A resource that was seen before.
#[derive(Debug)]
pub(super) struct Resource {
    /// Labels of each of its series.
    pub(super) labels: Labels,
    /// Job and instance, as labels.
    identity: Arc<[u8]>,
    /// The labels of its description, if it has one.
    info: Option<Arc<[u8]>>,
}

impl Resource {
    fn new(attributes: Attributes<'_>, options: &Options, tally: &mut Tally) -> Self {
        let mut job = Vec::new();
        for (key, separator) in [("service.namespace", &b"/"[..]), ("service.name", b"")] {
            if let Some(value) = attributes.get(key) {
                let start = job.len();
                crate::otlp::text::value(&mut job, value);
                if job.len() > start {
                    job.extend_from_slice(separator);
                }
            }
        }
        if attributes.get("service.name").is_none() {
            // A namespace alone names no service.
            job.clear();
        }
        let mut instance = Vec::new();
        if let Some(value) = attributes.get("service.instance.id") {
            crate::otlp::text::value(&mut instance, value);
        }
        let mut identity = Labels::default();
        identity.fixed("job", &job);
        identity.fixed("instance", &instance);
        let mut labels = identity.clone();
        for (name, value) in &options.constant_labels {
            labels.named(name.clone(), name, value.clone().into_bytes());
        }
        let mut info = labels.clone();
        for (key, value) in attributes {
            if matches!(
                key.as_str(),
                "service.namespace" | "service.name" | "service.instance.id"
            ) {
                continue;
            }
            info.attribute(options.strategy, key, value);
        }
        tally.nameless += info.nameless;
        // What has no value, or of which no name is left, is no label.
        let (info, undescribed) = (info.text(), labels.clone().text());
        for (key, value) in attributes {
            let key_text = key.as_str();
            if options
                .resource_labels
                .iter()
                .any(|pattern| pattern.matches(key_text))
            {
                labels.attribute(options.strategy, key, value);
            }
        }
        labels.nameless = 0;
        Self {
            labels,
            identity: identity.text(),
            info: (options.target_info && info != undescribed).then_some(info),
        }
    }
}

impl Store {
    pub(super) fn resource(
        &mut self,
        group: &ResourceGroup<'_, Metric<'_>>,
        now: u64,
        options: &Options,
        tally: &mut Tally,
    ) -> usize {
        let bytes = group.resource();
        let found = match self.resources.find(bytes.as_bytes()) {
            Some(found) => found,
            None => {
                let made = Resource::new(group.attributes(), options, tally);
                // The newest of two resources with the same job and instance describes both.
                if made.info.is_some()
                    && let Some(place) = self.infos.remove(&made.identity)
                    && let Some(Some(own)) = self.families.first_mut()
                    && own.remove(place)
                {
                    self.live -= 1;
                    self.removed += 1;
                }
                self.resources.insert(bytes.as_bytes(), made)
            }
        };
        self.touch_info(found, now, options, tally);
        found
    }

    /// Keeps the description of a resource alive.
    fn touch_info(&mut self, resource: usize, now: u64, options: &Options, tally: &mut Tally) {
        let Some(Resource {
            identity,
            info: Some(labels),
            ..
        }) = self.resources.get(resource)
        else {
            return;
        };
        let Some(Some(own)) = self.families.first_mut() else {
            return;
        };
        if let Some(place) = self.infos.get(identity)
            && let Some(series) = own.get_mut(*place)
        {
            series.seen = now;
            return;
        }
        if self.live >= options.max_series {
            tally.overflowed += 1;
            return;
        }
        let value = Value::Number(Number::Int(1), None);
        let place = own.insert(Arc::clone(labels), (0, 0, now), value, 0);
        self.infos.insert(Arc::clone(identity), place);
        self.live += 1;
    }
}

//! Which requests may share a batch, and what the batch keeps of their metadata.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::{ExportRequest, Metadata, Signal};

/// Signal, tenant and the values of chosen headers. Nothing is copied: it reads the metadata of
/// the first request of the batch.
#[derive(Clone)]
pub(super) struct Key {
    signal: Signal,
    metadata: Metadata,
    names: Arc<[Arc<str>]>,
}

impl Key {
    pub(super) fn of(request: &ExportRequest, names: &Arc<[Arc<str>]>) -> Self {
        Self {
            signal: request.signal(),
            metadata: request.metadata().clone(),
            names: names.clone(),
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.signal == other.signal
            && self.metadata.tenant() == other.metadata.tenant()
            && self
                .names
                .iter()
                .all(|name| same_values(&self.metadata, &other.metadata, name))
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.signal.hash(state);
        self.metadata.tenant().hash(state);
        for name in &*self.names {
            for value in values(&self.metadata, name) {
                value.hash(state);
            }
        }
    }
}

fn values<'a>(metadata: &'a Metadata, name: &str) -> impl Iterator<Item = &'a str> {
    metadata
        .headers()
        .filter_map(move |(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

fn same_values(one: &Metadata, other: &Metadata, name: &str) -> bool {
    values(one, name).eq(values(other, name))
}

/// What two requests of the same tenant have in common.
pub(super) fn common(one: &Metadata, other: &Metadata) -> Metadata {
    if one == other {
        return one.clone();
    }
    let mut out = Metadata::default();
    if let Some(tenant) = one.tenant().filter(|_| one.tenant() == other.tenant()) {
        out = out.with_tenant(tenant);
    }
    if let Some(parent) = one.traceparent()
        && other.traceparent() == Some(parent)
        && other.tracestate() == one.tracestate()
    {
        out = out.with_trace_context(parent, one.tracestate().map(Arc::from));
    }
    one.headers()
        .filter(|(name, _)| same_values(one, other, name))
        .fold(out, |out, (name, value)| out.with_header(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> Metadata {
        Metadata::default().with_tenant("acme")
    }

    #[test]
    fn common_metadata_is_what_all_say() {
        let one = metadata()
            .with_trace_context("00-a-b-01", None)
            .with_header("x-region", "eu")
            .with_header("x-user", "ann")
            .with_header("x-tag", "1")
            .with_header("x-tag", "2");
        let other = metadata()
            .with_trace_context("00-a-c-01", None)
            .with_header("X-Region", "eu")
            .with_header("x-user", "bob")
            .with_header("x-tag", "1");
        let both = common(&one, &other);
        assert_eq!(both, metadata().with_header("x-region", "eu"));
        assert_eq!(common(&one, &one.clone()), one);
        assert_eq!(common(&one, &Metadata::default()), Metadata::default());
    }

    #[test]
    fn keys_go_by_signal_tenant_and_chosen_headers() {
        let names: Arc<[Arc<str>]> = Arc::from([Arc::from("x-region")]);
        let key = |signal, metadata| {
            let request = ExportRequest::from_protobuf(signal, Vec::new()).unwrap();
            Key::of(&request.with_metadata(metadata), &names)
        };
        let eu = || key(Signal::Logs, metadata().with_header("x-region", "eu"));
        assert!(eu() == key(Signal::Logs, metadata().with_header("X-Region", "eu")));
        let user = metadata()
            .with_header("x-region", "eu")
            .with_header("x-user", "ann");
        assert!(eu() == key(Signal::Logs, user));
        assert!(eu() != key(Signal::Traces, metadata().with_header("x-region", "eu")));
        assert!(eu() != key(Signal::Logs, metadata().with_header("x-region", "us")));
        assert!(eu() != key(Signal::Logs, metadata()));
        let twice = metadata()
            .with_header("x-region", "eu")
            .with_header("x-region", "eu");
        assert!(eu() != key(Signal::Logs, twice));
        let nobody = Metadata::default().with_header("x-region", "eu");
        assert!(eu() != key(Signal::Logs, nobody));
    }
}

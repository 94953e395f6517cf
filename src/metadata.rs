//! What travels beside the telemetry: tenant, headers, trace context.

use std::{fmt, sync::Arc};

/// Facts about a request that are not telemetry: who sent it, and what should travel on.
///
/// Empty by default, cloned in O(1). Receivers fill it with what they are told to keep; layers
/// route by it; OTLP exporters send its headers on if they are told to.
///
/// ```
/// use tower_otlp::Metadata;
///
/// let metadata = Metadata::default()
///     .with_tenant("acme")
///     .with_header("x-region", "eu");
/// assert_eq!(metadata.tenant(), Some("acme"));
/// assert_eq!(metadata.header("X-Region"), Some("eu"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Option<Arc<Inner>>);

#[derive(Clone, Default, PartialEq, Eq)]
struct Inner {
    tenant: Option<Arc<str>>,
    traceparent: Option<Arc<str>>,
    tracestate: Option<Arc<str>>,
    headers: Vec<(Arc<str>, Arc<str>)>,
}

impl Metadata {
    /// Sets the tenant.
    #[must_use]
    pub fn with_tenant(self, tenant: impl Into<Arc<str>>) -> Self {
        self.edit(|inner| inner.tenant = Some(tenant.into()))
    }

    /// Adds a header. Names are compared without regard to case; a name may occur twice.
    #[must_use]
    pub fn with_header(self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.edit(|inner| inner.headers.push((name.into(), value.into())))
    }

    /// Sets the [W3C trace context](https://www.w3.org/TR/trace-context/) of the export call.
    #[must_use]
    pub fn with_trace_context(
        self,
        traceparent: impl Into<Arc<str>>,
        tracestate: Option<Arc<str>>,
    ) -> Self {
        self.edit(|inner| {
            inner.traceparent = Some(traceparent.into());
            inner.tracestate = tracestate;
        })
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(self.0.get_or_insert_default()));
        self
    }

    /// The tenant, if one is known.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.0.as_ref()?.tenant.as_deref()
    }

    /// The `traceparent` of the export call, if it had one.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.0.as_ref()?.traceparent.as_deref()
    }

    /// The `tracestate` of the export call, if it had one.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.0.as_ref()?.tracestate.as_deref()
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    /// All headers, in the order in which they were added.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .flat_map(|inner| inner.headers.iter().map(|(key, value)| (&**key, &**value)))
    }

    /// About how much memory it holds, in bytes.
    pub(crate) fn memory_size(&self) -> usize {
        let Some(inner) = &self.0 else { return 0 };
        let texts = [&inner.tenant, &inner.traceparent, &inner.tracestate];
        let headers = inner.headers.iter().flat_map(|(name, value)| [name, value]);
        // Two counts stand before what an `Arc` holds.
        let counts = 2 * size_of::<usize>();
        let texts = texts.into_iter().flatten().chain(headers);
        let texts = texts.map(|text| counts + text.len()).sum::<usize>();
        let places = inner.headers.capacity() * size_of::<(Arc<str>, Arc<str>)>();
        counts + size_of::<Inner>() + places + texts
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Header values may be credentials, so only their names are shown.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("Metadata")
            .field("tenant", &self.tenant())
            .field("traceparent", &self.traceparent())
            .field("headers", &names)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_header_values() {
        let metadata = Metadata::default().with_header("authorization", "Bearer s3cret");
        let shown = format!("{metadata:?}");
        assert!(shown.contains("authorization"));
        assert!(!shown.contains("s3cret"));
    }
}

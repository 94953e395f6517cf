//! What the headers of a request say about its telemetry, over gRPC and HTTP alike.

use http::HeaderMap;

use super::status::Refusal;
use crate::Metadata;

/// The metadata that a request's headers give it.
///
/// A tenant that cannot be told for sure is refused: taken for none, its telemetry would go to
/// whoever has none.
pub(super) fn metadata(
    headers: &HeaderMap,
    tenant_header: Option<&str>,
    kept_headers: &[String],
) -> Result<Metadata, Refusal> {
    let mut metadata = Metadata::default();
    if let Some(name) = tenant_header
        && let Some(tenant) = tenant(headers, name)?
    {
        metadata = metadata.with_tenant(tenant);
    }
    let traceparent = headers.get("traceparent").and_then(|it| it.to_str().ok());
    if let Some(traceparent) = traceparent.filter(|it| !it.is_empty()) {
        // A list that is spread over several headers is one list (W3C Trace Context, 3.3.1).
        let state: Vec<&str> = headers
            .get_all("tracestate")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let state = (!state.is_empty()).then(|| state.join(",").into());
        metadata = metadata.with_trace_context(traceparent, state);
    }
    for name in kept_headers {
        for value in headers.get_all(name.as_str()) {
            if let Ok(value) = value.to_str() {
                metadata = metadata.with_header(name.as_str(), value);
            }
        }
    }
    Ok(metadata)
}

/// An empty header is none.
fn tenant<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.any(|other| other != value) {
        let why = format!("the header {name:?} names several tenants: send it once");
        return Err(Refusal::invalid(why));
    }
    let Ok(tenant) = value.to_str() else {
        let why = format!("the header {name:?} names no tenant: only visible ASCII can be used");
        return Err(Refusal::invalid(why));
    };
    Ok(Some(tenant).filter(|tenant| !tenant.is_empty()))
}

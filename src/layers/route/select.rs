//! What a request, or a resource in it, is routed by.

use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    ErrorKind, ExportError, ExportRequest,
    otlp::{AnyValue, Attributes},
};

/// The longest part of a value that an error repeats, in characters.
const LONGEST_SHOWN: usize = 64;

type OfRequest = dyn Fn(&ExportRequest) -> Option<String> + Send + Sync;
type OfResource = dyn Fn(Attributes<'_>) -> Option<String> + Send + Sync;

#[derive(Clone)]
pub(super) enum Selector {
    Signal,
    Tenant,
    Header(Arc<str>),
    Request(Arc<OfRequest>),
    Attribute(Arc<str>),
    Resource(Arc<OfResource>),
}

impl Selector {
    /// Whether each resource of a request has a value of its own.
    pub(super) const fn is_by_resource(&self) -> bool {
        matches!(self, Selector::Attribute(_) | Selector::Resource(_))
    }

    pub(super) fn of_request<'a>(&self, request: &'a ExportRequest) -> Option<Cow<'a, str>> {
        match self {
            Selector::Signal => Some(request.signal().as_str().into()),
            Selector::Tenant => request.metadata().tenant().map(Into::into),
            Selector::Header(name) => request.metadata().header(name).map(Into::into),
            Selector::Request(select) => select(request).map(Into::into),
            Selector::Attribute(_) | Selector::Resource(_) => None,
        }
    }

    pub(super) fn of_resource<'a>(&self, attributes: Attributes<'a>) -> Option<Cow<'a, str>> {
        match self {
            Selector::Attribute(key) => match attributes.get(key)? {
                AnyValue::Str(text) => Some(text.into()),
                AnyValue::Bool(value) => Some(value.to_string().into()),
                AnyValue::Int(value) => Some(value.to_string().into()),
                AnyValue::Double(value) => Some(value.to_string().into()),
                _ => None,
            },
            Selector::Resource(select) => select(attributes).map(Into::into),
            _ => None,
        }
    }

    /// The error of what has no route. Headers, and what is made of a whole request, may be
    /// secrets: their values are not shown.
    pub(super) fn unmatched(&self, value: Option<&str>) -> ExportError {
        let shown = value.map(|value| {
            let cut: String = value.chars().take(LONGEST_SHOWN).collect();
            format!("{cut:?}")
        });
        let message = match (self, shown) {
            (Selector::Header(_) | Selector::Request(_), Some(_)) => {
                format!("no route for the value of the {self}, and no default")
            }
            (_, Some(value)) => format!("no route for the {self} {value}, and no default"),
            (_, None) => format!("no route without a {self}, and no default"),
        };
        ExportError::new(ErrorKind::Rejected, message)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Signal => f.write_str("signal"),
            Selector::Tenant => f.write_str("tenant"),
            Selector::Header(name) => write!(f, "header {name}"),
            Selector::Request(_) => f.write_str("key of the request"),
            Selector::Attribute(key) => write!(f, "resource attribute {key}"),
            Selector::Resource(_) => f.write_str("key of the resource"),
        }
    }
}

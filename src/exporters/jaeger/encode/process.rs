//! A resource as a `Process`.

use super::{EncodeOptions, tag};
use crate::{
    exporters::jaeger::thrift::{Kind, Protocol},
    otlp::{AnyValue, Resource},
};

/// Writes the body of a `Process`.
pub(super) fn write<P: Protocol>(
    out: &mut Vec<u8>,
    resource: &Resource<'_>,
    options: &EncodeOptions,
) {
    // The first name that can be one; what cannot stays a tag.
    let is_name = |key: &[u8], value: &AnyValue<'_>| {
        key == b"service.name" && matches!(value, AnyValue::Str(name) if !name.is_empty())
    };
    let attributes = resource.attributes();
    let found = attributes
        .iter()
        .position(|(key, value)| is_name(key.as_bytes(), &value));
    let name = found.and_then(|at| attributes.iter().nth(at));
    match name {
        Some((_, AnyValue::Str(name))) => P::string_field(out, 1, 0, name.as_bytes()),
        _ => P::string_field(out, 1, 0, options.unknown_service.as_bytes()),
    }
    let start = out.len();
    P::field(out, Kind::List, 2, 1);
    let list = P::open_list(out, false);
    let mut count = 0;
    for (at, (key, value)) in attributes.iter().enumerate() {
        if Some(at) != found {
            tag::write::<P>(out, key.as_bytes(), value);
            count += 1;
        }
    }
    tag::end_list::<P>(out, start, list, count);
    P::stop(out);
}

//! Which part of a request goes where: no I/O, no futures.

use bytes::{Bytes, BytesMut};

use super::service::Table;
use crate::{
    ExportError, ExportRequest, Signal,
    otlp::{
        Limits, Logs, OtlpBytes,
        wire::{Fields, Value},
    },
};

/// Where a part goes: to an exporter, by number, or nowhere.
pub(super) type Target = Result<usize, ExportError>;

pub(super) enum Plan {
    /// Everything goes to the same place, as it is.
    Whole(Target),
    /// Each part goes to a place of its own.
    Parts(Vec<(Target, ExportRequest)>),
    /// There is nothing in it, and no default to give it to.
    Nothing,
}

pub(super) fn plan(table: &Table, request: &ExportRequest) -> Result<Plan, ExportError> {
    if !table.selector.is_by_resource() {
        let value = table.selector.of_request(request);
        return Ok(Plan::Whole(table.find(value.as_deref())));
    }
    let mut targets: Vec<Target> = Vec::new();
    // Which of them each resource has, in order.
    let mut places = Vec::new();
    // The groups of all signals have their resource in the same place.
    for group in Logs::new(request.protobuf()).resources() {
        let value = table.selector.of_resource(group.attributes());
        let target = table.find(value.as_deref());
        // What goes nowhere is one part, which names the first such value.
        let same = |known: &Target| match (known, &target) {
            (Ok(known), Ok(new)) => known == new,
            (known, new) => known.is_err() && new.is_err(),
        };
        let place = targets.iter().position(same).unwrap_or_else(|| {
            targets.push(target);
            targets.len() - 1
        });
        places.push(place);
    }
    match (targets.pop(), targets.is_empty()) {
        (None, _) => Ok(match table.default {
            Some(default) => Plan::Whole(Ok(default)),
            None => Plan::Nothing,
        }),
        (Some(only), true) => Ok(Plan::Whole(only)),
        (Some(last), false) => {
            targets.push(last);
            Ok(Plan::Parts(split(request, targets, &places)?))
        }
    }
}

fn split(
    request: &ExportRequest,
    targets: Vec<Target>,
    places: &[usize],
) -> Result<Vec<(Target, ExportRequest)>, ExportError> {
    let mut parts = vec![BytesMut::new(); targets.len()];
    let mut places = places.iter().copied();
    for field in Fields::new(request.protobuf()) {
        let place = match (field.number, field.value) {
            (1, Value::Len(_)) => places.next().unwrap_or(0),
            // A field that nobody knows goes with the first part.
            _ => 0,
        };
        if let Some(part) = parts.get_mut(place) {
            part.extend_from_slice(field.raw);
        }
    }
    targets
        .into_iter()
        .zip(parts)
        .map(|(target, part)| Ok((target, with_bytes(request, part.freeze())?)))
        .collect()
}

/// The telemetry of all these requests in one, with the metadata of `request`.
pub(super) fn merge<'a>(
    request: &ExportRequest,
    parts: impl IntoIterator<Item = &'a ExportRequest>,
) -> Result<ExportRequest, ExportError> {
    let mut merged = BytesMut::new();
    for part in parts {
        merged.extend_from_slice(part.protobuf());
    }
    with_bytes(request, merged.freeze())
}

/// Whole groups of checked requests make a checked request: this counts the items, and fails only
/// if that were not so.
fn with_bytes(request: &ExportRequest, bytes: Bytes) -> Result<ExportRequest, ExportError> {
    let signal: Signal = request.signal();
    let limits = Limits {
        max_bytes: usize::MAX,
        max_items: u64::MAX,
    };
    Ok(request.with_otlp(OtlpBytes::check(signal, bytes, &limits)?))
}

//! The messages of OTLP as JSON objects, one function each, fields in the order of the `.proto`
//! files.

mod logs;
mod metrics;
mod traces;

use crate::otlp::{
    AnyValue, Attributes, EntityRef, OtlpBytes, Resource, Scope,
    views::{Str, Telemetry, View},
};

use super::{
    double,
    write::{bytes, key, list_field, long, name, short_field, string, string_body, text_field},
};

/// The names in which the signals differ down to their items.
struct Names {
    resources: &'static [u8],
    scopes: &'static [u8],
    items: &'static [u8],
}

/// Writes a whole request.
pub(super) fn write(otlp: &OtlpBytes, out: &mut Vec<u8>) {
    if let Some(all) = otlp.traces() {
        let names = Names {
            resources: key!("resourceSpans"),
            scopes: key!("scopeSpans"),
            items: key!("spans"),
        };
        telemetry(out, all, &names, traces::span);
    } else if let Some(all) = otlp.metrics() {
        let names = Names {
            resources: key!("resourceMetrics"),
            scopes: key!("scopeMetrics"),
            items: key!("metrics"),
        };
        telemetry(out, all, &names, metrics::metric);
    } else if let Some(all) = otlp.logs() {
        let names = Names {
            resources: key!("resourceLogs"),
            scopes: key!("scopeLogs"),
            items: key!("logRecords"),
        };
        telemetry(out, all, &names, logs::log_record);
    }
}

fn telemetry<'a, T: View<'a>>(
    out: &mut Vec<u8>,
    telemetry: Telemetry<'a, T>,
    names: &Names,
    item: impl Fn(&mut Vec<u8>, T),
) {
    out.push(b'{');
    list_field(out, names.resources, telemetry.resources(), |out, group| {
        out.push(b'{');
        name(out, key!("resource"));
        resource(out, &group.resource());
        list_field(out, names.scopes, group.scopes(), |out, group| {
            out.push(b'{');
            name(out, key!("scope"));
            scope(out, &group.scope());
            list_field(out, names.items, group.items(), &item);
            text_field(out, key!("schemaUrl"), group.schema_url());
            out.push(b'}');
        });
        text_field(out, key!("schemaUrl"), group.schema_url());
        out.push(b'}');
    });
    out.push(b'}');
}

fn resource(out: &mut Vec<u8>, resource: &Resource<'_>) {
    out.push(b'{');
    attributes_field(out, key!("attributes"), resource.attributes());
    short_field(
        out,
        key!("droppedAttributesCount"),
        resource.dropped_attributes_count(),
    );
    list_field(out, key!("entityRefs"), resource.entity_refs(), entity_ref);
    out.push(b'}');
}

fn entity_ref(out: &mut Vec<u8>, entity: EntityRef<'_>) {
    let text = |out: &mut Vec<u8>, text: Str<'_>| string(out, text.as_bytes());
    out.push(b'{');
    text_field(out, key!("schemaUrl"), entity.schema_url());
    text_field(out, key!("type"), entity.kind());
    list_field(out, key!("idKeys"), entity.id_keys(), text);
    list_field(
        out,
        key!("descriptionKeys"),
        entity.description_keys(),
        text,
    );
    out.push(b'}');
}

fn scope(out: &mut Vec<u8>, scope: &Scope<'_>) {
    out.push(b'{');
    text_field(out, key!("name"), scope.name());
    text_field(out, key!("version"), scope.version());
    attributes_field(out, key!("attributes"), scope.attributes());
    short_field(
        out,
        key!("droppedAttributesCount"),
        scope.dropped_attributes_count(),
    );
    out.push(b'}');
}

#[inline]
fn attributes_field(out: &mut Vec<u8>, key: &[u8], attributes: Attributes<'_>) {
    list_field(out, key, attributes.iter(), key_value);
}

/// Writes one attribute. Its value is always there, as in the Collector's form.
#[inline]
fn key_value(out: &mut Vec<u8>, (key, value): (Str<'_>, AnyValue<'_>)) {
    if key.is_empty() {
        out.extend_from_slice(b"{\"value\":");
    } else {
        out.extend_from_slice(b"{\"key\":\"");
        string_body(out, key.as_bytes());
        if let AnyValue::Str(text) = value {
            // Most of what telemetry consists of: as few copies as can be.
            out.extend_from_slice(b"\",\"value\":{\"stringValue\":\"");
            string_body(out, text.as_bytes());
            out.extend_from_slice(b"\"}}");
            return;
        }
        out.extend_from_slice(b"\",\"value\":");
    }
    any_value(out, value);
    out.push(b'}');
}

/// Writes a value. The member that is set is written even if it holds a default. Nests as deep as
/// the message does, which a check has bounded.
fn any_value(out: &mut Vec<u8>, value: AnyValue<'_>) {
    match value {
        AnyValue::Str(text) => {
            out.extend_from_slice(b"{\"stringValue\":");
            string(out, text.as_bytes());
        }
        AnyValue::Int(value) => {
            out.extend_from_slice(b"{\"intValue\":");
            long(out, value);
        }
        AnyValue::Bool(true) => out.extend_from_slice(b"{\"boolValue\":true"),
        AnyValue::Bool(false) => out.extend_from_slice(b"{\"boolValue\":false"),
        AnyValue::Double(value) => {
            out.extend_from_slice(b"{\"doubleValue\":");
            double::encode(out, value);
        }
        AnyValue::Bytes(value) => {
            out.extend_from_slice(b"{\"bytesValue\":");
            bytes(out, value);
        }
        AnyValue::Array(array) => {
            out.extend_from_slice(b"{\"arrayValue\":{");
            list_field(out, key!("values"), array.iter(), any_value);
            out.push(b'}');
        }
        AnyValue::Map(map) => {
            out.extend_from_slice(b"{\"kvlistValue\":{");
            attributes_field(out, key!("values"), map);
            out.push(b'}');
        }
        AnyValue::Empty => out.push(b'{'),
    }
    out.push(b'}');
}

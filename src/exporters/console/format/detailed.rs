//! Every field on a line of its own.

mod metrics;

use super::{Text, walk};
use crate::{
    ExportRequest,
    otlp::{
        Attributes, Event, Link, LogRecord, ResourceGroup, ScopeGroup, SeverityNumber, Span,
        SpanKind, StatusCode, Str,
    },
};

/// What stands before the attributes of something that stands at the left edge.
const ARROW: &str = "     -> ";
/// What stands before the attributes of something that stands behind an [`ARROW`].
const DEEP_ARROW: &str = "          -> ";

pub(super) fn write(text: &mut Text, request: &ExportRequest) {
    if let Some(traces) = request.traces() {
        let (resource, scope) = (resource("ResourceSpans #"), scope("ScopeSpans"));
        walk(text, traces, resource, scope, span);
    } else if let Some(metrics) = request.metrics() {
        let (resource, scope) = (resource("ResourceMetrics #"), scope("ScopeMetrics"));
        walk(text, metrics, resource, scope, metrics::metric);
    } else if let Some(logs) = request.logs() {
        let (resource, scope) = (resource("ResourceLog #"), scope("ScopeLogs"));
        walk(text, logs, resource, scope, log_record);
    }
}

fn resource<T>(title: &'static str) -> impl Fn(&mut Text, usize, &ResourceGroup<'_, T>) {
    move |text, index, group| {
        text.raw(title);
        text.show(index);
        text.end_line();
        string(text, "Resource SchemaURL: ", group.schema_url());
        attributes(text, "Resource attributes:", ARROW, group.attributes());
    }
}

fn scope<T>(title: &'static str) -> impl Fn(&mut Text, usize, &ScopeGroup<'_, T>) {
    move |text, index, group| {
        let scope = group.scope();
        line(text, title, format_args!(" #{index}"));
        text.raw(title);
        string(text, " SchemaURL: ", group.schema_url());
        text.raw("InstrumentationScope ");
        text.text(scope.name());
        string(text, " ", scope.version());
        let title = "InstrumentationScope attributes:";
        attributes(text, title, ARROW, scope.attributes());
    }
}

fn line(text: &mut Text, name: &str, value: impl std::fmt::Display) {
    text.raw(name);
    text.show(value);
    text.end_line();
}

fn string(text: &mut Text, name: &str, value: Str<'_>) {
    text.raw(name);
    text.text(value);
    text.end_line();
}

fn time(text: &mut Text, name: &str, unix_nanos: u64) {
    text.raw(name);
    text.time(unix_nanos);
    text.end_line();
}

/// A title and a line for each attribute; nothing if there are none.
fn attributes(text: &mut Text, title: &str, arrow: &str, attributes: Attributes<'_>) {
    for (index, (key, value)) in attributes.iter().enumerate() {
        if index == 0 {
            text.raw(title);
            text.end_line();
        }
        text.raw(arrow);
        text.text(key);
        text.raw(": ");
        text.typed(value);
        text.end_line();
    }
}

/// The name of an enumeration's value; its number if it has no name.
fn named(text: &mut Text, names: &[&str], value: i32) {
    match usize::try_from(value).ok().and_then(|at| names.get(at)) {
        Some(name) => text.raw(name),
        None => text.show(value),
    }
}

fn span(text: &mut Text, index: usize, span: &Span<'_>) {
    const KINDS: [&str; 6] = [
        "Unspecified",
        "Internal",
        "Server",
        "Client",
        "Producer",
        "Consumer",
    ];
    const CODES: [&str; 3] = ["Unset", "Ok", "Error"];

    line(text, "Span #", index);
    line(text, "    Trace ID       : ", span.trace_id());
    line(text, "    Parent ID      : ", span.parent_span_id());
    line(text, "    ID             : ", span.span_id());
    string(text, "    Name           : ", span.name());
    text.raw("    Kind           : ");
    let SpanKind(kind) = span.kind();
    named(text, &KINDS, kind);
    text.end_line();
    if !span.trace_state().is_empty() {
        string(text, "    TraceState     : ", span.trace_state());
    }
    time(text, "    Start time     : ", span.start_time_unix_nano());
    time(text, "    End time       : ", span.end_time_unix_nano());
    text.raw("    Status code    : ");
    let StatusCode(code) = span.status().code();
    named(text, &CODES, code);
    text.end_line();
    string(text, "    Status message : ", span.status().message());
    let dropped = span.dropped_attributes_count();
    line(text, "    DroppedAttributesCount: ", dropped);
    line(
        text,
        "    DroppedEventsCount: ",
        span.dropped_events_count(),
    );
    line(text, "    DroppedLinksCount: ", span.dropped_links_count());
    attributes(text, "Attributes:", ARROW, span.attributes());
    for (index, one) in span.events().enumerate() {
        if index == 0 {
            text.raw("Events:\n");
        }
        event(text, index, &one);
    }
    for (index, one) in span.links().enumerate() {
        if index == 0 {
            text.raw("Links:\n");
        }
        link(text, index, &one);
    }
}

fn event(text: &mut Text, index: usize, event: &Event<'_>) {
    line(text, "SpanEvent #", index);
    string(text, "     -> Name: ", event.name());
    time(text, "     -> Timestamp: ", event.time_unix_nano());
    let dropped = event.dropped_attributes_count();
    line(text, "     -> DroppedAttributesCount: ", dropped);
    // Two colons, as the Collector has it.
    let title = "     -> Attributes::";
    attributes(text, title, DEEP_ARROW, event.attributes());
}

fn link(text: &mut Text, index: usize, link: &Link<'_>) {
    line(text, "SpanLink #", index);
    line(text, "     -> Trace ID: ", link.trace_id());
    line(text, "     -> ID: ", link.span_id());
    string(text, "     -> TraceState: ", link.trace_state());
    let dropped = link.dropped_attributes_count();
    line(text, "     -> DroppedAttributesCount: ", dropped);
    let title = "     -> Attributes::";
    attributes(text, title, DEEP_ARROW, link.attributes());
}

fn log_record(text: &mut Text, index: usize, record: &LogRecord<'_>) {
    const SEVERITIES: [&str; 25] = [
        "Unspecified",
        "Trace",
        "Trace2",
        "Trace3",
        "Trace4",
        "Debug",
        "Debug2",
        "Debug3",
        "Debug4",
        "Info",
        "Info2",
        "Info3",
        "Info4",
        "Warn",
        "Warn2",
        "Warn3",
        "Warn4",
        "Error",
        "Error2",
        "Error3",
        "Error4",
        "Fatal",
        "Fatal2",
        "Fatal3",
        "Fatal4",
    ];

    line(text, "LogRecord #", index);
    let observed = record.observed_time_unix_nano();
    time(text, "ObservedTimestamp: ", observed);
    time(text, "Timestamp: ", record.time_unix_nano());
    string(text, "SeverityText: ", record.severity_text());
    text.raw("SeverityNumber: ");
    let SeverityNumber(severity) = record.severity_number();
    named(text, &SEVERITIES, severity);
    line(text, "", format_args!("({severity})"));
    if !record.event_name().is_empty() {
        string(text, "EventName: ", record.event_name());
    }
    text.raw("Body: ");
    text.typed(record.body());
    text.end_line();
    attributes(text, "Attributes:", ARROW, record.attributes());
    line(text, "Trace ID: ", record.trace_id());
    line(text, "Span ID: ", record.span_id());
    line(text, "Flags: ", record.flags());
}

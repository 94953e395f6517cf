//! Spans, with their events and links: measurements `spans`, `logs` and `span-links`.

use super::{
    Unfit, Writer,
    attributes::{Rendered, Sorted, dimension, json_entry, json_object, plain, sort},
    text::{id_tag, tag},
};
use crate::otlp::views::{Attributes, Event, Link, Span, SpanKind, StatusCode, Traces};

impl Writer<'_> {
    pub(super) fn traces(&mut self, traces: Traces<'_>) {
        let dimensions = &self.options.span_dimensions;
        let is_field = |key: &[u8]| !dimensions.iter().any(|name| name.as_bytes() == key);
        let mut sorted = Sorted::new();
        for resource in traces.resources() {
            for scope in resource.scopes() {
                let outer = [resource.attributes(), scope.scope().attributes()];
                sort(&mut sorted, outer.into_iter().flatten(), is_field);
                let rendered = Rendered::new(&sorted, |out, key, value| {
                    json_entry(out, &mut self.scratch, key, value);
                    false
                });
                for span in scope.items() {
                    self.item(None, |writer| {
                        for event in span.events() {
                            writer.event(&span, &event, &mut sorted)?;
                        }
                        for link in span.links() {
                            writer.link(&span, &link, &mut sorted)?;
                        }
                        sort(&mut sorted, span.attributes().iter(), is_field);
                        writer.span(&span, outer, &rendered, &sorted)
                    });
                }
            }
        }
    }

    fn event<'a>(
        &mut self,
        span: &Span<'a>,
        event: &Event<'a>,
        sorted: &mut Sorted<'a>,
    ) -> Result<(), Unfit> {
        let time = self.time([event.time_unix_nano(), span.start_time_unix_nano()])?;
        let line = &mut self.line;
        let start = line.out.len();
        line.out.extend_from_slice(b"logs");
        id_tag(&mut line.out, b"span_id", span.span_id().as_bytes());
        id_tag(&mut line.out, b"trace_id", span.trace_id().as_bytes());
        let time = self.moments.free(&line.out[start..], time);
        line.begin_fields();
        sort(sorted, event.attributes().iter(), |_| true);
        if !sorted.is_empty() {
            json_object(
                line.key(b"attributes"),
                &mut self.scratch,
                &Rendered::default(),
                sorted,
            );
            if event.dropped_attributes_count() > 0 {
                let dropped = event.dropped_attributes_count();
                line.unsigned(b"dropped_attributes_count", dropped.into());
            }
        }
        // Also if it is empty: a line must have a field.
        line.text(b"event.name", event.name().as_bytes());
        self.end(time);
        Ok(())
    }

    fn link<'a>(
        &mut self,
        span: &Span<'a>,
        link: &Link<'a>,
        sorted: &mut Sorted<'a>,
    ) -> Result<(), Unfit> {
        let time = self.time([span.start_time_unix_nano(), span.end_time_unix_nano()])?;
        let line = &mut self.line;
        let start = line.out.len();
        line.out.extend_from_slice(b"span-links");
        id_tag(&mut line.out, b"linked_span_id", link.span_id().as_bytes());
        id_tag(
            &mut line.out,
            b"linked_trace_id",
            link.trace_id().as_bytes(),
        );
        id_tag(&mut line.out, b"span_id", span.span_id().as_bytes());
        id_tag(&mut line.out, b"trace_id", span.trace_id().as_bytes());
        let time = self.moments.free(&line.out[start..], time);
        line.begin_fields();
        sort(sorted, link.attributes().iter(), |_| true);
        if !sorted.is_empty() {
            json_object(
                line.key(b"attributes"),
                &mut self.scratch,
                &Rendered::default(),
                sorted,
            );
        }
        // Also if there are none: a line must have a field.
        let dropped = link.dropped_attributes_count();
        line.unsigned(b"dropped_attributes_count", dropped.into());
        line.optional_text(b"trace_state", link.trace_state().as_bytes());
        self.end(time);
        Ok(())
    }

    fn span<'a>(
        &mut self,
        span: &Span<'a>,
        [resource, scope]: [Attributes<'a>; 2],
        group: &Rendered<'a>,
        own: &Sorted<'a>,
    ) -> Result<(), Unfit> {
        let (start, end) = (span.start_time_unix_nano(), span.end_time_unix_nano());
        let time = self.time([start, end])?;
        let ids = [
            ("span_id", span.span_id().as_bytes()),
            ("trace_id", span.trace_id().as_bytes()),
        ];
        let line_start = self.line.out.len();
        self.line.out.extend_from_slice(b"spans");
        let mut has_name_tag = false;
        let mut has_other_keys = false;
        let mut ids = ids.into_iter().peekable();
        for key in &self.options.span_dimensions {
            while let Some((name, id)) = ids.next_if(|(name, _)| *name < key.as_str()) {
                id_tag(&mut self.line.out, name.as_bytes(), id);
            }
            if let Some(value) = dimension(key, span.attributes(), scope, resource) {
                let value = plain(&mut self.scratch, value);
                let before = self.line.out.len();
                has_other_keys |= tag(&mut self.line.out, key.as_bytes(), value, is_taken);
                has_name_tag |= key == "span.name" && self.line.out.len() > before;
            }
        }
        for (name, id) in ids {
            id_tag(&mut self.line.out, name.as_bytes(), id);
        }
        self.check_tags(line_start, has_other_keys);
        let line = &mut self.line;
        line.begin_fields();
        if !(own.is_empty() && group.is_empty()) {
            json_object(line.key(b"attributes"), &mut self.scratch, group, own);
        }
        for (key, count) in [
            (
                &b"dropped_attributes_count"[..],
                span.dropped_attributes_count(),
            ),
            (b"dropped_events_count", span.dropped_events_count()),
            (b"dropped_links_count", span.dropped_links_count()),
        ] {
            if count > 0 {
                line.unsigned(key, count.into());
            }
        }
        if end != 0 {
            let duration = i128::from(end) - i128::from(start);
            if let Ok(duration) = i64::try_from(duration) {
                line.int(b"duration_nano", duration);
            }
            line.moment(b"end_time_unix_nano", end);
        }
        match span.status().code() {
            StatusCode::UNSET => {}
            StatusCode::OK => line.text(b"otel.status_code", b"Ok"),
            StatusCode::ERROR => line.text(b"otel.status_code", b"Error"),
            StatusCode(other) => {
                line.text(b"otel.status_code", other.to_string().as_bytes());
            }
        }
        let description = span.status().message();
        line.optional_text(b"otel.status_description", description.as_bytes());
        line.id(b"parent_span_id", span.parent_span_id().as_bytes());
        match span.kind() {
            SpanKind::UNSPECIFIED => {}
            SpanKind::INTERNAL => line.text(b"span.kind", b"Internal"),
            SpanKind::SERVER => line.text(b"span.kind", b"Server"),
            SpanKind::CLIENT => line.text(b"span.kind", b"Client"),
            SpanKind::PRODUCER => line.text(b"span.kind", b"Producer"),
            SpanKind::CONSUMER => line.text(b"span.kind", b"Consumer"),
            SpanKind(other) => line.text(b"span.kind", other.to_string().as_bytes()),
        }
        // A key cannot be a tag and a field of one point.
        if !has_name_tag {
            // Also if it is empty where there is nothing else: a line must have a field.
            if line.has_no_field() || !span.name().is_empty() {
                line.text(b"span.name", span.name().as_bytes());
            }
        }
        line.optional_text(b"trace_state", span.trace_state().as_bytes());
        if line.has_no_field() {
            line.text(b"trace_state", b"");
        }
        self.end(time);
        Ok(())
    }
}

/// Whether a dimension has the name of a tag or a field that a span has. The name of the span is
/// left to the tag.
fn is_taken(key: &[u8]) -> bool {
    const TAKEN: [&[u8]; 13] = [
        b"span_id",
        b"trace_id",
        b"attributes",
        b"dropped_attributes_count",
        b"dropped_events_count",
        b"dropped_links_count",
        b"duration_nano",
        b"end_time_unix_nano",
        b"otel.status_code",
        b"otel.status_description",
        b"parent_span_id",
        b"span.kind",
        b"trace_state",
    ];
    TAKEN.contains(&key)
}

//! Log records: measurement `logs`.

use super::{
    Unfit, Writer,
    attributes::{Rendered, Sorted, dimension, json_entry, json_object, plain, sort},
    text::{id_tag, quoted, tag},
};
use crate::otlp::views::{Attributes, LogRecord, Logs, SeverityNumber};

impl Writer<'_> {
    pub(super) fn logs(&mut self, logs: Logs<'_>) {
        let dimensions = &self.options.log_record_dimensions;
        let is_field = |key: &[u8]| !dimensions.iter().any(|name| name.as_bytes() == key);
        let mut sorted = Sorted::new();
        for resource in logs.resources() {
            for scope in resource.scopes() {
                let outer = [resource.attributes(), scope.scope().attributes()];
                sort(&mut sorted, outer.into_iter().flatten(), is_field);
                let rendered = Rendered::new(&sorted, |out, key, value| {
                    json_entry(out, &mut self.scratch, key, value);
                    false
                });
                for record in scope.items() {
                    sort(&mut sorted, record.attributes().iter(), is_field);
                    self.item(None, |writer| {
                        writer.record(&record, outer, &rendered, &sorted)
                    });
                }
            }
        }
    }

    fn record<'a>(
        &mut self,
        record: &LogRecord<'a>,
        [resource, scope]: [Attributes<'a>; 2],
        group: &Rendered<'a>,
        own: &Sorted<'a>,
    ) -> Result<(), Unfit> {
        let observed = record.observed_time_unix_nano();
        let time = self.time([record.time_unix_nano(), observed])?;
        let start = self.line.out.len();
        self.line.out.extend_from_slice(b"logs");
        let mut has_other_keys = false;
        let (trace, span) = (record.trace_id(), record.span_id());
        let both = if trace.is_empty() || span.is_empty() {
            [&[][..]; 2]
        } else {
            [span.as_bytes(), trace.as_bytes()]
        };
        let mut ids = ["span_id", "trace_id"].into_iter().zip(both).peekable();
        for key in &self.options.log_record_dimensions {
            while let Some((name, id)) = ids.next_if(|(name, _)| *name < key.as_str()) {
                id_tag(&mut self.line.out, name.as_bytes(), id);
            }
            if let Some(value) = dimension(key, record.attributes(), scope, resource) {
                let value = plain(&mut self.scratch, value);
                has_other_keys |= tag(&mut self.line.out, key.as_bytes(), value, is_taken);
            }
        }
        for (name, id) in ids {
            id_tag(&mut self.line.out, name.as_bytes(), id);
        }
        self.check_tags(start, has_other_keys);
        let line = &mut self.line;
        let time = self.moments.free(&line.out[start..], time);
        line.begin_fields();
        if !(own.is_empty() && group.is_empty()) {
            json_object(line.key(b"attributes"), &mut self.scratch, group, own);
        }
        let body = plain(&mut self.scratch, record.body());
        quoted(line.key(b"body"), body);
        if record.dropped_attributes_count() > 0 {
            let dropped = record.dropped_attributes_count();
            line.unsigned(b"dropped_attributes_count", dropped.into());
        }
        line.optional_text(b"event.name", record.event_name().as_bytes());
        line.moment(b"observed_time_unix_nano", observed);
        let SeverityNumber(severity) = record.severity_number();
        if severity != 0 {
            line.int(b"severity_number", severity.into());
        }
        line.optional_text(b"severity_text", record.severity_text().as_bytes());
        self.end(time);
        Ok(())
    }
}

/// Whether a dimension has the name of a tag or a field that a record has.
fn is_taken(key: &[u8]) -> bool {
    const TAKEN: [&[u8]; 9] = [
        b"span_id",
        b"trace_id",
        b"attributes",
        b"body",
        b"dropped_attributes_count",
        b"event.name",
        b"observed_time_unix_nano",
        b"severity_number",
        b"severity_text",
    ];
    TAKEN.contains(&key)
}

//! STRUCTURED-DATA (RFC 5424, section 6.3).

use super::{
    Special,
    text::{Name, Names, escaped, name},
};
use crate::{
    exporters::syslog::SyslogFormat,
    otlp::{self, AnyValue, Attributes, LogRecord, Resource, Scope, json::hex},
};

const ORIGIN: &[u8] = b"origin";

/// Resource attributes that stand elsewhere in a message.
const PLACED: [&[u8]; 4] = [
    b"host.name",
    b"service.name",
    b"service.version",
    b"process.pid",
];

pub(super) struct Structured<'a> {
    otel: Vec<u8>,
    attributes: Vec<u8>,
    resource_id: Vec<u8>,
    with_resource: bool,
    resource: Option<Resource<'a>>,
    has_origin: bool,
    /// The elements of the resource.
    of_resource: Vec<u8>,
    /// The parameters of the scope.
    of_scope: Vec<u8>,
    ids: Names,
    names: Names,
    scratch: Vec<u8>,
}

/// A buffer of which no more than `limit` bytes may be filled.
struct Room<'o> {
    out: &'o mut Vec<u8>,
    limit: usize,
    left_out: u64,
}

impl<'a> Structured<'a> {
    pub(super) fn new(format: &SyslogFormat) -> Self {
        let id = |name: &str| format!("{name}@{}", format.enterprise_number).into_bytes();
        Self {
            otel: id("otel"),
            attributes: id("attributes"),
            resource_id: id("resource"),
            with_resource: format.resource_attributes,
            resource: None,
            has_origin: false,
            of_resource: Vec::new(),
            of_scope: Vec::new(),
            ids: Names::default(),
            names: Names::default(),
            scratch: Vec::new(),
        }
    }

    /// Returns how many parameters were left out.
    pub(super) fn enter_resource(&mut self, resource: Resource<'a>) -> u64 {
        self.resource = Some(resource);
        self.has_origin = version(&resource).is_some();
        let mut of_resource = std::mem::take(&mut self.of_resource);
        of_resource.clear();
        let mut room = Room {
            out: &mut of_resource,
            limit: usize::MAX,
            left_out: 0,
        };
        self.write_resource(&mut room);
        let left_out = room.left_out;
        self.of_resource = of_resource;
        left_out
    }

    pub(super) fn enter_scope(&mut self, scope: &Scope<'_>) {
        self.of_scope.clear();
        for (name, value) in [
            (&b" scope_name=\""[..], scope.name()),
            (b" scope_version=\"", scope.version()),
        ] {
            if !value.is_empty() {
                self.of_scope.extend_from_slice(name);
                escaped(&mut self.of_scope, value.as_bytes());
                self.of_scope.push(b'"');
            }
        }
    }

    /// Writes the structured data of a record, up to `limit` bytes of `out`. Returns how many
    /// parameters were left out.
    pub(super) fn write(
        &mut self,
        record: &LogRecord<'a>,
        special: &Special<'a>,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> u64 {
        let start = out.len();
        let mut room = Room {
            out,
            limit,
            left_out: 0,
        };
        if let Some(elements) = special.structured_data {
            self.write_own(&mut room, elements);
        }
        self.write_otel(&mut room, record);
        self.write_attributes(&mut room, record.attributes(), special);
        // The parts of it may fit one by one, where the whole does not.
        if !room.fits(|out| out.extend_from_slice(&self.of_resource), 0) {
            self.write_resource(&mut room);
        }
        let left_out = room.left_out;
        if out.len() == start {
            out.push(b'-');
        }
        left_out
    }

    /// Writes the elements that the record brings with it.
    fn write_own(&mut self, room: &mut Room<'_>, elements: Attributes<'_>) {
        self.ids.clear();
        for (id, value) in elements.iter() {
            let (id, length) = name(id.as_bytes());
            let parameters = match value {
                AnyValue::Map(parameters) => parameters,
                _ => {
                    room.left_out += 1;
                    continue;
                }
            };
            // An element stands there once, and those that are made here are the record's own.
            let (shown, _) = id.split_at(length);
            if self.is_made_here(shown) || !self.ids.insert(id) {
                room.left_out += (parameters.iter().count() as u64).max(1);
                continue;
            }
            let start = room.out.len();
            room.out.push(b'[');
            room.out.extend_from_slice(shown);
            let open = room.out.len();
            self.names.clear();
            for (key, value) in parameters.iter() {
                parameter(
                    room,
                    &mut self.names,
                    &mut self.scratch,
                    key.as_bytes(),
                    value,
                );
            }
            let is_empty = room.out.len() == open && !parameters.is_empty();
            room.close(start, is_empty);
        }
    }

    fn is_made_here(&self, id: &[u8]) -> bool {
        id == self.otel
            || id == self.attributes
            || (self.with_resource && id == self.resource_id)
            || (self.has_origin && id == ORIGIN)
    }

    /// Writes what OpenTelemetry says of a record beside its attributes.
    fn write_otel(&self, room: &mut Room<'_>, record: &LogRecord<'_>) {
        let start = room.open(&self.otel);
        let open = room.out.len();
        for (name, id) in [
            (&b" trace_id=\""[..], record.trace_id().as_bytes()),
            (b" span_id=\"", record.span_id().as_bytes()),
        ] {
            if !id.is_empty() {
                room.add(|out| {
                    out.extend_from_slice(name);
                    hex::encode(out, id);
                    out.push(b'"');
                });
            }
        }
        // The low eight bits are those of W3C.
        let [flags, ..] = record.flags().to_le_bytes();
        if flags != 0 {
            room.add(|out| {
                out.extend_from_slice(b" trace_flags=\"");
                hex::encode(out, &[flags]);
                out.push(b'"');
            });
        }
        if !self.of_scope.is_empty() {
            room.add(|out| out.extend_from_slice(&self.of_scope));
        }
        let severity = record.severity_text();
        if !severity.is_empty() {
            room.add(|out| {
                out.extend_from_slice(b" severity_text=\"");
                escaped(out, severity.as_bytes());
                out.push(b'"');
            });
        }
        let is_empty = room.out.len() == open;
        room.close(start, is_empty);
    }

    fn write_attributes(
        &mut self,
        room: &mut Room<'_>,
        attributes: Attributes<'_>,
        special: &Special<'_>,
    ) {
        let start = room.open(&self.attributes);
        let open = room.out.len();
        self.names.clear();
        for (key, value) in attributes.iter() {
            if !special.holds(key.as_bytes()) {
                parameter(
                    room,
                    &mut self.names,
                    &mut self.scratch,
                    key.as_bytes(),
                    value,
                );
            }
        }
        let is_empty = room.out.len() == open;
        room.close(start, is_empty);
    }

    fn write_resource(&mut self, room: &mut Room<'_>) {
        let Some(resource) = self.resource else {
            return;
        };
        if let Some(version) = version(&resource) {
            self.scratch.clear();
            otlp::text::value(&mut self.scratch, version);
            room.add(|out| {
                out.extend_from_slice(b"[origin swVersion=\"");
                escaped(out, &self.scratch);
                out.extend_from_slice(b"\"]");
            });
        }
        if self.with_resource {
            let start = room.open(&self.resource_id);
            let open = room.out.len();
            self.names.clear();
            for (key, value) in resource.attributes().iter() {
                if !PLACED.contains(&key.as_bytes()) {
                    parameter(
                        room,
                        &mut self.names,
                        &mut self.scratch,
                        key.as_bytes(),
                        value,
                    );
                }
            }
            let is_empty = room.out.len() == open;
            room.close(start, is_empty);
        }
    }
}

fn version<'a>(resource: &Resource<'a>) -> Option<AnyValue<'a>> {
    resource
        .attributes()
        .get("service.version")
        .and_then(super::set)
}

/// Writes a parameter, unless its name is taken or there is no room.
#[inline]
fn parameter(
    room: &mut Room<'_>,
    names: &mut Names,
    scratch: &mut Vec<u8>,
    key: &[u8],
    value: AnyValue<'_>,
) {
    let (name, length): (Name, usize) = name(key);
    if !names.insert(name) {
        room.left_out += 1;
        return;
    }
    room.add(|out| {
        out.push(b' ');
        out.extend(name.iter().take(length));
        out.extend_from_slice(b"=\"");
        match value {
            AnyValue::Str(text) => escaped(out, text.as_bytes()),
            // JSON has quotes and brackets; the others have nothing to escape.
            AnyValue::Array(_) | AnyValue::Map(_) => {
                scratch.clear();
                otlp::text::value(scratch, value);
                escaped(out, scratch);
            }
            value => otlp::text::value(out, value),
        }
        out.push(b'"');
    });
}

impl Room<'_> {
    /// Begins an element; returns where.
    fn open(&mut self, id: &[u8]) -> usize {
        let start = self.out.len();
        self.out.push(b'[');
        self.out.extend_from_slice(id);
        start
    }

    /// Ends the element that began at `start`, or takes it back if it is empty or has no room.
    fn close(&mut self, start: usize, is_empty: bool) {
        if is_empty {
            self.out.truncate(start);
        } else if self.out.len() >= self.limit {
            self.out.truncate(start);
            self.left_out += 1;
        } else {
            self.out.push(b']');
        }
    }

    /// Writes a parameter, behind which there must be room for a bracket, or counts it.
    #[inline]
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.fits(write, 1) {
            self.left_out += 1;
        }
    }

    /// Writes something, if it fits and `behind` more bytes do.
    #[inline]
    fn fits(&mut self, write: impl FnOnce(&mut Vec<u8>), behind: usize) -> bool {
        let start = self.out.len();
        write(self.out);
        if self.out.len() > self.limit.saturating_sub(behind) {
            self.out.truncate(start);
            return false;
        }
        true
    }
}

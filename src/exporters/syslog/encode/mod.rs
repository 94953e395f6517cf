//! Log records to messages: pure, from views into bytes.

mod structured;
mod text;
mod time;

#[cfg(test)]
mod tests;

use self::{structured::Structured, time::Clock};
use super::{Facility, Framing, Severity, SyslogFormat};
use crate::otlp::{self, AnyValue, Attributes, LogRecord, Logs, Resource};

/// The longest values of the header, in characters (RFC 5424, section 6).
const HOST_NAME: usize = 255;
const APP_NAME: usize = 48;
const PROC_ID: usize = 128;
const MSG_ID: usize = 32;

/// What became of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyslogSummary {
    /// Messages that were written.
    pub messages: u64,
    /// Of those, messages that were cut to the largest size.
    pub cut: u64,
    /// Parameters of structured data that were left out: their name was taken already, or there
    /// was no room for them.
    pub left_out: u64,
    /// Records that were not written, for their header alone is larger than the largest message.
    pub rejected: u64,
}

impl SyslogSummary {
    /// What was lost, in words; `None` if nothing was.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let losses = [
            (
                self.rejected,
                "records rejected: their header alone is too large",
            ),
            (self.cut, "messages cut to the largest size"),
            (
                self.left_out,
                "parameters of structured data left out: their name was taken, or there was no room",
            ),
        ];
        let losses: Vec<String> = losses
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!losses.is_empty()).then(|| losses.join("; "))
    }
}

impl SyslogFormat {
    /// Writes all records as messages, framed, behind what `out` holds.
    ///
    /// Nothing is allocated for a record; a request takes a few buffers, besides what `out` grows
    /// by.
    pub fn encode(&self, logs: Logs<'_>, out: &mut Vec<u8>) -> SyslogSummary {
        self.encode_within(logs, out, usize::MAX)
            .unwrap_or_default()
    }

    /// Writes all records as messages if they take no more than `max_bytes` together, else none.
    ///
    /// Each message says again what its scope and its resource say: the messages of a small
    /// request may be of any size.
    pub(super) fn encode_within(
        &self,
        logs: Logs<'_>,
        out: &mut Vec<u8>,
        max_bytes: usize,
    ) -> Result<SyslogSummary, TooLarge> {
        let start = out.len();
        let mut encoder = Encoder::new(self);
        for group in logs.resources() {
            let resource = group.resource();
            encoder.enter_resource(resource);
            for group in group.scopes() {
                encoder.structured.enter_scope(&group.scope());
                for record in group.items() {
                    encoder.record(&record, out);
                    if out.len() - start > max_bytes {
                        out.truncate(start);
                        return Err(TooLarge);
                    }
                }
            }
        }
        Ok(encoder.summary)
    }
}

/// All messages together take more than they may.
#[derive(Debug)]
pub(super) struct TooLarge;

struct Encoder<'a> {
    format: &'a SyslogFormat,
    clock: Clock,
    structured: Structured<'a>,
    /// ` HOSTNAME APP-NAME `
    sender: Vec<u8>,
    /// PROCID, as the resource has it.
    process: Vec<u8>,
    scratch: Vec<u8>,
    /// Digits of the length of the last message: the next is mostly as long.
    digits: usize,
    summary: SyslogSummary,
}

/// Attributes with a place of their own in a message.
#[derive(Clone, Copy, Default)]
struct Special<'a> {
    facility: Option<Facility>,
    severity: Option<Severity>,
    proc_id: Option<AnyValue<'a>>,
    msg_id: Option<AnyValue<'a>>,
    structured_data: Option<Attributes<'a>>,
}

const FACILITY_KEY: &[u8] = b"syslog.facility";
const SEVERITY_KEY: &[u8] = b"syslog.severity";
const PROC_ID_KEY: &[u8] = b"syslog.procid";
const MSG_ID_KEY: &[u8] = b"syslog.msgid";
const STRUCTURED_DATA_KEY: &[u8] = b"syslog.structured_data";

impl<'a> Special<'a> {
    fn of(record: &LogRecord<'a>) -> Self {
        let mut special = Self::default();
        for (key, value) in record.attributes().iter() {
            if !key.as_bytes().starts_with(b"syslog.") {
                continue;
            }
            match key.as_bytes() {
                FACILITY_KEY => {
                    special.facility = integer(value)
                        .and_then(|code| u8::try_from(code).ok())
                        .and_then(Facility::new);
                }
                // A severity number says more, and the attribute then stays an attribute.
                SEVERITY_KEY if Severity::of(record.severity_number()).is_none() => {
                    special.severity = integer(value).and_then(Severity::from_code);
                }
                PROC_ID_KEY => special.proc_id = set(value),
                MSG_ID_KEY => special.msg_id = set(value),
                STRUCTURED_DATA_KEY => {
                    special.structured_data = match value {
                        AnyValue::Map(map) => Some(map),
                        _ => None,
                    };
                }
                _ => {}
            }
        }
        special
    }

    /// Whether this attribute stands elsewhere in the message.
    fn holds(&self, key: &[u8]) -> bool {
        match key {
            FACILITY_KEY => self.facility.is_some(),
            SEVERITY_KEY => self.severity.is_some(),
            PROC_ID_KEY => self.proc_id.is_some(),
            MSG_ID_KEY => self.msg_id.is_some(),
            STRUCTURED_DATA_KEY => self.structured_data.is_some(),
            _ => false,
        }
    }
}

/// A whole number, also one written in digits.
fn integer(value: AnyValue<'_>) -> Option<i64> {
    match value {
        AnyValue::Int(value) => Some(value),
        AnyValue::Str(text) => text.as_str().parse().ok(),
        _ => None,
    }
}

/// The value, if it is more than nothing.
fn set(value: AnyValue<'_>) -> Option<AnyValue<'_>> {
    match value {
        AnyValue::Empty => None,
        AnyValue::Str(text) if text.is_empty() => None,
        value => Some(value),
    }
}

impl<'a> Encoder<'a> {
    fn new(format: &'a SyslogFormat) -> Self {
        Self {
            format,
            clock: Clock::new(),
            structured: Structured::new(format),
            sender: Vec::new(),
            process: Vec::new(),
            scratch: Vec::new(),
            digits: 3,
            summary: SyslogSummary::default(),
        }
    }

    fn enter_resource(&mut self, resource: Resource<'a>) {
        let attributes = resource.attributes();
        let host = attributes.get("host.name").and_then(set);
        let app = attributes.get("service.name").and_then(set);
        let process = attributes.get("process.pid").and_then(set);
        self.sender.clear();
        self.sender.push(b' ');
        match host {
            Some(_) => header_value(&mut self.sender, &mut self.scratch, host, HOST_NAME),
            None => {
                let default = self.format.host_name.as_bytes();
                text_or_nil(&mut self.sender, default, HOST_NAME);
            }
        }
        self.sender.push(b' ');
        header_value(&mut self.sender, &mut self.scratch, app, APP_NAME);
        self.sender.push(b' ');
        self.process.clear();
        header_value(&mut self.process, &mut self.scratch, process, PROC_ID);
        self.summary.left_out += self.structured.enter_resource(resource);
    }

    /// Writes a record, framed.
    fn record(&mut self, record: &LogRecord<'a>, out: &mut Vec<u8>) {
        let frame = out.len();
        if self.format.framing == Framing::OctetCounting {
            out.resize(frame + self.digits + 1, b' ');
        }
        let start = out.len();
        let special = Special::of(record);
        self.header(record, &special, out);
        let mut left_out = self.structured.write(record, &special, out, usize::MAX);
        let text = out.len();
        self.text(record, out);
        if out.len() - start > self.format.max_message_bytes {
            let text_bytes = out.len() - text;
            out.truncate(start);
            match self.short(record, &special, text_bytes, out) {
                Some(found) => left_out = found,
                None => {
                    self.summary.rejected += 1;
                    out.truncate(frame);
                    return;
                }
            }
        }
        self.summary.messages += 1;
        self.summary.left_out += left_out;
        self.frame(out, frame, start);
    }

    fn header(&mut self, record: &LogRecord<'a>, special: &Special<'a>, out: &mut Vec<u8>) {
        let facility = special.facility.unwrap_or(self.format.facility);
        let severity = Severity::of(record.severity_number())
            .or(special.severity)
            .unwrap_or(Severity::Informational)
            .max(self.format.gravest);
        let priority = facility.code() * 8 + severity.code();
        out.push(b'<');
        out.extend_from_slice(itoa::Buffer::new().format(priority).as_bytes());
        out.extend_from_slice(b">1 ");
        match (record.time_unix_nano(), record.observed_time_unix_nano()) {
            (0, 0) => out.push(b'-'),
            (0, time) | (time, _) => self.clock.write(out, time),
        }
        out.extend_from_slice(&self.sender);
        match special.proc_id {
            Some(_) => header_value(out, &mut self.scratch, special.proc_id, PROC_ID),
            None => out.extend_from_slice(&self.process),
        }
        out.push(b' ');
        match special.msg_id {
            Some(_) => header_value(out, &mut self.scratch, special.msg_id, MSG_ID),
            None => text_or_nil(out, record.event_name().as_bytes(), MSG_ID),
        }
        out.push(b' ');
    }

    /// Writes the body, if there is one.
    fn text(&mut self, record: &LogRecord<'a>, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(b' ');
        if self.format.byte_order_mark {
            out.extend_from_slice("\u{feff}".as_bytes());
        }
        let text = out.len();
        otlp::text::value(out, record.body());
        if out.len() == text {
            out.truncate(start);
        }
    }

    /// Writes a message that is too large as far as there is room. Returns how many parameters
    /// were left out; `None` if there is no room for the header.
    #[cold]
    fn short(
        &mut self,
        record: &LogRecord<'a>,
        special: &Special<'a>,
        text_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<u64> {
        let end = out.len() + self.format.max_message_bytes;
        self.header(record, special, out);
        // The least that structured data takes is a hyphen.
        let room = end.checked_sub(out.len() + 1)?;
        let limit = end - text_bytes.min(room / 2);
        let left_out = self.structured.write(record, special, out, limit);
        let text = out.len();
        self.text(record, out);
        self.summary.cut += 1;
        if out.len() > end {
            let mut end = end;
            while matches!(out.get(end), Some(0x80..0xc0)) {
                end -= 1;
            }
            // Nothing but the space before it is no text.
            out.truncate(if end <= text + 1 { text } else { end });
        }
        Some(left_out)
    }

    /// Puts the frame around the message that begins at `start`, for which room was left from
    /// `frame` on.
    fn frame(&mut self, out: &mut Vec<u8>, frame: usize, start: usize) {
        match self.format.framing {
            Framing::LineFeed => {
                for byte in out.iter_mut().skip(start) {
                    if matches!(byte, b'\n' | b'\r') {
                        *byte = b' ';
                    }
                }
                out.push(b'\n');
            }
            Framing::OctetCounting => {
                let mut buffer = itoa::Buffer::new();
                let length = buffer.format(out.len() - start).as_bytes();
                if length.len() != self.digits {
                    self.digits = length.len();
                    let spaces = std::iter::repeat_n(b' ', self.digits + 1);
                    out.splice(frame..start, spaces);
                }
                if let Some(room) = out.get_mut(frame..frame + length.len()) {
                    room.copy_from_slice(length);
                }
            }
        }
    }
}

/// Writes a value of the header, or `-` if there is none.
fn header_value(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    value: Option<AnyValue<'_>>,
    limit: usize,
) {
    match value {
        Some(AnyValue::Str(text)) => text_or_nil(out, text.as_bytes(), limit),
        Some(value) => {
            scratch.clear();
            otlp::text::value(scratch, value);
            text_or_nil(out, scratch, limit);
        }
        None => out.push(b'-'),
    }
}

fn text_or_nil(out: &mut Vec<u8>, text: &[u8], limit: usize) {
    if text.is_empty() {
        out.push(b'-');
    } else {
        text::header(out, text, limit);
    }
}

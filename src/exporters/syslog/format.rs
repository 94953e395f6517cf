//! How messages are formed.

use super::{Facility, Severity};
use crate::InvalidConfig;

/// How messages are told apart on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// The length in bytes, a space, the message: RFC 6587, section 3.4.1, and RFC 5425. Messages
    /// may hold anything.
    #[default]
    OctetCounting,
    /// A line feed behind each message: RFC 6587, section 3.4.2. Line feeds and carriage returns
    /// within messages become spaces. A message that is cut off when a connection dies looks like
    /// a whole one to many receivers.
    LineFeed,
}

/// How log records become messages of RFC 5424.
///
/// | option | default |
/// |---|---|
/// | framing | octet counting |
/// | facility | `user` (1), unless the record has `syslog.facility` |
/// | gravest severity | emergency (0): no limit |
/// | host name | none (`-`), unless the resource has `host.name` |
/// | enterprise number | 32473, which is for documentation |
/// | resource attributes | left out |
/// | largest message | 64 KiB |
/// | byte order mark | none |
///
/// ```
/// use tower_otlp::{ExportRequest, Signal, exporters::syslog::SyslogFormat};
///
/// // ResourceLogs { scope_logs { log_records { } } }
/// let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
/// let request = ExportRequest::from_protobuf(Signal::Logs, bytes)?;
/// let mut out = Vec::new();
/// let summary = SyslogFormat::default().encode(request.logs().unwrap(), &mut out);
/// assert_eq!(out, b"17 <14>1 - - - - - -");
/// assert_eq!(summary.messages, 1);
/// # Ok::<(), tower_otlp::otlp::Malformed>(())
/// ```
#[derive(Clone, Debug)]
pub struct SyslogFormat {
    pub(super) framing: Framing,
    pub(super) facility: Facility,
    pub(super) gravest: Severity,
    pub(super) host_name: String,
    pub(super) enterprise_number: u32,
    pub(super) resource_attributes: bool,
    pub(super) max_message_bytes: usize,
    pub(super) byte_order_mark: bool,
}

impl Default for SyslogFormat {
    fn default() -> Self {
        Self {
            framing: Framing::OctetCounting,
            facility: Facility::USER,
            gravest: Severity::Emergency,
            host_name: String::new(),
            enterprise_number: 32_473,
            resource_attributes: false,
            max_message_bytes: 64 << 10,
            byte_order_mark: false,
        }
    }
}

impl SyslogFormat {
    /// The fewest bytes that a limit on messages may be: what every receiver must take (RFC 5424,
    /// section 6.1).
    pub const LEAST_MAX_MESSAGE_BYTES: usize = 480;

    /// Sets how messages are told apart. Default: octet counting.
    #[must_use]
    pub const fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sets the facility of records that have no attribute `syslog.facility`. Default: `user`.
    #[must_use]
    pub const fn facility(mut self, facility: Facility) -> Self {
        self.facility = facility;
        self
    }

    /// Sets the gravest severity: what is graver is sent as this. Default: emergency. FATAL is an
    /// emergency, which some receivers show on every terminal; `Critical` avoids that.
    #[must_use]
    pub const fn gravest(mut self, severity: Severity) -> Self {
        self.gravest = severity;
        self
    }

    /// Sets the host name of resources that have no attribute `host.name`. Default: none.
    #[must_use]
    pub fn host_name(mut self, name: impl Into<String>) -> Self {
        self.host_name = name.into();
        self
    }

    /// Sets the private enterprise number in the names of the structured data:
    /// `attributes@32473`. Default: 32473, which RFC 5612 sets aside for documentation; one's own
    /// is had from IANA.
    #[must_use]
    pub const fn enterprise_number(mut self, number: u32) -> Self {
        self.enterprise_number = number;
        self
    }

    /// Whether to write the attributes of the resource as structured data, but for those that
    /// stand elsewhere in the message. Default: false.
    #[must_use]
    pub const fn resource_attributes(mut self, write: bool) -> Self {
        self.resource_attributes = write;
        self
    }

    /// Sets the largest message, in bytes without its framing. Default: 64 KiB. Receivers should
    /// take 2048 bytes (RFC 5424, section 6.1); rsyslog takes 8 KiB unless told otherwise.
    ///
    /// The text of a larger message is cut, at the end of a character. If its structured data
    /// alone takes more than half of the room, parameters are left out, as few as need be.
    ///
    /// # Errors
    /// If it is less than [`LEAST_MAX_MESSAGE_BYTES`](Self::LEAST_MAX_MESSAGE_BYTES).
    pub fn max_message_bytes(mut self, bytes: usize) -> Result<Self, InvalidConfig> {
        let least = Self::LEAST_MAX_MESSAGE_BYTES;
        if bytes < least {
            let message = format!("a limit of {bytes} bytes is too small; {least} is the least");
            return Err(InvalidConfig::new(message));
        }
        self.max_message_bytes = bytes;
        Ok(self)
    }

    /// Whether the text begins with a byte order mark, which RFC 5424, section 6.4, asks for and
    /// most receivers show as dirt. Default: false. The text is UTF-8 in either case.
    #[must_use]
    pub const fn byte_order_mark(mut self, write: bool) -> Self {
        self.byte_order_mark = write;
        self
    }
}

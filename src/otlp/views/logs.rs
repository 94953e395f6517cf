//! Views of logs.

use super::{Telemetry, view};

/// The log records of a request.
pub type Logs<'a> = Telemetry<'a, LogRecord<'a>>;

view! {
    /// One log record.
    pub LogRecord {
        /// When it happened, in nanoseconds since the Unix epoch; 0 if it is not known.
        1 time_unix_nano: fixed64,
        /// How grave it is, as a number.
        2 severity_number: enumeration<SeverityNumber>,
        /// How grave it is, as the source names it.
        3 severity_text: str,
        /// What is said.
        5 body: any,
        /// Attributes.
        6 attributes: attributes,
        /// Number of attributes that the sender left out.
        7 dropped_attributes_count: uint32,
        /// W3C trace flags in the low 8 bits.
        8 flags: fixed32,
        /// The trace it belongs to: 16 bytes, or empty.
        9 trace_id: trace_id,
        /// The span it belongs to: 8 bytes, or empty.
        10 span_id: span_id,
        /// When it was collected, in nanoseconds since the Unix epoch.
        11 observed_time_unix_nano: fixed64,
        /// Name of the event class, if the record is an event.
        12 event_name: str,
    }
}

/// How grave a log record is. A number that this version does not know is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeverityNumber(pub i32);

impl SeverityNumber {
    /// Not said.
    pub const UNSPECIFIED: Self = Self(0);
    /// First of the four trace levels (1 to 4).
    pub const TRACE: Self = Self(1);
    /// First of the four debug levels (5 to 8).
    pub const DEBUG: Self = Self(5);
    /// First of the four info levels (9 to 12).
    pub const INFO: Self = Self(9);
    /// First of the four warn levels (13 to 16).
    pub const WARN: Self = Self(13);
    /// First of the four error levels (17 to 20).
    pub const ERROR: Self = Self(17);
    /// First of the four fatal levels (21 to 24).
    pub const FATAL: Self = Self(21);

    /// The name as the specification's short form has it: `INFO`, `WARN2`, ... ; `UNSPECIFIED`
    /// for 0, and `None` for a number that the specification does not know.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        const NAMES: [&str; 25] = [
            "UNSPECIFIED",
            "TRACE",
            "TRACE2",
            "TRACE3",
            "TRACE4",
            "DEBUG",
            "DEBUG2",
            "DEBUG3",
            "DEBUG4",
            "INFO",
            "INFO2",
            "INFO3",
            "INFO4",
            "WARN",
            "WARN2",
            "WARN3",
            "WARN4",
            "ERROR",
            "ERROR2",
            "ERROR3",
            "ERROR4",
            "FATAL",
            "FATAL2",
            "FATAL3",
            "FATAL4",
        ];
        NAMES.get(usize::try_from(self.0).ok()?).copied()
    }
}

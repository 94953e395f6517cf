//! The codes of RFC 5424, section 6.2.1.

use std::fmt;

use crate::otlp::SeverityNumber;

/// Which part of a system a message is from, as syslog counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facility(u8);

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

impl Facility {
    /// The operating system's kernel: 0.
    pub const KERN: Self = Self(0);
    /// User-level messages: 1.
    pub const USER: Self = Self(1);
    /// Daemons: 3.
    pub const DAEMON: Self = Self(3);
    /// Security and authorisation: 4.
    pub const AUTH: Self = Self(4);
    /// The first of the eight for local use: 16.
    pub const LOCAL0: Self = Self(16);
    /// The last of the eight for local use: 23.
    pub const LOCAL7: Self = Self(23);

    /// The facility with this code, if there is one: 0 to 23.
    #[must_use]
    pub const fn new(code: u8) -> Option<Self> {
        // The cast is lossless: the list is short.
        if code < FACILITIES.len() as u8 {
            Some(Self(code))
        } else {
            None
        }
    }

    /// The facility with this name: `kern`, `user`, `daemon`, `local0` and so on.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let code = FACILITIES.iter().position(|known| *known == name)?;
        Self::new(u8::try_from(code).ok()?)
    }

    /// The names of all, in the order of their codes.
    #[must_use]
    pub const fn names() -> [&'static str; 24] {
        FACILITIES
    }

    /// Its code, 0 to 23.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FACILITIES.get(usize::from(self.0)).copied().unwrap_or("?"))
    }
}

/// How grave a message is, as syslog counts: from emergency, 0, down to debug, 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// The system is unusable. Receivers may show it on every terminal.
    Emergency = 0,
    /// Something must be done at once.
    Alert = 1,
    /// Critical.
    Critical = 2,
    /// An error.
    Error = 3,
    /// A warning.
    Warning = 4,
    /// Normal, but significant.
    Notice = 5,
    /// For information.
    Informational = 6,
    /// For debugging.
    Debug = 7,
}

impl Severity {
    /// All, from the gravest to the least grave.
    pub const ALL: [Severity; 8] = [
        Severity::Emergency,
        Severity::Alert,
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Notice,
        Severity::Informational,
        Severity::Debug,
    ];

    /// The usual short name: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`, `info`,
    /// `debug`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Emergency => "emerg",
            Severity::Alert => "alert",
            Severity::Critical => "crit",
            Severity::Error => "err",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
            Severity::Informational => "info",
            Severity::Debug => "debug",
        }
    }

    /// Its code, 0 to 7.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The severity of a log record's number; `None` if the record does not say, or says a number
    /// that OpenTelemetry does not know.
    ///
    /// Source: OpenTelemetry's logs data model, appendix B, "SeverityNumber example mappings",
    /// for the numbers 5, 9, 10, 13, 17, 18, 19 and 21. Those between have the severity of the
    /// one below; trace counts as debug, and a fourth error as the third.
    #[must_use]
    pub const fn of(number: SeverityNumber) -> Option<Self> {
        Some(match number.0 {
            1..=8 => Severity::Debug,
            9 => Severity::Informational,
            10..=12 => Severity::Notice,
            13..=16 => Severity::Warning,
            17 => Severity::Error,
            18 => Severity::Critical,
            19 | 20 => Severity::Alert,
            21..=24 => Severity::Emergency,
            _ => return None,
        })
    }

    pub(super) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_severity_number() {
        let codes = (-1..=25).map(|number| Severity::of(SeverityNumber(number)));
        let codes: Vec<i8> = codes
            .map(|severity| severity.map_or(-1, |severity| severity.code() as i8))
            .collect();
        assert_eq!(
            codes,
            [
                -1, -1, 7, 7, 7, 7, 7, 7, 7, 7, 6, 5, 5, 5, 4, 4, 4, 4, 3, 2, 1, 1, 0, 0, 0, 0, -1
            ]
        );
    }

    #[test]
    fn codes_and_names() {
        for (code, name) in Facility::names().into_iter().enumerate() {
            let facility = Facility::from_name(name).expect(name);
            assert_eq!(usize::from(facility.code()), code);
            assert_eq!(facility.to_string(), name);
        }
        assert_eq!(Facility::new(24), None);
        assert_eq!(Facility::from_name("local8"), None);
        assert_eq!(Facility::LOCAL7.to_string(), "local7");
        assert_eq!(Severity::from_code(7), Some(Severity::Debug));
        assert_eq!(Severity::from_code(8), None);
        assert_eq!(Severity::from_code(-1), None);
    }
}

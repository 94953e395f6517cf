//! Which version of the protocol a receiver speaks.

use std::sync::atomic::{AtomicU8, Ordering};

use super::encode::Protocol;

/// The version of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteWriteVersion {
    /// 2.0 if the receiver knows it, else 1.0: the default. A receiver that answers 415, or 2xx
    /// without saying how much it wrote, gets 1.0 from then on, as long as the exporter lives; so
    /// does one that has never taken 2.0, answers 400, and takes the same data as 1.0.
    #[default]
    Auto,
    /// 1.0, which every receiver knows.
    V1,
    /// 2.0 (2.0-rc.4). To a receiver that does not know it nothing is delivered.
    V2,
}

impl RemoteWriteVersion {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Auto, Self::V1, Self::V2];

    /// The name in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::V1 => "1",
            Self::V2 => "2",
        }
    }
}

/// What is known of the receiver. Shared by the clones of an exporter.
#[derive(Debug)]
pub(super) struct Negotiation {
    version: RemoteWriteVersion,
    known: AtomicU8,
}

const UNKNOWN: u8 = 0;
const ONE: u8 = 1;
const TWO: u8 = 2;

impl Negotiation {
    pub(super) const fn new(version: RemoteWriteVersion) -> Self {
        Self {
            version,
            known: AtomicU8::new(UNKNOWN),
        }
    }

    pub(super) const fn version(&self) -> RemoteWriteVersion {
        self.version
    }

    /// What to send.
    pub(super) fn protocol(&self) -> Protocol {
        match (self.version, self.known.load(Ordering::Relaxed)) {
            (RemoteWriteVersion::V1, _) | (RemoteWriteVersion::Auto, ONE) => Protocol::V1,
            _ => Protocol::V2,
        }
    }

    /// Whether 1.0 may be sent to a receiver that does not know 2.0.
    pub(super) fn may_fall_back(&self) -> bool {
        self.version == RemoteWriteVersion::Auto
    }

    /// Whether it has yet to be seen that the receiver knows 2.0.
    pub(super) fn is_unproven(&self) -> bool {
        self.may_fall_back() && self.known.load(Ordering::Relaxed) == UNKNOWN
    }

    /// Remembers what the receiver speaks.
    pub(super) fn learn(&self, protocol: Protocol) {
        let known = match protocol {
            Protocol::V1 => ONE,
            Protocol::V2 => TWO,
        };
        self.known.store(known, Ordering::Relaxed);
    }
}

use std::{sync::Arc, time::Duration};

use crate::{InvalidConfig, Lifecycle, Stage};

/// How requests are batched. Turn it into a layer with [`BatchLayer::new`](super::BatchLayer::new),
/// which checks it.
///
/// | Setting | Default |
/// |---|---|
/// | [`max_items`](Self::max_items) | 8192 |
/// | [`max_bytes`](Self::max_bytes) | 4,000,000 bytes |
/// | [`timeout`](Self::timeout) | 200 ms |
/// | [`max_in_flight`](Self::max_in_flight) | 8 batches |
/// | [`key_header`](Self::key_header) | none: by signal and tenant only |
/// | [`max_keys`](Self::max_keys) | 1000 |
/// | [`lifecycle`](Self::lifecycle) | none |
#[derive(Clone, Debug)]
pub struct BatchConfig {
    pub(super) max_items: u64,
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) max_in_flight: usize,
    pub(super) max_keys: usize,
    pub(super) key_headers: Arc<[Arc<str>]>,
    pub(super) stage: Stage,
}

impl BatchConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            max_items: 8192,
            max_bytes: 4_000_000,
            timeout: Duration::from_millis(200),
            max_in_flight: 8,
            max_keys: 1000,
            key_headers: Arc::default(),
            stage: Stage::default(),
        }
    }

    /// The most items of a batch: spans, data points or log records. A batch that has so many is
    /// sent at once.
    #[must_use]
    pub const fn max_items(mut self, items: u64) -> Self {
        self.max_items = items;
        self
    }

    /// The most bytes of a batch, in protobuf form and before compression. An item that is larger
    /// is sent alone.
    ///
    /// gRPC servers take messages of up to 4 MiB by default (4,194,304 bytes after decompression).
    /// The default of this setting stays 194,304 bytes below that, for what layers further down
    /// may add to a batch.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How long a batch waits to be filled, from its first request on. Zero sends at once what
    /// finds a free place in flight; only while all are taken do batches grow.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many batches may be without an answer at a time. While there are so many, the next
    /// batch of each key goes on growing until one of them is full; then no more requests are
    /// taken.
    #[must_use]
    pub const fn max_in_flight(mut self, batches: usize) -> Self {
        self.max_in_flight = batches;
        self
    }

    /// How many keys may have a batch that is being filled. For one more, the oldest batch is sent
    /// before its time.
    #[must_use]
    pub const fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// Adds a header to the key: only requests with the same values of it share a batch, and it
    /// travels on with the batch. The name is compared without regard to case.
    #[must_use]
    pub fn key_header(mut self, name: impl Into<Arc<str>>) -> Self {
        let known = self.key_headers.iter().cloned();
        self.key_headers = known.chain([name.into()]).collect();
        self
    }

    /// Takes part in the flushes and the shutdown of this lifecycle: batches are then sent without
    /// waiting to be filled.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: &Lifecycle) -> Self {
        self.stage = lifecycle.stage();
        self
    }

    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        let problem = if self.max_items == 0 {
            "max_items is 0, and no batch is that small: set at least 1"
        } else if self.max_bytes == 0 {
            "max_bytes is 0, and no batch is that small: set at least 1"
        } else if self.max_in_flight == 0 {
            "max_in_flight is 0, and nothing would ever be sent: set at least 1"
        } else if self.max_keys == 0 {
            "max_keys is 0, and no batch could be filled: set at least 1"
        } else if self.key_headers.iter().any(|name| name.is_empty()) {
            "a key_header has no name: name the header, or leave the setting out"
        } else {
            return Ok(());
        };
        Err(InvalidConfig::new(format!("batch layer: {problem}")))
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self::new()
    }
}

use crate::InvalidConfig;

/// What a [`SplitLayer`](super::SplitLayer) cuts, and how far it goes.
///
/// | Setting | Default |
/// |---|---|
/// | [`max_items`](Self::max_items) | no bound |
/// | [`max_bytes`](Self::max_bytes) | no bound |
/// | [`isolate_rejected`](Self::isolate_rejected) | `false` |
/// | [`max_bisections`](Self::max_bisections) | no bound |
/// | [`max_in_flight`](Self::max_in_flight) | 1 |
/// | [`learn_limit`](Self::learn_limit) | `false` |
///
/// Whatever the settings, a request that the inner service calls too large is cut in halves.
#[derive(Clone, Copy, Debug)]
pub struct SplitConfig {
    pub(super) max_items: u64,
    pub(super) max_bytes: usize,
    pub(super) isolate_rejected: bool,
    pub(super) max_bisections: Option<u32>,
    pub(super) max_in_flight: usize,
    pub(super) learn_limit: bool,
}

impl SplitConfig {
    /// The defaults: nothing is cut ahead.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_items: u64::MAX,
            max_bytes: usize::MAX,
            isolate_rejected: false,
            max_bisections: None,
            max_in_flight: 1,
            learn_limit: false,
        }
    }

    /// The most items that are sent in one request: spans, data points or log records.
    #[must_use]
    pub const fn max_items(mut self, items: u64) -> Self {
        self.max_items = items;
        self
    }

    /// The most bytes that are sent in one request, in protobuf form and before compression. An
    /// item that is larger is sent alone.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Whether a request that the inner service calls [`Rejected`](crate::ErrorKind::Rejected) is
    /// cut in halves as well, until the items that are to blame stand alone.
    #[must_use]
    pub const fn isolate_rejected(mut self, isolate: bool) -> Self {
        self.isolate_rejected = isolate;
        self
    }

    /// How often a rejected request, and what becomes of it, is cut in halves at most. To find one
    /// item among *n* takes log2(*n*) cuts.
    #[must_use]
    pub const fn max_bisections(mut self, cuts: u32) -> Self {
        self.max_bisections = Some(cuts);
        self
    }

    /// How many pieces of one request may be under way at a time. They arrive in no certain order
    /// if that is more than 1.
    #[must_use]
    pub const fn max_in_flight(mut self, pieces: usize) -> Self {
        self.max_in_flight = pieces;
        self
    }

    /// Whether to remember what size was too large, and to cut later requests ahead so that they
    /// stay below it. All clones of a service remember together, for as long as one of them lives.
    #[must_use]
    pub const fn learn_limit(mut self, learn: bool) -> Self {
        self.learn_limit = learn;
        self
    }

    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        let problem = if self.max_items == 0 {
            "max_items is 0, and no request is that small: set at least 1, or leave it out"
        } else if self.max_bytes == 0 {
            "max_bytes is 0, and no request is that small: set at least 1, or leave it out"
        } else if self.max_in_flight == 0 {
            "max_in_flight is 0, and nothing would ever be sent: set at least 1"
        } else if self.isolate_rejected && self.max_bisections == Some(0) {
            "max_bisections is 0, and no item would ever be isolated: set at least 1, or leave \
             isolate_rejected out"
        } else {
            return Ok(());
        };
        Err(InvalidConfig::new(format!("split layer: {problem}")))
    }
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self::new()
    }
}

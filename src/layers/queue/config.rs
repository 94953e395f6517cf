use std::{fmt, str::FromStr, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    BoxExporter, Exporter, ExporterExt, InvalidConfig, Lifecycle, Stage,
    layers::observe::SharedObserver,
};

/// What happens to a request that finds the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// It waits until there is room, behind those that came before it. Until then it is still
    /// the caller's: a caller that goes away takes it along.
    #[default]
    Block,
    /// It is answered with [`Overloaded`](crate::ErrorKind::Overloaded), to be sent again with
    /// backoff.
    RejectNew,
    /// The oldest requests that are not in flight make room. They go to the
    /// [dead letter](QueueConfig::dead_letter) exporter; without one, or if it cannot keep up,
    /// they are dropped. If what is in flight fills the queue, the new request is answered as by
    /// `RejectNew`.
    DropOldest,
}

/// `block`, `reject-new`, `drop-oldest`: for configuration files and command lines.
impl FromStr for Overflow {
    type Err = InvalidConfig;

    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "block" => Ok(Self::Block),
            "reject-new" => Ok(Self::RejectNew),
            "drop-oldest" => Ok(Self::DropOldest),
            _ => Err(InvalidConfig::new(
                "an overflow is one of block, reject-new, drop-oldest",
            )),
        }
    }
}

/// When a request is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acknowledge {
    /// When it is delivered, or has failed for good: the caller hears what became of it.
    #[default]
    OnDelivery,
    /// When it is stored, with [`retained`](crate::ExportResponse::retained) items: the queue
    /// answers for it from then on. What is lost later is counted and logged, and the caller
    /// does not hear of it. A caller that asks so late that the delivery is over by then gets
    /// its result instead.
    OnEnqueue,
}

/// `delivery`, `enqueue`: for configuration files and command lines.
impl FromStr for Acknowledge {
    type Err = InvalidConfig;

    fn from_str(name: &str) -> Result<Self, InvalidConfig> {
        match name {
            "delivery" => Ok(Self::OnDelivery),
            "enqueue" => Ok(Self::OnEnqueue),
            _ => Err(InvalidConfig::new(
                "a request is acknowledged on one of delivery, enqueue",
            )),
        }
    }
}

/// How a queue works. Turn it into a layer with [`QueueLayer::new`](super::QueueLayer::new),
/// which checks it.
///
/// | Setting | Default |
/// |---|---|
/// | [`max_bytes`](Self::max_bytes) | 64 MiB |
/// | [`max_requests`](Self::max_requests) | 4096 |
/// | [`overflow`](Self::overflow) | [`Overflow::Block`] |
/// | [`acknowledge`](Self::acknowledge) | [`Acknowledge::OnDelivery`] |
/// | [`concurrency`](Self::concurrency) | 8 requests |
/// | [`initial_backoff`](Self::initial_backoff) | 1 s |
/// | [`max_backoff`](Self::max_backoff) | 60 s |
/// | [`max_redeliveries`](Self::max_redeliveries) | no bound |
/// | [`max_age`](Self::max_age) | no bound |
/// | [`dead_letter`](Self::dead_letter) | none |
/// | [`lifecycle`](Self::lifecycle) | none |
/// | [`observer`](Self::observer) | none |
#[derive(Clone)]
pub struct QueueConfig {
    pub(super) max_bytes: usize,
    pub(super) max_requests: usize,
    pub(super) overflow: Overflow,
    pub(super) acknowledge: Acknowledge,
    pub(super) concurrency: usize,
    initial_backoff: Duration,
    max_backoff: Duration,
    pub(super) max_redeliveries: Option<u32>,
    pub(super) max_age: Option<Duration>,
    pub(super) dead_letter: Option<BoxExporter>,
    pub(super) stage: Option<Stage>,
    pub(super) observer: SharedObserver,
}

impl QueueConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_requests: 4096,
            overflow: Overflow::Block,
            acknowledge: Acknowledge::OnDelivery,
            concurrency: 8,
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(60),
            max_redeliveries: None,
            max_age: None,
            dead_letter: None,
            stage: None,
            observer: SharedObserver::none(),
        }
    }

    /// How much memory its requests may hold, in bytes. What is in flight or waits for a retry
    /// counts. A request that is larger than this is answered with
    /// [`TooLarge`](crate::ErrorKind::TooLarge).
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many requests it may hold. What is in flight or waits for a retry counts.
    #[must_use]
    pub const fn max_requests(mut self, requests: usize) -> Self {
        self.max_requests = requests;
        self
    }

    /// What happens to a request that finds the queue full.
    #[must_use]
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// When a request is answered.
    #[must_use]
    pub const fn acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// How many requests are in flight at a time. As many may be on their way to the dead letter
    /// exporter.
    #[must_use]
    pub const fn concurrency(mut self, requests: usize) -> Self {
        self.concurrency = requests;
        self
    }

    /// The longest wait after the first failure of a request. It doubles from failure to failure;
    /// the wait itself is random, from zero to this.
    #[must_use]
    pub const fn initial_backoff(mut self, bound: Duration) -> Self {
        self.initial_backoff = bound;
        self
    }

    /// The longest wait after any failure. A delay that the server named may be longer.
    #[must_use]
    pub const fn max_backoff(mut self, bound: Duration) -> Self {
        self.max_backoff = bound;
        self
    }

    /// How many times a request is sent again at most. With zero the first failure is the last.
    #[must_use]
    pub const fn max_redeliveries(mut self, redeliveries: u32) -> Self {
        self.max_redeliveries = Some(redeliveries);
        self
    }

    /// How long after it came into the queue a request may still be sent again.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Where requests go whose delivery has failed for good, and those that a full queue gives up
    /// for newer ones. Retries and timeouts for it are its
    /// own affair: give it layers of its own.
    #[must_use]
    pub fn dead_letter(mut self, exporter: impl Exporter) -> Self {
        self.dead_letter = Some(exporter.boxed_exporter());
        self
    }

    /// Takes part in the flushes and the shutdown of this lifecycle.
    #[must_use]
    pub fn lifecycle(mut self, lifecycle: &Lifecycle) -> Self {
        self.stage = Some(lifecycle.stage());
        self
    }

    /// Tells this observer how full the queue is, how long requests wait in it, and what it
    /// drops: see [`layers::observe`](crate::layers::observe). The name of the queue is `"queue"`.
    #[must_use]
    pub fn observer(mut self, observer: impl Into<SharedObserver>) -> Self {
        self.observer = observer.into();
        self
    }

    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        let problem = if self.max_bytes == 0 {
            "a queue of zero bytes holds nothing: set max_bytes to the memory it may use"
        } else if self.max_requests == 0 {
            "a queue of zero requests holds nothing: set max_requests to 1 at least"
        } else if self.max_bytes.max(self.max_requests) > Semaphore::MAX_PERMITS {
            "max_bytes and max_requests of a queue cannot be beyond an eighth of the address space"
        } else if self.concurrency == 0 {
            "a queue that has nothing in flight delivers nothing: set concurrency to 1 at least"
        } else if self.initial_backoff.is_zero() && self.max_redeliveries.is_none() {
            "without any backoff failed requests are sent again without pause and without end: \
             set initial_backoff, or a bound by max_redeliveries"
        } else if self.initial_backoff > self.max_backoff {
            "initial_backoff of a queue is beyond its max_backoff: swap or change them"
        } else {
            return Ok(());
        };
        Err(InvalidConfig::new(problem))
    }

    /// The wait after so many attempts: anything up to a bound that grows.
    pub(super) fn backoff(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1).min(31));
        let bound = self
            .initial_backoff
            .saturating_mul(doubled)
            .min(self.max_backoff);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(fastrand::u64(0..=nanos))
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for QueueConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueConfig")
            .field("max_bytes", &self.max_bytes)
            .field("max_requests", &self.max_requests)
            .field("overflow", &self.overflow)
            .field("acknowledge", &self.acknowledge)
            .field("concurrency", &self.concurrency)
            .field("initial_backoff", &self.initial_backoff)
            .field("max_backoff", &self.max_backoff)
            .field("max_redeliveries", &self.max_redeliveries)
            .field("max_age", &self.max_age)
            .field("dead_letter", &self.dead_letter.is_some())
            .finish_non_exhaustive()
    }
}

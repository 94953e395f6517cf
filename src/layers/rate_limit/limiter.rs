use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::line::{Line, Place},
    bucket::{Bucket, Paid},
};
use crate::{ExportRequest, InvalidConfig};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Items,
    Bytes,
    Requests,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Unit::Items => "items",
            Unit::Bytes => "bytes",
            Unit::Requests => "requests",
        }
    }

    /// What a request costs. Counts are far below the point at which `f64` gets coarse.
    #[allow(clippy::cast_precision_loss)]
    fn cost(self, request: &ExportRequest) -> f64 {
        match self {
            Unit::Items => request.items() as f64,
            Unit::Bytes => request.byte_size() as f64,
            Unit::Requests => 1.0,
        }
    }
}

/// A rate that several services share; a handle, whose clones are the same limiter. See the
/// [module](super).
#[derive(Clone)]
pub struct RateLimiter {
    unit: Unit,
    line: Arc<Line<Bucket>>,
}

impl RateLimiter {
    /// So many items a second: spans, data points or log records. The burst is one second's
    /// worth.
    ///
    /// # Errors
    /// If the rate is not a finite number above zero.
    pub fn items_per_second(rate: f64) -> Result<Self, InvalidConfig> {
        Self::new(Unit::Items, rate)
    }

    /// So many bytes a second, as protobuf before compression. The burst is one second's worth.
    ///
    /// # Errors
    /// If the rate is not a finite number above zero.
    pub fn bytes_per_second(rate: f64) -> Result<Self, InvalidConfig> {
        Self::new(Unit::Bytes, rate)
    }

    /// So many requests a second; below a retry, so many attempts. The burst is one second's
    /// worth.
    ///
    /// # Errors
    /// If the rate is not a finite number above zero.
    pub fn requests_per_second(rate: f64) -> Result<Self, InvalidConfig> {
        Self::new(Unit::Requests, rate)
    }

    fn new(unit: Unit, rate: f64) -> Result<Self, InvalidConfig> {
        if !rate.is_finite() || rate <= 0.0 {
            return Err(InvalidConfig::new(format!(
                "a rate limit of {rate} {} a second cannot work: give a finite rate above zero, \
                 or leave the layer out",
                unit.as_str()
            )));
        }
        // With a bucket of less than one token, the first request could never be within it.
        Ok(Self::with(unit, rate, rate.max(1.0)))
    }

    fn with(unit: Unit, rate: f64, burst: f64) -> Self {
        Self {
            unit,
            line: Arc::new(Line::new(Bucket::new(rate, burst))),
        }
    }

    /// A new limiter of the same rate, which lets so much pass at once after a pause, in items,
    /// bytes or requests. It starts full, and shares nothing with this one.
    ///
    /// # Errors
    /// If the burst is not a finite number of at least one.
    pub fn with_burst(self, burst: f64) -> Result<Self, InvalidConfig> {
        if !burst.is_finite() || burst < 1.0 {
            return Err(InvalidConfig::new(format!(
                "a burst of {burst} {} cannot work: give a finite number of at least one",
                self.unit.as_str()
            )));
        }
        Ok(Self::with(self.unit, self.rate(), burst))
    }

    /// The rate, in items, bytes or requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.line.with(|bucket| bucket.rate())
    }

    /// The burst, in items, bytes or requests.
    #[must_use]
    pub fn burst(&self) -> f64 {
        self.line.with(|bucket| bucket.burst())
    }

    /// What could pass now, in items, bytes or requests. Below zero it is what is owed.
    #[must_use]
    pub fn balance(&self) -> f64 {
        self.line.with(|bucket| bucket.balance(Instant::now()))
    }

    /// How many handles wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.waiting()
    }

    /// How long nobody gets anything.
    pub(super) fn wait(&self) -> Duration {
        self.line.with(|bucket| bucket.wait(Instant::now()))
    }

    pub(super) fn poll_take(
        &self,
        place: &mut Option<Place<Bucket>>,
        cx: &mut Context<'_>,
    ) -> Poll<Paid> {
        let tokens = ready!(self.line.poll_take(place, cx));
        Poll::Ready(Paid::new(Arc::clone(&self.line), tokens))
    }

    /// Charges a request; `paid` is `None` if it comes without having been let in.
    pub(super) fn charge(&self, request: &ExportRequest, paid: Option<Paid>) {
        let paid = paid.unwrap_or_else(|| Paid::new(Arc::clone(&self.line), 0.0));
        paid.settle(self.unit.cost(request));
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("unit", &self.unit)
            .field("rate", &self.rate())
            .field("burst", &self.burst())
            .field("balance", &self.balance())
            .finish_non_exhaustive()
    }
}

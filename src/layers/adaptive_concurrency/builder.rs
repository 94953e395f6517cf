use std::str::FromStr;

use super::{AdaptiveConcurrencyLayer, controller::Controller};
use crate::{InvalidConfig, layers::observe::SharedObserver};

/// Settings of an [`AdaptiveConcurrencyLayer`], all in requests in flight.
#[derive(Clone, Debug)]
#[must_use]
pub struct AdaptiveConcurrencyBuilder {
    min: usize,
    max: usize,
    initial: usize,
    observer: SharedObserver,
}

impl AdaptiveConcurrencyBuilder {
    pub(super) const fn new() -> Self {
        Self {
            min: 1,
            max: 256,
            initial: 1,
            observer: SharedObserver::none(),
        }
    }

    /// The limit never goes below this. Default: 1.
    pub const fn min_limit(mut self, requests: usize) -> Self {
        self.min = requests;
        self
    }

    /// The limit never goes above this, which bounds what is in memory. Default: 256.
    pub const fn max_limit(mut self, requests: usize) -> Self {
        self.max = requests;
        self
    }

    /// The limit at the start. Default: 1; it doubles from there, so that 64 are reached within
    /// some two hundred requests.
    pub const fn initial_limit(mut self, requests: usize) -> Self {
        self.initial = requests;
        self
    }

    /// Tells this observer the limit, when it is built and each time that it changes: see
    /// [`layers::observe`](crate::layers::observe).
    pub fn observer(mut self, observer: impl Into<SharedObserver>) -> Self {
        self.observer = observer.into();
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// If `1 <= min <= initial <= max` does not hold.
    pub fn build(self) -> Result<AdaptiveConcurrencyLayer, InvalidConfig> {
        let Self {
            min,
            max,
            initial,
            observer,
        } = self;
        if min == 0 {
            return Err(InvalidConfig::new(
                "a minimum of 0 requests in flight lets nothing pass: give a min_limit of at \
                 least 1",
            ));
        }
        if min > max {
            return Err(InvalidConfig::new(format!(
                "the min_limit of {min} requests in flight is above the max_limit of {max}: \
                 lower the one or raise the other"
            )));
        }
        if !(min..=max).contains(&initial) {
            return Err(InvalidConfig::new(format!(
                "the initial_limit of {initial} requests in flight is not between the min_limit \
                 of {min} and the max_limit of {max}"
            )));
        }
        let controller = Controller::new(min, max, initial);
        Ok(AdaptiveConcurrencyLayer::over(controller, observer))
    }
}

/// `auto` for the defaults, or a number: a limit that stays as it is. For command lines.
///
/// ```
/// use tower_otlp::layers::adaptive_concurrency::AdaptiveConcurrencyBuilder;
///
/// let fixed: AdaptiveConcurrencyBuilder = "16".parse()?;
/// assert!(fixed.build().is_ok());
/// assert!("many".parse::<AdaptiveConcurrencyBuilder>().is_err());
/// # Ok::<(), tower_otlp::InvalidConfig>(())
/// ```
impl FromStr for AdaptiveConcurrencyBuilder {
    type Err = InvalidConfig;

    fn from_str(text: &str) -> Result<Self, InvalidConfig> {
        if text == "auto" {
            return Ok(Self::new());
        }
        let limit = text.parse().map_err(|error| {
            InvalidConfig::new(format!(
                "`{text}` is not auto and not a number of requests in flight: {error}"
            ))
        })?;
        let builder = Self::new().min_limit(limit).initial_limit(limit);
        Ok(builder.max_limit(limit))
    }
}

impl Default for AdaptiveConcurrencyBuilder {
    fn default() -> Self {
        Self::new()
    }
}

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{ErrorKind, ExportError, ExportRequest, InvalidConfig, RetryAdvice};

/// What one who is refused is told to wait, unless the budget is given another delay.
const DEFAULT_DELAY: Duration = Duration::from_secs(1);

/// A number of bytes that may be in flight; a handle, whose clones share the budget. See the
/// [module](super).
#[derive(Clone)]
pub struct AdmissionBudget {
    shared: Arc<Shared>,
    delay: Duration,
}

#[derive(Debug)]
struct Shared {
    capacity: usize,
    in_use: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
}

impl AdmissionBudget {
    /// So many bytes.
    ///
    /// # Errors
    /// If it is zero: nothing could pass.
    pub fn new(bytes: usize) -> Result<Self, InvalidConfig> {
        if bytes == 0 {
            return Err(InvalidConfig::new(
                "an admission budget of 0 bytes lets nothing pass: give it room for several \
                 requests, or leave it out",
            ));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                capacity: bytes,
                in_use: AtomicUsize::new(0),
                peak: AtomicUsize::new(0),
                refused: AtomicU64::new(0),
            }),
            delay: DEFAULT_DELAY,
        })
    }

    /// What those are told to wait who are refused through this handle. Default: 1 s.
    #[must_use]
    pub const fn retry_after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Size of the budget, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Bytes in flight.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.shared.in_use.load(Ordering::Relaxed)
    }

    /// The most bytes that were in flight at any time. Never more than the capacity.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::Relaxed)
    }

    /// How many requests were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Takes so many bytes for one request.
    ///
    /// # Errors
    /// *Overloaded*, with a delay, if they are not free; *too large* if they never could be.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, ExportError> {
        let mut reservation = Reservation {
            budget: self.clone(),
            bytes: 0,
        };
        reservation.grow_to(bytes)?;
        Ok(reservation)
    }

    /// Takes as many of so many bytes as are free.
    #[cfg(any(feature = "_compression", test))]
    fn take_up_to(&self, bytes: usize) -> usize {
        let Shared {
            capacity,
            in_use,
            peak,
            ..
        } = &*self.shared;
        let mut used = in_use.load(Ordering::Relaxed);
        loop {
            let taken = bytes.min(capacity - used);
            let now = used + taken;
            // Nothing but these numbers is guarded by them.
            match in_use.compare_exchange_weak(used, now, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    peak.fetch_max(now, Ordering::Relaxed);
                    return taken;
                }
                Err(other) => used = other,
            }
        }
    }

    /// Takes exactly so many bytes, or none.
    fn take(&self, bytes: usize) -> bool {
        let Shared {
            capacity,
            in_use,
            peak,
            ..
        } = &*self.shared;
        let fits = |used: usize| used.checked_add(bytes).filter(|now| now <= capacity);
        match in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(before) => {
                peak.fetch_max(before + bytes, Ordering::Relaxed);
                true
            }
            Err(_) => false,
        }
    }

    fn give_back(&self, bytes: usize) {
        self.shared.in_use.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for AdmissionBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmissionBudget")
            .field("capacity", &self.capacity())
            .field("in_use", &self.in_use())
            .field("peak", &self.peak())
            .field("refused", &self.refused())
            .field("retry_after", &self.delay)
            .finish()
    }
}

/// Bytes of one request, taken from a budget. They are given back on drop.
pub struct Reservation {
    budget: AdmissionBudget,
    bytes: usize,
}

impl Reservation {
    /// How many bytes it holds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds so many bytes in all, if it holds fewer now.
    ///
    /// # Errors
    /// *Overloaded*, with a delay, if they are not free; *too large* if they never could be. It
    /// then holds what it held before; the request counts as refused.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), ExportError> {
        let more = bytes.saturating_sub(self.bytes);
        if !self.budget.take(more) {
            return Err(self.refuse(bytes));
        }
        self.bytes += more;
        Ok(())
    }

    /// Takes as many of so many more bytes as are free, and says how many.
    #[cfg(any(feature = "_compression", test))]
    pub(crate) fn grow_by_up_to(&mut self, bytes: usize) -> usize {
        let taken = self.budget.take_up_to(bytes);
        self.bytes += taken;
        taken
    }

    /// Holds so many bytes, if it holds more now.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.budget.give_back(less);
    }

    /// Holds what this request takes, no more and no less.
    #[cfg(any(feature = "receiver-grpc", feature = "receiver-http"))]
    pub(crate) fn settle(&mut self, request: &ExportRequest) -> Result<(), ExportError> {
        let size = size_of(request);
        self.grow_to(size)?;
        self.shrink_to(size);
        Ok(())
    }

    /// The error of a request that needs so many bytes in all; it counts as refused.
    pub(crate) fn refuse(&self, bytes: usize) -> ExportError {
        let budget = &self.budget;
        budget.shared.refused.fetch_add(1, Ordering::Relaxed);
        let capacity = budget.capacity();
        if bytes > capacity {
            return ExportError::new(
                ErrorKind::TooLarge,
                format!("larger than the whole admission budget of {capacity} bytes"),
            );
        }
        ExportError::new(
            ErrorKind::Overloaded,
            format!("the admission budget of {capacity} bytes in flight is used up"),
        )
        .with_retry(RetryAdvice::After(budget.delay))
    }
}

/// What a request takes, in bytes: its protobuf form and the other forms that are kept.
pub(super) fn size_of(request: &ExportRequest) -> usize {
    request.byte_size().saturating_add(request.kept_size())
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_grows_and_shrinks_within_the_budget() {
        let budget = AdmissionBudget::new(100).expect("a budget");
        let mut one = budget.reserve(40).expect("free");
        let mut two = budget.reserve(40).expect("free");
        assert_eq!(
            one.grow_to(61).expect_err("20 are free").kind(),
            ErrorKind::Overloaded
        );
        assert_eq!(one.bytes(), 40);
        one.grow_to(60).expect("free");
        assert_eq!((budget.in_use(), two.grow_by_up_to(1)), (100, 0));
        one.shrink_to(30);
        assert_eq!(two.grow_by_up_to(1000), 30);
        assert_eq!((budget.in_use(), budget.peak()), (100, 100));
        drop(one);
        drop(two);
        assert_eq!((budget.in_use(), budget.refused()), (0, 1));
    }

    #[test]
    fn what_could_never_fit_is_too_large() {
        let budget = AdmissionBudget::new(100).expect("a budget");
        let error = budget.reserve(101).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(!error.is_retryable());
        let error = budget.reserve(usize::MAX).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(budget.reserve(100).is_ok());
    }

    #[test]
    fn threads_never_take_more_than_there_is() {
        let budget = AdmissionBudget::new(1000).expect("a budget");
        std::thread::scope(|scope| {
            for size in 1..=8 {
                let budget = &budget;
                scope.spawn(move || {
                    for round in 0..2000 {
                        if let Ok(mut reservation) = budget.reserve(size * 37) {
                            reservation.grow_by_up_to(round % 300);
                            reservation.shrink_to(round % 50);
                            let _ = reservation.grow_to(400);
                        }
                    }
                });
            }
        });
        assert_eq!(budget.in_use(), 0);
        assert!((1..=1000).contains(&budget.peak()), "{}", budget.peak());
    }
}

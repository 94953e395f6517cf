//! Times.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time as OTLP has it: nanoseconds since 1970 in UTC. What was before is 0, which stands for
/// unknown, and what comes after July 2554, when 64 bits are full, is the last that fits.
#[inline]
pub(super) fn unix_nanos(time: SystemTime) -> u64 {
    let Ok(since) = time.duration_since(UNIX_EPOCH) else {
        return 0;
    };
    since
        .as_secs()
        .checked_mul(1_000_000_000)
        .and_then(|nanos| nanos.checked_add(u64::from(since.subsec_nanos())))
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_beyond_the_range_are_its_ends() {
        let at = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
        for nanos in [0, 1, 999_999_999, 1_000_000_000, u64::MAX - 1, u64::MAX] {
            assert_eq!(unix_nanos(at(nanos)), nanos);
        }
        assert_eq!(unix_nanos(at(u64::MAX) + Duration::from_nanos(1)), u64::MAX);
        let far = UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs());
        assert_eq!(unix_nanos(far), u64::MAX);
        assert_eq!(unix_nanos(UNIX_EPOCH - Duration::from_nanos(1)), 0);
        assert_eq!(unix_nanos(UNIX_EPOCH - Duration::from_secs(1 << 40)), 0);
    }
}

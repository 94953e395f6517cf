//! Timestamps (RFC 5424, section 6.2.3).

/// Writes timestamps; those of one second share their text up to the fraction.
pub(super) struct Clock {
    second: u64,
    /// `2023-11-14T22:13:20`
    text: [u8; 19],
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            second: 0,
            text: *b"1970-01-01T00:00:00",
        }
    }

    /// Writes nanoseconds since the Unix epoch in UTC, cut to the six digits that the RFC allows.
    #[inline]
    pub(super) fn write(&mut self, out: &mut Vec<u8>, unix_nanos: u64) {
        let second = unix_nanos / 1_000_000_000;
        if second != self.second {
            self.second = second;
            self.text = text(second);
        }
        // Lossless: below a million.
        let micros = (unix_nanos / 1000 % 1_000_000) as u32;
        let mut fraction = *b".000000Z";
        put(&mut fraction, 1, micros / 10_000);
        put(&mut fraction, 3, micros / 100 % 100);
        put(&mut fraction, 5, micros % 100);
        out.extend_from_slice(&self.text);
        out.extend_from_slice(&fraction);
    }
}

/// Puts two digits at `position`.
#[inline]
fn put(text: &mut [u8], position: usize, number: u32) {
    if let Some([tens, ones]) = text.get_mut(position..position + 2) {
        // Lossless: each is a digit.
        *tens = b'0' + (number / 10 % 10) as u8;
        *ones = b'0' + (number % 10) as u8;
    }
}

fn text(second: u64) -> [u8; 19] {
    let (year, month, day) = civil(second / 86_400);
    // Lossless: the numbers of a day and of a year below 10,000; a u64 of nanoseconds ends in 2554.
    let of_day = (second % 86_400) as u32;
    let mut text = *b"0000-00-00T00:00:00";
    put(&mut text, 0, year / 100);
    put(&mut text, 2, year % 100);
    put(&mut text, 5, month);
    put(&mut text, 8, day);
    put(&mut text, 11, of_day / 3600);
    put(&mut text, 14, of_day / 60 % 60);
    put(&mut text, 17, of_day % 60);
    text
}

/// Year, month and day of a number of days since the Unix epoch, below 2^31.
///
/// Years are counted from March, so that the leap day is the last: 400 such years have 146,097
/// days, and five months from March on have 153.
fn civil(days: u64) -> (u32, u32, u32) {
    // From the first of March of the year 0.
    let days = days as u32 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * era + year_of_era + u32::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(unix_nanos: u64) -> String {
        let mut out = Vec::new();
        Clock::new().write(&mut out, unix_nanos);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn nanoseconds_are_cut_to_microseconds() {
        for (unix_nanos, text) in [
            (1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456Z"),
            (1_700_000_000_999_999_999, "2023-11-14T22:13:20.999999Z"),
            (999, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001_000, "2000-02-29T00:00:00.000001Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551Z"),
        ] {
            assert_eq!(written(unix_nanos), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let is_leap = |year: u32| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let mut expected = (1970, 1, 1);
        for days in 0..213_504 {
            assert_eq!(civil(days), expected);
            let (year, month, day) = expected;
            let length = match month {
                2 if is_leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == length => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }

    #[test]
    fn a_clock_keeps_no_second_too_long() {
        let mut clock = Clock::new();
        let mut out = Vec::new();
        for unix_nanos in [1_000_000_000, 1_999_999_000, 61_000_000_000, 0] {
            clock.write(&mut out, unix_nanos);
            out.push(b' ');
        }
        assert_eq!(
            String::from_utf8(out).expect("ASCII"),
            "1970-01-01T00:00:01.000000Z 1970-01-01T00:00:01.999999Z \
             1970-01-01T00:01:01.000000Z 1970-01-01T00:00:00.000000Z "
        );
    }
}

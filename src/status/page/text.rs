//! Texts and numbers as people read them.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use crate::calendar::civil;

/// A text in HTML: an element's or an attribute's.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Not allowed in HTML, or made to deceive who reads.
                c if (c.is_control() && !matches!(c, '\n' | '\t'))
                    || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    f.write_char('\u{fffd}')?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A count with commas: 1,234,567.
pub(super) struct Count(pub(super) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// A rate: whole from ten on.
pub(super) struct PerSecond(pub(super) f64);

impl fmt::Display for PerSecond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 9.95 would be written as 10.0.
        if self.0 == 0.0 || self.0 >= 9.95 {
            // Saturates, and a rate is not negative.
            Count(self.0.round() as u64).fmt(f)
        } else {
            write!(f, "{:.1}", self.0)
        }
    }
}

/// A size: 3.4 MB.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
        if self.0 < 1000 {
            return write!(f, "{} B", self.0);
        }
        let mut value = self.0 as f64;
        let mut unit = "";
        for next in UNITS {
            if value < 999.5 {
                break;
            }
            (value, unit) = (value / 1000.0, next);
        }
        if value < 9.95 {
            write!(f, "{value:.1} {unit}")
        } else {
            write!(f, "{value:.0} {unit}")
        }
    }
}

/// A duration in its two largest units: 250 ms, 4.2 s, 3 min 20 s, 2 d 4 h.
pub(super) struct Span(pub(super) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0 if self.0.is_zero() => f.write_str("0 s"),
            0 => write!(f, "{} ms", self.0.as_millis()),
            1..10 => write!(f, "{seconds}.{} s", self.0.subsec_millis() / 100),
            10..60 => write!(f, "{seconds} s"),
            60..3_600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            3_600..86_400 => write!(f, "{} h {} min", seconds / 3_600, seconds / 60 % 60),
            _ => write!(f, "{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
        }
    }
}

/// A time of day and, for programs, the date: since 1970, in UTC.
pub(super) struct Time(pub(super) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "<time datetime=\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z\">\
             {year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC</time>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_markup() {
        let hostile = "<script>alert('1')</script> & \"x\"\u{0}\u{202e}\ny";
        assert_eq!(
            Text(hostile).to_string(),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;\u{fffd}\u{fffd}\ny"
        );
    }

    #[test]
    fn numbers_are_readable() {
        let shown = [
            Count(0).to_string(),
            Count(999).to_string(),
            Count(1_000).to_string(),
            Count(u64::MAX).to_string(),
            PerSecond(0.0).to_string(),
            PerSecond(0.04).to_string(),
            PerSecond(9.94).to_string(),
            PerSecond(9.96).to_string(),
            PerSecond(12_345.6).to_string(),
            Size(0).to_string(),
            Size(999).to_string(),
            Size(1_000).to_string(),
            Size(64 << 20).to_string(),
            Size(999_999).to_string(),
            Size(u64::MAX).to_string(),
        ];
        assert_eq!(
            shown,
            [
                "0",
                "999",
                "1,000",
                "18,446,744,073,709,551,615",
                "0",
                "0.0",
                "9.9",
                "10",
                "12,346",
                "0 B",
                "999 B",
                "1.0 kB",
                "67 MB",
                "1.0 MB",
                "18446744 TB",
            ]
        );
    }

    #[test]
    fn times_have_two_units() {
        for (millis, expected) in [
            (0, "0 s"),
            (250, "250 ms"),
            (4_290, "4.2 s"),
            (59_999, "59 s"),
            (200_000, "3 min 20 s"),
            (7_260_000, "2 h 1 min"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), expected);
        }
        assert_eq!(
            Time(Duration::from_secs(1_709_210_096)).to_string(),
            "<time datetime=\"2024-02-29T12:34:56Z\">2024-02-29 12:34:56 UTC</time>"
        );
    }
}

//! Doubles, in the form in which Go's `encoding/json` decides between digits and an exponent.

/// Writes the fewest digits that read back as the same number: plain digits from `1e-6` up to
/// below `1e21`, else with an exponent of a sign and at least two digits. What JSON has no number
/// for is written as a string, as the JSON mapping of protobuf has it.
#[inline]
pub(crate) fn encode(out: &mut Vec<u8>, value: f64) {
    if !short(out, value) {
        general(out, value);
    }
}

/// Writes a number of at most three digits behind the point, if it is one. Two numbers of up to
/// fifteen digits never share a double, so one that reads back is the shortest, once it has lost
/// the zeros at its end.
#[inline]
fn short(out: &mut Vec<u8>, value: f64) -> bool {
    let size = value.abs();
    if size.is_nan() || size >= 1e12 {
        return false;
    }
    // Lossless: the sum is below 2^53, and its fraction is not wanted.
    let thousandths = (size * 1000.0 + 0.5) as u64;
    // Both are exact, so the quotient is the double nearest to these digits.
    if thousandths as f64 / 1000.0 != size {
        return false;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let (whole, fraction) = (thousandths / 1000, thousandths % 1000);
    // Lossless, as below: a digit.
    match whole {
        0..10 => out.push(b'0' + whole as u8),
        _ => out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes()),
    }
    if fraction != 0 {
        let digit = |unit: u64| b'0' + (fraction / unit % 10) as u8;
        if fraction.is_multiple_of(100) {
            out.extend_from_slice(&[b'.', digit(100)]);
        } else if fraction.is_multiple_of(10) {
            out.extend_from_slice(&[b'.', digit(100), digit(10)]);
        } else {
            out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
        }
    }
    true
}

/// Writes any number.
fn general(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        let text = if value.is_nan() {
            "\"NaN\""
        } else if value > 0.0 {
            "\"Infinity\""
        } else {
            "\"-Infinity\""
        };
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    match text.iter().position(|byte| *byte == b'e') {
        None => out.extend_from_slice(text.strip_suffix(b".0").unwrap_or(text)),
        Some(end) => scientific(out, value, &text[..end], &text[end + 1..]),
    }
}

/// Writes a number of which the digits (`-1.25`) and the power of ten (`-7`, `+21`) are known.
#[cold]
fn scientific(out: &mut Vec<u8>, value: f64, digits: &[u8], exponent: &[u8]) {
    let negative = exponent.first() == Some(&b'-');
    let power = exponent
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0_usize, |power, digit| {
            power * 10 + usize::from(digit - b'0')
        });
    if !(1e-6..1e21).contains(&value.abs()) {
        out.extend_from_slice(digits.strip_suffix(b".0").unwrap_or(digits));
        out.extend_from_slice(if negative { b"e-" } else { b"e+" });
        if power < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(power).as_bytes());
        return;
    }
    if digits.first() == Some(&b'-') {
        out.push(b'-');
    }
    let digits = || digits.iter().filter(|byte| byte.is_ascii_digit());
    if negative {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + power.saturating_sub(1), b'0');
        out.extend(digits());
    } else {
        out.extend(digits().take(power + 1));
        let length = digits().count();
        out.resize(out.len() + (power + 1).saturating_sub(length), b'0');
        if length > power + 1 {
            out.push(b'.');
            out.extend(digits().skip(power + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        encode(&mut out, value);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn forms() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.5, "0.5"),
            (100.0, "100"),
            (1.0 / 3.0, "0.3333333333333333"),
            (123_456_789.123_456_78, "123456789.12345678"),
            (1e-5, "0.00001"),
            (1.25e-5, "0.0000125"),
            (1e-6, "0.000001"),
            (-1.5e-6, "-0.0000015"),
            (9.99e-7, "9.99e-07"),
            (1e-7, "1e-07"),
            (-1.25e-7, "-1.25e-07"),
            (1e-10, "1e-10"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (12_345_678_901_234_567_000.0, "12345678901234567000"),
            (-1.5e20, "-150000000000000000000"),
            (9.999_999_999_999_999e20, "999999999999999900000"),
            (1e21, "1e+21"),
            (1.5e22, "1.5e+22"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN, "-1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (f64::NAN, "\"NaN\""),
            (-f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn short_numbers_are_written_as_all_others_are() {
        let mut shorts = 0;
        let mut same = |value: f64| {
            let (mut quick, mut other) = (Vec::new(), Vec::new());
            if short(&mut quick, value) {
                shorts += 1;
                general(&mut other, value);
                assert_eq!(quick, other, "{value:e}");
            } else {
                assert!(quick.is_empty(), "{value:e}");
            }
        };
        for power in 0..50 {
            for low in -3000..3000 {
                let thousandths = (1_i64 << power) + low;
                let value = thousandths as f64 / 1000.0;
                for value in [value, value.next_up(), value.next_down(), -value] {
                    same(value);
                }
            }
        }
        for value in [0.0, -0.0, 0.0005, 0.000_5_f64.next_down(), 1e12, f64::NAN] {
            same(value);
        }
        assert!(shorts > 500_000, "{shorts}");
    }

    #[test]
    fn every_power_of_ten_reads_back() {
        for power in -323..=307 {
            for digits in ["1", "-1", "1.5", "1.2345678901234567", "9.87654321"] {
                let value: f64 = format!("{digits}e{power}").parse().expect("a number");
                let written = text(value);
                let read: f64 = written.parse().expect("a number");
                assert_eq!(read.to_bits(), value.to_bits(), "{written}");
                let plain = (1e-6..1e21).contains(&value.abs());
                assert_eq!(written.contains('e'), !plain && value != 0.0, "{written}");
                assert!(
                    !(plain && written.contains('.') && written.ends_with('0')),
                    "{written}"
                );
            }
        }
    }
}

//! Numbers as Go writes them, which is what every Prometheus client library is compared with.

/// Writes the fewest digits that read back as the same number, as Go's `%g` does: with an
/// exponent below `1e-4` and from `1e+06` on.
#[inline]
pub(in super::super) fn float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if size < 1e15 && size.trunc() == size {
        // Lossless: a whole number below 2^53. Negative zero is zero here.
        whole(out, value as i64);
    } else {
        general(out, value);
    }
}

/// The same, such that it can be told from a whole number: `5.0`.
#[inline]
pub(super) fn recognisable(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    float(out, value);
    let is_whole = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    if out
        .get(start..)
        .is_some_and(|text| text.iter().all(is_whole))
    {
        out.extend_from_slice(b".0");
    }
}

/// Writes a whole number in digits.
#[inline]
pub(super) fn count(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes nanoseconds since the Unix epoch as seconds, without an exponent: `1700000000.1`.
pub(super) fn seconds(out: &mut Vec<u8>, nanos: u64) {
    count(out, nanos / 1_000_000_000);
    out.push(b'.');
    let fraction = nanos % 1_000_000_000;
    if fraction == 0 {
        out.push(b'0');
        return;
    }
    let mut digits = [b'0'; 9];
    let mut rest = fraction;
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let end = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(0);
    out.extend_from_slice(digits.get(..=end).unwrap_or_default());
}

/// Fewer than 16 digits never share a double, so the digits themselves are the shortest form.
fn whole(out: &mut Vec<u8>, value: i64) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value).as_bytes();
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (&b"-"[..], digits),
        digits => (&b""[..], digits),
    };
    if digits.len() <= 6 {
        out.extend_from_slice(text);
        return;
    }
    out.extend_from_slice(sign);
    scientific(out, digits, digits.len() as i32 - 1);
}

fn general(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        out.extend_from_slice(if value.is_nan() {
            b"NaN"
        } else if value > 0.0 {
            b"+Inf"
        } else {
            b"-Inf"
        });
        return;
    }
    // Digits, a point somewhere among them, perhaps an exponent.
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let mut digits = [0_u8; 32];
    let (mut length, mut point, mut exponent) = (0_usize, None, 0_i32);
    let mut bytes = text.iter();
    for byte in bytes.by_ref() {
        match byte {
            b'-' => out.push(b'-'),
            b'.' => point = Some(length),
            b'e' => {
                let rest = bytes.as_slice();
                let rest = rest.strip_prefix(b"+").unwrap_or(rest);
                exponent = std::str::from_utf8(rest)
                    .ok()
                    .and_then(|digits| digits.parse().ok())
                    .unwrap_or_default();
                break;
            }
            digit => {
                if let Some(slot) = digits.get_mut(length) {
                    *slot = *digit;
                    length += 1;
                }
            }
        }
    }
    let digits = digits.get(..length).unwrap_or_default();
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    // The power of ten of the first digit that counts.
    let power = exponent + point.unwrap_or(length) as i32 - 1 - zeros as i32;
    let digits = trimmed(digits.get(zeros..).unwrap_or_default());
    if !(-4..6).contains(&power) {
        scientific(out, digits, power);
    } else if power < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + power.unsigned_abs() as usize - 1, b'0');
        out.extend_from_slice(digits);
    } else {
        let whole = power as usize + 1;
        match digits.split_at_checked(whole) {
            Some((digits, fraction)) => {
                out.extend_from_slice(digits);
                if !fraction.is_empty() {
                    out.push(b'.');
                    out.extend_from_slice(fraction);
                }
            }
            None => {
                out.extend_from_slice(digits);
                out.resize(out.len() + whole - digits.len(), b'0');
            }
        }
    }
}

fn trimmed(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|digit| *digit != b'0').unwrap_or(0);
    digits.get(..=end).unwrap_or(digits)
}

/// Writes digits, the first of which stands for this power of ten.
fn scientific(out: &mut Vec<u8>, digits: &[u8], power: i32) {
    let digits = trimmed(digits);
    let Some((first, rest)) = digits.split_first() else {
        return;
    };
    out.push(*first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
    let power = power.unsigned_abs();
    if power < 10 {
        out.push(b'0');
    }
    count(out, power.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn numbers_are_those_of_go() {
        for (value, expected, told) in [
            (0.0, "0", "0.0"),
            (-0.0, "0", "0.0"),
            (5.0, "5", "5.0"),
            (-1.0, "-1", "-1.0"),
            (0.1, "0.1", "0.1"),
            (1.5, "1.5", "1.5"),
            (999_999.0, "999999", "999999.0"),
            (1_000_000.0, "1e+06", "1e+06"),
            (-1_234_567.0, "-1.234567e+06", "-1.234567e+06"),
            (1_234_567.5, "1.2345675e+06", "1.2345675e+06"),
            (123_456.75, "123456.75", "123456.75"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "1e-05", "1e-05"),
            (0.000_123, "0.000123", "0.000123"),
            (1e15, "1e+15", "1e+15"),
            (1e21, "1e+21", "1e+21"),
            (
                9_007_199_254_740_993.0,
                "9.007199254740992e+15",
                "9.007199254740992e+15",
            ),
            (
                f64::MAX,
                "1.7976931348623157e+308",
                "1.7976931348623157e+308",
            ),
            (5e-324, "5e-324", "5e-324"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!(text(|out| float(out, value)), expected);
            assert_eq!(text(|out| recognisable(out, value)), told);
        }
    }

    #[test]
    fn every_number_reads_back() {
        let mut random = 1_u64;
        for round in 0..200_000_u32 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = match round % 3 {
                0 => f64::from_bits(random),
                1 => (random >> 20) as f64 / 1000.0,
                _ => (random >> (random % 60)) as f64,
            };
            let written = text(|out| float(out, value));
            let read: f64 = written.parse().expect("a number");
            assert!(
                read == value || (read.is_nan() && value.is_nan()),
                "{value:e}: {written}"
            );
        }
    }

    #[test]
    fn timestamps_have_no_exponent() {
        for (nanos, expected) in [
            (1_700_000_000_100_000_000, "1700000000.1"),
            (1_699_999_990_000_000_000, "1699999990.0"),
            (1, "0.000000001"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(text(|out| seconds(out, nanos)), expected);
        }
    }
}

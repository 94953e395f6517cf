//! The values of parameters. An error is a sentence that ends the line "parameter `x`: ...".

use std::time::Duration;

/// One of a few names.
pub(super) fn one_of<T: Copy>(value: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    choices
        .iter()
        .find_map(|(name, choice)| (*name == value).then_some(*choice))
        .ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            format!("`{value}` is not one of {}", names.join(", "))
        })
}

/// A duration above zero: `500ms`, `5s`, `1m`, `2h`.
pub(super) fn duration(value: &str) -> Result<Duration, String> {
    let error = || format!("`{value}` is not a duration; write 500ms, 5s, 1m or 2h");
    let (number, unit) = split(value).ok_or_else(error)?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    match millis.ok_or_else(error)? {
        0 => Err(format!("`{value}` is no time at all")),
        millis => Ok(Duration::from_millis(millis)),
    }
}

/// A duration above zero, or `none`.
pub(super) fn duration_or_none(value: &str) -> Result<Option<Duration>, String> {
    if value == "none" {
        return Ok(None);
    }
    match duration(value) {
        Ok(duration) => Ok(Some(duration)),
        Err(message) => Err(format!("{message}; or none, for no limit")),
    }
}

/// A number of bytes above zero.
pub(super) fn size(value: &str) -> Result<usize, String> {
    let error = || format!("`{value}` is not a size; write 1000, 64KiB, 4MiB, 1GiB, 64KB or 4MB");
    let (number, unit) = split(value).ok_or_else(error)?;
    let factor = match unit {
        "" | "B" => 1,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(error()),
    };
    let bytes = number.checked_mul(factor).ok_or_else(error)?;
    match usize::try_from(bytes) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(error()),
    }
}

/// A whole number above zero, such that it fits.
pub(super) fn number<T: std::str::FromStr + Default + PartialEq>(value: &str) -> Result<T, String> {
    match value.parse() {
        Ok(number) if number != T::default() => Ok(number),
        _ => Err(format!("`{value}` is not a number from 1 on, or too large")),
    }
}

/// `true` or `false`; just the name means `true`.
pub(super) fn flag(value: &str) -> Result<bool, String> {
    if value.is_empty() {
        return Ok(true);
    }
    one_of(value, &[("true", true), ("false", false)])
}

/// A whole number and what stands behind it.
fn split(value: &str) -> Option<(u64, &str)> {
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("500ms", 500),
            ("5s", 5000),
            ("1m", 60_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
            assert_eq!(
                duration_or_none(text),
                Ok(Some(Duration::from_millis(millis)))
            );
        }
        assert_eq!(duration_or_none("none"), Ok(None));
        for bad in [
            "",
            "5",
            "s",
            "0s",
            "-5s",
            "1.5s",
            "5 s",
            "5sec",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
            assert!(duration_or_none(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1", 1),
            ("10B", 10),
            ("2KB", 2000),
            ("64KiB", 65_536),
            ("4MiB", 4 << 20),
            ("1GiB", 1 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes));
        }
        for bad in [
            "",
            "0",
            "KiB",
            "4M",
            "4 MiB",
            "-1",
            "99999999999999999999GiB",
            "9999999999999999999GiB",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}

//! Units: UCUM codes become words.

/// The words for a unit: the main one, such as `bytes`, and, where the unit is a rate, what
/// follows it, such as `per_second`. Either may be empty. Characters that no name may have are
/// still in them.
pub(crate) fn unit_words(unit: &str) -> (String, String) {
    let (main, per) = match unit.split_once('/') {
        Some((main, per)) => (main, per),
        None => (unit, ""),
    };
    let main = match plain(main) {
        Some(main) => plural(main).unwrap_or(main),
        None => "",
    };
    let per = match plain(per) {
        Some(per) if !per.is_empty() => format!("per_{}", singular(per).unwrap_or(per)),
        _ => String::new(),
    };
    (main.to_owned(), per)
}

/// A part of a unit, unless it is an annotation such as `{request}`: that is no unit.
fn plain(part: &str) -> Option<&str> {
    let part = part.trim();
    (!part.contains(['{', '}'])).then_some(part)
}

fn plural(code: &str) -> Option<&'static str> {
    Some(match code {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        // Prometheus' own ingestion spells it `tibibytes`.
        "TiBy" => "tebibytes",
        // UCUM has `kBy`; Prometheus' own ingestion knows `KBy` alone.
        "KBy" | "kBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        _ => return None,
    })
}

fn singular(code: &str) -> Option<&'static str> {
    Some(match code {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_words() {
        for (unit, main, per) in [
            ("", "", ""),
            ("1", "", ""),
            ("By", "bytes", ""),
            ("kBy", "kilobytes", ""),
            ("KBy", "kilobytes", ""),
            ("TiBy", "tebibytes", ""),
            ("By/s", "bytes", "per_second"),
            (" By / s ", "bytes", "per_second"),
            ("{request}", "", ""),
            ("{item}/s", "", "per_second"),
            ("By/{item}", "bytes", ""),
            ("1/m", "", "per_minute"),
            ("m/s", "meters", "per_second"),
            ("furlong/d", "furlong", "per_day"),
            ("a/b/c", "a", "per_b/c"),
            ("%", "percent", ""),
            ("/", "", ""),
        ] {
            assert_eq!(unit_words(unit), (main.into(), per.into()), "{unit:?}");
        }
    }
}

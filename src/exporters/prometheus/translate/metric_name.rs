//! Names of metrics.

use super::{TranslationStrategy, unit::unit_words};

/// What the suffixes of a metric's name depend on, beside its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MetricKind {
    /// A monotonic sum: its name ends with `total`.
    Counter,
    /// A gauge: of unit `1` it is a ratio.
    Gauge,
    /// Anything else.
    Other,
}

/// The Prometheus name of a metric; `None` if nothing is left of the name.
pub(crate) fn metric_name(
    strategy: TranslationStrategy,
    namespace: &str,
    name: &str,
    unit: &str,
    kind: MetricKind,
) -> Option<String> {
    let translated = match (strategy.escapes(), strategy.adds_suffixes()) {
        (true, true) => tokens_with_suffixes(namespace, name, unit, kind),
        (true, false) => joined(namespace, name),
        (false, true) => utf8_with_suffixes(namespace, name, unit, kind),
        (false, false) => prefixed(namespace, name),
    };
    // Of a name such as `@#%` only its separators are left, which name nothing.
    let is_nothing = translated.bytes().all(|byte| byte == b'_');
    (!translated.is_empty() && (!is_nothing || translated == name)).then_some(translated)
}

/// Cuts the name into words, adds those of the unit and type that are not there yet.
fn tokens_with_suffixes(namespace: &str, name: &str, unit: &str, kind: MetricKind) -> String {
    let is_separator = |c: char| !(c.is_ascii_alphanumeric() || c == ':');
    let words = |text: &str| -> Vec<String> {
        text.split(is_separator)
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut tokens = words(name);
    let (main, per) = unit_words(unit);
    let mut main = clean(&main);
    let mut per = clean(&per);
    if tokens.contains(&main) {
        main.clear();
    }
    if per == "per_" {
        per.clear();
    } else {
        per.truncate(per.trim_end_matches('_').len());
        if tokens.contains(&per) {
            per.clear();
        }
    }
    if !per.is_empty() {
        main.truncate(main.trim_end_matches('_').len());
    }
    tokens.extend([main, per].into_iter().filter(|word| !word.is_empty()));
    let suffix = match kind {
        MetricKind::Counter => Some("total"),
        // Many report counts of things with unit `1`: only a gauge is taken for a ratio.
        MetricKind::Gauge if unit == "1" => Some("ratio"),
        _ => None,
    };
    if let Some(suffix) = suffix {
        tokens.retain(|word| word != suffix);
        tokens.push(suffix.to_owned());
    }
    tokens.splice(0..0, words(namespace));
    not_a_digit_first(tokens.join("_"))
}

/// A word of a unit: what no name may have becomes an underscore, runs of them one.
fn clean(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ':' => out.push(c),
            _ if out.ends_with('_') || out.is_empty() => {}
            _ => out.push('_'),
        }
    }
    out
}

/// What no name may have separates words; underscores that are there stay.
fn joined(namespace: &str, name: &str) -> String {
    let words = [namespace, name]
        .into_iter()
        .flat_map(|part| part.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':' || c == '_')))
        .filter(|word| !word.is_empty());
    not_a_digit_first(words.collect::<Vec<_>>().join("_"))
}

fn prefixed(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_owned(),
        namespace => format!("{namespace}_{name}"),
    }
}

/// The name as it is, and its suffixes, each once.
fn utf8_with_suffixes(namespace: &str, name: &str, unit: &str, kind: MetricKind) -> String {
    let mut out = prefixed(namespace, name);
    let (main, per) = unit_words(unit);
    let suffix = match kind {
        MetricKind::Counter => "total",
        MetricKind::Gauge if unit == "1" => "ratio",
        _ => "",
    };
    // The last one first: a `_total` must not hide that the unit is there already.
    for suffix in [suffix, &per] {
        if let Some(stem) = without_suffix(&out, suffix) {
            out.truncate(stem);
        }
    }
    if !main.is_empty() && without_suffix(&out, &main).is_none() {
        out.push('_');
        out.push_str(&main);
    }
    for suffix in [&per, suffix] {
        if !suffix.is_empty() {
            out.push('_');
            out.push_str(suffix);
        }
    }
    out
}

/// Length of what stands before the suffix and the character that sets it off, if it is there.
fn without_suffix(name: &str, suffix: &str) -> Option<usize> {
    let stem = name.strip_suffix(suffix)?.strip_suffix(['_', '.'])?;
    (!suffix.is_empty() && !stem.is_empty()).then_some(stem.len())
}

fn not_a_digit_first(mut name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{
        MetricKind::{Counter, Gauge, Other},
        TranslationStrategy::{
            NoTranslation, NoUtf8EscapingWithSuffixes as Utf8, UnderscoreEscapingWithSuffixes as S,
            UnderscoreEscapingWithoutSuffixes as Bare,
        },
        *,
    };

    fn default_name(name: &str, unit: &str, kind: MetricKind) -> Option<String> {
        metric_name(S, "", name, unit, kind)
    }

    #[test]
    fn names_with_escapes_and_suffixes() {
        for (name, unit, kind, expected) in [
            (
                "http.server.request.duration",
                "s",
                Other,
                "http_server_request_duration_seconds",
            ),
            ("jvm.memory.used", "By", Gauge, "jvm_memory_used_bytes"),
            (
                "system.cpu.utilization",
                "1",
                Gauge,
                "system_cpu_utilization_ratio",
            ),
            ("requests", "{request}", Counter, "requests_total"),
            ("requests", "1", Counter, "requests_total"),
            (
                "requests_total_errors",
                "",
                Counter,
                "requests_errors_total",
            ),
            ("cpu.seconds.total", "s", Counter, "cpu_seconds_total"),
            ("net.rate", "By/s", Gauge, "net_rate_bytes_per_second"),
            ("queue.rate", "{item}/s", Gauge, "queue_rate_per_second"),
            ("rps", "1/m", Gauge, "rps_per_minute"),
            ("speed", "m/s", Gauge, "speed_meters_per_second"),
            ("2xx.count", "", Counter, "_2xx_count_total"),
            ("a..b__c", "", Gauge, "a_b_c"),
            (".hidden.", "", Gauge, "hidden"),
            ("x", "furlong/d", Gauge, "x_furlong_per_day"),
            ("x", "a-b-/c-", Gauge, "x_a_b_per_c"),
            ("x", "a--b-", Gauge, "x_a_b_"),
            ("cpu.ratio.x", "1", Gauge, "cpu_x_ratio"),
            ("dur.é.seconds", "s", Other, "dur_seconds"),
            ("a:b", "", Gauge, "a:b"),
        ] {
            assert_eq!(
                default_name(name, unit, kind).as_deref(),
                Some(expected),
                "{name} {unit}"
            );
        }
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_none() {
        for kind in [Gauge, Other] {
            assert_eq!(default_name("@#$%", "", kind), None);
            assert_eq!(default_name("", "", kind), None);
            assert_eq!(default_name("___", "", kind), None);
            assert_eq!(metric_name(Bare, "", "@#$%", "", kind), None);
            assert_eq!(metric_name(NoTranslation, "", "", "By", kind), None);
        }
        assert_eq!(metric_name(Bare, "", "_", "", Gauge).as_deref(), Some("_"));
    }

    #[test]
    fn the_example_of_the_specification() {
        let by = |strategy| metric_name(strategy, "", "foo.bar", "By", Counter).expect("a name");
        assert_eq!(by(S), "foo_bar_bytes_total");
        assert_eq!(by(Bare), "foo_bar");
        assert_eq!(by(Utf8), "foo.bar_bytes_total");
        assert_eq!(by(NoTranslation), "foo.bar");
    }

    #[test]
    fn names_with_escapes_only() {
        for (name, expected) in [
            ("a__b", "a__b"),
            ("a..b", "a_b"),
            ("2xx", "_2xx"),
            (".x.", "x"),
        ] {
            let name = metric_name(Bare, "", name, "s", Counter);
            assert_eq!(name.as_deref(), Some(expected));
        }
    }

    #[test]
    fn utf8_names_get_each_suffix_once() {
        for (name, unit, kind, expected) in [
            ("foo.total", "", Counter, "foo_total"),
            ("foototal", "", Counter, "foototal_total"),
            ("foo_bytes_total", "By", Counter, "foo_bytes_total"),
            ("foo.bytes", "By", Gauge, "foo.bytes"),
            (
                "foo_bytes_per_second",
                "By/s",
                Gauge,
                "foo_bytes_per_second",
            ),
            ("load.ratio", "1", Gauge, "load_ratio"),
            ("größe", "By", Gauge, "größe_bytes"),
            ("total", "", Counter, "total_total"),
        ] {
            let name = metric_name(Utf8, "", name, unit, kind);
            assert_eq!(name.as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_namespace_stands_first() {
        let by = |strategy| metric_name(strategy, "my.app", "2x", "", Other).expect("a name");
        assert_eq!(by(S), "my_app_2x");
        assert_eq!(by(Bare), "my_app_2x");
        assert_eq!(by(Utf8), "my.app_2x");
        assert_eq!(by(NoTranslation), "my.app_2x");
    }
}

//! A strict reader of both text formats, written from their specifications: what it takes, every
//! server takes.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a page, by name and labels as they stand there.
pub(crate) type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

pub(crate) fn text(page: &str) -> Samples {
    Reader::new(page, false).read()
}

pub(crate) fn openmetrics(page: &str) -> Samples {
    Reader::new(page, true).read()
}

type Labels = BTreeMap<String, String>;

struct Reader<'a> {
    page: &'a str,
    openmetrics: bool,
    families: BTreeSet<String>,
    samples: Samples,
    family: Option<Family>,
}

#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    lines: BTreeSet<String>,
    has_samples: bool,
    /// Labels without `le`: the buckets so far, and the other samples.
    buckets: Vec<(Labels, Vec<(f64, f64)>)>,
    totals: Vec<(Labels, String, f64)>,
    /// The label sets in the order in which they came.
    points: Vec<BTreeMap<String, String>>,
}

impl<'a> Reader<'a> {
    fn new(page: &'a str, openmetrics: bool) -> Self {
        Self {
            page,
            openmetrics,
            families: BTreeSet::new(),
            samples: Samples::new(),
            family: None,
        }
    }

    fn read(mut self) -> Samples {
        let mut body = self.page;
        if self.openmetrics {
            body = body.strip_suffix("# EOF\n").expect("an end");
        }
        assert!(body.is_empty() || body.ends_with('\n'), "a last line");
        for line in body.split_terminator('\n') {
            assert!(!line.is_empty(), "a blank line");
            match line.strip_prefix("# ") {
                Some(rest) => self.comment(rest),
                None => self.sample(line),
            }
        }
        self.close();
        self.samples
    }

    fn comment(&mut self, rest: &str) {
        let (what, rest) = rest.split_once(' ').expect("a word");
        let mut cursor = Cursor(rest);
        let name = if rest.starts_with('"') {
            cursor.quoted()
        } else {
            cursor.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        };
        assert!(!name.is_empty(), "{rest}");
        let value = cursor.0.strip_prefix(' ').expect("a space");
        if self
            .family
            .as_ref()
            .is_none_or(|family| family.name != name)
        {
            self.close();
            assert!(self.families.insert(name.clone()), "{name} is there twice");
            self.family = Some(Family {
                name,
                ..Family::default()
            });
        }
        let family = self.family.as_mut().expect("open");
        assert!(!family.has_samples, "{what} behind samples");
        assert!(family.lines.insert(what.to_owned()), "{what} twice");
        match what {
            "TYPE" => {
                let kinds: &[&str] = if self.openmetrics {
                    &["counter", "gauge", "histogram", "summary", "unknown"]
                } else {
                    &["counter", "gauge", "histogram", "summary", "untyped"]
                };
                assert!(kinds.contains(&value), "{value}");
                value.clone_into(&mut family.kind);
            }
            "HELP" => {
                let mut chars = value.chars();
                while let Some(c) = chars.next() {
                    assert!(!(self.openmetrics && c == '"'), "{value}");
                    if c == '\\' {
                        let next = chars.next().expect("an escape");
                        assert!(matches!(next, '\\' | 'n') || (self.openmetrics && next == '"'));
                    }
                }
            }
            "UNIT" => {
                assert!(self.openmetrics);
                assert!(family.name.ends_with(&format!("_{value}")), "{value}");
            }
            other => panic!("# {other}"),
        }
    }

    fn sample(&mut self, line: &str) {
        let mut cursor = Cursor(line);
        let mut labels = BTreeMap::new();
        let mut name = cursor.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        assert!(!name.starts_with(|c: char| c.is_ascii_digit()), "{line}");
        if cursor.skip('{') {
            cursor.labels(&mut labels, name.is_empty().then_some(&mut name));
        }
        assert!(!name.is_empty(), "{line}");
        assert!(cursor.skip(' '), "{line}");
        let (sample, exemplar) = match cursor.0.split_once(" # ") {
            Some((sample, exemplar)) => (sample, Some(exemplar)),
            None => (cursor.0, None),
        };
        let value = number(sample);
        let family = self.family.as_mut().expect("a family is open");
        family.has_samples = true;
        let suffix = name
            .strip_prefix(family.name.as_str())
            .unwrap_or_else(|| panic!("{name} in {}", family.name))
            .to_owned();
        let suffixes: &[&str] = match (family.kind.as_str(), self.openmetrics) {
            ("counter", true) => &["_total", "_created"],
            ("counter", false) | ("gauge" | "unknown" | "untyped", _) => &[""],
            ("histogram", true) => &["_bucket", "_sum", "_count", "_created"],
            ("histogram", false) => &["_bucket", "_sum", "_count"],
            ("summary", true) => &["", "_sum", "_count", "_created"],
            ("summary", false) => &["", "_sum", "_count"],
            other => panic!("{other:?}"),
        };
        assert!(suffixes.contains(&suffix.as_str()), "{line}");
        let is_count = matches!(suffix.as_str(), "_bucket" | "_count");
        if self.openmetrics {
            let looks_whole = sample.bytes().all(|byte| byte.is_ascii_digit());
            assert_eq!(looks_whole, is_count, "{line}");
            let is_total = is_count || matches!(suffix.as_str(), "_total" | "_sum" | "_created");
            assert!(!is_total || value >= 0.0, "{line}");
            assert!(
                !(suffix.is_empty() && family.kind == "summary" && value < 0.0),
                "{line}"
            );
        }
        if let Some(exemplar) = exemplar {
            assert!(self.openmetrics && matches!(suffix.as_str(), "_bucket" | "_total"));
            let mut cursor = Cursor(exemplar);
            let mut labels = BTreeMap::new();
            assert!(cursor.skip('{'), "{line}");
            cursor.labels(&mut labels, None);
            let length: usize = labels
                .iter()
                .map(|(name, value)| name.chars().count() + value.chars().count())
                .sum();
            assert!(length <= 128, "{line}");
            assert!(cursor.skip(' '), "{line}");
            let mut words = cursor.0.split(' ');
            number(words.next().expect("a value"));
            if let Some(time) = words.next() {
                assert!(
                    time.bytes()
                        .all(|byte| byte.is_ascii_digit() || byte == b'.')
                );
                number(time);
            }
            assert_eq!(words.next(), None);
        }
        let mut point = labels.clone();
        let special = match (family.kind.as_str(), suffix.as_str()) {
            ("histogram", "_bucket") => point.remove("le"),
            ("summary", "") => point.remove("quantile"),
            _ => None,
        };
        if family.points.last() != Some(&point) {
            assert!(!family.points.contains(&point), "interleaved: {line}");
            family.points.push(point.clone());
        }
        match special {
            Some(special) => {
                let edge = number(&special);
                if self.openmetrics {
                    assert!(special.contains(['.', 'e', 'I', 'N']), "{line}");
                }
                match family.buckets.last_mut() {
                    Some((open, buckets)) if *open == point => buckets.push((edge, value)),
                    _ => family.buckets.push((point, vec![(edge, value)])),
                }
            }
            None if family.kind == "histogram" => {
                assert_ne!(suffix, "_bucket", "a bucket without le: {line}");
                family.totals.push((point, suffix.clone(), value));
            }
            None => {}
        }
        let before = self.samples.insert((name, labels), value);
        assert_eq!(before, None, "twice: {line}");
    }

    /// Checks what can only be seen of a family as a whole.
    fn close(&mut self) {
        let Some(family) = self.family.take() else {
            return;
        };
        assert!(family.lines.contains("TYPE"), "{} has no type", family.name);
        assert!(family.has_samples, "{} has no samples", family.name);
        for (labels, buckets) in &family.buckets {
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0), "{buckets:?}");
            if family.kind != "histogram" {
                continue;
            }
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
            let last = buckets.last().expect("buckets");
            assert_eq!(last.0, f64::INFINITY);
            let of = |suffix: &str| {
                let mut totals = family.totals.iter();
                totals.find(|(point, found, _)| point == labels && found == suffix)
            };
            if let Some((.., count)) = of("_count") {
                assert_eq!(*count, last.1);
            }
            if self.openmetrics {
                assert_eq!(of("_sum").is_some(), of("_count").is_some());
            }
        }
    }
}

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn skip(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self, is_part: impl Fn(char) -> bool) -> String {
        let end = self.0.find(|c| !is_part(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        word.to_owned()
    }

    fn quoted(&mut self) -> String {
        assert!(self.skip('"'), "{}", self.0);
        let mut out = String::new();
        let mut chars = self.0.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return out;
                }
                '\\' => match chars.next().expect("an escape").1 {
                    'n' => out.push('\n'),
                    c @ ('\\' | '"') => out.push(c),
                    other => panic!("\\{other}"),
                },
                c => out.push(c),
            }
        }
        panic!("no end: {}", self.0);
    }

    /// All labels behind an opening brace, the closing one included.
    fn labels(&mut self, labels: &mut BTreeMap<String, String>, mut name: Option<&mut String>) {
        while !self.skip('}') {
            let label = if self.0.starts_with('"') {
                let quoted = self.quoted();
                if let Some(name) = name.take() {
                    *name = quoted;
                    assert!(self.skip(',') || self.0.starts_with('}'));
                    continue;
                }
                quoted
            } else {
                let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
                assert!(!word.starts_with(|c: char| c.is_ascii_digit()), "{word}");
                word
            };
            assert!(!label.is_empty(), "{}", self.0);
            assert!(self.skip('='), "{}", self.0);
            let value = self.quoted();
            assert!(!value.is_empty(), "an empty {label}");
            assert_eq!(labels.insert(label, value), None, "twice: {}", self.0);
            assert!(self.skip(',') || self.0.starts_with('}'), "{}", self.0);
        }
    }
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        digits => {
            assert!(!digits.contains(['i', 'n', 'I', 'N']), "{digits}");
            digits.parse().unwrap_or_else(|_| panic!("{digits:?}"))
        }
    }
}

#[test]
fn the_parser_is_strict() {
    for bad in [
        "a 1",
        "a 1\n",
        "# TYPE a gauge\n",
        "# TYPE a gauge\nb 1\n",
        "# TYPE a gauge\na 1\na 1\n",
        "# TYPE a gauge\na{x=\"1\",x=\"2\"} 1\n",
        "# TYPE a gauge\na{x=\"1} 1\n",
        "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{x=\"1\"} 1\n",
        "# TYPE a gauge\na 1\n\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_count 1\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_count 2\n",
    ] {
        let read = std::panic::catch_unwind(|| text(bad));
        assert!(read.is_err(), "{bad}");
    }
    for bad in [
        "# TYPE a gauge\na 1.0\n",
        "# TYPE a gauge\na 1\n# EOF\n",
        "# TYPE a_total counter\na_total 1.0\n# EOF\n",
        "# TYPE a counter\na_total NaN\n# EOF\n",
        "# TYPE a gauge\n# UNIT a seconds\na 1.0\n# EOF\n",
    ] {
        let read = std::panic::catch_unwind(|| openmetrics(bad));
        assert!(read.is_err(), "{bad}");
    }
    let read = text("# TYPE \"a.b\" gauge\n{\"a.b\",\"c.d\"=\"e\\\"\",f=\"g\"} 1\n");
    assert_eq!(read.len(), 1);
}

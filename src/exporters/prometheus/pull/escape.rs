//! Names beyond the classic set of characters: quoted, or escaped as the server asked for.

use std::{borrow::Cow, fmt::Write as _};

/// What becomes of names that have other characters than letters, digits, underscores and, in
/// names of metrics, colons.
///
/// The server asks for one of them with the parameter `escaping` of its `Accept` header; see
/// [Prometheus' escaping schemes](https://prometheus.io/docs/instrumenting/escaping_schemes/).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EscapingScheme {
    /// They are written as they are, in quotes.
    AllowUtf8,
    /// Each such character becomes an underscore. This is the default.
    #[default]
    Underscores,
    /// A dot becomes `_dot_`, an underscore two, any other character two underscores.
    Dots,
    /// Such a name begins with `U__`, and each such character becomes its number in hex.
    Values,
}

impl EscapingScheme {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// The name that it has in `Accept` and `Content-Type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// Whether names of the classic set change too.
    pub(super) const fn changes_classic_names(self) -> bool {
        matches!(self, Self::Dots)
    }

    /// The name of a metric or a label in this scheme.
    pub(super) fn escape<'a>(self, name: &'a str, what: NameOf) -> Cow<'a, str> {
        let classic = is_classic(name, what);
        if self == Self::AllowUtf8 || (classic && !self.changes_classic_names()) {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 16);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (position, c) in name.chars().enumerate() {
            let allowed = is_allowed(c, position, what);
            match self {
                Self::Dots if c == '_' => out.push_str("__"),
                Self::Dots if c == '.' => out.push_str("_dot_"),
                Self::Dots if !allowed => out.push_str("__"),
                Self::Values if c == '_' => out.push_str("__"),
                Self::Values if !allowed => {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "_{:x}_", u32::from(c));
                }
                _ if !allowed => out.push('_'),
                _ => out.push(c),
            }
        }
        Cow::Owned(out)
    }
}

/// What has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameOf {
    Metric,
    Label,
}

fn is_allowed(c: char, position: usize, what: NameOf) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '_' => true,
        '0'..='9' => position > 0,
        ':' => what == NameOf::Metric,
        _ => false,
    }
}

/// Whether every parser reads the name without quotes.
pub(super) fn is_classic(name: &str, what: NameOf) -> bool {
    !name.is_empty()
        && name
            .chars()
            .enumerate()
            .all(|(position, c)| is_allowed(c, position, what))
}

/// Writes what stands between quotes: backslashes, quotes and ends of lines are escaped.
pub(super) fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    escaped(out, text, true);
}

/// Writes text in which backslashes and ends of lines are escaped, and perhaps quotes.
pub(super) fn escaped(out: &mut Vec<u8>, text: &[u8], quotes: bool) {
    let is_special = |byte: &u8| matches!(byte, b'\\' | b'\n') || (quotes && *byte == b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(is_special) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        out.extend_from_slice(match special.first() {
            Some(b'\\') => b"\\\\",
            Some(b'"') => b"\\\"",
            _ => b"\\n",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Undoes [`quoted`].
pub(super) fn unquoted(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => out.push(b'\n'),
                Some(other) => out.push(*other),
                None => {}
            },
            _ => out.push(*byte),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{EscapingScheme as Scheme, *};

    #[test]
    fn names_in_each_scheme() {
        for (name, underscores, dots, values) in [
            (
                "http.status_code",
                "http_status_code",
                "http_dot_status__code",
                "U__http_2e_status__code",
            ),
            (
                "my.metric_ü",
                "my_metric__",
                "my_dot_metric____",
                "U__my_2e_metric___fc_",
            ),
            ("a:b.c", "a:b_c", "a:b_dot_c", "U__a:b_2e_c"),
            ("2xx", "_xx", "__xx", "U___32_xx"),
            ("no_dots", "no_dots", "no__dots", "no_dots"),
        ] {
            assert_eq!(
                Scheme::Underscores.escape(name, NameOf::Metric),
                underscores
            );
            assert_eq!(Scheme::Dots.escape(name, NameOf::Metric), dots);
            assert_eq!(Scheme::Values.escape(name, NameOf::Metric), values);
            assert_eq!(Scheme::AllowUtf8.escape(name, NameOf::Metric), name);
        }
    }

    #[test]
    fn a_colon_is_for_metrics_alone() {
        assert!(is_classic("a:b", NameOf::Metric));
        assert!(!is_classic("a:b", NameOf::Label));
        assert_eq!(Scheme::Underscores.escape("a:b", NameOf::Label), "a_b");
    }

    #[test]
    fn quotes_come_and_go() {
        let mut out = Vec::new();
        quoted(&mut out, b"a\\b\"c\nd");
        assert_eq!(out, br#"a\\b\"c\nd"#);
        assert_eq!(&*unquoted(&out), b"a\\b\"c\nd");
    }
}

//! Which format the server gets, by its `Accept` header.

use super::EscapingScheme;

/// A format that a Prometheus server reads, without the escaping of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus' text format, version 0.0.4. This is the default.
    #[default]
    Text,
    /// OpenMetrics 0.0.1: the same text as 1.0.0 under the name that older servers ask for.
    OpenMetrics0,
    /// OpenMetrics 1.0.0.
    OpenMetrics1,
    /// Length-delimited protobuf: the only one with native histograms.
    Protobuf,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Text,
        Self::OpenMetrics0,
        Self::OpenMetrics1,
        Self::Protobuf,
    ];

    /// The exact `Content-Type`: Prometheus 3 refuses a page with another one.
    #[must_use]
    pub fn content_type(self, scheme: EscapingScheme) -> String {
        let kind = match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics0 => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::OpenMetrics1 => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        format!("{kind}; escaping={}", scheme.as_str())
    }

    /// The format and the escaping that an `Accept` header asks for.
    ///
    /// The media range with the highest weight that can be served wins; the plain text is for
    /// everybody else.
    #[must_use]
    pub fn negotiate(accept: &str, openmetrics: bool) -> (Self, EscapingScheme) {
        let mut ranges: Vec<Range<'_>> = accept.split(',').map(Range::parse).collect();
        // Stable: of equal weights the first wins.
        ranges.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        ranges
            .iter()
            .filter(|range| range.weight > 0.0)
            .find_map(|range| Some((range.format(openmetrics)?, range.scheme())))
            .unwrap_or_default()
    }
}

/// One of the choices of an `Accept` header.
struct Range<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    weight: f64,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let parameters: Vec<_> = parts
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .collect();
        let mut range = Self {
            media_type,
            parameters,
            weight: 1.0,
        };
        range.weight = match range.parameter("q") {
            Some(q) => q
                .parse()
                .ok()
                .filter(|q| (0.0..=1.0).contains(q))
                .unwrap_or(0.0),
            None => 1.0,
        };
        range
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut all = self.parameters.iter();
        all.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(*value))
    }

    fn format(&self, openmetrics: bool) -> Option<Format> {
        let is = |name: &str| self.media_type.eq_ignore_ascii_case(name);
        let version = self.parameter("version");
        if is("application/vnd.google.protobuf") {
            let is_family = self.parameter("proto") == Some("io.prometheus.client.MetricFamily");
            let is_delimited = self.parameter("encoding") == Some("delimited");
            (is_family && is_delimited).then_some(Format::Protobuf)
        } else if is("application/openmetrics-text") && openmetrics {
            match version {
                Some("1.0.0") => Some(Format::OpenMetrics1),
                None | Some("0.0.1") => Some(Format::OpenMetrics0),
                Some(_) => None,
            }
        } else if is("text/plain") {
            matches!(version, None | Some("0.0.4" | "1.0.0")).then_some(Format::Text)
        } else {
            None
        }
    }

    fn scheme(&self) -> EscapingScheme {
        let asked = self.parameter("escaping");
        EscapingScheme::ALL
            .into_iter()
            .find(|scheme| asked == Some(scheme.as_str()))
            .unwrap_or_default()
    }
}

/// Whether an `Accept-Encoding` header allows gzip.
pub(super) fn allows_gzip(accept_encoding: &str) -> bool {
    let weight = |name: &str| {
        let mut ranges = accept_encoding.split(',').map(Range::parse);
        ranges
            .find(|range| range.media_type.eq_ignore_ascii_case(name))
            .map(|range| range.weight)
    };
    weight("gzip")
        .or_else(|| weight("*"))
        .is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::{EscapingScheme as Scheme, Format::*, *};

    const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

    #[test]
    fn what_is_asked_for_is_served() {
        for (accept, expected) in [
            ("", (Text, Scheme::Underscores)),
            ("*/*", (Text, Scheme::Underscores)),
            ("application/json", (Text, Scheme::Underscores)),
            (
                "application/openmetrics-text",
                (OpenMetrics0, Scheme::Underscores),
            ),
            (
                "application/openmetrics-text;version=2.0.0",
                (Text, Scheme::Underscores),
            ),
            (
                "text/plain;version=1.0.0;escaping=allow-utf-8",
                (Text, Scheme::AllowUtf8),
            ),
            (
                "text/plain;version=0.0.4;escaping=dots",
                (Text, Scheme::Dots),
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                 text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                (OpenMetrics1, Scheme::AllowUtf8),
            ),
            (
                &format!("{PROTOBUF};q=0.6,application/openmetrics-text;version=1.0.0;q=0.5"),
                (Protobuf, Scheme::Underscores),
            ),
            // Weights count, not the order; of equal ones the first wins.
            (
                &format!("text/plain;q=0.3, {PROTOBUF};escaping=values;q=0.6"),
                (Protobuf, Scheme::Values),
            ),
            (
                "text/plain, application/openmetrics-text;version=1.0.0",
                (Text, Scheme::Underscores),
            ),
            (
                "Text/Plain; Version=\"0.0.4\" ; Escaping=\"values\"",
                (Text, Scheme::Values),
            ),
            // What this cannot write, or nobody wants.
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
                (Text, Scheme::Underscores),
            ),
            (
                "application/openmetrics-text;version=1.0.0;q=0",
                (Text, Scheme::Underscores),
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=unheard-of",
                (OpenMetrics1, Scheme::Underscores),
            ),
            (";;=,,q=;;", (Text, Scheme::Underscores)),
        ] {
            assert_eq!(Format::negotiate(accept, true), expected, "{accept}");
        }
    }

    #[test]
    fn openmetrics_can_be_off() {
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5;escaping=dots";
        assert_eq!(Format::negotiate(accept, false), (Text, Scheme::Dots));
    }

    #[test]
    fn content_types_are_exact() {
        for (format, scheme, expected) in [
            (
                Text,
                Scheme::Underscores,
                "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
            ),
            (
                OpenMetrics0,
                Scheme::Dots,
                "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=dots",
            ),
            (
                OpenMetrics1,
                Scheme::AllowUtf8,
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            ),
            (
                Protobuf,
                Scheme::Values,
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=values",
            ),
        ] {
            assert_eq!(format.content_type(scheme), expected);
        }
    }

    #[test]
    fn gzip_is_only_for_those_who_take_it() {
        for (header, expected) in [
            ("", false),
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("br", false),
        ] {
            assert_eq!(allows_gzip(header), expected, "{header}");
        }
    }
}

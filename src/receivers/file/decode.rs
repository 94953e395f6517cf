//! A record as requests.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{FileReadProblem, records::Body};
use crate::{
    ExportRequest, Signal,
    otlp::{Limits, Malformed, Problem},
};

/// The key of each signal in JSON, as the specification spells it and as some do.
const KEYS: [(&str, &str, Signal); 3] = [
    ("resourceSpans", "resource_spans", Signal::Traces),
    ("resourceMetrics", "resource_metrics", Signal::Metrics),
    ("resourceLogs", "resource_logs", Signal::Logs),
];

/// The requests that a record holds: one, or none if it is an empty object, or one for each signal
/// in a line that has several.
pub(super) fn requests(
    body: Body,
    signal: Option<Signal>,
    limits: &Limits,
) -> Result<Vec<ExportRequest>, FileReadProblem> {
    match body {
        Body::Json(text) => json(&text, limits),
        Body::UnendedJson(text) => {
            let bytes = text.len() as u64;
            json(&text, limits).map_err(|problem| match problem {
                // It may be whole: then it only lacks its end.
                FileReadProblem::Malformed(_) | FileReadProblem::NoTelemetry => {
                    FileReadProblem::Torn { bytes }
                }
                other => other,
            })
        }
        Body::Protobuf(bytes) => protobuf(bytes, signal, limits).map(|request| vec![request]),
    }
}

fn json(text: &[u8], limits: &Limits) -> Result<Vec<ExportRequest>, FileReadProblem> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let signals = signals(text).map_err(FileReadProblem::Malformed)?;
    let read = |signal: &Signal| ExportRequest::from_json_with(*signal, text, limits);
    let requests: Result<Vec<_>, _> = signals.iter().map(read).collect();
    let requests = requests.map_err(FileReadProblem::Malformed)?;
    let is_empty_object = || text.iter().all(|byte| b"{} \t\r\n".contains(byte));
    if requests.is_empty() && !is_empty_object() {
        return Err(FileReadProblem::NoTelemetry);
    }
    Ok(requests)
}

/// Which signals are in a JSON object.
fn signals(text: &[u8]) -> Result<Vec<Signal>, Malformed> {
    let text = std::str::from_utf8(text)
        .map_err(|error| Malformed::at(error.valid_up_to(), Problem::InvalidUtf8))?;
    // Nearly always the first key says it, and no other is anywhere.
    let first = KEYS.iter().find(|(key, _, _)| {
        let rest = text.trim_start().strip_prefix('{').map(str::trim_start);
        let rest = rest.and_then(|rest| rest.strip_prefix('"')?.strip_prefix(key));
        rest.is_some_and(|rest| rest.starts_with('"'))
    });
    if let Some((key, _, signal)) = first {
        let mut others = KEYS.iter().filter(|(other, _, _)| other != key);
        if !others.any(|(key, snake, _)| text.contains(key) || text.contains(snake)) {
            return Ok(vec![*signal]);
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    (&mut deserializer).deserialize_map(Keys).map_err(|error| {
        // What serde_json says of the syntax holds nothing of the text.
        let words = match error.classify() {
            serde_json::error::Category::Eof => {
                return Malformed::at(text.len(), Problem::Truncated);
            }
            serde_json::error::Category::Data => "an object is expected".to_owned(),
            _ => error.to_string(),
        };
        let words = words.split(" at line ").next().unwrap_or_default();
        Malformed::at(error.column(), Problem::Json(words.to_owned()))
    })
}

/// Finds the keys of signals in an object.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<Signal>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Signal>, A::Error> {
        let mut found = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            for (key, snake, signal) in KEYS {
                if (name == key || name == snake) && !found.contains(&signal) {
                    found.push(signal);
                }
            }
        }
        Ok(found)
    }
}

/// Without a word about the signal there must be only one that the record can be of.
fn protobuf(
    bytes: Vec<u8>,
    signal: Option<Signal>,
    limits: &Limits,
) -> Result<ExportRequest, FileReadProblem> {
    let bytes = bytes::Bytes::from(bytes);
    let read = |signal| ExportRequest::from_protobuf_with(signal, bytes.clone(), limits);
    if let Some(signal) = signal {
        return read(signal).map_err(FileReadProblem::Malformed);
    }
    let mut fits = Vec::new();
    let mut malformed = None;
    for signal in Signal::ALL {
        match read(signal) {
            Ok(request) => fits.push(request),
            Err(error) => malformed = malformed.or(Some(error)),
        }
    }
    match (fits.pop(), fits.is_empty(), malformed) {
        (Some(only), true, _) => Ok(only),
        (None, _, Some(malformed)) => Err(FileReadProblem::Malformed(malformed)),
        _ => Err(FileReadProblem::UnknownSignal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"ev"}]}]}]}"#;

    fn read(text: &str) -> Result<Vec<ExportRequest>, FileReadProblem> {
        json(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn the_key_says_which_signal_it_is() {
        for (text, signals) in [
            (LOG.to_owned(), vec![Signal::Logs]),
            (
                format!(" {{ {}", LOG.trim_start_matches('{')),
                vec![Signal::Logs],
            ),
            (
                LOG.replace("resourceLogs", "resource_logs"),
                vec![Signal::Logs],
            ),
            (
                LOG.replacen('{', r#"{"nope":{"a":[1]},"#, 1),
                vec![Signal::Logs],
            ),
            // A text that looks like a key is none.
            (
                LOG.replace("\"ev\"", "\"resourceSpans\""),
                vec![Signal::Logs],
            ),
            (r#"{"resourceSpans":[{}]}"#.to_owned(), vec![Signal::Traces]),
            (
                LOG.replacen('{', r#"{"resourceMetrics":[{}],"#, 1),
                vec![Signal::Metrics, Signal::Logs],
            ),
            ("{}".to_owned(), vec![]),
            ("\u{feff}{}".to_owned(), vec![]),
        ] {
            let requests = read(&text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            let found: Vec<_> = requests.iter().map(ExportRequest::signal).collect();
            assert_eq!(found, signals, "{text}");
        }
    }

    #[test]
    fn what_is_not_telemetry_is_an_error() {
        for text in [r#"{"level":"info"}"#, r#"{"a":"{}"}"#] {
            assert!(
                matches!(read(text), Err(FileReadProblem::NoTelemetry)),
                "{text}"
            );
        }
        for text in ["[]", "7", "{", "{\"resourceLogs\":7}", "hello", "\u{0}"] {
            let problem = read(text).expect_err(text);
            assert!(
                matches!(problem, FileReadProblem::Malformed(_)),
                "{text}: {problem}"
            );
        }
    }

    #[test]
    fn a_protobuf_record_is_of_the_only_signal_that_it_can_be_of() {
        // A log record with a time, which is field 1 and fixed64.
        let log = b"\x0a\x0d\x12\x0b\x12\x09\x09\x01\x00\x00\x00\x00\x00\x00\x00".to_vec();
        let request = protobuf(log.clone(), None, &Limits::default()).expect("a log record");
        assert_eq!(request.signal(), Signal::Logs);
        assert!(protobuf(log, Some(Signal::Traces), &Limits::default()).is_err());
        // An item with nothing in it may be any.
        let any = b"\x0a\x04\x12\x02\x12\x00".to_vec();
        let problem = protobuf(any.clone(), None, &Limits::default()).expect_err("any");
        assert!(
            matches!(problem, FileReadProblem::UnknownSignal),
            "{problem}"
        );
        assert!(protobuf(any, Some(Signal::Metrics), &Limits::default()).is_ok());
    }
}

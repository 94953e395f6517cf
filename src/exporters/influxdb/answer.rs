//! Reading what InfluxDB answers.

use http::StatusCode;
use serde_json::Value;

use crate::{
    ErrorKind, ExportError,
    exporters::http::{HttpSender, Reply},
};

/// What became of a body that the server took.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Items rejected for good.
    pub(super) rejected: u64,
    /// Why the first of them was.
    pub(super) message: String,
}

impl Outcome {
    pub(super) fn add(&mut self, other: Outcome) {
        self.rejected = self.rejected.saturating_add(other.rejected);
        if self.message.is_empty() {
            self.message = other.message;
        }
    }
}

/// Reads the answer to a body with this many items.
pub(super) fn read(reply: &Reply, sender: &HttpSender, items: u64) -> Result<Outcome, ExportError> {
    if reply.status.is_success() {
        return Ok(Outcome::default());
    }
    let refusal = sender.refusal(reply);
    let Some(problem) = reply.body.as_deref().ok().and_then(Problem::parse) else {
        return Err(refusal);
    };
    // Put together anew: the server's own words may quote telemetry.
    let words = sender.readable(&problem.message);
    let is_bad_data = matches!(
        reply.status,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
    );
    if is_bad_data
        && refusal.kind() == ErrorKind::Rejected
        && let Some(dropped) = problem.dropped_lines
    {
        return Ok(Outcome {
            // A server that drops lines and does not say how many has dropped one at least.
            rejected: dropped.clamp(1, items),
            message: words,
        });
    }
    let status = reply.status;
    Err(
        ExportError::new(refusal.kind(), format!("HTTP {status}: {words}"))
            .with_retry(refusal.retry()),
    )
}

/// What a server says is wrong.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    /// Without what it quotes.
    message: String,
    /// How many lines were not stored, if the others were.
    dropped_lines: Option<u64>,
}

impl Problem {
    /// Reads the bodies of all versions: 1 and 3 have `error`, 2 has `message`; 3 also has `data`,
    /// of the lines that were dropped, or of the first one.
    fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = body.get("error").or(body.get("message"))?.as_str()?;
        let is_partial = text.contains("partial write");
        let mut message = without_quotes(text);
        let data = body.get("data");
        let first = data.map(|data| data.get(0).unwrap_or(data));
        if let Some(why) = first.and_then(|line| line.get("error_message")?.as_str()) {
            message = format!("{message}: {}", without_quotes(why));
        }
        let dropped_lines = is_partial.then(|| match data.and_then(Value::as_array) {
            Some(lines) => lines.len() as u64,
            None => {
                // Lines that could not be read are not in the number.
                let unread = text.matches("unable to parse").count() as u64;
                dropped(text).unwrap_or(0).saturating_add(unread)
            }
        });
        Some(Self {
            message,
            dropped_lines,
        })
    }
}

/// The number behind `dropped=`.
fn dropped(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once("dropped=")?;
    let end = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// The text without the lines that it quotes: `unable to parse 'line': why`.
fn without_quotes(text: &str) -> String {
    const BEFORE: &str = "unable to parse '";
    let mut out = String::new();
    for line in text.lines() {
        if !out.is_empty() {
            out.push(' ');
        }
        match (line.split_once(BEFORE), line.rsplit_once("': ")) {
            (Some((before, _)), Some((_, why))) => {
                out.push_str(before);
                out.push_str("unable to parse a line: ");
                out.push_str(why);
            }
            (Some((before, _)), None) => {
                out.push_str(before);
                out.push_str("unable to parse a line");
            }
            (None, _) => out.push_str(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> (String, Option<u64>) {
        let problem = Problem::parse(body.as_bytes()).expect("a problem");
        (problem.message, problem.dropped_lines)
    }

    #[test]
    fn what_the_versions_say() {
        for (body, message, dropped) in [
            (
                r#"{"error":"partial write: field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer dropped=3"}"#,
                "partial write: field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer dropped=3",
                Some(3),
            ),
            (
                r#"{"error":"partial write: unable to parse 'm secret=': missing field value\nunable to parse 'n': missing fields dropped=0"}"#,
                "partial write: unable to parse a line: missing field value unable to parse a line: missing fields dropped=0",
                Some(2),
            ),
            (
                r#"{"error":"unable to parse 'm secret=': missing field value"}"#,
                "unable to parse a line: missing field value",
                None,
            ),
            (
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=2"}"#,
                "failure writing points to database: partial write: points beyond retention policy dropped=2",
                Some(2),
            ),
            (
                r#"{"code":"invalid","message":"unable to parse 'm secret': missing fields"}"#,
                "unable to parse a line: missing fields",
                None,
            ),
            (
                r#"{"error":"partial write of line protocol occurred","data":[{"original_line":"secret","line_number":2,"error_message":"invalid column type"},{"original_line":"x","line_number":4,"error_message":"y"}]}"#,
                "partial write of line protocol occurred: invalid column type",
                Some(2),
            ),
            (
                r#"{"error":"parsing failed for write_lp endpoint","data":{"original_line":"secret","line_number":1,"error_message":"no fields"}}"#,
                "parsing failed for write_lp endpoint: no fields",
                None,
            ),
            (
                r#"{"error":"database not found: \"x\""}"#,
                "database not found: \"x\"",
                None,
            ),
            (r#"{"error":"e","data":7}"#, "e", None),
        ] {
            assert_eq!(parse(body), (message.to_owned(), dropped));
            assert!(!message.contains("secret"));
        }
        for body in ["", "null", "[]", r#"{"other":1}"#, "<html>"] {
            assert_eq!(Problem::parse(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_quote_that_does_not_end_is_left_out() {
        assert_eq!(
            without_quotes("unable to parse 'secret"),
            "unable to parse a line"
        );
    }
}

//! The guides say what the code does: their messages, their metrics, their outputs.

mod client;
mod configuration;
mod defaults;
mod log;
mod metrics;
mod orders;
mod outcome;

const TROUBLESHOOTING: &str = include_str!("../../src/guides/troubleshooting.md");

/// Stands in a guide for what differs from case to case.
const ANYTHING: char = '…';

/// A message as the guide quotes it: literal parts, with anything between them.
struct Quoted {
    text: &'static str,
}

impl Quoted {
    fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.text.split(ANYTHING).filter(|part| !part.is_empty())
    }

    /// Whether a message has all the parts, in order.
    fn is_in(&self, message: &str) -> bool {
        let mut rest = message;
        self.parts().all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

/// A row of a table of messages.
struct Row {
    message: Quoted,
    /// The second column.
    meaning: &'static str,
}

/// The rows of every table of the guide whose head is `Message`.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut is_wanted = false;
    for line in TROUBLESHOOTING.lines() {
        let Some(row) = line.strip_prefix('|') else {
            is_wanted = false;
            continue;
        };
        let mut cells = row.split('|').map(str::trim);
        let (message, meaning) = cells.next().zip(cells.next()).expect("two columns");
        if message == "Message" {
            is_wanted = true;
        } else if is_wanted && !message.starts_with('-') {
            rows.push(Row {
                message: Quoted {
                    text: code(message),
                },
                meaning,
            });
        }
    }
    rows
}

fn quoted() -> Vec<Quoted> {
    rows().into_iter().map(|row| row.message).collect()
}

/// What is between the backticks, of which there are two where the text has some itself.
fn code(cell: &'static str) -> &'static str {
    let inner = cell
        .strip_prefix("``")
        .and_then(|cell| cell.strip_suffix("``"))
        .or_else(|| cell.strip_prefix('`')?.strip_suffix('`'));
    inner.expect("a message in backticks").trim()
}

/// Every message here is one that the guide has.
fn assert_explained(messages: &[String]) {
    let quoted = quoted();
    let missing: Vec<_> = messages
        .iter()
        .filter(|message| !quoted.iter().any(|quoted| quoted.is_in(message)))
        .collect();
    assert!(missing.is_empty(), "not in the guide: {missing:#?}");
}

/// All messages that these tests meet.
async fn met() -> Vec<String> {
    let mut messages = configuration::messages().await;
    messages.extend(outcome::messages().await);
    messages.extend(client::messages().await);
    messages.extend(log::messages());
    messages
}

#[tokio::test]
async fn every_message_of_the_guide_comes_from_the_code() {
    let met = met().await;
    let sources = sources();
    let quoted = quoted();
    assert!(quoted.len() >= 30, "{} messages", quoted.len());
    let mut triggered = 0;
    for message in &quoted {
        if met.iter().any(|text| message.is_in(text)) {
            triggered += 1;
            continue;
        }
        // Where a Cargo feature or a broken disk is needed, the words must at least be there.
        for part in message.parts() {
            assert!(sources.contains(part), "no such message: {}", message.text);
        }
    }
    assert!(triggered >= 80, "only {triggered} of {}", quoted.len());
}

/// The library's text, with strings that go on in the next line put together.
fn sources() -> String {
    let mut text = String::new();
    let mut folders = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/src").into()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir::<std::path::PathBuf>(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text += &std::fs::read_to_string(&path).expect("a source");
            }
        }
    }
    let mut joined = String::with_capacity(text.len());
    let mut pieces = text.split("\\\n");
    joined += pieces.next().unwrap_or_default();
    for piece in pieces {
        joined += piece.trim_start();
    }
    joined
}

#[test]
fn every_reason_of_a_drop_and_every_kind_of_error_is_explained() {
    use tower_otlp::{DropReason, ErrorKind as K};
    let kinds = [
        K::Rejected,
        K::TooLarge,
        K::Unauthenticated,
        K::Unsupported,
        K::Throttled,
        K::Unavailable,
        K::Timeout,
        K::Overloaded,
        K::CircuitOpen,
        K::Closed,
        K::Internal,
    ];
    let reasons = [
        DropReason::Shutdown,
        DropReason::Overflow,
        DropReason::Abandoned,
    ];
    let names = kinds.iter().map(|kind| kind.as_str());
    for name in names.chain(reasons.iter().map(|reason| reason.as_str())) {
        let row = format!("| `{name}` |");
        assert!(TROUBLESHOOTING.contains(&row), "{row}");
    }
}

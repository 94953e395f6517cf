//! Where a document goes: the data stream or the index, by attributes or as configured.

use super::{BulkAction, BulkFormat, Mapping};
use crate::{
    Signal,
    otlp::{
        json::write::{string, string_body},
        views::{AnyValue, Attributes, Str},
    },
};

/// The longest dataset and the longest namespace, in bytes.
const MAX_PART: usize = 100;

/// Attributes that say where a document goes and how it is written, and are not in it.
const ROUTING: [&[u8]; 8] = [
    b"data_stream.type",
    b"data_stream.dataset",
    b"data_stream.namespace",
    b"elasticsearch.index",
    b"elasticsearch.mapping.mode",
    b"elasticsearch.mapping.hints",
    b"elasticsearch.document_id",
    b"elasticsearch.ingest_pipeline",
];

/// Whether an attribute is one of those that are not in the document.
#[inline]
pub(super) fn is_routing(key: &[u8]) -> bool {
    matches!(key.first(), Some(b'd' | b'e'))
        && (key.starts_with(b"data_stream.") || key.starts_with(b"elasticsearch."))
        && ROUTING.contains(&key)
}

/// What attributes say about where a document goes. Empty is not said.
#[derive(Clone, Copy, Default)]
pub(super) struct Routing<'a> {
    pub(super) index: Str<'a>,
    pub(super) dataset: Str<'a>,
    pub(super) namespace: Str<'a>,
    pub(super) pipeline: Str<'a>,
    pub(super) document_id: Str<'a>,
}

impl<'a> Routing<'a> {
    pub(super) fn of(attributes: Attributes<'a>) -> Self {
        let mut this = Self::default();
        for (key, value) in attributes.iter() {
            let AnyValue::Str(text) = value else {
                continue;
            };
            match key.as_bytes() {
                b"elasticsearch.index" => this.index = text,
                b"data_stream.dataset" => this.dataset = text,
                b"data_stream.namespace" => this.namespace = text,
                b"elasticsearch.ingest_pipeline" => this.pipeline = text,
                b"elasticsearch.document_id" => this.document_id = text,
                _ => {}
            }
        }
        this
    }

    /// What is not said here is taken from what is around.
    pub(super) fn within(self, outer: Self) -> Self {
        let or = |own: Str<'a>, other: Str<'a>| if own.is_empty() { other } else { own };
        Self {
            index: or(self.index, outer.index),
            dataset: or(self.dataset, outer.dataset),
            namespace: or(self.namespace, outer.namespace),
            pipeline: or(self.pipeline, outer.pipeline),
            // An id is of one record.
            document_id: self.document_id,
        }
    }
}

/// Where a document goes, as it stands in its two lines.
#[derive(Clone, Default)]
pub(super) struct Target {
    /// `"_index":"..."`, and the pipeline if there is one.
    pub(super) action: Vec<u8>,
    /// `,"data_stream":{...}`, or nothing.
    pub(super) data_stream: Vec<u8>,
}

impl Target {
    /// Resolves where documents of this kind go. Span events are logs.
    pub(super) fn resolve(
        &mut self,
        format: &BulkFormat,
        kind: Signal,
        routing: Routing<'_>,
        scope_name: Str<'_>,
    ) {
        self.action.clear();
        self.data_stream.clear();
        self.action.extend_from_slice(b"\"_index\":");
        if let Some(index) = format.index_of(kind) {
            string(&mut self.action, index.as_bytes());
        } else if !routing.index.is_empty() {
            string(&mut self.action, routing.index.as_bytes());
        } else {
            self.data_stream(format, kind, routing, scope_name);
        }
        if !routing.pipeline.is_empty() {
            self.action.extend_from_slice(b",\"pipeline\":");
            string(&mut self.action, routing.pipeline.as_bytes());
        }
    }

    fn data_stream(
        &mut self,
        format: &BulkFormat,
        kind: Signal,
        routing: Routing<'_>,
        scope_name: Str<'_>,
    ) {
        let suffix = match format.mapping {
            Mapping::Otel => ".otel",
            Mapping::BodyMap => "",
        };
        let dataset = match receiver(scope_name.as_bytes()) {
            _ if !routing.dataset.is_empty() => routing.dataset.as_str(),
            Some(receiver) => std::str::from_utf8(receiver).unwrap_or_default(),
            None => &format.dataset,
        };
        let namespace = match routing.namespace.as_str() {
            "" => &*format.namespace,
            namespace => namespace,
        };
        let dataset = sanitised(dataset, "-\\/*?\"<>| ,#:", MAX_PART - suffix.len()) + suffix;
        let namespace = sanitised(namespace, "\\/*?\"<>| ,#:", MAX_PART);
        let kind = kind.as_str();
        let out = &mut self.action;
        out.push(b'"');
        for part in [kind, "-", &dataset, "-", &namespace] {
            string_body(out, part.as_bytes());
        }
        out.push(b'"');
        let out = &mut self.data_stream;
        out.extend_from_slice(b",\"data_stream\":{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"dataset\":");
        string(out, dataset.as_bytes());
        out.extend_from_slice(b",\"namespace\":");
        string(out, namespace.as_bytes());
        out.push(b'}');
    }

    /// Writes the start of the action line: up to where more keys may follow. Gives the place of
    /// the id, if one is to be filled in.
    pub(super) fn begin_action(
        &self,
        out: &mut Vec<u8>,
        action: BulkAction,
        id: Id<'_>,
    ) -> Option<usize> {
        out.extend_from_slice(match action {
            BulkAction::Create => b"{\"create\":{",
            BulkAction::Index => b"{\"index\":{",
        });
        let mut place = None;
        match id {
            Id::None => {}
            Id::Text(text) => {
                out.extend_from_slice(b"\"_id\":");
                string(out, text.as_bytes());
                out.push(b',');
            }
            Id::Content => {
                out.extend_from_slice(b"\"_id\":\"");
                place = Some(out.len());
                out.extend_from_slice(&[b'0'; 32]);
                out.extend_from_slice(b"\",");
            }
        }
        out.extend_from_slice(&self.action);
        place
    }
}

/// The `_id` of a document.
#[derive(Clone, Copy)]
pub(super) enum Id<'a> {
    /// The server gives one.
    None,
    /// This one.
    Text(Str<'a>),
    /// A hash of the document, which is filled in when it is written.
    Content,
}

/// The name of the Collector's receiver that a scope stands for: what matches
/// `/receiver/(\w*receiver)` in its name.
fn receiver(scope: &[u8]) -> Option<&[u8]> {
    const BEFORE: &[u8] = b"/receiver/";
    const END: &[u8] = b"receiver";
    let mut rest = scope;
    while let Some(found) = rest.windows(BEFORE.len()).position(|part| part == BEFORE) {
        rest = rest.get(found + BEFORE.len()..)?;
        let word = rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
            .unwrap_or(rest.len());
        let word = rest.get(..word)?;
        let last = word.windows(END.len()).rposition(|part| part == END);
        if let Some(last) = last {
            return word.get(..last + END.len());
        }
    }
    None
}

/// A part of a data stream's name: in lower case, without what must not be in one, cut to
/// `limit` bytes.
fn sanitised(part: &str, forbidden: &str, limit: usize) -> String {
    let mut out = String::with_capacity(part.len().min(limit));
    for letter in part.chars().flat_map(char::to_lowercase) {
        let letter = if forbidden.contains(letter) {
            '_'
        } else {
            letter
        };
        if out.len() + letter.len_utf8() > limit {
            break;
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receiver_in_a_scope_is_a_dataset() {
        for (scope, expected) in [
            (
                "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper/cpuscraper",
                Some("hostmetricsreceiver"),
            ),
            ("x/receiver/receiver", Some("receiver")),
            (
                "x/receiver/a_receiver2receiverx",
                Some("a_receiver2receiver"),
            ),
            (
                "x/receiver/none/receiver/kafkareceiver",
                Some("kafkareceiver"),
            ),
            ("x/receiver/none", None),
            ("kafkareceiver", None),
            ("", None),
        ] {
            let found = receiver(scope.as_bytes()).map(String::from_utf8_lossy);
            assert_eq!(found.as_deref(), expected, "{scope}");
        }
    }

    #[test]
    fn names_are_sanitised() {
        let dataset = |text: &str| sanitised(text, "-\\/*?\"<>| ,#:", 95);
        assert_eq!(dataset("My-App"), "my_app");
        assert_eq!(dataset("a-\\/*?\"<>| ,#:z"), "a_____________z");
        let namespace = |text: &str| sanitised(text, "\\/*?\"<>| ,#:", 100);
        assert_eq!(namespace("Prod-1/x"), "prod-1_x");
        assert_eq!(dataset(&"x".repeat(200)).len(), 95);
        assert_eq!(dataset(&"é".repeat(200)).len(), 94, "between two letters");
    }
}

//! A server that keeps documents as Elasticsearch does, and refuses what it is told to refuse.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read as _,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// Status, headers, body.
pub(super) type Answer = (u16, &'static [(&'static str, &'static str)], String);

/// What the server says of a document instead of storing it.
type Refuse = Box<dyn Fn(&Value) -> Option<Value> + Send>;

#[derive(Clone, Default)]
pub(super) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    seen: Vec<(Parts, Bytes)>,
    /// What is answered in place of what the documents deserve.
    script: VecDeque<Option<Answer>>,
    refuse: Option<Refuse>,
    stored: Vec<(String, Value)>,
    ids: BTreeMap<String, Value>,
    /// Answers nothing that `filter_path` would leave out.
    verbose: bool,
}

impl Server {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Answers these, `None` being what the documents deserve, and then what they deserve.
    pub(super) fn answering(script: Vec<Option<Answer>>) -> Self {
        let this = Self::new();
        this.with(|state| state.script = script.into());
        this
    }

    /// Answers this status once.
    pub(super) fn failing(status: u16) -> Self {
        Self::answering(vec![Some((status, &[], "no way".to_owned()))])
    }

    /// Says this of documents, where it says something.
    pub(super) fn refusing(refuse: impl Fn(&Value) -> Option<Value> + Send + 'static) -> Self {
        let this = Self::new();
        this.with(|state| state.refuse = Some(Box::new(refuse)));
        this
    }

    /// Also says that nothing failed, as servers do without a filter.
    pub(super) fn verbose(self) -> Self {
        self.with(|state| state.verbose = true);
        self
    }

    pub(super) fn stop_refusing(&self) {
        self.with(|state| state.refuse = None);
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().expect("no panic"))
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> usize {
        self.with(|state| state.seen.len())
    }

    /// Takes the first request that came.
    pub(super) fn request(&self) -> (Parts, Bytes) {
        self.with(|state| state.seen.remove(0))
    }

    /// What is stored: index and document.
    pub(super) fn stored(&self) -> Vec<(String, Value)> {
        self.with(|state| state.stored.clone())
    }

    /// The text of the bodies of the log records that are stored.
    pub(super) fn texts(&self) -> Vec<String> {
        let texts = self.stored().into_iter();
        texts
            .map(|(_, document)| {
                document["body"]["text"]
                    .as_str()
                    .expect("a text")
                    .to_owned()
            })
            .collect()
    }

    pub(super) fn router(&self) -> Router {
        let this = self.clone();
        Router::new().fallback(move |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            let (status, headers, body) = this.with(|state| state.answer(parts, body));
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Body::from(body)).expect("a response")
        })
    }
}

impl State {
    pub(super) fn script(&mut self, script: Vec<Option<Answer>>) {
        self.script = script.into();
    }

    fn answer(&mut self, parts: Parts, body: Bytes) -> Answer {
        let plain = match parts.headers.get("content-encoding") {
            Some(_) => {
                let mut plain = Vec::new();
                let mut reader = flate2::read::GzDecoder::new(&*body);
                reader.read_to_end(&mut plain).expect("gzip");
                plain
            }
            None => body.to_vec(),
        };
        self.seen.push((parts, body));
        if let Some(Some(answer)) = self.script.pop_front() {
            return answer;
        }
        assert!(plain.ends_with(b"\n"), "the last line ends, too");
        let lines: Vec<Value> = plain[..plain.len() - 1]
            .split(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect();
        let (pairs, rest) = lines.as_chunks::<2>();
        assert!(rest.is_empty(), "pairs of lines");
        let items: Vec<Value> = pairs
            .iter()
            .map(|[action, document]| self.store(action, document))
            .collect();
        let mut answer = json!({"took": 1, "items": items});
        if self.verbose {
            let failed = items.iter().any(|item| item["create"]["error"].is_object());
            answer["errors"] = json!(failed);
        }
        (
            200,
            &[("content-type", "application/json")],
            answer.to_string(),
        )
    }

    fn store(&mut self, action: &Value, document: &Value) -> Value {
        let (name, inner) = action
            .as_object()
            .expect("an object")
            .iter()
            .next()
            .expect("one");
        let index = inner["_index"].as_str().expect("an index");
        if let Some(refusal) = self.refuse.as_ref().and_then(|refuse| refuse(document)) {
            return json!({ name: refusal });
        }
        if let Some(id) = inner["_id"].as_str() {
            if self.ids.contains_key(id) {
                return json!({ name: {"_index": index, "status": 409, "error":
                    {"type": "version_conflict_engine_exception", "reason": "document already exists"}}});
            }
            self.ids.insert(id.to_owned(), document.clone());
        }
        self.stored.push((index.to_owned(), document.clone()));
        json!({ name: {"_index": index, "status": 201}})
    }
}

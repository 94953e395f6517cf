//! A trace with everything in it, in both encodings.

use std::collections::BTreeMap;

use prost::Message;
use tower::ServiceExt;
use tower_otlp::exporters::zipkin::{ZipkinEncoding, ZipkinExporter};

use super::{Seen, spans};
use crate::support::{
    whole,
    zipkin_proto::{Annotation, Endpoint, ListOfSpans, Span},
};

/// Rounded up: the nanoseconds end in 789.
const START: u64 = 1_700_000_000_123_457;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The tags that all spans have, and these.
fn tags(own: &[(&str, &str)]) -> BTreeMap<String, String> {
    let all = [
        ("host.name", "h1"),
        ("process.pid", "7"),
        ("otel.scope.name", "shop.http"),
        ("otel.scope.version", "1.2.0"),
    ];
    let all = all.iter().chain(own);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A root span of half a second.
fn span(id: u64, name: &str) -> Span {
    Span {
        trace_id: whole::TRACE.to_be_bytes().to_vec(),
        id: id.to_be_bytes().to_vec(),
        name: name.to_owned(),
        timestamp: START,
        duration: 500_000,
        local_endpoint: Some(Endpoint {
            service_name: "cart".to_owned(),
            ..Endpoint::default()
        }),
        tags: tags(&[]),
        ..Span::default()
    }
}

fn annotation(timestamp: u64, value: &str) -> Annotation {
    Annotation {
        timestamp,
        value: value.to_owned(),
    }
}

fn full() -> Span {
    let links = [
        r#"0102030405060708090a0b0c0d0e0f10|1112131415161718|k=v|{"why":"retry"}|1"#.to_owned(),
        format!("{TRACE}|000000000000000a||{{}}|0"),
    ];
    Span {
        parent_id: whole::PARENT.to_be_bytes().to_vec(),
        // SERVER
        kind: 2,
        duration: 1501,
        annotations: vec![
            annotation(
                1_700_000_000_124_000,
                r#""cache.miss":{"key":"cart:7","a":1}"#,
            ),
            annotation(1_700_000_000_124_000, "done"),
        ],
        tags: tags(&[
            ("text", "naïve 🦀"),
            ("int", "-9223372036854775808"),
            ("bool", "true"),
            ("double", "0.25"),
            ("bytes", "AP8="),
            ("list", r#"[1,"a"]"#),
            ("map", r#"{"a":"x","z":1}"#),
            ("unset", ""),
            ("w3c.tracestate", "vendor=a,other=b"),
            ("otel.dropped_attributes_count", "3"),
            ("otel.dropped_events_count", "4"),
            ("otel.dropped_links_count", "5"),
            ("otel.status_code", "ERROR"),
            ("error", "boom"),
            ("otlp.link.0", &links[0]),
            ("otlp.link.1", &links[1]),
        ]),
        ..span(1, "get /cart")
    }
}

fn expected() -> Vec<Span> {
    let child = |id, name| Span {
        parent_id: 1_u64.to_be_bytes().to_vec(),
        duration: 0,
        ..span(id, name)
    };
    let old = Span {
        trace_id: whole::OLD.to_be_bytes().to_vec(),
        ..span(5, "old")
    };
    let numbers = (0..whole::WIDE).map(|number| (format!("k{number}"), number.to_string()));
    let wide = Span {
        tags: tags(&[]).into_iter().chain(numbers).collect(),
        ..span(6, "wide")
    };
    let nameless = Span {
        annotations: vec![annotation(START, "")],
        tags: tags(&[("", "")]),
        ..span(7, "")
    };
    vec![
        full(),
        child(2, "endless"),
        child(3, "instant"),
        child(4, "backwards"),
        old,
        wide,
        nameless,
    ]
}

fn bytes(hex: &serde_json::Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hex");
    assert!(!hex.contains(|digit: char| digit.is_ascii_uppercase()));
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

/// A span of a JSON body. What is left out there is empty or 0 here.
fn from_json(json: &serde_json::Value) -> Span {
    let json = json.as_object().expect("an object");
    let known = [
        "traceId",
        "parentId",
        "id",
        "kind",
        "name",
        "timestamp",
        "duration",
        "localEndpoint",
        "annotations",
        "tags",
    ];
    assert!(json.keys().all(|key| known.contains(&&**key)), "{json:?}");
    assert!(!json.values().any(|value| value == 0 || value == ""));
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let number = |value: &serde_json::Value| value.as_u64().expect("a whole number");
    let kinds = ["", "CLIENT", "SERVER", "PRODUCER", "CONSUMER"];
    let kind = json
        .get("kind")
        .map_or("", |kind| kind.as_str().expect("text"));
    let annotations = json
        .get("annotations")
        .map_or(&[][..], |list| list.as_array().expect("a list").as_slice());
    let tags = json["tags"].as_object().expect("an object");
    Span {
        trace_id: bytes(&json["traceId"]),
        parent_id: json.get("parentId").map_or(Vec::new(), bytes),
        id: bytes(&json["id"]),
        kind: kinds
            .iter()
            .position(|known| *known == kind)
            .expect("a kind") as i32,
        name: json.get("name").map_or(String::new(), text),
        timestamp: json.get("timestamp").map_or(0, number),
        duration: json.get("duration").map_or(0, number),
        local_endpoint: Some(Endpoint {
            service_name: text(&json["localEndpoint"]["serviceName"]),
            ..Endpoint::default()
        }),
        remote_endpoint: None,
        annotations: annotations
            .iter()
            .map(|annotation| Annotation {
                timestamp: number(&annotation["timestamp"]),
                value: text(&annotation["value"]),
            })
            .collect(),
        tags: tags
            .iter()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect(),
    }
}

#[tokio::test]
async fn a_trace_stays_whole_in_both_encodings() {
    for encoding in [ZipkinEncoding::Json, ZipkinEncoding::Protobuf] {
        let seen = Seen::default();
        let exporter = ZipkinExporter::builder().encoding(encoding);
        let exporter = exporter.build_on(seen.router()).expect("valid");
        let response = exporter.oneshot(whole::message().into()).await;
        let response = response.expect("delivered");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (7, 0)
        );
        assert_eq!(
            response.message(),
            Some("1 of the spans end before they start, and were sent without a duration")
        );
        let (_, body) = seen.only();
        let found = match encoding {
            ZipkinEncoding::Json => spans(&body).iter().map(from_json).collect(),
            _ => ListOfSpans::decode(body).expect("protobuf").spans,
        };
        assert_eq!(found.len(), 7);
        for (found, expected) in found.iter().zip(expected()) {
            assert_eq!(*found, expected, "{encoding:?}");
        }
    }
}

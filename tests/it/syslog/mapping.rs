//! Random telemetry, and every field that the mapping keeps found again.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    resource::v1::Resource,
};
use serde_json::Value as Json;
use tower_otlp::{ExportRequest, exporters::syslog::SyslogFormat};

use super::rfc5424::{self, Message};
use crate::support::{
    allocations::allocations,
    backend::telemetry,
    generate::{Draw, Options},
};

/// What a record should look like, from the structs.
struct Expected<'a> {
    resource: &'a Resource,
    scope: (&'a str, &'a str),
    record: &'a LogRecord,
}

#[test]
fn every_field_is_found_again() {
    let format = SyslogFormat::default()
        .resource_attributes(true)
        .max_message_bytes(usize::MAX)
        .unwrap();
    let (mut seen, mut left_out) = (0, 0);
    for seed in 0..1500 {
        let mut draw = Draw::seeded(seed, Options::default());
        let mut logs = draw.logs();
        for group in &mut logs.resource_logs {
            let resource = group.resource.get_or_insert_default();
            place(&mut draw, &mut resource.attributes);
        }
        let request = ExportRequest::from(logs.clone());
        let mut out = Vec::new();
        let summary = format.encode(request.logs().unwrap(), &mut out);
        let frames = rfc5424::frames(&out);
        assert_eq!(summary.messages, request.items());
        assert_eq!((summary.cut, summary.rejected), (0, 0));
        left_out += summary.left_out;
        let nobody = Resource::default();
        let mut frames = frames.iter();
        for group in &logs.resource_logs {
            for scope_group in &group.scope_logs {
                let scope = scope_group.scope.as_ref();
                for record in &scope_group.log_records {
                    let expected = Expected {
                        resource: group.resource.as_ref().unwrap_or(&nobody),
                        scope: scope.map_or(("", ""), |scope| (&scope.name, &scope.version)),
                        record,
                    };
                    expected.check(&rfc5424::parse(frames.next().expect("a message")));
                    seen += 1;
                }
            }
        }
        assert!(frames.next().is_none());
    }
    assert!(seen > 1000 && left_out > 0, "{seen} {left_out}");
}

#[test]
fn whatever_is_cut_is_still_a_message() {
    for seed in 0..500 {
        let limit = 480 + usize::try_from(seed % 200).unwrap();
        let format = SyslogFormat::default()
            .resource_attributes(true)
            .max_message_bytes(limit)
            .unwrap();
        let request = ExportRequest::from(Draw::seeded(seed, Options::default()).logs());
        let mut out = Vec::new();
        let summary = format.encode(request.logs().unwrap(), &mut out);
        let frames = rfc5424::frames(&out);
        assert_eq!(summary.messages + summary.rejected, request.items());
        assert_eq!(frames.len() as u64, summary.messages);
        for frame in &frames {
            assert!(frame.len() <= limit, "{frame}");
            rfc5424::parse(frame);
        }
    }
}

#[test]
fn a_record_allocates_nothing() {
    let format = SyslogFormat::default().resource_attributes(true);
    let count = |records| {
        let request = telemetry(tower_otlp::Signal::Logs, records);
        let mut out = Vec::with_capacity(1 << 20);
        let (_, count, _) = allocations(|| format.encode(request.logs().unwrap(), &mut out));
        count
    };
    assert_eq!(count(1), count(1000));
}

/// Resource attributes that have places of their own.
const PLACED: [&str; 4] = [
    "host.name",
    "service.name",
    "process.pid",
    "service.version",
];

/// Puts some of those with a place among the others.
fn place(draw: &mut Draw, attributes: &mut Vec<KeyValue>) {
    for key in PLACED {
        let value = match draw.below(4) {
            0 => continue,
            1 => Value::IntValue(draw.signed()),
            _ => Value::StringValue(draw.text()),
        };
        attributes.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        });
    }
}

fn is_nothing(value: &AnyValue) -> bool {
    matches!(&value.value, Some(Value::StringValue(text)) if text.is_empty())
}

impl Expected<'_> {
    fn check(&self, message: &Message) {
        let record = self.record;
        let severity = match record.severity_number {
            1..=8 => 7,
            9 => 6,
            10..=12 => 5,
            13..=16 => 4,
            17 => 3,
            18 => 2,
            19..=20 => 1,
            21..=24 => 0,
            _ => 6,
        };
        assert_eq!(message.priority, 8 + severity);
        self.check_time(&message.timestamp);
        let of_resource = |key: &str, most| {
            let value = self.resource.attributes.iter().find(|pair| pair.key == key);
            match value.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
                Some(Value::StringValue(text)) => header(text, most),
                Some(Value::IntValue(value)) => header(&value.to_string(), most),
                other => {
                    assert_eq!(other, None);
                    header("", most)
                }
            }
        };
        assert_eq!(message.host_name, of_resource("host.name", 255));
        assert_eq!(message.app_name, of_resource("service.name", 48));
        assert_eq!(message.proc_id, of_resource("process.pid", 128));
        assert_eq!(message.msg_id, header(&record.event_name, 32));

        let hex = |id: &[u8]| {
            id.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let flags = match record.flags & 0xff {
            0 => String::new(),
            flags => format!("{flags:02x}"),
        };
        let otel: Vec<(String, String)> = [
            ("trace_id", hex(&record.trace_id)),
            ("span_id", hex(&record.span_id)),
            ("trace_flags", flags),
            ("scope_name", self.scope.0.to_owned()),
            ("scope_version", self.scope.1.to_owned()),
            ("severity_text", record.severity_text.clone()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        assert_eq!(message.element("otel@32473"), otel);
        assert_parameters(message.element("attributes@32473"), &record.attributes);
        let mut rest = self.resource.attributes.clone();
        rest.retain(|pair| !PLACED.contains(&pair.key.as_str()));
        assert_parameters(message.element("resource@32473"), &rest);
        let version = self
            .resource
            .attributes
            .iter()
            .find(|pair| pair.key == PLACED[3]);
        let version = version.and_then(|pair| pair.value.clone());
        match message.element("origin") {
            [(name, value)] => {
                assert_eq!(name, "swVersion");
                assert_value(value, &version);
            }
            none => assert!(none.is_empty() && version.is_none_or(|value| is_nothing(&value))),
        }

        // A space and nothing behind it would be an empty text.
        assert_ne!(message.text.as_deref(), Some(""));
        assert_value(message.text.as_deref().unwrap_or_default(), &record.body);
    }

    fn check_time(&self, shown: &str) {
        let time = match self.record.time_unix_nano {
            0 => self.record.observed_time_unix_nano,
            time => time,
        };
        if time == 0 {
            assert_eq!(shown, "-");
            return;
        }
        assert_eq!(shown.len(), "2023-11-14T22:13:20.123456Z".len());
        let micros = time / 1000 % 1_000_000;
        let seconds = time / 1_000_000_000;
        let (minutes, hours) = (seconds / 60 % 60, seconds / 3600 % 24);
        let of_day = format!("T{hours:02}:{minutes:02}:{:02}.{micros:06}Z", seconds % 60);
        assert!(shown.ends_with(&of_day), "{shown}");
    }
}

/// The first attributes of each name, with their values.
fn assert_parameters(shown: &[(String, String)], attributes: &[KeyValue]) {
    let mut names: Vec<String> = Vec::new();
    let mut shown = shown.iter();
    for pair in attributes {
        let allowed = |letter: char| match letter {
            '=' | ']' | '"' => '_',
            letter if letter.is_ascii_graphic() => letter,
            _ => '_',
        };
        let name: String = pair.key.chars().map(allowed).take(32).collect();
        let name = if name.is_empty() {
            "_".to_owned()
        } else {
            name
        };
        if names.contains(&name) {
            continue;
        }
        let (key, value) = shown.next().expect("a parameter");
        assert_eq!(*key, name);
        assert_value(value, &pair.value);
        names.push(name);
    }
    assert!(shown.next().is_none());
}

fn header(text: &str, most: usize) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let shown = |letter: char| {
        if letter.is_ascii_graphic() {
            letter
        } else {
            '_'
        }
    };
    text.chars().map(shown).take(most).collect()
}

/// That this is the string form of a value.
fn assert_value(shown: &str, value: &Option<AnyValue>) {
    match value.as_ref().and_then(|value| value.value.as_ref()) {
        None => assert_eq!(shown, ""),
        Some(Value::StringValue(text)) => assert_eq!(shown, text),
        Some(Value::BoolValue(value)) => assert_eq!(shown, value.to_string()),
        Some(Value::IntValue(value)) => assert_eq!(shown, value.to_string()),
        Some(Value::DoubleValue(value)) => assert_double(shown, *value),
        Some(Value::BytesValue(bytes)) => assert_eq!(shown, base64(bytes)),
        Some(nested) => {
            let json: Json = serde_json::from_str(shown).expect("JSON");
            assert_json(&json, Some(nested));
        }
    }
}

fn assert_double(shown: &str, value: f64) {
    let read = match shown {
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        digits => digits.parse().expect("a number"),
    };
    assert!(
        read == value || (read.is_nan() && value.is_nan()),
        "{shown} {value}"
    );
}

fn assert_json(json: &Json, value: Option<&Value>) {
    match value {
        None => assert_eq!(*json, Json::Null),
        Some(Value::ArrayValue(array)) => {
            let values = json.as_array().expect("a list");
            assert_eq!(values.len(), array.values.len());
            for (json, value) in values.iter().zip(&array.values) {
                assert_json(json, value.value.as_ref());
            }
        }
        Some(Value::KvlistValue(map)) => {
            let object = json.as_object().expect("an object");
            for (position, pair) in map.values.iter().enumerate() {
                // Of a key that occurs twice this reader keeps the last.
                let later = &map.values[position + 1..];
                if later.iter().all(|other| other.key != pair.key) {
                    let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
                    assert_json(&object[&pair.key], value);
                }
            }
        }
        Some(Value::StringValue(text)) => assert_eq!(json.as_str(), Some(text.as_str())),
        Some(Value::BoolValue(value)) => assert_eq!(json.as_bool(), Some(*value)),
        Some(Value::IntValue(value)) => assert_eq!(json.as_i64(), Some(*value)),
        Some(Value::BytesValue(bytes)) => assert_eq!(json.as_str(), Some(&*base64(bytes))),
        Some(Value::DoubleValue(value)) => match json {
            Json::String(text) => assert_double(text, *value),
            number => assert_double(&number.to_string(), *value),
        },
        Some(other) => panic!("{other:?} is of another signal"),
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let digit = |bits: &[u8]| {
        let padded = bits.iter().chain(&[0; 6]).take(6);
        let value = padded.fold(0, |value, bit| value << 1 | usize::from(*bit));
        char::from(ALPHABET[value])
    };
    let mut text: String = bits.chunks(6).map(digit).collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

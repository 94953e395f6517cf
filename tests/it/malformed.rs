//! What is wrong is named: field path, byte offset, problem.

use std::error::Error;

use tower_otlp::{
    ErrorKind, ExportError, ExportRequest, Signal,
    otlp::{Limits, Malformed, Problem},
};

/// A message in which something can be wrong.
#[derive(Clone, Copy)]
struct Place {
    signal: Signal,
    /// Field numbers from the root to the message, and how many empty siblings come first.
    levels: &'static [(u8, usize)],
    path: &'static str,
}

const SPAN: Place = Place {
    signal: Signal::Traces,
    levels: &[(1, 1), (2, 0), (2, 2)],
    path: "resource_spans[1].scope_spans[0].spans[2]",
};
const METRIC: Place = Place {
    signal: Signal::Metrics,
    levels: &[(1, 0), (2, 3), (2, 1)],
    path: "resource_metrics[0].scope_metrics[3].metrics[1]",
};
const POINT: Place = Place {
    signal: Signal::Metrics,
    levels: &[(1, 0), (2, 3), (2, 1), (5, 0), (1, 4)],
    path: "resource_metrics[0].scope_metrics[3].metrics[1].gauge.data_points[4]",
};
const HISTOGRAM_POINT: Place = Place {
    signal: Signal::Metrics,
    levels: &[(1, 0), (2, 0), (2, 0), (9, 0), (1, 1)],
    path: "resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[1]",
};
const BUCKETS: Place = Place {
    signal: Signal::Metrics,
    levels: &[(1, 0), (2, 0), (2, 0), (10, 0), (1, 0), (9, 0)],
    path: "resource_metrics[0].scope_metrics[0].metrics[0].exponential_histogram\
           .data_points[0].negative",
};
const RECORD: Place = Place {
    signal: Signal::Logs,
    levels: &[(1, 2), (2, 1), (2, 0)],
    path: "resource_logs[2].scope_logs[1].log_records[0]",
};

/// A string field in each signal.
const TEXTS: [(Place, u8, &str); 3] = [
    (SPAN, 5, "name"),
    (METRIC, 2, "description"),
    (RECORD, 3, "severity_text"),
];
/// A varint field in each signal.
const VARINTS: [(Place, u8, &str); 3] = [
    (SPAN, 10, "dropped_attributes_count"),
    (POINT, 8, "flags"),
    (RECORD, 2, "severity_number"),
];
/// A 64-bit field in each signal.
const FIXED: [(Place, u8, &str); 3] = [
    (SPAN, 7, "start_time_unix_nano"),
    (POINT, 6, "as_int"),
    (RECORD, 1, "time_unix_nano"),
];

impl Place {
    /// A request with this body as the message, and where the body starts.
    fn around(&self, body: &[u8]) -> (Vec<u8>, usize) {
        let mut bytes = body.to_vec();
        let mut start = 0;
        for (number, siblings) in self.levels.iter().rev() {
            let tag = number << 3 | 2;
            // An empty sibling is legal for repeated fields only; the others have none here.
            let mut outer = [tag, 0].repeat(*siblings);
            assert!(bytes.len() < 128, "lengths of one byte");
            outer.extend([tag, bytes.len() as u8]);
            start += outer.len();
            outer.extend(bytes);
            bytes = outer;
        }
        (bytes, start)
    }

    /// Asserts that a message with this body is refused for this reason, at this field and this
    /// offset from the start of the body.
    #[track_caller]
    fn refuses(&self, body: &[u8], field: &str, offset: usize, problem: &Problem) {
        let (bytes, start) = self.around(body);
        let error = ExportRequest::from_protobuf(self.signal, bytes).expect_err("malformed");
        assert_eq!(error.problem(), problem);
        let path = [self.path, field].join(if field.is_empty() { "" } else { "." });
        assert_eq!(error.path(), path);
        assert_eq!(error.offset(), start + offset, "offset");
        assert_eq!(
            error.to_string(),
            format!("{path}, byte {}: {problem}", start + offset)
        );
    }
}

fn field(number: u8, wire: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | wire], value].concat()
}

#[test]
fn places_are_valid_without_a_fault() {
    for place in [SPAN, METRIC, POINT, HISTOGRAM_POINT, BUCKETS, RECORD] {
        let (bytes, _) = place.around(&[]);
        ExportRequest::from_protobuf(place.signal, bytes).expect("valid");
    }
}

#[test]
fn truncated() {
    for (place, number, name) in TEXTS {
        // Five bytes are promised, three are there.
        let cut = field(number, 2, b"\x05abc");
        place.refuses(&cut, name, 1, &Problem::Truncated);
        // No length at all.
        place.refuses(&field(number, 2, b""), name, 1, &Problem::Truncated);
        // The length ends in the middle.
        place.refuses(&field(number, 2, b"\x80"), name, 1, &Problem::Truncated);
    }
    for (place, number, name) in VARINTS {
        place.refuses(&field(number, 0, b"\x80"), name, 1, &Problem::Truncated);
    }
    for (place, number, name) in FIXED {
        let cut = field(number, 1, b"\0\0\0\0\0\0\0");
        place.refuses(&cut, name, 1, &Problem::Truncated);
    }
    for (place, number, name) in [
        (HISTOGRAM_POINT, 6, "bucket_counts[0]"),
        (HISTOGRAM_POINT, 7, "explicit_bounds[0]"),
    ] {
        // Nine bytes are no whole number of values.
        let run = field(number, 2, b"\x09\0\0\0\0\0\0\0\0\0");
        place.refuses(&run, name, 2, &Problem::Truncated);
    }
    // The last of three bucket counts is cut, while the message goes on behind it.
    let run = field(2, 2, b"\x03\x01\x02\x80");
    let and_offset = [run, field(1, 0, b"\x02")].concat();
    BUCKETS.refuses(&and_offset, "bucket_counts[0]", 4, &Problem::Truncated);
}

#[test]
fn a_message_that_points_past_its_end() {
    for (signal, bytes, path) in [
        (
            Signal::Traces,
            b"\x0a\x02\x12\x03",
            "resource_spans[0].scope_spans[0]",
        ),
        (
            Signal::Metrics,
            b"\x0a\x02\x12\x7f",
            "resource_metrics[0].scope_metrics[0]",
        ),
        (
            Signal::Logs,
            b"\x0a\x02\x12\x01",
            "resource_logs[0].scope_logs[0]",
        ),
    ] {
        let error = ExportRequest::from_protobuf(signal, &bytes[..]).expect_err("truncated");
        assert_eq!(error.problem(), &Problem::Truncated);
        assert_eq!((error.path().as_str(), error.offset()), (path, 3));
    }
}

#[test]
fn invalid_varint() {
    for (place, number, name) in VARINTS {
        let long = field(number, 0, &[0xff; 11]);
        place.refuses(&long, name, 1, &Problem::InvalidVarint);
        let beyond_64_bits = field(number, 0, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
        place.refuses(&beyond_64_bits, name, 1, &Problem::InvalidVarint);
    }
    for (place, number, name) in TEXTS {
        let length = field(number, 2, &[0xff; 11]);
        place.refuses(&length, name, 1, &Problem::InvalidVarint);
    }
    let run = field(
        2,
        2,
        b"\x0c\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    );
    BUCKETS.refuses(&run, "bucket_counts[0]", 3, &Problem::InvalidVarint);
}

#[test]
fn invalid_tag() {
    for place in [SPAN, METRIC, POINT, RECORD] {
        // Behind a valid field, here an unknown one.
        let faults: [&[u8]; 5] = [
            // Field number zero.
            b"\x88\x01\x05\x00",
            // Wire types that do not exist.
            b"\x88\x01\x05\x8e\x01",
            b"\x88\x01\x05\x8f\x01",
            // The end of a group that did not start, and of another than did.
            b"\x88\x01\x05\x8c\x01",
            b"\x88\x01\x05\x8b\x01\x94\x01",
        ];
        for body in faults {
            place.refuses(body, "", 3, &Problem::InvalidTag);
        }
        // A field number of more than 29 bits.
        place.refuses(b"\x82\x80\x80\x80\x10\x00", "", 0, &Problem::InvalidTag);
    }
}

#[test]
fn wrong_wire_type() {
    let wrong = |found, expected| Problem::WrongWireType { found, expected };
    for (place, number, name) in TEXTS {
        place.refuses(&field(number, 0, b"\x01"), name, 1, &wrong(0, 2));
        place.refuses(&field(number, 3, b"\x01"), name, 1, &wrong(3, 2));
    }
    for (place, number, name) in VARINTS {
        place.refuses(&field(number, 2, b"\x01a"), name, 1, &wrong(2, 0));
    }
    for (place, number, name) in FIXED {
        place.refuses(&field(number, 5, b"\0\0\0\0"), name, 1, &wrong(5, 1));
    }
    let unpacked = field(6, 0, b"\x01");
    HISTOGRAM_POINT.refuses(&unpacked, "bucket_counts[0]", 1, &wrong(0, 1));
}

#[test]
fn invalid_utf8() {
    for (place, number, name) in TEXTS {
        // The offset is that of the first byte that does not fit.
        let text = field(number, 2, b"\x06caf\xc3\xa9\xff");
        place.refuses(&text, name, 7, &Problem::InvalidUtf8);
        let latin1 = field(number, 2, b"\x04caf\xe9");
        place.refuses(&latin1, name, 5, &Problem::InvalidUtf8);
    }
    // In the key and in the value of an attribute.
    for (place, number) in [(SPAN, 9), (METRIC, 12), (POINT, 7), (RECORD, 6)] {
        let name = if place.path == METRIC.path {
            "metadata"
        } else {
            "attributes"
        };
        let good = field(number, 2, b"\x0a\x0a\x01k\x12\x05\x0a\x03val");
        let key = field(number, 2, b"\x0a\x0a\x01\xff\x12\x05\x0a\x03val");
        let value = field(number, 2, b"\x0a\x0a\x01k\x12\x05\x0a\x03v\xffl");
        place.refuses(
            &[&good[..], &key].concat(),
            &format!("{name}[1].key"),
            12 + 4,
            &Problem::InvalidUtf8,
        );
        place.refuses(
            &[&good[..], &good, &value].concat(),
            &format!("{name}[2].value.string_value"),
            24 + 10,
            &Problem::InvalidUtf8,
        );
    }
}

#[test]
fn too_deep() {
    for (place, number, name) in [
        (SPAN, 9, "attributes[0].value"),
        (POINT, 7, "attributes[0].value"),
        (RECORD, 5, "body"),
    ] {
        // An array in an array and so on, with lengths of two padded bytes each.
        let wrap = |number: u8, body: Vec<u8>| {
            let septets = [body.len() as u8 | 0x80, (body.len() >> 7) as u8];
            [&[number << 3 | 2], &septets[..], &body].concat()
        };
        let mut body = Vec::new();
        for _ in 0..50 {
            body = wrap(5, wrap(1, body));
        }
        if name != "body" {
            body = wrap(2, body);
        }
        body = wrap(number, body);
        for (number, _) in place.levels.iter().rev() {
            body = wrap(*number, body);
        }
        let error = ExportRequest::from_protobuf(place.signal, body).expect_err("too deep");
        assert_eq!(error.problem(), &Problem::TooDeep);
        let path = error.path();
        assert!(
            path.contains(&format!("{name}.array_value.values[0].array_value")),
            "{path}"
        );
        // A hundred levels are allowed, so the fault is the hundred and first.
        assert_eq!(path.split('.').count(), 101);
        let text = error.to_string();
        assert!(text.len() < 400 && text.contains("..., byte "), "{text}");
    }
}

#[test]
fn too_large() {
    for place in [SPAN, POINT, RECORD] {
        let (bytes, _) = place.around(&[]);
        let size = bytes.len();
        let limits = Limits::default().max_bytes(size);
        ExportRequest::from_protobuf_with(place.signal, bytes.clone(), &limits).expect("fits");
        let limits = Limits::default().max_bytes(size - 1);
        let error =
            ExportRequest::from_protobuf_with(place.signal, bytes, &limits).expect_err("too large");
        assert_eq!(error.problem(), &Problem::TooLarge { limit: size - 1 });
        assert_eq!((error.path().as_str(), error.offset()), ("", 0));
    }
}

#[test]
fn too_many_items() {
    for (place, items) in [(SPAN, 3), (POINT, 5), (RECORD, 1)] {
        let (bytes, _) = place.around(&[]);
        let limits = Limits::default().max_items(items);
        let request =
            ExportRequest::from_protobuf_with(place.signal, bytes.clone(), &limits).expect("fits");
        assert_eq!(request.items(), items);
        let limits = Limits::default().max_items(items - 1);
        let error =
            ExportRequest::from_protobuf_with(place.signal, bytes, &limits).expect_err("too many");
        assert_eq!(
            error.to_string(),
            format!("byte 0: more than the limit of {} items", items - 1)
        );
    }
}

#[test]
fn an_export_error_keeps_the_cause() {
    let (bytes, _) = SPAN.around(&field(5, 2, b"\x01\xff"));
    let malformed = ExportRequest::from_protobuf(Signal::Traces, bytes).expect_err("malformed");
    let error = ExportError::from(malformed.clone());
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(!error.is_retryable());
    let source = error.source().and_then(|source| source.downcast_ref());
    assert_eq!(source, Some(&malformed));
    let _: &Malformed = source.expect("typed");
    assert!(
        error.to_string().contains("spans[2].name, byte "),
        "{error}"
    );
}

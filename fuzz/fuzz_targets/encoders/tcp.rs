//! TCP: one line of JSON, or the length and the request itself.

use tower_otlp::{Encoding, ExportRequest, exporters::tcp, otlp};

use crate::{BEFORE, Choices, json, written};

pub(crate) fn check(request: &ExportRequest, choices: Choices) {
    let encoding = choices.pick(0, [Encoding::Json, Encoding::Protobuf]);
    let mut out = BEFORE.to_vec();
    let left_out = tcp::encode(request.otlp(), encoding, &mut out).expect("shorter than 4 GiB");
    let left_out = left_out.map_or(0, |left_out| left_out.items);
    let record = written(&out, request);
    match encoding {
        Encoding::Json if record.is_empty() => assert_eq!(left_out, request.items()),
        Encoding::Json => {
            let line = record.strip_suffix(b"\n").expect("a line feed");
            assert!(!line.contains(&b'\n'));
            json::read(line);
            let read = otlp::json::read(request.signal(), line, &otlp::Limits::default());
            assert_eq!(read.expect("OTLP/JSON").items() + left_out, request.items());
        }
        _ => {
            let (length, body) = record.split_first_chunk().expect("a length");
            assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
            assert_eq!(body, request.protobuf());
            assert_eq!(left_out, 0);
        }
    }
}

//! A request as a record of a file.

use super::FileFormat;
use crate::{
    files::LENGTH,
    otlp::{
        self, OtlpBytes,
        json::{LeftOut, form},
    },
};

/// Writes a request behind what `out` holds, as one record.
///
/// ```
/// use tower_otlp::{ExportRequest, Signal, exporters::file::{self, FileFormat}};
///
/// let json = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"ev"}]}]}]}"#;
/// let request = ExportRequest::from_json(Signal::Logs, json)?;
///
/// let mut out = Vec::new();
/// assert_eq!(file::encode(request.otlp(), FileFormat::Json, &mut out), None);
/// assert!(out.starts_with(b"{\"resourceLogs\":[{") && out.ends_with(b"}\n"));
/// # Ok::<(), tower_otlp::otlp::Malformed>(())
/// ```
///
/// JSON has no form for an id of a wrong length, and a reader refuses the whole line for one: such
/// items are left out, and returned as that. Everything else that
/// [`json::write`](crate::otlp::json::write) leaves out (fields that this version does not know)
/// is left out here too. Protobuf keeps every byte. If nothing is left, nothing is written.
pub fn encode(otlp: &OtlpBytes, format: FileFormat, out: &mut Vec<u8>) -> Option<LeftOut> {
    match format {
        FileFormat::Json => json(otlp, out),
        FileFormat::Protobuf => {
            length_prefixed(out, |out| out.extend_from_slice(otlp.bytes()));
            None
        }
    }
}

/// Writes what `write` writes, with its length in front.
pub(super) fn length_prefixed(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    write(out);
    // A record has a limit far below 4 GiB.
    let length = u32::try_from(out.len() - start - LENGTH).unwrap_or(u32::MAX);
    if let Some(prefix) = out.get_mut(start..start + LENGTH) {
        prefix.copy_from_slice(&length.to_be_bytes());
    }
}

fn json(otlp: &OtlpBytes, out: &mut Vec<u8>) -> Option<LeftOut> {
    let Some((rest, left_out)) = form::without_formless(otlp) else {
        line(otlp, out);
        return None;
    };
    if let Some(rest) = rest {
        line(&rest, out);
    }
    Some(left_out)
}

fn line(otlp: &OtlpBytes, out: &mut Vec<u8>) {
    otlp::json::write_into(otlp, out);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExportRequest, Signal};

    fn logs(json: &str) -> ExportRequest {
        ExportRequest::from_json(Signal::Logs, json.as_bytes()).expect("OTLP/JSON")
    }

    fn encoded(request: &ExportRequest, format: FileFormat) -> Vec<u8> {
        let mut out = b"before".to_vec();
        assert_eq!(encode(request.otlp(), format, &mut out), None);
        out.split_off(6)
    }

    const LOG: &str = r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"observedTimeUnixNano":"1700000000000000000","severityNumber":9,"body":{"stringValue":"hi"},"eventName":"ev"}]}]}]}"#;

    #[test]
    fn a_json_record_is_a_line() {
        let line = encoded(&logs(LOG), FileFormat::Json);
        assert_eq!(String::from_utf8(line).expect("UTF-8"), format!("{LOG}\n"));
    }

    #[test]
    fn a_protobuf_record_has_its_length_in_front() {
        // As in the mapping: the members that JSON shows as `{}` are absent.
        let hex = "0a191217121510092a040a0268695900002a36fe9c971762026576";
        let message: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect();
        let request = ExportRequest::from_protobuf(Signal::Logs, message.clone()).expect("valid");
        let record = encoded(&request, FileFormat::Protobuf);
        assert_eq!(record[..4], [0, 0, 0, 0x1b]);
        assert_eq!(record[4..], message);
        assert_eq!(record.len(), 31);
        assert_eq!(
            encoded(&request, FileFormat::Json),
            format!("{LOG}\n").into_bytes()
        );
    }

    #[test]
    fn a_newline_in_a_text_does_not_end_the_line() {
        let json = LOG.replace("hi", r"a\nb\u2028");
        let line = encoded(&logs(&json), FileFormat::Json);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn items_with_ids_of_a_wrong_length_are_left_out_and_their_neighbours_live() {
        // Two spans, of which the first has an id of three bytes.
        let spans = b"\x12\x0a\x12\x03abc\x2a\x03bad\x12\x06\x2a\x04good";
        let mut bytes = vec![0x0a, 24, 0x12, 22];
        bytes[1] = spans.len() as u8 + 2;
        bytes[3] = spans.len() as u8;
        bytes.extend_from_slice(spans);
        let request = ExportRequest::from_protobuf(Signal::Traces, bytes).expect("valid");
        let mut out = Vec::new();
        let left_out = encode(request.otlp(), FileFormat::Json, &mut out).expect("one");
        assert_eq!(left_out.items, 1);
        assert!(
            left_out.message.contains("span \"bad\""),
            "{}",
            left_out.message
        );
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.contains("good") && !text.contains("bad"), "{text}");
        assert_eq!(
            encode(request.otlp(), FileFormat::Protobuf, &mut Vec::new()),
            None
        );
    }
}

//! The worked examples and the pitfalls of the file form of OTLP, one by one.

use std::fs;

use tower_otlp::{
    ExportRequest, Signal,
    exporters::file::{FileCompression, FileExporter, FileFormat},
    receivers::file::{FileReadProblem, FileReader},
};

use super::*;

const SPAN: &str = r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718","traceState":"k=v","flags":257,"name":"x<&>","startTimeUnixNano":"1700000000123456789","attributes":[{"key":"nan","value":{"doubleValue":"NaN"}},{"key":"inf","value":{"doubleValue":"-Infinity"}},{"key":"big","value":{"doubleValue":1e+21}},{"key":"small","value":{"doubleValue":1e-07}},{"key":"one","value":{"doubleValue":1}},{"key":"i","value":{"intValue":"-9223372036854775808"}},{"key":"b","value":{"bytesValue":"AP8="}},{"key":"e","value":{}},{"key":"f","value":{"boolValue":false}},{"key":"s","value":{"arrayValue":{}}},{"key":"m","value":{"kvlistValue":{}}},{"key":"es","value":{"stringValue":""}}],"droppedAttributesCount":3,"status":{}}]}]}]}"#;

const LOG: &str = r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"observedTimeUnixNano":"1700000000000000000","severityNumber":9,"body":{"stringValue":"hi"},"eventName":"ev"}]}]}]}"#;

const METRICS: &str = r#"{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"scope":{},"metrics":[{"name":"h","histogram":{"dataPoints":[{"timeUnixNano":"5","count":"3","sum":0,"bucketCounts":["1","2"],"explicitBounds":[0.5]}],"aggregationTemporality":2}},{"name":"g","gauge":{"dataPoints":[{"asInt":"0"},{"asDouble":0}]}},{"name":"e","exponentialHistogram":{"dataPoints":[{"scale":-1,"zeroCount":"2","positive":{"offset":-3,"bucketCounts":["1"]},"negative":{},"zeroThreshold":0.1}]}}]}]}]}"#;

/// The same log record as a protobuf record of a file.
const LOG_RECORD: &str = "0000001b0a191217121510092a040a0268695900002a36fe9c971762026576";

fn from_json(signal: Signal, json: &str) -> ExportRequest {
    ExportRequest::from_json(signal, json.as_bytes()).expect("OTLP/JSON")
}

/// The file that these requests make.
async fn file_of(requests: &[ExportRequest], form: (FileFormat, FileCompression)) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel-{signal}");
    let exporter = FileExporter::builder(&path)
        .format(form.0)
        .compression(form.1);
    let exporter = exporter.build().expect("opened");
    let mut signal = Signal::Logs;
    for request in requests {
        signal = request.signal();
        export(&exporter, request.clone()).await.expect("written");
    }
    let path = folder.path().join(format!("otel-{signal}"));
    fs::read(with_ending(&path, form.1)).expect("there")
}

/// What is read from a file of this content.
fn read_text(text: &[u8]) -> Vec<Result<ExportRequest, FileReadError>> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("written");
    let reader = FileReader::builder()
        .file(file.path())
        .build()
        .expect("a file");
    reader
        .map(|record| record.map(|record| record.request))
        .collect()
}

const LINES: (FileFormat, FileCompression) = (FileFormat::Json, FileCompression::None);

#[tokio::test]
async fn each_example_is_the_line_of_a_file_byte_for_byte() {
    let all = [
        (Signal::Traces, SPAN),
        (Signal::Logs, LOG),
        (Signal::Metrics, METRICS),
    ];
    for (signal, json) in all {
        let request = from_json(signal, json);
        let file = file_of(&[request.clone(), request.clone()], LINES).await;
        let text = String::from_utf8(file).expect("UTF-8");
        assert_eq!(text, format!("{json}\n{json}\n"));
        for read in read_text(text.as_bytes()) {
            assert_eq!(read.expect("reads").protobuf(), request.protobuf());
        }
    }
}

#[tokio::test]
async fn the_protobuf_example_is_the_record_of_a_file_byte_for_byte() {
    let bytes: Vec<u8> = (0..LOG_RECORD.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&LOG_RECORD[at..at + 2], 16).expect("hex"))
        .collect();
    assert_eq!(bytes.len(), 31);
    let request = ExportRequest::from_protobuf(Signal::Logs, bytes[4..].to_vec()).expect("valid");
    let form = (FileFormat::Protobuf, FileCompression::None);
    assert_eq!(file_of(&[request], form).await, bytes);
    let read = read_text(&bytes);
    let request = read[0].as_ref().expect("reads");
    let line = file_of(std::slice::from_ref(request), LINES).await;
    assert_eq!(line, format!("{LOG}\n").as_bytes());
}

#[tokio::test]
async fn the_collectors_compressed_records_have_their_length_in_front_and_no_newline() {
    for (format, content) in [
        (FileFormat::Json, LOG.as_bytes().to_vec()),
        (
            FileFormat::Protobuf,
            from_json(Signal::Logs, LOG).protobuf().to_vec(),
        ),
    ] {
        let request = from_json(Signal::Logs, LOG);
        let form = (format, FileCompression::ZstdRecords);
        let file = file_of(&[request.clone(), request], form).await;
        let mut rest = &file[..];
        for _ in 0..2 {
            let (length, behind) = rest.split_first_chunk::<4>().expect("a length");
            let (frame, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
            assert_eq!(zstd::decode_all(frame).expect("a frame"), content);
            rest = behind;
        }
        assert!(rest.is_empty());
    }
}

/// The span example with one thing changed.
fn changed(from: &str, to: &str) -> String {
    assert!(SPAN.contains(from), "{from}");
    SPAN.replacen(from, to, 1)
}

#[test]
fn what_the_collector_reads_is_read_from_a_file() {
    let id = r#""traceId":"4bf92f3577b34da6a3ce929d0e0e4736""#;
    let time = r#""startTimeUnixNano":"1700000000123456789""#;
    let name = r#""name":"x<&>""#;
    let double = r#"{"doubleValue":1}"#;
    for (from, to) in [
        (id, r#""traceId":"4BF92F3577B34DA6A3CE929D0E0E4736""#),
        (id, r#""traceId":"""#),
        (time, r#""startTimeUnixNano":1700000000123456789"#),
        (time, r#""start_time_unix_nano":"5""#),
        (name, r#""kind":"SPAN_KIND_SERVER""#),
        (name, r#""droppedEventsCount":"7""#),
        (name, r#""nope":{"a":[1]}"#),
        (name, r#""name":null"#),
        (double, r#"{"doubleValue":"1.5"}"#),
        // Legal to read, not to write.
        (
            r#"{"intValue":"-9223372036854775808"}"#,
            r#"{"intValue":5}"#,
        ),
    ] {
        let read = read_text(changed(from, to).as_bytes());
        assert!(read[0].is_ok(), "{to}: {read:?}");
    }
    for (from, to) in [
        // Base64, as generic protobuf libraries write ids.
        (id, r#""traceId":"S/kvNXezTaajzpKdDg5HNg==""#),
        (r#""spanId":"1112131415161718""#, r#""spanId":"1112""#),
        (time, r#""startTimeUnixNano":1.7e18"#),
        (name, r#""kind":"2""#),
    ] {
        // The neighbours of the line are read.
        let text = format!("{SPAN}\n{}\n{SPAN}\n", changed(from, to));
        let read = read_text(text.as_bytes());
        assert_eq!(read.len(), 3);
        assert!(read[0].is_ok() && read[2].is_ok(), "{to}");
        let error = read[1].as_ref().expect_err(to);
        assert!(
            matches!(error.problem(), FileReadProblem::Malformed(_)),
            "{to}: {error}"
        );
        assert_eq!(error.record(), 2);
    }
}

#[tokio::test]
async fn ids_are_hex_and_never_base64() {
    let text = file_of(&[from_json(Signal::Traces, SPAN)], LINES).await;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(
        text.contains(r#""traceId":"4bf92f3577b34da6a3ce929d0e0e4736""#),
        "{text}"
    );
    // And bytes, not hex text, in protobuf.
    let request = from_json(Signal::Traces, SPAN);
    let id = [0x4b, 0xf9, 0x2f, 0x35];
    assert!(request.protobuf().windows(4).any(|bytes| bytes == id));
}

#[tokio::test]
async fn integers_of_64_bits_are_strings() {
    for (signal, json, part) in [
        (Signal::Traces, SPAN, r#""intValue":"-9223372036854775808""#),
        (Signal::Metrics, METRICS, r#""bucketCounts":["1","2"]"#),
        (Signal::Metrics, METRICS, r#""asInt":"0""#),
    ] {
        let text = file_of(&[from_json(signal, json)], LINES).await;
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn not_a_number_is_a_string_and_not_null() {
    let text = file_of(&[from_json(Signal::Traces, SPAN)], LINES).await;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(
        text.contains(r#"{"doubleValue":"NaN"}"#) && !text.contains("null"),
        "{text}"
    );
    assert!(text.contains(r#"{"doubleValue":"-Infinity"}"#), "{text}");
}

#[tokio::test]
async fn enumerations_are_numbers_and_names_lower_camel_case() {
    let text = file_of(&[from_json(Signal::Logs, LOG)], LINES).await;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(
        text.contains(r#""severityNumber":9"#) && !text.contains('_'),
        "{text}"
    );
}

#[tokio::test]
async fn no_key_is_there_twice_and_every_line_is_one_object() {
    let requests = [
        from_json(Signal::Metrics, METRICS),
        from_json(Signal::Metrics, METRICS),
    ];
    let text = file_of(&requests, LINES).await;
    for line in String::from_utf8(text).expect("UTF-8").lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let again = serde_json::to_string(&value).expect("JSON");
        let keys = |text: &str| text.matches("\":").count();
        assert_eq!(keys(&again), keys(line));
        assert_eq!(value.as_object().expect("an object").len(), 1);
    }
}

#[test]
fn a_partial_last_line_is_reported_and_the_rest_is_read() {
    let read = read_text(format!("{LOG}\n{}", &LOG[..LOG.len() - 5]).as_bytes());
    assert_eq!(read.len(), 2);
    assert!(read[0].is_ok());
    let error = read[1].as_ref().expect_err("torn");
    let torn = LOG.len() as u64 - 5;
    assert!(
        matches!(error.problem(), FileReadProblem::Torn { bytes } if *bytes == torn),
        "{error}"
    );
}

#[tokio::test]
async fn a_writer_ends_or_cuts_off_a_partial_last_line_first() {
    for (left, lines) in [(LOG.to_owned(), 2), (LOG[..LOG.len() - 5].to_owned(), 1)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.jsonl");
        fs::write(&path, left).expect("written");
        let exporter = FileExporter::builder(&path).build().expect("opened");
        export(&exporter, from_json(Signal::Logs, LOG))
            .await
            .expect("written");
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(text, format!("{LOG}\n").repeat(lines));
    }
}

//! Every worked example and every pitfall of the mapping, byte for byte.

mod examples;
mod header;
mod size;
mod structured;
mod text;

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};

use super::*;
use crate::ExportRequest;

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.to_owned())
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(any(value)),
        ..KeyValue::default()
    }
}

fn map(pairs: Vec<KeyValue>) -> Value {
    Value::KvlistValue(KeyValueList { values: pairs })
}

fn request(resource: Vec<KeyValue>, records: Vec<LogRecord>) -> ExportRequest {
    ExportRequest::from(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: resource,
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: records,
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    })
}

fn encoded(format: &SyslogFormat, request: &ExportRequest) -> (String, SyslogSummary) {
    let mut out = Vec::new();
    let summary = format.encode(request.logs().expect("logs"), &mut out);
    (String::from_utf8(out).expect("UTF-8"), summary)
}

/// The one message, without its frame, of which the length is checked.
fn message(format: &SyslogFormat, resource: Vec<KeyValue>, record: LogRecord) -> String {
    let (text, summary) = encoded(format, &request(resource, vec![record]));
    assert_eq!(summary.messages, 1);
    unframed(&text)
}

fn unframed(text: &str) -> String {
    let (length, message) = text.split_once(' ').expect("a frame");
    assert_eq!(length, message.len().to_string());
    message.to_owned()
}

fn plain(record: LogRecord) -> String {
    message(&SyslogFormat::default(), Vec::new(), record)
}

fn with_body(body: Value) -> LogRecord {
    LogRecord {
        body: Some(any(body)),
        ..LogRecord::default()
    }
}

fn with_attributes(attributes: Vec<KeyValue>) -> LogRecord {
    LogRecord {
        attributes,
        ..LogRecord::default()
    }
}

//! Documents for Elasticsearch and OpenSearch: what is sent, what is answered, and what of that is
//! sent again.

mod answers;
mod items;
mod network;
mod properties;
mod server;

use tower_otlp::{ExportRequest, Signal};

/// Log records with these bodies, a nanosecond apart.
fn logs(bodies: &[&str]) -> ExportRequest {
    let records: Vec<String> = bodies
        .iter()
        .enumerate()
        .map(|(number, body)| {
            format!(
                r#"{{"timeUnixNano":"170000000000000000{number:02}","body":{{"stringValue":"{body}"}}}}"#
            )
        })
        .collect();
    let json = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#,
        records.join(",")
    );
    ExportRequest::from_json(Signal::Logs, json.as_bytes()).expect("OTLP/JSON")
}

/// The bodies of log records.
fn bodies(request: &ExportRequest) -> Vec<String> {
    let logs = request.logs().expect("logs");
    logs.resources()
        .flat_map(|resource| resource.scopes())
        .flat_map(|scope| scope.items())
        .map(|record| record.body().as_str().expect("text").to_owned())
        .collect()
}

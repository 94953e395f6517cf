//! Applications that take OTLP and export their own telemetry: what their backend has of both.

use std::{collections::BTreeMap, fs, path::Path, process::Output};

use serde_json::Value;

use crate::examples::run_with;

/// The caller's span, as the callers of both examples send it.
const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const CALLER: &str = "eee19b7ec3c1b174";

/// An example that has run, and what its backend stored.
struct App {
    output: Output,
    stored: Vec<Value>,
}

/// One item of a signal, and the resource that it came under.
struct Item<'a> {
    service: &'a str,
    scope: &'a str,
    item: &'a Value,
}

impl App {
    async fn run(name: &str, log: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("stored.jsonl");
        let argument = file.to_str().expect("UTF-8");
        let output = run_with(name, &[argument], &[("RUST_LOG", log)]).await;
        Self {
            stored: read(&file),
            output,
        }
    }

    fn assert_ended_well(&self) {
        assert!(self.output.status.success(), "{}", self.said());
    }

    fn said(&self) -> String {
        let (out, err) = (&self.output.stdout, &self.output.stderr);
        String::from_utf8_lossy(&[out.as_slice(), err].concat()).into_owned()
    }

    /// Everything under these keys: `resourceSpans`, `scopeSpans` and `spans`, and so on.
    fn items(&self, [resources, scopes, items]: [&str; 3]) -> Vec<Item<'_>> {
        let mut found = Vec::new();
        for resource in self.stored.iter().flat_map(|line| list(line, resources)) {
            let service = attribute(&resource["resource"], "service.name");
            let service = service["stringValue"].as_str().expect("a service");
            for scope in list(resource, scopes) {
                for item in list(scope, items) {
                    found.push(Item {
                        service,
                        scope: scope["scope"]["name"].as_str().unwrap_or_default(),
                        item,
                    });
                }
            }
        }
        found
    }

    fn spans(&self) -> Vec<Item<'_>> {
        self.items(["resourceSpans", "scopeSpans", "spans"])
    }

    fn logs(&self) -> Vec<Item<'_>> {
        self.items(["resourceLogs", "scopeLogs", "logRecords"])
    }

    fn metrics(&self) -> BTreeMap<&str, Item<'_>> {
        let metrics = self.items(["resourceMetrics", "scopeMetrics", "metrics"]);
        metrics
            .into_iter()
            .map(|metric| (text(metric.item, "name"), metric))
            .collect()
    }

    /// The table at the end, as (service, signal, items).
    fn table(&self) -> Vec<(String, String, usize)> {
        let said = self.said();
        let rows = said.lines().skip_while(|line| !line.starts_with("service"));
        rows.skip(1)
            .map(|row| {
                let cells: Vec<_> = row.split_whitespace().collect();
                let [service, signal, items] = cells[..] else {
                    panic!("{row}");
                };
                let items = items.parse().expect("a number");
                (service.to_owned(), signal.to_owned(), items)
            })
            .collect()
    }

    /// That the caller's span is there, and these of the app below it, with a log record each.
    fn assert_one_trace(&self, service: &str, scope: &str, name: &str, log: &str) {
        self.assert_ended_well();
        let spans = self.spans();
        let (callers, own): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.service == "web");
        let [caller] = callers[..] else {
            panic!("{} spans of the caller", callers.len());
        };
        assert_eq!(text(caller.item, "traceId"), TRACE);
        assert_eq!(text(caller.item, "spanId"), CALLER);

        let mut ids = Vec::new();
        for span in &own {
            assert_eq!((span.service, span.scope), (service, service));
            assert_eq!(text(span.item, "name"), name);
            assert_eq!(text(span.item, "traceId"), TRACE);
            assert_eq!(text(span.item, "parentSpanId"), CALLER);
            assert_eq!(span.item["kind"], 2, "a server's");
            assert!(span.item["events"].is_null(), "they are log records");
            ids.push(text(span.item, "spanId"));
        }
        assert_eq!(ids.len(), 3);

        let logs = self.logs();
        let logs: Vec<_> = logs.iter().filter(|log| log.scope == scope).collect();
        let of_spans: Vec<_> = logs.iter().map(|log| text(log.item, "spanId")).collect();
        assert_eq!(of_spans, ids, "each span has its log record");
        for record in logs {
            assert_eq!(record.service, service);
            assert_eq!(text(record.item, "traceId"), TRACE);
            assert_eq!(text(&record.item["body"], "stringValue"), log);
            assert_eq!(record.item["severityNumber"], 9);
        }
    }

    /// That a counter and a histogram of the three requests are there, and returns the histogram's
    /// point.
    fn assert_counted(&self, service: &str, counter: &str, histogram: &str) -> Value {
        let metrics = self.metrics();
        assert!(metrics.values().all(|metric| metric.service == service));
        let names: Vec<_> = metrics.keys().copied().collect();
        let mut expected = [counter, histogram];
        expected.sort_unstable();
        assert_eq!(names, expected);

        let sum = &metrics[counter].item["sum"];
        assert_eq!(sum["isMonotonic"], true);
        let [point] = &list(sum, "dataPoints")[..] else {
            panic!("{sum}");
        };
        assert_eq!(point["asInt"], "3");

        let metric = metrics[histogram].item;
        assert_eq!(metric["unit"], "s");
        let [point] = &list(&metric["histogram"], "dataPoints")[..] else {
            panic!("{metric}");
        };
        assert_eq!(point["count"], "3");
        assert!(
            point["sum"].as_f64().is_some_and(|sum| sum > 0.0),
            "{point}"
        );
        (*point).clone()
    }

    fn assert_table(&self, service: &str) {
        let row = |service: &str, signal: &str, items| (service.into(), signal.into(), items);
        let mut expected = [
            row(service, "traces", 3),
            row(service, "metrics", 2),
            row(service, "logs", 3),
            row("web", "traces", 1),
        ];
        let mut table = self.table();
        table.sort_unstable();
        expected.sort_unstable();
        assert_eq!(table, expected, "{}", self.said());
    }
}

fn read(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the backend's file");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("lines of JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    value[key].as_array().into_iter().flatten().collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let text = value[key].as_str();
    text.unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let attributes = list(of, "attributes");
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    &found.unwrap_or_else(|| panic!("no {key} in {of}"))["value"]
}

#[tokio::test]
async fn an_axum_app_relays_and_exports_into_one_trace() {
    let app = App::run("axum_embed", None).await;
    app.assert_one_trace("shop", "axum_embed", "GET /hello", "a greeting");
    let point = app.assert_counted("shop", "shop.greetings", "http.server.request.duration");
    for of in [&point, app.spans()[1].item] {
        assert_eq!(attribute(of, "http.request.method")["stringValue"], "GET");
        assert_eq!(attribute(of, "http.route")["stringValue"], "/hello");
        assert_eq!(
            attribute(of, "http.response.status_code")["intValue"],
            "200"
        );
    }
    app.assert_table("shop");
}

#[tokio::test]
async fn a_tonic_server_relays_and_exports_into_one_trace() {
    let app = App::run("tonic_embed", None).await;
    app.assert_one_trace("ping", "tonic_embed::ping", "example.Ping/Ping", "a ping");
    let point = app.assert_counted("ping", "ping.pings", "rpc.server.call.duration");
    for of in [&point, app.spans()[1].item] {
        let is = |key, value: &str| assert_eq!(attribute(of, key)["stringValue"], value);
        is("rpc.system.name", "grpc");
        is("rpc.method", "example.Ping/Ping");
        is("rpc.response.status_code", "OK");
    }
    app.assert_table("ping");
}

/// With everything recorded, of HTTP clients too, only what is the app's own is exported: a span
/// for each of its requests, and the connections that are not the export's.
#[tokio::test]
async fn the_export_is_not_in_what_is_exported() {
    let app = App::run("axum_embed", Some("trace")).await;
    app.assert_one_trace("shop", "axum_embed", "GET /hello", "a greeting");
    let logs = app.logs();
    let connections: Vec<_> = logs
        .iter()
        .filter_map(|log| log.item["body"]["stringValue"].as_str())
        .filter_map(|body| body.strip_prefix("connecting to "))
        .collect();
    let said = app.said();
    let address = |line: &str, after: &str| {
        let line = said.lines().find(|said| said.starts_with(line));
        let rest = line.and_then(|line| line.split_once(after)).expect("one").1;
        rest.split(',').next().expect("an address").to_owned()
    };
    // The caller's and the relay's. The bridge connects to the backend, too.
    let expected = [
        address("shop:", "http://"),
        address("backend:", "over HTTP on "),
    ];
    assert_eq!(connections, expected);

    // gRPC's own spans are for all in this process: the backend's would be among them.
    let app = App::run("tonic_embed", Some("trace,h2=off,hyper=off,tower=off")).await;
    app.assert_one_trace("ping", "tonic_embed::ping", "example.Ping/Ping", "a ping");
}

#[tokio::test]
async fn an_app_without_its_telemetry_fails() {
    for (name, missing) in [
        ("axum_embed", "the backend has no traces of shop"),
        ("tonic_embed", "the backend has no traces of ping"),
    ] {
        let app = App::run(name, Some("off")).await;
        assert_eq!(app.output.status.code(), Some(1), "{}", app.said());
        assert!(app.said().contains(missing), "{}", app.said());
        assert_eq!(app.spans().len(), 1, "the caller's");
    }
}

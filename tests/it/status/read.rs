//! Reads the pages, and holds them against each other.

use std::collections::BTreeMap;

use serde_json::Value;
use tower_otlp::{
    Lifecycle, Signal,
    layers::observe::{Snapshot, Tally},
    status::{Branch, Status},
};

use super::http::get;

/// A page of HTML.
pub(super) struct Page(String);

pub(super) async fn page(status: &Status) -> Page {
    let (code, _, body) = get(status, "/").await;
    assert_eq!(code, 200);
    Page(body)
}

impl Page {
    /// What a reader sees, with single spaces.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut is_tag = false;
        for c in self.0.chars() {
            match c {
                '<' => is_tag = true,
                '>' => {
                    is_tag = false;
                    text.push(' ');
                }
                c if !is_tag => text.push(c),
                _ => {}
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The section of one id.
    fn section(&self, id: &str) -> &str {
        let start = self.0.find(&format!("aria-labelledby=\"{id}\"")).expect(id);
        let rest = &self.0[start..];
        &rest[..rest.find("</section>").expect("an end")]
    }

    /// The numbers of a row of a section's table, or of a figure's.
    fn numbers(part: &str, name: &str) -> Vec<u64> {
        let Some((_, row)) = part.split_once(&format!(">{name}</")) else {
            panic!("no {name} in {part}")
        };
        let ends = ["</tr>", "</div>"]
            .into_iter()
            .filter_map(|end| row.find(end));
        let end = ends.min().expect("an end");
        let cells = row[..end].split(['>', '<']);
        cells
            .filter(|cell| !cell.is_empty())
            .filter_map(|cell| cell.replace(',', "").parse().ok())
            .collect()
    }
}

pub(super) fn json(status: &Status) -> Value {
    serde_json::from_str(&status.json()).expect("JSON")
}

/// What Prometheus reads.
pub(super) struct Series(Vec<(String, BTreeMap<String, String>, f64)>);

pub(super) async fn scraped(status: &Status) -> Series {
    let (code, _, body) = get(status, "/metrics").await;
    assert_eq!(code, 200);
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    Series(lines.map(sample).collect())
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value = value.parse().expect("a number");
    let Some((name, labels)) = series.split_once('{') else {
        return (series.to_owned(), BTreeMap::new(), value);
    };
    let labels = labels.strip_suffix("\"}").expect("an end");
    let labels = labels.split("\",").map(|label| {
        let (name, value) = label.split_once("=\"").expect("a label");
        let value = value.replace("\\\"", "\"").replace("\\\\", "\\");
        (name.to_owned(), value)
    });
    (name.to_owned(), labels.collect(), value)
}

impl Series {
    fn all(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let fits = |known: &BTreeMap<String, String>| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| known.get(*name).is_some_and(|known| known == value))
        };
        let mut found = Vec::new();
        for (known, labels, value) in &self.0 {
            if known == name && fits(labels) {
                found.push(*value);
            }
        }
        found
    }

    /// The first sample of this name with these labels, and maybe others.
    pub(super) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.all(name, labels).first().copied()
    }

    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.all(name, labels).iter().sum::<f64>() as u64
    }
}

/// All pages say what the counters say.
pub(super) async fn agree(status: &Status, lifecycle: &Lifecycle, branches: &[&Branch]) {
    let (json, page, series) = (json(status), page(status).await, scraped(status).await);
    let report = lifecycle.report();
    let mut sum = 0;
    for (name, count) in [
        ("delivered", report.delivered),
        ("rejected", report.rejected),
        ("refused", report.refused),
        ("cancelled", report.cancelled),
        ("retained", report.retained),
        ("dropped", report.dropped),
        ("in_flight", report.in_flight),
        ("accepted", report.accepted),
    ] {
        assert_eq!(json["items"][name], count, "{name}");
        let figure = Page::numbers(page.section("items"), &name.replace('_', " "));
        assert_eq!(figure, [count], "{name}");
        let labels = [("tower_otlp_item_state", name)];
        if name == "accepted" {
            assert_eq!(series.sum("tower_otlp_pipeline_accepted", &[]), count);
            assert_eq!(sum, count, "{report:?}");
        } else {
            assert_eq!(
                series.sum("tower_otlp_pipeline_item_count", &labels),
                count,
                "{name}"
            );
            sum += count;
        }
    }
    assert!(page.text().contains("Every accepted item is accounted for"));
    for (number, branch) in branches.iter().enumerate() {
        let snapshot = branch.recorder().snapshot();
        let json = &json["branches"][number];
        assert_eq!(json["name"], branch.name());
        let section = page.section(&format!("b{number}"));
        items(&snapshot, json, section);
        attempts(&snapshot, json, section);
        metrics(&snapshot, branch.name(), &series);
    }
}

fn dropped(snapshot: &Snapshot, signal: Signal) -> u64 {
    let drops = snapshot.drops_of(signal).iter();
    drops.map(|(_, amount)| amount.items).sum()
}

fn items(snapshot: &Snapshot, json: &Value, section: &str) {
    let by_signal = Signal::ALL.map(|signal| {
        let tally = snapshot.requests_of(signal);
        [
            ("delivered", tally.delivered.items),
            ("rejected", tally.rejected.items),
            ("failed", tally.failed.items),
            ("cancelled", tally.cancelled.items),
            ("dropped", dropped(snapshot, signal)),
            ("in_flight", tally.in_flight().items),
        ]
    });
    for row in 0..6 {
        let name = by_signal[0][row].0;
        let mut expected: Vec<u64> = by_signal.iter().map(|signal| signal[row].1).collect();
        for (signal, count) in Signal::ALL.iter().zip(&expected) {
            assert_eq!(
                json["signals"][signal.as_str()][name],
                *count,
                "{name} {signal}"
            );
        }
        expected.push(expected.iter().sum());
        let shown = Page::numbers(section, &name.replace('_', " "));
        assert_eq!(shown, expected, "{name}");
    }
}

fn attempts(snapshot: &Snapshot, json: &Value, section: &str) {
    let (requests, attempts) = (snapshot.requests(), snapshot.attempts());
    for (name, tally) in [("requests", requests), ("attempts", attempts)] {
        for (end, count) in [
            ("started", tally.started.requests),
            ("delivered", tally.delivered.requests),
            ("rejected", tally.rejected.requests),
            ("failed", tally.failed.requests),
            ("cancelled", tally.cancelled.requests),
            ("in_flight", tally.in_flight().requests),
        ] {
            assert_eq!(json[name][end], count, "{name} {end}");
        }
    }
    let shown = Page::numbers(section, "Attempts");
    assert_eq!(shown, [attempts.started.requests]);
    let errors = json["errors"].as_array().expect("errors");
    let failed: u64 = errors
        .iter()
        .filter_map(|error| error["attempts"].as_u64())
        .sum();
    assert_eq!(failed, attempts.failed.requests, "{errors:?}");
    for error in errors {
        let shown = Page::numbers(section, error["type"].as_str().expect("text"));
        let counts = ["attempts", "requests", "items"].map(|name| error[name].as_u64());
        assert_eq!(shown.into_iter().map(Some).collect::<Vec<_>>(), counts);
    }
}

fn metrics(snapshot: &Snapshot, name: &str, series: &Series) {
    let named = ("otel_component_name", name);
    let ended = |tally: &Tally| tally.started.minus(tally.in_flight());
    for signal in Signal::ALL {
        let item = match signal {
            Signal::Traces => "span",
            Signal::Metrics => "metric_data_point",
            Signal::Logs => "log",
        };
        let (requests, attempts) = (snapshot.requests_of(signal), snapshot.attempts_of(signal));
        let exported = format!("otel_sdk_exporter_{item}_exported_total");
        assert_eq!(
            series.sum(&exported, &[named]),
            ended(&requests).items,
            "{exported}"
        );
        let inflight = format!("otel_sdk_exporter_{item}_inflight");
        assert_eq!(series.sum(&inflight, &[named]), requests.in_flight().items);
        let labels = [named, ("tower_otlp_signal", signal.as_str())];
        for (metric, expected) in [
            (
                "tower_otlp_exporter_dropped_total",
                dropped(snapshot, signal),
            ),
            (
                "tower_otlp_exporter_attempt_inflight",
                attempts.in_flight().requests,
            ),
            (
                "tower_otlp_exporter_attempt_duration_seconds_count",
                ended(&attempts).requests,
            ),
            (
                "tower_otlp_exporter_attempt_size_bytes_sum",
                ended(&attempts).bytes,
            ),
            (
                "tower_otlp_exporter_request_size_bytes_count",
                ended(&requests).requests,
            ),
            (
                "tower_otlp_exporter_request_size_bytes_sum",
                ended(&requests).bytes,
            ),
        ] {
            assert_eq!(series.sum(metric, &labels), expected, "{metric} {signal}");
        }
    }
    let durations = "otel_sdk_exporter_operation_duration_seconds_count";
    assert_eq!(
        series.sum(durations, &[named]),
        ended(&snapshot.requests()).requests
    );
    for queue in snapshot.queues() {
        let labels = [named, ("tower_otlp_queue_name", queue.queue)];
        assert_eq!(
            series.sum("tower_otlp_queue_request_count", &labels),
            queue.held.requests
        );
        assert_eq!(
            series.sum("tower_otlp_queue_size_bytes", &labels),
            queue.held.bytes
        );
    }
    let waits = "tower_otlp_queue_wait_duration_seconds_count";
    assert_eq!(series.sum(waits, &[named]), snapshot.dequeued().requests);
}

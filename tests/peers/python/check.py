#!/usr/bin/env python3
"""Compares what a Collector wrote down with what send.py says it sent.

check.py OUT_DIR SENT...

OUT_DIR holds the files of collector/sink.yaml, each SENT what one run of
send.py printed. Every item must be there once, as it was sent, and no other.
"""

import base64
import collections
import json
import pathlib
import sys

import send


def lines(path):
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def value(any_value):
    """An OTLP JSON AnyValue as Python has it."""
    if not any_value:
        return None
    ((kind, content),) = any_value.items()
    if kind == "intValue":
        return int(content)
    if kind == "bytesValue":
        return base64.b64decode(content)
    if kind == "arrayValue":
        return [value(item) for item in content.get("values", [])]
    if kind == "kvlistValue":
        return table(content.get("values", []))
    return content


def table(attributes):
    return {attribute["key"]: value(attribute.get("value")) for attribute in attributes}


def items(requests, resources, scopes, name):
    """Every item of a signal, after a look at the resource and scope around it."""
    for request in requests:
        for resource in request[resources]:
            found = table(resource["resource"]["attributes"])
            expect(found == json.loads(json.dumps(dict(send.RESOURCE.attributes))), f"resource {found}")
            for scope in resource[scopes]:
                expect(scope["scope"]["name"] == send.SCOPE, f"scope {scope['scope']}")
                expect(scope["scope"]["version"] == send.SCOPE_VERSION, f"scope {scope['scope']}")
                yield from scope[name]


def expect(condition, message):
    if not condition:
        sys.exit(f"check.py: {message}")


def same(found, wanted, what):
    missing, extra = wanted - found, found - wanted
    expect(not missing, f"{sum(missing.values())} {what} missing, such as {next(iter(missing), None)}")
    expect(not extra, f"{sum(extra.values())} {what} too many, such as {next(iter(extra), None)}")


def main():
    folder = pathlib.Path(sys.argv[1])
    sent = [json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in sys.argv[2:]]

    spans = list(items(lines(folder / "traces.jsonl"), "resourceSpans", "scopeSpans", "spans"))
    same(
        collections.Counter((span["spanId"], span["name"]) for span in spans),
        collections.Counter(pair for run in sent for pair in zip(run["span_ids"], run["span_names"])),
        "spans",
    )
    traces = {trace for run in sent for trace in run["trace_ids"]}
    for span in spans:
        number = int(span["name"].removeprefix("span "))
        remote = number // send.SPANS_PER_TRACE % 3 == 2 and number % send.SPANS_PER_TRACE == 0
        expect(span["traceId"] in traces or number // send.SPANS_PER_TRACE % 3 == 2, f"trace of {span}")
        expect(table(span["attributes"]) == send.attributes(number), f"attributes of {span}")
        expect(len(span.get("events", [])) == number % 3, f"events of {span}")
        expect(len(span.get("links", [])) == (1 if number else 0), f"links of {span}")
        expect(bool(span.get("parentSpanId")) == (remote or number % send.SPANS_PER_TRACE != 0), f"parent of {span}")
        expect(span["kind"] == send.KINDS[number % 5].value + 1, f"kind of {span}")
        expect(span["status"].get("code", 0) == number % 3, f"status of {span}")
        expect(not remote or "vendor=" in span.get("traceState", ""), f"trace state of {span}")

    logs = list(items(lines(folder / "logs.jsonl"), "resourceLogs", "scopeLogs", "logRecords"))
    same(
        collections.Counter(log["eventName"] for log in logs),
        collections.Counter(name for run in sent for name in run["log_names"]),
        "log records",
    )
    for log in logs:
        number = int(log["eventName"].removeprefix("log."))
        expect(table(log["attributes"]) == send.attributes(number), f"attributes of {log}")

    metrics = list(items(lines(folder / "metrics.jsonl"), "resourceMetrics", "scopeMetrics", "metrics"))
    same(
        collections.Counter(metric["name"] for metric in metrics),
        collections.Counter(name for run in sent for name in run["metric_names"]),
        "metrics",
    )
    points = exemplars = 0
    for metric in metrics:
        for kind in ("sum", "gauge", "histogram", "exponentialHistogram"):
            for point in metric.get(kind, {}).get("dataPoints", []):
                points += 1
                exemplars += len(point.get("exemplars", []))
    wanted = sum(run["metric_points"] for run in sent)
    expect(points == wanted, f"{points} metric points, not {wanted}")
    expect(not points or exemplars, "no exemplar")


if __name__ == "__main__":
    main()

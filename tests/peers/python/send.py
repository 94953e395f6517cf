#!/usr/bin/env python3
"""Sends a known workload over OTLP with the real OpenTelemetry Python SDK.

Prints one JSON line that says what was sent, and exits 0 only if the SDK's own
exporters report every export as done. What a run sends is fixed by its
arguments (the identifiers by --seed), except the times of metric points and of
their exemplars.

An attempt that the SDK retries with success is no failure; "retries" counts
them. The SDK never looks at a partial_success in a response, so a peer that
rejects items that way is not seen here.
"""

import argparse
import json
import logging
import os
import random
import sys

# The environment must change nothing: neither settings of the SDK, nor proxies,
# nor the certificate bundles that go before the one given with --ca.
_UNWANTED = {
    *("http_proxy", "https_proxy", "all_proxy", "grpc_proxy"),
    *("requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file", "ssl_cert_dir", "grpc_default_ssl_roots_file_path"),
}
for _name in list(os.environ):
    if _name.startswith("OTEL_") or _name.lower() in _UNWANTED:
        del os.environ[_name]

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

SCOPE = "python-peer-scope"
SCOPE_VERSION = "1.2.3"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.30.0"
START = 1_700_000_000_000_000_000  # every span and log record is timed from here
MILLISECOND = 1_000_000
SPANS_PER_TRACE = 5

KINDS = [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER]
STATUSES = [Status(StatusCode.UNSET), Status(StatusCode.OK), Status(StatusCode.ERROR, "it broke")]
SEVERITIES = [
    SeverityNumber.TRACE,
    SeverityNumber.DEBUG,
    SeverityNumber.INFO,
    SeverityNumber.WARN,
    SeverityNumber.ERROR,
    SeverityNumber.FATAL4,
]

RESOURCE = Resource(
    {
        "service.name": "python-peer",
        "service.version": "1.0.0",
        "peer.flag": True,
        "peer.tags": ["a", "b"],
    },
    schema_url=SCHEMA_URL,
)


def attributes(number):
    """One attribute of every type the SDK takes."""
    return {
        "number": number,
        "string": f"value {number}",
        "unicode": "grüße 世界 \U0001f680",
        "empty": "",
        "true": True,
        "false": False,
        "int.negative": -number,
        "int.max": 2**63 - 1,
        "int.min": -(2**63),
        "float": number + 0.25,
        "bytes": bytes([0, 1, 254, 255]),
        "array.string": ["x", "", "z"],
        "array.bool": [True, False],
        "array.int": [1, -2, 3],
        "array.float": [0.5, -1.5],
        "array.empty": [],
        "map": {"inner": number, "list": ["a", 1, 2.5, False], "deeper": {"k": "v"}},
    }


class SeededIds(IdGenerator):
    """Identifiers that are the same in every run with the same seed."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def generate_span_id(self):
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self):
        return self._random.getrandbits(128) or 1


class Watch(logging.Handler):
    """Notes what the SDK says about exports that did not work."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.failures = []
        self.retries = 0

    def emit(self, record):
        message = record.getMessage()
        print(f"send.py: {record.levelname}: {record.name}: {message}", file=sys.stderr)
        if record.levelno < logging.ERROR and "retrying in" in message:
            self.retries += 1
        else:
            self.failures.append(message)

    def exporter(self, exporter, signal, count):
        """Counts what the exporter's own result says was sent."""
        export = exporter.export
        sent = {"items": 0, "requests": 0}

        def watched(batch, *args, **kwargs):
            result = export(batch, *args, **kwargs)
            sent["requests"] += 1
            if result.name == "SUCCESS":
                sent["items"] += count(batch)
            else:
                self.failures.append(f"an export of {signal} ended in {result.name}")
            return result

        exporter.export = watched
        return exporter, sent

    def flushed(self, provider, signal):
        if not provider.force_flush(60_000):
            self.failures.append(f"force_flush of {signal} did not finish")


def count_points(metrics_data):
    return sum(
        len(metric.data.data_points)
        for resource in metrics_data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def exporters(options):
    """The SDK's three exporters, by signal."""
    common = {"timeout": options.timeout}
    if options.protocol == "grpc":
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        common["compression"] = grpc.Compression.Gzip if options.compression == "gzip" else grpc.Compression.NoCompression
        common["endpoint"] = options.endpoint
        common["insecure"] = options.endpoint.startswith("http://")
        if not common["insecure"]:
            def read(path):
                if path is None:
                    return None
                with open(path, "rb") as file:
                    return file.read()

            common["credentials"] = grpc.ssl_channel_credentials(
                read(options.ca), read(options.client_key), read(options.client_cert)
            )
        paths = {"traces": "", "logs": "", "metrics": ""}
    else:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        common["compression"] = Compression.Gzip if options.compression == "gzip" else Compression.NoCompression
        common["certificate_file"] = options.ca
        common["client_key_file"] = options.client_key
        common["client_certificate_file"] = options.client_cert
        paths = {"traces": "/v1/traces", "logs": "/v1/logs", "metrics": "/v1/metrics"}

    def make(kind, signal):
        arguments = dict(common, endpoint=options.endpoint.rstrip("/") + paths[signal])
        if options.protocol == "http" and not options.endpoint.startswith("https://"):
            for name in ("certificate_file", "client_key_file", "client_certificate_file"):
                del arguments[name]
        return kind(**arguments)

    return {
        "traces": make(OTLPSpanExporter, "traces"),
        "logs": make(OTLPLogExporter, "logs"),
        "metrics": make(OTLPMetricExporter, "metrics"),
    }


def context_of(span_context):
    return trace.set_span_in_context(trace.NonRecordingSpan(span_context), Context())


def make_spans(tracer, ids, count):
    """Traces of SPANS_PER_TRACE spans, each a root and its children.

    The parent of the root of every third trace is a remote one, with a trace
    state. Returns the spans' contexts.
    """
    contexts = []
    root = None
    for number in range(count):
        place = number % SPANS_PER_TRACE
        if place == 0:
            parent = Context()
            if number // SPANS_PER_TRACE % 3 == 2:
                remote = SpanContext(
                    ids.generate_trace_id(),
                    ids.generate_span_id(),
                    is_remote=True,
                    trace_flags=TraceFlags(TraceFlags.SAMPLED),
                    trace_state=TraceState([("vendor", f"v{number}"), ("other", "o")]),
                )
                parent = context_of(remote)
        else:
            parent = context_of(root)
        links = [Link(contexts[-1], {"link": "previous", "link.number": number})] if contexts else []
        begin = START + number * MILLISECOND
        span = tracer.start_span(
            f"span {number}",
            context=parent,
            kind=KINDS[number % len(KINDS)],
            attributes=attributes(number),
            links=links,
            start_time=begin,
        )
        for event in range(number % 3):
            span.add_event(f"event {event}", {"event": event, "of": [number, event]}, timestamp=begin + event + 1)
        span.set_status(STATUSES[number % len(STATUSES)])
        span.end(begin + 3 * MILLISECOND)
        contexts.append(span.get_span_context())
        if place == 0:
            root = span.get_span_context()
    return contexts


def make_logs(logger, count, contexts):
    """Log records of every kind of body, in turn. Returns their names."""
    bodies = [
        lambda number: f"message {number}",
        lambda number: {"message": f"map {number}", "nested": {"list": [1, "two", 3.5, True], "none": None}},
        lambda number: [number, "list", {"in": "it"}],
        lambda number: number,
        lambda number: number + 0.5,
        lambda number: number % 2 == 0,
        lambda number: b"\x00bytes\xff",
    ]
    names = []
    for number in range(count):
        name = f"log.{number}"
        severity = SEVERITIES[number % len(SEVERITIES)]
        logger.emit(
            timestamp=START + number * MILLISECOND,
            observed_timestamp=START + number * MILLISECOND + 1,
            # Every other record belongs to a span, if there are spans.
            context=context_of(contexts[number % len(contexts)]) if contexts and number % 2 == 0 else Context(),
            severity_number=severity,
            severity_text=severity.name,
            body=bodies[number % len(bodies)](number),
            attributes=attributes(number),
            event_name=name,
        )
        names.append(name)
    return names


def make_metrics(meter, ids):
    """One metric of every kind the SDK has. Returns their names."""
    # An exemplar is kept only for what is measured inside a sampled span.
    inside = context_of(
        SpanContext(
            ids.generate_trace_id(), ids.generate_span_id(), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )
    )

    def observed(*values):
        def callback(_: CallbackOptions):
            for number, value in enumerate(values):
                yield Observation(value, {"which": number}, context=inside)

        return callback

    counter = meter.create_counter("peer.counter", "1", "a monotonic sum of integers")
    for number in range(10):
        counter.add(number, {"which": number % 2, "tags": ["a", "b"]}, context=inside)

    counter_float = meter.create_counter("peer.counter.float", "s", "a monotonic sum of floats")
    counter_float.add(0.125, {"which": 0}, context=inside)

    up_down = meter.create_up_down_counter("peer.up_down", "1", "a sum that goes down as well")
    up_down.add(5, {"which": 0}, context=inside)
    up_down.add(-7, {"which": 0}, context=inside)

    gauge = meter.create_gauge("peer.gauge", "Cel", "a gauge")
    gauge.set(-21.5, {"which": 0}, context=inside)

    histogram = meter.create_histogram(
        "peer.histogram", "ms", "a histogram", explicit_bucket_boundaries_advisory=[1.0, 10.0, 100.0]
    )
    exponential = meter.create_histogram("peer.exponential", "ms", "an exponential histogram")
    for number in range(50):
        histogram.record(number * 3.5, {"which": number % 2}, context=inside)
        exponential.record(1.5 ** (number % 20), {"which": 0}, context=inside)
    exponential.record(0.0, {"which": 0}, context=inside)

    meter.create_observable_gauge("peer.observable.gauge", [observed(1.5, -2.5)], "1", "observed")
    meter.create_observable_counter("peer.observable.counter", [observed(7)], "1", "observed")
    meter.create_observable_up_down_counter("peer.observable.up_down", [observed(-3)], "1", "observed")
    return [
        "peer.counter",
        "peer.counter.float",
        "peer.up_down",
        "peer.gauge",
        "peer.histogram",
        "peer.exponential",
        "peer.observable.gauge",
        "peer.observable.counter",
        "peer.observable.up_down",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--protocol", choices=["grpc", "http"], required=True)
    parser.add_argument("--endpoint", required=True, help="http://host:port or https://host:port")
    parser.add_argument("--compression", choices=["gzip", "none"], default="none")
    parser.add_argument("--spans", type=int, default=0, metavar="N")
    parser.add_argument("--logs", type=int, default=0, metavar="N")
    parser.add_argument("--metrics", action="store_true", help="one metric of every kind")
    parser.add_argument("--seed", type=int, default=1, help="decides the identifiers")
    parser.add_argument("--batch", type=int, default=512, help="at most so many spans or logs in a request")
    parser.add_argument("--timeout", type=int, default=10, help="seconds for an export, its retries included")
    parser.add_argument("--ca", help="for https: the authority to trust, a PEM file")
    parser.add_argument("--client-cert", help="for mutual TLS, a PEM file")
    parser.add_argument("--client-key", help="for mutual TLS, a PEM file")
    options = parser.parse_args()
    if not options.endpoint.startswith(("http://", "https://")):
        parser.error("--endpoint must start with http:// or https://")

    watch = Watch()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(watch)
    logger.propagate = False

    # The SDK picks exemplars with this generator.
    random.seed(options.seed)
    made = exporters(options)
    ids = SeededIds(options.seed)
    scope = {"schema_url": SCHEMA_URL, "attributes": {"scope.attribute": "s", "scope.number": 7}}

    exporter, sent_spans = watch.exporter(made["traces"], "traces", len)
    queue = {"max_export_batch_size": options.batch, "max_queue_size": max(options.batch, options.spans, options.logs, 1)}
    tracers = TracerProvider(resource=RESOURCE, id_generator=ids, shutdown_on_exit=False)
    tracers.add_span_processor(BatchSpanProcessor(exporter, **queue))
    contexts = make_spans(tracers.get_tracer(SCOPE, SCOPE_VERSION, **scope), ids, options.spans)
    watch.flushed(tracers, "traces")

    exporter, sent_logs = watch.exporter(made["logs"], "logs", len)
    loggers = LoggerProvider(resource=RESOURCE, shutdown_on_exit=False)
    loggers.add_log_record_processor(BatchLogRecordProcessor(exporter, **queue))
    log_names = make_logs(loggers.get_logger(SCOPE, SCOPE_VERSION, **scope), options.logs, contexts)
    watch.flushed(loggers, "logs")

    exporter, sent_points = watch.exporter(made["metrics"], "metrics", count_points)
    metric_names = []
    meters = None
    if options.metrics:
        # An interval that never comes: one collection, by force_flush.
        reader = PeriodicExportingMetricReader(
            exporter, export_interval_millis=float("inf"), export_timeout_millis=60_000
        )
        meters = MeterProvider(
            [reader],
            resource=RESOURCE,
            shutdown_on_exit=False,
            views=[
                View(
                    instrument_type=Histogram,
                    instrument_name="peer.exponential",
                    aggregation=ExponentialBucketHistogramAggregation(),
                )
            ],
        )
        metric_names = make_metrics(meters.get_meter(SCOPE, SCOPE_VERSION, **scope), ids)
        watch.flushed(meters, "metrics")

    if sent_spans["items"] != options.spans:
        watch.failures.append(f"{sent_spans['items']} of {options.spans} spans were exported")
    if sent_logs["items"] != options.logs:
        watch.failures.append(f"{sent_logs['items']} of {options.logs} log records were exported")
    if options.metrics and sent_points["items"] == 0:
        watch.failures.append("no metric point was exported")

    print(
        json.dumps(
            {
                "spans": sent_spans["items"],
                "logs": sent_logs["items"],
                "metric_points": sent_points["items"],
                "requests": {
                    "traces": sent_spans["requests"],
                    "logs": sent_logs["requests"],
                    "metrics": sent_points["requests"],
                },
                "trace_ids": list(dict.fromkeys(f"{context.trace_id:032x}" for context in contexts)),
                "span_ids": [f"{context.span_id:016x}" for context in contexts],
                "span_names": [f"span {number}" for number in range(options.spans)],
                "log_names": log_names,
                "metric_names": metric_names,
                "retries": watch.retries,
                "failures": watch.failures,
            }
        ),
        flush=True,
    )
    for failure in watch.failures:
        print(f"send.py: failed: {failure}", file=sys.stderr)
    sys.stderr.flush()
    # Everything is flushed and counted; a shutdown could only add noise and time.
    os._exit(1 if watch.failures else 0)


if __name__ == "__main__":
    main()

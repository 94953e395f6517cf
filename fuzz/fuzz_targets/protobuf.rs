//! Checks arbitrary bytes as each signal. What passes is canonical, reads without end or panic in
//! every view, and is written as JSON that is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_otlp::{
    Signal,
    otlp::{
        AnyValue, Attributes, Exemplar, Limits, LogRecord, Metric, MetricData, OtlpBytes, Problem,
        Span, json,
    },
};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    for signal in Signal::ALL {
        match OtlpBytes::check(signal, bytes.to_vec().into(), &limits) {
            Ok(checked) => passes(&checked, &limits),
            Err(error) => {
                assert!(error.offset() <= bytes.len(), "{error}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
});

fn passes(checked: &OtlpBytes, limits: &Limits) {
    let again = OtlpBytes::check(checked.signal(), checked.bytes().clone(), limits)
        .expect("canonical form is valid");
    assert!(again.is_as_received(), "canonical form is not canonical");
    assert_eq!(again.items(), checked.items());

    let mut items = 0;
    if let Some(all) = checked.traces() {
        for resource in all.resources() {
            attributes(resource.attributes());
            for scope in resource.scopes() {
                attributes(scope.scope().attributes());
                items += scope.items().map(span).count();
            }
        }
    }
    if let Some(all) = checked.metrics() {
        for resource in all.resources() {
            attributes(resource.attributes());
            for scope in resource.scopes() {
                attributes(scope.scope().attributes());
                items += scope.items().map(metric).sum::<usize>();
            }
        }
    }
    if let Some(all) = checked.logs() {
        for resource in all.resources() {
            attributes(resource.attributes());
            for scope in resource.scopes() {
                attributes(scope.scope().attributes());
                items += scope.items().map(log_record).count();
            }
        }
    }
    assert_eq!(items as u64, checked.items(), "views and check disagree");

    let text = json::write(checked);
    match json::read(checked.signal(), &text, limits) {
        Ok(read) => assert_eq!(json::write(&read), text),
        // Ids of a wrong length are the one thing that protobuf can carry and JSON cannot.
        Err(error) => assert!(
            matches!(error.problem(), Problem::Json(words) if words.starts_with("an id of ")),
            "{error}"
        ),
    }
}

fn span(span: Span<'_>) {
    text(span.name().as_str());
    text(span.trace_state().as_str());
    text(span.status().message().as_str());
    text(&span.trace_id().to_string());
    attributes(span.attributes());
    for event in span.events() {
        text(event.name().as_str());
        attributes(event.attributes());
    }
    for link in span.links() {
        text(&format!("{:?}", link.span_id()));
        attributes(link.attributes());
    }
}

fn log_record(record: LogRecord<'_>) {
    text(record.severity_text().as_str());
    text(record.event_name().as_str());
    value(record.body());
    attributes(record.attributes());
}

/// Reads a metric, and counts its points.
fn metric(metric: Metric<'_>) -> usize {
    text(metric.name().as_str());
    attributes(metric.metadata());
    match metric.data() {
        None => 0,
        Some(MetricData::Gauge(gauge)) => gauge
            .points()
            .map(|point| {
                attributes(point.attributes());
                point.exemplars().for_each(exemplar);
            })
            .count(),
        Some(MetricData::Sum(sum)) => sum
            .points()
            .map(|point| {
                attributes(point.attributes());
                point.exemplars().for_each(exemplar);
            })
            .count(),
        Some(MetricData::Histogram(histogram)) => histogram
            .points()
            .map(|point| {
                attributes(point.attributes());
                point.exemplars().for_each(exemplar);
                assert_eq!(point.bucket_counts().len(), point.bucket_counts().count());
                assert_eq!(
                    point.explicit_bounds().len(),
                    point.explicit_bounds().count()
                );
            })
            .count(),
        Some(MetricData::ExponentialHistogram(histogram)) => histogram
            .points()
            .map(|point| {
                attributes(point.attributes());
                point.exemplars().for_each(exemplar);
                for buckets in [point.positive(), point.negative()].into_iter().flatten() {
                    assert!(buckets.bucket_counts().count() <= buckets.as_bytes().len());
                }
            })
            .count(),
        Some(MetricData::Summary(summary)) => summary
            .points()
            .map(|point| {
                attributes(point.attributes());
                assert!(point.quantile_values().count() <= point.as_bytes().len());
            })
            .count(),
        Some(_) => 0,
    }
}

fn exemplar(exemplar: Exemplar<'_>) {
    attributes(exemplar.filtered_attributes());
}

fn attributes(attributes: Attributes<'_>) {
    for (key, of_key) in attributes {
        text(key.as_str());
        value(of_key);
    }
}

fn value(of: AnyValue<'_>) {
    match of {
        AnyValue::Str(string) => {
            // A string that passed the check and is not UTF-8 would read as empty.
            assert_eq!(string.as_str().len(), string.len());
        }
        AnyValue::Array(array) => array.into_iter().for_each(value),
        AnyValue::Map(map) => attributes(map),
        _ => {}
    }
}

/// Makes sure that the text was really read.
fn text(text: &str) {
    std::hint::black_box(text);
}

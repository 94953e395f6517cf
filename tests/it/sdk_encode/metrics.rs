use opentelemetry::{
    KeyValue,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{metric::Data, number_data_point::Value as NumberValue},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{
        Aggregation, InMemoryMetricExporter, InMemoryMetricExporterBuilder, Instrument,
        InstrumentKind, PeriodicReader, SdkMeterProvider, Stream, Temporality,
        data::ResourceMetrics,
    },
};
use proptest::prelude::*;
use prost::Message as _;
use tower_otlp::{otlp::Decoded, sdk::encode::encode_metrics};

use super::{assert_says, draw, resource};
use crate::support::{
    allocations::allocations,
    generate::{self, Draw, Options},
    oracle,
};

/// A provider whose metrics can be looked at.
struct Provider {
    provider: SdkMeterProvider,
    collected: InMemoryMetricExporter,
}

impl Provider {
    fn new(resource: Resource, temporality: Temporality) -> Self {
        let collected = InMemoryMetricExporterBuilder::new()
            .with_temporality(temporality)
            .build();
        let exponential = |instrument: &Instrument| {
            let is_exponential = instrument.kind() == InstrumentKind::Histogram
                && instrument.name().starts_with("exponential");
            is_exponential.then(|| {
                Stream::builder()
                    .with_aggregation(Aggregation::Base2ExponentialHistogram {
                        max_size: 40,
                        // With 20, the most there is, the SDK's own sums overflow between the
                        // smallest and the largest doubles.
                        max_scale: 10,
                        record_min_max: !instrument.name().ends_with("bare"),
                    })
                    .build()
                    .expect("a valid stream")
            })
        };
        let bare = |instrument: &Instrument| {
            (instrument.name() == "histogram.bare").then(|| {
                Stream::builder()
                    .with_aggregation(Aggregation::ExplicitBucketHistogram {
                        boundaries: Vec::new(),
                        record_min_max: false,
                    })
                    .build()
                    .expect("a valid stream")
            })
        };
        let provider = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(collected.clone()).build())
            .with_resource(resource)
            .with_view(exponential)
            .with_view(bare)
            .build();
        Self {
            provider,
            collected,
        }
    }

    fn collect(&self) -> ResourceMetrics {
        self.collected.reset();
        self.provider.force_flush().expect("collects");
        let collected = self.collected.get_finished_metrics().expect("collected");
        collected.into_iter().next().unwrap_or_default()
    }
}

/// Records into one instrument of every kind and number.
fn record(draw: &mut Draw, meter: &Meter) {
    for _ in 0..draw.pick(&[1, 3, 40]) {
        let attributes = draw::attributes(draw, 4);
        let attributes: &[KeyValue] = &attributes;
        match draw.below(13) {
            0 => {
                let value = draw.unsigned() / 1_000;
                let counter = meter.u64_counter("counter.u64");
                counter.build().add(value, attributes);
            }
            1 => {
                let counter = meter.f64_counter("counter.f64").with_unit("By");
                counter.build().add(draw.double().abs(), attributes);
            }
            2 => {
                let counter = meter.i64_up_down_counter("up_down.i64");
                let counter = counter.with_description("Größe").build();
                counter.add(draw.signed() / 1_000, attributes);
            }
            3 => {
                let counter = meter.f64_up_down_counter("up_down.f64");
                counter.build().add(draw.double(), attributes);
            }
            4 => {
                let gauge = meter.u64_gauge("gauge.u64").build();
                gauge.record(draw.unsigned() >> 1, attributes);
            }
            5 => meter
                .i64_gauge("gauge.i64")
                .build()
                .record(draw.signed(), attributes),
            6 => meter
                .f64_gauge("gauge.f64")
                .build()
                .record(draw.double(), attributes),
            7 => {
                let histogram = meter.f64_histogram("histogram.f64").with_unit("s");
                histogram.build().record(draw.double(), attributes);
            }
            8 => {
                let histogram = meter.u64_histogram("histogram.u64");
                let histogram = histogram.with_boundaries(vec![1.0, 128.0, 1e9]).build();
                histogram.record(draw.unsigned() >> 8, attributes);
            }
            9 => meter
                .f64_histogram("histogram.bare")
                .build()
                .record(1.5, attributes),
            10 => {
                let histogram = meter.f64_histogram("exponential.f64").build();
                histogram.record(draw.double(), attributes);
            }
            11 => {
                let histogram = meter.u64_histogram("exponential.u64").build();
                histogram.record(draw.unsigned() >> 8, attributes);
            }
            _ => {
                let histogram = meter.f64_histogram("exponential.bare").build();
                histogram.record(draw.pick(&[0.0, -0.25, 3.0]), attributes);
            }
        }
    }
}

proptest! {
    #![proptest_config(generate::config(60))]

    #[test]
    fn any_collection_says_what_the_structs_say(
        seed: u64,
        temporality in prop_oneof![Just(Temporality::Cumulative), Just(Temporality::Delta)],
    ) {
        let mut draw = Draw::seeded(seed, Options::default());
        let provider = Provider::new(resource(&mut draw), temporality);
        for _ in 0..2 {
            for _ in 0..=draw.below(3) {
                let meter = provider.provider.meter_with_scope(draw::scope(&mut draw));
                record(&mut draw, &meter);
            }
            let metrics = provider.collect();
            let expected = Decoded::from(ExportMetricsServiceRequest::from(&metrics));
            let request = encode_metrics(&metrics);
            if oracle::items(&expected) == 0 {
                // Metrics that took no value: not a number, for one.
                assert_eq!((request.items(), request.byte_size()), (0, 0));
            } else {
                assert_says(&request, expected);
            }
        }
    }
}

fn resource_of_one() -> Resource {
    Resource::builder_empty()
        .with_service_name("checkout")
        .build()
}

fn collected(record: impl FnOnce(&Meter)) -> ResourceMetrics {
    let provider = Provider::new(resource_of_one(), Temporality::Cumulative);
    record(&provider.provider.meter("checkout"));
    provider.collect()
}

fn data(metrics: &ResourceMetrics) -> Vec<Data> {
    let bytes = encode_metrics(metrics).protobuf().clone();
    let read = ExportMetricsServiceRequest::decode(bytes).expect("prost reads it");
    let scopes = read.resource_metrics.into_iter();
    let metrics = scopes.flat_map(|resource| resource.scope_metrics);
    let metrics = metrics.flat_map(|scope| scope.metrics);
    metrics.filter_map(|metric| metric.data).collect()
}

/// OTLP has no unsigned integers. opentelemetry-proto makes these 0.
#[test]
fn counts_beyond_the_signed_integers_are_doubles() {
    for (value, expected) in [
        (i64::MAX.unsigned_abs(), NumberValue::AsInt(i64::MAX)),
        (1 << 63, NumberValue::AsDouble((1_u64 << 63) as f64)),
        (u64::MAX, NumberValue::AsDouble(u64::MAX as f64)),
    ] {
        let metrics = collected(|meter| {
            meter.u64_counter("counter").build().add(value, &[]);
            meter.u64_gauge("gauge").build().record(value, &[]);
        });
        let points: Vec<_> = data(&metrics)
            .into_iter()
            .flat_map(|data| match data {
                Data::Sum(sum) => sum.data_points,
                Data::Gauge(gauge) => gauge.data_points,
                other => panic!("neither a sum nor a gauge: {other:?}"),
            })
            .map(|point| point.value)
            .collect();
        assert_eq!(points, [Some(expected), Some(expected)]);
    }
}

#[test]
fn every_kind_of_data_is_there() {
    let metrics = collected(|meter| {
        meter.u64_counter("counter").build().add(7, &[]);
        meter.i64_up_down_counter("up_down").build().add(-7, &[]);
        meter.f64_gauge("gauge").build().record(-0.5, &[]);
        meter.f64_histogram("histogram").build().record(0.0, &[]);
        let exponential = meter.f64_histogram("exponential").build();
        for value in [0.0, 1.5, -3.0, 1e300] {
            exponential.record(value, &[]);
        }
        meter
            .f64_histogram("histogram.bare")
            .build()
            .record(2.0, &[]);
    });
    assert_says(
        &encode_metrics(&metrics),
        ExportMetricsServiceRequest::from(&metrics).into(),
    );
    let mut kinds = [0; 4];
    for data in data(&metrics) {
        match data {
            Data::Gauge(gauge) => {
                kinds[0] += 1;
                let value = gauge.data_points[0].value;
                assert_eq!(value, Some(NumberValue::AsDouble(-0.5)));
            }
            Data::Sum(sum) => {
                kinds[1] += 1;
                let value = NumberValue::AsInt(if sum.is_monotonic { 7 } else { -7 });
                assert_eq!(sum.data_points[0].value, Some(value));
            }
            Data::Histogram(histogram) => {
                kinds[2] += 1;
                let point = &histogram.data_points[0];
                let zero = Some(0.0);
                match &point.bucket_counts[..] {
                    // Without bounds all is one bucket; smallest and largest were not wanted.
                    [] | [_] => assert_eq!((point.min, point.max), (None, None)),
                    _ => assert_eq!((point.min, point.max, point.sum), (zero, zero, zero)),
                }
            }
            Data::ExponentialHistogram(histogram) => {
                kinds[3] += 1;
                let point = &histogram.data_points[0];
                assert_eq!((point.count, point.zero_count), (4, 1));
                assert!(point.scale < 0, "{}", point.scale);
                let negative = point.negative.as_ref().expect("a negative value");
                assert_eq!(negative.bucket_counts.iter().sum::<u64>(), 1);
                assert_eq!((point.min, point.max), (Some(-3.0), Some(1e300)));
            }
            Data::Summary(_) => panic!("no instrument makes summaries"),
        }
    }
    assert_eq!(kinds, [1, 2, 2, 1]);
}

#[test]
fn without_points_nothing_is_written() {
    let request = encode_metrics(&ResourceMetrics::default());
    assert_eq!((request.items(), request.byte_size()), (0, 0));
    let request = encode_metrics(&collected(|_| ()));
    assert_eq!((request.items(), request.byte_size()), (0, 0));
}

#[test]
fn allocations_do_not_grow_with_the_collection() {
    let count = |series: i64| {
        let metrics = collected(|meter| {
            let counter = meter.u64_counter("counter").build();
            let histogram = meter.f64_histogram("histogram").build();
            for series in 0..series {
                counter.add(1, &[KeyValue::new("series", series)]);
                histogram.record(0.5, &[KeyValue::new("series", series)]);
            }
        });
        let (_, count, _) = allocations(|| encode_metrics(&metrics));
        count
    };
    assert_eq!(count(10), count(1500));
    assert!(count(10) <= 8, "{}", count(10));
}

//! Random OTLP: every field, every edge, from a seed or from proptest.
//!
//! One generator draws choices from a [`Draw`]. Seeded, it is a deterministic random source;
//! replayed from proptest's list of numbers, it shrinks: fewer and smaller numbers make a
//! smaller message, and zero always means the plainest choice.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{
        AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
        any_value::Value,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exemplar, exponential_histogram_data_point::Buckets, metric::Data,
        number_data_point, summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use proptest::{collection::vec, prelude::*};

/// What a message may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Ids of any length, not only 16 and 8 bytes or none.
    pub(crate) odd_ids: bool,
    /// The fields that OTLP reserves for profiles: `string_value_strindex`, `key_strindex`.
    pub(crate) profile_fields: bool,
    /// Enumerations with numbers that no specification names.
    pub(crate) unknown_enums: bool,
    /// NaN, the infinities, negative zero.
    pub(crate) odd_doubles: bool,
    /// How deep arrays and maps may nest.
    pub(crate) depth: usize,
    /// How many values, points and so on a message may hold in all.
    pub(crate) fuel: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            odd_ids: true,
            profile_fields: false,
            unknown_enums: true,
            odd_doubles: true,
            depth: 8,
            fuel: 300,
        }
    }
}

/// Where choices come from.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    options: Options,
    tape: std::vec::IntoIter<u64>,
    state: Option<u64>,
    fuel: usize,
}

impl Draw {
    /// Choices from a seed, without end.
    pub(crate) fn seeded(seed: u64, options: Options) -> Self {
        Self {
            options,
            tape: Vec::new().into_iter(),
            state: Some(seed),
            fuel: options.fuel,
        }
    }

    /// Choices from a list; zeros behind its end.
    pub(crate) fn replay(tape: Vec<u64>, options: Options) -> Self {
        Self {
            options,
            tape: tape.into_iter(),
            state: None,
            fuel: options.fuel,
        }
    }

    /// The next number: from the list, else from splitmix64, else zero.
    pub(crate) fn number(&mut self) -> u64 {
        if let Some(number) = self.tape.next() {
            return number;
        }
        let Some(state) = &mut self.state else {
            return 0;
        };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which must not be zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).expect("below a usize")
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A list of up to `max` things, shorter when the fuel runs low.
    fn list<T>(&mut self, max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.below(max + 1).min(self.fuel);
        self.fuel -= length;
        (0..length).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.number().is_multiple_of(3)).then(|| make(self))
    }

    pub(crate) fn text(&mut self) -> String {
        match self.below(12) {
            0 => String::new(),
            1 => "GET /".to_owned(),
            2 => "http.request.method".to_owned(),
            3 => "naïve Größe".to_owned(),
            4 => "日本語 🦀".to_owned(),
            5 => "\"quoted\" \\ </script> \u{7f}\u{0}\u{1f}\n\r\t\u{2028}".to_owned(),
            // Around the length at which a varint takes its second byte.
            6 => "k".repeat(126 + self.below(4)),
            7 => "é".repeat(62 + self.below(4)),
            8 => "long ".repeat(self.below(400)),
            _ => {
                let length = self.below(24);
                (0..length)
                    .map(|_| char::from_u32(32 + (self.number() % 0x500) as u32).unwrap_or('?'))
                    .collect()
            }
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.pick(&[0, 1, 2, 3, 16, 127, 128, 300]);
        (0..length).map(|_| self.number() as u8).collect()
    }

    fn id(&mut self, length: usize) -> Vec<u8> {
        let length = match self.below(8) {
            0 | 1 => 0,
            2 if self.options.odd_ids => self.below(40),
            3 => return vec![0; length],
            _ => length,
        };
        (0..length).map(|_| self.number() as u8).collect()
    }

    pub(crate) fn unsigned(&mut self) -> u64 {
        let random = self.number();
        self.pick(&[
            0,
            1,
            127,
            128,
            1_700_000_000_123_456_789,
            u64::from(u32::MAX),
            1 << 53,
            (1 << 53) + 1,
            1 << 63,
            u64::MAX,
            random,
        ])
    }

    pub(crate) fn signed(&mut self) -> i64 {
        let random = self.number().cast_signed();
        self.pick(&[
            0,
            1,
            -1,
            127,
            128,
            i64::from(i32::MIN),
            i64::MIN,
            i64::MAX,
            random,
        ])
    }

    fn unsigned32(&mut self) -> u32 {
        let random = self.number() as u32;
        self.pick(&[0, 1, 127, 128, 0x101, u32::MAX, random])
    }

    fn signed32(&mut self) -> i32 {
        let random = self.number() as i32;
        self.pick(&[0, 1, -1, 20, i32::MIN, i32::MAX, random])
    }

    pub(crate) fn double(&mut self) -> f64 {
        let random = self.number();
        let plain = self.pick(&[
            0.0,
            1.0,
            -1.5,
            0.1,
            1e21,
            1e-7,
            123_456_789.123_456_78,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            (random >> 11) as f64 / 1e3,
        ]);
        if self.options.odd_doubles && self.one_in(4) {
            self.pick(&[
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                -0.0,
                -f64::NAN,
                f64::from_bits(random),
            ])
        } else {
            plain
        }
    }

    fn enumeration(&mut self, known: usize) -> i32 {
        if self.options.unknown_enums && self.one_in(6) {
            self.pick(&[99, -1, i32::MIN, i32::MAX])
        } else {
            i32::try_from(self.below(known)).expect("a small number")
        }
    }

    pub(crate) fn any_value(&mut self, depth: usize) -> AnyValue {
        let kinds = match (depth, self.options.profile_fields) {
            (0, _) => 6,
            (_, false) => 8,
            (_, true) => 9,
        };
        let value = match self.below(kinds) {
            0 => None,
            1 => Some(Value::StringValue(self.text())),
            2 => Some(Value::BoolValue(self.one_in(2))),
            3 => Some(Value::IntValue(self.signed())),
            4 => Some(Value::DoubleValue(self.double())),
            5 => Some(Value::BytesValue(self.bytes())),
            6 => Some(Value::ArrayValue(ArrayValue {
                values: self.list(3, |draw| draw.any_value(depth - 1)),
            })),
            7 => Some(Value::KvlistValue(KeyValueList {
                values: self.list(3, |draw| draw.key_value(depth - 1)),
            })),
            _ => Some(Value::StringValueStrindex(self.signed32())),
        };
        AnyValue { value }
    }

    pub(crate) fn key_value(&mut self, depth: usize) -> KeyValue {
        KeyValue {
            key: self.text(),
            value: self.maybe(|draw| draw.any_value(depth)),
            key_strindex: if self.options.profile_fields && self.one_in(4) {
                self.signed32()
            } else {
                0
            },
        }
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        let depth = self.options.depth;
        self.list(5, |draw| draw.key_value(depth))
    }

    pub(crate) fn resource(&mut self) -> Resource {
        Resource {
            attributes: self.attributes(),
            dropped_attributes_count: self.unsigned32(),
            entity_refs: self.list(2, |draw| EntityRef {
                schema_url: draw.text(),
                r#type: draw.text(),
                id_keys: draw.list(3, Self::text),
                description_keys: draw.list(3, Self::text),
            }),
        }
    }

    pub(crate) fn scope(&mut self) -> InstrumentationScope {
        InstrumentationScope {
            name: self.text(),
            version: self.text(),
            attributes: self.attributes(),
            dropped_attributes_count: self.unsigned32(),
        }
    }

    pub(crate) fn traces(&mut self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: self.list(3, |draw| ResourceSpans {
                resource: draw.maybe(Self::resource),
                scope_spans: draw.list(3, |draw| ScopeSpans {
                    scope: draw.maybe(Self::scope),
                    spans: draw.list(4, Self::span),
                    schema_url: draw.text(),
                }),
                schema_url: draw.text(),
            }),
        }
    }

    pub(crate) fn span(&mut self) -> Span {
        Span {
            trace_id: self.id(16),
            span_id: self.id(8),
            trace_state: self.text(),
            parent_span_id: self.id(8),
            flags: self.unsigned32(),
            name: self.text(),
            kind: self.enumeration(6),
            start_time_unix_nano: self.unsigned(),
            end_time_unix_nano: self.unsigned(),
            attributes: self.attributes(),
            dropped_attributes_count: self.unsigned32(),
            events: self.list(3, |draw| span::Event {
                time_unix_nano: draw.unsigned(),
                name: draw.text(),
                attributes: draw.attributes(),
                dropped_attributes_count: draw.unsigned32(),
            }),
            dropped_events_count: self.unsigned32(),
            links: self.list(3, |draw| span::Link {
                trace_id: draw.id(16),
                span_id: draw.id(8),
                trace_state: draw.text(),
                attributes: draw.attributes(),
                dropped_attributes_count: draw.unsigned32(),
                flags: draw.unsigned32(),
            }),
            dropped_links_count: self.unsigned32(),
            status: self.maybe(|draw| Status {
                message: draw.text(),
                code: draw.enumeration(3),
            }),
        }
    }

    pub(crate) fn metrics(&mut self) -> ExportMetricsServiceRequest {
        ExportMetricsServiceRequest {
            resource_metrics: self.list(3, |draw| ResourceMetrics {
                resource: draw.maybe(Self::resource),
                scope_metrics: draw.list(3, |draw| ScopeMetrics {
                    scope: draw.maybe(Self::scope),
                    metrics: draw.list(4, Self::metric),
                    schema_url: draw.text(),
                }),
                schema_url: draw.text(),
            }),
        }
    }

    pub(crate) fn metric(&mut self) -> Metric {
        let data = match self.below(6) {
            0 => None,
            1 => Some(Data::Gauge(Gauge {
                data_points: self.list(3, Self::number_point),
            })),
            2 => Some(Data::Sum(Sum {
                data_points: self.list(3, Self::number_point),
                aggregation_temporality: self.enumeration(3),
                is_monotonic: self.one_in(2),
            })),
            3 => Some(Data::Histogram(Histogram {
                data_points: self.list(3, Self::histogram_point),
                aggregation_temporality: self.enumeration(3),
            })),
            4 => Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: self.list(3, Self::exponential_point),
                aggregation_temporality: self.enumeration(3),
            })),
            _ => Some(Data::Summary(Summary {
                data_points: self.list(3, Self::summary_point),
            })),
        };
        Metric {
            name: self.text(),
            description: self.text(),
            unit: self.text(),
            metadata: self.attributes(),
            data,
        }
    }

    fn number_point(&mut self) -> NumberDataPoint {
        NumberDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.unsigned(),
            time_unix_nano: self.unsigned(),
            exemplars: self.exemplars(),
            flags: self.unsigned32(),
            value: match self.below(3) {
                0 => None,
                1 => Some(number_data_point::Value::AsInt(self.signed())),
                _ => Some(number_data_point::Value::AsDouble(self.double())),
            },
        }
    }

    fn exemplars(&mut self) -> Vec<Exemplar> {
        self.list(2, |draw| Exemplar {
            filtered_attributes: draw.attributes(),
            time_unix_nano: draw.unsigned(),
            span_id: draw.id(8),
            trace_id: draw.id(16),
            value: match draw.below(3) {
                0 => None,
                1 => Some(exemplar::Value::AsInt(draw.signed())),
                _ => Some(exemplar::Value::AsDouble(draw.double())),
            },
        })
    }

    fn histogram_point(&mut self) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.unsigned(),
            time_unix_nano: self.unsigned(),
            count: self.unsigned(),
            sum: self.maybe(Self::double),
            bucket_counts: self.list(6, Self::unsigned),
            explicit_bounds: self.list(5, Self::double),
            exemplars: self.exemplars(),
            flags: self.unsigned32(),
            min: self.maybe(Self::double),
            max: self.maybe(Self::double),
        }
    }

    fn exponential_point(&mut self) -> ExponentialHistogramDataPoint {
        ExponentialHistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.unsigned(),
            time_unix_nano: self.unsigned(),
            count: self.unsigned(),
            sum: self.maybe(Self::double),
            scale: self.signed32(),
            zero_count: self.unsigned(),
            positive: self.maybe(Self::buckets),
            negative: self.maybe(Self::buckets),
            flags: self.unsigned32(),
            exemplars: self.exemplars(),
            min: self.maybe(Self::double),
            max: self.maybe(Self::double),
            zero_threshold: self.double(),
        }
    }

    fn buckets(&mut self) -> Buckets {
        Buckets {
            offset: self.signed32(),
            bucket_counts: self.list(8, Self::unsigned),
        }
    }

    fn summary_point(&mut self) -> SummaryDataPoint {
        SummaryDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.unsigned(),
            time_unix_nano: self.unsigned(),
            count: self.unsigned(),
            sum: self.double(),
            quantile_values: self.list(4, |draw| ValueAtQuantile {
                quantile: draw.double(),
                value: draw.double(),
            }),
            flags: self.unsigned32(),
        }
    }

    pub(crate) fn logs(&mut self) -> ExportLogsServiceRequest {
        ExportLogsServiceRequest {
            resource_logs: self.list(3, |draw| ResourceLogs {
                resource: draw.maybe(Self::resource),
                scope_logs: draw.list(3, |draw| ScopeLogs {
                    scope: draw.maybe(Self::scope),
                    log_records: draw.list(4, Self::log_record),
                    schema_url: draw.text(),
                }),
                schema_url: draw.text(),
            }),
        }
    }

    pub(crate) fn log_record(&mut self) -> LogRecord {
        let depth = self.options.depth;
        LogRecord {
            time_unix_nano: self.unsigned(),
            observed_time_unix_nano: self.unsigned(),
            severity_number: self.enumeration(25),
            severity_text: self.text(),
            body: self.maybe(|draw| draw.any_value(depth)),
            attributes: self.attributes(),
            dropped_attributes_count: self.unsigned32(),
            flags: self.unsigned32(),
            trace_id: self.id(16),
            span_id: self.id(8),
            event_name: self.text(),
        }
    }
}

/// A request of traces that shrinks.
pub(crate) fn traces(options: Options) -> impl Strategy<Value = ExportTraceServiceRequest> {
    draws(options).prop_map(|mut draw| draw.traces())
}

/// A request of metrics that shrinks.
pub(crate) fn metrics(options: Options) -> impl Strategy<Value = ExportMetricsServiceRequest> {
    draws(options).prop_map(|mut draw| draw.metrics())
}

/// A request of logs that shrinks.
pub(crate) fn logs(options: Options) -> impl Strategy<Value = ExportLogsServiceRequest> {
    draws(options).prop_map(|mut draw| draw.logs())
}

/// Choices that shrink.
pub(crate) fn draws(options: Options) -> impl Strategy<Value = Draw> {
    vec(any::<u64>(), 0..2000).prop_map(move |tape| Draw::replay(tape, options))
}

/// Proptest's settings: no file with earlier failures is kept beside the sources.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

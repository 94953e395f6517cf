//! Views of metrics.

use super::{Telemetry, View, view};

/// The metrics of a request.
pub type Metrics<'a> = Telemetry<'a, Metric<'a>>;

/// One metric: a name, a unit, and data points of one type.
#[derive(Clone, Copy, Debug)]
pub struct Metric<'a>(MetricMessage<'a>);

view! {
    /// A metric as it is encoded: one of the types is set.
    MetricMessage {
        /// Name.
        1 name: str,
        /// Description.
        2 description: str,
        /// Unit.
        3 unit: str,
        /// Last values.
        5 gauge: optional_message<Gauge>,
        /// Sums.
        7 sum: optional_message<Sum>,
        /// Histograms with explicit bounds.
        9 histogram: optional_message<Histogram>,
        /// Histograms with exponential bounds.
        10 exponential_histogram: optional_message<ExponentialHistogram>,
        /// Quantiles.
        11 summary: optional_message<Summary>,
        /// Metadata.
        12 metadata: attributes,
    }
}

impl<'a> View<'a> for Metric<'a> {
    fn view(bytes: &'a [u8]) -> Self {
        Self(MetricMessage::view(bytes))
    }
}

impl<'a> Metric<'a> {
    /// Name of the metric.
    #[must_use]
    pub fn name(&self) -> super::Str<'a> {
        self.0.name()
    }

    /// What it measures, for people.
    #[must_use]
    pub fn description(&self) -> super::Str<'a> {
        self.0.description()
    }

    /// Unit, in the [UCUM](https://ucum.org) notation.
    #[must_use]
    pub fn unit(&self) -> super::Str<'a> {
        self.0.unit()
    }

    /// Attributes of the metric itself, not of its data points.
    #[must_use]
    pub fn metadata(&self) -> super::Attributes<'a> {
        self.0.metadata()
    }

    /// The data points, by the metric's type; `None` if the metric has no type.
    #[must_use]
    pub fn data(&self) -> Option<MetricData<'a>> {
        let Self(message) = self;
        None.or_else(|| message.gauge().map(MetricData::Gauge))
            .or_else(|| message.sum().map(MetricData::Sum))
            .or_else(|| message.histogram().map(MetricData::Histogram))
            .or_else(|| {
                message
                    .exponential_histogram()
                    .map(MetricData::ExponentialHistogram)
            })
            .or_else(|| message.summary().map(MetricData::Summary))
    }

    /// The protobuf bytes of this message, unknown fields included.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0.bytes
    }
}

/// The data points of a metric.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MetricData<'a> {
    /// Last values.
    Gauge(Gauge<'a>),
    /// Sums.
    Sum(Sum<'a>),
    /// Histograms with explicit bounds.
    Histogram(Histogram<'a>),
    /// Histograms with exponential bounds.
    ExponentialHistogram(ExponentialHistogram<'a>),
    /// Quantiles, as other systems report them.
    Summary(Summary<'a>),
}

view! {
    /// Last values.
    pub Gauge {
        /// The values.
        1 points: repeated<NumberDataPoint>,
    }
}

view! {
    /// Sums.
    pub Sum {
        /// The values.
        1 points: repeated<NumberDataPoint>,
        /// Whether each point counts since the start or since the point before.
        2 temporality: enumeration<AggregationTemporality>,
        /// Whether the sum can only grow.
        3 is_monotonic: bool,
    }
}

view! {
    /// Histograms with explicit bounds.
    pub Histogram {
        /// The values.
        1 points: repeated<HistogramDataPoint>,
        /// Whether each point counts since the start or since the point before.
        2 temporality: enumeration<AggregationTemporality>,
    }
}

view! {
    /// Histograms with exponential bounds.
    pub ExponentialHistogram {
        /// The values.
        1 points: repeated<ExponentialHistogramDataPoint>,
        /// Whether each point counts since the start or since the point before.
        2 temporality: enumeration<AggregationTemporality>,
    }
}

view! {
    /// Quantiles, as other systems report them.
    pub Summary {
        /// The values.
        1 points: repeated<SummaryDataPoint>,
    }
}

/// Over which time a point counts. A number that this version does not know is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AggregationTemporality(pub i32);

impl AggregationTemporality {
    /// Not said.
    pub const UNSPECIFIED: Self = Self(0);
    /// Since the point before.
    pub const DELTA: Self = Self(1);
    /// Since the start.
    pub const CUMULATIVE: Self = Self(2);
}

/// A value that is an integer or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Double(f64),
}

impl Number {
    /// The value as a floating-point number; an integer beyond 2^53 is rounded.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Double(value) => value,
        }
    }
}

/// The bit of a data point's flags that says that no value was recorded: the series has ended.
const NO_RECORDED_VALUE: u32 = 1;

macro_rules! no_recorded_value {
    ($($name:ident),*) => {$(
        impl $name<'_> {
            /// Whether the point says that its series has no value any more.
            #[must_use]
            pub fn no_recorded_value(&self) -> bool {
                self.flags() & NO_RECORDED_VALUE != 0
            }
        }
    )*};
}
no_recorded_value!(
    NumberDataPoint,
    HistogramDataPoint,
    ExponentialHistogramDataPoint,
    SummaryDataPoint
);

/// The value of a point or an exemplar, which is stored as a double under one field number or
/// as an integer under another.
fn number(double: Option<f64>, int: Option<i64>) -> Option<Number> {
    double.map(Number::Double).or(int.map(Number::Int))
}

view! {
    /// A single value.
    pub NumberDataPoint {
        /// Since when it counts, in nanoseconds since the Unix epoch; 0 if it is not known.
        2 start_time_unix_nano: fixed64,
        /// When it was taken, in nanoseconds since the Unix epoch.
        3 time_unix_nano: fixed64,
        /// The value if it is a double.
        4 as_double: optional_double,
        /// Samples that went into the value.
        5 exemplars: repeated<Exemplar>,
        /// The value if it is an integer.
        6 as_int: optional_sfixed64,
        /// Attributes, which tell one series from another.
        7 attributes: attributes,
        /// Flags of the point.
        8 flags: uint32,
    }
}

impl NumberDataPoint<'_> {
    /// The value; `None` if the point has none.
    #[must_use]
    pub fn value(&self) -> Option<Number> {
        number(self.as_double, self.as_int)
    }
}

view! {
    /// A histogram with explicit bounds.
    pub HistogramDataPoint {
        /// Since when it counts, in nanoseconds since the Unix epoch; 0 if it is not known.
        2 start_time_unix_nano: fixed64,
        /// When it was taken, in nanoseconds since the Unix epoch.
        3 time_unix_nano: fixed64,
        /// Number of values.
        4 count: fixed64,
        /// Sum of the values.
        5 sum: optional_double,
        /// Number of values in each bucket; one more than there are bounds, or none.
        6 bucket_counts: packed<u64>,
        /// Upper bounds of the buckets, inclusive, ascending; the last bucket has none.
        7 explicit_bounds: packed<f64>,
        /// Samples that went into the histogram.
        8 exemplars: repeated<Exemplar>,
        /// Attributes, which tell one series from another.
        9 attributes: attributes,
        /// Flags of the point.
        10 flags: uint32,
        /// The smallest value.
        11 min: optional_double,
        /// The largest value.
        12 max: optional_double,
    }
}

view! {
    /// A histogram with exponential bounds.
    pub ExponentialHistogramDataPoint {
        /// Attributes, which tell one series from another.
        1 attributes: attributes,
        /// Since when it counts, in nanoseconds since the Unix epoch; 0 if it is not known.
        2 start_time_unix_nano: fixed64,
        /// When it was taken, in nanoseconds since the Unix epoch.
        3 time_unix_nano: fixed64,
        /// Number of values.
        4 count: fixed64,
        /// Sum of the values.
        5 sum: optional_double,
        /// Bucket bounds are powers of `2 ** (2 ** -scale)`.
        6 scale: sint32,
        /// Number of values whose magnitude is at most the zero threshold.
        7 zero_count: fixed64,
        /// Buckets of positive values; `None` if none were sent.
        8 positive: optional_message<Buckets>,
        /// Buckets of negative values; `None` if none were sent.
        9 negative: optional_message<Buckets>,
        /// Flags of the point.
        10 flags: uint32,
        /// Samples that went into the histogram.
        11 exemplars: repeated<Exemplar>,
        /// The smallest value.
        12 min: optional_double,
        /// The largest value.
        13 max: optional_double,
        /// Width of the zero bucket.
        14 zero_threshold: double,
    }
}

view! {
    /// Buckets of an exponential histogram: bucket `offset + i` has count `i`.
    pub Buckets {
        /// Index of the first bucket.
        1 offset: sint32,
        /// Number of values in each bucket.
        2 bucket_counts: packed_varints,
    }
}

view! {
    /// Quantiles of one series.
    pub SummaryDataPoint {
        /// Since when it counts, in nanoseconds since the Unix epoch; 0 if it is not known.
        2 start_time_unix_nano: fixed64,
        /// When it was taken, in nanoseconds since the Unix epoch.
        3 time_unix_nano: fixed64,
        /// Number of values.
        4 count: fixed64,
        /// Sum of the values.
        5 sum: double,
        /// The quantiles.
        6 quantile_values: repeated<QuantileValue>,
        /// Attributes, which tell one series from another.
        7 attributes: attributes,
        /// Flags of the point.
        8 flags: uint32,
    }
}

view! {
    /// One quantile.
    pub QuantileValue {
        /// Which one: 0 (the smallest value) to 1 (the largest).
        1 quantile: double,
        /// Its value.
        2 value: double,
    }
}

view! {
    /// A sample of the values that a point sums up.
    pub Exemplar {
        /// When it was taken, in nanoseconds since the Unix epoch.
        2 time_unix_nano: fixed64,
        /// The value if it is a double.
        3 as_double: optional_double,
        /// The span in which it was recorded: 8 bytes, or empty.
        4 span_id: span_id,
        /// The trace in which it was recorded: 16 bytes, or empty.
        5 trace_id: trace_id,
        /// The value if it is an integer.
        6 as_int: optional_sfixed64,
        /// Attributes that the point's series does not have.
        7 filtered_attributes: attributes,
    }
}

impl Exemplar<'_> {
    /// The value; `None` if the exemplar has none.
    #[must_use]
    pub fn value(&self) -> Option<Number> {
        number(self.as_double, self.as_int)
    }
}

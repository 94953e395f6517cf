//! OTLP's messages as tables: what the checker, the canonical form and the JSON reader go by.
//!
//! Source: [opentelemetry-proto](https://github.com/open-telemetry/opentelemetry-proto) 1.10,
//! `common.proto`, `resource.proto`, `trace.proto`, `metrics.proto`, `logs.proto`. A new field of
//! OTLP is one line here and one in its view.

// Names and numbers of digits matter to the JSON reader alone.
#![cfg_attr(not(feature = "json"), allow(dead_code))]

use super::{Signal, check::wire_type};

/// How a field is encoded.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// UTF-8 text.
    Str,
    /// Bytes that JSON writes in base64.
    Bytes,
    /// Bytes that JSON writes in hex: an id of this many bytes.
    Id(usize),
    Bool,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// An enumeration, and the names that lenient JSON readers take for its numbers.
    Enum(&'static [&'static str]),
    /// `sint32`.
    Sint32,
    Fixed32,
    /// `fixed64`.
    Fixed64,
    /// `sfixed64`.
    Sfixed64,
    Double,
    Message(&'static Message),
}

/// How often a field may occur.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// Once; absent and default are the same.
    Single,
    /// Once, together with all other members of the message's only oneof.
    Oneof,
    /// Any number of times; numbers are packed.
    Repeated,
}

/// One field of a message.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// Name in the `.proto` file.
    pub(crate) name: &'static str,
    /// Name in OTLP/JSON.
    pub(crate) json_name: &'static str,
    pub(crate) kind: Kind,
    /// Wire type of the kind, when it is not packed.
    pub(crate) wire: u8,
    pub(crate) label: Label,
    /// Whether each occurrence is an item: a span, a data point, a log record.
    pub(crate) is_item: bool,
}

/// The highest field number in use, plus one.
const SLOTS: usize = 17;

/// One message type.
pub(crate) struct Message {
    /// Fields by number.
    slots: [Option<Field>; SLOTS],
    /// Field numbers of the oneof's members, as bits.
    pub(crate) oneof: u32,
    /// Whether this is `KeyValue`, most of what telemetry consists of.
    pub(crate) is_key_value: bool,
}

impl Message {
    const fn new<const N: usize>(fields: [Field; N], is_key_value: bool) -> Self {
        let mut slots = [None; SLOTS];
        let mut oneof = 0;
        let mut at = 0;
        while at < N {
            let field = fields[at];
            if matches!(field.label, Label::Oneof) {
                oneof |= 1 << field.number;
            }
            slots[field.number as usize] = Some(field);
            at += 1;
        }
        Self {
            slots,
            oneof,
            is_key_value,
        }
    }

    /// The field with this number.
    #[inline]
    pub(crate) fn field(&self, number: u32) -> Option<&Field> {
        self.slots.get(number as usize)?.as_ref()
    }

    /// All fields, by number.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.slots.iter().flatten()
    }

    /// The field with this name in OTLP/JSON or in the `.proto` file. The search starts behind the
    /// field with the number `last`: writers mostly keep to the order of the numbers.
    #[cfg(feature = "json")]
    #[inline]
    pub(crate) fn named(&self, name: &str, last: u32) -> Option<&Field> {
        let (before, after) = self.slots.split_at_checked(last as usize + 1)?;
        let mut fields = after.iter().chain(before).flatten();
        fields
            .clone()
            .find(|field| is_same(field.json_name, name))
            .or_else(|| fields.find(|field| field.name == name))
    }

    /// The root message of a signal.
    pub(crate) fn root(signal: Signal) -> &'static Message {
        match signal {
            Signal::Traces => &TRACES,
            Signal::Metrics => &METRICS,
            Signal::Logs => &LOGS,
        }
    }
}

/// Whether two names are the same. Most that are as long as each other are: no call is made to
/// find it out.
#[cfg(feature = "json")]
#[inline]
fn is_same(known: &str, name: &str) -> bool {
    if known.len() != name.len() {
        return false;
    }
    let (known, name) = (known.as_bytes(), name.as_bytes());
    if let (Some(known_end), Some(end)) = (known.last_chunk::<8>(), name.last_chunk::<8>()) {
        let (known, name) = (known.as_chunks::<8>().0, name.as_chunks::<8>().0);
        return known_end == end && known.iter().zip(name).all(|(known, name)| known == name);
    }
    known.iter().zip(name).all(|(known, name)| known == name)
}

macro_rules! messages {
    ($( $message:ident { $( $number:literal $name:literal $json:literal $label:ident $kind:ident $(($arg:expr))? $(item $item:literal)? ; )* } )*) => {
        $(
            static $message: Message = Message::new([
                $( Field {
                    number: $number,
                    name: $name,
                    json_name: $json,
                    kind: Kind::$kind $(($arg))?,
                    wire: wire_type(Kind::$kind $(($arg))?),
                    label: Label::$label,
                    is_item: false $(|| $item)?,
                } ),*
            ], messages!(@is_key_value $message));
        )*
    };
    (@is_key_value KEY_VALUE) => { true };
    (@is_key_value $other:ident) => { false };
}

const SPAN_KINDS: &[&str] = &[
    "SPAN_KIND_UNSPECIFIED",
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
];
const STATUS_CODES: &[&str] = &["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
const TEMPORALITIES: &[&str] = &[
    "AGGREGATION_TEMPORALITY_UNSPECIFIED",
    "AGGREGATION_TEMPORALITY_DELTA",
    "AGGREGATION_TEMPORALITY_CUMULATIVE",
];
const SEVERITIES: &[&str] = &[
    "SEVERITY_NUMBER_UNSPECIFIED",
    "SEVERITY_NUMBER_TRACE",
    "SEVERITY_NUMBER_TRACE2",
    "SEVERITY_NUMBER_TRACE3",
    "SEVERITY_NUMBER_TRACE4",
    "SEVERITY_NUMBER_DEBUG",
    "SEVERITY_NUMBER_DEBUG2",
    "SEVERITY_NUMBER_DEBUG3",
    "SEVERITY_NUMBER_DEBUG4",
    "SEVERITY_NUMBER_INFO",
    "SEVERITY_NUMBER_INFO2",
    "SEVERITY_NUMBER_INFO3",
    "SEVERITY_NUMBER_INFO4",
    "SEVERITY_NUMBER_WARN",
    "SEVERITY_NUMBER_WARN2",
    "SEVERITY_NUMBER_WARN3",
    "SEVERITY_NUMBER_WARN4",
    "SEVERITY_NUMBER_ERROR",
    "SEVERITY_NUMBER_ERROR2",
    "SEVERITY_NUMBER_ERROR3",
    "SEVERITY_NUMBER_ERROR4",
    "SEVERITY_NUMBER_FATAL",
    "SEVERITY_NUMBER_FATAL2",
    "SEVERITY_NUMBER_FATAL3",
    "SEVERITY_NUMBER_FATAL4",
];

messages! {
    ANY_VALUE {
        1 "string_value" "stringValue" Oneof Str;
        2 "bool_value" "boolValue" Oneof Bool;
        3 "int_value" "intValue" Oneof Int64;
        4 "double_value" "doubleValue" Oneof Double;
        5 "array_value" "arrayValue" Oneof Message(&ARRAY_VALUE);
        6 "kvlist_value" "kvlistValue" Oneof Message(&KEY_VALUE_LIST);
        7 "bytes_value" "bytesValue" Oneof Bytes;
        8 "string_value_strindex" "stringValueStrindex" Oneof Int32;
    }
    ARRAY_VALUE {
        1 "values" "values" Repeated Message(&ANY_VALUE);
    }
    KEY_VALUE_LIST {
        1 "values" "values" Repeated Message(&KEY_VALUE);
    }
    KEY_VALUE {
        1 "key" "key" Single Str;
        2 "value" "value" Single Message(&ANY_VALUE);
        3 "key_strindex" "keyStrindex" Single Int32;
    }
    SCOPE {
        1 "name" "name" Single Str;
        2 "version" "version" Single Str;
        3 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        4 "dropped_attributes_count" "droppedAttributesCount" Single Uint32;
    }
    ENTITY_REF {
        1 "schema_url" "schemaUrl" Single Str;
        2 "type" "type" Single Str;
        3 "id_keys" "idKeys" Repeated Str;
        4 "description_keys" "descriptionKeys" Repeated Str;
    }
    RESOURCE {
        1 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        2 "dropped_attributes_count" "droppedAttributesCount" Single Uint32;
        3 "entity_refs" "entityRefs" Repeated Message(&ENTITY_REF);
    }

    TRACES {
        1 "resource_spans" "resourceSpans" Repeated Message(&RESOURCE_SPANS);
    }
    RESOURCE_SPANS {
        1 "resource" "resource" Single Message(&RESOURCE);
        2 "scope_spans" "scopeSpans" Repeated Message(&SCOPE_SPANS);
        3 "schema_url" "schemaUrl" Single Str;
    }
    SCOPE_SPANS {
        1 "scope" "scope" Single Message(&SCOPE);
        2 "spans" "spans" Repeated Message(&SPAN) item true;
        3 "schema_url" "schemaUrl" Single Str;
    }
    SPAN {
        1 "trace_id" "traceId" Single Id(16);
        2 "span_id" "spanId" Single Id(8);
        3 "trace_state" "traceState" Single Str;
        4 "parent_span_id" "parentSpanId" Single Id(8);
        5 "name" "name" Single Str;
        6 "kind" "kind" Single Enum(SPAN_KINDS);
        7 "start_time_unix_nano" "startTimeUnixNano" Single Fixed64;
        8 "end_time_unix_nano" "endTimeUnixNano" Single Fixed64;
        9 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        10 "dropped_attributes_count" "droppedAttributesCount" Single Uint32;
        11 "events" "events" Repeated Message(&EVENT);
        12 "dropped_events_count" "droppedEventsCount" Single Uint32;
        13 "links" "links" Repeated Message(&LINK);
        14 "dropped_links_count" "droppedLinksCount" Single Uint32;
        15 "status" "status" Single Message(&STATUS);
        16 "flags" "flags" Single Fixed32;
    }
    EVENT {
        1 "time_unix_nano" "timeUnixNano" Single Fixed64;
        2 "name" "name" Single Str;
        3 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        4 "dropped_attributes_count" "droppedAttributesCount" Single Uint32;
    }
    LINK {
        1 "trace_id" "traceId" Single Id(16);
        2 "span_id" "spanId" Single Id(8);
        3 "trace_state" "traceState" Single Str;
        4 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        5 "dropped_attributes_count" "droppedAttributesCount" Single Uint32;
        6 "flags" "flags" Single Fixed32;
    }
    STATUS {
        2 "message" "message" Single Str;
        3 "code" "code" Single Enum(STATUS_CODES);
    }

    METRICS {
        1 "resource_metrics" "resourceMetrics" Repeated Message(&RESOURCE_METRICS);
    }
    RESOURCE_METRICS {
        1 "resource" "resource" Single Message(&RESOURCE);
        2 "scope_metrics" "scopeMetrics" Repeated Message(&SCOPE_METRICS);
        3 "schema_url" "schemaUrl" Single Str;
    }
    SCOPE_METRICS {
        1 "scope" "scope" Single Message(&SCOPE);
        2 "metrics" "metrics" Repeated Message(&METRIC);
        3 "schema_url" "schemaUrl" Single Str;
    }
    METRIC {
        1 "name" "name" Single Str;
        2 "description" "description" Single Str;
        3 "unit" "unit" Single Str;
        5 "gauge" "gauge" Oneof Message(&GAUGE);
        7 "sum" "sum" Oneof Message(&SUM);
        9 "histogram" "histogram" Oneof Message(&HISTOGRAM);
        10 "exponential_histogram" "exponentialHistogram" Oneof Message(&EXPONENTIAL_HISTOGRAM);
        11 "summary" "summary" Oneof Message(&SUMMARY);
        12 "metadata" "metadata" Repeated Message(&KEY_VALUE);
    }
    GAUGE {
        1 "data_points" "dataPoints" Repeated Message(&NUMBER_DATA_POINT) item true;
    }
    SUM {
        1 "data_points" "dataPoints" Repeated Message(&NUMBER_DATA_POINT) item true;
        2 "aggregation_temporality" "aggregationTemporality" Single Enum(TEMPORALITIES);
        3 "is_monotonic" "isMonotonic" Single Bool;
    }
    HISTOGRAM {
        1 "data_points" "dataPoints" Repeated Message(&HISTOGRAM_DATA_POINT) item true;
        2 "aggregation_temporality" "aggregationTemporality" Single Enum(TEMPORALITIES);
    }
    EXPONENTIAL_HISTOGRAM {
        1 "data_points" "dataPoints" Repeated Message(&EXPONENTIAL_HISTOGRAM_DATA_POINT) item true;
        2 "aggregation_temporality" "aggregationTemporality" Single Enum(TEMPORALITIES);
    }
    SUMMARY {
        1 "data_points" "dataPoints" Repeated Message(&SUMMARY_DATA_POINT) item true;
    }
    NUMBER_DATA_POINT {
        2 "start_time_unix_nano" "startTimeUnixNano" Single Fixed64;
        3 "time_unix_nano" "timeUnixNano" Single Fixed64;
        4 "as_double" "asDouble" Oneof Double;
        5 "exemplars" "exemplars" Repeated Message(&EXEMPLAR);
        6 "as_int" "asInt" Oneof Sfixed64;
        7 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        8 "flags" "flags" Single Uint32;
    }
    HISTOGRAM_DATA_POINT {
        2 "start_time_unix_nano" "startTimeUnixNano" Single Fixed64;
        3 "time_unix_nano" "timeUnixNano" Single Fixed64;
        4 "count" "count" Single Fixed64;
        5 "sum" "sum" Single Double;
        6 "bucket_counts" "bucketCounts" Repeated Fixed64;
        7 "explicit_bounds" "explicitBounds" Repeated Double;
        8 "exemplars" "exemplars" Repeated Message(&EXEMPLAR);
        9 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        10 "flags" "flags" Single Uint32;
        11 "min" "min" Single Double;
        12 "max" "max" Single Double;
    }
    EXPONENTIAL_HISTOGRAM_DATA_POINT {
        1 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        2 "start_time_unix_nano" "startTimeUnixNano" Single Fixed64;
        3 "time_unix_nano" "timeUnixNano" Single Fixed64;
        4 "count" "count" Single Fixed64;
        5 "sum" "sum" Single Double;
        6 "scale" "scale" Single Sint32;
        7 "zero_count" "zeroCount" Single Fixed64;
        8 "positive" "positive" Single Message(&BUCKETS);
        9 "negative" "negative" Single Message(&BUCKETS);
        10 "flags" "flags" Single Uint32;
        11 "exemplars" "exemplars" Repeated Message(&EXEMPLAR);
        12 "min" "min" Single Double;
        13 "max" "max" Single Double;
        14 "zero_threshold" "zeroThreshold" Single Double;
    }
    BUCKETS {
        1 "offset" "offset" Single Sint32;
        2 "bucket_counts" "bucketCounts" Repeated Uint64;
    }
    SUMMARY_DATA_POINT {
        2 "start_time_unix_nano" "startTimeUnixNano" Single Fixed64;
        3 "time_unix_nano" "timeUnixNano" Single Fixed64;
        4 "count" "count" Single Fixed64;
        5 "sum" "sum" Single Double;
        6 "quantile_values" "quantileValues" Repeated Message(&VALUE_AT_QUANTILE);
        7 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        8 "flags" "flags" Single Uint32;
    }
    VALUE_AT_QUANTILE {
        1 "quantile" "quantile" Single Double;
        2 "value" "value" Single Double;
    }
    EXEMPLAR {
        2 "time_unix_nano" "timeUnixNano" Single Fixed64;
        3 "as_double" "asDouble" Oneof Double;
        4 "span_id" "spanId" Single Id(8);
        5 "trace_id" "traceId" Single Id(16);
        6 "as_int" "asInt" Oneof Sfixed64;
        7 "filtered_attributes" "filteredAttributes" Repeated Message(&KEY_VALUE);
    }

    LOGS {
        1 "resource_logs" "resourceLogs" Repeated Message(&RESOURCE_LOGS);
    }
    RESOURCE_LOGS {
        1 "resource" "resource" Single Message(&RESOURCE);
        2 "scope_logs" "scopeLogs" Repeated Message(&SCOPE_LOGS);
        3 "schema_url" "schemaUrl" Single Str;
    }
    SCOPE_LOGS {
        1 "scope" "scope" Single Message(&SCOPE);
        2 "log_records" "logRecords" Repeated Message(&LOG_RECORD) item true;
        3 "schema_url" "schemaUrl" Single Str;
    }
    LOG_RECORD {
        1 "time_unix_nano" "timeUnixNano" Single Fixed64;
        2 "severity_number" "severityNumber" Single Enum(SEVERITIES);
        3 "severity_text" "severityText" Single Str;
        5 "body" "body" Single Message(&ANY_VALUE);
        6 "attributes" "attributes" Repeated Message(&KEY_VALUE);
        7 "dropped_attributes_count" "droppedAttributesCount" Single Uint32;
        8 "flags" "flags" Single Fixed32;
        9 "trace_id" "traceId" Single Id(16);
        10 "span_id" "spanId" Single Id(8);
        11 "observed_time_unix_nano" "observedTimeUnixNano" Single Fixed64;
        12 "event_name" "eventName" Single Str;
    }
}

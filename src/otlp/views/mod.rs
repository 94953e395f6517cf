//! Borrowing views of OTLP: every field of traces, metrics and logs, read in place.
//!
//! A view is a `Copy` struct over checked bytes. Nothing is allocated, nothing can fail, and no
//! knowledge of protobuf is needed. The three signals have the same shape: resources, in them
//! scopes, in them items.
//!
//! ```
//! use tower_otlp::{ExportRequest, otlp::AnyValue};
//!
//! /// Counts the spans of each service.
//! fn count(request: &ExportRequest) -> Vec<(String, usize)> {
//!     let mut counts = Vec::new();
//!     let Some(traces) = request.traces() else {
//!         return counts;
//!     };
//!     for resource in traces.resources() {
//!         let service = match resource.attributes().get("service.name") {
//!             Some(AnyValue::Str(name)) => name.to_string(),
//!             _ => "unknown".to_owned(),
//!         };
//!         let spans = resource.scopes().map(|scope| scope.items().count()).sum();
//!         counts.push((service, spans));
//!     }
//!     counts
//! }
//! # let bytes = vec![0x0a, 0x04, 0x12, 0x02, 0x12, 0x00];
//! # let request = ExportRequest::from_protobuf(tower_otlp::Signal::Traces, bytes).unwrap();
//! # assert_eq!(count(&request), [("unknown".to_owned(), 1)]);
//! ```

mod ids;
mod logs;
mod metrics;
mod packed;
mod resource;
mod text;
mod traces;
mod value;

use std::{fmt, marker::PhantomData};

pub use ids::{SpanId, TraceId};
pub use logs::{LogRecord, Logs, SeverityNumber};
pub use metrics::{
    AggregationTemporality, Buckets, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint,
    Gauge, Histogram, HistogramDataPoint, Metric, MetricData, Metrics, Number, NumberDataPoint,
    QuantileValue, Sum, Summary, SummaryDataPoint,
};
pub use packed::{Packed, PackedScalar, PackedVarints};
pub use resource::{EntityRef, Resource, Scope};
pub use text::Str;
pub use traces::{Event, Link, Span, SpanKind, Status, StatusCode, Traces};
#[cfg(feature = "zipkin")]
pub(crate) use value::key_and_value_bytes;
pub use value::{AnyValue, Array, ArrayIter, Attributes, AttributesIter};

use super::{
    cursor::{Cursor, key},
    wire::LEN,
};

mod sealed {
    /// A view that can be made from the body of its message.
    pub trait View<'a>: Copy {
        fn view(bytes: &'a [u8]) -> Self;
    }
}
pub(crate) use sealed::View;

/// Declares a view: a message's name, and its fields as `number name: kind`.
///
/// One pass over the message reads all scalars; repeated fields are kept as the window of bytes
/// in which they stand (canonical form has them side by side) and are read when iterated over.
macro_rules! view {
    (
        $(#[$meta:meta])*
        $vis:vis $name:ident {
            $( $(#[$field_meta:meta])* $number:literal $field:ident : $kind:ident $(<$of:ident>)? ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        $vis struct $name<'a> {
            bytes: &'a [u8],
            $( $field: $crate::otlp::views::view!(@store $kind), )*
        }

        // A view that serves another one does without some of its own getters.
        #[allow(dead_code)]
        impl<'a> $name<'a> {
            $(
                $(#[$field_meta])*
                #[must_use]
                #[inline]
                $vis fn $field(&self) -> $crate::otlp::views::view!(@type $kind $(<$of>)?) {
                    $crate::otlp::views::view!(@get self.$field, $kind $(<$of>)?)
                }
            )*

            /// The protobuf bytes of this message, unknown fields included.
            #[must_use]
            $vis fn as_bytes(&self) -> &'a [u8] {
                self.bytes
            }
        }

        impl<'a> $crate::otlp::views::View<'a> for $name<'a> {
            #[inline]
            #[allow(unused_variables, reason = "only repeated fields look back to where they start")]
            fn view(bytes: &'a [u8]) -> Self {
                use $crate::otlp::{cursor::{Cursor, key}, wire};
                let mut this = Self {
                    bytes,
                    $( $field: Default::default(), )*
                };
                let mut cursor = Cursor::new(bytes);
                loop {
                    #[allow(unused_variables, reason = "repeated fields alone need their start")]
                    let start = cursor.rest();
                    let Some(found) = cursor.key() else {
                        break;
                    };
                    let read = match found {
                        $( found if found == key($number, $crate::otlp::views::view!(@wire $kind)) =>
                            $crate::otlp::views::view!(@read this.$field, $kind, cursor, found, start), )*
                        _ => cursor.skip(found),
                    };
                    if read.is_none() {
                        break;
                    }
                }
                this
            }
        }
    };

    (@store str) => { &'a [u8] };
    (@store trace_id) => { &'a [u8] };
    (@store span_id) => { &'a [u8] };
    (@store message) => { &'a [u8] };
    (@store optional_message) => { Option<&'a [u8]> };
    (@store any) => { Option<&'a [u8]> };
    (@store repeated) => { &'a [u8] };
    (@store attributes) => { &'a [u8] };
    (@store packed) => { &'a [u8] };
    (@store packed_varints) => { &'a [u8] };
    (@store fixed64) => { u64 };
    (@store fixed32) => { u32 };
    (@store double) => { f64 };
    (@store optional_double) => { Option<f64> };
    (@store optional_sfixed64) => { Option<i64> };
    (@store uint32) => { u32 };
    (@store uint64) => { u64 };
    (@store bool) => { bool };
    (@store enumeration) => { i32 };
    (@store sint32) => { i32 };

    (@type str) => { $crate::otlp::views::Str<'a> };
    (@type trace_id) => { $crate::otlp::views::TraceId<'a> };
    (@type span_id) => { $crate::otlp::views::SpanId<'a> };
    (@type message<$of:ident>) => { $of<'a> };
    (@type optional_message<$of:ident>) => { Option<$of<'a>> };
    (@type any) => { $crate::otlp::views::AnyValue<'a> };
    (@type repeated<$of:ident>) => { $crate::otlp::views::Repeated<'a, $of<'a>> };
    (@type attributes) => { $crate::otlp::views::Attributes<'a> };
    (@type packed<$of:ident>) => { $crate::otlp::views::Packed<'a, $of> };
    (@type packed_varints) => { $crate::otlp::views::PackedVarints<'a> };
    (@type enumeration<$of:ident>) => { $of };
    (@type $kind:ident) => { $crate::otlp::views::view!(@store $kind) };

    (@get $this:ident.$field:ident, str) => { $crate::otlp::views::Str::new($this.$field) };
    (@get $this:ident.$field:ident, trace_id) => { $crate::otlp::views::TraceId::new($this.$field) };
    (@get $this:ident.$field:ident, span_id) => { $crate::otlp::views::SpanId::new($this.$field) };
    (@get $this:ident.$field:ident, message<$of:ident>) => {
        <$of<'a> as $crate::otlp::views::View<'a>>::view($this.$field)
    };
    (@get $this:ident.$field:ident, optional_message<$of:ident>) => {
        $this.$field.map(<$of<'a> as $crate::otlp::views::View<'a>>::view)
    };
    (@get $this:ident.$field:ident, any) => {
        $this.$field.map_or($crate::otlp::views::AnyValue::Empty, $crate::otlp::views::View::view)
    };
    (@get $this:ident.$field:ident, repeated<$of:ident>) => { $crate::otlp::views::Repeated::new($this.$field) };
    (@get $this:ident.$field:ident, attributes) => { $crate::otlp::views::Attributes::new($this.$field) };
    (@get $this:ident.$field:ident, packed<$of:ident>) => { $crate::otlp::views::Packed::new($this.$field) };
    (@get $this:ident.$field:ident, packed_varints) => { $crate::otlp::views::PackedVarints::new($this.$field) };
    (@get $this:ident.$field:ident, enumeration<$of:ident>) => { $of($this.$field) };
    (@get $this:ident.$field:ident, $kind:ident) => { $this.$field };

    (@wire fixed64) => { wire::FIXED64 };
    (@wire double) => { wire::FIXED64 };
    (@wire optional_double) => { wire::FIXED64 };
    (@wire optional_sfixed64) => { wire::FIXED64 };
    (@wire fixed32) => { wire::FIXED32 };
    (@wire uint32) => { wire::VARINT };
    (@wire bool) => { wire::VARINT };
    (@wire enumeration) => { wire::VARINT };
    (@wire sint32) => { wire::VARINT };
    (@wire $kind:ident) => { wire::LEN };

    (@read $this:ident.$field:ident, fixed64, $cursor:ident, $($rest:tt)*) => {
        $cursor.fixed64().map(|value| $this.$field = value)
    };
    (@read $this:ident.$field:ident, fixed32, $cursor:ident, $($rest:tt)*) => {
        $cursor.fixed32().map(|value| $this.$field = value)
    };
    (@read $this:ident.$field:ident, double, $cursor:ident, $($rest:tt)*) => {
        $cursor.fixed64().map(|value| $this.$field = f64::from_bits(value))
    };
    (@read $this:ident.$field:ident, optional_double, $cursor:ident, $($rest:tt)*) => {
        $cursor.fixed64().map(|value| $this.$field = Some(f64::from_bits(value)))
    };
    (@read $this:ident.$field:ident, optional_sfixed64, $cursor:ident, $($rest:tt)*) => {
        $cursor.fixed64().map(|value| $this.$field = Some(value.cast_signed()))
    };
    // Protobuf truncates a varint to the width of its field.
    (@read $this:ident.$field:ident, uint32, $cursor:ident, $($rest:tt)*) => {
        $cursor.varint().map(|value| $this.$field = value as u32)
    };
    (@read $this:ident.$field:ident, bool, $cursor:ident, $($rest:tt)*) => {
        $cursor.varint().map(|value| $this.$field = value != 0)
    };
    (@read $this:ident.$field:ident, enumeration, $cursor:ident, $($rest:tt)*) => {
        $cursor.varint().map(|value| $this.$field = value as i32)
    };
    (@read $this:ident.$field:ident, sint32, $cursor:ident, $($rest:tt)*) => {
        $cursor.varint().map(|value| $this.$field = $crate::otlp::views::zigzag(value))
    };
    (@read $this:ident.$field:ident, optional_message, $cursor:ident, $($rest:tt)*) => {
        $cursor.len().map(|value| $this.$field = Some(value))
    };
    (@read $this:ident.$field:ident, any, $cursor:ident, $($rest:tt)*) => {
        $cursor.len().map(|value| $this.$field = Some(value))
    };
    (@read $this:ident.$field:ident, repeated, $cursor:ident, $found:ident, $start:ident) => {
        $cursor.run($found).map(|()| $this.$field = $crate::otlp::views::widen($this.$field, $this.bytes, $start, $cursor.rest()))
    };
    (@read $this:ident.$field:ident, attributes, $cursor:ident, $found:ident, $start:ident) => {
        $cursor.run($found).map(|()| $this.$field = $crate::otlp::views::widen($this.$field, $this.bytes, $start, $cursor.rest()))
    };
    (@read $this:ident.$field:ident, $kind:ident, $cursor:ident, $($rest:tt)*) => {
        $cursor.len().map(|value| $this.$field = value)
    };
}
pub(crate) use view;

/// Makes the window of a repeated field reach to the end of the run just read, which is what
/// stands between `start` and `rest`.
#[inline]
pub(crate) fn widen<'a>(
    window: &'a [u8],
    message: &'a [u8],
    start: &'a [u8],
    rest: &'a [u8],
) -> &'a [u8] {
    // Nearly always the only run: a second one differs in how its tags are spelled.
    let end = message.len() - rest.len();
    let length = window.len() + (start.len() - rest.len());
    message
        .get(end.saturating_sub(length)..end)
        .unwrap_or_default()
}

/// Decodes the zigzag form of a signed integer, which protobuf truncates to 32 bits.
#[inline]
pub(crate) const fn zigzag(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

/// The values of a repeated message field, read one by one.
pub struct Repeated<'a, T> {
    cursor: Cursor<'a>,
    _item: PhantomData<fn() -> T>,
}

impl<'a, T> Repeated<'a, T> {
    pub(crate) const fn new(window: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(window),
            _item: PhantomData,
        }
    }

    /// Whether there are no more values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cursor.rest().is_empty()
    }
}

impl<T> Clone for Repeated<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Repeated<'_, T> {}

impl<T> fmt::Debug for Repeated<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repeated({} bytes left)", self.cursor.rest().len())
    }
}

impl<'a, T: View<'a>> Iterator for Repeated<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.cursor.key()?;
        self.cursor.len().map(T::view)
    }
}

/// All telemetry of one request: the groups of items, by resource.
///
/// [`Traces`], [`Metrics`] and [`Logs`] are this with their item.
pub struct Telemetry<'a, T> {
    bytes: &'a [u8],
    _item: PhantomData<fn() -> T>,
}

impl<T> Clone for Telemetry<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Telemetry<'_, T> {}

impl<T> fmt::Debug for Telemetry<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Telemetry({} bytes)", self.bytes.len())
    }
}

impl<'a, T> Telemetry<'a, T> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            _item: PhantomData,
        }
    }

    /// The items, grouped by the resource that made them.
    pub fn resources(&self) -> Resources<'a, T> {
        Resources {
            cursor: Cursor::new(self.bytes),
            _item: PhantomData,
        }
    }
}

/// Iterator over the resources of a request.
pub struct Resources<'a, T> {
    cursor: Cursor<'a>,
    _item: PhantomData<fn() -> T>,
}

impl<T> Clone for Resources<'_, T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T> fmt::Debug for Resources<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resources")
    }
}

impl<'a, T> Iterator for Resources<'a, T> {
    type Item = ResourceGroup<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = self.cursor.key()?;
            if found == key(1, LEN) {
                return Some(ResourceGroup {
                    message: GroupMessage::view(self.cursor.len()?),
                    _item: PhantomData,
                });
            }
            // Unknown fields may stand beside the resources of a request.
            self.cursor.skip(found)?;
        }
    }
}

view! {
    /// `ResourceSpans`, `ScopeSpans` and their like: the same fields under the same numbers.
    GroupMessage {
        /// The resource or the scope.
        1 head: message<Resource>,
        /// The scopes or the items.
        2 children: repeated<Resource>,
        /// The schema URL.
        3 schema_url: str,
    }
}

/// The items of one resource: `ResourceSpans`, `ResourceMetrics`, `ResourceLogs`.
pub struct ResourceGroup<'a, T> {
    message: GroupMessage<'a>,
    _item: PhantomData<fn() -> T>,
}

impl<'a, T> ResourceGroup<'a, T> {
    /// The resource; an empty one if none was sent.
    #[must_use]
    pub fn resource(&self) -> Resource<'a> {
        Resource::view(self.message.head)
    }

    /// The attributes of the resource.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        self.resource().attributes()
    }

    /// Schema URL of the resource.
    #[must_use]
    pub fn schema_url(&self) -> Str<'a> {
        self.message.schema_url()
    }

    /// The items, grouped by the instrumentation scope that made them.
    #[must_use]
    pub fn scopes(&self) -> Repeated<'a, ScopeGroup<'a, T>> {
        Repeated::new(self.message.children)
    }

    /// The protobuf bytes of this group, unknown fields included.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.message.bytes
    }
}

/// The items of one instrumentation scope: `ScopeSpans`, `ScopeMetrics`, `ScopeLogs`.
pub struct ScopeGroup<'a, T> {
    message: GroupMessage<'a>,
    _item: PhantomData<fn() -> T>,
}

impl<'a, T> View<'a> for ScopeGroup<'a, T> {
    fn view(bytes: &'a [u8]) -> Self {
        Self {
            message: GroupMessage::view(bytes),
            _item: PhantomData,
        }
    }
}

impl<'a, T> ScopeGroup<'a, T> {
    /// The instrumentation scope; an empty one if none was sent.
    #[must_use]
    pub fn scope(&self) -> Scope<'a> {
        Scope::view(self.message.head)
    }

    /// Schema URL of the items.
    #[must_use]
    pub fn schema_url(&self) -> Str<'a> {
        self.message.schema_url()
    }

    /// The items, as another view.
    #[cfg(feature = "zipkin")]
    pub(crate) fn children<V>(&self) -> Repeated<'a, V> {
        Repeated::new(self.message.children)
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> Repeated<'a, T> {
        Repeated::new(self.message.children)
    }

    /// The protobuf bytes of this group, unknown fields included.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.message.bytes
    }
}

macro_rules! group_impls {
    ($($name:ident),*) => {$(
        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<'_, T> {}

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.message.bytes.len())
            }
        }
    )*};
}
group_impls!(ResourceGroup, ScopeGroup);

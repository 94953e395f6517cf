//! Ids of traces and spans.

use std::fmt;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $size:literal) => {
        $(#[$meta])*
        ///
        /// Shown in lower-case hex. OTLP's protobuf form does not enforce the length, so it may
        /// be wrong: [`to_array`](Self::to_array) tells.
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name<'a>(&'a [u8]);

        impl<'a> $name<'a> {
            pub(crate) const fn new(bytes: &'a [u8]) -> Self {
                Self(bytes)
            }

            /// The bytes as they were sent.
            #[must_use]
            pub const fn as_bytes(self) -> &'a [u8] {
                self.0
            }

            /// The bytes, if there are as many as there should be.
            #[must_use]
            pub fn to_array(self) -> Option<[u8; $size]> {
                self.0.try_into().ok()
            }

            /// Whether none was sent.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0.is_empty()
            }

            /// Whether it has the right length and is not all zeros.
            #[must_use]
            pub fn is_valid(self) -> bool {
                self.0.len() == $size && self.0.iter().any(|byte| *byte != 0)
            }
        }

        impl fmt::Display for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id!(
    /// Identifies a trace: 16 bytes.
    TraceId,
    16
);
id!(
    /// Identifies a span within a trace: 8 bytes.
    SpanId,
    8
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_know_what_they_should_be() {
        let id = TraceId::new(&[0xab; 16]);
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(id.to_array(), Some([0xab; 16]));
        assert!(id.is_valid() && !id.is_empty());
        assert!(!TraceId::new(&[0; 16]).is_valid());
        assert!(!SpanId::new(&[1; 9]).is_valid());
        assert_eq!(SpanId::new(&[1; 9]).to_array(), None);
        assert_eq!(format!("{:?}", SpanId::new(&[0x0f])), "SpanId(0f)");
    }
}

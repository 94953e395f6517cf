//! The resource that a provider's telemetry comes from.

use std::fmt;

use opentelemetry::{Key, Value};
use opentelemetry_sdk::Resource;

use super::{
    attributes::{attribute_len, put_attribute},
    nested::{field_len, put_message, put_text},
};

/// An [`opentelemetry_sdk::Resource`] as it is written into each request: made once, when the
/// provider tells its exporter the resource, and copied from then on.
///
/// Attributes are sorted by their keys, so that equal resources are written the same.
///
/// ```
/// use opentelemetry_sdk::Resource;
/// use tower_otlp::sdk::encode::EncodedResource;
///
/// let resource = Resource::builder_empty().with_service_name("checkout").build();
/// let encoded = EncodedResource::new(&resource);
/// # let _ = encoded;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedResource {
    /// Field 1 of `ResourceSpans` and its like.
    resource: Vec<u8>,
    /// Field 3.
    schema_url: Vec<u8>,
}

impl EncodedResource {
    /// Encodes a resource.
    #[must_use]
    pub fn new(resource: &Resource) -> Self {
        let mut attributes: Vec<(&Key, &Value)> = resource.iter().collect();
        attributes.sort_unstable_by_key(|(key, _)| *key);
        let expected = attributes
            .iter()
            .map(|(key, value)| attribute_len(key.as_str(), value))
            .sum();
        let mut encoded = Self {
            resource: Vec::with_capacity(expected + 8),
            schema_url: Vec::new(),
        };
        put_message(&mut encoded.resource, 1, expected, |out| {
            for (key, value) in attributes {
                put_attribute(out, 1, key.as_str(), value);
            }
        });
        put_text(
            &mut encoded.schema_url,
            3,
            resource.schema_url().unwrap_or_default(),
        );
        encoded
    }

    /// How many bytes it takes in each request.
    pub(super) fn len(&self) -> usize {
        self.resource.len() + self.schema_url.len()
    }

    /// Writes a request: one group of this resource around what `scopes` writes, of about
    /// `expected` bytes.
    pub(super) fn put_request(
        &self,
        out: &mut Vec<u8>,
        expected: usize,
        scopes: impl FnOnce(&mut Vec<u8>),
    ) {
        let expected = expected + self.len();
        out.reserve_exact(field_len(expected));
        put_message(out, 1, expected, |out| {
            out.extend_from_slice(&self.resource);
            scopes(out);
            out.extend_from_slice(&self.schema_url);
        });
    }
}

/// A resource without attributes.
impl Default for EncodedResource {
    fn default() -> Self {
        Self {
            resource: vec![0x0a, 0],
            schema_url: Vec::new(),
        }
    }
}

impl From<&Resource> for EncodedResource {
    fn from(resource: &Resource) -> Self {
        Self::new(resource)
    }
}

impl fmt::Debug for EncodedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodedResource")
            .field("bytes", &self.len())
            .finish()
    }
}

//! What of a request's metadata an OTLP exporter sends on as headers.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{ErrorKind, ExportError, Metadata};

/// As the options say it; [`check`](Self::check) makes a [`Forward`] of it.
#[derive(Clone, Debug, Default)]
pub(super) struct ForwardOptions {
    pub(super) all: bool,
    pub(super) headers: Vec<String>,
    pub(super) tenant: Option<String>,
}

/// Headers that belong to a protocol.
type IsReserved = fn(&HeaderName) -> bool;

#[derive(Clone)]
pub(super) struct Forward {
    all: bool,
    headers: Vec<HeaderName>,
    tenant: Option<HeaderName>,
    is_reserved: IsReserved,
}

impl ForwardOptions {
    /// The error says which header it is about.
    pub(super) fn check(&self, is_reserved: IsReserved) -> Result<Forward, String> {
        let name = |name: &String| match HeaderName::try_from(name) {
            Err(_) => Err(format!("{name:?} is not the name of a header")),
            Ok(parsed) if is_reserved(&parsed) => {
                Err(format!("the header {name:?} belongs to the protocol"))
            }
            Ok(parsed) => Ok(parsed),
        };
        Ok(Forward {
            all: self.all,
            headers: self.headers.iter().map(name).collect::<Result<_, _>>()?,
            tenant: self.tenant.as_ref().map(name).transpose()?,
            is_reserved,
        })
    }
}

impl Forward {
    /// Sends nothing on.
    pub(super) const fn nothing() -> Self {
        Self {
            all: false,
            headers: Vec::new(),
            tenant: None,
            is_reserved: |_| true,
        }
    }

    /// Adds to the headers of a call, which are those that the options set so far.
    ///
    /// A tenant that no header can hold is an error: without it the telemetry would come to rest
    /// with another tenant.
    pub(super) fn apply(
        &self,
        metadata: &Metadata,
        headers: &mut HeaderMap,
    ) -> Result<(), ExportError> {
        if (self.all || !self.headers.is_empty()) && !metadata.is_empty() {
            for (name, value) in self.chosen(metadata, headers) {
                headers.append(name, value);
            }
        }
        if let (Some(name), Some(tenant)) = (&self.tenant, metadata.tenant()) {
            let value = HeaderValue::try_from(tenant).map_err(|_| {
                let message = format!("the tenant of the request cannot stand in header {name}");
                ExportError::new(ErrorKind::Rejected, message)
            })?;
            headers.insert(name, value);
        }
        Ok(())
    }

    fn chosen(&self, metadata: &Metadata, set: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let trace = [
            ("traceparent", metadata.traceparent()),
            ("tracestate", metadata.tracestate()),
        ];
        let trace = trace
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let pairs = metadata.headers().chain(trace);
        let pairs = pairs.filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            let chosen = self.all || self.headers.contains(&name);
            if !chosen || (self.is_reserved)(&name) || set.contains_key(&name) {
                return None;
            }
            let mut value = HeaderValue::try_from(value).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        pairs.collect()
    }
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward")
            .field("all", &self.all)
            .field("headers", &self.headers)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// The methods of a builder over its field `forward: ForwardOptions`.
macro_rules! forward_options {
    ($builder:ident, $exporter:literal) => {
        impl $builder {
            /// Whether to send the headers and the trace context of each request's
            /// [`Metadata`](crate::Metadata) on: all that a receiver was told to keep. Headers set
            /// by [`header`](Self::header) win. Default: false.
            #[must_use = "options do nothing until they are built"]
            pub const fn forward_headers(mut self, forward: bool) -> Self {
                self.forward.all = forward;
                self
            }

            /// Sends this header of each request's [`Metadata`](crate::Metadata) on, and not those
            /// that nobody names. `traceparent` and `tracestate` are names, too. A header set by
            /// [`header`](Self::header) wins. Default: none.
            ///
            /// In a pipeline that batches, name the header in the key of the batch as well
            /// ([`key_header`](crate::layers::batch::BatchConfig::key_header)): a batch keeps of its
            /// requests' headers only those that are the same in all.
            #[must_use = "options do nothing until they are built"]
            pub fn forward_header(mut self, name: impl Into<String>) -> Self {
                self.forward.headers.push(name.into());
                self
            }

            /// Sends the tenant of each request's [`Metadata`](crate::Metadata) in this header. It
            /// wins over the same name in [`header`](Self::header), which then is what a request
            /// without a tenant is sent with. Default: no header has the tenant.
            ///
            /// A tenant that cannot stand in a header makes the request fail as
            /// [`Rejected`](crate::ErrorKind::Rejected). A batch never mixes tenants.
            ///
            /// ```
            #[doc = concat!("use tower_otlp::exporters::otlp::", $exporter, ";")]
            ///
            #[doc = concat!("let options = ", $exporter, "::builder()")]
            ///     .header("x-scope-orgid", "anonymous")
            ///     .tenant_header("x-scope-orgid");
            /// # let _ = options;
            /// ```
            #[must_use = "options do nothing until they are built"]
            pub fn tenant_header(mut self, name: impl Into<String>) -> Self {
                self.forward.tenant = Some(name.into());
                self
            }
        }
    };
}
pub(super) use forward_options;

#[cfg(test)]
mod tests {
    use super::*;

    fn options(all: bool, headers: &[&str], tenant: Option<&str>) -> ForwardOptions {
        ForwardOptions {
            all,
            headers: headers.iter().map(|name| (*name).to_owned()).collect(),
            tenant: tenant.map(str::to_owned),
        }
    }

    fn is_reserved(name: &HeaderName) -> bool {
        name == "te" || name.as_str().starts_with("grpc-")
    }

    fn applied(
        options: &ForwardOptions,
        metadata: &Metadata,
        set: &[(&'static str, &'static str)],
    ) -> Vec<(String, String)> {
        let forward = options.check(is_reserved).expect("valid");
        let mut headers: HeaderMap = set
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect();
        forward.apply(metadata, &mut headers).expect("it can");
        let pairs = headers.iter().map(|(name, value)| {
            let value = value.to_str().expect("text");
            (name.to_string(), value.to_owned())
        });
        pairs.collect()
    }

    fn metadata() -> Metadata {
        Metadata::default()
            .with_tenant("acme")
            .with_header("Authorization", "theirs")
            .with_header("grpc-timeout", "1n")
            .with_header("TE", "gzip")
            .with_header("not a name", "x")
            .with_header("x-bad-value", "a\nb")
            .with_header("x-region", "eu")
            .with_header("X-Region", "us")
            .with_trace_context("00-aa-bb-01", None)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let expected = expected.iter();
        expected
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn all_that_was_kept_never_replaces_what_the_options_set() {
        let sent = applied(
            &options(true, &[], None),
            &metadata(),
            &[("authorization", "ours")],
        );
        assert_eq!(
            sent,
            pairs(&[
                ("authorization", "ours"),
                ("x-region", "eu"),
                ("x-region", "us"),
                ("traceparent", "00-aa-bb-01"),
            ])
        );
    }

    #[test]
    fn only_what_is_named_is_sent() {
        let named = options(false, &["X-REGION"], None);
        let expected = [("x-region", "eu"), ("x-region", "us")];
        assert_eq!(applied(&named, &metadata(), &[]), pairs(&expected));
        let trace = options(false, &["traceparent"], None);
        let expected = [("traceparent", "00-aa-bb-01")];
        assert_eq!(applied(&trace, &metadata(), &[]), pairs(&expected));
        let nothing = options(false, &[], None);
        assert_eq!(applied(&nothing, &metadata(), &[]), []);
    }

    #[test]
    fn the_tenant_wins_over_every_other_source_of_its_header() {
        let options = options(true, &[], Some("x-region"));
        let sent = applied(&options, &metadata(), &[("x-region", "set")]);
        let of_region: Vec<_> = sent.iter().filter(|(name, _)| name == "x-region").collect();
        assert_eq!(of_region, [&("x-region".to_owned(), "acme".to_owned())]);
        let nobody = Metadata::default();
        let sent = applied(&options, &nobody, &[("x-region", "set")]);
        assert_eq!(sent, pairs(&[("x-region", "set")]));
    }

    #[test]
    fn a_tenant_that_no_header_can_hold_is_refused() {
        let forward = options(false, &[], Some("x-tenant")).check(is_reserved);
        let metadata = Metadata::default().with_tenant("a\nb");
        let refused = forward
            .expect("valid")
            .apply(&metadata, &mut HeaderMap::new());
        let error = refused.expect_err("no header value");
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("x-tenant"), "{error}");
    }

    #[test]
    fn names_that_cannot_be_sent_are_refused() {
        for (options, says) in [
            (options(false, &["x y"], None), "not the name"),
            (options(false, &[], Some("x y")), "not the name"),
            (options(false, &["grpc-status"], None), "protocol"),
            (options(false, &[], Some("te")), "protocol"),
        ] {
            let error = options.check(is_reserved).expect_err("not valid");
            assert!(error.contains(says), "{error}");
        }
    }
}

//! The write APIs of InfluxDB's versions.

use http::HeaderValue;
use url::Url;

use super::Precision;

/// Where in InfluxDB telemetry is written to, by the API of a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteApi {
    /// `/write` of InfluxDB 1, which later versions have, too.
    V1 {
        /// Name of the database.
        database: String,
        /// Name of the retention policy; `None` for the database's default one.
        retention_policy: Option<String>,
    },
    /// `/api/v2/write` of InfluxDB 2.
    V2 {
        /// Name or id of the organisation.
        org: String,
        /// Name or id of the bucket.
        bucket: String,
    },
    /// `/api/v3/write_lp` of InfluxDB 3.
    V3 {
        /// Name of the database.
        database: String,
    },
}

impl WriteApi {
    /// The URL of the API, below the path of the endpoint.
    pub(super) fn url(&self, endpoint: &str, precision: Precision) -> Result<String, &'static str> {
        // The message must not quote the URL: it may have a password.
        let mut url = Url::parse(endpoint.trim()).map_err(|_| "it is not a valid URL")?;
        let path = match self {
            Self::V1 { .. } => "/write",
            Self::V2 { .. } => "/api/v2/write",
            Self::V3 { .. } => "/api/v3/write_lp",
        };
        let path = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let mut query = url.query_pairs_mut();
        match self {
            Self::V1 {
                database,
                retention_policy,
            } => {
                query.append_pair("db", database);
                if let Some(policy) = retention_policy {
                    query.append_pair("rp", policy);
                }
            }
            Self::V2 { org, bucket } => {
                query.append_pair("org", org).append_pair("bucket", bucket);
            }
            Self::V3 { database } => {
                query.append_pair("db", database);
            }
        }
        query.append_pair("precision", self.precision(precision));
        drop(query);
        Ok(url.into())
    }

    const fn precision(&self, precision: Precision) -> &'static str {
        match (self, precision) {
            (Self::V3 { .. }, Precision::Nanoseconds) => "nanosecond",
            (Self::V3 { .. }, Precision::Microseconds) => "microsecond",
            (Self::V3 { .. }, Precision::Milliseconds) => "millisecond",
            (Self::V3 { .. }, Precision::Seconds) => "second",
            (Self::V1 { .. }, Precision::Microseconds) => "u",
            (Self::V2 { .. }, Precision::Microseconds) => "us",
            (_, Precision::Nanoseconds) => "ns",
            (_, Precision::Milliseconds) => "ms",
            (_, Precision::Seconds) => "s",
        }
    }

    /// Whether the version knows unsigned integers.
    pub(super) const fn knows_unsigned(&self) -> bool {
        !matches!(self, Self::V1 { .. })
    }

    /// The header that a token is sent in; `None` if the token cannot stand in one.
    pub(super) fn authorization(&self, token: &str) -> Option<HeaderValue> {
        let scheme = match self {
            Self::V1 { .. } | Self::V2 { .. } => "Token",
            Self::V3 { .. } => "Bearer",
        };
        let mut value = HeaderValue::from_str(&format!("{scheme} {token}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The name of a part that is missing.
    pub(super) fn missing(&self) -> Option<&'static str> {
        let parts: &[(&'static str, &String)] = match self {
            Self::V1 { database, .. } | Self::V3 { database } => &[("database", database)],
            Self::V2 { org, bucket } => &[("organisation", org), ("bucket", bucket)],
        };
        parts
            .iter()
            .find_map(|(name, value)| value.is_empty().then_some(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(retention_policy: Option<&str>) -> WriteApi {
        WriteApi::V1 {
            database: "my db&x".to_owned(),
            retention_policy: retention_policy.map(str::to_owned),
        }
    }

    fn v2() -> WriteApi {
        WriteApi::V2 {
            org: "o".to_owned(),
            bucket: "b/rp".to_owned(),
        }
    }

    fn v3() -> WriteApi {
        WriteApi::V3 {
            database: "d".to_owned(),
        }
    }

    #[test]
    fn urls_of_the_versions() {
        for (api, precision, endpoint, expected) in [
            (
                v1(None),
                Precision::Nanoseconds,
                "http://h:8086",
                "http://h:8086/write?db=my+db%26x&precision=ns",
            ),
            (
                v1(Some("month")),
                Precision::Microseconds,
                "http://h:8086/influx/",
                "http://h:8086/influx/write?db=my+db%26x&rp=month&precision=u",
            ),
            (
                v2(),
                Precision::Microseconds,
                "https://h",
                "https://h/api/v2/write?org=o&bucket=b%2Frp&precision=us",
            ),
            (
                v3(),
                Precision::Seconds,
                "http://h:8181",
                "http://h:8181/api/v3/write_lp?db=d&precision=second",
            ),
            (
                v2(),
                Precision::Milliseconds,
                "http://h",
                "http://h/api/v2/write?org=o&bucket=b%2Frp&precision=ms",
            ),
        ] {
            assert_eq!(api.url(endpoint, precision).expect("a URL"), expected);
        }
    }

    #[test]
    fn tokens_by_version() {
        let shown = |api: WriteApi| api.authorization("t").expect("a header");
        assert_eq!(shown(v1(None)), "Token t");
        assert_eq!(shown(v2()), "Token t");
        assert_eq!(shown(v3()), "Bearer t");
        assert!(v2().authorization("a\nb").is_none());
        assert!(shown(v2()).is_sensitive());
    }
}

//! Where an HTTP exporter sends to.

use std::sync::Arc;

use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use url::Url;

/// An endpoint: its URI without credentials, its credentials, and what of it may be shown.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) uri: Uri,
    /// From the user information of the URL: Basic authentication (RFC 7617).
    pub(crate) authorization: Option<HeaderValue>,
    /// Scheme, host, port and path: no user information, no query.
    pub(crate) shown: Arc<str>,
}

impl Endpoint {
    /// Reads a URL. An empty path becomes `/`. The error never quotes the URL.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        Self::from_url(read(url)?)
    }

    /// Reads a base URL, and appends `path` (which begins with `/`) to its path.
    pub(crate) fn under(base: &str, path: &str) -> Result<Self, &'static str> {
        let mut url = read(base)?;
        let joined = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
        Self::from_url(url)
    }

    pub(crate) fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&http::uri::Scheme::HTTPS)
    }

    fn from_url(mut url: Url) -> Result<Self, &'static str> {
        let authorization = credentials(&url);
        strip(&mut url);
        let uri = url.as_str().parse().map_err(|_| "it is not a valid URI")?;
        url.set_query(None);
        Ok(Self {
            uri,
            authorization,
            shown: url.as_str().into(),
        })
    }
}

fn read(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text.trim()).map_err(|_| "it is not a valid URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it must begin with http:// or https://");
    }
    Ok(url)
}

fn strip(url: &mut Url) {
    // These fail for URLs without a host only, which http and https do not have.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
}

/// A URL fit to be shown: no user information, no query.
pub(super) fn without_credentials(text: &str) -> String {
    match read(text) {
        Ok(mut url) => {
            strip(&mut url);
            url.set_query(None);
            url.into()
        }
        Err(_) => "(invalid)".to_owned(),
    }
}

fn credentials(url: &Url) -> Option<HeaderValue> {
    let password = url.password().unwrap_or_default();
    if url.username().is_empty() && password.is_empty() {
        return None;
    }
    let mut plain: Vec<u8> = percent_decode_str(url.username()).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(password));
    let mut value = HeaderValue::from_str(&format!("Basic {}", base64(&plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = 0_u32;
        for position in 0..3 {
            group = group << 8 | u32::from(chunk.get(position).copied().unwrap_or(0));
        }
        for position in 0..4 {
            let index = group >> (18 - 6 * position) & 0x3f;
            out.push(match ALPHABET.get(index as usize) {
                Some(letter) if position <= chunk.len() => char::from(*letter),
                _ => '=',
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_base_gets_the_path_and_a_verbatim_url_does_not() {
        for (base, uri) in [
            ("http://h:4318", "http://h:4318/v1/traces"),
            ("http://h:4318/", "http://h:4318/v1/traces"),
            ("https://h/otlp/", "https://h/otlp/v1/traces"),
            ("http://h/a?key=1", "http://h/a/v1/traces?key=1"),
        ] {
            let endpoint = Endpoint::under(base, "/v1/traces").expect(base);
            assert_eq!(endpoint.uri, uri);
        }
        assert_eq!(
            Endpoint::parse("http://h:1").expect("valid").uri,
            "http://h:1/"
        );
        assert_eq!(
            Endpoint::parse("http://h/x/").expect("valid").uri,
            "http://h/x/"
        );
    }

    #[test]
    fn credentials_become_a_header_and_are_not_shown() {
        let endpoint = Endpoint::parse("http://Aladdin:open%20sesame@h/p?key=q#f").expect("valid");
        assert_eq!(endpoint.uri, "http://h/p?key=q");
        assert_eq!(&*endpoint.shown, "http://h/p");
        let header = endpoint.authorization.expect("credentials");
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(header.is_sensitive());
    }

    #[test]
    fn other_schemes_are_refused() {
        for bad in [
            "collector:4318",
            "ftp://h",
            "",
            "http://",
            "/v1/traces",
            "http://h:99999",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }
}

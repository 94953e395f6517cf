//! Where a socket connects to.

use std::sync::Arc;

/// A host with a port, and what of it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `[address]:port`, or a host alone if there is a default port. The error
    /// never quotes the text.
    pub(crate) fn parse(text: &str, default_port: Option<u16>) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.contains(['@', '/', '?', '#']) || text.contains(char::is_whitespace) {
            return Err("it must be host:port, without a scheme, a user or a path");
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or("its bracket is not closed")?;
                match rest.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if rest.is_empty() => (host, None),
                    None => return Err("only :port may stand behind the bracket"),
                }
            }
            None => match text.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err("an IPv6 address needs brackets: [::1]:514");
                }
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err("the host is missing; write host:port");
        }
        let port = match port {
            Some(port) => port
                .parse()
                .map_err(|_| "the port is not a number below 65536")?,
            None => default_port.ok_or("the port is missing; write host:port")?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// As it stands in a URL.
    pub(crate) fn shown(&self, scheme: &str) -> Arc<str> {
        let Self { host, port } = self;
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}").into()
        } else {
            format!("{scheme}://{host}:{port}").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (text, host, port, shown) in [
            ("h:1", "h", 1, "tcp://h:1"),
            (
                " 127.0.0.1:65535 ",
                "127.0.0.1",
                65535,
                "tcp://127.0.0.1:65535",
            ),
            ("[::1]:9", "::1", 9, "tcp://[::1]:9"),
            ("[::1]", "::1", 514, "tcp://[::1]:514"),
            (
                "logs.example",
                "logs.example",
                514,
                "tcp://logs.example:514",
            ),
        ] {
            let endpoint = Endpoint::parse(text, Some(514)).expect(text);
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port));
            assert_eq!(&*endpoint.shown("tcp"), shown);
        }
    }

    #[test]
    fn other_texts_are_refused_and_not_repeated() {
        for bad in [
            "",
            ":1",
            "h:",
            "h:x",
            "h:65536",
            "::1",
            "[::1",
            "[::1]x",
            "[]:1",
            "s3cret@h:1",
            "tcp://s3cret:1",
            "h s3cret:1",
            "s3cret",
        ] {
            let error = Endpoint::parse(bad, None).expect_err(bad);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}

//! What is said about URLs that are wrong, and that those in the documentation are right.

use super::*;

fn error(url: &str) -> String {
    match from_url(url) {
        Ok(_) => panic!("{url} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
#[cfg(feature = "console")]
fn console_urls() {
    for good in [
        "console:",
        "console://",
        "CONSOLE:",
        " console:?verbosity=basic ",
        "console:?verbosity=detailed&to=stderr",
        "console:?&to=tracing&",
        "console:?verb%6Fsity=normal",
    ] {
        assert!(from_url(good).is_ok(), "{good}");
    }
    for (bad, message) in [
        (
            "console:?verbosity=loud",
            "parameter `verbosity`: `loud` is not one of basic, normal, detailed",
        ),
        (
            "console:?to=file",
            "parameter `to`: `file` is not one of stdout, stderr, tracing",
        ),
        (
            "console:?too=stdout",
            "parameter `too`: console: knows no such parameter; there are verbosity, to",
        ),
        (
            "console:?to=stdout&to=stderr",
            "parameter `to`: it stands there twice",
        ),
        (
            "console:?to=%ff",
            "parameter number 1: it is not UTF-8 when percent-decoded",
        ),
        (
            "console://host",
            "host: there is none to be; write console:?verbosity=normal",
        ),
        ("console:/dev/stdout", "path: this exporter takes none"),
        (
            "console:#1",
            "fragment: there is none to be; write a # in a value as %23",
        ),
    ] {
        assert_eq!(error(bad), format!("exporter URL: {message}"), "{bad}");
    }
}

#[test]
fn an_unknown_scheme_is_told_what_there_is() {
    for bad in [
        "otlp://host:4317",
        "http://host:4318",
        "localhost:4317",
        "kafka:",
    ] {
        let text = error(bad);
        assert!(text.starts_with("exporter URL: scheme: `"), "{text}");
        for scheme in SCHEMES {
            assert!(text.contains(scheme.name), "{text}");
            let needs = format!("{}: needs {}", scheme.name, scheme.features);
            assert_eq!(text.contains(&needs), scheme.build.is_none(), "{text}");
        }
    }
    for guess in ["otlp://host:4317", "HTTP://host:4318"] {
        let text = error(guess);
        assert!(text.contains("for OTLP write otlp+grpc,"), "{text}");
    }
    let text = error("no scheme at all");
    assert!(
        text.starts_with("exporter URL: scheme: it is missing; there are "),
        "{text}"
    );
}

#[test]
fn what_may_be_a_secret_is_not_repeated_as_a_scheme() {
    let text = error("user s3cret@host:4317");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn a_port_that_is_given_counts_and_others_have_their_default() {
    for (url, authority) in [
        ("otlp+http://h", "h:4318"),
        ("otlp+http://h:80/otlp", "h:80"),
        ("otlp+http://h:443", "h:443"),
        ("otlp+http://user:pass@[::1]?timeout=1s", "[::1]:4318"),
    ] {
        let target = Target::parse("otlp+http", url).expect(url);
        assert_eq!(target.authority(4318).expect(url), authority);
    }
}

#[test]
fn an_error_names_the_part() {
    for (url, part) in [
        ("kafka:", "scheme"),
        ("console://host", "host"),
        ("console:?to=file", "parameter `to`"),
    ] {
        let error = from_url(url).map(|_| ()).expect_err(url);
        assert_eq!(error.part(), part);
    }
}

#[cfg(feature = "otlp-http")]
mod otlp_http {
    use super::*;

    #[tokio::test]
    async fn good_urls() {
        for good in [
            "otlp+http://localhost",
            "otlp+http://user:pass%20word@host:80/prefix/",
            "otlp+http://[::1]:4318?encoding=json&compression=zstd&timeout=500ms",
            "otlp+http://h?timeout=none&connect_timeout=1m&user_agent=shop/1.2&max_request_bytes=4MiB",
            "otlp+http://h?header.authorization=Bearer%20a+b&header.x-a=1&header.x-a=2",
            "otlp+http://h?proxy=http://user:pass@proxy:3128",
            "otlp+http://h?proxy=none",
            "otlp+http://h?tenant_header=X-Scope-OrgID",
        ] {
            if let Err(error) = from_url(good) {
                panic!("{good}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn bad_urls() {
        for (bad, message) in [
            ("otlp+http:", "host: it is missing; write //host:port"),
            ("otlp+http:///v1", "host: it is missing; write //host:port"),
            (
                "otlp+http://h:99999",
                "port: it is not a number below 65536",
            ),
            (
                "otlp+http://h?compression=lz4",
                "parameter `compression`: `lz4` is not one of none, gzip, zstd, deflate",
            ),
            (
                "otlp+http://h?encoding=xml",
                "parameter `encoding`: `xml` is not one of protobuf, json",
            ),
            (
                "otlp+http://h?timeout=5",
                "parameter `timeout`: `5` is not a duration; write 500ms, 5s, 1m or 2h; or none, for no limit",
            ),
            (
                "otlp+http://h?max_request_bytes=4M",
                "parameter `max_request_bytes`: `4M` is not a size; write 1000, 64KiB, 4MiB, 1GiB, 64KB or 4MB",
            ),
        ] {
            assert_eq!(error(bad), format!("exporter URL: {message}"), "{bad}");
        }
        let text = error("otlp+http://h?ca=/x.pem");
        assert!(
            text.contains("parameter `ca`: otlp+http: knows no such parameter"),
            "{text}"
        );
        let text = error("otlp+http://h?tiemout=1s");
        let allowed = "header.NAME, compression, timeout, user_agent, max_request_bytes, encoding, \
                       tenant_header";
        assert!(text.contains(allowed), "{text}");
    }

    #[tokio::test]
    async fn secrets_are_never_repeated() {
        for bad in [
            "otlp+http://user:s3cret@h?tiemout=1s",
            "otlp+http://user:s3cret@h:99999",
            "otlp+http://s3cret@h ost",
            "otlp+http://h?header.authorization=s3cret%0a",
            "otlp+http://h?header.authorization=Bearer%20a&s3cret=1",
            "otlp+http://h?header.bad%20name=s3cret",
            "otlp+http://h?header.=s3cret",
            "otlp+http://h?proxy=http://u:s3cret@:bad",
            "otlp+http://h?proxy=socks://u:s3cret@proxy",
        ] {
            let error = match from_url(bad) {
                Ok(_) => panic!("{bad} is accepted"),
                Err(error) => error,
            };
            let text = format!("{error} {error:?}");
            assert!(!text.contains("s3cret"), "{text}");
        }
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn tls_parameters() {
        let text = error("otlp+https://h?ca=/no/such/file.pem");
        assert!(
            text.starts_with("exporter URL: parameter `ca`: `/no/such/file.pem` cannot be read: "),
            "{text}"
        );
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().display();
        let text = error(&format!("otlp+https://h?cert={path}"));
        assert_eq!(
            text,
            "exporter URL: parameter `cert`: `key` is needed with it"
        );
        let text = error(&format!("otlp+https://h?key={path}"));
        assert_eq!(
            text,
            "exporter URL: parameter `key`: `cert` is needed with it"
        );
        let text = error("otlp+https://h?native_roots=yes");
        assert_eq!(
            text,
            "exporter URL: parameter `native_roots`: `yes` is not one of true, false"
        );
        let text = error(&format!("otlp+https://h?ca={path}"));
        assert!(
            text.starts_with("exporter URL: as a whole: the exporter cannot be built: "),
            "{text}"
        );
    }
}

#[cfg(feature = "otlp-grpc")]
mod otlp_grpc {
    use super::*;

    #[tokio::test]
    async fn good_urls() {
        for good in [
            "otlp+grpc://localhost",
            "otlp+grpc://localhost:4317/",
            "otlp+grpc://[::1]:4317?compression=gzip&timeout=5s&header.x-key=v",
            "otlp+grpc://h?timeout=none&connect_timeout=1s&keepalive=none",
            "otlp+grpc://h?keepalive=1m&user_agent=shop/1.2&max_request_bytes=4MB",
            "otlp+grpc://h?tenant_header=X-Scope-OrgID",
        ] {
            if let Err(error) = from_url(good) {
                panic!("{good}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn bad_urls() {
        for (bad, message) in [
            ("otlp+grpc:", "host: it is missing; write //host:port"),
            ("otlp+grpc://h/v1/traces", "path: this exporter takes none"),
            (
                "otlp+grpc://h?keepalive=soon",
                "parameter `keepalive`: `soon` is not a duration; write 500ms, 5s, 1m or 2h; or none, for no limit",
            ),
        ] {
            assert_eq!(error(bad), format!("exporter URL: {message}"), "{bad}");
        }
        let text = error("otlp+grpc://user:s3cret@h");
        assert!(
            text.contains("header.authorization") && !text.contains("s3cret"),
            "{text}"
        );
        let text = error("otlp+grpc://h?encoding=json");
        assert!(
            text.contains("parameter `encoding`: otlp+grpc: knows no such"),
            "{text}"
        );
        let text = error("otlp+grpc://h?header.x=s3cret%0a");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn a_missing_runtime_is_an_error() {
        let text = error("otlp+grpc://h");
        assert!(text.contains("tokio runtime"), "{text}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn sockets() {
        assert!(from_url("otlp+unix:///run/otel%20sock?timeout=1s").is_ok());
        for bad in ["otlp+unix:", "otlp+unix:///", "otlp+unix:run/otel.sock"] {
            let text = error(bad);
            assert!(text.starts_with("exporter URL: path: "), "{text}");
        }
        let text = error("otlp+unix://run/otel.sock");
        assert!(
            text.starts_with("exporter URL: host: there is none to be"),
            "{text}"
        );
    }

    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn tls_parameters() {
        let text = error("otlp+grpcs://h?ca=/no/such/file.pem");
        assert!(
            text.contains("parameter `ca`: `/no/such/file.pem` cannot be read"),
            "{text}"
        );
        let text = error("otlp+grpc://h?server_name=x");
        assert!(
            text.contains("parameter `server_name`: otlp+grpc: knows no such"),
            "{text}"
        );
    }
}

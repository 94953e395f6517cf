//! The syslog exporter against listeners in the same process.

mod mapping;
mod rfc5424;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_otlp::{
    ErrorKind, ExportRequest, RetryAdvice, ServiceBuilderExt, Signal, TlsOptions,
    exporters::{
        socket::SocketOptions,
        syslog::{Facility, Framing, Severity, SyslogBuilder, SyslogExporter, SyslogFormat},
    },
    from_url,
    layers::{retry::RetryPolicy, split::SplitLayer},
};

use crate::support::{
    backend::telemetry,
    http_server::{Authority, nobody},
    listener::{Listener, counted, line, within},
};

fn exporter(listener: &Listener) -> SyslogBuilder {
    SyslogExporter::builder().endpoint(listener.address.to_string())
}

fn logs(records: usize) -> ExportRequest {
    telemetry(Signal::Logs, records)
}

/// What the record with this number looks like.
fn message(number: usize) -> String {
    format!(
        "<14>1 2023-11-14T22:13:20.000000Z - shop - - [attributes@32473 http.route=\"/items/{{id}}\"] line {number}"
    )
}

async fn assert_messages(socket: &mut (impl tokio::io::AsyncRead + Unpin), records: usize) {
    for number in 0..records {
        let read = counted(socket).await.expect("a message");
        assert_eq!(String::from_utf8(read).unwrap(), message(number));
    }
}

#[tokio::test]
async fn records_are_messages_of_one_connection() {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    for records in [3, 1, 0, 2] {
        let response = exporter.clone().oneshot(logs(records)).await.unwrap();
        assert_eq!(response.delivered_items(), records as u64);
        assert_eq!(response.rejected_items(), 0);
        assert_eq!(response.message(), None);
        let destination = response.destination().expect("named");
        assert!(
            destination.starts_with("syslog exporter (syslog+tcp://127.0.0.1:"),
            "{destination}"
        );
    }
    let mut socket = listener.accept().await;
    for records in [3, 1, 2] {
        assert_messages(&mut socket, records).await;
    }
    assert!(listener.nobody_waits().await);
}

#[tokio::test]
async fn traces_and_metrics_are_refused_at_once() {
    let exporter = SyslogExporter::builder()
        .endpoint(nobody().await.to_string())
        .build()
        .unwrap();
    for signal in [Signal::Traces, Signal::Metrics] {
        let error = exporter.clone().oneshot(telemetry(signal, 1)).await;
        let error = error.expect_err("not carried");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.retry(), RetryAdvice::Never);
        let text = error.to_string();
        assert!(
            text.starts_with("syslog exporter (syslog+tcp://127.0.0.1:"),
            "{text}"
        );
        assert!(text.contains(&format!("no {signal}")), "{text}");
    }
    let error = exporter.oneshot(logs(1)).await.expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn what_is_cut_and_what_is_rejected_stands_in_the_answer() {
    let listener = Listener::bind().await;
    let format = SyslogFormat::default().max_message_bytes(480).unwrap();
    let exporter = exporter(&listener).format(format).build().unwrap();
    let json = format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[
            {{"key":"host.name","value":{{"stringValue":"{host}"}}}},
            {{"key":"service.name","value":{{"stringValue":"{host}"}}}}]}},
        "scopeLogs":[{{"logRecords":[
            {{"timeUnixNano":"1","body":{{"stringValue":"short"}}}},
            {{"timeUnixNano":"1","body":{{"stringValue":"{long}"}}}},
            {{"timeUnixNano":"1","body":{{"stringValue":"{long}"}},"attributes":[
                {{"key":"syslog.procid","value":{{"stringValue":"{host}"}}}},
                {{"key":"syslog.msgid","value":{{"stringValue":"{host}"}}}}]}}]}}]}}]}}"#,
        host = "h".repeat(300),
        long = "x".repeat(1000),
    );
    let request = ExportRequest::from_json(Signal::Logs, json.as_bytes()).unwrap();
    let response = exporter.oneshot(request).await.unwrap();
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (2, 1)
    );
    let message = response.message().expect("reasons");
    assert!(
        message.contains("1 records rejected") && message.contains("1 messages cut"),
        "{message}"
    );
    let mut socket = listener.accept().await;
    assert!(counted(&mut socket).await.unwrap().ends_with(b" short"));
    assert_eq!(counted(&mut socket).await.unwrap().len(), 480);
    assert_eq!(counted(&mut socket).await, None);
}

/// Each message says what its scope says: a small request may become messages of any size.
#[tokio::test]
async fn messages_that_take_too_much_together_are_too_large_and_can_be_split() {
    let listener = Listener::bind().await;
    let records = ["{}"; 40].join(",");
    let json = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"scope":{{"name":"{}"}},"logRecords":[{records}]}}]}}]}}"#,
        "s".repeat(1000),
    );
    let request = ExportRequest::from_json(Signal::Logs, json.as_bytes()).unwrap();
    let exporter = exporter(&listener)
        .max_request_bytes(10_000)
        .build()
        .unwrap();
    let error = exporter.clone().oneshot(request.clone()).await;
    let error = error.expect_err("40 kB");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.retry(), RetryAdvice::Never);
    let text = error.to_string();
    assert!(
        text.starts_with("syslog exporter (syslog+tcp://127.0.0.1:")
            && text.contains("the limit of 10000 bytes"),
        "{text}"
    );
    assert!(listener.nobody_waits().await);

    let split = ServiceBuilder::new()
        .split(SplitLayer::default())
        .service(exporter);
    let response = split.oneshot(request).await.unwrap();
    assert_eq!(response.delivered_items(), 40);
    let mut socket = listener.accept().await;
    for _ in 0..40 {
        assert!(counted(&mut socket).await.unwrap().len() > 1000);
    }
}

#[tokio::test]
async fn line_feeds_where_they_are_asked_for() {
    let listener = Listener::bind().await;
    let url = format!(
        "syslog+tcp://{}?framing=line-feed&facility=local3&host_name=edge",
        listener.address
    );
    let exporter = from_url(&url).unwrap_or_else(|error| panic!("{error}"));
    exporter.oneshot(logs(2)).await.expect("delivered");
    let mut socket = listener.accept().await;
    for number in 0..2 {
        let read = String::from_utf8(line(&mut socket).await.unwrap()).unwrap();
        let expected = message(number)
            .replace("<14>", "<158>")
            .replace("Z - shop", "Z edge shop");
        assert_eq!(read, expected);
    }
    assert_eq!(line(&mut socket).await, None);
}

#[tokio::test]
async fn a_message_cut_off_by_a_dying_connection_is_sent_again_whole() {
    let listener = Listener::bind().await;
    let pipeline = ServiceBuilder::new()
        .export_retry(RetryPolicy::new().initial_backoff(Duration::from_millis(1)))
        .concurrency_limit(2)
        .attempt_timeout(Duration::from_secs(15))
        .service(exporter(&listener).build().unwrap());
    const RECORDS: usize = 120_000;
    let attempt = tokio::spawn(pipeline.oneshot(logs(RECORDS)));
    let mut first = listener.accept().await;
    let mut part = [0; 1000];
    within(first.read_exact(&mut part)).await.unwrap();
    drop(first);
    let mut second = listener.accept().await;
    let mut reader = tokio::io::BufReader::new(&mut second);
    assert_messages(&mut reader, RECORDS).await;
    let response = within(attempt).await.unwrap().unwrap();
    assert_eq!(response.delivered_items(), RECORDS as u64);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_felt_above() {
    let listener = Listener::bind().await;
    let socket = SocketOptions::default().write_timeout(Duration::from_millis(300));
    let mut exporter = exporter(&listener).socket(socket).build().unwrap();
    let attempt = tokio::spawn(exporter.ready().await.unwrap().call(logs(120_000)));
    let _stalled = listener.accept().await;
    let mut waiting = tokio_test::task::spawn(exporter.ready());
    tokio_test::assert_pending!(waiting.poll());
    let error = within(attempt).await.unwrap().expect_err("stalled");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn tls_and_mutual_tls() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = clients.issue("client");
    let tls = TlsOptions::default()
        .ca_pem(servers.pem.as_str())
        .identity_pem(certificate, key);
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).tls(tls).build().unwrap();
    let shown = format!("{exporter:?}");
    assert!(
        shown.contains("syslog+tls://127.0.0.1:") && !shown.contains("PRIVATE"),
        "{shown}"
    );
    let config = servers.server(Some(&clients));
    let server = tokio::spawn(async move {
        let mut stream = listener.accept_tls(config).await.expect("a handshake");
        assert_messages(&mut stream, 3).await;
        stream.shutdown().await.expect("a farewell");
        // The exporter comes again.
        let config = servers.server(Some(&clients));
        let mut stream = listener.accept_tls(config).await.expect("a handshake");
        assert_messages(&mut stream, 2).await;
        servers
    });
    let response = exporter.clone().oneshot(logs(3)).await.expect("delivered");
    assert_eq!(response.delivered_items(), 3);
    let servers = {
        // The farewell may take its time: each attempt before it goes to the first connection.
        let mut exporter = exporter;
        loop {
            let response = exporter.ready().await.unwrap().call(logs(2)).await;
            if response.is_ok_and(|response| response.message().is_some()) || server.is_finished() {
                break within(server).await.expect("both connections");
            }
            tokio::task::yield_now().await;
        }
    };
    drop(servers);
}

#[tokio::test]
async fn urls() {
    for good in [
        "syslog+tcp://localhost",
        "syslog+tcp://[::1]:601/?connections=4&nodelay&keepalive=none",
        "syslog+tcp://h?facility=kern&gravest=crit&enterprise_number=55555&resource_attributes\
         &max_message_bytes=8KiB&max_request_bytes=1MiB&byte_order_mark=true&host_name=a%20b",
    ] {
        if let Err(error) = from_url(good) {
            panic!("{good}: {error}");
        }
    }
    let ports = [("syslog+tcp://h", "h:514"), ("syslog+tls://h", "h:6514")];
    let ca = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ca.path(), Authority::new().pem).expect("written");
    for (url, port) in ports {
        let url = match url.contains("tls") {
            true => format!("{url}?connect_timeout=1ms&ca={}", ca.path().display()),
            false => format!("{url}?connect_timeout=1ms"),
        };
        let exporter = from_url(&url).unwrap_or_else(|error| panic!("{error}"));
        // Unsupported is said without a connection, and names the endpoint.
        let error = exporter.oneshot(telemetry(Signal::Traces, 1)).await;
        assert!(error.unwrap_err().endpoint().unwrap().ends_with(port));
    }
    for (bad, says) in [
        ("syslog+tcp://s3cret@h", "user information"),
        (
            "syslog+tcp://h?facility=local9",
            "`local9` is not one of kern, user",
        ),
        (
            "syslog+tcp://h?gravest=fatal",
            "`fatal` is not one of emerg, alert",
        ),
        (
            "syslog+tcp://h?framing=crlf",
            "not one of octet-counting, line-feed",
        ),
        ("syslog+tcp://h?max_message_bytes=100", "480 is the least"),
        (
            "syslog+tcp://h?enterprise_number=0",
            "not a number from 1 on",
        ),
        ("syslog+tcp://h?server_name=x", "knows no such parameter"),
        ("syslog+udp://h", "is not known"),
    ] {
        let error = from_url(bad).map(drop).expect_err(bad);
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn options_are_shown_and_secrets_are_not() {
    let format = SyslogFormat::default()
        .facility(Facility::DAEMON)
        .framing(Framing::LineFeed)
        .gravest(Severity::Critical);
    let builder = SyslogExporter::builder().format(format);
    let text = format!("{:?}", builder.build().unwrap());
    assert!(
        text.contains("syslog+tcp://localhost:514") && text.contains("LineFeed"),
        "{text}"
    );
    let error = SyslogExporter::builder().endpoint("user:s3cret@h").build();
    let text = format!("{:?}", error.expect_err("a user"));
    assert!(
        text.contains("the syslog exporter cannot be built") && !text.contains("s3cret"),
        "{text}"
    );
}

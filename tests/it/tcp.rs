//! The TCP exporter against listeners in the same process.

mod failures;
mod secure;
mod stack;
mod whole;

use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Service, ServiceExt};
use tower_otlp::{
    Encoding, ErrorKind, ExportRequest, Signal,
    exporters::{
        socket::SocketOptions,
        tcp::{self, TcpBuilder, TcpExporter},
    },
    from_url,
};

use crate::support::{
    backend::telemetry,
    generate::{Draw, Options},
    http_server::nobody,
    listener::{Listener, line, within},
};

fn exporter(listener: &Listener) -> TcpBuilder {
    TcpExporter::builder().endpoint(listener.address.to_string())
}

/// Reads one line, which must be this request.
async fn assert_line(socket: &mut (impl tokio::io::AsyncRead + Unpin), request: &ExportRequest) {
    let line = line(socket).await.expect("a line");
    assert_eq!(line, request.encoded(Encoding::Json));
    let read = ExportRequest::from_json(request.signal(), &line).expect("OTLP/JSON");
    assert_eq!(read.items(), request.items());
}

#[tokio::test]
async fn all_signals_are_lines_of_one_connection() {
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    let accept = tokio::spawn(async move { (listener.accept().await, listener) });
    for signal in Signal::ALL {
        let response = exporter.clone().oneshot(telemetry(signal, 3)).await;
        let response = response.expect("delivered");
        assert_eq!(response.delivered_items(), 3);
        assert_eq!(response.message(), None);
        let destination = response.destination().expect("named");
        assert!(
            destination.starts_with("tcp exporter (tcp://127.0.0.1:"),
            "{destination}"
        );
    }
    let (mut socket, listener) = accept.await.unwrap();
    for signal in Signal::ALL {
        assert_line(&mut socket, &telemetry(signal, 3)).await;
    }
    assert!(listener.nobody_waits().await);
}

#[tokio::test]
async fn framed_protobuf_carries_one_signal() {
    let listener = Listener::bind().await;
    let builder = exporter(&listener).encoding(Encoding::Protobuf);
    let error = builder.clone().build().expect_err("of which signal?");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let exporter = builder.only(Signal::Traces).build().unwrap();
    for _ in 0..2 {
        let sent = exporter.clone().oneshot(telemetry(Signal::Traces, 2)).await;
        assert_eq!(sent.expect("delivered").delivered_items(), 2);
    }
    let mut socket = listener.accept().await;
    for _ in 0..2 {
        let length = within(socket.read_u32()).await.expect("a length");
        let mut record = vec![0; length as usize];
        within(socket.read_exact(&mut record)).await.expect("whole");
        let read = ExportRequest::from_protobuf(Signal::Traces, record).expect("OTLP");
        assert_eq!(read.protobuf(), telemetry(Signal::Traces, 2).protobuf());
    }
}

#[tokio::test]
async fn a_signal_that_is_not_carried_is_refused_at_once() {
    let exporter = TcpExporter::builder()
        .endpoint(nobody().await.to_string())
        .only(Signal::Logs)
        .build()
        .unwrap();
    for signal in [Signal::Traces, Signal::Metrics] {
        let error = exporter.clone().oneshot(telemetry(signal, 1)).await;
        let error = error.expect_err("not carried");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.is_retryable());
        let text = error.to_string();
        assert!(text.starts_with("tcp exporter (tcp://127.0.0.1:"), "{text}");
        assert!(text.contains(signal.as_str()), "{text}");
    }
}

/// The worked examples of logs: a line, and the same as a framed record.
#[test]
fn examples_of_records() {
    let json = br#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"observedTimeUnixNano":"1700000000000000000","severityNumber":9,"body":{"stringValue":"hi"},"eventName":"ev"}]}]}]}"#;
    let framed = [
        0x00, 0x00, 0x00, 0x1b, 0x0a, 0x19, 0x12, 0x17, 0x12, 0x15, 0x10, 0x09, 0x2a, 0x04, 0x0a,
        0x02, 0x68, 0x69, 0x59, 0x00, 0x00, 0x2a, 0x36, 0xfe, 0x9c, 0x97, 0x17, 0x62, 0x02, 0x65,
        0x76,
    ];
    let request = ExportRequest::from_protobuf(Signal::Logs, framed[4..].to_vec()).unwrap();
    let mut out = b"before".to_vec();
    tcp::encode(request.otlp(), Encoding::Json, &mut out).unwrap();
    assert_eq!(out, [b"before", &json[..], b"\n"].concat());
    out.clear();
    tcp::encode(request.otlp(), Encoding::Protobuf, &mut out).unwrap();
    assert_eq!(out, framed);
}

#[test]
fn no_telemetry_breaks_a_line() {
    for seed in 0..200 {
        let mut draw = Draw::seeded(seed, Options::default());
        for request in [
            ExportRequest::from(draw.traces()),
            ExportRequest::from(draw.metrics()),
            ExportRequest::from(draw.logs()),
        ] {
            let mut out = Vec::new();
            let left_out = tcp::encode(request.otlp(), Encoding::Json, &mut out).unwrap();
            let left_out = left_out.map_or(0, |left_out| left_out.items);
            if left_out > 0 && left_out == request.items() {
                assert!(out.is_empty());
                continue;
            }
            assert_eq!(
                out.iter().position(|byte| *byte == b'\n'),
                Some(out.len() - 1)
            );
            serde_json::from_slice::<serde_json::Value>(&out).expect("JSON");
        }
    }
}

/// A reader refuses a whole line for one such id, and nobody here would hear of it.
#[tokio::test]
async fn items_with_ids_of_a_wrong_length_are_left_out_of_json_and_their_neighbours_live() {
    // Of each span the id and the name.
    let bad = b"\x12\x0a\x12\x03abc\x2a\x03bad".as_slice();
    let good = b"\x12\x06\x2a\x04good".as_slice();
    for (spans, delivered) in [([bad, good], 1), ([bad, bad], 0), ([good, good], 2)] {
        let spans = spans.concat();
        let group = u8::try_from(spans.len()).unwrap();
        let bytes = [&[0x0a, group + 2, 0x12, group], &*spans].concat();
        let request = ExportRequest::from_protobuf(Signal::Traces, bytes).unwrap();

        let listener = Listener::bind().await;
        let exporter = exporter(&listener).build().unwrap();
        let response = exporter.oneshot(request.clone()).await.unwrap();
        assert_eq!(response.delivered_items(), delivered);
        assert_eq!(response.rejected_items(), 2 - delivered);
        let names_it = |message: &str| message.contains("the first is span \"bad\"");
        assert_eq!(response.message().is_some_and(names_it), delivered < 2);

        let mut encoded = Vec::new();
        let left_out = tcp::encode(request.otlp(), Encoding::Json, &mut encoded).unwrap();
        assert_eq!(left_out.map_or(0, |left_out| left_out.items), 2 - delivered);
        if delivered == 0 {
            assert!(listener.nobody_waits().await && encoded.is_empty());
            continue;
        }
        let line = line(&mut listener.accept().await).await.expect("a line");
        assert_eq!(encoded.strip_suffix(b"\n"), Some(&*line));
        let read = ExportRequest::from_json(Signal::Traces, &line).expect("OTLP/JSON");
        assert_eq!(read.items(), delivered);
    }
}

#[tokio::test]
async fn an_empty_request_is_nothing_to_say() {
    let exporter = TcpExporter::builder()
        .endpoint(nobody().await.to_string())
        .build()
        .unwrap();
    let empty = ExportRequest::from_protobuf(Signal::Logs, Vec::new()).unwrap();
    let response = exporter.oneshot(empty).await.expect("nothing to deliver");
    assert_eq!(response.delivered_items(), 0);
}

#[tokio::test]
async fn readiness_is_a_connection_that_is_given_back() {
    let listener = Listener::bind().await;
    let mut one = exporter(&listener).build().unwrap();
    let mut two = one.clone();
    assert_ready_ok!(task::spawn(one.ready()).poll());
    // Asked again, it has what it needs.
    assert_ready_ok!(task::spawn(one.ready()).poll());
    let mut waiting = task::spawn(two.ready());
    assert_pending!(waiting.poll());
    drop(one.clone());
    assert!(!waiting.is_woken());
    // A handle that is dropped lets go.
    drop(one);
    assert!(waiting.is_woken());
    assert_ready_ok!(waiting.poll());
    drop(waiting);
    let response = two.call(telemetry(Signal::Logs, 1)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 1);
    // A service that was never asked waits for its turn in the call.
    let response = two.call(telemetry(Signal::Logs, 2)).await;
    assert_eq!(response.expect("delivered").delivered_items(), 2);
}

#[tokio::test]
async fn as_many_connections_as_are_allowed() {
    let listener = Listener::bind().await;
    let socket = SocketOptions::default().connections(2);
    let exporter = exporter(&listener).socket(socket).build().unwrap();
    let mut handles = [exporter.clone(), exporter.clone(), exporter];
    let [one, two, three] = &mut handles;
    assert_ready_ok!(task::spawn(one.ready()).poll());
    assert_ready_ok!(task::spawn(two.ready()).poll());
    assert_pending!(task::spawn(three.ready()).poll());
    let (first, second) = tokio::join!(
        one.call(telemetry(Signal::Logs, 1)),
        two.call(telemetry(Signal::Traces, 1)),
    );
    first.expect("delivered");
    second.expect("delivered");
    let mut sockets: [TcpStream; 2] = [listener.accept().await, listener.accept().await];
    let mut lines = Vec::new();
    for socket in &mut sockets {
        lines.push(line(socket).await.expect("a line"));
    }
    lines.sort();
    assert!(lines[0].starts_with(b"{\"resourceLogs\""));
    assert!(lines[1].starts_with(b"{\"resourceSpans\""));
    // Both are kept and used again.
    let response = three
        .ready()
        .await
        .unwrap()
        .call(telemetry(Signal::Logs, 1));
    response.await.expect("delivered");
    assert!(listener.nobody_waits().await);
}

#[tokio::test]
async fn what_a_peer_says_is_read_and_ignored() {
    use tokio::io::AsyncWriteExt;
    let listener = Listener::bind().await;
    let exporter = exporter(&listener).build().unwrap();
    let request = telemetry(Signal::Logs, 1);
    exporter.clone().oneshot(request.clone()).await.unwrap();
    let mut socket = listener.accept().await;
    for _ in 0..3 {
        within(socket.write_all(&[b'x'; 10_000])).await.unwrap();
        let response = exporter.clone().oneshot(request.clone()).await.unwrap();
        assert_eq!(response.message(), None);
    }
    for _ in 0..4 {
        assert_line(&mut socket, &request).await;
    }
    // Nothing of it is left unread, so the end of the exporter is no reset.
    drop(exporter);
    assert_eq!(line(&mut socket).await, None);
}

#[tokio::test]
async fn urls() {
    let listener = Listener::bind().await;
    let address = listener.address;
    for (url, signal) in [
        (format!("tcp://{address}"), Signal::Logs),
        (
            format!(
                "tcp://{address}/?connections=2&connect_timeout=5s&write_timeout=none&keepalive=1m\
                 &acknowledge_timeout=none&nodelay=false&send_buffer=64KiB&max_request_bytes=1MiB"
            ),
            Signal::Metrics,
        ),
        (
            format!("tcp://{address}?encoding=json&only=traces"),
            Signal::Traces,
        ),
    ] {
        let exporter = from_url(&url).unwrap_or_else(|error| panic!("{error}"));
        exporter
            .oneshot(telemetry(signal, 1))
            .await
            .expect("delivered");
        let mut socket = listener.accept().await;
        assert_line(&mut socket, &telemetry(signal, 1)).await;
        assert_eq!(line(&mut socket).await, None);
    }
    for (bad, says) in [
        ("tcp://h", "the port is missing"),
        ("tcp://h:1/path", "path: this exporter takes none"),
        ("tcp://user:s3cret@h:1", "user information"),
        ("tcp://h:1?encoding=protobuf", "choose one signal"),
        ("tcp://h:1?connections=0", "`0` is not a number from 1 on"),
        ("tcp://h:1?ca=/x.pem", "tcp: knows no such parameter"),
        (
            "tcp://h:1?tiemout=1s",
            "there are connections, connect_timeout, write_timeout",
        ),
    ] {
        let error = from_url(bad).map(drop).expect_err(bad);
        let text = format!("{error} {error:?}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn builders_name_what_is_wrong() {
    for (builder, says) in [
        (TcpExporter::builder(), "the endpoint is missing"),
        (TcpExporter::builder().endpoint("h"), "the port is missing"),
        (
            TcpExporter::builder().endpoint("user:s3cret@h:1"),
            "host:port",
        ),
    ] {
        let error = builder.build().expect_err(says);
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = format!("{error:?}");
        assert!(
            text.contains(says) && text.contains("the tcp exporter"),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
    }
}

//! Admission by bytes: what is refused, in which words, and that all of it comes back.

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_test::{assert_pending, task};
use tonic::Code;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_otlp::{
    Compression, Encoding, ErrorKind, RetryAdvice, ServiceBuilderExt, Signal,
    layers::admission::{Admission, AdmissionBudget, AdmissionLayer},
    receivers::{OtlpGrpcReceiver, OtlpHttpReceiver},
    testing::{ReadinessProbe, ScriptedExporter, Step, contract, logs},
};

use crate::{
    receiver_grpc::support::{self as grpc, TRACES_PATH, framed, gzip},
    support::{
        backend::{protobuf, telemetry},
        http_server::{Answer, send, serve},
    },
};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn budget(bytes: usize) -> AdmissionBudget {
    AdmissionBudget::new(bytes).expect("not zero")
}

fn holding() -> ScriptedExporter {
    ScriptedExporter::new(vec![Step::Hold; 1000])
}

/// Waits for what no event tells of.
async fn until(what: &str, done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    let patience = tokio::time::timeout(Duration::from_secs(20), wait);
    assert!(patience.await.is_ok(), "never: {what}");
}

/// Spawns what answers only when it is released.
fn spawned<F>(requests: impl IntoIterator<Item = F>) -> Vec<tokio::task::JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    requests.into_iter().map(tokio::spawn).collect()
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    contract::check(&AdmissionLayer::new(budget(1 << 20))).await;
}

#[test]
fn a_budget_of_nothing_is_an_error_when_built() {
    let error = AdmissionBudget::new(0).unwrap_err().to_string();
    assert!(error.contains("lets nothing pass"), "{error}");
}

#[tokio::test]
async fn what_is_beyond_the_budget_is_refused_and_was_never_accepted() {
    let request = logs(100);
    let size = request.byte_size();
    let budget = budget(2 * size + 1).retry_after(Duration::from_secs(3));
    let exporter = holding();
    let mut service = ServiceBuilder::new()
        .admission(budget.clone())
        .service(ReadinessProbe::new(exporter.clone()));
    let first = service.ready().await.unwrap().call(request.clone());
    let mut second = task::spawn(service.ready().await.unwrap().call(request.clone()));
    assert_pending!(second.poll());
    assert_eq!(budget.in_use(), 2 * size);

    let third = service.ready().await.unwrap().call(request.clone());
    let error = third.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overloaded);
    assert_eq!(error.retry(), RetryAdvice::After(Duration::from_secs(3)));
    assert_eq!((exporter.calls(), budget.refused()), (2, 1));

    drop(first);
    assert_eq!(budget.in_use(), size);
    exporter.release();
    assert!(second.poll().is_ready());
    // `second` still exists.
    assert_eq!((budget.in_use(), budget.peak()), (0, 2 * size));
    assert_eq!(budget.capacity(), 2 * size + 1);
}

#[tokio::test]
async fn what_could_never_fit_is_too_large() {
    let exporter = ScriptedExporter::delivering();
    let service = Admission::new(exporter.clone(), budget(10));
    let error = service.oneshot(logs(100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(!error.is_retryable());
    assert_eq!(exporter.calls(), 0);
}

#[tokio::test]
async fn kept_forms_count() {
    let request = telemetry(Signal::Traces, 100);
    let compressed = request.body(Encoding::Protobuf, Compression::Gzip).unwrap();
    let budget = budget(1 << 20);
    let mut service = Admission::new(holding(), budget.clone());
    let size = request.byte_size() + compressed.len();
    let answer = service.ready().await.unwrap().call(request);
    assert_eq!(budget.in_use(), size);
    drop(answer);
}

async fn post(address: SocketAddr, body: Bytes) -> Answer {
    send(address, Method::POST, "/v1/traces", &[PROTOBUF], body).await
}

#[tokio::test]
async fn over_http_the_rest_is_refused_at_once_with_a_delay() {
    let body = protobuf(Signal::Traces, 1000);
    let budget = budget(3 * body.len() + body.len() / 2);
    let exporter = holding();
    let receiver = OtlpHttpReceiver::new(exporter.clone()).admission(budget.clone());
    let address = serve(receiver.into_axum_router()).await;

    let requests = spawned((0..10).map(|_| post(address, body.clone())));
    // Nothing was released: who is refused is refused at once.
    until("seven are refused", || budget.refused() == 7).await;
    exporter.wait_for_calls(3).await;
    assert_eq!(budget.in_use(), 3 * body.len());
    for _ in 0..3 {
        exporter.release();
    }
    let mut statuses = Vec::new();
    for request in requests {
        let answer = request.await.unwrap();
        statuses.push(answer.status.as_u16());
        let delay = answer.header("retry-after");
        assert_eq!(delay.is_some(), answer.status == 429, "{answer:?}");
        assert!(delay.is_none_or(|delay| delay == "1"), "{answer:?}");
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 3], vec![429; 7]].concat());
    assert_eq!(exporter.calls(), 3, "what was refused was never accepted");
    assert!(budget.peak() <= budget.capacity());
    until("all is free", || budget.in_use() == 0).await;

    exporter.release();
    assert_eq!(post(address, body).await.status, 200);
}

#[tokio::test]
async fn over_grpc_the_rest_is_refused_at_once_with_a_delay() {
    let message = grpc::encoded(Signal::Traces, 1000);
    let budget = budget(3 * message.len() + message.len() / 2);
    let exporter = holding();
    let receiver = OtlpGrpcReceiver::new(exporter.clone())
        .admission(budget.clone().retry_after(Duration::from_secs(3)));
    let channel = grpc::connect(grpc::serve(receiver.routes()).await).await;
    let body = framed(false, &message);
    // One after the other: sent together, each could have a part of its body paid for.
    let mut accepted = Vec::new();
    for calls in 1..=3 {
        let (channel, body) = (channel.clone(), body.clone());
        accepted.push(tokio::spawn(async move {
            grpc::post(&channel, TRACES_PATH, &[], body).await
        }));
        exporter.wait_for_calls(calls).await;
    }
    for _ in 0..5 {
        let answer = grpc::post(&channel, TRACES_PATH, &[], body.clone()).await;
        assert_eq!(answer.code(), Code::ResourceExhausted);
        assert!(answer.message().contains("admission budget"));
        // RetryInfo { retry_delay: 3 s }
        let details = answer.grpc.as_ref().unwrap().details();
        assert!(details.ends_with(&[0x12, 4, 0x0a, 2, 0x08, 3]));
    }
    assert_eq!(budget.refused(), 5);
    for _ in 0..3 {
        exporter.release();
    }
    // The neighbours on the same connection live on.
    for answer in accepted {
        assert_eq!(answer.await.unwrap().code(), Code::Ok);
    }
    assert_eq!(exporter.calls(), 3);
    assert!(budget.peak() <= budget.capacity());
    until("all is free", || budget.in_use() == 0).await;
    exporter.release();
    let answer = grpc::post(&channel, TRACES_PATH, &[], body).await;
    assert_eq!(answer.code(), Code::Ok);
}

#[tokio::test]
async fn many_at_once_never_use_more_than_there_is() {
    let budget = budget(400_000);
    let exporter = ScriptedExporter::delivering();
    let http = OtlpHttpReceiver::new(exporter.clone()).admission(budget.clone());
    let http = serve(http.into_axum_router()).await;
    let receiver = OtlpGrpcReceiver::new(exporter.clone()).admission(budget.clone());
    let channel = grpc::connect(grpc::serve(receiver.routes()).await).await;
    let plain = protobuf(Signal::Traces, 1000);
    let message = grpc::encoded(Signal::Traces, 3000);
    let small = framed(true, &gzip(6, &message));
    let over_http = spawned((0..30).map(|_| post(http, plain.clone())));
    let over_grpc =
        spawned(
            (0..30).map(|_| {
                let (channel, small) = (channel.clone(), small.clone());
                async move {
                    grpc::post(&channel, TRACES_PATH, &[("grpc-encoding", "gzip")], small).await
                }
            }),
        );
    let mut delivered = 0;
    let mut refused = 0;
    for answer in over_http {
        match answer.await.unwrap().status.as_u16() {
            200 => delivered += 1000,
            429 => refused += 1,
            other => panic!("answered {other}"),
        }
    }
    for answer in over_grpc {
        match answer.await.unwrap().code() {
            Code::Ok => delivered += 3000,
            Code::ResourceExhausted => refused += 1,
            other => panic!("answered {other:?}"),
        }
    }
    assert_eq!(exporter.delivered(), delivered);
    assert_eq!(budget.refused(), refused);
    assert!(delivered > 0);
    assert!((1..=400_000).contains(&budget.peak()), "{}", budget.peak());
    until("all is free", || budget.in_use() == 0).await;
}

#[tokio::test]
async fn a_slow_sender_pays_for_what_it_sent_and_gets_it_back_when_it_goes() {
    let budget = budget(100_000);
    let exporter = ScriptedExporter::delivering();
    let receiver = OtlpHttpReceiver::new(exporter.clone()).admission(budget.clone());
    let address = serve(receiver.into_axum_router()).await;

    // Of unknown length: it pays as it sends.
    let mut slow = TcpStream::connect(address).await.unwrap();
    let head = "POST /v1/traces HTTP/1.1\r\nhost: h\r\ncontent-type: application/x-protobuf\r\n";
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n7530\r\n");
    slow.write_all(chunked.as_bytes()).await.unwrap();
    slow.write_all(&[0; 30_000]).await.unwrap();
    until("what it sent is paid for", || budget.in_use() == 30_000).await;

    // Of known length: it pays before it sends anything.
    let mut announced = TcpStream::connect(address).await.unwrap();
    let known = format!("{head}content-length: 60000\r\n\r\n");
    announced.write_all(known.as_bytes()).await.unwrap();
    until("it is paid for", || budget.in_use() == 90_000).await;

    // The next one is refused before it has sent a byte of its body.
    let mut refused = TcpStream::connect(address).await.unwrap();
    refused.write_all(known.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    refused.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 429");

    // A small neighbour finds room.
    let small = protobuf(Signal::Traces, 10);
    assert_eq!(post(address, small.clone()).await.status, 200);

    // What goes over while it is being sent is stopped there.
    slow.write_all(b"\r\n7530\r\n").await.unwrap();
    slow.write_all(&[0; 30_000]).await.unwrap();
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 429");
    until("it has given back", || budget.in_use() == 60_000).await;

    drop(announced);
    until("all is free", || budget.in_use() == 0).await;
    assert_eq!(budget.refused(), 2);
    assert_eq!(exporter.calls(), 1);
    assert_eq!(post(address, small).await.status, 200);
}

#[tokio::test]
async fn a_grpc_stream_that_is_reset_gives_back() {
    let budget = budget(100_000);
    let receiver = OtlpGrpcReceiver::new(ScriptedExporter::delivering()).admission(budget.clone());
    let channel = grpc::connect(grpc::serve(receiver.routes()).await).await;
    let (frames, body) = tokio::sync::mpsc::channel(1);
    let body = tokio_stream::wrappers::ReceiverStream::new(body);
    let request = http::Request::post(TRACES_PATH)
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::new(http_body_util::StreamBody::new(
            body,
        )))
        .unwrap();
    let call = tokio::spawn(grpc::answer(channel.clone(), request));
    let half = framed(false, &[0; 50_000]).slice(..30_000);
    let frame: Result<_, std::io::Error> = Ok(http_body::Frame::data(half));
    frames.send(frame).await.unwrap();
    until("it is paid for", || budget.in_use() == 30_000).await;
    call.abort();
    until("all is free", || budget.in_use() == 0).await;
    // The connection lives on.
    let whole = framed(false, &grpc::encoded(Signal::Traces, 1));
    let answer = grpc::post(&channel, TRACES_PATH, &[], whole).await;
    assert_eq!(answer.code(), Code::Ok);
}

#[tokio::test]
async fn a_sender_in_the_middle_of_a_large_body_gets_the_answer() {
    let budget = budget(10 << 20);
    let exporter = ScriptedExporter::delivering();
    let receiver = OtlpHttpReceiver::new(exporter.clone()).admission(budget.clone());
    let address = serve(receiver.into_axum_router()).await;
    let body = protobuf(Signal::Traces, 80_000);
    assert!(body.len() > 5 << 20);
    let neighbour = budget.reserve(8 << 20).unwrap();
    for _ in 0..5 {
        assert_eq!(post(address, body.clone()).await.status, 429);
    }
    drop(neighbour);
    assert_eq!(post(address, body).await.status, 200);
}

#[tokio::test]
async fn a_body_that_swells_is_stopped_at_the_budget() {
    let budget = budget(1_000_000);
    let exporter = ScriptedExporter::delivering();
    let receiver = OtlpHttpReceiver::new(exporter.clone()).admission(budget.clone());
    let address = serve(receiver.into_axum_router()).await;
    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    let post = |body: Vec<u8>| send(address, Method::POST, "/v1/traces", &headers, body);

    let bomb = gzip(9, &vec![0; 20_000_000]);
    let answer = post(bomb).await;
    assert_eq!(answer.status, 413, "it could never fit");
    assert!(budget.peak() <= 1_000_000, "{}", budget.peak());

    // What could fit, were it not for a neighbour, may come again.
    let neighbour = budget.reserve(900_000).unwrap();
    let large = gzip(9, &protobuf(Signal::Traces, 2000));
    assert!(large.len() < 50_000);
    let answer = post(large.clone()).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(neighbour);
    assert_eq!(post(large).await.status, 200);
    assert_eq!(exporter.calls(), 1);
    assert_eq!((budget.in_use(), budget.refused()), (0, 2));
}

#[tokio::test]
async fn a_request_holds_what_it_takes_and_no_more() {
    let budget = budget(10 << 20);
    let exporter = holding();
    let receiver = OtlpHttpReceiver::new(exporter.clone()).admission(budget.clone());
    let address = serve(receiver.into_axum_router()).await;
    let sent = telemetry(Signal::Logs, 500);
    let plain = sent.protobuf().clone();
    let packed = Bytes::from(gzip(6, &plain));
    let json = sent.encoded(Encoding::Json);
    // What is kept beside the protobuf form.
    let rows = [
        ("application/x-protobuf", "identity", plain, 0),
        (
            "application/x-protobuf",
            "gzip",
            packed.clone(),
            packed.len(),
        ),
        ("application/json", "identity", json, 0),
    ];
    for (number, (content_type, encoding, body, beside)) in rows.into_iter().enumerate() {
        let request = tokio::spawn(async move {
            let headers = [
                ("content-type", content_type),
                ("content-encoding", encoding),
            ];
            send(address, Method::POST, "/v1/logs", &headers, body).await
        });
        exporter.wait_for_calls(number + 1).await;
        let size = exporter.requests()[number].byte_size();
        assert_eq!(budget.in_use(), size + beside, "{content_type} {encoding}");
        exporter.release();
        assert_eq!(request.await.unwrap().status, 200);
        until("all is free", || budget.in_use() == 0).await;
    }
    assert_eq!(budget.refused(), 0);
}

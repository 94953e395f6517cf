//! Under the canonical stack, with a peer that comes and goes.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use tokio::io::AsyncReadExt;
use tower::{
    BoxError, ServiceBuilder, ServiceExt, buffer::BufferLayer, limit::ConcurrencyLimitLayer,
};
use tower_otlp::{
    ExportRequest, ExporterExt, ServiceBuilderExt, Signal, layers::retry::RetryPolicy,
};

use super::{assert_line, exporter};
use crate::support::{
    backend::telemetry,
    listener::{Listener, within},
};

const REQUESTS: u64 = 60;
const RECORDS: u64 = 20;

/// Records that know who they are.
fn request(number: u64) -> ExportRequest {
    let record = |position| LogRecord {
        time_unix_nano: 1 + number * RECORDS + position,
        severity_text: "padding ".repeat(1 + (number % 7) as usize * 40),
        ..LogRecord::default()
    };
    ExportRequest::from(ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: (0..RECORDS).map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    })
}

#[tokio::test]
async fn towers_layers_stand_between() {
    let listener = Listener::bind().await;
    let pipeline = ServiceBuilder::new()
        .layer(BufferLayer::new(4))
        .export_retry(RetryPolicy::new())
        .layer(ConcurrencyLimitLayer::new(2))
        .timeout(Duration::from_secs(5))
        .service(exporter(&listener).build().unwrap());
    for _ in 0..3 {
        let response = pipeline.clone().oneshot(telemetry(Signal::Traces, 2));
        let response: Result<_, BoxError> = response.await;
        assert_eq!(response.unwrap().delivered_items(), 2);
    }
    let mut socket = listener.accept().await;
    for _ in 0..3 {
        assert_line(&mut socket, &telemetry(Signal::Traces, 2)).await;
    }
}

/// A peer whose connections live for a few records each: it reads whole lines, then stops within
/// one and drops the connection. Lines that it has whole must be whole requests.
async fn flaky(listener: Listener, seen: Arc<Mutex<BTreeSet<u64>>>) {
    let mut patience = 0;
    loop {
        let mut socket = listener.accept().await;
        patience += 1;
        // From the twentieth on it has recovered.
        let most = if patience < 20 {
            patience * 1500
        } else {
            usize::MAX
        };
        let mut buffer = Vec::new();
        while buffer.len() < most {
            let mut part = [0; 700];
            match socket.read(&mut part).await {
                Ok(0) | Err(_) => break,
                Ok(read) => buffer.extend_from_slice(&part[..read]),
            }
            if let Some(end) = buffer.iter().rposition(|byte| *byte == b'\n') {
                // Unfinished lines are thrown away with their connection.
                note(&buffer[..end], &seen);
                if patience >= 20 {
                    buffer.drain(..=end);
                }
            }
        }
    }
}

fn note(lines: &[u8], seen: &Mutex<BTreeSet<u64>>) {
    for line in lines.split(|byte| *byte == b'\n') {
        let request = ExportRequest::from_json(Signal::Logs, line).expect("a whole record");
        let logs = request.logs().expect("logs");
        let scopes = logs.resources().flat_map(|group| group.scopes());
        let records = scopes.flat_map(|group| group.items());
        let numbers = records.map(|record| record.time_unix_nano());
        seen.lock().unwrap().extend(numbers);
    }
}

#[tokio::test]
async fn all_items_arrive_at_least_once_through_a_peer_that_comes_and_goes() {
    let listener = Listener::bind().await;
    // Little room, so that what a dying connection takes along is found out soon.
    let socket = tower_otlp::exporters::socket::SocketOptions::default().send_buffer_bytes(2048);
    let exporter = exporter(&listener).socket(socket).build().unwrap();
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let peer = tokio::spawn(flaky(listener, Arc::clone(&seen)));
    let policy = RetryPolicy::new()
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(20));
    let pipeline = ServiceBuilder::new()
        .export_retry(policy)
        .concurrency_limit(4)
        .attempt_timeout(Duration::from_secs(10))
        .service(exporter)
        .boxed_exporter();
    let mut tasks = Vec::new();
    for number in 0..REQUESTS {
        let pipeline = pipeline.clone();
        let seen = Arc::clone(&seen);
        tasks.push(tokio::spawn(async move {
            // Nobody answers on a bare socket, so a sender who must be sure asks the peer in its
            // own way, and sends again what is not there.
            loop {
                let response = pipeline.clone().oneshot(request(number)).await;
                assert_eq!(response.expect("delivered").delivered_items(), RECORDS);
                let deadline = tokio::time::Instant::now() + Duration::from_millis(200);
                while tokio::time::Instant::now() < deadline {
                    let first = 1 + number * RECORDS;
                    if seen.lock().unwrap().contains(&first) {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }));
    }
    for task in tasks {
        within(task).await.unwrap();
    }
    let seen = seen.lock().unwrap();
    assert!(seen.iter().copied().eq(1..=REQUESTS * RECORDS));
    peer.abort();
}

//! What becomes of datagrams that the system does not take.

use std::sync::Mutex;

use super::*;
use crate::{Signal, exporters::jaeger::encode::EncodeOptions, otlp::wire::put_len_field};

/// A system that judges each datagram by its number and size, and keeps what it takes.
struct System<F> {
    judge: F,
    calls: Mutex<usize>,
    taken: Mutex<Vec<usize>>,
    shown: Arc<str>,
}

impl<F: Fn(usize, usize) -> Option<io::Error>> System<F> {
    fn new(judge: F) -> Self {
        Self {
            judge,
            calls: Mutex::default(),
            taken: Mutex::default(),
            shown: "udp://agent:6831".into(),
        }
    }
}

impl<F: Fn(usize, usize) -> Option<io::Error> + Sync> Datagrams for System<F> {
    fn shown(&self) -> &Arc<str> {
        &self.shown
    }

    async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let call = {
            let mut calls = self.calls.lock().expect("no panic");
            *calls += 1;
            *calls
        };
        match (self.judge)(call, datagram.len()) {
            Some(error) => Err(error),
            None => {
                self.taken.lock().expect("no panic").push(datagram.len());
                Ok(())
            }
        }
    }
}

/// Spans with names of these lengths.
fn spans(names: &[usize]) -> ExportRequest {
    let field = |number, body: &[u8]| {
        let mut out = Vec::new();
        put_len_field(&mut out, number, body);
        out
    };
    let spans: Vec<u8> = names
        .iter()
        .flat_map(|length| {
            let name = field(5, &vec![b'n'; *length]);
            field(2, &[field(1, &[1; 16]), field(2, &[2; 8]), name].concat())
        })
        .collect();
    ExportRequest::from_protobuf(Signal::Traces, field(1, &field(2, &spans))).expect("valid")
}

fn options() -> Options {
    Options {
        protocol: AgentProtocol::Compact,
        encode: EncodeOptions::default(),
        max_packet_bytes: 65_000,
        fill_bytes: AtomicUsize::new(65_000),
        timeout: None,
    }
}

fn too_large(_: usize, size: usize) -> Option<io::Error> {
    (size > 9216).then(|| io::Error::from_raw_os_error(socket::EMSGSIZE))
}

#[tokio::test]
async fn datagrams_that_are_too_large_for_the_system_are_sent_in_parts() {
    let system = System::new(too_large);
    let options = options();
    for _ in 0..2 {
        let response = options
            .export(&system, &spans(&[1000; 100]))
            .await
            .expect("sent");
        assert_eq!(
            (response.delivered_items(), response.rejected_items()),
            (100, 0)
        );
    }
    // The limit of 9,216 was found once: 65,000 down to below 8,125.
    let refused =
        *system.calls.lock().expect("no panic") - system.taken.lock().expect("no panic").len();
    assert_eq!(refused, 3);
    let taken = system.taken.lock().expect("no panic");
    assert!(
        taken.iter().all(|size| (1000..8125).contains(size)),
        "{taken:?}"
    );
}

#[tokio::test]
async fn a_span_that_the_system_does_not_take_is_rejected_alone() {
    let system = System::new(too_large);
    let response = options()
        .export(&system, &spans(&[10, 5000, 20_000, 9000, 10]))
        .await;
    let response = response.expect("the others are sent");
    assert_eq!(
        (response.delivered_items(), response.rejected_items()),
        (4, 1)
    );
    let message = response.message().expect("a reason");
    assert!(message.starts_with("span 2 (\"nnn"), "{message}");
    assert!(
        message.contains("the operating system takes no datagram of its 20"),
        "{message}"
    );
}

#[tokio::test]
async fn a_failure_leaves_the_datagram_at_hand_and_those_behind_it() {
    let system = System::new(|call, _| {
        (call == 3).then(|| io::Error::from(io::ErrorKind::ConnectionRefused))
    });
    let mut options = options();
    options.max_packet_bytes = 2000;
    let request = spans(&[1000; 5]);
    let error = options
        .export(&system, &request)
        .await
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.progress().expect("some").delivered_items(), 2);
    assert_eq!(error.remainder().expect("the rest").items(), 3);
    assert_eq!(*system.calls.lock().expect("no panic"), 3);
}

struct Stuck(Arc<str>);

impl Datagrams for Stuck {
    fn shown(&self) -> &Arc<str> {
        &self.0
    }

    async fn send(&self, _: &[u8]) -> io::Result<()> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_in_time_is_a_timeout() {
    let mut options = options();
    options.timeout = Some(Duration::from_secs(3));
    let start = Instant::now();
    let error = options
        .export(&Stuck("udp://agent".into()), &spans(&[1]))
        .await;
    let error = error.expect_err("stuck");
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_retryable());
}

/// What the system says if it has no room for a datagram at the moment.
const ENOBUFS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
    105
} else if cfg!(windows) {
    10_055
} else {
    55
};

#[tokio::test]
async fn a_system_without_buffers_is_tried_again_with_the_whole_datagram() {
    let system = System::new(|call, _| (call == 2).then(|| io::Error::from_raw_os_error(ENOBUFS)));
    let mut options = options();
    options.max_packet_bytes = 2000;
    let request = spans(&[1000; 3]);
    let error = options.export(&system, &request).await.expect_err("full");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    let remainder = error.remainder().expect("the rest").clone();
    assert_eq!(remainder.items(), 2);
    // Nothing was made smaller for it.
    assert_eq!(options.fill_bytes.load(Ordering::Relaxed), 65_000);
    let response = options.export(&system, &remainder).await.expect("sent");
    assert_eq!(response.delivered_items(), 2);
    assert_eq!(system.taken.lock().expect("no panic").len(), 3);
}

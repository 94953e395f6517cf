//! Ports that a server can have for as long as its test runs.

use std::{
    net::{TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// Where to look: below what the operating system gives to connections that go out, which would
/// else take a port while its server is being restarted.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// Ports that nobody listens on, over TCP and UDP; each is given once.
pub fn ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Two test runs at once begin at different places.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("in range");
    std::array::from_fn(|_| {
        (0..COUNT)
            .map(|_| {
                let step = NEXT.fetch_add(1, Ordering::Relaxed);
                let offset = (u32::from(start) * 7 + u32::from(step)) % u32::from(COUNT);
                FIRST + u16::try_from(offset).expect("in range")
            })
            .find(|port| {
                TcpListener::bind(("127.0.0.1", *port)).is_ok()
                    && UdpSocket::bind(("127.0.0.1", *port)).is_ok()
            })
            .expect("a free port")
    })
}

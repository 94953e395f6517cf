//! A collector inside the app's process, on a thread of its own: a sidecar without a container.
//!
//! `cargo run --example sidecar` (on Unix)
//!
//! The app's tasks and other processes on the machine send OTLP to it over gRPC, HTTP and a Unix
//! socket. It has its own runtime, so an app that is busy or panics does not stop it. On SIGTERM
//! the app ends first and the sidecar last, for it may still have telemetry of the app.

#[cfg(unix)]
mod app;
#[cfg(unix)]
mod sidecar;

#[cfg(unix)]
fn main() -> Result<(), tower::BoxError> {
    match std::env::args().nth(1) {
        None => app::main(),
        Some(sidecar) => app::neighbour(&sidecar),
    }
}

#[cfg(not(unix))]
fn main() {
    println!("this example needs Unix sockets and SIGTERM");
}

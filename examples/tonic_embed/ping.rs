//! The service that was there first. Generated ones mount in the same way.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use http::{Request, Response};
use opentelemetry::metrics::{Counter, Meter};
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

#[derive(Clone)]
pub struct Ping {
    pings: Counter<u64>,
}

impl Ping {
    pub fn new(meter: &Meter) -> Self {
        Self {
            pings: meter.u64_counter("ping.pings").build(),
        }
    }
}

impl NamedService for Ping {
    const NAME: &'static str = "example.Ping";
}

impl Service<Request<Body>> for Ping {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        self.pings.add(1, &[]);
        tracing::info!("a ping");
        ready(Ok(Status::ok("pong").into_http()))
    }
}

use std::{io, net::SocketAddr, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Status;
use crate::http_server::HttpServer;

/// How often each branch's counts are remembered, for its rate and its history.
const SAMPLES: Duration = Duration::from_secs(1);

/// Serves the pages of a [`Status`] until it is dropped; made by [`Status::serve`].
///
/// It takes 64 connections at a time, over HTTP/1.1, and drops those that take more than 30
/// seconds to ask.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct StatusServer {
    server: HttpServer,
    _stop: DropGuard,
}

impl StatusServer {
    pub(super) fn bind(status: &Status, address: SocketAddr) -> io::Result<Self> {
        let server = HttpServer::bind(address, status.http_service()).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        })?;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let status = status.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stopped => {}
                () = sample(status) => {}
            }
        });
        Ok(Self {
            server,
            _stop: stop.drop_guard(),
        })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

/// Does not end.
async fn sample(status: Status) {
    let mut ticks = interval(SAMPLES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        status.sample();
    }
}

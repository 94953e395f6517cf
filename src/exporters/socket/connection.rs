//! One connection: written to, and watched for its end.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::stream::Stream;

/// How long a peer is waited for when a connection is closed in good order.
const FAREWELL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
}

/// Why nothing can be written any more.
#[derive(Debug)]
pub(super) enum Closed {
    /// The peer ended its stream.
    End,
    /// The connection broke.
    Broken(io::Error),
}

impl From<io::Error> for Closed {
    fn from(error: io::Error) -> Self {
        Closed::Broken(error)
    }
}

impl Connection {
    pub(super) const fn new(stream: Stream) -> Self {
        Self { stream }
    }

    /// Writes all of `data`. It fails if the peer closes the connection meanwhile, or has closed
    /// it by the time that the last byte is taken.
    pub(super) async fn write(&mut self, data: &mut impl Buf) -> Result<(), Closed> {
        poll_fn(|cx| self.poll_write(cx, data)).await?;
        match self.closed().await {
            None => Ok(()),
            Some(closed) => Err(closed),
        }
    }

    /// Whether the peer has closed the connection by now.
    pub(super) async fn closed(&mut self) -> Option<Closed> {
        for _ in 0..2 {
            let read = poll_fn(|cx| Poll::Ready(self.poll_closed(cx))).await;
            if let Poll::Ready(closed) = read {
                return Some(closed);
            }
            // The runtime learns of what happens on a socket only when it asks for it, which may
            // be after this task has run. The operating system knows at once.
            match self.peek() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Some(Closed::Broken(error)),
                Ok(0) => return Some(Closed::End),
                // Something is there to be read: let the runtime learn of it.
                Ok(_) => tokio::task::yield_now().await,
            }
        }
        None
    }

    /// Waits until the server has said something behind the TLS handshake, or `patience` is over.
    ///
    /// In TLS 1.3 a client is done with the handshake before the server has seen its certificate.
    /// Without this wait the first request would be written, and counted as delivered, on a
    /// connection that the server is about to refuse. Servers mostly send session tickets then.
    pub(super) async fn settle(&mut self, patience: Duration) -> Result<(), Closed> {
        let settled = poll_fn(|cx| match self.poll_closed(cx) {
            Poll::Ready(closed) => Poll::Ready(Err(closed)),
            Poll::Pending if self.stream.may_be_refused() => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        });
        tokio::time::timeout(patience, settled)
            .await
            .unwrap_or(Ok(()))
    }

    /// Ends the connection so that the peer gets to read everything: a socket that is closed with
    /// something unread in it resets the connection, and the peer may lose what it has not read.
    pub(super) async fn close(mut self) {
        let farewell = async {
            if self.stream.shutdown().await.is_ok() {
                poll_fn(|cx| self.poll_closed(cx)).await;
            }
        };
        // There is nothing to do about a peer that does not answer.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut impl Buf,
    ) -> Poll<Result<(), Closed>> {
        if let Poll::Ready(closed) = self.poll_closed(cx) {
            return Poll::Ready(Err(closed));
        }
        while data.has_remaining() {
            let mut stream = Pin::new(&mut self.stream);
            let written = if stream.is_write_vectored() {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = data.chunks_vectored(&mut slices);
                let slices = slices.get(..filled).unwrap_or_default();
                ready!(stream.as_mut().poll_write_vectored(cx, slices))?
            } else {
                ready!(stream.as_mut().poll_write(cx, data.chunk()))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into()));
            }
            data.advance(written);
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    /// Ready when the peer has closed the connection; throws away what it says before.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        let mut space = [const { MaybeUninit::uninit() }; 1024];
        // A peer that talks without end is stopped by the runtime's budget for a task.
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => return Poll::Ready(Closed::End),
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Closed::Broken(error)),
            }
        }
    }

    fn peek(&self) -> io::Result<usize> {
        SockRef::from(self.stream.tcp()).peek(&mut [MaybeUninit::uninit()])
    }
}

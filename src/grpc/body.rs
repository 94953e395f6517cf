//! Writing one message.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::PREFIX;

/// A payload up to this many bytes is copied behind its prefix: that costs less than a DATA
/// frame of its own. A longer one is sent as it is.
const COPY_UP_TO: usize = 4096;

/// A body of one message, and of trailers if it is an answer.
#[derive(Debug)]
pub(crate) struct UnaryBody {
    prefix: Bytes,
    payload: Bytes,
    trailers: Option<HeaderMap>,
}

impl UnaryBody {
    /// `None` if the payload is longer than a gRPC message can be (4 GiB).
    pub(crate) fn new(payload: Bytes, compressed: bool) -> Option<Self> {
        let length = u32::try_from(payload.len()).ok()?;
        let copied = payload.len() <= COPY_UP_TO;
        let mut prefix = BytesMut::with_capacity(PREFIX + if copied { payload.len() } else { 0 });
        prefix.put_u8(u8::from(compressed));
        prefix.put_u32(length);
        let payload = if copied {
            prefix.put_slice(&payload);
            Bytes::new()
        } else {
            payload
        };
        Some(Self {
            prefix: prefix.freeze(),
            payload,
            trailers: None,
        })
    }

    /// Ends the body with trailers.
    #[cfg(feature = "receiver-grpc")]
    pub(crate) fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self
    }
}

impl Body for UnaryBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        for part in [&mut body.prefix, &mut body.payload] {
            if !part.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(part)))));
            }
        }
        Poll::Ready(body.trailers.take().map(|all| Ok(Frame::trailers(all))))
    }

    fn is_end_stream(&self) -> bool {
        self.prefix.is_empty() && self.payload.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.prefix.len() + self.payload.len();
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_long_payload_is_sent_without_a_copy() {
        let payload = Bytes::from(vec![7; COPY_UP_TO + 1]);
        let mut body = UnaryBody::new(payload.clone(), true).expect("fits");
        assert_eq!(body.size_hint().exact(), Some(COPY_UP_TO as u64 + 6));
        let prefix = body.frame().await.expect("a frame").expect("no error");
        assert_eq!(prefix.into_data().expect("data")[..], [1, 0, 0, 0x10, 0x01]);
        let sent = body.frame().await.expect("a frame").expect("no error");
        assert_eq!(
            sent.into_data().expect("data").as_ptr(),
            payload.as_ptr(),
            "the same memory"
        );
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_short_payload_shares_the_frame_of_its_prefix() {
        let mut body = UnaryBody::new(Bytes::from_static(b"hi"), false).expect("fits");
        let frame = body.frame().await.expect("a frame").expect("no error");
        assert_eq!(
            frame.into_data().expect("data")[..],
            [0, 0, 0, 0, 2, b'h', b'i']
        );
        assert!(body.is_end_stream());
    }
}

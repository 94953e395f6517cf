//! Collecting an HTTP body, up to a limit.

use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use tower::BoxError;

/// Why a body could not be collected.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// It is larger than the limit. The size is known if the peer announced it.
    TooLarge {
        /// The announced size, in bytes.
        #[cfg_attr(not(feature = "receiver-http"), allow(dead_code))]
        announced: Option<u64>,
    },
    /// The connection broke, or the peer broke the protocol.
    Broken(#[cfg_attr(not(feature = "receiver-http"), allow(dead_code))] BoxError),
}

/// Collects `body`, of at most `limit` bytes. A body of one frame is not copied.
///
/// Memory grows with what arrives, never with what a header announces.
pub(crate) async fn collect<B>(mut body: Pin<&mut B>, limit: usize) -> Result<Bytes, CollectError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let announced = body.size_hint().exact();
    if announced.is_some_and(|size| size > limit as u64) || body.size_hint().lower() > limit as u64
    {
        return Err(CollectError::TooLarge { announced });
    }
    let Some(first) = next_data(body.as_mut()).await? else {
        return Ok(Bytes::new());
    };
    fits(first.len(), limit)?;
    let Some(second) = next_data(body.as_mut()).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(data) = next {
        fits(whole.len().saturating_add(data.len()), limit)?;
        whole.extend_from_slice(&data);
        next = next_data(body.as_mut()).await?;
    }
    Ok(whole.freeze())
}

/// Reads the rest of a body and throws it away, at most `limit` bytes of it. A body that is known
/// to be longer is left alone.
#[cfg(feature = "receiver-http")]
pub(crate) async fn discard<B>(mut body: Pin<&mut B>, limit: u64)
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > limit {
        return;
    }
    let mut left = limit;
    while let Ok(Some(data)) = next_data(body.as_mut()).await {
        match left.checked_sub(data.len() as u64) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn fits(size: usize, limit: usize) -> Result<(), CollectError> {
    if size > limit {
        return Err(CollectError::TooLarge { announced: None });
    }
    Ok(())
}

/// The next frame of data, skipping trailers and empty frames.
async fn next_data<B>(mut body: Pin<&mut B>) -> Result<Option<Bytes>, CollectError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    loop {
        let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        let Some(frame) = frame else {
            return Ok(None);
        };
        let frame = frame.map_err(|error| CollectError::Broken(error.into()))?;
        if let Ok(mut data) = frame.into_data()
            && data.has_remaining()
        {
            // Of `Bytes` this takes a reference, not a copy.
            return Ok(Some(data.copy_to_bytes(data.remaining())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, pin::pin};

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn frames(parts: &[&'static [u8]]) -> impl Body<Data = Bytes, Error = Infallible> + use<> {
        let frames: Vec<_> = parts
            .iter()
            .map(|part| Ok(Frame::data(Bytes::from_static(part))))
            .collect();
        StreamBody::new(stream::iter(frames))
    }

    async fn collect<B: Body<Error: Into<BoxError>>>(
        body: B,
        limit: usize,
    ) -> Result<Bytes, CollectError> {
        super::collect(pin!(body), limit).await
    }

    #[tokio::test]
    async fn one_frame_is_not_copied() {
        let sent = Bytes::from(vec![7; 100]);
        let got = collect(Full::new(sent.clone()), 100).await.expect("fits");
        assert_eq!(got.as_ptr(), sent.as_ptr());
        assert_eq!(got.len(), 100);
    }

    #[tokio::test]
    async fn frames_are_joined() {
        let got = collect(frames(&[b"", b"ab", b"", b"c", b"def"]), 6).await;
        assert_eq!(got.expect("fits"), "abcdef");
        assert!(collect(frames(&[]), 0).await.expect("empty").is_empty());
    }

    #[cfg(feature = "receiver-http")]
    #[tokio::test]
    async fn discarding_ends_at_the_limit() {
        let mut body = pin!(frames(&[b"ab", b"cd", b"ef", b"gh"]));
        discard(body.as_mut(), 3).await;
        let rest = super::collect(body.as_mut(), 100).await.expect("fits");
        assert_eq!(rest, "efgh");
        let mut body = pin!(Full::new(Bytes::from_static(b"abcd")));
        discard(body.as_mut(), 3).await;
        let rest = super::collect(body.as_mut(), 100).await.expect("fits");
        assert_eq!(rest, "abcd");
    }

    #[tokio::test]
    async fn too_large_is_noticed_with_and_without_an_announcement() {
        let error = collect(frames(&[b"ab", b"cd"]), 3)
            .await
            .expect_err("4 > 3");
        assert!(matches!(error, CollectError::TooLarge { announced: None }));
        let error = collect(frames(&[b"abcd"]), 3).await.expect_err("4 > 3");
        assert!(matches!(error, CollectError::TooLarge { announced: None }));
        let error = collect(Full::new(Bytes::from_static(b"abcd")), 3).await;
        assert!(matches!(
            error.expect_err("4 > 3"),
            CollectError::TooLarge { announced: Some(4) }
        ));
    }
}

//! Reading one message.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use tower::BoxError;

use super::PREFIX;

/// The buffer for a message that comes in several parts starts no larger than this, whatever
/// length its header claims; it grows with what really arrives.
const FIRST_RESERVE: usize = 256 << 10;

/// A message up to this many bytes is copied even if it comes in one part: a slice would keep
/// the whole read buffer of the connection alive for as long as the message waits somewhere.
const COPY_UP_TO: usize = 2048;

/// One message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) compressed: bool,
    pub(crate) payload: Bytes,
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// Known from the header, before anything was buffered.
    #[error("message larger than max ({size} vs. {limit})")]
    TooLarge {
        /// What the header says, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Neither compressed nor not.
    #[error("invalid compression flag {0} in the header of the gRPC message")]
    Flag(u8),
    #[error("the body ends inside the gRPC message")]
    Truncated,
    #[error("more data than one gRPC message")]
    MoreThanOne,
    #[error("the body could not be read")]
    Body(#[source] BoxError),
}

/// Collects the one message of a body.
#[derive(Debug)]
pub(crate) struct UnaryReader {
    limit: usize,
    prefix: [u8; PREFIX],
    prefix_len: usize,
    /// Flag and length, once the prefix is complete.
    header: Option<(bool, usize)>,
    payload: Payload,
}

#[derive(Debug)]
enum Payload {
    /// Nothing, or all of it in the form in which the body gave it.
    Whole(Bytes),
    Parts(BytesMut),
}

impl Payload {
    fn len(&self) -> usize {
        match self {
            Payload::Whole(bytes) => bytes.len(),
            Payload::Parts(bytes) => bytes.len(),
        }
    }
}

impl UnaryReader {
    /// Accepts a message of at most `limit` bytes, as it travels.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            prefix: [0; PREFIX],
            prefix_len: 0,
            header: None,
            payload: Payload::Whole(Bytes::new()),
        }
    }

    /// Reads the body to its end. Gives its trailers, if it has any.
    pub(crate) fn poll<B>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, ReadError>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        loop {
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(Ok(None)),
                Some(Err(error)) => return Poll::Ready(Err(ReadError::Body(error.into()))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.push(data)?,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        return Poll::Ready(Ok(Some(trailers)));
                    }
                }
            }
        }
    }

    fn push(&mut self, mut data: Bytes) -> Result<(), ReadError> {
        let (_, length) = match self.header {
            Some(header) => header,
            None => {
                let missing = &mut self.prefix[self.prefix_len..];
                let taken = missing.len().min(data.len());
                missing[..taken].copy_from_slice(&data[..taken]);
                data.advance(taken);
                self.prefix_len += taken;
                if self.prefix_len < PREFIX {
                    return Ok(());
                }
                *self.header.insert(self.parse_prefix()?)
            }
        };
        if data.is_empty() {
            return Ok(());
        }
        let have = self.payload.len();
        if data.len() > length - have {
            return Err(ReadError::MoreThanOne);
        }
        if data.len() == length && length > COPY_UP_TO {
            self.payload = Payload::Whole(data);
            return Ok(());
        }
        if let Payload::Whole(_) = self.payload {
            self.payload = Payload::Parts(BytesMut::with_capacity(length.min(FIRST_RESERVE)));
        }
        if let Payload::Parts(parts) = &mut self.payload {
            if parts.capacity() - have < data.len() {
                // Twice as much each time, but never more than the whole message.
                let wanted = (have * 2).max(have + data.len()).min(length);
                parts.reserve(wanted - have);
            }
            parts.extend_from_slice(&data);
        }
        Ok(())
    }

    fn parse_prefix(&self) -> Result<(bool, usize), ReadError> {
        let [flag, length @ ..] = self.prefix;
        let compressed = match flag {
            0 => false,
            1 => true,
            other => return Err(ReadError::Flag(other)),
        };
        let length = u32::from_be_bytes(length);
        match usize::try_from(length) {
            Ok(size) if size <= self.limit => Ok((compressed, size)),
            _ => Err(ReadError::TooLarge {
                size: u64::from(length),
                limit: self.limit,
            }),
        }
    }

    /// The message, after the end of the body; `None` if the body was empty.
    pub(crate) fn finish(&mut self) -> Result<Option<Message>, ReadError> {
        let Some((compressed, length)) = self.header else {
            return match self.prefix_len {
                0 => Ok(None),
                _ => Err(ReadError::Truncated),
            };
        };
        let payload = match mem::replace(&mut self.payload, Payload::Whole(Bytes::new())) {
            Payload::Whole(payload) => payload,
            Payload::Parts(parts) => parts.freeze(),
        };
        if payload.len() < length {
            return Err(ReadError::Truncated);
        }
        Ok(Some(Message {
            compressed,
            payload,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&[u8]], limit: usize) -> Result<Option<Message>, ReadError> {
        let mut reader = UnaryReader::new(limit);
        for part in parts {
            reader.push(Bytes::copy_from_slice(part))?;
        }
        reader.finish()
    }

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0];
        out.extend((payload.len() as u32).to_be_bytes());
        out.extend(payload);
        out
    }

    #[test]
    fn however_a_message_is_cut_it_reads_the_same() {
        for payload in [&b""[..], b"x", &[7; 3000]] {
            let frame = framed(payload);
            for size in [1, 2, 3, 5, 6, 1000, frame.len()] {
                let parts: Vec<&[u8]> = frame.chunks(size).collect();
                let message = read(&parts, 1 << 20).expect("reads").expect("a message");
                assert_eq!(message.payload, payload, "in parts of {size} bytes");
                assert!(!message.compressed);
            }
        }
    }

    #[test]
    fn a_long_message_in_one_part_is_not_copied() {
        let frame = Bytes::from(framed(&[7; COPY_UP_TO + 1]));
        let mut reader = UnaryReader::new(1 << 20);
        reader.push(frame.clone()).expect("fits");
        let message = reader.finish().expect("complete").expect("a message");
        assert_eq!(message.payload.as_ptr(), frame[PREFIX..].as_ptr());
    }

    #[test]
    fn a_claimed_length_reserves_little() {
        let mut reader = UnaryReader::new(usize::MAX);
        let frame = [0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        reader.push(Bytes::copy_from_slice(&frame)).expect("fits");
        let Payload::Parts(parts) = &reader.payload else {
            panic!("it came in parts");
        };
        assert!(parts.capacity() <= FIRST_RESERVE);
    }

    #[test]
    fn no_body_is_no_message() {
        assert!(read(&[], 10).expect("no error").is_none());
        assert!(read(&[b""], 10).expect("no error").is_none());
    }

    #[test]
    fn each_damage_has_its_error() {
        let truncated: [&[u8]; 3] = [&[0, 0], &[0, 0, 0, 0, 9], &[0, 0, 0, 0, 2, 1]];
        for frame in truncated {
            assert!(matches!(read(&[frame], 10), Err(ReadError::Truncated)));
        }
        assert!(matches!(
            read(&[&[0, 0, 0, 0, 1, 1, 0]], 10),
            Err(ReadError::MoreThanOne)
        ));
        assert!(matches!(
            read(&[&[0, 0, 0, 0, 0], &[0]], 10),
            Err(ReadError::MoreThanOne)
        ));
        assert!(matches!(
            read(&[&[7, 0, 0, 0, 0]], 10),
            Err(ReadError::Flag(7))
        ));
        assert!(matches!(
            read(&[&[0, 0, 0, 0, 11]], 10),
            Err(ReadError::TooLarge {
                size: 11,
                limit: 10
            })
        ));
    }
}

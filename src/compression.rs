//! Compression of OTLP bodies, and decompression with a limit.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// gzip, at level 1: on telemetry higher levels cost several times the work for a
    /// body that is about a tenth smaller.
    Gzip,
    /// Zstandard, at level 1: about as small as gzip at level 6, in a fifth of its time.
    Zstd,
    /// `deflate`, which in HTTP means the zlib format (RFC 9110, section 8.4.1.2).
    Deflate,
}

impl Compression {
    /// All ways that really compress, in the order in which a receiver offers them.
    pub const ALL: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Deflate];

    /// The name in `Content-Encoding` and `grpc-encoding`: `identity`, `gzip`, `zstd`, `deflate`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Compression::None => "identity",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Deflate => "deflate",
        }
    }

    /// Reads a name as it stands in a header or an option: case is ignored, `""`, `identity`
    /// and `none` mean no compression. `None` if the name is not known.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("") || is("identity") || is("none") {
            Some(Compression::None)
        } else if is("gzip") || is("x-gzip") {
            Some(Compression::Gzip)
        } else if is("zstd") {
            Some(Compression::Zstd)
        } else if is("deflate") || is("zlib") {
            Some(Compression::Deflate)
        } else {
            None
        }
    }

    pub(crate) fn compress(self, body: &[u8]) -> io::Result<Vec<u8>> {
        let level = flate2::Compression::fast();
        let mut out = Vec::with_capacity(body.len() / 4 + 64);
        match self {
            Compression::None => out.extend_from_slice(body),
            Compression::Gzip => {
                flate2::bufread::GzEncoder::new(body, level).read_to_end(&mut out)?;
            }
            Compression::Deflate => {
                flate2::bufread::ZlibEncoder::new(body, level).read_to_end(&mut out)?;
            }
            Compression::Zstd => zstd::stream::copy_encode(body, &mut out, 1)?,
        }
        Ok(out)
    }

    /// Decompresses `body`, refusing to produce more than `limit` bytes.
    ///
    /// Memory grows with what is really there, never with what a header claims.
    pub(crate) fn decompress(self, body: &Bytes, limit: usize) -> Result<Bytes, Decompress> {
        let out = match self {
            Compression::None if body.len() > limit => return Err(Decompress::TooLarge { limit }),
            Compression::None => return Ok(body.clone()),
            Compression::Gzip => read_limited(MultiGzDecoder::new(&body[..]), body.len(), limit),
            Compression::Deflate => read_limited(ZlibDecoder::new(&body[..]), body.len(), limit),
            Compression::Zstd => read_limited(
                zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(Decompress::Invalid)?,
                body.len(),
                limit,
            ),
        }?;
        Ok(Bytes::from(out))
    }
}

fn read_limited(reader: impl Read, compressed: usize, limit: usize) -> Result<Vec<u8>, Decompress> {
    // Telemetry compresses about five times; the limit guards against what compresses better.
    let mut out = Vec::with_capacity(compressed.saturating_mul(6).min(limit).min(8 << 20));
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(cap)
        .read_to_end(&mut out)
        .map_err(Decompress::Invalid)?;
    if out.len() > limit {
        return Err(Decompress::TooLarge { limit });
    }
    Ok(out)
}

/// Why a body cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Decompress {
    /// It is larger than allowed.
    #[error("the decompressed body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// It is not in the format that its header names.
    #[error("the body is not validly compressed: {0}")]
    Invalid(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_reads_back() {
        let body = Bytes::from(b"telemetry ".repeat(1000));
        for form in Compression::ALL {
            let small = Bytes::from(form.compress(&body).expect("compresses"));
            assert!(small.len() < body.len() / 10, "{form:?}");
            assert_eq!(
                form.decompress(&small, body.len()).expect("reads back"),
                body
            );
        }
    }

    #[test]
    fn a_bomb_is_an_error_at_the_limit() {
        let body = vec![0; 10 << 20];
        for form in Compression::ALL {
            let bomb = Bytes::from(form.compress(&body).expect("compresses"));
            let error = form.decompress(&bomb, 1 << 20).expect_err("too large");
            assert!(matches!(error, Decompress::TooLarge { limit } if limit == 1 << 20));
        }
    }

    #[test]
    fn garbage_and_truncation_are_errors() {
        for form in Compression::ALL {
            let garbage = Bytes::from_static(b"this is not compressed");
            assert!(matches!(
                form.decompress(&garbage, 1 << 20),
                Err(Decompress::Invalid(_))
            ));
            let whole = form.compress(&[7; 100_000]).expect("compresses");
            let cut = Bytes::copy_from_slice(&whole[..whole.len() / 2]);
            assert!(form.decompress(&cut, 1 << 20).is_err(), "{form:?}");
        }
    }

    #[test]
    fn names_read_back() {
        for form in Compression::ALL {
            assert_eq!(Compression::from_name(form.as_str()), Some(form));
        }
        assert_eq!(Compression::from_name("GZIP"), Some(Compression::Gzip));
        assert_eq!(Compression::from_name("br"), None);
    }
}

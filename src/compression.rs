//! Compression of OTLP bodies, and decompression with a limit.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::{ExportError, layers::admission::Reservation};

/// What is paid for at a time, in bytes, when a body is decompressed within a budget.
const STEP: usize = 64 << 10;

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
    #[cfg_attr(not(feature = "otlp-grpc"), allow(dead_code))]
    pub(crate) fn decompress(self, body: &Bytes, limit: usize) -> Result<Bytes, Decompress> {
        self.decompress_within(body, limit, None)
    }

    /// The same, where the result is paid for from a budget, step by step, before it is made.
    /// The reservation grows by the size of the result, or of what was made before the error.
    pub(crate) fn decompress_within(
        self,
        body: &Bytes,
        limit: usize,
        paid: Option<&mut Reservation>,
    ) -> Result<Bytes, Decompress> {
        let size = body.len();
        let out = match self {
            Compression::None if size > limit => return Err(Decompress::TooLarge { limit }),
            Compression::None => return Ok(body.clone()),
            Compression::Gzip => read(MultiGzDecoder::new(&body[..]), size, limit, paid),
            Compression::Deflate => read(ZlibDecoder::new(&body[..]), size, limit, paid),
            Compression::Zstd => read(
                zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(Decompress::Invalid)?,
                size,
                limit,
                paid,
            ),
        }?;
        Ok(Bytes::from(out))
    }
}

fn read(
    reader: impl Read,
    compressed: usize,
    limit: usize,
    paid: Option<&mut Reservation>,
) -> Result<Vec<u8>, Decompress> {
    // Telemetry compresses about five times; the limit guards against what compresses better.
    let likely = compressed.saturating_mul(6).min(limit).min(8 << 20);
    match paid {
        Some(paid) => read_paid(reader, likely, limit, paid),
        None => read_limited(reader, likely, limit),
    }
}

fn read_limited(reader: impl Read, likely: usize, limit: usize) -> Result<Vec<u8>, Decompress> {
    let mut out = Vec::with_capacity(likely);
    read_up_to(reader, &mut out, limit.saturating_add(1))?;
    if out.len() > limit {
        return Err(Decompress::TooLarge { limit });
    }
    Ok(out)
}

fn read_paid(
    mut reader: impl Read,
    likely: usize,
    limit: usize,
    paid: &mut Reservation,
) -> Result<Vec<u8>, Decompress> {
    let before = paid.bytes();
    let mut out = Vec::new();
    let mut step = likely.max(STEP);
    loop {
        let taken = paid.grow_by_up_to(step.min(limit - out.len()));
        if taken == 0 {
            // Perhaps that was all.
            let mut more = [0];
            if read_some(&mut reader, &mut more)? == 0 {
                break;
            }
            if out.len() >= limit {
                return Err(Decompress::TooLarge { limit });
            }
            return Err(Decompress::Refused(paid.refuse(paid.bytes() + 1)));
        }
        out.reserve_exact(taken);
        let end = out.len() + taken;
        read_up_to(&mut reader, &mut out, taken)?;
        if out.len() < end {
            break;
        }
        step = STEP;
    }
    paid.shrink_to(before + out.len());
    Ok(out)
}

fn read_up_to(reader: impl Read, out: &mut Vec<u8>, bytes: usize) -> Result<(), Decompress> {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let read = reader.take(bytes).read_to_end(out);
    read.map(drop).map_err(Decompress::Invalid)
}

fn read_some(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Decompress> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(Decompress::Invalid),
        }
    }
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
    /// The budget that has to pay for it is used up.
    #[error(transparent)]
    Refused(ExportError),
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
    fn what_is_made_is_paid_for() {
        use crate::{ErrorKind, layers::admission::AdmissionBudget};
        for size in [0, 1, STEP - 1, STEP, STEP + 1, 1_000_000] {
            let body = Bytes::from(vec![7; size]);
            for form in Compression::ALL {
                let small = Bytes::from(form.compress(&body).expect("compresses"));
                let make = |budget: &AdmissionBudget| {
                    let mut paid = budget.reserve(10).expect("free");
                    let made = form.decompress_within(&small, 1_000_000, Some(&mut paid));
                    (made, paid.bytes())
                };
                let exact = AdmissionBudget::new(10 + size).expect("a budget");
                let (made, paid) = make(&exact);
                assert_eq!(made.expect("fits"), body, "{form:?} {size}");
                assert_eq!(paid, 10 + size, "{form:?}");
                let ample = AdmissionBudget::new(10 << 20).expect("a budget");
                assert_eq!(make(&ample).1, 10 + size, "{form:?}");
                assert_eq!(ample.in_use(), 0);
                if size == 0 {
                    continue;
                }
                let tight = AdmissionBudget::new(9 + size).expect("a budget");
                let Err(Decompress::Refused(error)) = make(&tight).0 else {
                    panic!("{form:?}: one byte does not fit");
                };
                assert_eq!(error.kind(), ErrorKind::TooLarge, "it can never fit");
                let shared = AdmissionBudget::new(10 + size).expect("a budget");
                let neighbour = shared.reserve(1);
                let Err(Decompress::Refused(error)) = make(&shared).0 else {
                    panic!("{form:?}: one byte does not fit");
                };
                assert_eq!(error.kind(), ErrorKind::Overloaded, "it fits later");
                assert!(neighbour.is_ok());
            }
        }
    }

    #[test]
    fn the_limit_holds_within_a_budget_too() {
        use crate::layers::admission::AdmissionBudget;
        let budget = AdmissionBudget::new(64 << 20).expect("a budget");
        for form in Compression::ALL {
            let bomb = Bytes::from(form.compress(&[0; 300_000]).expect("compresses"));
            let mut paid = budget.reserve(0).expect("free");
            let made = form.decompress_within(&bomb, 299_999, Some(&mut paid));
            assert!(matches!(made, Err(Decompress::TooLarge { limit: 299_999 })));
            assert!(budget.peak() <= 300_000);
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

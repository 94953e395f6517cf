//! The content of a file, cut into records.

use std::io::{self, BufRead, BufReader, Read};

use bytes::Bytes;

use super::{FileReadProblem, input::Input};
use crate::{
    ExportRequest, Signal,
    files::{Inner, LENGTH},
    otlp::Limits,
};

const BUFFER: usize = 64 << 10;

/// What is larger than this is not made room for at once: a length in a damaged file may be
/// anything.
const STEP: u64 = 1 << 20;

/// Cuts records, each in a buffer of its own at the most.
pub(super) struct Records {
    input: BufReader<Input>,
    inner: Option<Inner>,
    limit: usize,
    /// Where the next record begins in the content.
    offset: u64,
    /// How many records there were.
    number: u64,
    is_over: bool,
}

/// A record as it stands in the file, or why there is none.
pub(super) struct Record {
    pub(super) number: u64,
    pub(super) offset: u64,
    pub(super) body: Result<Body, FileReadProblem>,
}

/// What is in a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    Json(Vec<u8>),
    /// The last line of a file, which lacks its end and perhaps more.
    UnendedJson(Vec<u8>),
    Protobuf(Vec<u8>),
}

impl Body {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Body::Json(bytes) | Body::UnendedJson(bytes) | Body::Protobuf(bytes) => bytes,
        }
    }
}

impl Records {
    pub(super) fn new(input: Input, limit: usize) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER, input),
            inner: None,
            limit,
            offset: 0,
            number: 0,
            is_over: false,
        }
    }

    /// The next record; `None` at the end. Blank lines count and are passed over.
    pub(super) fn next(&mut self) -> Option<Record> {
        while !self.is_over {
            let offset = self.offset;
            let body = match self.body() {
                Ok(Some(body)) => {
                    self.number += 1;
                    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
                    if matches!(&body, Body::Json(line) if line.iter().all(is_blank)) {
                        continue;
                    }
                    Ok(body)
                }
                Ok(None) => {
                    self.is_over = true;
                    return None;
                }
                Err(problem) => {
                    self.number += 1;
                    Err(problem)
                }
            };
            return Some(Record {
                number: self.number,
                offset,
                body,
            });
        }
        None
    }

    fn body(&mut self) -> Result<Option<Body>, FileReadProblem> {
        let inner = match self.inner {
            Some(inner) => inner,
            None => {
                let head = match self.input.fill_buf() {
                    Ok(head) => head,
                    Err(error) => return Err(self.stopped(error, 0)),
                };
                *self.inner.insert(Inner::of(head))
            }
        };
        match inner {
            Inner::Lines => self.line(),
            Inner::Lengths => self.length_prefixed(),
        }
    }

    fn line(&mut self) -> Result<Option<Body>, FileReadProblem> {
        let mut line = Vec::new();
        // The end of the line does not count.
        let most = (self.limit as u64).saturating_add(1);
        let read = (&mut self.input).take(most).read_until(b'\n', &mut line);
        self.offset += line.len() as u64;
        if let Err(error) = read {
            return Err(self.stopped(error, line.len()));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Some(Body::Json(line)));
        }
        if line.len() > self.limit {
            self.skip_line()?;
            return Err(FileReadProblem::TooLarge { limit: self.limit });
        }
        // The end of the file.
        self.is_over = true;
        Ok((!line.is_empty()).then_some(Body::UnendedJson(line)))
    }

    fn skip_line(&mut self) -> Result<(), FileReadProblem> {
        loop {
            let there = match self.input.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(there) => there,
                Err(error) => return Err(self.stopped(error, 0)),
            };
            let end = there.iter().position(|byte| *byte == b'\n');
            let passed = end.map_or(there.len(), |end| end + 1);
            self.input.consume(passed);
            self.offset += passed as u64;
            if end.is_some() {
                return Ok(());
            }
        }
    }

    fn length_prefixed(&mut self) -> Result<Option<Body>, FileReadProblem> {
        let mut prefix = [0; LENGTH];
        let read = self.read_exact(&mut prefix)?;
        if read == 0 {
            return Ok(None);
        }
        if read < LENGTH {
            self.is_over = true;
            return Err(FileReadProblem::Torn { bytes: read as u64 });
        }
        let length = u64::from(u32::from_be_bytes(prefix));
        let mut record = Vec::with_capacity(usize::try_from(length.min(STEP)).unwrap_or(0));
        let is_too_large = length > self.limit as u64;
        let mut taken = (&mut self.input).take(length);
        let read = match is_too_large {
            true => io::copy(&mut taken, &mut io::sink()),
            false => taken.read_to_end(&mut record).map(|read| read as u64),
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => return Err(self.stopped(error, LENGTH + record.len())),
        };
        self.offset += read;
        if is_too_large {
            return Err(FileReadProblem::TooLarge { limit: self.limit });
        }
        if read < length {
            self.is_over = true;
            let bytes = LENGTH as u64 + read;
            return Err(FileReadProblem::Torn { bytes });
        }
        self.unpacked(record).map(Some)
    }

    /// A record that may be a Zstandard frame of its own.
    fn unpacked(&self, record: Vec<u8>) -> Result<Body, FileReadProblem> {
        let is_packed = record.starts_with(&crate::files::ZSTD);
        let record = if is_packed {
            let most = (self.limit as u64).saturating_add(1);
            let mut out = Vec::new();
            let frame = zstd::stream::read::Decoder::with_buffer(&record[..]);
            let unpacked = frame.and_then(|frame| frame.take(most).read_to_end(&mut out));
            if let Err(error) = unpacked {
                return match is_protobuf(&record) {
                    true => Ok(Body::Protobuf(record)),
                    false => Err(FileReadProblem::Damaged(error)),
                };
            }
            if out.len() > self.limit {
                return Err(FileReadProblem::TooLarge { limit: self.limit });
            }
            out
        } else {
            record
        };
        Ok(match record.first() {
            Some(b'{') if !is_protobuf(&record) => Body::Json(record),
            _ => Body::Protobuf(record),
        })
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<usize, FileReadProblem> {
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) => break,
                Ok(some) => read += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.stopped(error, read)),
            }
        }
        self.offset += read as u64;
        Ok(read)
    }

    /// What an error of the input means, after so many bytes of a record.
    fn stopped(&mut self, error: io::Error, bytes: usize) -> FileReadProblem {
        match error.kind() {
            // The next member or frame begins with a record.
            io::ErrorKind::InvalidData => FileReadProblem::Damaged(error),
            io::ErrorKind::UnexpectedEof => {
                self.is_over = true;
                let bytes = bytes as u64;
                FileReadProblem::Torn { bytes }
            }
            _ => {
                self.is_over = true;
                FileReadProblem::Io(error)
            }
        }
    }
}

/// Whether a record that begins like something else is protobuf with items all the same: it may
/// begin with a field that this version does not know. JSON text never is that, for it has no line
/// break in front of an item.
fn is_protobuf(record: &[u8]) -> bool {
    let limits = Limits::default().max_bytes(usize::MAX);
    Signal::ALL.into_iter().any(|signal| {
        let bytes = Bytes::copy_from_slice(record);
        let read = ExportRequest::from_protobuf_with(signal, bytes, &limits);
        read.is_ok_and(|request| !request.is_empty())
    })
}

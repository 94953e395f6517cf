//! The uncompressed content of a file, whatever it is compressed with.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::files::{Content, GZIP, ZSTD, is_skippable};

const BUFFER: usize = 64 << 10;

/// A file that counts how much of it was read.
pub(super) struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}

type Source = BufReader<Counted>;

/// Reads members and frames one after the other, as one content. After an error about the content
/// of one, reading goes on with the next.
pub(super) struct Input(State);

enum State {
    Plain(Source),
    Gzip(GzDecoder<Source>),
    Zstd(Box<ZstdDecoder<'static, Source>>),
    /// Between two members or frames. What is not the beginning of one is passed over; if it is
    /// not zeros, that is an error, unless there was one already.
    Between {
        source: Source,
        of: Content,
        is_known_bad: bool,
    },
    End,
}

impl Input {
    pub(super) fn new(file: File, read: Arc<AtomicU64>) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(BUFFER, Counted { file, read });
        let content = Content::of(source.fill_buf()?);
        Ok(Self(match content {
            Content::Plain(_) => State::Plain(source),
            of => State::Between {
                source,
                of,
                is_known_bad: false,
            },
        }))
    }
}

impl Read for Input {
    /// An error of the kind [`InvalidData`](io::ErrorKind::InvalidData) is about content that is
    /// damaged, one of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) about a file that
    /// ends too early.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.0 {
                State::Plain(source) => return source.read(buffer),
                State::End => return Ok(0),
                State::Gzip(member) => match member.read(buffer) {
                    Ok(0) => self.leave(false),
                    Ok(read) => return Ok(read),
                    Err(error) => return Err(self.fail(error)),
                },
                State::Zstd(frame) => match frame.read(buffer) {
                    Ok(0) => self.leave(false),
                    Ok(read) => return Ok(read),
                    Err(error) => return Err(self.fail(error)),
                },
                State::Between { .. } => self.enter()?,
            }
        }
    }
}

impl Input {
    /// Goes from a member or frame to what is behind it.
    fn leave(&mut self, is_known_bad: bool) {
        self.0 = match std::mem::replace(&mut self.0, State::End) {
            State::Gzip(member) => State::Between {
                source: member.into_inner(),
                of: Content::Gzip,
                is_known_bad,
            },
            State::Zstd(frame) => State::Between {
                source: frame.finish(),
                of: Content::Zstd,
                is_known_bad,
            },
            other => other,
        };
    }

    fn fail(&mut self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::Interrupted => return error,
            io::ErrorKind::UnexpectedEof => self.0 = State::End,
            // zstd's own errors have no kind, and an operating system's have a number.
            _ if error.raw_os_error().is_none() => {
                self.leave(true);
                return io::Error::new(io::ErrorKind::InvalidData, error);
            }
            _ => self.0 = State::End,
        }
        error
    }

    /// Goes from between two members or frames into the next.
    fn enter(&mut self) -> io::Result<()> {
        let State::Between {
            mut source,
            of,
            is_known_bad,
        } = std::mem::replace(&mut self.0, State::End)
        else {
            return Ok(());
        };
        let mut passed = false;
        // The last bytes passed over or looked at: a beginning may lie across two buffers.
        let mut head = Vec::with_capacity(4);
        loop {
            head.clear();
            peek(&mut source, &mut head)?;
            if head.is_empty() {
                break;
            }
            let is_beginning = match of {
                Content::Gzip => head.starts_with(&GZIP),
                _ => head
                    .first_chunk::<4>()
                    .is_some_and(|magic| *magic == ZSTD || is_skippable(*magic)),
            };
            if is_beginning {
                break;
            }
            // A beginning that is cut off is a torn tail, not garbage.
            if !passed && !is_known_bad && head.len() < 4 && of.may_begin_with(&head) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            passed |= head.first() != Some(&0);
            source.consume(1);
        }
        let is_end = head.is_empty();
        if passed && !is_known_bad {
            if !is_end {
                self.0 = State::Between {
                    source,
                    of,
                    is_known_bad: false,
                };
            }
            let message = "there is something else between what is compressed";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if !is_end {
            self.0 = match of {
                Content::Gzip => State::Gzip(GzDecoder::new(source)),
                _ => State::Zstd(Box::new(ZstdDecoder::with_buffer(source)?.single_frame())),
            };
        }
        Ok(())
    }
}

/// The next four bytes, or as many as there are. They are still to be read.
fn peek(source: &mut Source, head: &mut Vec<u8>) -> io::Result<()> {
    let there = source.fill_buf()?;
    if there.len() >= 4 || there.is_empty() {
        head.extend_from_slice(there.get(..4).unwrap_or_default());
        return Ok(());
    }
    // At the end of a buffer: rare.
    let rest = there.to_vec();
    let inner = source.get_ref();
    let mut file = &inner.file;
    let mut more = [0; 4];
    use std::io::Seek as _;
    let position = file.stream_position()?;
    let wanted = 4 - rest.len();
    let mut read = 0;
    while read < wanted {
        match file.read(more.get_mut(read..wanted).unwrap_or_default())? {
            0 => break,
            some => read += some,
        }
    }
    file.seek(io::SeekFrom::Start(position))?;
    head.extend_from_slice(&rest);
    head.extend_from_slice(more.get(..read).unwrap_or_default());
    Ok(())
}

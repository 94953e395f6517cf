//! The uncompressed content of a file, whatever it is compressed with.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom},
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
struct Counted {
    file: File,
    position: u64,
    /// Up to here it is counted already.
    furthest: u64,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.position += read as u64;
        if self.position > self.furthest {
            self.read.fetch_add(self.position - self.furthest, Relaxed);
            self.furthest = self.position;
        }
        Ok(read)
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

type Source = BufReader<Counted>;

/// Reads members and frames one after the other, as one content. After an error about the content
/// of one, reading goes on with the next.
pub(super) struct Input(State);

enum State {
    Plain(Source),
    /// In a member or a frame, which begins at this byte of the file.
    In(Packed, u64),
    /// Between two of them.
    Between(Source, Format),
    End,
}

enum Packed {
    Gzip(Box<GzDecoder<Source>>),
    Zstd(Box<ZstdDecoder<'static, Source>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Gzip,
    Zstd,
}

impl Input {
    pub(super) fn new(file: File, read: Arc<AtomicU64>) -> io::Result<Self> {
        let counted = Counted {
            file,
            position: 0,
            furthest: 0,
            read,
        };
        let mut source = BufReader::with_capacity(BUFFER, counted);
        Ok(Self(match Content::of(source.fill_buf()?) {
            Content::Plain(_) => State::Plain(source),
            Content::Gzip => State::Between(source, Format::Gzip),
            Content::Zstd => State::Between(source, Format::Zstd),
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
            let result = match &mut self.0 {
                State::Plain(source) => return source.read(buffer),
                State::End => return Ok(0),
                State::Between(..) => {
                    self.enter()?;
                    continue;
                }
                State::In(Packed::Gzip(member), _) => member.read(buffer),
                State::In(Packed::Zstd(frame), _) => frame.read(buffer),
            };
            match result {
                Ok(0) => self.leave(),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
    }
}

impl Input {
    /// In => Between, at the end of a member or a frame.
    fn leave(&mut self) {
        if let State::In(packed, _) = std::mem::replace(&mut self.0, State::End) {
            let (source, format) = packed.into_source();
            self.0 = State::Between(source, format);
        }
    }

    /// In => Between, if there is another beginning behind that of the member or frame which is
    /// bad; else End.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let state = std::mem::replace(&mut self.0, State::End);
        let is_torn = error.kind() == io::ErrorKind::UnexpectedEof;
        // What the decompressors say themselves bears no number of the operating system.
        if error.raw_os_error().is_some() {
            return error;
        }
        let State::In(packed, start) = state else {
            return error;
        };
        // They may have taken the next one for a part of this.
        let (mut source, format) = packed.into_source();
        let next = source
            .seek(SeekFrom::Start(start + 1))
            .and_then(|_| pass_to_beginning(&mut source, format));
        match next {
            Ok(true) => self.0 = State::Between(source, format),
            Ok(false) if is_torn => return error,
            Ok(false) => {}
            Err(failed) => return failed,
        }
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    /// Between => In, or End at the end of the file. What stands in between may be zeros, which
    /// some tools pad with; anything else is an error, once, and passed over.
    fn enter(&mut self) -> io::Result<()> {
        let State::Between(mut source, format) = std::mem::replace(&mut self.0, State::End) else {
            return Ok(());
        };
        let head = loop {
            let zeros = match source.fill_buf()? {
                [] => return Ok(()),
                there => there.iter().take_while(|byte| **byte == 0).count(),
            };
            if zeros == 0 {
                break peek(&mut source)?;
            }
            source.consume(zeros);
        };
        if !format.begins(&head) {
            let content = match format {
                Format::Gzip => Content::Gzip,
                Format::Zstd => Content::Zstd,
            };
            if head.len() < 4 && content.may_begin_with(&head) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if pass_to_beginning(&mut source, format)? {
                self.0 = State::Between(source, format);
            }
            let message = "there is something else between what is compressed";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let start = source.stream_position()?;
        let packed = match format {
            Format::Gzip => Packed::Gzip(Box::new(GzDecoder::new(source))),
            Format::Zstd => {
                Packed::Zstd(Box::new(ZstdDecoder::with_buffer(source)?.single_frame()))
            }
        };
        self.0 = State::In(packed, start);
        Ok(())
    }
}

impl Packed {
    fn into_source(self) -> (Source, Format) {
        match self {
            Packed::Gzip(member) => (member.into_inner(), Format::Gzip),
            Packed::Zstd(frame) => (frame.finish(), Format::Zstd),
        }
    }
}

impl Format {
    /// How it begins, but for skippable frames.
    const fn magic(self) -> &'static [u8] {
        match self {
            Format::Gzip => &GZIP,
            Format::Zstd => &ZSTD,
        }
    }

    fn begins(self, head: &[u8]) -> bool {
        let skippable = || head.first_chunk().is_some_and(|magic| is_skippable(*magic));
        head.starts_with(self.magic()) || (self == Format::Zstd && skippable())
    }
}

/// Passes over everything up to the next beginning; `false` if there is none.
fn pass_to_beginning(source: &mut Source, format: Format) -> io::Result<bool> {
    let first = format.magic().first();
    loop {
        let there = source.fill_buf()?;
        if there.is_empty() {
            return Ok(false);
        }
        let at = there.iter().position(|byte| Some(byte) == first);
        let passed = at.unwrap_or(there.len());
        source.consume(passed);
        if at.is_some() {
            if peek(source)?.starts_with(format.magic()) {
                return Ok(true);
            }
            // Looking may have emptied the buffer, of which nothing can be consumed then.
            source.seek_relative(1)?;
        }
    }
}

/// The next four bytes, or as many as there are. They are still to be read.
fn peek(source: &mut Source) -> io::Result<Vec<u8>> {
    let there = source.fill_buf()?;
    if let Some(head) = there.get(..4) {
        return Ok(head.to_vec());
    }
    // At the end of a buffer: rare.
    let position = source.stream_position()?;
    let mut head = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut head)?;
    source.seek(SeekFrom::Start(position))?;
    Ok(head)
}

//! Where the last whole record of a file ends: what stands behind it was being written when a
//! process or a machine went down.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use flate2::bufread::GzDecoder;

use crate::{
    ExportRequest, Signal,
    files::{Content, Inner, LENGTH, ZSTD, is_skippable},
    otlp::Limits,
};

/// What is to be done with the end of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    Whole,
    /// The last line is whole and lacks its end.
    Unended,
    /// A record was cut off behind this many bytes.
    Torn(u64),
    /// What stands behind this many bytes is not what this exporter writes.
    Damaged(u64),
}

/// Looks at the end of a file of this content.
pub(super) fn look(file: &File, content: Content, max_record: usize) -> io::Result<Tail> {
    let mut file = file;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    match content {
        Content::Plain(Inner::Lines) => lines(file, length, max_record),
        Content::Plain(Inner::Lengths) => lengths(file, length, max_record),
        Content::Gzip => gzip(file, length),
        Content::Zstd => zstd(file, length),
    }
}

fn lines(mut file: &File, length: u64, max_record: usize) -> io::Result<Tail> {
    const STEP: u64 = 64 << 10;
    let mut block = Vec::new();
    let mut end = length;
    // Back to the last newline.
    let start = loop {
        let start = end.saturating_sub(STEP);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut block)?;
        match block.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => break start + at as u64 + 1,
            None if start == 0 => break 0,
            None => end = start,
        }
    };
    let left = length - start;
    if left == 0 {
        return Ok(Tail::Whole);
    }
    if left > max_record as u64 {
        return Ok(Tail::Damaged(start));
    }
    block.clear();
    file.seek(SeekFrom::Start(start))?;
    file.take(left).read_to_end(&mut block)?;
    let limits = Limits::default().max_bytes(usize::MAX);
    let is_whole = Signal::ALL.iter().any(|signal| {
        ExportRequest::from_json_with(*signal, &block, &limits)
            .is_ok_and(|request| !request.is_empty())
    });
    // After a crash of the machine a file may end in zeros.
    let text = block.split(|byte| *byte == 0).next().unwrap_or_default();
    let beginnings = [
        "{\"resourceSpans\"",
        "{\"resourceMetrics\"",
        "{\"resourceLogs\"",
    ];
    let is_ours = beginnings.iter().any(|beginning| {
        let shorter = text.len().min(beginning.len());
        text.get(..shorter) == beginning.as_bytes().get(..shorter)
    });
    Ok(if is_whole {
        Tail::Unended
    } else if is_ours {
        Tail::Torn(start)
    } else {
        // Somebody else's: it is not cut off, only ended.
        Tail::Unended
    })
}

fn lengths(file: &File, length: u64, max_record: usize) -> io::Result<Tail> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut end = 0;
    while end < length {
        let mut prefix = [0; LENGTH];
        if length - end < LENGTH as u64 {
            return Ok(Tail::Torn(end));
        }
        reader.read_exact(&mut prefix)?;
        let record = u64::from(u32::from_be_bytes(prefix));
        // A record is never empty: these are zeros of a crash, or nothing of ours.
        if record == 0 || record > max_record as u64 {
            return Ok(Tail::Damaged(end));
        }
        let next = end + LENGTH as u64 + record;
        if next > length {
            return Ok(Tail::Torn(end));
        }
        reader.seek_relative(record.cast_signed())?;
        end = next;
    }
    Ok(Tail::Whole)
}

fn gzip(file: &File, length: u64) -> io::Result<Tail> {
    // Only reading a member through says where it ends.
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut end = 0;
    while end < length {
        let mut member = GzDecoder::new(&mut reader);
        match io::copy(&mut member, &mut io::sink()) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Tail::Torn(end));
            }
            Err(error) if is_about_content(&error) => return Ok(Tail::Damaged(end)),
            Err(error) => return Err(error),
        }
        end = reader.stream_position()?;
    }
    Ok(Tail::Whole)
}

fn is_about_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
    )
}

/// Goes from frame to frame, and from block to block: RFC 8878, section 3.1.1. Nothing is
/// decompressed.
fn zstd(file: &File, length: u64) -> io::Result<Tail> {
    let mut reader = BufReader::with_capacity(64 << 10, file);
    let mut end = 0;
    while end < length {
        match frame(&mut reader) {
            Ok(Some(size)) if end + size <= length => end += size,
            Ok(Some(_)) => return Ok(Tail::Torn(end)),
            Ok(None) => return Ok(Tail::Damaged(end)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Tail::Torn(end));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Tail::Whole)
}

/// Passes a frame, and says how long it is, be its end there or not. `None` if it is none.
fn frame(reader: &mut BufReader<&File>) -> io::Result<Option<u64>> {
    let start = reader.stream_position()?;
    let magic: [u8; 4] = bytes(reader)?;
    if is_skippable(magic) {
        let size = u32::from_le_bytes(bytes(reader)?);
        reader.seek_relative(i64::from(size))?;
        return Ok(Some(8 + u64::from(size)));
    }
    if magic != ZSTD {
        return Ok(None);
    }
    let [descriptor] = bytes(reader)?;
    let has_checksum = descriptor & 0b100 != 0;
    let is_single_segment = descriptor & 0b10_0000 != 0;
    let window = i64::from(!is_single_segment);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 0b11)];
    let content_size = match descriptor >> 6 {
        0 => i64::from(is_single_segment),
        flag => 1 << flag,
    };
    reader.seek_relative(window + dictionary + content_size)?;
    loop {
        let [low, middle, high] = bytes(reader)?;
        let block = u32::from_le_bytes([low, middle, high, 0]);
        let size = match block >> 1 & 0b11 {
            // One byte, and how often it is there.
            1 => 1,
            3 => return Ok(None),
            _ => block >> 3,
        };
        reader.seek_relative(i64::from(size))?;
        if block & 1 == 1 {
            break;
        }
    }
    reader.seek_relative(if has_checksum { 4 } else { 0 })?;
    Ok(Some(reader.stream_position()? - start))
}

fn bytes<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

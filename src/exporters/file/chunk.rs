//! The records that are written next, and who waits for them.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use super::{
    FileCompression, LeftOut,
    encode::{encode, length_prefixed},
    settings::Settings,
    worker::Caller,
};
use crate::{ExportResponse, otlp::OtlpBytes};

/// zstd's and gzip's level: as for bodies, see [`Compression`](crate::Compression).
const LEVEL: i32 = 1;

/// A buffer that has grown beyond this does not stay.
const KEPT_CAPACITY: usize = 16 << 20;

/// Buffers and compressors are used again and again.
pub(super) struct Chunk {
    settings: Arc<Settings>,
    records: Vec<u8>,
    compressed: Vec<u8>,
    scratch: Vec<u8>,
    zstd: zstd::bulk::Compressor<'static>,
    waiting: Vec<(Caller, ExportResponse)>,
}

/// A record that was added.
pub(super) struct Recorded {
    /// Where it begins in the chunk.
    pub(super) start: usize,
    pub(super) left_out: Option<LeftOut>,
}

/// Why a record was not added.
pub(super) enum Refused {
    TooLarge { size: usize },
    Compression(io::Error),
}

impl Chunk {
    pub(super) fn new(settings: &Arc<Settings>) -> io::Result<Self> {
        let mut zstd = zstd::bulk::Compressor::new(LEVEL)?;
        zstd.include_checksum(true)?;
        Ok(Self {
            settings: settings.clone(),
            records: Vec::new(),
            compressed: Vec::new(),
            scratch: Vec::new(),
            zstd,
            waiting: Vec::new(),
        })
    }

    /// Size before compression, in bytes.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Adds a record. What is refused leaves no trace.
    pub(super) fn add(&mut self, otlp: &OtlpBytes, limit: usize) -> Result<Recorded, Refused> {
        let start = self.records.len();
        let framed = self.settings.compression == FileCompression::ZstdRecords;
        let (out, before) = match framed {
            true => {
                self.scratch.clear();
                (&mut self.scratch, 0)
            }
            false => (&mut self.records, start),
        };
        let left_out = encode(otlp, self.settings.format, out);
        let size = out.len() - before;
        if size > limit {
            out.truncate(before);
            return Err(Refused::TooLarge { size });
        }
        if framed && size > 0 {
            let record = content(&self.scratch, self.settings.format);
            pack(&mut self.zstd, record, &mut self.compressed).map_err(Refused::Compression)?;
            let frame = &self.compressed;
            length_prefixed(&mut self.records, |out| out.extend_from_slice(frame));
        }
        Ok(Recorded { start, left_out })
    }

    /// Someone waits for the record that was added last.
    pub(super) fn wait(&mut self, caller: Caller, response: ExportResponse) {
        self.waiting.push((caller, response));
    }

    /// Takes out the record that begins here.
    pub(super) fn split_off(&mut self, start: usize) -> Vec<u8> {
        self.records.split_off(start)
    }

    /// Begins the chunk, which is empty, with this record.
    pub(super) fn put_back(&mut self, record: Vec<u8>) {
        self.records.extend_from_slice(&record);
    }

    /// What is to be written.
    pub(super) fn bytes(&mut self) -> io::Result<&[u8]> {
        if self.records.is_empty() {
            return Ok(&[]);
        }
        match self.settings.compression {
            FileCompression::None | FileCompression::ZstdRecords => Ok(&self.records),
            FileCompression::Zstd => {
                pack(&mut self.zstd, &self.records, &mut self.compressed)?;
                Ok(&self.compressed)
            }
            FileCompression::Gzip => {
                self.compressed.clear();
                let level = flate2::Compression::fast();
                let mut gzip = flate2::write::GzEncoder::new(&mut self.compressed, level);
                gzip.write_all(&self.records)?;
                gzip.finish()?;
                Ok(&self.compressed)
            }
        }
    }

    /// Empties the chunk; returns who waited for it.
    pub(super) fn clear(&mut self) -> Vec<(Caller, ExportResponse)> {
        for buffer in [&mut self.records, &mut self.compressed, &mut self.scratch] {
            buffer.clear();
            buffer.shrink_to(KEPT_CAPACITY);
        }
        std::mem::take(&mut self.waiting)
    }
}

/// The record without the end of its line: what is in a frame of its own needs none.
fn content(record: &[u8], format: super::FileFormat) -> &[u8] {
    match format {
        super::FileFormat::Json => record.strip_suffix(b"\n").unwrap_or(record),
        super::FileFormat::Protobuf => record.get(crate::files::LENGTH..).unwrap_or(record),
    }
}

fn pack(zstd: &mut zstd::bulk::Compressor<'_>, source: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    out.reserve(zstd::zstd_safe::compress_bound(source.len()));
    zstd.compress_to_buffer(source, out)?;
    Ok(())
}

//! `file:`

use super::{
    Target, UrlError,
    value::{duration, flag, one_of, size},
};
use crate::{
    BoxExporter, ExporterExt as _, Signal,
    exporters::file::{FileCompression, FileExporter, FileFormat, Fsync},
};

pub(super) fn file(mut target: Target) -> Result<BoxExporter, UrlError> {
    target.no_user_info()?;
    target.no_authority("file:///path/of/file")?;
    let path = target.file_path()?;
    if path.is_empty() || path.ends_with('/') {
        let message = "the file is missing; write file:///path/of/file";
        return Err(UrlError::new("path", message));
    }
    let params = &mut target.params;
    let mut builder = FileExporter::builder(path);
    let formats = [
        ("json", FileFormat::Json),
        ("protobuf", FileFormat::Protobuf),
    ];
    if let Some(format) = params.read("format", |value| one_of(value, &formats))? {
        builder = builder.format(format);
    }
    let compressions = [
        ("none", FileCompression::None),
        ("gzip", FileCompression::Gzip),
        ("zstd", FileCompression::Zstd),
        ("zstd-records", FileCompression::ZstdRecords),
    ];
    if let Some(value) = params.read("compression", |value| one_of(value, &compressions))? {
        builder = builder.compression(value);
    }
    if let Some(bytes) = params.read("rotate", size)? {
        builder = builder.rotate_bytes(bytes as u64);
    }
    if let Some(age) = params.read("rotate_after", duration)? {
        builder = builder.rotate_after(age);
    }
    if let Some(files) = params.read("keep", number)? {
        builder = builder.keep(files);
    }
    if let Some(age) = params.read("keep_for", duration)? {
        builder = builder.keep_for(age);
    }
    if let Some(value) = params.read("fsync", fsync)? {
        builder = builder.fsync(value);
    }
    let signals = Signal::ALL.map(|signal| (signal.as_str(), signal));
    if let Some(signal) = params.read("signal", |value| one_of(value, &signals))? {
        builder = builder.signal(signal);
    }
    #[cfg(unix)]
    if let Some(mode) = params.read("mode", mode)? {
        builder = builder.mode(mode);
    }
    if let Some(create) = params.read("create_directory", flag)? {
        builder = builder.create_directory(create);
    }
    if let Some(bytes) = params.read("max_record_bytes", size)? {
        builder = builder.max_record_bytes(bytes);
    }
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}

fn number(value: &str) -> Result<usize, String> {
    value
        .parse()
        .map_err(|_| format!("`{value}` is not a number of files"))
}

fn fsync(value: &str) -> Result<Fsync, String> {
    let words = [("never", Fsync::Never), ("every-write", Fsync::EveryWrite)];
    one_of(value, &words)
        .or_else(|_| duration(value).map(Fsync::Interval))
        .map_err(|_| {
            format!("`{value}` is not one of never, every-write, nor a duration such as 1s")
        })
}

#[cfg(unix)]
fn mode(value: &str) -> Result<u32, String> {
    match u32::from_str_radix(value, 8) {
        Ok(mode) if mode <= 0o777 && value.len() >= 3 => Ok(mode),
        _ => Err(format!("`{value}` is not octal permissions such as 0640")),
    }
}

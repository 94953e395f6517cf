//! Any telemetry, in any form, comes back as it was.

use tower_otlp::{
    ExportRequest, Signal,
    exporters::file::{self, FileExporter, FileFormat, Fsync},
    receivers::FileReader,
};

use super::*;
use crate::support::{
    generate::{Draw, Options},
    oracle,
};

fn request(signal: Signal, draw: &mut Draw) -> ExportRequest {
    let message = oracle::generate(signal, draw);
    ExportRequest::from_protobuf(signal, oracle::encode(&message)).expect("generated")
}

#[tokio::test]
async fn whatever_is_written_reads_back_to_the_last_field() {
    // JSON has no form for the others.
    let options = Options {
        odd_ids: false,
        ..Options::default()
    };
    for (format, compression) in forms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel-{signal}.log");
        let exporter = FileExporter::builder(&path)
            .format(format)
            .compression(compression)
            .rotate_bytes(200_000)
            .fsync(Fsync::Never)
            .build()
            .expect("opened");
        for signal in Signal::ALL {
            let all = (0..).map(|seed| request(signal, &mut Draw::seeded(seed, options)));
            let all: Vec<_> = all.filter(|request| !request.is_empty()).take(60).collect();
            for request in &all {
                let response = export(&exporter, request.clone()).await.expect("written");
                assert_eq!(response.delivered_items(), request.items());
            }
            let path = folder.path().join(format!("otel-{signal}.log"));
            let reader = FileReader::builder().signal(signal).rotated_set(path);
            let found: Vec<_> = reader.build().expect("files").collect();
            assert_eq!(found.len(), all.len(), "{format:?} {compression:?}");
            for (found, sent) in found.into_iter().zip(&all) {
                let found = found.expect("reads").request;
                assert_eq!(found.items(), sent.items());
                if format == FileFormat::Protobuf {
                    assert_eq!(found.protobuf(), sent.protobuf());
                    continue;
                }
                let decode = |request: &ExportRequest| {
                    let message = oracle::decode(signal, request.protobuf());
                    oracle::as_views_read(message.expect("prost reads it"))
                };
                // JSON tells neither the kinds of NaN apart nor an absent member from an empty one.
                let shown = |request: &ExportRequest| {
                    let text = tower_otlp::otlp::json::write(request.otlp());
                    String::from_utf8(text).expect("UTF-8")
                };
                assert_eq!(shown(&found), shown(sent));
                assert_eq!(oracle::items(&decode(&found)), oracle::items(&decode(sent)));
            }
        }
    }
}

#[test]
fn the_encoder_counts_what_it_leaves_out_and_another_parser_reads_the_rest() {
    for signal in Signal::ALL {
        let mut left_out_at_all = 0;
        for seed in 0..300 {
            let request = request(signal, &mut Draw::seeded(seed, Options::default()));
            let mut out = Vec::new();
            let left_out = file::encode(request.otlp(), FileFormat::Json, &mut out);
            let left_out = left_out.map_or(0, |left_out| left_out.items);
            left_out_at_all += left_out;
            if out.is_empty() {
                assert_eq!(left_out, request.items());
                continue;
            }
            let line = out.strip_suffix(b"\n").expect("a line");
            assert!(!line.contains(&b'\n'));
            serde_json::from_slice::<serde_json::Value>(line).expect("JSON");
            let found = ExportRequest::from_json(signal, line).expect("OTLP/JSON");
            assert_eq!(found.items() + left_out, request.items(), "{signal} {seed}");
            let mut out = Vec::new();
            assert_eq!(
                file::encode(request.otlp(), FileFormat::Protobuf, &mut out),
                None
            );
            assert_eq!(&out[4..], &request.protobuf()[..]);
        }
        assert!(left_out_at_all > 0, "the generator makes odd ids");
    }
}

#[test]
fn encoding_allocates_nothing_but_the_buffer() {
    for signal in Signal::ALL {
        let options = Options {
            odd_ids: false,
            ..Options::default()
        };
        let request = request(signal, &mut Draw::seeded(3, options));
        let mut out = Vec::with_capacity(8 << 20);
        for format in [FileFormat::Json, FileFormat::Protobuf] {
            let (left_out, count, _) = crate::support::allocations::allocations(|| {
                file::encode(request.otlp(), format, &mut out)
            });
            assert_eq!((left_out, count), (None, 0), "{signal} {format:?}");
        }
    }
}

/// A file of random bytes, or of a good file with a few of them changed, neither ends the reader
/// early nor keeps it for ever.
#[tokio::test]
async fn hostile_files_are_read_to_their_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut draw = Draw::seeded(11, Options::default());
    for form in forms() {
        let path = folder.path().join(format!("{:?}-{:?}", form.0, form.1));
        let exporter = builder(&path, form)
            .fsync(Fsync::Never)
            .build()
            .expect("opened");
        write(&exporter, 0..10).await;
        close(exporter).await;
        let good = std::fs::read(with_ending(&path, form.1)).expect("there");
        let spoiled = folder.path().join("spoiled");
        for _ in 0..100 {
            let mut bytes = good.clone();
            for _ in 0..=draw.below(4) {
                let at = draw.below(bytes.len());
                bytes[at] = draw.number() as u8;
            }
            std::fs::write(&spoiled, &bytes).expect("written");
            let reader = FileReader::builder()
                .file(&spoiled)
                .build()
                .expect("a file");
            assert!(reader.take(1000).count() < 1000, "{form:?}");
        }
    }
}

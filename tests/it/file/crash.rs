//! What a crash leaves behind, and what becomes of it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use tower_otlp::{
    ErrorKind, Signal,
    exporters::file::{FileCompression, FileExporter, FileFormat, Fsync},
    receivers::file::FileReadProblem,
};

use super::*;

/// The file of three records, and where each ends.
async fn three_records(form: (FileFormat, FileCompression)) -> (Vec<u8>, Vec<usize>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.log");
    let exporter = builder(&path, form)
        .fsync(Fsync::Never)
        .build()
        .expect("opened");
    let mut ends = vec![0];
    for number in 1..=3 {
        write(&exporter, [number]).await;
        let there = fs::metadata(with_ending(&path, form.1)).expect("a file");
        ends.push(usize::try_from(there.len()).expect("small"));
    }
    (fs::read(with_ending(&path, form.1)).expect("there"), ends)
}

#[tokio::test]
async fn a_file_cut_off_at_any_byte_goes_on_with_a_whole_record() {
    for form in forms() {
        let (whole, ends) = three_records(form).await;
        let folder = tempfile::tempdir().expect("a folder");
        for cut in 0..=whole.len() {
            let path = folder.path().join(format!("{cut}.log"));
            fs::write(with_ending(&path, form.1), &whole[..cut]).expect("written");
            let exporter = builder(&path, form).fsync(Fsync::Never).build();
            let exporter =
                exporter.unwrap_or_else(|error| panic!("{form:?} cut at {cut}: {error}"));
            write(&exporter, [99]).await;
            let survive = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
            let mut expected: Vec<u64> = (1..=survive).collect();
            // A line that lacks nothing but its end is whole.
            let is_line = form == (FileFormat::Json, FileCompression::None);
            if is_line && ends.contains(&(cut + 1)) {
                expected.push(survive + 1);
            }
            expected.push(99);
            assert_eq!(read_all(&path), expected, "{form:?} cut at {cut}");
            close(exporter).await;
        }
        assert_eq!(
            names(folder.path()).len(),
            whole.len() + 1,
            "nothing was set aside"
        );
    }
}

#[tokio::test]
async fn the_reader_says_where_a_file_is_torn_and_reads_the_rest() {
    for form in forms() {
        let (whole, ends) = three_records(form).await;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.log");
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("written");
            let (found, errors) = read(&path);
            let survive = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
            let is_torn = !ends.contains(&cut);
            let all: Vec<u64> = (1..=survive).collect();
            // A record may be there before its line, its frame or its member ends.
            let one_more: Vec<u64> = (1..=survive + 1).collect();
            assert!(
                found == all || (is_torn && found == one_more),
                "{form:?} cut at {cut}: {found:?}"
            );
            if is_torn && found == all {
                let [error] = &errors[..] else {
                    panic!("{form:?} cut at {cut}: {errors:?}");
                };
                let problem = error.problem();
                assert!(
                    matches!(problem, FileReadProblem::Torn { .. }),
                    "{form:?} {cut}: {error}"
                );
                assert_eq!(error.path(), path);
                assert_eq!(error.record(), survive + 1, "{form:?} cut at {cut}");
                assert!(
                    error.to_string().contains("ends within a record"),
                    "{error}"
                );
            } else if !is_torn {
                assert!(errors.is_empty(), "{form:?} cut at {cut}: {errors:?}");
            }
        }
    }
}

#[tokio::test]
async fn zeros_of_a_crash_are_cut_off_or_set_aside() {
    for form in forms() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.log");
        let exporter = builder(&path, form).build().expect("opened");
        write(&exporter, 1..=3).await;
        close(exporter).await;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(with_ending(&path, form.1))
            .expect("there");
        file.write_all(&[0; 5000]).expect("written");
        let exporter = builder(&path, form).build().expect("opened");
        write(&exporter, 4..=5).await;
        let (found, errors) = read(&path);
        assert_eq!(found, [1, 2, 3, 4, 5], "{form:?} {errors:?}");
        close(exporter).await;
    }
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_nothing_deleted() {
    for compression in [FileCompression::Gzip, FileCompression::Zstd] {
        let form = (FileFormat::Json, compression);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.jsonl");
        let exporter = builder(&path, form).build().expect("opened");
        write(&exporter, 1..=3).await;
        close(exporter).await;
        let there = with_ending(&path, compression);
        let mut bytes = fs::read(&there).expect("there");
        bytes.extend_from_slice(b"not compressed at all");
        fs::write(&there, &bytes).expect("written");
        let exporter = builder(&path, form).build().expect("opened");
        write(&exporter, 4..=5).await;
        let all = names(folder.path());
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(fs::read(folder.path().join(&all[0])).expect("there"), bytes);
        let (found, errors) = read(&path);
        assert_eq!(found, [1, 2, 3, 4, 5]);
        let [error] = &errors[..] else {
            panic!("{errors:?}");
        };
        assert!(
            matches!(error.problem(), FileReadProblem::Damaged(_)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_line_of_somebody_else_is_ended_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("otel.jsonl");
    fs::write(&path, "a note without an end").expect("written");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    write(&exporter, [1]).await;
    let text = fs::read_to_string(&path).expect("there");
    assert!(text.starts_with("a note without an end\n{"), "{text}");
    assert_eq!(read(&path).0, [1]);
}

/// Large enough for a write to be interrupted in its middle.
const BODY: usize = 300_000;

fn large(number: u64) -> tower_otlp::ExportRequest {
    let json = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{number}","body":{{"stringValue":"{}"}}}}]}}]}}]}}"#,
        "0123456789".repeat(BODY / 10)
    );
    tower_otlp::ExportRequest::from_json(Signal::Logs, json.as_bytes()).expect("OTLP")
}

const FILE: &str = "TOWER_OTLP_TEST_FILE";
const FORM: &str = "TOWER_OTLP_TEST_FORM";
const START: &str = "TOWER_OTLP_TEST_START";

/// Run by the test below as a process of its own, which writes until it is killed. Run by itself
/// it writes a little.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = env::var_os(FILE).map_or_else(|| folder.path().join("otel.log"), Into::into);
    let number = |name| {
        env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let form = forms()[number(FORM).unwrap_or(0) as usize];
    let start = number(START);
    let exporter = builder(&path, form)
        .fsync(Fsync::Never)
        .build()
        .expect("opened");
    let end = start.map_or(5, |_| u64::MAX);
    for group in (start.unwrap_or(0)..end).step_by(5) {
        let all = (group..group + 5).map(|number| export(&exporter, large(number)));
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer.expect("written").delivered_items(), 1);
        }
        println!("answered {}", group + 5);
    }
    assert_eq!(read_all(&path), [0, 1, 2, 3, 4]);
}

#[cfg(unix)]
#[test]
fn kill_9_loses_nothing_that_was_answered() {
    const ROUNDS: u64 = 4;
    for form in 0..forms().len() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("otel.log");
        let mut answered = Vec::new();
        let mut start = 0;
        for round in 0..ROUNDS {
            let mut child = Command::new(env::current_exe().expect("this test"))
                .args([
                    "--exact",
                    "file::crash::child_that_writes_until_it_is_killed",
                    "--nocapture",
                ])
                .env(FILE, &path)
                .env(FORM, form.to_string())
                .env(START, start.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .expect("it starts");
            let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
            let mut end = start;
            let mut count = 0;
            while count <= round {
                let line = lines.next().expect("it goes on").expect("text");
                // The harness writes to the same line, before.
                if let Some((_, number)) = line.split_once("answered ") {
                    end = number.parse().expect("a number");
                    count += 1;
                }
            }
            child.kill().expect("killed");
            child.wait().expect("gone");
            // What it said before it went.
            for line in lines.map_while(Result::ok) {
                if let Some((_, number)) = line.split_once("answered ") {
                    end = number.parse().unwrap_or(end);
                }
            }
            answered.extend(start..end);
            start = end + 1000;
        }
        // The next writer puts the end in order.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let exporter = builder(&path, forms()[form]).build().expect("opened");
            let response = export(&exporter, numbered(u64::MAX))
                .await
                .expect("written");
            assert_eq!(response.delivered_items(), 1);
            close(exporter).await;
        });
        answered.push(u64::MAX);
        let found = read_all(&path);
        let mut sorted = found.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), found.len(), "{form}: nothing is there twice");
        for number in answered {
            assert!(
                sorted.binary_search(&number).is_ok(),
                "{form}: {number} is lost"
            );
        }
    }
}

/// Run by the test below in a shell that bounds the size of files.
#[tokio::test]
async fn child_whose_files_are_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = env::var_os(FILE).map_or_else(|| folder.path().join("otel.log"), Into::into);
    let exporter = FileExporter::builder(&path).build().expect("opened");
    let response = export(&exporter, numbered(1)).await.expect("there is room");
    assert_eq!(response.delivered_items(), 1);
    let before = fs::metadata(&path).expect("a file").len();
    if env::var_os(FILE).is_some() {
        let error = export(&exporter, large(2))
            .await
            .expect_err("there is no room");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.is_retryable(), "{error}");
        assert_eq!(
            fs::metadata(&path).expect("a file").len(),
            before,
            "no half of a record"
        );
    }
    let response = export(&exporter, numbered(3))
        .await
        .expect("there is room for this");
    assert_eq!(response.delivered_items(), 1);
    assert_eq!(read_all(&path), [1, 3]);
}

#[cfg(unix)]
#[test]
fn a_write_that_stops_half_way_is_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    // 64 KiB; the signal would end the process before it could see the error.
    let script = r#"trap '' XFSZ; ulimit -f 128; exec "$0" --exact file::crash::child_whose_files_are_bounded"#;
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(env::current_exe().expect("this test"))
        .env(FILE, folder.path().join("otel.log"))
        .stdout(Stdio::null())
        .status()
        .expect("a shell");
    assert!(status.success());
}

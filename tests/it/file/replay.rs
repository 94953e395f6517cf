//! Dead letters, and the example that sends them again.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::Output,
    sync::{Arc, Mutex},
};

use tokio::{net::TcpListener, process::Command};
use tower::{Service as _, ServiceBuilder, ServiceExt as _};
use tower_otlp::{
    ErrorKind, ExportError, ExportResponse, Lifecycle, ServiceBuilderExt as _, from_url,
    layers::queue::{Acknowledge, QueueConfig, QueueLayer},
    receivers::OtlpHttpReceiver,
};

use super::*;

async fn replay(arguments: &[&str]) -> Output {
    let test = env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(2).expect("target/debug/deps/test");
    let program = target
        .join("examples")
        .join(format!("replay{}", env::consts::EXE_SUFFIX));
    assert!(program.exists(), "`cargo build --examples` makes it");
    Command::new(program)
        .args(arguments)
        .output()
        .await
        .expect("it starts")
}

/// A destination that takes what it is told to take, and remembers it.
#[derive(Clone, Default)]
struct Destination {
    taken: Arc<Mutex<Vec<u64>>>,
    /// Beyond this many requests it is unavailable.
    most: Option<usize>,
    refuses: Option<u64>,
}

impl Destination {
    async fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let service = tower::service_fn(move |request: ExportRequest| {
            let found = numbers(&request);
            let mut taken = self.taken.lock().expect("not poisoned");
            let answer = if self.most.is_some_and(|most| taken.len() >= most) {
                Err(ExportError::new(ErrorKind::Unavailable, "full"))
            } else if self.refuses.is_some_and(|refused| found.contains(&refused)) {
                Err(ExportError::new(ErrorKind::Rejected, "not this one"))
            } else {
                taken.extend(found);
                Ok(ExportResponse::delivered(request.items()))
            };
            async move { answer }
        });
        let router = OtlpHttpReceiver::new(service).into_axum_router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("otlp+http://{address}")
    }

    fn taken(&self) -> Vec<u64> {
        self.taken.lock().expect("not poisoned").clone()
    }
}

fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[tokio::test]
async fn dead_letters_are_replayed_and_everything_arrives() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dead.jsonl");
    let dead_letters = format!(
        "file://{}?rotate=1KB&compression=zstd&fsync=every-write",
        path.display()
    );
    let lifecycle = Lifecycle::new();
    let config = QueueConfig::new()
        .acknowledge(Acknowledge::OnEnqueue)
        .max_redeliveries(0)
        .dead_letter(from_url(&dead_letters).expect("a file"))
        .lifecycle(&lifecycle);
    let mut pipeline = ServiceBuilder::new()
        .tracked(&lifecycle)
        .queue(QueueLayer::new(config).expect("valid"))
        .service(tower::service_fn(|_: ExportRequest| async {
            Err::<ExportResponse, _>(ExportError::new(ErrorKind::Rejected, "bad data"))
        }));
    for number in 0..500 {
        let answer = pipeline
            .ready()
            .await
            .expect("ready")
            .call(numbered(number))
            .await;
        assert_eq!(answer.expect("retained").retained_items(), 1);
    }
    let report = lifecycle.shutdown(std::time::Duration::from_secs(30)).await;
    assert!(report.complete && report.delivered == 500, "{report}");
    drop(pipeline);
    assert!(names(folder.path()).len() > 2, "{:?}", names(folder.path()));

    let destination = Destination::default();
    let url = destination.clone().serve().await;
    let output = replay(&["--to", &url, path.to_str().expect("UTF-8")]).await;
    assert!(output.status.success(), "{}", shown(&output));
    let taken = destination.taken();
    assert_eq!(taken.len(), 500, "each once");
    let taken: BTreeSet<u64> = taken.into_iter().collect();
    assert_eq!(taken, (0..500).collect());
    let row = shown(&output);
    assert!(row.contains("delivered          500"), "{row}");
}

async fn file_with(folder: &Path, end: u64) -> String {
    let path = folder.join("otel.jsonl");
    let exporter = FileExporter::builder(&path).build().expect("opened");
    write(&exporter, 0..end).await;
    close(exporter).await;
    path.to_str().expect("UTF-8").to_owned()
}

#[tokio::test]
async fn a_replay_that_stopped_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = file_with(folder.path(), 100).await;
    let state = folder.path().join("state").display().to_string();
    let first = Destination {
        most: Some(40),
        ..Destination::default()
    };
    let url = first.clone().serve().await;
    let arguments = [
        "--state",
        &state,
        "--concurrency",
        "1",
        "--give-up",
        "0.1s",
        &file,
    ];
    let output = replay(&[&["--to", &url], &arguments[..]].concat()).await;
    assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
    assert!(shown(&output).contains("stopped: "), "{}", shown(&output));

    let second = Destination::default();
    let url = second.clone().serve().await;
    let output = replay(&[&["--to", &url], &arguments[..]].concat()).await;
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(
        [first.taken(), second.taken()].concat(),
        (0..100).collect::<Vec<_>>()
    );

    // Nothing is left to do.
    let output = replay(&[&["--to", &url], &arguments[..]].concat()).await;
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(second.taken().len(), 60);
}

#[tokio::test]
async fn what_is_refused_or_unreadable_is_told_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = file_with(folder.path(), 10).await;
    let text = fs::read_to_string(&file).expect("there");
    fs::write(&file, format!("nonsense\n{text}")).expect("written");
    let destination = Destination {
        refuses: Some(4),
        ..Destination::default()
    };
    let url = destination.clone().serve().await;
    let output = replay(&["--to", &url, &file]).await;
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    let text = shown(&output);
    assert!(text.contains("record 1, byte 0: invalid OTLP"), "{text}");
    assert!(text.contains("record 6: "), "{text}");
    assert_eq!(destination.taken().len(), 9);
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    for (arguments, part) in [
        (&["file"][..], "--to is needed"),
        (
            &["--to", "console:", "--speed", "9"],
            "there is no option --speed",
        ),
        (
            &["--to", "console:", "/no/such/file"],
            "/no/such/file: cannot be read",
        ),
        (&["--to", "nonsense"], "exporter URL: scheme"),
    ] {
        let output = replay(arguments).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(shown(&output).contains(part), "{}", shown(&output));
    }
}

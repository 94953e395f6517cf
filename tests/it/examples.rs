//! The examples, run as a user runs them.

#![allow(clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};
use tower_otlp::{ExportRequest, Signal};

/// How long an example may run.
const PATIENCE: Duration = Duration::from_secs(10);

/// The example, which cargo builds next to the tests.
fn example(name: &str) -> Command {
    let test = env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(2).expect("target/debug/deps/test");
    let program: PathBuf = target
        .join("examples")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: `cargo test --test it` does not build it, `cargo build --examples` does",
        program.display()
    );
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

async fn run(name: &str, arguments: &[&str]) -> Output {
    run_with(name, arguments, &[]).await
}

/// Runs it with these variables, some of which are not to be set.
pub(crate) async fn run_with(
    name: &str,
    arguments: &[&str],
    variables: &[(&str, Option<&str>)],
) -> Output {
    let mut command = example(name);
    for (variable, value) in variables {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    let output = command.args(arguments).output();
    timeout(PATIENCE, output)
        .await
        .unwrap_or_else(|_| panic!("{name} does not end"))
        .expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn every_example_ends_well() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("examples") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        // These have tests of their own.
        if !["gateway", "quickstart"].contains(&&*name) {
            names.push(name.into_owned());
        }
    }
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        let output = run(&name, &[]).await;
        let told = text(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{told}", output.status);
        assert!(!output.stdout.is_empty(), "{name} shows nothing");
    }
}

#[tokio::test]
async fn quickstart_delivers_everything_to_both_destinations() {
    let output = run("quickstart", &[]).await;
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", text(&output.stderr));

    // signal accepted delivered rejected bytes p50 p99, the last two with a unit each
    let mut delivered = BTreeMap::new();
    for signal in Signal::ALL {
        let row = stdout
            .lines()
            .find(|line| line.starts_with(&format!("{signal} ")) && line.ends_with("ms"))
            .unwrap_or_else(|| panic!("no row for {signal}:\n{stdout}"));
        let numbers: Vec<u64> = row
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        assert!(numbers.len() >= 4, "{row}");
        assert!(numbers[0] > 0, "{row}");
        assert_eq!(numbers[1], numbers[0], "delivered: {row}");
        assert_eq!(numbers[2], 0, "rejected: {row}");
        assert!(numbers[3] > 0, "bytes: {row}");
        delivered.insert(signal, numbers[1]);
    }

    for shown in [
        "charge card",
        "orders{paid=true}",
        "order 1 of hour 9",
        "# TYPE orders_total counter",
        "orders_total{job=\"shop\",otel_scope_name=\"shop\",paid=\"true\"} 10",
    ] {
        assert!(stdout.contains(shown), "{shown}:\n{stdout}");
    }

    let path = stdout
        .lines()
        .find_map(|line| line.strip_prefix("file: "))
        .expect("the file's path");
    let mut written = BTreeMap::<Signal, u64>::new();
    for line in fs::read_to_string(path).expect("the file").lines() {
        let json: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let signal = match json.as_object().and_then(|object| object.keys().next()) {
            Some(key) if key == "resourceSpans" => Signal::Traces,
            Some(key) if key == "resourceMetrics" => Signal::Metrics,
            Some(key) if key == "resourceLogs" => Signal::Logs,
            other => panic!("{other:?} in {line}"),
        };
        let request = ExportRequest::from_json(signal, line.as_bytes()).expect("OTLP/JSON");
        *written.entry(signal).or_default() += request.items();
    }
    assert_eq!(written, delivered);
    fs::remove_dir_all(Path::new(path).parent().expect("a folder")).expect("removed");
}

#[tokio::test]
async fn custom_exporter_counts_by_service() {
    let output = run("custom_exporter", &[]).await;
    assert_eq!(text(&output.stdout), "{\"cart\": 2}\n");
}

/// The rows of the table of wrong orders in the documentation of `layers`.
fn documented_orders() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/layers/mod.rs");
    let source = fs::read_to_string(source).expect("the module");
    let table = source
        .lines()
        .skip_while(|line| !line.starts_with("//! | Order |"));
    let rows = table.skip(2).map_while(|line| line.strip_prefix("//! | "));
    let cells = rows.map(|row| row.trim_end_matches(" |").split_once(" | "));
    let cells = cells.map(|cells| cells.expect("two cells"));
    cells
        .map(|(order, does)| (order.to_owned(), does.to_owned()))
        .collect()
}

#[tokio::test]
async fn compose_shows_every_wrong_order_of_the_documentation_by_running_it() {
    let output = run("compose", &[]).await;
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    assert!(!stdout.contains("LOST"), "{stdout}");
    let documented = documented_orders();
    assert!(documented.len() >= 9, "{documented:?}");
    let lines: Vec<_> = stdout.lines().map(str::trim_end).collect();
    for (order, does) in &documented {
        let place = lines
            .iter()
            .position(|line| line.starts_with(&format!("  {order} (")));
        let place = place.unwrap_or_else(|| panic!("{order} is not run:\n{stdout}"));
        let part = &lines[place + 1..place + 6];
        assert_eq!(part[4], format!("    = {does}"), "{order}");
        // The stack, and what shows the difference, with so much space between them.
        let shown = |line: &str, word: &str| {
            let rest = line
                .trim()
                .strip_prefix(word)
                .expect(word)
                .trim()
                .to_owned();
            let (stack, shown) = rest.split_once("  ").expect("two columns");
            (stack.to_owned(), shown.trim().to_owned())
        };
        let (wrong, right) = (shown(part[0], "wrong"), shown(part[2], "right"));
        assert_ne!(wrong.0, right.0, "{order}");
        assert_ne!(wrong.1, right.1, "{order}: the run shows no difference");
    }
    let run_orders = lines
        .iter()
        .filter(|line| line.starts_with("    = "))
        .count();
    assert_eq!(
        run_orders,
        documented.len(),
        "an order that is not documented"
    );
}

#[tokio::test]
async fn compose_runs_the_readers_own_order() {
    let output = run("compose", &["queue", "batch", "retry", "timeout"]).await;
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    let place = |word: &str| stdout.find(&format!("│ {word} ")).expect(word);
    assert!(place("queue") < place("batch") && place("batch") < place("retry"));
    assert!(place("retry") < place("timeout"));
    // in, delivered, early, twice
    for (fault, expected) in [
        ("no fault", [80, 80, 0, 0]),
        ("outage of 12 s", [80, 80, 0, 0]),
        ("slow for 12 s", [80, 80, 0, 0]),
        ("too large beyond 4 items", [80, 0, 0, 0]),
        ("partial failures", [80, 80, 0, 0]),
        ("callers leave after 2 s", [80, 80, 0, 0]),
        ("shutdown, back in time", [80, 80, 0, 0]),
        ("shutdown, never back", [80, 0, 0, 0]),
    ] {
        let row = stdout.lines().find_map(|line| line.strip_prefix(fault));
        let row = row.unwrap_or_else(|| panic!("{fault}: {stdout}"));
        let numbers = row.split_whitespace().map_while(|word| word.parse().ok());
        let numbers: Vec<u64> = numbers.take(4).collect();
        assert_eq!(numbers, expected, "{fault}: {stdout}");
    }
    assert!(stdout.contains("told: too_large 80"), "{stdout}");
    assert!(stdout.contains("told: closed 80"), "{stdout}");
    assert!(stdout.contains("No pair of these is in a wrong order."));
    assert!(!stdout.contains("LOST"), "{stdout}");
}

#[tokio::test]
async fn compose_warns_of_a_wrong_order_and_says_what_to_swap() {
    let output = run("compose", &["track", "timeout", "queue=enqueue", "retry"]).await;
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}");
    for part in [
        "warning: timeout above queue=enqueue: the caller is told of a failure while",
        "instead: put the timeout below the queue and the batch",
        "warning: timeout above retry: it bounds all attempts together",
        "dropped: shutdown 80",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[tokio::test]
async fn compose_knows_every_layer_by_name() {
    let help = run("compose", &["--help"]).await;
    assert_eq!(help.status.code(), Some(0));
    let usage = text(&help.stdout);
    let named = usage.lines().filter_map(|line| line.strip_prefix("    "));
    let names: Vec<_> = named
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    // Ours: one for each module of `layers`; and tower's.
    for module in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/layers")).expect("layers")
    {
        let module = module.expect("an entry").path();
        if !module.is_dir() {
            continue;
        }
        let module = module
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .replace('_', "-");
        let known = names
            .iter()
            .any(|name| *name == module || name.ends_with(&format!("-{module}")));
        assert!(known, "{module}: {usage}");
    }
    for tower in ["concurrency-limit", "load-shed", "buffer", "timeout"] {
        assert!(names.contains(&tower), "{tower}: {usage}");
    }
    for name in names {
        let output = run("compose", &[name]).await;
        let stdout = text(&output.stdout);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        assert!(!stdout.contains("LOST"), "{name}: {stdout}");
    }
    let unknown = run("compose", &["queue", "retri"]).await;
    assert_eq!(unknown.status.code(), Some(2));
    let told = text(&unknown.stderr);
    assert!(
        told.starts_with("compose: there is no layer `retri`"),
        "{told}"
    );
    assert!(
        told.contains("    circuit-breaker"),
        "the list of them: {told}"
    );
}

#[tokio::test]
async fn gateway_says_what_is_wrong_with_its_arguments() {
    let to = |more: &[&'static str]| [&["--to", "console:"], more].concat();
    for (arguments, messages) in [
        (
            vec![],
            ["required arguments were not provided", "--to <URL>"],
        ),
        (vec!["--to"], ["value is required for '--to <URL>'", "none"]),
        (vec!["--too", "console:"], ["'--too'", "--help"]),
        (
            to(&["--grpc", "4317"]),
            ["invalid value '4317' for '--grpc <ADDR>'", "address"],
        ),
        (
            to(&["--drain-timeout", "soon"]),
            ["'soon' for '--drain-timeout <TIME>'", "expected number"],
        ),
        (
            ["--fallback", "console:x"]
                .into_iter()
                .chain(to(&[]))
                .collect(),
            ["console:x", "is for the --to before it"],
        ),
        (
            ["--dead-letter", "console:y"]
                .into_iter()
                .chain(to(&[]))
                .collect(),
            ["console:y", "is for the --to before it"],
        ),
        (
            to(&["--fallback", "nowhere"]),
            ["exporter URL: scheme: it is missing", "--help"],
        ),
        (
            to(&["--overflow", "spill"]),
            ["'spill' for '--overflow", "block, reject-new, drop-oldest"],
        ),
        (
            to(&["--ack", "never"]),
            ["'never' for '--ack", "delivery, enqueue"],
        ),
        (
            to(&["--queue-bytes", "64MB"]),
            ["'64MB' for '--queue-bytes <N>'", "invalid digit"],
        ),
        (
            to(&["--queue-bytes", "0"]),
            ["a queue of zero bytes holds nothing", "max_bytes"],
        ),
        (
            to(&["--batch-items", "0"]),
            ["batch layer: max_items is 0", ""],
        ),
        (
            to(&["--batch-timeout=-1s"]),
            ["'-1s' for '--batch-timeout <TIME>'", "expected number"],
        ),
        (to(&["--rate-items", "0"]), ["rate", "0"]),
        (
            to(&["--max-concurrency", "0"]),
            ["a minimum of 0 requests in flight", "min_limit"],
        ),
        (
            to(&["--max-concurrency", "some"]),
            ["'some' for '--max-concurrency <auto|N>'", "invalid digit"],
        ),
        (
            vec!["--to", "kafka://broker:9092"],
            ["exporter URL: scheme: `kafka` is not known", "otlp+grpc:, "],
        ),
        (
            vec!["--to", "otlp+grpc://host:4317?timeout=5"],
            ["parameter `timeout`: `5` is not a duration", "500ms, "],
        ),
    ] {
        let output = run("gateway", &arguments).await;
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.starts_with("error: "), "{arguments:?}: {told}");
        for message in messages {
            assert!(told.contains(message), "{arguments:?}: {message}: {told}");
        }
    }
    let output = run("gateway", &["--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for flag in [
        "--to <URL>",
        "--fallback <URL>",
        "--dead-letter <URL>",
        "--grpc <ADDR>",
        "--http <ADDR>",
        "--self <ADDR>",
        "--drain-timeout <TIME>",
        "--batch-items <N>",
        "--batch-bytes <N>",
        "--batch-timeout <TIME>",
        "--queue-bytes <N>",
        "--overflow <",
        "--ack <",
        "--rate-items <N>",
        "--max-concurrency <auto|N>",
    ] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
}

#[cfg(unix)]
mod gateway {
    use std::{
        future::ready,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use tokio::{
        io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
        net::TcpListener,
        process::{Child, ChildStderr},
        sync::{Semaphore, mpsc},
    };
    use tonic::transport::server::{Server, TcpIncoming};
    use tower::ServiceExt as _;
    use tower_otlp::{
        ErrorKind, ExportError, ExportResponse, Exporter, RetryAdvice, from_url,
        receivers::grpc::OtlpGrpcReceiver,
    };

    use super::*;

    struct Gateway {
        process: Child,
        stderr: Lines<BufReader<ChildStderr>>,
        grpc: String,
        http: String,
        /// Where its status is, with `--self`.
        page: Option<String>,
    }

    impl Gateway {
        /// Starts it on free ports, and waits until it is ready.
        async fn start(arguments: &[&str]) -> Self {
            let mut process = example("gateway")
                .args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
                .args(arguments)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it starts");
            let stderr = process.stderr.take().expect("piped");
            let mut gateway = Self {
                process,
                stderr: BufReader::new(stderr).lines(),
                grpc: String::new(),
                http: String::new(),
                page: None,
            };
            let mut ready = gateway.line().await;
            if let Some(page) = ready.strip_prefix("status ") {
                gateway.page = Some(page.to_owned());
                ready = gateway.line().await;
            }
            let (grpc, http) = ready
                .strip_prefix("ready grpc=")
                .and_then(|rest| rest.split_once(" http="))
                .unwrap_or_else(|| panic!("{ready}"));
            for address in [grpc, http] {
                assert!(!address.ends_with(":0"), "{ready}");
            }
            gateway.grpc = grpc.to_owned();
            gateway.http = http.to_owned();
            gateway
        }

        /// The next line that it says.
        async fn line(&mut self) -> String {
            let line = timeout(PATIENCE, self.stderr.next_line()).await;
            line.expect("in time").expect("UTF-8").unwrap_or_default()
        }

        async fn signal(&self, name: &str) {
            let process = self.process.id().expect("it runs").to_string();
            let kill = Command::new("kill").args([name, &process]).status().await;
            assert!(kill.expect("there is a kill").success());
        }

        /// Waits for its end: the exit status, the rest of what it said, what it wrote.
        async fn end(mut self) -> (Option<i32>, Vec<String>, String) {
            let status = timeout(PATIENCE, self.process.wait()).await;
            let status = status.expect("it ends").expect("it ran");
            let mut said = Vec::new();
            while let Some(line) = self.stderr.next_line().await.expect("UTF-8") {
                said.push(line);
            }
            let mut wrote = String::new();
            let mut stdout = self.process.stdout.take().expect("piped");
            stdout.read_to_string(&mut wrote).await.expect("UTF-8");
            (status.code(), said, wrote)
        }
    }

    fn span() -> ExportRequest {
        let json = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET /"}]}]}]}"#;
        ExportRequest::from_json(Signal::Traces, json).expect("OTLP/JSON")
    }

    async fn send(url: String) -> Result<ExportResponse, ExportError> {
        from_url(&url).expect("a URL").oneshot(span()).await
    }

    /// The same with a span of a megabyte.
    async fn send_large(url: String) -> Result<ExportResponse, ExportError> {
        let name = "x".repeat(1_000_000);
        let json = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"name":"{name}"}}]}}]}}]}}"#
        );
        let request = ExportRequest::from_json(Signal::Traces, json.as_bytes());
        let exporter = from_url(&url).expect("a URL");
        exporter.oneshot(request.expect("OTLP/JSON")).await
    }

    /// Serves an exporter over gRPC, and returns its URL.
    async fn serve(exporter: impl Exporter) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let server = Server::builder()
            .add_routes(OtlpGrpcReceiver::new(exporter).routes())
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(server);
        format!("otlp+grpc://{address}")
    }

    /// A backend that says when a request came, and answers when it is let.
    struct Backend {
        url: String,
        came: mpsc::UnboundedReceiver<()>,
        let_go: Arc<Semaphore>,
    }

    async fn backend() -> Backend {
        let (says, came) = mpsc::unbounded_channel();
        let let_go = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&let_go);
        let exporter = tower::service_fn(move |request: ExportRequest| {
            let (says, gate) = (says.clone(), Arc::clone(&gate));
            async move {
                says.send(()).expect("the test listens");
                gate.acquire().await.expect("open").forget();
                Ok::<_, ExportError>(ExportResponse::delivered(request.items()))
            }
        });
        let url = serve(exporter).await;
        Backend { url, came, let_go }
    }

    #[tokio::test]
    async fn delivers_over_both_protocols_to_all_and_drains() {
        for signal in ["-TERM", "-INT"] {
            let to = ["--to", "console:?verbosity=normal", "--to", "console:"];
            let gateway = Gateway::start(&to).await;
            for url in [
                format!("otlp+grpc://{}?compression=gzip", gateway.grpc),
                format!("otlp+http://{}?encoding=json&proxy=none", gateway.http),
            ] {
                let response = send(url).await.expect("delivered");
                assert_eq!(response.delivered_items(), 1);
            }
            gateway.signal(signal).await;
            let (status, said, wrote) = gateway.end().await;
            assert_eq!(
                said,
                ["draining", "drained delivered=2 retained=0 dropped=0"],
                "{signal}"
            );
            assert_eq!(status, Some(0));
            assert_eq!(
                wrote.matches("Traces: 1 resource spans, 1 spans\n").count(),
                4
            );
            assert_eq!(wrote.matches("GET /  \n").count(), 2, "{wrote}");
        }
    }

    #[tokio::test]
    async fn answers_only_when_every_branch_has_it_and_finishes_while_draining() {
        let mut backend = backend().await;
        let mut gateway = Gateway::start(&["--to", "console:", "--to", &backend.url]).await;
        let mut answer = tokio::spawn(send(format!("otlp+grpc://{}", gateway.grpc)));
        tokio::select! {
            came = backend.came.recv() => came.expect("the backend lives"),
            early = &mut answer => panic!("answered before the delivery: {early:?}"),
        }

        gateway.signal("-TERM").await;
        assert_eq!(gateway.line().await, "draining");
        assert!(!answer.is_finished());
        backend.let_go.add_permits(1);

        let response = answer.await.expect("no panic").expect("delivered");
        assert_eq!(response.delivered_items(), 1);
        let (status, said, _) = gateway.end().await;
        assert_eq!(said, ["drained delivered=1 retained=0 dropped=0"]);
        assert_eq!(status, Some(0));
    }

    #[tokio::test]
    async fn says_what_it_dropped_at_the_end_of_the_drain_timeout() {
        let mut backend = backend().await;
        let arguments = ["--to", &backend.url, "--drain-timeout", "0.2s"];
        let mut gateway = Gateway::start(&arguments).await;
        let answer = tokio::spawn(send(format!("otlp+grpc://{}", gateway.grpc)));
        backend.came.recv().await.expect("the backend lives");

        gateway.signal("-TERM").await;
        assert_eq!(gateway.line().await, "draining");
        let (status, said, _) = gateway.end().await;
        assert_eq!(said, ["drained delivered=0 retained=0 dropped=1"]);
        assert_eq!(status, Some(1));
        let error = answer.await.expect("no panic").expect_err("not delivered");
        assert!(error.is_retryable(), "{error:?}");
    }

    #[tokio::test]
    async fn ends_at_once_at_a_second_signal() {
        let mut backend = backend().await;
        let arguments = ["--to", &backend.url, "--drain-timeout", "3600s"];
        let mut gateway = Gateway::start(&arguments).await;
        let answer = tokio::spawn(send(format!("otlp+grpc://{}", gateway.grpc)));
        backend.came.recv().await.expect("the backend lives");

        gateway.signal("-TERM").await;
        assert_eq!(gateway.line().await, "draining");
        gateway.signal("-INT").await;
        let (status, said, _) = gateway.end().await;
        assert_eq!(status, Some(130));
        assert_eq!(said, [""; 0]);
        assert!(answer.await.expect("no panic").is_err());
    }

    #[tokio::test]
    async fn tries_a_branch_again_and_the_others_not() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let recovers = tower::service_fn(move |request: ExportRequest| {
            let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
            ready(if first {
                Err(ExportError::new(ErrorKind::Unavailable, "starting"))
            } else {
                Ok(ExportResponse::delivered(request.items()))
            })
        });
        let url = serve(recovers).await;
        let gateway = Gateway::start(&["--to", "console:", "--to", &url]).await;
        let response = send(format!("otlp+grpc://{}", gateway.grpc)).await;
        assert_eq!(response.expect("delivered").delivered_items(), 1);
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        gateway.signal("-TERM").await;
        let (_, _, wrote) = gateway.end().await;
        assert_eq!(wrote, "Traces: 1 resource spans, 1 spans\n");
    }

    #[tokio::test]
    async fn hands_a_refusal_to_the_client_and_drops_nothing() {
        let refuses = tower::service_fn(|_: ExportRequest| {
            let error = ExportError::new(ErrorKind::Rejected, "no such tenant");
            ready(Err::<ExportResponse, _>(error))
        });
        let url = serve(refuses).await;
        let gateway = Gateway::start(&["--to", &url]).await;
        let answer = send(format!("otlp+grpc://{}", gateway.grpc)).await;
        let error = answer.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("no such tenant"), "{error}");
        gateway.signal("-TERM").await;
        let (status, said, _) = gateway.end().await;
        let last = said.last().expect("a last line");
        assert_eq!(last, "drained delivered=0 retained=0 dropped=0");
        assert_eq!(status, Some(0));
    }

    /// A backend that answers every request with this HTTP status.
    async fn answering(status: u16) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let status = axum::http::StatusCode::from_u16(status).expect("a status");
        let router = axum::Router::new().fallback(move || ready(status));
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("otlp+http://{address}?proxy=none")
    }

    /// A destination to which nobody listens.
    async fn dead() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("otlp+grpc://{}", listener.local_addr().expect("bound"))
    }

    #[tokio::test]
    async fn an_early_answer_goes_to_the_dead_letters_when_the_target_stays_dead() {
        let dead = dead().await;
        let letters = ["--dead-letter", "console:?verbosity=normal"];
        let gateway = Gateway::start(
            &[
                &["--to", &dead][..],
                &letters,
                &["--ack", "enqueue", "--drain-timeout", "2s"],
            ]
            .concat(),
        )
        .await;
        let response = send(format!("otlp+grpc://{}", gateway.grpc)).await;
        assert_eq!(response.expect("queued").rejected_items(), 0);
        gateway.signal("-TERM").await;
        let (status, said, wrote) = gateway.end().await;
        assert_eq!(
            said.last().expect("a last line"),
            "drained delivered=1 retained=0 dropped=0"
        );
        assert_eq!(status, Some(0));
        assert_eq!(wrote.matches("GET /  \n").count(), 1, "{wrote}");
    }

    #[tokio::test]
    async fn an_early_answer_without_dead_letters_is_counted_as_dropped() {
        let dead = dead().await;
        let gateway =
            Gateway::start(&["--to", &dead, "--ack", "enqueue", "--drain-timeout", "0.3s"]).await;
        send(format!("otlp+grpc://{}", gateway.grpc))
            .await
            .expect("queued");
        gateway.signal("-TERM").await;
        let (status, said, _) = gateway.end().await;
        assert_eq!(
            said.last().expect("a last line"),
            "drained delivered=0 retained=0 dropped=1"
        );
        assert_eq!(status, Some(1));
    }

    #[tokio::test]
    async fn what_the_target_refuses_for_good_is_a_dead_letter_of_otlp() {
        let refuses = answering(400).await;
        let mut backend = backend().await;
        backend.let_go.add_permits(1);
        let gateway = Gateway::start(&["--to", &refuses, "--dead-letter", &backend.url]).await;
        let response = send(format!("otlp+grpc://{}", gateway.grpc))
            .await
            .expect("taken");
        assert_eq!(response.delivered_items(), 1);
        backend.came.recv().await.expect("the dead letter");
        gateway.signal("-TERM").await;
        let (_, said, _) = gateway.end().await;
        assert_eq!(
            said.last().expect("a last line"),
            "drained delivered=1 retained=0 dropped=0"
        );
    }

    #[tokio::test]
    async fn a_drain_delivers_what_the_queue_and_the_batch_hold() {
        let mut backend = backend().await;
        let queue = ["--ack", "enqueue", "--queue-bytes", "1000000"];
        let batch = ["--batch-items", "1000", "--batch-timeout", "3600s"];
        let rest = ["--rate-items", "1000", "--max-concurrency", "auto"];
        let gateway =
            Gateway::start(&[&["--to", &backend.url][..], &queue, &batch, &rest].concat()).await;
        for _ in 0..3 {
            send(format!("otlp+grpc://{}", gateway.grpc))
                .await
                .expect("queued");
        }
        assert!(backend.came.try_recv().is_err(), "the batch is not full");
        backend.let_go.add_permits(3);
        gateway.signal("-TERM").await;
        let (status, said, _) = gateway.end().await;
        assert_eq!(
            said,
            ["draining", "drained delivered=3 retained=0 dropped=0"]
        );
        assert_eq!(status, Some(0));
        backend.came.recv().await.expect("a batch");
    }

    #[tokio::test]
    async fn a_full_queue_that_rejects_asks_clients_to_slow_down() {
        let mut backend = backend().await;
        // Room for one request.
        let arguments = [
            "--to",
            &backend.url,
            "--overflow",
            "reject-new",
            "--queue-bytes",
            "1500000",
        ];
        let gateway = Gateway::start(&arguments).await;
        let mut answer = tokio::spawn(send_large(format!("otlp+grpc://{}", gateway.grpc)));
        tokio::select! {
            came = backend.came.recv() => came.expect("the backend lives"),
            early = &mut answer => panic!("not in the queue: {early:?}"),
        }
        for url in [
            format!("otlp+grpc://{}", gateway.grpc),
            format!("otlp+http://{}?proxy=none", gateway.http),
        ] {
            // RESOURCE_EXHAUSTED with RetryInfo, and 429 with Retry-After.
            let error = send_large(url.clone()).await.expect_err("full");
            assert_eq!(error.kind(), ErrorKind::Throttled, "{url}: {error}");
            assert!(
                matches!(error.retry(), RetryAdvice::After(_)),
                "{url}: {error:?}"
            );
        }
        backend.let_go.add_permits(1);
        answer.await.expect("no panic").expect("delivered");
        gateway.signal("-TERM").await;
        let (_, said, _) = gateway.end().await;
        assert_eq!(
            said.last().expect("a last line"),
            "drained delivered=1 retained=0 dropped=0"
        );
    }

    #[tokio::test]
    async fn shows_what_it_does_itself() {
        let backend = backend().await;
        backend.let_go.add_permits(1);
        let gateway = Gateway::start(&["--to", &backend.url, "--self", "127.0.0.1:0"]).await;
        let page = gateway.page.clone().expect("it says where");
        let response = send(format!("otlp+grpc://{}", gateway.grpc)).await;
        let items = response.expect("delivered").delivered_items();
        let ask = async |path: &str| {
            let answer = reqwest::get(format!("{page}{path}")).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), 200, "{path}");
            answer.text().await.expect("text")
        };
        assert_eq!(ask("readyz").await, "ready\n");
        let status: serde_json::Value =
            serde_json::from_str(&ask("status.json").await).expect("JSON");
        assert_eq!(status["items"]["delivered"], items);
        assert_eq!(
            status["branches"][0]["requests"]["delivered"], 1,
            "{status}"
        );
        assert!(ask("").await.contains("Delivering"));
        assert!(
            ask("metrics")
                .await
                .contains("otel_sdk_exporter_log_exported_total")
        );
        gateway.signal("-TERM").await;
        let (status, said, _) = gateway.end().await;
        assert_eq!(status, Some(0), "{said:?}");
    }

    #[tokio::test]
    async fn a_fallback_takes_over() {
        let refuses = answering(401).await;
        let arguments = [
            "--to",
            &refuses,
            "--fallback",
            "console:",
            "--max-concurrency",
            "2",
        ];
        let gateway = Gateway::start(&arguments).await;
        for _ in 0..2 {
            let response = send(format!("otlp+grpc://{}", gateway.grpc)).await;
            assert_eq!(response.expect("taken over").delivered_items(), 1);
        }
        gateway.signal("-TERM").await;
        let (_, said, wrote) = gateway.end().await;
        assert_eq!(
            said.last().expect("a last line"),
            "drained delivered=2 retained=0 dropped=0"
        );
        assert_eq!(wrote, "Traces: 1 resource spans, 1 spans\n".repeat(2));
    }
}

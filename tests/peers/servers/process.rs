//! A server as a child process.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::PATIENCE;

/// How it is known that a server is ready.
#[derive(Clone)]
pub enum Ready {
    /// This URL answers with 200.
    Url(String),
    /// This port of loopback takes connections.
    Port(u16),
    /// It says this in its log.
    Logged(&'static str),
}

/// A running server.
pub struct Server {
    name: &'static str,
    command: Command,
    ready: Ready,
    child: Child,
    folder: TempDir,
    /// How long the log was when it was last started, in bytes.
    logged: usize,
}

impl Server {
    /// Starts `command` with its output in a log in `folder`, and waits until it is ready.
    pub async fn start(
        name: &'static str,
        folder: TempDir,
        mut command: Command,
        ready: Ready,
    ) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.path().join(LOG))
            .expect("a log");
        command
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log);
        let child = command.spawn().expect("the server starts");
        let logged = 0;
        let mut server = Self {
            name,
            command,
            ready,
            child,
            folder,
            logged,
        };
        server.until_ready().await;
        server
    }

    /// Stops it as an operator would, and waits until it is gone.
    pub async fn stop(&mut self) {
        self.signal("-TERM");
        let _ = self.gone().await;
    }

    /// Kills it: it has no time to put anything in order.
    pub async fn kill(&mut self) {
        self.signal("-KILL");
        let _ = self.gone().await;
    }

    /// Starts it again with the same ports and the same data, and waits until it is ready.
    pub async fn restart(&mut self) {
        assert!(
            self.child.try_wait().expect("a child").is_some(),
            "{} still runs",
            self.name
        );
        self.logged = self.log().len();
        self.child = self.command.spawn().expect("the server starts");
        self.until_ready().await;
    }

    /// Takes all processor time from it: connections are still made, and nobody answers.
    pub fn freeze(&mut self) {
        self.signal("-STOP");
    }

    /// Undoes [`freeze`](Self::freeze).
    pub fn thaw(&mut self) {
        self.signal("-CONT");
    }

    /// The folder with its data and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join(LOG)).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn signal(&mut self, signal: &str) {
        // A child that has ended keeps its id until it is waited for, so this is no other process.
        let alive = self.child.try_wait().expect("a child").is_none();
        assert!(alive, "{} has ended by itself", self.name);
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .expect("kill");
        assert!(status.success(), "kill {signal}");
    }

    async fn gone(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("{} ended with {status} when started", self.name);
            }
            let ready = match &self.ready {
                Ready::Url(url) => reqwest::get(url)
                    .await
                    .is_ok_and(|answer| answer.status() == 200),
                Ready::Port(port) => TcpStream::connect(("127.0.0.1", *port)).await.is_ok(),
                Ready::Logged(text) => self.log()[self.logged..].contains(text),
            };
            if ready {
                return;
            }
            assert!(Instant::now() < deadline, "{} is not ready", self.name);
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL ends a frozen process, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(30)..];
            eprintln!(
                "--- the end of what {} logged\n{}",
                self.name,
                tail.join("\n")
            );
        }
    }
}

const LOG: &str = "server.log";

//! A real browser: Chromium, driven by `browser/drive.mjs` on Node.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::PATIENCE;
use crate::collector::{folder, installed};

/// A browser with one page.
pub struct Browser {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    // Ends with this.
    _child: Child,
    _profile: TempDir,
}

/// What a page looks like.
#[derive(Debug)]
pub struct Look {
    /// How many texts there are to read.
    pub texts: u64,
    /// Those with less contrast than 4.5 to 1, with what they have.
    pub poor: Vec<String>,
    pub ground: String,
    pub text: String,
    /// How far the page goes beyond the window, in pixels.
    pub overflow: i64,
}

impl Browser {
    /// Starts it with an empty profile.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("node")
            .arg(folder().join("browser/drive.mjs"))
            .args([installed("chromium"), installed("playwright")])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let stdout = child.stdout.take().expect("piped");
        Self {
            commands: child.stdin.take().expect("piped"),
            answers: BufReader::new(stdout).lines(),
            _child: child,
            _profile: profile,
        }
    }

    async fn ask(&mut self, command: Value) -> Value {
        let line = format!("{command}\n");
        let written = self.commands.write_all(line.as_bytes()).await;
        written.expect("the browser is there");
        let answer = timeout(PATIENCE + Duration::from_secs(10), self.answers.next_line()).await;
        let answer = answer.expect("in time").expect("UTF-8").expect("an answer");
        let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert!(answer["error"].is_null(), "{command}: {answer}");
        answer["ok"].take()
    }

    /// Goes to a page, which is there.
    pub async fn open(&mut self, url: &str) {
        let status = self.ask(json!({ "do": "open", "url": url })).await;
        assert_eq!(status, 200);
    }

    /// The value of an expression of JavaScript.
    pub async fn value(&mut self, expression: &str) -> Value {
        self.ask(json!({ "do": "evaluate", "expression": expression }))
            .await
    }

    /// Waits until an expression of JavaScript is true.
    pub async fn until(&mut self, expression: &str) {
        let patience = PATIENCE.as_millis() as u64;
        self.ask(json!({ "do": "wait", "expression": expression, "timeout": patience }))
            .await;
    }

    /// Shows the page in a colour scheme and a size, and keeps a picture.
    pub async fn look(&mut self, scheme: &str, (width, height): (u32, u32), shot: &Path) -> Look {
        let look = self
            .ask(json!({
                "do": "look", "scheme": scheme, "width": width, "height": height, "shot": shot,
            }))
            .await;
        let pixels = |name: &str| look[name].as_i64().expect("pixels");
        let text = |name: &str| look[name].as_str().expect("text").to_owned();
        Look {
            texts: look["texts"].as_u64().expect("a count"),
            poor: serde_json::from_value(look["poor"].clone()).expect("texts"),
            ground: text("ground"),
            text: text("text"),
            overflow: pixels("scrollWidth") - pixels("clientWidth"),
        }
    }

    /// Switches the scripts of pages on or off.
    pub async fn scripts(&mut self, on: bool) {
        self.ask(json!({ "do": "scripts", "on": on })).await;
    }

    /// What the console complained of, and the URLs of all requests, since the last time.
    pub async fn seen(&mut self) -> (Vec<String>, Vec<String>) {
        let seen = self.ask(json!({ "do": "seen" })).await;
        let list = |name: &str| serde_json::from_value(seen[name].clone()).expect("texts");
        (list("wrong"), list("requests"))
    }
}

#[tokio::test]
async fn a_browser_runs_scripts_and_sees_what_is_wrong() {
    let mut browser = Browser::start().await;
    browser.ask(json!({ "do": "evaluate", "expression": "document.body.innerHTML = '<p style=\"color:#999\">pale'" })).await;
    let picture = tempfile::tempdir().expect("a folder");
    let picture = picture.path().join("pale.png");
    let look = browser.look("light", (400, 300), &picture).await;
    assert_eq!((look.texts, look.poor.len()), (1, 1), "{look:?}");
    assert!(picture.exists());
    browser.value("console.error('wrong')").await;
    browser.until("1 + 1 === 2").await;
    assert_eq!(browser.seen().await.0, ["wrong"]);
}

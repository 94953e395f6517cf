//! Real servers as child processes, one file for each: started on ports of their own with their
//! data in a folder that goes away with them, stopped, killed, frozen, and started again with the
//! same ports and the same data. Each file ends with a test that feeds its server by the server's
//! own means and asks it back.

mod ports;
mod process;

pub mod browser;
pub mod influxdb;
pub mod jaeger;
pub mod opensearch;
pub mod prometheus;
pub mod sink;
pub mod syslog;
pub mod victoria_metrics;
pub mod zipkin;

use std::time::Duration;

pub use self::{
    ports::ports,
    process::{Ready, Server},
};

use tokio::time::{Instant, sleep};

/// How long anything may take that is only waited for: a server's start on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks `question` again and again until it has an answer, and panics after [`PATIENCE`]: another
/// process has no event to wait for.
pub async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not after {PATIENCE:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// GETs JSON; `None` while nobody answers, or answers otherwise than with 200.
pub async fn get_json(url: &str) -> Option<serde_json::Value> {
    let response = reqwest::get(url).await.ok()?;
    if response.status() != 200 {
        return None;
    }
    serde_json::from_slice(&response.bytes().await.ok()?).ok()
}

/// POSTs a body and asserts that the answer's status is `status`; gives the answer's body.
pub async fn post(
    url: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
    status: u16,
) -> String {
    let response = reqwest::Client::new()
        .post(url)
        .header("content-type", content_type)
        .body(body)
        .send()
        .await
        .expect("an answer");
    let answered = response.status();
    let text = response.text().await.expect("a body");
    assert_eq!(answered, status, "{url}: {text}");
    text
}

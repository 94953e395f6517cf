//! Tests that change what a whole process shares: each runs again in a process of its own.

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::PATIENCE;

/// What tells the child that it is one, and where to export to.
const ENDPOINT: &str = "TOWER_OTLP_TEST_ENDPOINT";

/// In the child: where to export to.
pub(super) fn child() -> Option<String> {
    env::var(ENDPOINT).ok()
}

/// In the parent: runs this test again as a child that exports to `endpoint`. It must end well,
/// in time. The child's own variables come on top.
pub(super) fn run(test: &str, endpoint: &str, variables: &[(&str, &str)]) -> String {
    let program = env::current_exe().expect("the path of this test");
    let mut command = Command::new(program);
    command
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(ENDPOINT, endpoint)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let started = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().expect("killed");
            let output = child.wait_with_output().expect("its output");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            panic!(
                "{test} does not end: {}",
                &told[told.len().saturating_sub(4000)..]
            );
        }
        // Its end is polled for: no outcome depends on this time.
        thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("its output");
    let told = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{test}: {stdout}{told}");
    assert!(
        stdout.contains("1 passed"),
        "there is no test {test}: {stdout}"
    );
    stdout.into_owned()
}

//! Tests that change what a whole process shares: each runs again in a process of its own.

use std::env;

use tokio::{process::Command, time::timeout};

use super::PATIENCE;

/// What tells the child that it is one, and where to export to.
const ENDPOINT: &str = "TOWER_OTLP_TEST_ENDPOINT";

/// In the child: where to export to.
pub(super) fn child() -> Option<String> {
    env::var(ENDPOINT).ok()
}

/// In the parent: runs this test again as a child that exports to `endpoint`, with these
/// variables. It must end well, in time. Returns what it says.
pub(super) fn run(test: &str, endpoint: &str, variables: &[(&str, &str)]) -> String {
    let program = env::current_exe().expect("the path of this test");
    let mut command = Command::new(program);
    command
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(ENDPOINT, endpoint)
        .envs(variables.iter().copied())
        .kill_on_drop(true);
    let output = tokio_test::block_on(async { timeout(PATIENCE, command.output()).await });
    let output = output.unwrap_or_else(|_| panic!("{test} does not end"));
    let output = output.expect("it starts");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test}: {stdout}{stderr}");
    assert!(
        stdout.contains("1 passed"),
        "there is no test {test}: {stdout}"
    );
    stdout
}

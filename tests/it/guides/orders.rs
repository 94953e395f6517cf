//! What the guide on the order of layers shows of `compose` is what `compose` says.

use std::{env, process::Command};

const GUIDE: &str = include_str!("../../../src/guides/order_of_layers.md");
const PROMPT: &str = "$ cargo run --example compose -- ";

#[test]
fn the_runs_of_the_guide_are_what_the_example_prints() {
    let test = env::current_exe().expect("the path of this test");
    let target = test.ancestors().nth(2).expect("target/debug/deps/test");
    let compose = target
        .join("examples")
        .join(format!("compose{}", env::consts::EXE_SUFFIX));
    assert!(
        compose.exists(),
        "{} is missing: `cargo test --test it` does not build it, `cargo build --examples` does",
        compose.display()
    );
    let mut runs = 0;
    for block in GUIDE.split("```console\n").skip(1) {
        let block = block.split("```").next().expect("the end of the block");
        let (command, shown) = block.split_once('\n').expect("a command");
        let arguments = command.strip_prefix(PROMPT).expect("a run of compose");
        let output = Command::new(&compose)
            .args(arguments.split(' '))
            .output()
            .expect("it starts");
        let printed = String::from_utf8(output.stdout).expect("text");
        let printed: Vec<_> = printed.lines().map(str::trim_end).collect();
        for line in shown.lines() {
            assert!(
                printed.contains(&line),
                "{arguments}: {line:?} is not in {printed:#?}"
            );
        }
        runs += 1;
    }
    assert!(runs >= 3, "{runs} runs");
}

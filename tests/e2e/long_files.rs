//! Workflow files that are long.

use crate::env::TestEnv;
use crate::flow::Flow;

/// A comment that makes a file longer than 2 MiB.
fn padding() -> String {
    "# generated: nothing to see here\n".repeat(70_000)
}

#[test]
fn a_long_file_is_run_and_resumed() {
    let env = TestEnv::new();
    let flow = Flow::new().step("build", "echo built >> done").step_with(
        "test",
        "[ -e fixed ]",
        &["depends_on: [build]"],
    );
    env.write("flow.yaml", &(flow.text() + &padding()));
    let run = |more: &[&str]| env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).args(more);
    let _ = run(&[]).output().code(1);
    env.write("fixed", "");
    let _ = run(&["--rerun-failed"]).output().code(0);
    assert_eq!(std::fs::read_to_string(env.work().join("done")).unwrap(), "built\n", "it was kept");
}

#[test]
fn the_size_of_a_file_is_limited_as_one_says() {
    let env = TestEnv::new();
    env.write("flow.yaml", &(Flow::new().step("build", "true").text() + &padding()));
    let _ = env.roboppi(["workflow", "validate", "flow.yaml"]).output().code(0);
    for command in [&["validate"][..], &["run", "--no-tui"]] {
        let with_limit = |limit: &str| {
            let words = ["workflow"].into_iter().chain(command.iter().copied());
            env.roboppi(words.chain(["flow.yaml", "--max-file-size", limit]))
        };
        let refused = with_limit("1MiB").output().code(2).all();
        assert!(refused.contains("it has more than the 1048576 bytes that are allowed"), "{refused}");
        assert!(refused.contains("hint: --max-file-size allows more"), "{refused}");
        let _ = with_limit("3MiB").output().code(0);
    }
}

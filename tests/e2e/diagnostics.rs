//! What is wrong with a workflow file is said at once, with its place.

use crate::env::TestEnv;
use crate::flow::Flow;

/// Five mistakes; the comments give their lines.
const FIVE: &str = "\
name: five
version: 1
timeout: soon
steps:
  build:
    worker: CUSTM
    capabilities: [RUN_COMMANDS]
    instructions: make
    depends_on: [tset]
  test:
    worker: CUSTOM
    instructions: make test
    capabilities: [RUN_COMMANDS]
    on_failure: ignore
";

#[test]
fn every_mistake_is_shown_with_its_place() {
    let env = TestEnv::new();
    env.write("flow.yaml", FIVE);
    for verb in ["validate", "run"] {
        let printed = env.roboppi(["workflow", verb, "flow.yaml"]).output().code(2);
        for place in
            ["flow.yaml:2:10", "flow.yaml:3:10", "flow.yaml:6:13", "flow.yaml:9:18", "flow.yaml:14:17"]
        {
            assert!(printed.stderr.contains(place), "{verb}: no {place} in\n{}", printed.stderr);
        }
        assert!(printed.stderr.contains("CUSTOM"), "{verb}: no suggestion in\n{}", printed.stderr);
        assert!(printed.stdout.is_empty());
    }
    assert!(env.runs().is_empty(), "nothing ran");
}

#[test]
fn warnings_do_not_stop_a_run_unless_asked_to() {
    let env = TestEnv::new();
    let flow = Flow::new().step_with("work", "true", &["descripton: a typo"]);
    let printed = env.run(&flow).output().code(0);
    assert!(printed.stderr.contains("flow.yaml:9:5"), "{}", printed.stderr);
    assert!(printed.stderr.contains("description"), "a suggestion: {}", printed.stderr);
    let _ = env.run(&flow).arg("--strict").output().code(2);
    assert_eq!(env.runs().len(), 1);
}

#[test]
fn a_valid_file_is_0_and_runs_nothing() {
    let env = TestEnv::new();
    env.write("flow.yaml", &Flow::of("touch ran").text());
    let _ = env.roboppi(["workflow", "validate", "flow.yaml"]).output().code(0);
    assert!(!env.work().join("ran").exists());
    assert!(env.runs().is_empty());
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let env = TestEnv::new();
    env.write(
        "flow.yaml",
        "name: \"\u{1b}]0;owned\u{7}\"\nversion: \"2\u{1b}[31m\"\ntimeout: 1m\nsteps: {}\n",
    );
    let printed = env.roboppi(["workflow", "validate", "flow.yaml", "--color", "never"]).output().code(2);
    assert!(!printed.stderr.contains('\u{1b}'), "{:?}", printed.stderr);
}

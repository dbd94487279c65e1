//! What the command line says of itself.

use assert_cmd::Command;

use crate::env::TestEnv;
use crate::flow::Flow;

/// The built program, without anything of the environment of whoever runs the tests.
fn roboppi(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roboppi"));
    command.env_clear().args(arguments);
    command
}

fn printed(arguments: &[&str]) -> String {
    let output = roboppi(arguments).assert().success().get_output().clone();
    assert!(output.stderr.is_empty(), "{arguments:?} writes to stderr");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_is_printed_when_it_is_asked_for() {
    for (arguments, told) in [
        (&["--help"][..], "roboppi workflow run build.yaml"),
        (&["-h"], "Commands:"),
        (&["workflow", "--help"], "validate"),
        (&["workflow", "run", "--help"], "--supervised"),
        (&["workflow", "validate", "--help"], "--strict"),
        (&["logs", "--help"], "--attempt"),
        (&["core", "--help"], "--concurrency"),
        (&["server", "--help"], "--concurrency"),
    ] {
        let help = printed(arguments);
        assert!(help.contains(told), "{arguments:?} does not tell of {told}:\n{help}");
    }
}

#[test]
fn the_version_has_three_spellings() {
    let version = format!("roboppi {}\n", env!("CARGO_PKG_VERSION"));
    for flag in ["--version", "-V", "-v"] {
        assert_eq!(printed(&[flag]), version);
    }
}

#[test]
fn a_typo_is_answered_with_what_was_meant() {
    for (arguments, meant) in [
        (&["workflw"][..], "workflow"),
        (&["workflow", "run", "a.yaml", "--supervized"], "--supervised"),
        (&["logs", "--pth"], "--path"),
        (&["validate", "a.yaml"], "roboppi workflow validate"),
        (&["status"], "roboppi show"),
        (&["stop"], "roboppi cancel"),
    ] {
        let output = roboppi(arguments).assert().code(2).get_output().clone();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(meant), "{arguments:?}: {said}");
    }
}

#[test]
fn a_workflow_file_in_the_wrong_place_is_pointed_to_its_command() {
    let env = TestEnv::new();
    env.write("build it.yaml", &Flow::of("true").text());
    let hint = "roboppi workflow run 'build it.yaml'";
    for (arguments, code) in [
        (&["build it.yaml"][..], 2),
        (&["run", "build it.yaml"], 2),
        (&["run", "--worker", "claude-code", "build it.yaml"], 2),
    ] {
        let said = env.roboppi(arguments).output().code(code).stderr;
        assert!(said.contains(hint), "{arguments:?}\n{said}");
    }
    let said = env.roboppi(["workflow", "run", "-"]).output().code(2).stderr;
    assert!(said.contains("/dev/stdin"), "{said}");
    let said = env.roboppi(["workflow", "run", "build it.yaml", "--workspace=~/x"]).output().code(2).stderr;
    assert!(said.contains("the shell has not replaced `~`"), "{said}");
    assert!(!env.work().join("~").exists());
}

//! What somebody does first: look whether all is there, write a workflow, run it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;

#[test]
fn a_first_workflow_is_written_and_runs_green_without_being_named() {
    let env = TestEnv::new();
    fs::write(env.work().join("Makefile"), "CC := cc\ntest: build\n\techo tested\nbuild:\n\techo built\n")
        .unwrap();
    let written = env.roboppi(["init"]).output().code(0).text();
    assert!(written.contains("roboppi.yaml: written for make\nnext: roboppi workflow run\n"), "{written}");
    let checked = env.roboppi(["workflow", "validate"]).output().code(0).text();
    assert!(checked.contains("ok, 2 steps"), "{checked}");
    let run = env.roboppi(["workflow", "run", "--no-tui"]).output().code(0).all();
    assert!(run.contains("✓ succeeded"), "{run}");
    assert_eq!(env.the_run().text("test", 1), "echo built\nbuilt\necho tested\ntested\n");

    let refused = env.roboppi(["init"]).output().code(2).all();
    assert!(refused.contains("exists already") && refused.contains("--force"), "{refused}");
    let _ = env.roboppi(["init", "--force"]).output().code(0);
    let printed = env.roboppi(["init", "--print"]).output().code(0).text();
    assert_eq!(printed, fs::read_to_string(env.work().join("roboppi.yaml")).unwrap());
}

#[test]
fn without_a_file_the_way_to_one_is_named() {
    let env = TestEnv::new();
    for command in ["run", "validate"] {
        let missing = env.roboppi(["workflow", command]).output().code(2).all();
        assert!(missing.contains("no roboppi.yaml") && missing.contains("roboppi init"), "{missing}");
    }
    let other = env.roboppi(["init", "other.yaml"]).output().code(0).text();
    assert!(other.contains("next: roboppi workflow run other.yaml"), "{other}");
}

#[test]
fn several_files_and_stdin_are_validated_in_one_call() {
    let env = TestEnv::new();
    fs::write(env.work().join("good.yaml"), Flow::of("true").text()).unwrap();
    fs::write(env.work().join("bad.yaml"), "name: bad\nsteps: 3\n").unwrap();
    let all =
        env.roboppi(["workflow", "validate", "good.yaml", "bad.yaml", "gone.yaml"]).output().code(2).all();
    for part in ["good.yaml: ok, 1 step", "bad.yaml: ", " errors", "gone.yaml cannot be read", "2 of 3 files"]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
    let from_stdin =
        env.roboppi(["workflow", "validate", "-"]).stdin(Flow::of("true").text()).output().code(0).text();
    assert_eq!(from_stdin, "stdin: ok, 1 step\n");

    let text = env
        .roboppi(["workflow", "validate", "--output", "json", "good.yaml", "bad.yaml", "gone.yaml"])
        .output()
        .code(2)
        .text();
    let files: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&files[0]["ok"], &files[0]["steps"]), (&true.into(), &1.into()), "{text}");
    let problem = &files[1]["diagnostics"][0];
    assert!(problem["line"].is_u64() && problem["severity"] == "error", "{text}");
    assert!(files[2]["diagnostics"][0]["message"].as_str().unwrap().contains("cannot be read"), "{text}");
}

#[test]
fn the_doctor_finds_what_is_wrong_and_repairs_what_is_safe() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let state = env.path("state/roboppi");
    let mode = || state.metadata().unwrap().permissions().mode() & 0o777;
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    let unfinished = state.join("runs/.removed-old");
    fs::create_dir(&unfinished).unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    fs::File::open(&unfinished).unwrap().set_modified(long_ago).unwrap();

    let found = env.roboppi(["doctor"]).output().code(0).text();
    for part in
        ["state\n", "! permissions", "chmod 700", "leftovers", "programs\n", "terminal\n", "1 warning"]
    {
        assert!(found.contains(part), "{part}: {found}");
    }
    let checks = |options: &[&str]| -> Vec<Value> {
        let text = env.roboppi([&["doctor", "--json"], options].concat()).output().code(0).text();
        serde_json::from_str(&text).unwrap()
    };
    let named =
        |checks: &[Value], name: &str| checks.iter().find(|check| check["name"] == name).cloned().unwrap();
    let before = named(&checks(&[]), "permissions");
    assert_eq!((&before["state"], &before["fixable"], mode()), (&"warning".into(), &true.into(), 0o755));
    let fixed = checks(&["--fix"]);
    assert!(
        named(&fixed, "permissions")["fixed"].is_string() && named(&fixed, "leftovers")["fixed"].is_string()
    );
    assert!(mode() == 0o700 && !unfinished.exists());
    assert_eq!(named(&checks(&[]), "permissions")["state"], "ok");

    fs::create_dir_all(env.path("home/config/roboppi")).unwrap();
    fs::write(env.path("home/config/roboppi/config.yaml"), "cores: 3\n").unwrap();
    let broken = env.roboppi(["doctor"]).output().code(1).text();
    assert!(broken.contains("✗ configuration") && broken.contains("1 error"), "{broken}");
}

#[test]
fn help_is_a_command_and_ps_lists_what_runs() {
    let env = TestEnv::new();
    let text = |words: &[&str]| env.roboppi(words.iter().copied()).output().code(0).text();
    assert_eq!(text(&["help"]), text(&["--help"]));
    assert_eq!(text(&["help", "workflow", "run"]), text(&["workflow", "run", "--help"]));
    let _ = env.run(&Flow::of("true")).output().code(0);
    assert_eq!(text(&["ps"]), "No run matches.\n");
}

#[test]
fn without_a_command_the_usage_is_printed_unless_a_supervisor_may_speak() {
    let env = TestEnv::new();
    let nothing = env.roboppi([""; 0]).output().code(2);
    assert!(
        nothing.stdout.is_empty() && nothing.stderr.contains("Usage: roboppi <COMMAND>"),
        "{}",
        nothing.stderr
    );
    let file = env.shell("echo x > file && $ROBOPPI < file").output().code(2);
    assert!(file.stderr.contains("Usage:"), "{}", file.stderr);
    // A core reads a pipe to its end.
    let piped = env.roboppi([""; 0]).stdin("").output();
    assert!(piped.has_code(0), "{piped}");
    assert!(piped.code(0).stderr.contains("this is a core"));
}

//! The workflows in `examples/` do what they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::env::TestEnv;
use crate::run_files::{RunFiles, walk};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies `examples/` into the workspace, without what was built in it.
fn copy_examples(env: &TestEnv) {
    let from = repository().join("examples");
    for path in walk(&from).into_iter().filter(|path| path.is_file()) {
        let to = env.work().join("examples").join(path.strip_prefix(&from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
}

/// Names the core of `examples/adapter` in the configuration.
fn configure_scribe(env: &TestEnv, core: &str) {
    let dir = env.path("home/config/roboppi");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("config.yaml"), format!("cores:\n  SCRIBE: {core}\n")).unwrap();
}

#[test]
fn every_example_is_valid() {
    let env = TestEnv::new();
    configure_scribe(&env, "scribe-core");
    let mut seen = 0;
    for path in walk(&repository().join("examples")) {
        if path.extension().is_some_and(|extension| extension == "yaml") {
            seen += 1;
            let printed = env.roboppi(["workflow", "validate", "--strict"]).arg(&path).output().code(0);
            assert!(!printed.all().contains("warning"), "{}: {}", path.display(), printed.all());
        }
    }
    assert!(seen >= 3);
    assert!(env.runs().is_empty());
}

#[test]
fn hello_is_green_in_both_modes() {
    let env = TestEnv::new();
    copy_examples(&env);
    for mode in ["--supervised", "--direct"] {
        let _ = env.roboppi(["workflow", "run", "examples/hello.yaml", "--no-tui", mode]).output().code(0);
    }
    // The verb may be left out.
    let _ = env.roboppi(["workflow", "examples/hello.yaml", "--no-tui"]).output().code(0);

    let runs = env.runs();
    assert_eq!(runs.len(), 3);
    for run in &runs {
        assert_eq!(run.outcome().as_deref(), Some("succeeded"));
        assert!(run.text("greet", 1).starts_with("hello from "));
        assert!(
            run.text("count", 1)
                .ends_with("\n1\n::progress percent=66::at 2\n2\n::progress percent=99::at 3\n3\n")
        );
        assert_eq!(run.log("goodbye", 1), b"goodbye\n");
        assert_eq!(run.attempt_events("count", 1).last().unwrap()["event"]["message"], "at 3");
    }
    let modes: Vec<_> = runs.iter().map(|run| run.events("run_started")[0]["mode"].clone()).collect();
    assert_eq!(modes, ["supervised", "direct", "supervised"]);
}

fn build_test_report(mode: &str) {
    let env = TestEnv::new();
    copy_examples(&env);
    let arguments = ["workflow", "run", "examples/build-test-report.yaml", "--no-tui", mode];
    // Twice, for what the first run leaves must not disturb the second.
    for _ in 0..2 {
        let _ = env.roboppi(arguments).with_cargo().output().code(0);
    }
    let report = env.read("target/build-test-report/report.md");
    assert!(report.contains("| words fetched | 11 (the longest is \"question\") |"), "{report}");
    assert!(report.contains("| warnings | 0 |"), "{report}");
    assert!(report.contains("| tests passed | 8 |"), "{report}");
    let runs = env.runs();
    assert_eq!(runs.len(), 2);
    for run in &runs {
        assert_report_run(run);
    }
    let mut left: Vec<_> = fs::read_dir(env.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["examples", "target"], "the example keeps to its directory");
}

fn assert_report_run(run: &RunFiles) {
    assert_eq!(run.outcome().as_deref(), Some("succeeded"));
    for step in ["fetch", "lint", "build", "test", "report"] {
        assert_eq!(run.state(step), "succeeded", "{step}");
    }
    assert_eq!(run.state("spelling"), "failed");
    assert!(run.text("fetch", 1).ends_with("no answer from the server\n"));
    assert!(run.text("fetch", 2).ends_with("got 11 words\n"));
    let percents: Vec<_> =
        run.attempt_events("build", 1).iter().map(|record| record["event"]["percent"].as_f64()).collect();
    assert_eq!(percents.last(), Some(&Some(100.0)), "{percents:?}");
    let artifacts: Vec<_> = run.events("artifact_collected");
    assert_eq!(artifacts.len(), 5, "{artifacts:?}");
}

#[test]
fn build_test_report_is_green_when_supervised() {
    build_test_report("--supervised");
}

#[test]
fn build_test_report_is_green_when_direct() {
    build_test_report("--direct");
}

/// The core of the example, built as the chores build it: beside this program, so that nothing is built twice.
fn scribe_core() -> PathBuf {
    let manifest = repository().join("examples/adapter/Cargo.toml");
    let beside = Path::new(env!("CARGO_BIN_EXE_roboppi")).parent().unwrap().parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--all-features", "--manifest-path"]).arg(manifest);
    let built = build.env("CARGO_TARGET_DIR", beside).stdin(Stdio::null()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    beside.join("debug/scribe-core")
}

#[test]
fn the_adapter_of_a_stranger_runs_under_its_own_name_and_without_a_flag() {
    let env = TestEnv::new();
    copy_examples(&env);
    let core = scribe_core();
    configure_scribe(&env, core.to_str().unwrap());
    let scribe = repository().join("examples/adapter");
    let path = std::env::join_paths(
        [scribe].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let path = path.unwrap();
    let notes = ["workflow", "run", "examples/adapter/notes.yaml", "--no-tui"];
    let _ = env.roboppi(notes).env("PATH", &path).output().code(0);
    // Or by the variable.
    fs::remove_dir_all(env.path("home/config")).unwrap();
    let _ = env.roboppi(notes).env("PATH", &path).env("ROBOPPI_CORE_ENTRYPOINT", &core).output().code(0);
    for run in env.runs() {
        assert_eq!(run.state("note"), "succeeded");
        assert_eq!(run.events("run_started")[0]["steps"][0]["worker"], "SCRIBE");
        let kinds: Vec<_> =
            run.attempt_events("note", 1).iter().map(|record| record["event"]["type"].clone()).collect();
        assert!(kinds.contains(&"session".into()) && kinds.contains(&"tool_call".into()), "{kinds:?}");
    }
    // With one that has no such worker nothing starts.
    let _ = env.roboppi(notes).output().code(2);
    assert_eq!(env.runs().len(), 2);
}

/// A `claude` for `fix-until-green`: it repairs one thing at a time, and is content with the second description.
const REPAIRER: &str = r#"#!/usr/bin/env bash
if [ "$1" = --version ]; then echo "2.1.329 (Claude Code)"; exit 0; fi
prompt=$(cat)
case "$prompt" in
  *"Make the tests"*) echo repaired >> repairs ;;
  *"Describe in CHANGES.md"*) echo change >> CHANGES.md ;;
  *"Compare CHANGES.md"*)
    if [ "$(wc -l < CHANGES.md)" -ge 2 ]; then decision=complete; else decision=incomplete; fi
    path=$(sed -n 's/^Write your decision to \(.*\), as JSON.*/\1/p' <<< "$prompt")
    id=$(sed -n 's/.*"complete", "check_id": "\([^"]*\)".*/\1/p' <<< "$prompt")
    echo "{\"decision\": \"$decision\", \"check_id\": \"$id\", \"reasons\": [\"the reason is missing\"]}" > "$path" ;;
esac
common='"session_id":"11111111-2222-3333-4444-555555555555","uuid":"u"'
echo '{"type":"system","subtype":"init","cwd":"/","tools":[],"mcp_servers":[],"model":"m","permissionMode":"acceptEdits","apiKeySource":"none","claude_code_version":"2.1.329",'"$common}"
echo '{"duration_api_ms":1,"stop_reason":"end_turn","total_cost_usd":0.01,"usage":{"input_tokens":1,"output_tokens":1},"modelUsage":{},"permission_denials":[],"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"done","terminal_reason":"completed",'"$common}"
"#;

#[test]
fn fix_until_green_is_repeated_until_it_is() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        copy_examples(&env);
        env.write_program("../bin/claude", REPAIRER);
        env.write(
            "test.sh",
            "n=$(wc -l < repairs)\n[ \"$n\" -ge 3 ] || { echo \"$n of 3 repaired\"; exit 3; }\n",
        );
        let dirs = [env.path("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
        let arguments = ["workflow", "run", "examples/fix-until-green.yaml", "--no-tui", mode];
        let run = env.roboppi(arguments).env("PATH", std::env::join_paths(dirs).unwrap());
        let text = run.output().code(0).text();
        for words in [
            "fix  iteration 3/5: exit code 1: 2 of 3 repaired",
            "describe  iteration 2/3: the reason is missing",
            "complete after 3 of 5 iterations",
            "complete after 2 of 3 iterations",
        ] {
            assert!(text.contains(words), "{mode}: no {words:?} in\n{text}");
        }
    }
}

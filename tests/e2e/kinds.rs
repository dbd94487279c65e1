//! Kinds of workers that do not come with roboppi: cores of others have them, and nothing starts before it is sure that they do.

use std::fs;
use std::path::PathBuf;

use crate::env::TestEnv;

/// A core of protocol 2 that has the kinds of `$WORKERS`, and with every job succeeds.
const CORE: &str = r#"#!/usr/bin/env bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
echo "$0 $*" >> started
[ -v WORKERS ] || WORKERS=',"workers":[{"kind":"SCRIBE","agent":false}]'
printf '{"type":"hello","protocol":{"min":1,"max":2},"version":"9.0.0"%s}\n' "$WORKERS"
while IFS= read -r line; do
  id=$(field requestId)
  job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) echo '{"type":"heartbeat_ack","timestamp":1}' ;;
    *'"type":"submit_job"'*) printf '{"type":"ack","requestId":"%s","jobId":"%s"}\n' "$id" "$job" ;;
    *'"type":"request_permit"'*)
      sed -n 's/.*"workerKind":"\([^"]*\)".*/\1/p' <<< "$line" >> ran
      printf '{"type":"permit_granted","requestId":"%s","permit":{"permitId":"p","jobId":"%s","deadlineAt":4000000000000,"attemptIndex":0,"tokensGranted":{"concurrency":1,"rps":1},"circuitStateSnapshot":{}}}\n' "$id" "$job"
      printf '{"type":"job_completed","jobId":"%s","outcome":"succeeded","result":{"status":"SUCCEEDED","artifacts":[],"observations":[],"cost":{"wallTimeMs":1},"durationMs":1,"exitCode":0}}\n' "$job" ;;
  esac
done
"#;

/// A workflow with one step for each kind.
fn flow(env: &TestEnv, kinds: &[&str]) {
    let mut text = "name: kinds\nversion: \"1\"\ntimeout: 1m\nsteps:\n".to_owned();
    for (index, kind) in kinds.iter().enumerate() {
        text += &format!(
            "  step{index}:\n    worker: {kind}\n    instructions: \"true\"\n    capabilities: [READ]\n"
        );
    }
    env.write("flow.yaml", &text);
}

/// Writes the configuration file.
fn configure(env: &TestEnv, text: &str) -> PathBuf {
    let file = env.path("home/config/roboppi/config.yaml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    file
}

fn said<'t>(text: &'t str, all: &[&str]) -> &'t str {
    for part in all {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    text
}

const RUN: [&str; 4] = ["workflow", "run", "flow.yaml", "--no-tui"];
const VALIDATE: [&str; 3] = ["workflow", "validate", "flow.yaml"];

#[test]
fn a_kind_that_nobody_has_is_a_mistake_with_a_place() {
    let env = TestEnv::new();
    flow(&env, &["CUSTOM", "CLAUD_CODE"]);
    for command in [&VALIDATE[..], &RUN] {
        let printed = env.roboppi(command).output().code(2);
        said(&printed.stderr, &["flow.yaml:10:13", "did you mean `CLAUDE_CODE`?"]);
    }
    flow(&env, &["SCRIBE"]);
    said(&env.roboppi(VALIDATE).output().code(2).stderr, &["flow.yaml:6:13", "`cores: { SCRIBE: … }`"]);
    assert!(env.runs().is_empty(), "nothing ran");
    let printed = env.roboppi(["run", "--worker", "GEMENI", "hello"]).stdin("").output().code(2);
    said(&printed.stderr, &["no worker kind `GEMENI`", "did you mean `GEMINI`?"]);
    let printed = env.roboppi(["run", "--worker", "CUSTOM", "hello"]).stdin("").output().code(2);
    said(&printed.stderr, &["invalid value 'CUSTOM'", "claude-code"]);
}

#[test]
fn a_configured_core_is_used_for_its_kinds_alone() {
    let env = TestEnv::new();
    let core = env.write_program("core", CORE);
    configure(&env, &format!("cores:\n  SCRIBE: [{}, --quietly]\n", core.display()));
    flow(&env, &["SCRIBE"]);
    let _ = env.roboppi(VALIDATE).arg("--strict").output().code(0);
    let _ = env.roboppi(RUN).output().code(0);
    assert_eq!(env.read("started"), format!("{} --quietly\n", core.display()));
    assert_eq!(env.read("ran"), "SCRIBE\n");
    let started = env.the_run().events("core_started").remove(0);
    assert_eq!(started["workers"], serde_json::json!([{ "kind": "SCRIBE", "agent": false }]));
    // It is no agent, so there is nothing to be said of tokens.
    let shown = env.roboppi(["show"]).output().code(0).text();
    assert!(!shown.to_lowercase().contains("tokens"), "{shown}");

    flow(&env, &["CUSTOM"]);
    let _ = env.roboppi(RUN).output().code(0);
    assert_eq!(env.runs().pop().unwrap().events("core_started")[0].get("workers"), None);
    let agent = env.roboppi(["run", "--worker", "SCRIBE", "write", "--no-tui"]).stdin("").output().code(0);
    assert!(agent.text().is_empty(), "it has no answer: {}", agent.text());
    assert_eq!((env.read("started").lines().count(), env.read("ran")), (2, "SCRIBE\nSCRIBE\n".to_owned()));
    said(&env.roboppi(["workers"]).output().code(0).text(), &["SCRIBE", &format!("core {}", core.display())]);
    let listed: serde_json::Value =
        serde_json::from_str(&env.roboppi(["workers", "--json"]).output().code(0).text()).unwrap();
    let listed = listed.as_array().unwrap().iter().find(|worker| worker["kind"] == "SCRIBE").unwrap().clone();
    assert_eq!(listed["coreArgs"], serde_json::json!(["--quietly"]));
}

#[test]
fn nothing_starts_in_a_core_that_lacks_a_kind() {
    let env = TestEnv::new();
    let core = env.write_program("core", CORE);
    flow(&env, &["SCRIBE", "SCRIB"]);
    let run = || env.roboppi(RUN).env("ROBOPPI_CORE_ENTRYPOINT", &core);
    let printed = run().output().code(3).all();
    said(
        &printed,
        &["no worker kind `SCRIB`", "the step `step1` names", "flow.yaml:10:13", "did you mean `SCRIBE`?"],
    );
    let lost = env.the_run();
    assert_eq!((lost.events("attempt_started").len(), lost.outcome().as_deref()), (0, Some("lost")));
    assert_eq!(env.read("started").lines().count(), 1, "another one would lack it, too");
    assert!(!env.work().join("ran").exists());

    // One that does not say what it has, has what every core has.
    flow(&env, &["SCRIBE"]);
    said(
        &run().env("WORKERS", "").output().code(3).all(),
        &["no worker kind `SCRIBE`", "it has `CODEX_CLI`"],
    );
    flow(&env, &["CUSTOM"]);
    let _ = run().env("WORKERS", "").output().code(0);
    // And ours has what it says.
    flow(&env, &["SCRIBE"]);
    let ours = env.roboppi(RUN).args(["--core", env!("CARGO_BIN_EXE_roboppi")]).output().code(3).all();
    said(&ours, &["no worker kind `SCRIBE`", "it has `CLAUDE_CODE`"]);
}

#[test]
fn validation_asks_no_core() {
    let env = TestEnv::new();
    let core = env.write_program("core", CORE);
    flow(&env, &["SCRIBE"]);
    let validate = || env.roboppi(VALIDATE).env("ROBOPPI_CORE_ENTRYPOINT", &core);
    let printed = validate().output().code(0);
    said(
        &printed.stderr,
        &["warning", "flow.yaml:6:13", "whether the core of ROBOPPI_CORE_ENTRYPOINT has it"],
    );
    let _ = validate().arg("--strict").output().code(2);
    assert!(!env.work().join("started").exists());
    // A run finds out, so it warns of nothing.
    let printed = env.roboppi(RUN).arg("--strict").env("ROBOPPI_CORE_ENTRYPOINT", &core).output().code(0);
    assert!(!printed.all().contains("warning"), "{}", printed.all());
}

#[test]
fn mistakes_in_the_configuration_have_a_place() {
    let env = TestEnv::new();
    flow(&env, &["CUSTOM"]);
    let file = configure(&env, "core:\n  SCRIBE: x\n");
    for command in [&VALIDATE[..], &RUN, &["workers"]] {
        let printed = env.roboppi(command).output().code(2);
        said(&printed.stderr, &[&format!("{}:1:1", file.display()), "did you mean `cores`?"]);
    }
    assert!(env.runs().is_empty());
    // Who only looks at runs needs none.
    let _ = env.roboppi(["runs"]).output().code(0);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    said(&env.roboppi(VALIDATE).output().code(2).stderr, &[&file.display().to_string(), "cannot be read"]);
}

#[test]
fn a_run_has_one_core() {
    let env = TestEnv::new();
    configure(&env, "cores:\n  SCRIBE: scribe-core\n  QUILL: /bin/quill\n");
    flow(&env, &["SCRIBE", "QUILL"]);
    said(&env.roboppi(RUN).output().code(2).stderr, &["needs two cores", "scribe-core", "/bin/quill"]);
    flow(&env, &["SCRIBE"]);
    said(
        &env.roboppi(RUN).arg("--direct").output().code(2).stderr,
        &["a process of its own", "leave out --direct"],
    );
    said(&env.roboppi(RUN).output().code(3).all(), &["scribe-core", "cannot be started"]);
}

//! Values that must not be seen, anywhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::wire_peer::{WirePeer, job};

const CANARY: &str = "c4nary/9f+86d0=8 kill\"joy";

/// Every file below a directory that holds a text, except where it came from.
pub(crate) fn files_with(dir: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if let Ok(bytes) = fs::read(&path)
                && memchr::memmem::find(&bytes, needle.as_bytes()).is_some()
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn the_value_of_a_variable_with_a_secret_name_is_nowhere() {
    for mode in ["--supervised", "--direct"] {
        for view in [&[][..], &["--stream"], &["--output", "json"]] {
            let env = TestEnv::new();
            // As it is, in pieces, in other spellings, in progress, on stderr, in what fails, and never ended.
            let script = r#"
                echo "begin $DEPLOY_TOKEN end"
                for ((i = 0; i < ${#DEPLOY_TOKEN}; i++)); do printf %s "${DEPLOY_TOKEN:i:1}"; sleep 0.001; done; echo
                printf %s "$DEPLOY_TOKEN" | base64 -w0; echo
                printf 'x%s' "$DEPLOY_TOKEN" | base64 -w0; echo
                printf 'xy%s' "$DEPLOY_TOKEN" | base64 -w0; echo
                echo "::progress percent=5::$DEPLOY_TOKEN"
                cat spelled
                echo "oops $DEPLOY_TOKEN" >&2
                printf %s "$DEPLOY_TOKEN"
                exit 3"#;
            let json = r#"{"key": "c4nary/9f+86d0=8 kill\"joy"}"#;
            env.write("spelled", &format!("{json}\nc4nary%2F9f%2B86d0%3D8%20kill%22joy\n"));
            let run = env.run(&Flow::of(script)).arg(mode).args(view).env("DEPLOY_TOKEN", CANARY);
            let shown = run.output().code(1).all();
            let logged = env.roboppi(["logs"]).output().code(0).all();
            let spellings = [
                CANARY.to_owned(),
                "YzRuYXJ5LzlmKzg2ZDA9OCBraWxsImpv".to_owned(),
                "Yzg2ZDA9OCBraWxs".to_owned(),
                "c4nary/9f+86d0=8 kill\\\"joy".to_owned(),
                "c4nary%2F9f%2B86d0%3D8%20kill%22joy".to_owned(),
                "c4nary".to_owned(),
                "kill\"joy".to_owned(),
            ];
            for spelling in spellings {
                assert!(!shown.contains(&spelling), "{mode} {view:?}: {spelling}: {shown}");
                assert!(!logged.contains(&spelling), "{spelling}: {logged}");
                assert_eq!(files_with(&env.path("state"), &spelling), [""; 0], "{mode}: {spelling}");
            }
            assert!(logged.contains("begin *** end"), "{logged}");
            assert!(logged.contains("{\"key\": \"***\"}"), "{logged}");
        }
    }
}

#[test]
fn a_workflow_names_what_else_must_not_be_seen() {
    let env = TestEnv::new();
    env.write(
        "key.pem",
        "-----BEGIN KEY-----\nline-one-of-the-key\nline-two-of-the-key\n-----END KEY-----\n",
    );
    let flow = "name: flow\nversion: \"1\"\ntimeout: 1m\n\
        secrets: [HARMLESS_NAME, {file: key.pem}, {command: 'printf %s from-a-command'}, NOT_SET]\n\
        steps:\n  work:\n    worker: CUSTOM\n    capabilities: [RUN_COMMANDS]\n    secrets: [ANOTHER]\n\
        \x20   instructions: |\n      echo \"$HARMLESS_NAME $ANOTHER from-a-command literal-in-the-file\"\n\
        \x20     cat key.pem; head -2 key.pem | tail -1\n";
    env.write("flow.yaml", &flow.replace("name: flow", "name: flow\ndescription: literal-in-the-file"));
    let run = env.roboppi(["workflow", "run", "flow.yaml", "--stream"]);
    let run = run.env("HARMLESS_NAME", "a plain value").env("ANOTHER", "literal-in-the-file");
    let shown = run.output().code(0).all();
    for hidden in ["a plain value", "from-a-command", "line-one-of", "line-two-of", "literal-in-the-file"] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
    assert!(shown.contains("NOT_SET is not set"), "{shown}");
    assert_eq!(
        files_with(&env.path("state"), "literal-in-the-file"),
        [""; 0],
        "neither in the copy of the workflow nor in what is said of the run"
    );
}

#[test]
fn a_secret_that_cannot_be_found_stops_the_run_before_it_begins() {
    for (source, said) in [("{file: nowhere.pem}", "nowhere.pem"), ("{command: exit 7}", "exit 7")] {
        let env = TestEnv::new();
        let flow = format!(
            "name: flow\nversion: \"1\"\ntimeout: 1m\nsecrets: [{source}]\nsteps:\n  work:\n    worker: CUSTOM\n    \
             capabilities: [RUN_COMMANDS]\n    instructions: touch ran\n"
        );
        env.write("flow.yaml", &flow);
        let refused = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).output().code(2).all();
        assert!(refused.contains(said), "{refused}");
        assert!(!env.work().join("ran").exists());
    }
}

#[test]
fn a_value_can_be_masked_while_a_step_runs() {
    let env = TestEnv::new();
    let flow = Flow::of("echo '::add-mask::made-up-at-run-time'; echo \"now: made-up-at-run-time\"")
        .step_with("after", "echo \"later: made-up-at-run-time\"", &["depends_on: [work]"]);
    let shown = env.run(&flow).arg("--stream").output().code(0).all();
    assert!(shown.contains("now: ***") && shown.contains("later: ***"), "{shown}");
    assert_eq!(files_with(&env.the_run().dir.join("steps"), "made-up"), [""; 0]);
    assert_eq!(env.the_run().text("after", 1), "later: ***\n");
}

#[test]
fn nothing_of_a_secret_is_on_the_wire_or_in_its_trace() {
    let env = TestEnv::new();
    let core = env.roboppi(["core"]).env("ROBOPPI_IPC_TRACE", "1").env("API_KEY", "key-of-the-environment");
    let (core, stdin, stdout) = core.start_with_pipes();
    let mut wire = WirePeer::new(stdout, stdin);
    let mut secret = job(&env, "a", "echo $API_KEY; echo key-of-the-job; echo key-of-the-job >&2; exit 1");
    secret["payload"]["roboppi"] = json!({"redact": ["key-of-the-job"]});
    wire.start(&secret);
    let end = wire.completed("a").to_string();
    for hidden in ["key-of-the-environment", "key-of-the-job"] {
        assert!(!end.contains(hidden), "{end}");
    }
    drop(wire);
    let traced = core.wait().code(0).all();
    assert!(traced.contains("request_permit") && !traced.contains("key-of-"), "{traced}");
}

#[test]
fn an_old_core_knows_of_no_secrets_and_its_words_are_cleaned_here() {
    let env = TestEnv::new();
    let core = env.write(
        "old-core",
        r#"#!/bin/bash
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<< "$line"; }
while IFS= read -r line; do
  id=$(field requestId); job=$(field jobId)
  case $line in
    *'"type":"heartbeat"'*) echo '{"type":"heartbeat_ack","timestamp":1}' ;;
    *'"type":"submit_job"'*) printf '{"type":"ack","requestId":"%s","jobId":"%s"}\n' "$id" "$job" ;;
    *'"type":"request_permit"'*)
      echo "stderr says $MY_SECRET" >&2
      printf '{"type":"permit_granted","requestId":"%s","permit":{"permitId":"p","jobId":"%s","deadlineAt":4000000000000,"attemptIndex":0,"tokensGranted":{"concurrency":1,"rps":1},"circuitStateSnapshot":{}}}\n' "$id" "$job"
      printf '{"type":"job_event","jobId":"%s","ts":1,"seq":0,"event":{"type":"stdout","data":"it is %s"}}\n' "$job" "$MY_SECRET"
      printf '{"type":"job_completed","jobId":"%s","outcome":"failed","result":{"status":"FAILED","artifacts":[],"observations":[{"summary":"saw %s"}],"cost":{"wallTimeMs":1},"durationMs":1,"exitCode":1}}\n' "$job" "$MY_SECRET" ;;
  esac
done
"#,
    );
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    let run = env.run(&Flow::of("true")).arg("--stream").arg("--core").arg(&core);
    let shown = run.env("MY_SECRET", "hunter2hunter2").output().code(1).all();
    assert!(shown.contains("it is ***") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(files_with(&env.path("state"), "hunter2"), [""; 0]);
}

#[test]
fn neither_the_full_screen_nor_any_page_about_a_run_shows_it() {
    let env = TestEnv::new();
    // A process that is left behind is told with its command line, and a name of a file is told as well.
    let script = "echo \"it is $DEPLOY_TOKEN\"; echo \"::progress::$DEPLOY_TOKEN\"; echo \"$DEPLOY_TOKEN\" >&2; \
        setsid sh -c 'sleep 600; : \"$0\"' \"$DEPLOY_TOKEN\" & mkdir -p out; echo x > \"out/a $DEPLOY_TOKEN\"; \
        while [ ! -e left ]; do pgrep -f 'sleep 600; :' > left; done; echo \"$DEPLOY_TOKEN\"";
    let secret = "c4nary-9f86d081-884c7d65";
    let outputs = ["outputs: [{name: found, path: out}]"];
    let flow = Flow::new().step_with("work", script, &outputs).step_with(
        "fails",
        "echo \"$DEPLOY_TOKEN\"; exit 1",
        &["depends_on: [work]"],
    );
    let run = env.run_in_terminal(&flow).args(["--verbose"]).env("DEPLOY_TOKEN", secret);
    let mut screen = run.env("ROBOPPI_IPC_TRACE", "1").start_in_terminal(40, 120);
    env.wait_for("the end of the run", || env.runs().first()?.outcome());
    screen.press("2");
    screen.wait_for_text("***");
    for tab in ["1", "3", "4", "5", "8", "1"] {
        screen.press(tab);
    }
    screen.press("q");
    screen.expect_code(1);
    let mut all = vec![("screen".to_owned(), screen.terminal.written())];
    let exported = env.path("exported");
    let exported = exported.to_str().unwrap();
    for command in [
        &["show"][..],
        &["events", "--workers"],
        &["events", "--json", "--workers"],
        &["logs", "--all", "--timestamps"],
        &["runs", "--json"],
        &["export", "-1", "-o", exported],
    ] {
        let printed = env.roboppi(command).output().code(0);
        all.push((format!("{command:?}"), [printed.stdout, printed.stderr.into_bytes()].concat()));
    }
    for (place, bytes) in all {
        let shown = String::from_utf8_lossy(&bytes);
        assert!(!shown.contains("c4nary") && !shown.contains("9f86d081"), "{place}: {shown}");
    }
    let leaked = env.the_run().events("core_report").iter().any(|event| event["event"]["type"] == "leaked");
    assert!(leaked, "there was something to tell with its command line");
    let elsewhere = env.path("elsewhere");
    let _ = env.roboppi(["import", exported]).env("ROBOPPI_STATE_DIR", &elsewhere).output().code(0);
    for place in [env.path("state"), elsewhere, env.path("runtime"), env.path("tmp")] {
        assert_eq!(files_with(&place, "c4nary"), [""; 0]);
    }
}

//! Steps that are repeated until a check finds them complete.

use std::fs;
use std::path::Path;
use std::thread;

use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use serde_json::{Value, json};

use crate::agents::{flow as agent_flow, with_claude};
use crate::env::{Invocation, TestEnv};
use crate::flow::Flow;
use crate::run_files::RunFiles;

/// The check of a step as a line of it: a script, and how many iterations there may be.
fn checked_by(script: &str, most: u32, more: &str) -> [String; 2] {
    let script = serde_json::to_string(script).unwrap();
    [
        format!("max_iterations: {most}"),
        format!(
            "completion_check: {{ worker: CUSTOM, capabilities: [RUN_COMMANDS], instructions: {script}{more} }}"
        ),
    ]
}

/// A step `fix` that adds a line to `tries`, and is complete when there are so many.
fn fix(complete_at: u32, most: u32, lines: &[&str]) -> Flow {
    let check = format!(
        "echo \"$ROBOPPI_COMPLETION_CHECK_ID\" >> ids; n=$(wc -l < tries); [ $n -ge {complete_at} ] || \
         {{ echo only $n of {complete_at}; exit 1; }}"
    );
    let [most, check] = checked_by(&check, most, "");
    let lines: Vec<&str> = [most.as_str(), &check].into_iter().chain(lines.iter().copied()).collect();
    Flow::new().step_with("fix", "echo try >> tries; wc -l < tries", &lines)
}

/// Attempts in their order, as they are named.
fn attempts(run: &RunFiles) -> Vec<String> {
    let name = |event: &Value| {
        let of = &event["of"];
        let role = of["role"].as_str().map_or_else(String::new, |role| format!("/{role}"));
        format!("{}@{}{role}#{}", of["step"].as_str().unwrap(), of["iteration"], of["attempt"])
    };
    run.events("attempt_started").iter().map(name).collect()
}

/// The iterations after the first one, each with its reason.
fn iterations(run: &RunFiles) -> Vec<(u64, String)> {
    let told = |event: &Value| {
        (event["iteration"].as_u64().unwrap(), event["detail"].as_str().unwrap_or_default().to_owned())
    };
    run.events("iteration_started").iter().map(told).collect()
}

/// Why a step ended as it did.
fn reason(run: &RunFiles, step: &str) -> String {
    let changes = run.events("step_changed");
    let last = changes.iter().rev().find(|event| event["step"] == step).unwrap();
    last["detail"].as_str().unwrap_or_default().to_owned()
}

fn meta(env: &TestEnv, step: &str) -> Value {
    serde_json::from_str(&env.read(&format!("context/{step}/_meta.json"))).unwrap()
}

#[test]
fn a_step_is_repeated_until_its_check_finds_it_complete() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = fix(3, 5, &["outputs:", "  - { name: tries, path: tries }"]).step_with(
            "ship",
            "cat tries-of-fix/tries",
            &["depends_on: [fix]", "inputs:", "  - { from: fix, artifact: tries, as: tries-of-fix }"],
        );
        let text = env.run(&flow).args([mode, "--verbose"]).output().code(0).text();
        let run = env.the_run();
        assert_eq!(
            attempts(&run),
            ["fix@1#1", "fix@1/check#1", "fix@2#1", "fix@2/check#1", "fix@3#1", "fix@3/check#1", "ship@1#1"]
        );
        assert_eq!(
            iterations(&run),
            [
                (2, "exit code 1: only 1 of 3".to_owned()),
                (3, "exit code 1: only 2 of 3 (changed: `tries`)".to_owned())
            ]
        );
        assert_eq!(run.state("fix"), "succeeded");
        // Outputs are collected after each iteration, and the last ones are handed on.
        assert_eq!(run.events("artifact_collected").len(), 3);
        assert_eq!(run.text("ship", 1), "try\ntry\ntry\n");
        for words in [
            "fix  started (iteration 2/5)",
            "fix  iteration 2/5: exit code 1: only 1 of 3",
            "fix  check started (iteration 2/5)",
            "complete after 3 of 5 iterations",
        ] {
            assert!(text.contains(words), "{mode}: no {words:?} in\n{text}");
        }
        let meta = meta(&env, "fix");
        assert_eq!((&meta["status"], &meta["exitCode"]), (&json!("SUCCEEDED"), &json!(0)));
        assert_eq!((&meta["iterations"], &meta["maxIterations"]), (&json!(3), &json!(5)));
        // Each check has an id of its own.
        let ids = env.read("ids");
        let ids: std::collections::BTreeSet<_> = ids.lines().collect();
        assert!(ids.len() == 3 && ids.iter().all(|id| id.len() == 36), "{ids:?}");
        let left = fs::read_dir(env.work().join("context")).unwrap().count();
        assert_eq!(left, 3, "the steps and the metadata, and nothing of checks");
    }
}

#[test]
fn every_view_tells_the_truth_about_a_loop() {
    let env = TestEnv::new();
    let json = env.run(&fix(2, 3, &[])).args(["--output", "json"]).output().code(0).text();
    let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&Value> = objects.iter().map(|object| &object["event"]).collect();
    let begun = events.iter().find(|event| event["type"] == "iteration_started").unwrap();
    assert_eq!((&begun["iteration"], &begun["maxIterations"]), (&json!(2), &json!(3)));
    let started = events.iter().find(|event| event["type"] == "run_started").unwrap();
    assert_eq!(
        (&started["steps"][0]["maxIterations"], &started["steps"][0]["check"]),
        (&json!(3), &json!("CUSTOM"))
    );

    let page = env.roboppi(["show"]).output().code(0).text();
    for words in
        ["fix iteration 2 of 3: exit code 1: only 1 of 2", "complete after 2 of 3 iterations", "fix@2/check"]
    {
        assert!(page.contains(words), "no {words:?} in\n{page}");
    }
    for (reference, expected) in
        [("fix/i2", "2\n"), ("fix/i1/check", "only 1 of 2\n"), ("fix@1/check#1", "only 1 of 2\n")]
    {
        let log = env.roboppi(["logs", "-1", reference]).output().code(0).text();
        assert!(log.ends_with(expected), "{reference}: {log}");
    }
    for command in [&["replay", "--no-tui", "--speed", "max"][..], &["attach", "--no-tui"]] {
        let text = env.roboppi(command).output().code(0).text();
        assert!(text.contains("iteration 2/3: exit code 1: only 1 of 2"), "{command:?}: {text}");
        assert!(!text.contains("retried"), "no attempt was retried: {text}");
    }
    let runs = env.roboppi(["runs"]).output().code(0).text();
    assert!(runs.contains("1/1"), "{runs}");

    let mut screen = env.roboppi(["replay", "--tui", "--speed", "max"]).start_in_terminal(30, 110);
    screen.wait_for_text("@2/3");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn a_step_without_iterations_left_fails_or_is_incomplete() {
    let env = TestEnv::new();
    let after = |flow: Flow| flow.step_with("ship", "echo shipped", &["depends_on: [fix]"]);
    let text = env.run(&after(fix(9, 2, &[]))).output().code(1).text();
    let run = env.the_run();
    assert_eq!(reason(&run, "fix"), "not complete after 2 iterations: exit code 1: only 2 of 9");
    assert_eq!((run.state("fix"), run.state("ship")), ("failed".to_owned(), "skipped".to_owned()));
    assert_eq!(meta(&env, "fix")["status"], "FAILED");
    assert!(text.contains("not complete after 2 iterations: exit code 1: only 2 of 9"), "{text}");

    let text = env.run(&after(fix(9, 2, &["on_iterations_exhausted: continue"]))).output().code(0).text();
    let run = env.runs().pop().unwrap();
    assert_eq!((run.state("fix"), run.state("ship")), ("incomplete".to_owned(), "succeeded".to_owned()));
    assert_eq!(meta(&env, "fix")["status"], "INCOMPLETE");
    assert!(text.contains("~ fix  not complete after 2 iterations"), "{text}");
    assert!(text.contains("SUCCEEDED: 2 steps") && text.contains("(1 incomplete)"), "{text}");
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("incomplete") && page.contains("incomplete: `fix`"), "{page}");
    let runs = env.roboppi(["runs"]).output().code(0).text();
    assert!(runs.contains("2/2"), "it counts as success: {runs}");
    let export = env.roboppi(["export", "-1", "fix", "--format", "json"]).output().code(0).text();
    assert!(
        export.contains("only 4 of 9") && export.contains("COMPLETION_CHECK_ID"),
        "of the check: {export}"
    );
}

#[test]
fn a_check_that_fails_is_no_decision_and_no_work_is_repeated_for_it() {
    let with = |check: &str, more: &str, lines: &[&str]| {
        let [most, check] = checked_by(check, 3, more);
        let lines: Vec<&str> = [most.as_str(), &check].into_iter().chain(lines.iter().copied()).collect();
        Flow::new().step_with("fix", "echo work >> done", &lines)
    };
    for (check, more, why) in [
        ("echo broken; exit 2", "", "its check failed: exit code 2: broken"),
        ("kill -SEGV $$", "", "its check failed: killed by SIGSEGV"),
        ("sleep 1000", ", timeout: 200ms", "its check timed out after 200ms (`timeout`)"),
    ] {
        let env = TestEnv::new();
        let text = env.run(&with(check, more, &[])).output().code(1).text();
        let run = env.the_run();
        assert!(reason(&run, "fix").starts_with(why), "{}", reason(&run, "fix"));
        assert!(text.contains(why), "{text}");
        assert_eq!(attempts(&run), ["fix@1#1", "fix@1/check#1"]);
        env.wait_until_nothing_is_left();
    }
    // With retries it is the check that is tried again.
    let env = TestEnv::new();
    let check = "[ -e once ] || { touch once; exit 7; }";
    let _ = env.run(&with(check, "", &["on_failure: retry", "max_retries: 1"])).output().code(0);
    assert_eq!(attempts(&env.the_run()), ["fix@1#1", "fix@1/check#1", "fix@1/check#2"]);
    assert_eq!(env.read("done"), "work\n");
}

#[test]
fn inputs_are_placed_again_for_each_iteration() {
    let env = TestEnv::new();
    let [most, check] = checked_by("[ $(wc -l < seen) -ge 2 ]", 3, "");
    let flow = Flow::new()
        .step_with("make", "echo fresh > it", &["outputs:", "  - { name: it, path: it }"])
        .step_with(
            "fix",
            "cat taken/it >> seen; echo spoilt > taken/it",
            &["depends_on: [make]", "inputs:", "  - { from: make, artifact: it, as: taken }", &most, &check],
        );
    let _ = env.run(&flow).output().code(0);
    assert_eq!(env.read("seen"), "fresh\nfresh\n");
}

/// A `claude` that does what its prompt says: it is a script, and what that prints is its answer.
const OBEDIENT: &str = r#"#!/usr/bin/env bash
if [ "$1" = --version ]; then echo "2.1.329 (Claude Code)"; exit 0; fi
prompt=$(cat)
common='"session_id":"11111111-2222-3333-4444-555555555555","uuid":"u"'
echo '{"type":"system","subtype":"init","cwd":"/","tools":[],"mcp_servers":[],"model":"m","permissionMode":"acceptEdits","apiKeySource":"none","claude_code_version":"2.1.329",'"$common}"
answer=$(eval "$prompt" | sed 's/\\/\\\\/g; s/"/\\"/g' | awk '{printf "%s\\n", $0}')
echo '{"duration_api_ms":1,"stop_reason":"end_turn","total_cost_usd":0.01,"usage":{"input_tokens":1,"output_tokens":1},"modelUsage":{},"permission_denials":[],"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"'"$answer"'","terminal_reason":"completed",'"$common}"
"#;

fn with_obedient_agent() -> TestEnv {
    let env = TestEnv::new();
    env.write_program("../bin/claude", OBEDIENT);
    env
}

/// The command, with that agent first in its path.
fn finding<'e>(env: &TestEnv, command: Invocation<'e>) -> Invocation<'e> {
    let dirs = [env.path("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    command.env("PATH", std::env::join_paths(dirs).unwrap())
}

/// A step that an agent checks, with these instructions.
fn by_agent(check: &str, most: u32) -> Flow {
    let check = serde_json::to_string(check).unwrap();
    let most = format!("max_iterations: {most}");
    let check = format!(
        "completion_check: {{ worker: CLAUDE_CODE, capabilities: [READ], decision_file: out/decision.json, \
         instructions: {check} }}"
    );
    Flow::new().step_with("fix", "mkdir -p out; echo work >> done", &[&most, &check])
}

fn checked(env: &TestEnv, check: &str) -> RunFiles {
    let _ = finding(env, env.run(&by_agent(check, 4))).output();
    env.runs().pop().unwrap()
}

#[test]
fn an_agent_decides_in_either_file_or_in_its_answer() {
    let json = |decision: &str| {
        format!(r#"{{"decision":"{decision}","check_id":"'$id'","reasons":["two","tests"]}}"#)
    };
    let complete = json("complete");
    for check in [
        format!("id='$ROBOPPI_COMPLETION_CHECK_ID'; echo '{complete}' > out/decision.json"),
        format!(
            "id=${{ROBOPPI_COMPLETION_CHECK_ID}}; echo '{complete}' > \"${{ROBOPPI_COMPLETION_DECISION_FILE}}\""
        ),
        format!(
            "id=$(printenv ROBOPPI_COMPLETION_CHECK_ID); echo '{complete}' > \"$(printenv ROBOPPI_COMPLETION_DECISION_FILE)\""
        ),
        format!("id=$(printenv ROBOPPI_COMPLETION_CHECK_ID); echo looked; echo '{complete}'"),
        "echo 'Verdict: **PASS**'".to_owned(),
        "echo 'all is well'; echo PASS > out/decision.json".to_owned(),
        "echo FAIL > out/decision.json; echo PASS > $ROBOPPI_COMPLETION_DECISION_FILE".to_owned(),
    ] {
        let env = with_obedient_agent();
        let run = checked(&env, &check);
        assert_eq!(run.state("fix"), "succeeded", "{check}: {}", reason(&run, "fix"));
        assert_eq!(attempts(&run), ["fix@1#1", "fix@1/check#1"], "{check}");
        assert!(!env.work().join("context/_completion").exists(), "{check}");
    }
    let env = with_obedient_agent();
    let incomplete = json("incomplete");
    let run = checked(
        &env,
        &format!(
            "id=$(printenv ROBOPPI_COMPLETION_CHECK_ID); if [ $(wc -l < done) -lt 2 ]; then echo '{incomplete}'; else echo \
             '{complete}'; fi > out/decision.json"
        ),
    );
    assert_eq!(iterations(&run), [(2, "two; tests".to_owned())]);
    assert_eq!(run.state("fix"), "succeeded");
}

#[test]
fn what_is_no_decision_of_this_check_does_not_count() {
    for (check, why) in [
        ("true", "source none: the decision file is missing, and there is no decision in the answer"),
        ("echo 'Fail-safe logic is fine'", "there is no decision in the answer"),
        (
            "echo PASS > out/decision.json; touch -d '2001-01-01' out/decision.json",
            "written before the check began",
        ),
        (
            r#"echo '{"decision":"complete","check_id":"other"}' > out/decision.json"#,
            "of another check (`other`, not",
        ),
        ("ln -sf /etc/hostname out/decision.json", "cannot be read"),
        ("[ -p out/decision.json ] || mkfifo out/decision.json", "is a FIFO"),
        ("mkdir -p out/decision.json", "is a directory"),
        ("head -c 3000000 /dev/zero > out/decision.json", "longer than 1048576 bytes"),
        ("rm -rf context; : > out/decision.json", "is empty"),
    ] {
        let env = with_obedient_agent();
        let run = checked(&env, check);
        let told = reason(&run, "fix");
        assert!(
            told.starts_with("it could not be decided twice in a row whether it is complete: source none:"),
            "{check}: {told}"
        );
        assert!(told.contains(why), "{check}: {told}");
        assert_eq!(attempts(&run).len(), 4, "{check}: two iterations");
        assert!(iterations(&run)[0].1.starts_with("it could not be decided"), "{check}");
    }
    // A decision in between begins the count anew.
    let env = with_obedient_agent();
    let run = checked(&env, "case $(wc -l < done) in 2) echo FAIL;; 4) echo PASS;; esac");
    assert_eq!(run.state("fix"), "succeeded", "{}", reason(&run, "fix"));
}

#[test]
fn what_a_check_says_is_masked_and_made_safe() {
    let env = with_obedient_agent();
    let check = r#"printf '{"decision":"incomplete","reasons":["\\u001b]0;pwned\\u0007 it is hunter2-hunter2"]}' > out/decision.json"#;
    let flow = by_agent(check, 2).with("secrets: [DEPLOY_TOKEN]");
    let command = finding(&env, env.run(&flow)).env("DEPLOY_TOKEN", "hunter2-hunter2");
    let text = command.output().code(1).all();
    let page = env.roboppi(["show"]).output().code(0).text();
    let journal = fs::read_to_string(env.the_run().dir.join("journal.jsonl")).unwrap();
    for shown in [&text, &page] {
        assert!(shown.contains("iteration 2") && !shown.contains('\u{1b}'), "{shown}");
    }
    for kept in [&text, &page, &journal] {
        assert!(!kept.contains("hunter2-hunter2"), "{kept}");
    }
}

#[test]
fn a_run_can_be_ended_while_a_check_runs() {
    let env = TestEnv::new();
    let [most, check] = checked_by("trap '' INT TERM; echo > up; sleep 1000", 3, "");
    let flow = Flow::new().step_with("fix", "true", &[&most, &check]);
    let run = env.run(&flow).args(["--grace", "100ms"]).start();
    env.wait_for_file("up");
    run.signal(SIGINT);
    let _ = run.wait().code(130);
    env.wait_until_nothing_is_left();
    assert_eq!(env.the_run().state("fix"), "cancelled");
}

fn resume<'e>(env: &'e TestEnv) -> Invocation<'e> {
    env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1"])
}

#[test]
fn a_run_goes_on_in_the_iteration_it_was_in() {
    let env = TestEnv::new();
    let [most, check] = checked_by("[ $(wc -l < tries) -ge 4 ]", 5, "");
    let work = "echo try >> tries; [ $(wc -l < tries) -ne 2 ] || { echo > second; sleep 1000; }";
    let run = env.run(&Flow::new().step_with("fix", work, &[&most, &check])).start();
    env.wait_for_file("second");
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    let dry = resume(&env).arg("--dry-run").output().code(0).text();
    assert!(dry.contains("from iteration 2"), "{dry}");
    let text = resume(&env).output().code(0).text();
    assert!(text.contains("iteration 2/5: continued from the earlier run"), "{text}");
    let run = env.runs().pop().unwrap();
    // The third and the fourth try.
    assert_eq!(attempts(&run), ["fix@2#1", "fix@2/check#1", "fix@3#1", "fix@3/check#1"]);
    assert!(text.contains("complete after 3 of 5 iterations"), "{text}");
}

#[test]
fn a_step_without_iterations_left_begins_anew_unless_it_has_more_now() {
    let env = TestEnv::new();
    let _ = env.run(&fix(9, 2, &[])).output().code(1);
    let again = ["workflow", "run", "flow.yaml", "--no-tui", "--rerun-failed"];
    let _ = env.roboppi(again).output().code(1);
    assert_eq!(attempts(&env.runs().pop().unwrap())[0], "fix@1#1");
    env.write("flow.yaml", &fix(9, 4, &[]).text());
    let _ = env.roboppi(again).output().code(1);
    let more = attempts(&env.runs().pop().unwrap());
    assert_eq!(more, ["fix@3#1", "fix@3/check#1", "fix@4#1", "fix@4/check#1"]);
    // One that was left incomplete is done again, too: it may be complete now.
    env.write("flow.yaml", &fix(9, 2, &["on_iterations_exhausted: continue"]).text());
    let _ = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]).output().code(0);
    let dry = resume(&env).arg("--dry-run").output().code(0).text();
    assert!(dry.contains("it was not complete"), "{dry}");
}

fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[test]
fn after_a_crash_at_any_record_of_a_loop_it_is_brought_to_its_end() {
    const LANES: usize = 3;
    thread::scope(|scope| {
        for lane in 0..LANES {
            scope.spawn(move || crash_at_every_record(lane, LANES));
        }
    });
}

fn crash_at_every_record(lane: usize, lanes: usize) {
    let env = TestEnv::new();
    let flow = fix(3, 9, &["outputs:", "  - { name: tries, path: tries }"]);
    let _ = env.run(&flow).output().code(0);
    let run = env.the_run();
    let context = env.work().join("context");
    let (saved_run, saved_context) = (env.path("saved-run"), env.path("saved-context"));
    copy(&run.dir, &saved_run);
    copy(&context, &saved_context);
    let journal = fs::read_to_string(run.dir.join("journal.jsonl")).unwrap();
    let lines: Vec<_> = journal.split_inclusive('\n').collect();
    assert!(lines.len() > 30, "{journal}");
    for records in (1..lines.len()).filter(|records| records % lanes == lane) {
        fs::remove_dir_all(env.path("state/roboppi/runs")).unwrap();
        fs::create_dir(env.path("state/roboppi/runs")).unwrap();
        copy(&saved_run, &run.dir);
        fs::remove_dir_all(&context).unwrap();
        copy(&saved_context, &context);
        fs::write(run.dir.join("journal.jsonl"), lines[..records].concat()).unwrap();
        let _ = fs::remove_dir_all(run.dir.join("snapshots"));
        let at = format!("crash after record {records} of {}", lines.len());
        let is_kept = run.state("fix") == "succeeded";
        let reached = iterations(&run).last().map_or(1, |(iteration, _)| *iteration);
        // What was done is there.
        let tries = run.events("artifact_collected").len().max(reached as usize - 1);
        env.write("tries", &"try\n".repeat(tries));
        let outcome = resume(&env).output();
        let shown = outcome.to_string();
        assert!(shown.contains("SUCCEEDED") || shown.contains("nothing to run"), "{at}: {shown}");
        let done = attempts(&env.runs().pop().unwrap());
        if is_kept {
            assert!(env.runs().len() == 1 || done.is_empty(), "{at}: {done:?}");
            continue;
        }
        assert_eq!(done[0], format!("fix@{reached}#1"), "{at}: {shown}");
        assert!(env.read("tries").lines().count() >= 3, "{at}");
        assert_eq!(env.read("context/fix/tries/tries"), env.read("tries"), "{at}: {shown}");
    }
}

#[test]
fn a_workflow_of_checks_is_valid() {
    let env = TestEnv::new();
    env.write(
        "loop.yaml",
        "name: loop\nversion: \"1\"\ntimeout: 1h\nsteps:\n  work:\n    worker: CUSTOM\n    capabilities: [EDIT]\n    \
         instructions: \"true\"\n    max_iterations: 20\n    on_iterations_exhausted: continue\n    completion_check:\n      \
         worker: CUSTOM\n      capabilities: [READ]\n      instructions: \"false\"\n      timeout: 5s\n  judge:\n    worker: \
         CODEX_CLI\n    capabilities: [EDIT]\n    instructions: do\n    max_iterations: 2\n    completion_check:\n      worker: \
         CLAUDE_CODE\n      capabilities: [READ]\n      model: m\n      instructions: decide\n      decision_file: \
         .out/d.json\n",
    );
    let printed = env.roboppi(["workflow", "validate", "--strict", "loop.yaml"]).output().code(0).all();
    assert!(!printed.contains("warning"), "{printed}");
}

#[test]
fn views_say_what_an_iteration_has_changed() {
    // What is the same as before is said, too.
    let env = TestEnv::new();
    let [most, check] = checked_by("echo not yet; exit 1", 3, "");
    let flow = Flow::new().step_with(
        "fix",
        "echo same > same; [ -e other ] && echo again > other || echo first > other",
        &["outputs:", "  - { name: same, path: same }", "  - { name: other, path: other }", &most, &check],
    );
    let text = env.run(&flow).output().code(1).text();
    let run = env.the_run();
    assert_eq!(
        iterations(&run),
        [
            (2, "exit code 1: not yet".to_owned()),
            (3, "exit code 1: not yet (the same as before; changed: `other`)".to_owned())
        ]
    );
    let ended =
        "not complete after 3 iterations: exit code 1: not yet (the same as before; no output changed)";
    assert_eq!(reason(&run, "fix"), ended);
    assert!(text.contains(ended), "{text}");

    // An agent reports the files it has changed.
    let env = with_claude();
    let [most, check] = checked_by("[ -e twice ] || { touch twice; echo look again; exit 1; }", 3, "");
    agent_flow(&env, "run the tests", &[&most, &check]);
    let command = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]);
    let text = finding(&env, command).output().code(0).text();
    assert!(
        text.contains("iteration 2/3: exit code 1: look again; changed ") && text.contains("/a.txt"),
        "{text}"
    );
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(
        page.contains("iteration 2 of 3: exit code 1: look again; changed ") && page.contains("/a.txt"),
        "{page}"
    );
    let object: Value =
        serde_json::from_str(&env.roboppi(["show", "--json"]).output().code(0).text()).unwrap();
    let step = &object["steps"][0];
    assert_eq!(
        (&step["iterations"], &step["maxIterations"], &step["check"]),
        (&json!(2), &json!(3), &json!("CUSTOM"))
    );
    let repeated = &step["repeated"][0];
    assert_eq!((&repeated["iteration"], &repeated["why"]), (&json!(2), &json!("exit code 1: look again")));
    assert!(repeated["filesChanged"][0].as_str().unwrap().ends_with("/a.txt"), "{repeated}");
}

#[test]
fn the_summary_file_has_iterations_and_what_is_incomplete() {
    let env = TestEnv::new();
    let flow = fix(9, 2, &["on_iterations_exhausted: continue"]);
    let _ = env.run(&flow).args(["--summary-file", "summary.json"]).output().code(0);
    let summary: Value = serde_json::from_str(&env.read("summary.json")).unwrap();
    assert_eq!((&summary["counts"]["incomplete"], &summary["counts"]["succeeded"]), (&json!(1), &json!(0)));
    let step = &summary["steps"][0];
    assert_eq!((&step["state"], &step["check"]), (&json!("incomplete"), &json!("CUSTOM")));
    assert_eq!((&step["iterations"], &step["maxIterations"]), (&json!(2), &json!(2)));
    assert_eq!(step["repeated"][0]["why"], "exit code 1: only 1 of 9");
    let figures: Value =
        serde_json::from_str(&env.roboppi(["stats", "--json"]).output().code(0).text()).unwrap();
    assert!(figures.to_string().contains("\"incomplete\":1"), "{figures}");
    let junit = env.roboppi(["export", "-1", "--format", "junit"]).output().code(0).text();
    assert!(junit.contains("skipped") && junit.contains("not complete after 2 iterations"), "{junit}");
}

/// Workflow files as the existing program reads them, of which nothing was missing but completion checks.
#[test]
fn workflows_that_lacked_checks_alone_are_valid_and_run() {
    let loops = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/loops");
    let env = TestEnv::new();
    let mut count = 0;
    for file in fs::read_dir(loops).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        fs::copy(&file, env.work().join(&name)).unwrap();
        let printed = env.roboppi(["workflow", "validate", "--strict", &name]).output().code(0).all();
        assert!(!printed.contains("warning"), "{name}: {printed}");
        count += 1;
    }
    assert_eq!(count, 3);
    for mode in ["--supervised", "--direct"] {
        let text = env.roboppi(["workflow", "work-list.yaml", "--no-tui", mode]).output().code(0).text();
        assert!(text.contains("complete after 3 of 10 iterations"), "{text}");
        let run = env.runs().pop().unwrap();
        assert_eq!(run.text("report", 1), "first\nsecond\nthird\n");
    }
}

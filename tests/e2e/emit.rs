//! Programs that record themselves.

use std::fs;
use std::path::Path;
use std::thread;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::{Value, json};

use crate::env::{Invocation, TestEnv};
use crate::run_files::RunFiles;

const PAGE: &str = include_str!("../../docs/emit.md");

/// A code block of the page.
fn recipe(name: &str) -> String {
    let (_, rest) = PAGE.split_once(&format!("<!-- recipe: {name} -->\n\n```")).unwrap();
    let (_, code) = rest.split_once('\n').unwrap();
    code.split_once("\n```").unwrap().0.to_owned() + "\n"
}

/// A shell that finds the built program as `roboppi`.
fn shell<'e>(env: &'e TestEnv, script: &str) -> Invocation<'e> {
    let dir = env.path("bin");
    let _ = fs::create_dir(&dir);
    let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_roboppi"), dir.join("roboppi"));
    let path = std::env::join_paths(
        std::iter::once(dir).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    env.shell(script).env("PATH", path.unwrap())
}

fn emit(env: &TestEnv, run: &str, words: &[&str]) -> String {
    let printed = env.roboppi(["emit", "--run", run]).args(words).output().code(0);
    assert_eq!(printed.stderr, "", "{words:?}");
    printed.text().trim().to_owned()
}

fn listed(env: &TestEnv) -> Value {
    let text = env.roboppi(["runs", "--json"]).output().code(0).text();
    serde_json::from_str::<Value>(&text).unwrap()[0].take()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|record| record["event"]["type"].as_str().unwrap()).collect()
}

/// Numbers of a journal rise by one.
fn expect_whole(run: &RunFiles) -> Vec<Value> {
    let journal = run.journal();
    let numbers: Vec<_> = journal.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=journal.len() as u64).collect::<Vec<_>>());
    journal
}

#[test]
fn a_program_is_a_run_that_every_command_shows() {
    let env = TestEnv::new();
    let run = env.roboppi(["emit", "start", "deploy", "--plan", "upload"]).output().code(0).text();
    assert_eq!(run, "r1\n");
    let run = run.trim();
    emit(&env, run, &["step", "build"]);
    let id = emit(&env, run, &["tool-call", "Bash", "--input", r#"{"command":"make"}"#]);
    emit(&env, run, &["tool-result", &id, "--text", "done", "--duration", "45ms"]);
    emit(&env, run, &["tool-call", "Read", "--failed"]);
    emit(&env, run, &["activity", "I build it."]);
    emit(&env, run, &["progress", "half", "--percent", "50"]);
    emit(&env, run, &["metric", "latency", "-1.5", "--unit", "ms"]);
    emit(&env, run, &["usage", "--input-tokens", "12", "--cost-usd", "0.5"]);
    emit(&env, run, &["error", "something is missing"]);
    let live = listed(&env);
    assert_eq!(
        (&live["state"], &live["origin"], &live["name"]),
        (&"running".into(), &"emitted".into(), &"deploy".into())
    );
    emit(&env, run, &["step", "build", "ok"]);
    emit(&env, run, &["complete", "failed", "--detail", "no network"]);
    let refused = env.roboppi(["emit", "--run", run, "activity", "late"]).output().code(1).all();
    assert!(refused.contains("r1: the run is over"), "{refused}");

    let files = env.the_run();
    expect_whole(&files);
    assert_eq!(
        (files.outcome().as_deref(), files.state("build"), files.state("upload")),
        (Some("failed"), "succeeded".into(), "skipped".into())
    );
    let events = files.attempt_events("build", 1);
    assert_eq!(
        kinds(&events),
        ["tool_call", "tool_result", "tool_call", "tool_result", "text", "progress", "progress", "usage"]
    );
    for (words, expected) in [
        (&["runs"][..], "failed, emitted"),
        (&["show"], "(emitted by its program): failed"),
        (&["show"], "no network"),
        (&["show"], "2 calls, 1 of them failed"),
        (&["attach", "--no-tui"], "I build it."),
        (&["events", "--workers"], "latency: -1.5 ms"),
        (&["replay", "--no-tui", "--speed", "max"], "something is missing"),
        (&["stats"], "Bash"),
    ] {
        let printed = env.roboppi(words).output().code(0);
        assert!(printed.all().contains(expected), "{words:?}: no {expected:?} in\n{}", printed.all());
    }
    let _ = env.roboppi(["export", "r1", "-o", "run.tar.zst"]).output().code(0);
    let other = TestEnv::new();
    let file = env.work().join("run.tar.zst");
    let _ = other.roboppi(["import", file.to_str().unwrap()]).output().code(0);
    let shown = other.roboppi(["show"]).output().code(0).text();
    assert!(shown.contains("emitted by its program"), "{shown}");
    let refused = other.roboppi(["emit", "--run", "last", "complete"]).output().code(2).all();
    assert!(refused.contains("no run of a program that records itself"), "{refused}");
}

#[test]
fn a_silent_run_is_lost_until_it_reports_again() {
    let env = TestEnv::new();
    let _ = env.roboppi(["emit", "start", "--silent-after", "1ms"]).output().code(0);
    env.wait_for("silence", || (listed(&env)["state"] == "lost").then_some(()));
    assert!(listed(&env)["silentSince"].is_u64());
    let table = env.roboppi(["runs"]).output().code(0).text();
    assert!(table.contains("lost, silent for") && table.contains(", emitted"), "{table}");
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("has reported nothing for more than 1ms"), "{page}");
    // It goes on where it was.
    emit(&env, "r1", &["activity", "back"]);
    emit(&env, "r1", &["complete"]);
    assert_eq!(listed(&env)["state"], "succeeded");

    let _ = env.roboppi(["emit", "start"]).output().code(0);
    let refused = env.roboppi(["cancel", "r2"]).output().code(3).all();
    assert!(refused.contains("takes no commands"), "{refused}");
    let unnamed = env.roboppi(["emit", "activity"]).output().code(2).all();
    assert!(unnamed.contains("no run is named") && unnamed.contains("hint: "), "{unnamed}");
    let unknown = env.roboppi(["emit", "--run", "r77", "activity"]).output().code(2).all();
    assert!(unknown.contains("r77"), "{unknown}");
    let bad = env.roboppi(["emit", "--run", "r2", "step", "../.."]).output().code(1).all();
    assert!(bad.contains("no name of a step"), "{bad}");
    assert!(!env.path("state/roboppi/runs/steps").exists());
}

/// Writers at a time, and the reports of each.
const WRITERS: u64 = 6;
const REPORTS: u64 = 20;

#[test]
fn the_record_is_valid_whatever_process_is_killed() {
    let given = std::env::var("ROBOPPI_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0xe417);
    let env = TestEnv::new();
    let _ = env.roboppi(["emit", "start", "--plan", "work"]).output().code(0);
    emit(&env, "r1", &["step", "work"]);
    let reported: Vec<u64> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|writer| (&env, writer)).collect();
        let writers: Vec<_> =
            writers.into_iter().map(|(env, writer)| scope.spawn(move || write(env, writer, seed))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    // The next report repairs whatever a killed one left.
    emit(&env, "r1", &["activity", "the last one"]);
    emit(&env, "r1", &["complete"]);
    let run = env.the_run();
    expect_whole(&run);
    let events = run.attempt_events("work", 1);
    let numbers: Vec<_> = events.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>(), "ROBOPPI_SEED={seed} repeats it");
    let calls = events.iter().filter(|record| record["event"]["type"] == "tool_call").count() as u64;
    let least: u64 = reported.iter().sum();
    assert!(calls >= least && calls <= WRITERS * REPORTS, "{calls} of {least}: ROBOPPI_SEED={seed}");
    let finished = run.events("attempt_finished");
    let length = fs::metadata(run.dir.join("steps/work/i1-a1.events.jsonl")).unwrap().len();
    assert_eq!(finished[0]["eventsBytes"], length);
}

/// Reports calls, and kills some of its processes. Returns how many were reported.
fn write(env: &TestEnv, writer: u64, seed: u64) -> u64 {
    let mut dice = seed.wrapping_add(writer.wrapping_mul(0x9e37_79b9)) | 1;
    let mut reported = 0;
    for number in 0..REPORTS {
        // xorshift64
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let id = format!("{writer}-{number}");
        let input = "x".repeat(usize::try_from(dice % 7_000).unwrap());
        let call =
            env.roboppi(["emit", "--run", "r1", "tool-call", "Bash", "--id", &id, "--input", &input]).start();
        if dice.is_multiple_of(3) {
            // As far as it came in this time.
            thread::park_timeout(std::time::Duration::from_micros(dice >> 8 & 0x3fff));
            call.signal(SIGKILL);
            let _ = call.wait();
        } else {
            let _ = call.wait().code(0);
            reported += 1;
        }
    }
    reported
}

#[test]
fn half_a_line_of_a_killed_process_is_cut_off() {
    let env = TestEnv::new();
    let _ = env.roboppi(["emit", "start"]).output().code(0);
    emit(&env, "r1", &["activity", "one"]);
    let run = env.the_run();
    let files = [run.dir.join("journal.jsonl"), run.dir.join("steps/main/i1-a1.events.jsonl")];
    for file in &files {
        let mut text = fs::read(file).unwrap();
        text.extend_from_slice(b"{\"seq\":99,\"ts\":1,\"ev");
        fs::write(file, text).unwrap();
    }
    emit(&env, "r1", &["activity", "two"]);
    emit(&env, "r1", &["step", "more"]);
    expect_whole(&run);
    let events = run.attempt_events("main", 1);
    assert_eq!(kinds(&events), ["text", "text"]);
    assert_eq!((&events[0]["seq"], &events[1]["seq"]), (&0.into(), &1.into()));
}

#[test]
fn a_program_that_lives_on_writes_lines() {
    let env = TestEnv::new();
    let lines = recipe("lines");
    let _ = env.roboppi(["emit", "--stdin"]).stdin(lines.clone()).output().code(0);
    let run = env.the_run();
    assert_eq!((run.outcome().as_deref(), run.state("scan").as_str()), (Some("succeeded"), "succeeded"));
    assert_eq!(listed(&env)["name"], "indexer");
    expect_whole(&run);

    // The run lives as long as the process, and no longer.
    let (running, mut stdin, _stdout) =
        env.roboppi(["emit", "--stdin", "--name", "two", "--silent-after", "1ms"]).start_with_pipes();
    let mut line =
        |text: &str| std::io::Write::write_all(&mut stdin, format!("{text}\n").as_bytes()).unwrap();
    line(r#"{"type":"activity","text":"one"}"#);
    env.wait_for("the run", || (listed(&env)["name"] == "two").then_some(()));
    assert_eq!(listed(&env)["state"], "running");
    line("malformed");
    line(&format!(r#"{{"type":"activity","text":"{}"}}"#, "x".repeat(3_000_000)));
    line(r#"{"type":"tool_call","id":"1","tool":"after"}"#);
    let last = || env.runs().pop().unwrap().attempt_events("main", 1);
    env.wait_for("the last line", || (last().len() == 4).then_some(()));
    assert_eq!(kinds(&last()), ["text", "unknown", "unknown", "tool_call"]);
    running.signal(SIGKILL);
    let _ = running.wait().signal(SIGKILL);
    assert_eq!(listed(&env)["state"], "lost");
    // An end of the input is no success.
    let _ = env.roboppi(["emit", "--stdin"]).stdin(r#"{"type":"activity","text":"x"}"#).output().code(0);
    assert_eq!(env.runs().pop().unwrap().outcome().as_deref(), Some("lost"));
    let both = env.roboppi(["emit", "--stdin", "complete"]).output().code(2).all();
    assert!(both.contains("exclude each other"), "{both}");
}

/// What Claude Code hands to a hook.
fn hook(env: &TestEnv, event: &str, more: &Value) -> Value {
    let mut payload = json!({
        "session_id": "11111111-2222-3333-4444-555555555555", "transcript_path": "/t.jsonl",
        "cwd": env.work(), "permission_mode": "default", "hook_event_name": event,
    });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

#[test]
fn the_hooks_of_a_session_of_claude_code_are_a_run() {
    let env = TestEnv::new();
    let settings: Value = serde_json::from_str(&recipe("claude")).unwrap();
    let command = |event: &str| {
        let hooks = &settings["hooks"][event][0]["hooks"][0]["command"];
        hooks.as_str().unwrap_or_else(|| panic!("{event}")).to_owned()
    };
    let call = json!({"tool_name": "Bash", "tool_input": {"command": "npm test"}, "tool_use_id": "toolu_1"});
    let result = json!({"tool_name": "Bash", "tool_input": {"command": "npm test"}, "tool_use_id": "toolu_1",
        "tool_response": {"stdout": "7 passed", "stderr": "", "interrupted": false}, "duration_ms": 45});
    let other = json!({"tool_name": "Read", "tool_input": {"file_path": "a"}, "tool_use_id": "toolu_2"});
    let failed = json!({"tool_name": "Read", "tool_input": {"file_path": "a"}, "tool_use_id": "toolu_2", "error": "no file"});
    for (event, more) in [
        ("SessionStart", json!({"source": "startup", "model": "claude-sonnet-4-5"})),
        ("UserPromptSubmit", json!({"prompt": "fix it"})),
        ("PreToolUse", call),
        ("PostToolUse", result),
        ("PreToolUse", other),
        ("PostToolUseFailure", failed),
        (
            "Notification",
            json!({"message": "Claude needs your permission", "notification_type": "permission_prompt"}),
        ),
        ("Stop", json!({"stop_hook_active": false, "last_assistant_message": "All tests pass."})),
        ("SessionEnd", json!({"reason": "logout"})),
    ] {
        let input = hook(&env, event, &more).to_string();
        let printed = shell(&env, &command(event)).stdin(input).output().code(0);
        assert_eq!(printed.all(), "", "{event}");
    }
    let run = env.the_run();
    expect_whole(&run);
    assert_eq!((run.outcome().as_deref(), run.state("session").as_str()), (Some("succeeded"), "succeeded"));
    let page = env.roboppi(["show"]).output().code(0).text();
    for words in ["claude-sonnet-4-5", "2 calls, 1 of them failed"] {
        assert!(page.contains(words), "no {words:?} in\n{page}");
    }
    let stats = env.roboppi(["stats", "--json"]).output().code(0).text();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(
        (&stats["agents"][0]["worker"], &stats["calls"]["failed"]),
        (&"CLAUDE_CODE".into(), &1.into())
    );
    // The session goes on after its end: another run.
    let again = hook(&env, "SessionStart", &json!({"source": "resume"})).to_string();
    let _ = env.roboppi(["emit", "claude-hook"]).stdin(again).output().code(0);
    assert_eq!(env.runs().len(), 2);
    // The exit code 2 would forbid a tool call.
    for malformed in ["", "{}", "malformed", "{\"session_id\":\"x\"}"] {
        let printed = env.roboppi(["emit", "claude-hook"]).stdin(malformed).output().code(1);
        assert_eq!(printed.text(), "");
    }
    let nowhere = env.roboppi(["emit", "claude-hook"]).env("ROBOPPI_STATE_DIR", "/proc/nothing");
    let _ = nowhere.stdin(hook(&env, "Stop", &json!({})).to_string()).output().code(1);
    let unknown = hook(&env, "TomorrowsEvent", &json!({"a": 1})).to_string();
    let _ = env.roboppi(["emit", "claude-hook"]).stdin(unknown).output().code(0);
}

#[test]
fn hooks_that_come_at_the_same_time_are_in_one_run() {
    let env = TestEnv::new();
    thread::scope(|scope| {
        for number in 0..8 {
            let env = &env;
            scope.spawn(move || {
                let more =
                    json!({"tool_name": "Bash", "tool_input": {}, "tool_use_id": format!("toolu_{number}")});
                let input = hook(env, "PreToolUse", &more).to_string();
                let _ = env.roboppi(["emit", "claude-hook"]).stdin(input).output().code(0);
            });
        }
    });
    let run = env.the_run();
    expect_whole(&run);
    assert_eq!(run.attempt_events("main", 1).len(), 8);
}

#[test]
fn a_turn_of_codex_is_a_run() {
    let env = TestEnv::new();
    let configured = recipe("codex");
    let words: Vec<String> =
        serde_json::from_str(configured.trim().strip_prefix("notify = ").unwrap()).unwrap();
    assert_eq!(words[0], "roboppi");
    let turn = json!({"type": "agent-turn-complete", "thread-id": "t1", "turn-id": "1", "cwd": "/w",
        "input-messages": ["fix it"], "last-assistant-message": "Fixed."});
    let _ = env.roboppi(&words[1..]).arg(turn.to_string()).output().code(0);
    assert_eq!(env.the_run().outcome().as_deref(), Some("succeeded"));
    let shown = env.roboppi(["attach", "--no-tui"]).output().code(0).text();
    assert!(shown.contains("Fixed."), "{shown}");
    let _ = env.roboppi(&words[1..]).arg(r#"{"type":"approval-requested"}"#).output().code(0);
    let _ = env.roboppi(&words[1..]).arg("malformed").output().code(1);
    assert_eq!(env.runs().len(), 1);
}

/// States of the steps of the only run, and its outcome.
fn states(run: &RunFiles, steps: &[&str]) -> (Option<String>, Vec<String>) {
    (run.outcome(), steps.iter().map(|step| run.state(step)).collect())
}

#[test]
fn recipes_for_scripts_makefiles_and_python_work() {
    let env = TestEnv::new();
    env.write("release.tar", "x");
    let _ = shell(&env, &recipe("shell")).output().code(0);
    assert_eq!(
        states(&env.the_run(), &["check", "upload"]),
        (Some("succeeded".into()), vec!["succeeded".into(), "succeeded".into()])
    );
    let env = TestEnv::new();
    let _ = shell(&env, &recipe("shell")).output().code(0);
    assert_eq!(
        states(&env.the_run(), &["check", "upload"]),
        (Some("failed".into()), vec!["failed".into(), "skipped".into()])
    );

    let env = TestEnv::new();
    env.write("Makefile", &recipe("make"));
    let _ = shell(&env, "make").output().code(0);
    assert_eq!(
        states(&env.the_run(), &["build", "test"]),
        (Some("succeeded".into()), vec!["succeeded".into(), "succeeded".into()])
    );

    let env = TestEnv::new();
    env.write("indexer.py", &recipe("python"));
    let python =
        ["/usr/bin/python3", "/usr/local/bin/python3"].into_iter().find(|path| Path::new(path).exists());
    let _ = shell(&env, &format!("{} indexer.py", python.unwrap_or("python3"))).output().code(0);
    let run = env.the_run();
    assert_eq!(states(&run, &["scan"]), (Some("succeeded".into()), vec!["succeeded".into()]));
    assert_eq!(run.events("warning")[0]["message"], "b.txt cannot be read");
    assert_eq!(run.attempt_events("scan", 1)[0]["event"]["text"], "scanning");
}

#[test]
fn the_doctor_finds_files_and_hooks_of_other_programs() {
    let env = TestEnv::new();
    let checks = || {
        let text = env.shell("\"$ROBOPPI\" doctor --json || true").output().code(0).text();
        let checks: Vec<Value> = serde_json::from_str(&text).unwrap();
        let others = checks.into_iter().filter(|check| check["area"] == "other programs");
        others.map(|check| (check["name"].as_str().unwrap().to_owned(), check)).collect::<Vec<_>>()
    };
    assert!(checks().is_empty(), "nothing is said of programs that are not used");
    let log = env.path("home/.victor/logs/victor.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "").unwrap();
    fs::create_dir(env.path("home/.claude")).unwrap();
    let found = checks();
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["victor", "hooks of claude"]);
    assert!(found[0].1.to_string().contains("roboppi watch victor"), "{}", found[0].1);
    assert!(found[1].1.to_string().contains("none reports"), "{}", found[1].1);
    fs::write(env.path("home/.claude/settings.json"), recipe("claude")).unwrap();
    let (_, hooks) = checks().pop().unwrap();
    assert!(hooks.to_string().contains("8 events report: Notification, PostToolUse"), "{hooks}");
    // Settings that are no JSON, and others that have no such hook.
    for settings in ["{", "[]", r#"{"hooks": {"Stop": [{"hooks": [{"command": "true"}]}, 7]}}"#] {
        fs::write(env.path("home/.claude/settings.json"), settings).unwrap();
        assert!(checks().pop().unwrap().1.to_string().contains("none reports"), "{settings}");
    }
}

//! The dashboard over records of programs that roboppi did not start, over large ones, and while the clock is set.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use nix::sys::signal::Signal::{SIGKILL, SIGTERM};
use serde_json::{Value, json};

use crate::clock_jumps::shim;
use crate::env::{OnScreen, TestEnv};
use crate::flow::Flow;
use crate::run_files::RunFiles;

fn dashboard<'e>(env: &'e TestEnv, tab: &str) -> OnScreen<'e> {
    env.roboppi(["dashboard", "--tab", tab]).start_in_terminal(30, 120)
}

fn leave(mut screen: OnScreen<'_>) {
    screen.press("q");
    screen.expect_code(0);
    screen.expect_restored_terminal();
}

fn emit(env: &TestEnv, words: &[&str]) {
    let _ = env.roboppi(["emit"]).args(words).output().code(0);
}

/// A hook of Claude Code.
fn hook(env: &TestEnv, event: &str, more: Value) {
    let mut payload = json!({
        "session_id": "11111111-2222-3333-4444-555555555555", "transcript_path": "/t.jsonl",
        "cwd": env.work(), "permission_mode": "default", "hook_event_name": event,
    });
    let Value::Object(more) = more else { panic!("{more}") };
    payload.as_object_mut().unwrap().extend(more);
    let _ = env.roboppi(["emit", "claude-hook"]).stdin(payload.to_string()).output().code(0);
}

#[test]
fn an_agent_in_another_terminal_that_waits_for_a_person_comes_first() {
    let env = TestEnv::new();
    let mut screen = dashboard(&env, "runs");
    screen.wait_for_text("No runs yet.");
    hook(&env, "SessionStart", json!({"source": "startup", "model": "claude-sonnet-4-5"}));
    let call =
        json!({"tool_name": "Bash", "tool_input": {"command": "rm -r build"}, "tool_use_id": "toolu_1"});
    hook(&env, "PreToolUse", call.clone());
    screen.wait_for_text("Bash rm -r build");
    // A run that begins later is above it until it waits.
    emit(&env, &["start", "deploy"]);
    emit(&env, &["--run", "r2", "step", "upload"]);
    screen.wait_for_text("2 running");
    let why = "Claude needs your permission to use Bash";
    hook(&env, "Notification", json!({"message": why, "notification_type": "permission_prompt"}));
    screen.wait_for_text("1 needs you");
    screen.wait_until("the run that waits above the others", |screen| {
        let rows: Vec<_> = screen.rows(0, 120).skip(2).collect();
        rows[0].contains("? r1") && rows[0].contains(why) && rows[1].contains("● r2")
    });
    screen.press("6");
    screen.wait_for_text("? r1");
    screen.press("1");
    let mut result = call;
    result["tool_response"] = json!({"stdout": "", "stderr": "", "interrupted": false});
    hook(&env, "PostToolUse", result);
    screen.wait_until("no wait", |screen| !screen.contents().contains("needs you"));
    hook(&env, "SessionEnd", json!({"reason": "logout"}));
    screen.wait_for_text("✓ r1");
    emit(&env, &["--run", "r2", "complete", "failed"]);
    screen.wait_for_text("✗ r2");
    screen.wait_for_text("1 failed today");
    leave(screen);
}

#[test]
fn programs_that_record_themselves_and_followed_files_are_on_it_whichever_began_first() {
    for dashboard_is_first in [true, false] {
        let env = TestEnv::new();
        let early = dashboard_is_first.then(|| dashboard(&env, "events"));
        if let Some(screen) = &early {
            screen.wait_for_text("Nothing yet.");
        }
        emit(&env, &["start", "deploy"]);
        emit(&env, &["--run", "r1", "tool-call", "rsync", "--ok", "--duration", "45ms"]);
        let watching = env.roboppi(["watch", "app.jsonl"]).start();
        let line = |text: &str| {
            let path = env.work().join("app.jsonl");
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            writeln!(file, "{}", json!({"level": "error", "msg": text})).unwrap();
        };
        line("the disk is full");
        env.wait_for("the run of the file", || env.runs().get(1).map(|_| ()));
        let mut screen = early.unwrap_or_else(|| dashboard(&env, "events"));
        screen.wait_for_text("rsync");
        screen.wait_for_text("the disk is full");
        line("another one");
        screen.wait_for_text("another one");
        screen.press("1");
        screen.wait_for_text("2 running");
        screen.wait_for_text("(emitted, ");
        screen.press("4");
        screen.wait_for_text("rsync");
        screen.wait_for_text("1 calls");
        watching.signal(SIGTERM);
        let _ = watching.wait().code(0);
        emit(&env, &["--run", "r1", "complete"]);
        screen.press("1");
        screen.wait_for_text("✓ r1");
        leave(screen);
    }
}

#[test]
fn a_killed_program_that_recorded_itself_is_lost() {
    let env = TestEnv::new();
    let (program, mut lines, _out) = env.roboppi(["emit", "--stdin", "--name", "indexer"]).start_with_pipes();
    writeln!(lines, "{}", json!({"type": "step", "step": "scan"})).unwrap();
    let screen = dashboard(&env, "runs");
    screen.wait_for_text("● r1");
    program.signal(SIGKILL);
    screen.wait_for_text("! r1");
    screen.wait_for_text("0 running");
    let _ = program.wait().signal(SIGKILL);
    leave(screen);
}

/// The run of a program that records itself, with so many events that were written before.
fn with_events(env: &TestEnv, count: u64) -> RunFiles {
    emit(env, &["start", "indexer"]);
    emit(env, &["--run", "r1", "activity", "the first one"]);
    let run = env.the_run();
    let path = run.dir.join("steps/main/i1-a1.events.jsonl");
    let first: Value = serde_json::from_str(fs::read_to_string(&path).unwrap().trim()).unwrap();
    let mut file = BufWriter::new(OpenOptions::new().append(true).open(path).unwrap());
    for seq in 1..=count {
        let mut record = first.clone();
        record["seq"] = seq.into();
        record["event"]["text"] = format!("entry {seq} {}", "x".repeat(60)).into();
        writeln!(file, "{record}").unwrap();
    }
    file.flush().unwrap();
    run
}

/// A figure of a process, of `/proc`.
fn figure(screen: &OnScreen<'_>, file: &str, name: &str) -> u64 {
    let path = format!("/proc/{}/{file}", screen.terminal.pid().unwrap());
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_large_record_takes_no_more_memory_and_only_what_is_new_is_read() {
    const MANY: u64 = 200_000;

    let peak = |count: u64| {
        let env = TestEnv::new();
        let run = with_events(&env, count);
        let screen = dashboard(&env, "events");
        screen.wait_for_text(&format!("entry {count} "));
        let peak = figure(&screen, "status", "VmHWM:");
        let before = figure(&screen, "io", "rchar:");
        for number in 0..5 {
            let text = format!("new {number}");
            emit(&env, &["--run", "r1", "activity", &text]);
            screen.wait_for_text(&text);
        }
        let read = figure(&screen, "io", "rchar:") - before;
        // The lines, and what is looked at of locks and directories; nothing of the rest.
        assert!(read < 256 << 10, "{read} bytes were read for 5 events after {count}");
        leave(screen);
        let size = fs::metadata(run.dir.join("steps/main/i1-a1.events.jsonl")).unwrap().len();
        (peak, size)
    };
    let (few, _) = peak(1_500);
    let (many, size) = peak(MANY);
    assert!(size > 20 << 20, "a record of {size} bytes");
    assert!(many < few + (12 << 10), "{many} KiB for {MANY} events, {few} KiB for 1,500");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            let _ = fs::copy(entry.path(), target);
        }
    }
}

#[test]
fn runs_that_are_over_are_not_read_again() {
    const RUNS: usize = 400;

    let env = TestEnv::new();
    let _ = env.run(&Flow::of("true")).output().code(0);
    let run = env.the_run();
    let name = run.dir.file_name().unwrap().to_str().unwrap().to_owned();
    for number in 0..RUNS {
        // Ids sort by time: these are of before.
        copy(&run.dir, &run.dir.with_file_name(format!("00000000-{number:04}-{}", &name[name.len() - 12..])));
    }
    emit(&env, &["start", "live"]);
    let screen = dashboard(&env, "runs");
    screen.wait_for_text("1 running");
    emit(&env, &["--run", "r2", "step", "first"]);
    screen.wait_for_text("first");
    let before = figure(&screen, "io", "rchar:");
    for step in ["second", "third", "fourth"] {
        emit(&env, &["--run", "r2", "step", step]);
        screen.wait_for_text(step);
    }
    let read = figure(&screen, "io", "rchar:") - before;
    let journal = run.dir.join("journal.jsonl").metadata().unwrap().len();
    let all = journal * RUNS as u64;
    assert!(read < all, "{read} bytes were read for 3 reports beside {RUNS} runs whose journals have {all}");
    leave(screen);
}

#[test]
fn a_clock_that_is_set_hides_no_event_and_changes_no_order() {
    const DAY: i64 = 86_400;

    let env = TestEnv::new();
    let Some(library) = shim(&env) else { return };
    let jump = env.path("jump");
    let set = |seconds: i64| fs::write(&jump, seconds.to_string()).unwrap();
    let shimmed = |words: &[&str]| env.roboppi(words).env("LD_PRELOAD", &library).env("JUMP", &jump);
    set(0);
    let _ = shimmed(&["emit", "start", "deploy"]).output().code(0);
    let screen = shimmed(&["dashboard", "--tab", "events"]).start_in_terminal(30, 120);
    for (number, seconds) in [0, -DAY, DAY, 0].into_iter().enumerate() {
        set(seconds);
        let _ = shimmed(&["emit", "--run", "r1", "activity", &format!("event {number}")]).output().code(0);
        screen.wait_for_text(&format!("event {number}"));
    }
    screen.wait_until("the newest first", |screen| {
        let found: Vec<_> =
            screen.rows(0, 120).filter_map(|row| row.split_once("event ")?.1.chars().next()).collect();
        found == ['3', '2', '1', '0']
    });
    let mut screen = screen;
    screen.press("1");
    screen.wait_for_text("● r1");
    leave(screen);
}

#[test]
fn hostile_text_in_any_field_is_text() {
    // Of a terminal, of a CI system, of a right-to-left text, and one that is very long.
    let hostile = "evil\u{1b}]0;owned\u{7}\u{1b}[31mred\u{202e}gnp\u{9b}2J\r\n::error::x";
    let env = TestEnv::new();
    let (program, mut lines, _out) = env.roboppi(["emit", "--stdin", "--name", hostile]).start_with_pipes();
    let long = hostile.repeat(300);
    for line in [
        json!({"type": "start", "name": hostile, "steps": ["plan"]}),
        json!({"type": "step", "step": "plan"}),
        json!({"type": "activity", "text": hostile}),
        json!({"type": "tool_call", "id": hostile, "tool": hostile, "input": {hostile: hostile, "command": hostile}}),
        json!({"type": "tool_result", "id": hostile, "ok": false, "text": long, "duration_ms": 1}),
        json!({"type": "tool_call", "id": "2", "tool": "still open", "input": {"command": long}}),
        json!({"type": "progress", "message": hostile, "percent": 50}),
        json!({"type": "metric", "name": hostile, "value": 1}),
        json!({"type": "error", "message": hostile}),
        json!({"type": hostile, "a": hostile}),
        json!(hostile),
        json!({"type": "activity", "text": "the last one"}),
    ] {
        writeln!(lines, "{line}").unwrap();
    }
    let mut screen = dashboard(&env, "events");
    screen.wait_for_text("the last one");
    for tab in "1234567890".chars() {
        screen.press(&format!("{tab}G/evil\r"));
        screen.wait_for_text("/evil");
        screen.press("\x1b");
        screen.wait_until("no filter", |screen| !screen.contents().contains("/evil"));
    }
    screen.press("2");
    screen.wait_for_text("evil");
    screen.press("1");
    screen.wait_for_text("● r1");
    // The run itself.
    screen.press("\r");
    screen.wait_for_text("0 of 1 step");
    screen.press("\x1b");
    screen.wait_for_text("● r1");
    let written = String::from_utf8_lossy(&screen.terminal.written()).into_owned();
    for hostile in ["\u{1b}]0;", "owned\u{7}", "\u{202e}", "\u{9b}2J", "\n::error::"] {
        assert!(!written.contains(hostile), "{hostile:?} was written");
    }
    leave(screen);
    drop(lines);
    let _ = program.wait_somehow();
}

#[test]
fn a_burst_is_counted_whole_and_once() {
    const CALLS: u64 = 2_000;

    let env = TestEnv::new();
    let mut screen = dashboard(&env, "runs");
    screen.wait_for_text("No runs yet.");
    screen.press("3");
    let (program, mut lines, _out) = env.roboppi(["emit", "--stdin", "--name", "indexer"]).start_with_pipes();
    let mut all = String::new();
    for number in 0..CALLS {
        let call =
            json!({"type": "tool_call", "id": number.to_string(), "tool": "read", "input": {"n": number}});
        all.push_str(&format!("{call}\n"));
    }
    lines.write_all(all.as_bytes()).unwrap();
    screen.wait_until("the number of calls", |screen| {
        let row = screen.rows(0, 120).find(|row| row.starts_with("tool "));
        row.is_some_and(|row| row.split_whitespace().nth(1) == Some(&CALLS.to_string()))
    });
    writeln!(lines, "{}", json!({"type": "complete"})).unwrap();
    drop(lines);
    let _ = program.wait().code(0);
    screen.press("1");
    screen.wait_for_text("✓ r1");
    screen.press("3");
    screen.wait_until("the same number", |screen| {
        let row = screen.rows(0, 120).find(|row| row.starts_with("tool "));
        row.is_some_and(|row| row.split_whitespace().nth(1) == Some(&CALLS.to_string()))
    });
    leave(screen);
}

#[test]
fn where_the_system_reports_no_changes_they_are_seen_nevertheless() {
    let env = TestEnv::new();
    let follow = ["dashboard", "--watch", "app.jsonl", "--tab", "events"];
    let screen = env.roboppi(follow).env("ROBOPPI_POLL", "1").start_in_terminal(30, 120);
    screen.wait_for_text("app.jsonl is not there yet");
    for number in 0..3 {
        let path = env.work().join("app.jsonl");
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{}", json!({"msg": format!("line {number}")})).unwrap();
        screen.wait_for_text(&format!("line {number}"));
    }
    let descriptors = fs::read_dir(format!("/proc/{}/fd", screen.terminal.pid().unwrap())).unwrap();
    let links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let notifications = links.filter(|link| link.to_string_lossy().contains("inotify")).count();
    assert_eq!(notifications, 0, "nothing was asked of the system");
    leave(screen);
}

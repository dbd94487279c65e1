//! Files of other programs, followed into runs.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL, SIGTERM};
use serde_json::{Value, json};

use crate::env::{Running, TestEnv};
use crate::hostile_state::Small;
use crate::run_files::RunFiles;

/// Lines of a log of Victor, the last one without its end.
const SAMPLE: &str = include_str!("../../crates/ingest/src/format/sample.log");

fn append(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A line of a log of JSON lines.
fn line(number: usize) -> String {
    format!("{}\n", json!({"msg": format!("line {number}")}))
}

/// All events of the attempts of a run in their order.
fn events(run: &RunFiles) -> Vec<Value> {
    (1..)
        .map(|attempt| run.attempt_events("main", attempt))
        .take_while(|found| !found.is_empty())
        .flatten()
        .collect()
}

fn messages(run: &RunFiles) -> Vec<String> {
    let message = |record: &Value| {
        let event = &record["event"];
        ["message", "raw", "text"]
            .iter()
            .find_map(|name| event[*name].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    events(run).iter().map(message).collect()
}

fn all_messages(env: &TestEnv) -> Vec<String> {
    env.runs().iter().flat_map(messages).collect()
}

/// Waits until so many reports are recorded.
fn wait_for_messages(env: &TestEnv, count: usize) -> Vec<String> {
    env.wait_for(&format!("{count} records"), || {
        let found = all_messages(env);
        (found.len() >= count).then_some(found)
    })
}

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

/// Ends it as a user does, and returns what it printed.
fn end(running: Running<'_>, signal: Signal) -> String {
    running.signal(signal);
    running.wait().code(0).stderr
}

fn by_name(env: &TestEnv) -> BTreeMap<String, RunFiles> {
    // One that is being made has no name yet.
    let name = |run: &RunFiles| {
        let manifest: Value = serde_json::from_slice(&fs::read(run.dir.join("run.json")).ok()?).ok()?;
        Some(manifest["name"].as_str()?.to_owned())
    };
    env.runs().into_iter().filter_map(|run| Some((name(&run)?, run))).collect()
}

#[test]
fn sessions_of_victor_are_runs() {
    let env = TestEnv::new();
    let log = env.path("home/.victor/logs/victor.log");
    // It is there first, or comes later.
    let watching = env.roboppi(["watch", "victor"]).start();
    env.wait_for("a checkpoint directory", || env.path("state/roboppi/watched").exists().then_some(()));
    append(&log, SAMPLE);
    env.wait_for("the end of the session", || by_name(&env).get("api-9f3c21d0")?.outcome());
    let printed = end(watching, SIGTERM);
    assert!(printed.contains("14 lines") && !printed.contains("no records"), "{printed}");
    let runs = by_name(&env);
    assert_eq!(runs.keys().collect::<Vec<_>>(), ["api-9f3c21d0", "shop.web v3 - copy-77aa01bc"]);
    let run = &runs["api-9f3c21d0"];
    let events = events(run);
    let of = |kind: &str| -> Vec<&Value> {
        events.iter().map(|record| &record["event"]).filter(|event| event["type"] == kind).collect()
    };
    let calls: Vec<_> =
        of("tool_call").iter().map(|call| call["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(calls, ["read", "bash", "edit"]);
    let input = &of("tool_call")[0]["input"];
    assert_eq!((&input["path"], &input["limit"]), (&json!("it's \"quoted\".py"), &Value::Null));
    let result = of("tool_result")[0];
    assert_eq!(result["preview"].as_str().unwrap().lines().count(), 2);
    assert_eq!(run.events("warning")[0]["message"], "TimeoutError: no answer in 9s: {again}");
    assert_eq!((run.outcome().as_deref(), run.state("main").as_str()), (Some("succeeded"), "succeeded"));
    // The time of a record is that of its line.
    assert_eq!(events[0]["ts"], 1_767_715_433_693_u64);
    for (words, expected) in [
        (&["runs"][..], "succeeded, emitted"),
        (&["events", "api", "--workers"], "stage"),
        (&["stats"], "edit"),
    ] {
        let words: Vec<_> = words.iter().map(|word| if *word == "api" { "r2" } else { word }).collect();
        let printed = env.roboppi(&words).output().code(0).all();
        assert!(printed.contains(expected), "{words:?}: {printed}");
    }
    // Half a line waits for its end, over a restart.
    append(&log, "xt'}, 'tool_id': 'w1'}\n");
    let watching = env.roboppi(["watch", "victor"]).start();
    env.wait_for("the rest of the line", || {
        let found = env.runs().iter().flat_map(self::events).any(|record| record["event"]["id"] == "w1");
        found.then_some(())
    });
    let _ = end(watching, SIGINT);
}

#[test]
fn files_are_followed_over_rotation_and_restart_without_loss_or_doubles() {
    let env = TestEnv::new();
    let log = env.work().join("app.jsonl");
    let older = |number: usize| env.work().join(format!("app.jsonl.{number}"));
    append(&log, &line(0));
    let start = || env.roboppi(["watch", "app.jsonl"]).start();
    let watching = start();
    wait_for_messages(&env, 1);
    // Renamed, while a program still writes to the old one, and half a line is in it.
    let mut old = OpenOptions::new().append(true).open(&log).unwrap();
    old.write_all(line(1).as_bytes()).unwrap();
    fs::rename(&log, older(1)).unwrap();
    append(&log, &line(2));
    wait_for_messages(&env, 3);
    let (half, rest) = (&line(3)[..9], &line(3)[9..]);
    old.write_all(half.as_bytes()).unwrap();
    append(&log, &line(4));
    wait_for_messages(&env, 4);
    old.write_all(rest.as_bytes()).unwrap();
    assert_eq!(wait_for_messages(&env, 5), ["line 0", "line 1", "line 2", "line 4", "line 3"]);
    // Killed without a word, and rotated twice meanwhile.
    watching.signal(SIGKILL);
    let _ = watching.wait().signal(SIGKILL);
    append(&log, &line(5));
    fs::rename(older(1), older(2)).unwrap();
    fs::rename(&log, older(1)).unwrap();
    append(&log, &line(6));
    fs::rename(older(2), older(3)).unwrap();
    fs::rename(older(1), older(2)).unwrap();
    fs::rename(&log, older(1)).unwrap();
    append(&log, &line(7));
    let watching = start();
    assert_eq!(wait_for_messages(&env, 8)[5..], lines(5..8));
    // Removed, and made again; the inode may be the same.
    fs::remove_file(&log).unwrap();
    append(&log, &line(8));
    assert_eq!(wait_for_messages(&env, 9)[8..], lines(8..9));
    let printed = end(watching, SIGTERM);
    assert!(!printed.contains("shorter"), "{printed}");
    assert_eq!(all_messages(&env).len(), 9);
    // Copied and truncated: what is lost cannot be known, and is reported.
    let watching = start();
    fs::copy(&log, older(9)).unwrap();
    File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    env.wait_for("a warning", || (!env.the_run().events("warning").is_empty()).then_some(()));
    append(&log, &line(9));
    assert_eq!(wait_for_messages(&env, 10)[9..], lines(9..10));
    let printed = end(watching, SIGTERM);
    assert!(printed.contains("became shorter") && printed.contains("1 times shorter"), "{printed}");
    assert_eq!(env.runs().len(), 1);
}

/// Writers at a time, and the lines of each.
const WRITERS: usize = 3;
const LINES: usize = 150;

#[test]
fn every_line_is_recorded_once_whatever_is_killed() {
    let given = std::env::var("ROBOPPI_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0x7a31);
    let env = TestEnv::new();
    let log = env.work().join("app.jsonl");
    append(&log, "");
    // It is followed from its beginning on.
    let watching = env.roboppi(["watch", "app.jsonl", "--all"]).start();
    env.wait_for("a checkpoint", || {
        let saved = fs::read_dir(env.path("state/roboppi/watched")).ok()?.flatten();
        saved
            .into_iter()
            .any(|entry| entry.path().extension().is_some_and(|found| found == "json"))
            .then_some(())
    });
    watching.signal(SIGKILL);
    let _ = watching.wait().signal(SIGKILL);
    let written = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let log = log.clone();
                scope.spawn(move || {
                    for number in 0..LINES {
                        append(&log, &line(writer * LINES + number));
                        if number % 50 == 49 && writer == 0 {
                            fs::rename(&log, log.with_extension(format!("jsonl.{number}"))).unwrap();
                            append(&log, "");
                        }
                        std::thread::park_timeout(std::time::Duration::from_micros(1_500));
                    }
                })
            })
            .collect();
        let mut dice = seed | 1;
        while !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let watching = env.roboppi(["watch", "app.jsonl", "--all"]).start();
            std::thread::park_timeout(std::time::Duration::from_millis(20 + (dice >> 9 & 0x7f)));
            watching.signal(SIGKILL);
            let _ = watching.wait().signal(SIGKILL);
        }
        WRITERS * LINES
    });
    let _ = env.roboppi(["watch", "app.jsonl", "--all", "--once"]).output().code(0);
    let mut found = all_messages(&env);
    found.sort();
    let mut expected = lines(0..written);
    expected.sort();
    let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
    assert!(found == expected, "{} of {written}, at {first:?}: ROBOPPI_SEED={seed} repeats it", found.len());
}

#[test]
fn only_what_is_new_is_read() {
    let env = TestEnv::new();
    let log = env.work().join("big.jsonl");
    let file = File::create(&log).unwrap();
    file.set_len(1 << 30).unwrap();
    append(&log, &format!("\n{}", line(1)));
    let watching = env.roboppi(["watch", "big.jsonl"]).start();
    assert_eq!(wait_for_messages(&env, 1).last().unwrap(), "line 1");
    let read = || {
        let path = format!("/proc/{}/io", watching.process().unwrap().pid);
        let text = fs::read_to_string(path).ok()?;
        text.lines().find_map(|line| line.strip_prefix("rchar: "))?.parse::<u64>().ok()
    };
    let Some(before) = read() else {
        eprintln!("left out: there is no /proc/PID/io");
        let _ = end(watching, SIGTERM);
        return;
    };
    // The program, its libraries and the backlog.
    assert!(before < 32 << 20, "{before} bytes were read of a file of 1 GiB");
    append(&log, &line(2));
    assert_eq!(wait_for_messages(&env, 2).last().unwrap(), "line 2");
    let after = read().unwrap();
    assert!(after - before < 256 << 10, "{} bytes for one line", after - before);
    let status = fs::read_to_string(format!("/proc/{}/status", watching.process().unwrap().pid)).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 96 << 10, "{peak} KiB for a file of 1 GiB");
    let _ = end(watching, SIGTERM);
}

#[test]
fn a_source_is_read_once_at_a_time() {
    let env = TestEnv::new();
    append(&env.work().join("app.jsonl"), &line(0));
    let watching = env.roboppi(["watch", "app.jsonl"]).start();
    wait_for_messages(&env, 1);
    let refused = env.roboppi(["watch", "./app.jsonl"]).output().code(1).all();
    assert!(refused.contains("is followed by another process already"), "{refused}");
    let _ = end(watching, SIGTERM);
    let _ = env.roboppi(["watch", "app.jsonl", "--once"]).output().code(0);
    assert_eq!(all_messages(&env), ["line 0"]);
}

#[test]
fn it_stays_up_and_reports_what_is_wrong() {
    let env = TestEnv::new();
    let log = env.work().join("app.jsonl");
    append(&log, &line(0));
    fs::set_permissions(&log, fs::Permissions::from_mode(0o000)).unwrap();
    let Some(invocation) = env.roboppi(["watch", "app.jsonl", "dir/late.jsonl"]).without_privileges() else {
        return;
    };
    let watching = invocation.start();
    watching.wait_for_text("cannot be read: Permission denied");
    fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
    wait_for_messages(&env, 1);
    watching.wait_for_text("is followed again");
    append(&env.work().join("dir/late.jsonl"), &line(1));
    wait_for_messages(&env, 2);
    let _ = end(watching, SIGTERM);
    for (words, expected) in [
        (&["watch", "x.log"][..], "the format of x.log is not known"),
        (&["watch", "x.log", "--format", "dance"], "`dance` is no format"),
        (&["watch", "x.log", "--format", "regex:("], "the pattern cannot be used"),
        (&["watch", "dir", "--format", "victor"], "is a directory"),
        (&["watch", "x.jsonl", "--run", "r99"], "r99"),
    ] {
        fs::create_dir_all(env.work().join("dir")).unwrap();
        let printed = env.roboppi(words).output().code(2).all();
        assert!(printed.contains(expected), "{words:?}: {printed}");
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    let env = TestEnv::new();
    let Some(small) = Small::of_size(env.path("small"), "2m") else {
        eprintln!("left out: this user may not mount anything");
        return;
    };
    let log = env.work().join("app.jsonl");
    append(&log, &line(0));
    let watching = env.roboppi(["watch", "app.jsonl"]).env("XDG_STATE_HOME", &small.0).start();
    let found = || {
        let runs = fs::read_dir(small.0.join("roboppi/runs")).into_iter().flatten();
        let runs = runs.map(|entry| RunFiles { dir: entry.unwrap().path() });
        runs.flat_map(|run| messages(&run)).collect::<Vec<_>>()
    };
    env.wait_for("the first line", || (found().len() == 1).then_some(()));
    let filler = small.0.join("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    while file.write_all(&[0]).is_ok() {}
    drop(file);
    let long = "x".repeat(20_000);
    for number in 1..20 {
        append(&log, &format!("{}\n", json!({"msg": format!("line {number}"), "more": long})));
    }
    append(&log, &format!("{}\n", json!({"msg": long})));
    watching.wait_for_text("is full; it is tried again");
    fs::remove_file(&filler).unwrap();
    env.wait_for("the rest", || (found().len() == 21).then_some(()));
    let _ = end(watching, SIGTERM);
    assert_eq!(found()[..20], lines(0..20));
}

#[test]
fn hostile_text_is_text() {
    let env = TestEnv::new();
    let log = env.path("home/.victor/logs/victor.log");
    let hostile = "\u{1b}]0;x\u{7}\u{1b}[2J<script>../../x\u{202e}";
    let record = |category: &str, name: &str, data: &str| {
        format!("2026-01-06 16:03:53,693 - {hostile} - victor.events - INFO - [{category}] {name}: {data}\n")
    };
    let data = format!(
        "{{'tool_name': '{hostile}', 'tool_id': '{hostile}', 'message': '{hostile}', 'error': '{hostile}'}}"
    );
    let mut text: String = ["TOOL", "ERROR", "STATE", "METRIC", "LIFECYCLE", "CUSTOM"]
        .iter()
        .flat_map(|category| ["x.start", "x.end", "session.start"].map(|name| record(category, name, &data)))
        .collect();
    text.push_str(&format!("{hostile}\n\0\n"));
    append(&log, &text);
    append(&log, "\n");
    let printed = env.roboppi(["watch", "victor", "--once", "--silent-after", "1ms"]).output().code(0).all();
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
    assert!(!env.runs().is_empty());
    for words in [&["runs"][..], &["show"], &["events", "--workers"], &["attach", "--no-tui"], &["stats"]] {
        let printed = env.roboppi(words).output().code(0).all();
        assert!(!printed.contains('\u{1b}') && !printed.contains('\u{202e}'), "{words:?}: {printed:?}");
    }
    assert!(!env.path("state/roboppi/runs/x").exists() && !env.path("state/x").exists());
}

#[test]
fn agents_of_pyjama_are_runs() {
    let env = TestEnv::new();
    let file = env.path("home/.pyjama/metrics.json");
    let watching = env.roboppi(["watch", "pyjama"]).start();
    env.wait_for("a checkpoint directory", || env.path("state/roboppi/watched").exists().then_some(()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = u64::try_from(now).unwrap() - 10_000;
    let agent = |status: &str, step: &str| {
        json!({"status": status, "start-time": now, "last-seen": now + 5, "end-time": if status == "completed" { json!(now + 9) } else { Value::Null },
            "steps": [{"step-id": "plan", "status": step, "start-time": now + 1, "end-time": now + 4}]})
    };
    let logged = |tool: &str, status: &str, at: u64| json!({"timestamp": now + at, "agent-id": "a", "tool": tool, "status": status});
    let write = |value: &Value| {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        // As its writers do: cut, then written.
        fs::write(&file, value.to_string()).unwrap();
    };
    write(
        &json!({"agents": {"a": agent("running", "running"), "b": agent("running", "running")}, "recent-logs": [logged("write-file", "ok", 2)]}),
    );
    env.wait_for("two agents", || (by_name(&env).len() == 2).then_some(()));
    let _ = end(watching, SIGTERM);
    let logs = [logged("write-file", "ok", 2), logged("llm-call", "error", 3), logged("llm-call", "ok", 3)];
    write(
        &json!({"agents": {"a": agent("completed", "ok"), "b": agent("completed", "error")}, "recent-logs": logs}),
    );
    let before = fs::read(&file).unwrap();
    let _ = env.roboppi(["watch", "pyjama", "--once"]).output().code(0);
    let _ = env.roboppi(["watch", "pyjama", "--once"]).output().code(0);
    assert_eq!(fs::read(&file).unwrap(), before, "it is only read");
    let runs = by_name(&env);
    assert_eq!(runs.len(), 2);
    let outcomes = ["a", "b"].map(|name| (runs[name].outcome().unwrap(), runs[name].state("plan")));
    assert_eq!(outcomes, [("succeeded".into(), "succeeded".into()), ("failed".into(), "failed".into())]);
    let results: Vec<_> =
        ["plan", "main"].iter().flat_map(|step| runs["a"].attempt_events(step, 1)).collect();
    let results: Vec<_> = results
        .iter()
        .map(|record| &record["event"])
        .filter(|event| event["type"] == "tool_result")
        .map(|event| event["ok"] == true)
        .collect();
    assert_eq!(results, [true, false, true]);
    // What is no file of this kind is reported, and nothing is lost.
    write(&json!([1]));
    let watching = env.roboppi(["watch", "pyjama"]).start();
    watching.wait_for_text("is no file of this format");
    fs::remove_file(&file).unwrap();
    write(&json!({"agents": {"c": {"status": "running", "start-time": now + 20}}}));
    env.wait_for("the third agent", || by_name(&env).contains_key("c").then_some(()));
    let _ = end(watching, SIGTERM);
}

#[test]
fn session_files_of_claude_code_are_runs() {
    let env = TestEnv::new();
    let watching = env.roboppi(["watch", "claude"]).start();
    env.wait_for("a checkpoint directory", || env.path("state/roboppi/watched").exists().then_some(()));
    let file = env.path("home/.claude/projects/-w/11111111-2222-3333-4444-555555555555.jsonl");
    let record = |kind: &str, message: Value| {
        let head = json!({"type": kind, "sessionId": "11111111-2222-3333-4444-555555555555", "cwd": "/w", "uuid": "u", "version": "2.1.332",
            "timestamp": "2026-11-30T10:00:00.000Z", "isSidechain": false, "message": message});
        format!("{head}\n")
    };
    let usage = json!({"input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 2});
    append(&file, &record("user", json!({"role": "user", "content": "run the tests"})));
    append(&file, "{\"type\":\"file-history-snapshot\",\"messageId\":\"m\",\"snapshot\":{}}\n");
    let call =
        json!([{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "npm test"}}]);
    append(
        &file,
        &record(
            "assistant",
            json!({"id": "m1", "model": "claude-sonnet-4-5", "content": call, "usage": usage}),
        ),
    );
    let result = json!([{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "7 passed"}]}]);
    append(&file, &record("user", json!({"role": "user", "content": result})));
    append(
        &file,
        &record(
            "assistant",
            json!({"id": "m2", "model": "claude-sonnet-4-5", "content": [{"type": "text", "text": "All pass."}], "usage": usage}),
        ),
    );
    env.wait_for("the answer", || all_messages(&env).contains(&"All pass.".to_owned()).then_some(()));
    let _ = end(watching, SIGTERM);
    let run = env.the_run();
    let events = events(&run);
    let kinds: Vec<_> = events.iter().map(|record| record["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["progress", "session", "tool_call", "usage", "tool_result", "text", "usage"]);
    let page = env.roboppi(["show"]).output().code(0).text();
    assert!(page.contains("claude-sonnet-4-5") && page.contains("1 call"), "{page}");
    let last = &events[6]["event"];
    assert_eq!((&last["inputTokens"], &last["outputTokens"]), (&json!(20), &json!(8)), "{last}");
}

#[test]
fn a_pattern_and_a_given_run() {
    let env = TestEnv::new();
    append(
        &env.work().join("app.log"),
        "2026-01-06 16:03:53 ERROR boom\n  at x\nmalformed\n2026-01-06 16:03:54 INFO done\n",
    );
    let pattern = r"regex:^(?<time>\S+ \S+) (?<level>[A-Z]+) (?<message>.*)";
    let run = env.roboppi(["emit", "start", "mine"]).output().code(0).text();
    let printed = env
        .roboppi(["watch", "app.log", "--format", pattern, "--run", run.trim(), "--once"])
        .output()
        .code(0)
        .all();
    assert!(printed.contains("4 lines, 1 were no records and are kept as they are"), "{printed}");
    assert_eq!(all_messages(&env), ["boom\n  at x", "malformed", "done"]);
    assert_eq!(env.runs().len(), 1);
    // For itself the file has a run of its own.
    let _ =
        env.roboppi(["watch", "app.log", "--format", pattern, "--name", "other", "--once"]).output().code(0);
    assert!(by_name(&env).contains_key("other"));
    // Events of other categories are counted.
    append(&env.path("home/.victor/logs/victor.log"), SAMPLE);
    let printed = env.roboppi(["watch", "victor", "--category", "tool", "--once"]).output().code(0).all();
    assert!(printed.contains("events of other categories"), "{printed}");
}

#[test]
fn a_watch_that_waits_sleeps() {
    let env = TestEnv::new();
    append(&env.work().join("app.jsonl"), &line(0));
    let watching = env.roboppi(["watch", "app.jsonl"]).start();
    wait_for_messages(&env, 1);
    let pid = watching.process().unwrap().pid;
    let ticks = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let wait = |file: PathBuf| {
        let script = format!("sleep 5; echo over > {}", file.display());
        let _ = env.shell(&script).output().code(0);
    };
    let before = ticks();
    wait(env.work().join("over"));
    // A tick is a hundredth of a second: 2 % of a processor, of a program that is not optimised.
    assert!(ticks() - before <= 10, "{} ticks in five seconds", ticks() - before);
    let _ = end(watching, SIGTERM);
}

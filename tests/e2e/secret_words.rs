//! Secrets that are words of ours, or names: they change nothing of what a run is.

use std::fs;

use serde_json::Value;

use crate::agents::{finding, with_claude};
use crate::env::{Invocation, TestEnv, before_summary};
use crate::flow::Flow;

/// Keys, kinds and words of our records and messages, and names of the run. All of them are long enough to be hidden.
const WORDS: &[&str] = &[
    // Names.
    "run-postgres",
    "run-database",
    "use-database",
    "postgres",
    "database",
    "database-dump",
    "dump-here",
    "flow-of-postgres",
    "workspace",
    "flow.yaml",
    "steps/run-postgres/i1-a1",
    "run-postgres/i1-a1.log",
    "journal.jsonl",
    "run.json",
    // Kinds and words.
    "run_started",
    "run_ending",
    "run_finished",
    "core_started",
    "core_report",
    "step_changed",
    "attempt_started",
    "attempt_phase",
    "attempt_finished",
    "artifact_collected",
    "worker_started",
    "worker_ending",
    "job_event",
    "job_completed",
    "request_permit",
    "permit_granted",
    "heartbeat",
    "supervised",
    "succeeded",
    "waiting_permit",
    "terminating",
    "SUCCEEDED",
    "NON_RETRYABLE",
    "RUN_COMMANDS",
    "completed",
    "progress",
    // Keys.
    "exitCode",
    "durationMs",
    "workflow",
    "contextDir",
    "concurrency",
    "streamStdio",
    "maxAttempts",
    "dependsOn",
    "iteration",
    "fingerprint",
    "definition",
    "upstream",
    "artifact",
    "incarnation",
    "observations",
    "logBytes",
    "eventsBytes",
    "startTime",
    // What is between them.
    "\"type\":\"",
    "\":{\"step\":\"",
    "\"event\":{\"type\":",
    "\":true,\"",
    "}],\"cost\"",
    "{\"seq\":1,",
];

/// Too short to be hidden, and tried all the same.
const SHORT: &[&str] =
    &["\"", "{", "}", "1", "0", ",", ":", "step", "type", "seq", "state", "%0A", "%0D%0A", "***"];

/// Where the secrets come from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Nowhere,
    Environment,
    Output,
    Socket,
}

/// `use-database` fails until there is a file `fixed`. Every step leaves its name in `ran`, and prints nothing of `WORDS`.
fn flow(env: &TestEnv, from: From) {
    let hide = match from {
        From::Nowhere | From::Environment => "echo ::nothing".to_owned(),
        From::Output => "sed 's/^/::add-mask::/' words; \
            for mine in \"$ROBOPPI_RUN_ID\" \"$ROBOPPI_STEP_ID\" \"$ROBOPPI_WORKSPACE\" \"$ROBOPPI_CONTEXT_DIR\" \
            \"$ROBOPPI_SOCKET\"; do echo \"::add-mask::$mine\"; done"
            .to_owned(),
        From::Socket => "echo ::nothing; while IFS= read -r word; do printf %s \"$word\" | \"$ROBOPPI\" mask; done < long-words; \
            printf %s \"$ROBOPPI_RUN_ID\" | \"$ROBOPPI\" mask"
            .to_owned(),
    };
    let words: Vec<_> = WORDS.iter().chain(SHORT).copied().collect();
    env.write("words", &(words.join("\n") + "\n"));
    env.write("long-words", &(WORDS.join("\n") + "\n"));
    let flow = Flow::new()
        .with("concurrency: 1")
        .step("hide", &hide)
        .step_with(
            "run-postgres",
            "echo pg >> ran; echo one; echo '::progress percent=50 phase=x::half'; echo dumped > dump",
            &["depends_on: [hide]", "outputs: [{ name: database-dump, path: dump }]"],
        )
        .step_with("run-database", "echo db >> ran; echo two >&2", &["depends_on: [hide]"])
        .step_with(
            "use-database",
            "echo use >> ran; cat dump-here/dump; [ -e fixed ]",
            &[
                "depends_on: [run-postgres, run-database]",
                "inputs: [{ from: run-postgres, artifact: database-dump, as: dump-here }]",
            ],
        );
    env.write("flow.yaml", &flow.text().replace("name: flow", "name: flow-of-postgres"));
}

fn run<'e>(env: &'e TestEnv, mode: &str, from: From) -> Invocation<'e> {
    let mut run = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", mode]);
    run = run.env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi"));
    if from == From::Environment {
        for (number, word) in WORDS.iter().chain(SHORT).enumerate() {
            run = run.env(&format!("WORD_{number}_TOKEN"), word);
        }
    }
    run
}

/// Takes what differs from run to run: times, places, processes, and texts for people.
fn without_circumstances(value: &mut Value) {
    const LEFT_OUT: &[&str] = &[
        "ts",
        "at",
        "seq",
        "runId",
        "run",
        "jobId",
        "process",
        "pid",
        "durationMs",
        "resources",
        "wallTimeMs",
        "cost",
        "logBytes",
        "eventsBytes",
        "path",
        "workspace",
        "workflow",
        "contextDir",
        "definition",
        "startedAt",
        "endedAt",
        "detail",
        "message",
        "summary",
        "bytes",
        "files",
        "directory",
        "observations",
        "sha256",
    ];
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_circumstances),
        Value::Object(fields) => {
            // Absent when it said nothing.
            fields.remove("lastSeq");
            for (key, value) in fields {
                match value {
                    // That it is there counts.
                    value if LEFT_OUT.contains(&key.as_str()) => *value = Value::Null,
                    value => without_circumstances(value),
                }
            }
        }
        _ => {}
    }
}

/// What readers tell of the last run.
fn told(env: &TestEnv, state: &std::path::Path) -> Vec<String> {
    let ask = |arguments: &[&str]| env.roboppi(arguments).env("ROBOPPI_STATE_DIR", state).output().code(0);
    let mut told = Vec::new();
    for line in ask(&["events", "--workers", "--json"]).text().lines() {
        let mut event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        // Warnings are more; what a core reports and how fast a worker ends differs from run to run.
        let kind =
            event["type"].as_str().or_else(|| event["event"]["type"].as_str()).unwrap_or("none").to_owned();
        if !["warning", "attempt_phase", "core_report"].contains(&kind.as_str()) {
            without_circumstances(&mut event);
            told.push(event.to_string());
        }
    }
    let mut runs: Value = serde_json::from_str(&ask(&["runs", "--json"]).text()).unwrap();
    without_circumstances(&mut runs[0]);
    (runs[0]["id"], runs[0]["record"]) = (Value::Null, Value::Null);
    told.push(runs[0].to_string());
    let shown = ask(&["show"]).text();
    for step in ["hide", "run-postgres", "run-database", "use-database"] {
        let states = shown.lines().filter(|line| line.split_whitespace().any(|word| word == step));
        let states: Vec<_> = states
            .map(|line| {
                let words = ["succeeded", "failed", "pending", "running", "lost", "skipped", "CUSTOM"];
                let said = line.split_whitespace().filter(|word| words.contains(word) || *word == step);
                said.collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert!(!states.is_empty(), "{step} is not shown: {shown}");
        told.push(states.join(", "));
    }
    // Commands are text, and words of ours are hidden in them.
    for log in
        [&["last", "run-postgres"][..], &["last", "run-database"], &["last", "use-database"], &["--all"]]
    {
        let text = ask(&[&["logs"], log].concat()).all();
        told.extend(text.lines().filter(|line| !line.contains("::")).map(str::to_owned));
    }
    told
}

/// Fails, is looked at here and elsewhere, and goes on until nothing is left to do.
fn story(mode: &str, from: From) -> (Vec<String>, String) {
    let env = TestEnv::new();
    flow(&env, from);
    let printed = run(&env, mode, from).output().code(1).all();
    let state = env.path("state/roboppi");
    let mut told = told_twice(&env, &state);
    let plan =
        run(&env, mode, from).args(["--resume", "-1", "--dry-run", "--output", "json"]).output().code(0);
    let mut plan: Value = serde_json::from_str(&plan.text()).unwrap();
    without_circumstances(&mut plan);
    told.push(plan.to_string());
    env.write("fixed", "");
    let _ = run(&env, mode, from).arg("--rerun-failed").output().code(0);
    assert_eq!(env.read("ran").lines().filter(|line| *line == "pg").count(), 1, "{from:?}: it is kept");
    assert_eq!(env.read("ran").lines().count(), 4, "{from:?}: {}", env.read("ran"));
    let nothing = run(&env, mode, from).arg("--rerun-failed").output().code(4);
    assert!(nothing.stderr.contains("nothing to run"), "{from:?}: {}", nothing.stderr);
    let context = env.work().join("context");
    for (file, key, name) in [
        ("_workflow.json", "name", "flow-of-postgres"),
        ("run-postgres/_meta.json", "stepId", "run-postgres"),
        ("run-postgres/_resolved.json", "stepId", "run-postgres"),
    ] {
        let text = fs::read_to_string(context.join(file)).unwrap();
        let meta: Value = serde_json::from_str(&text).unwrap();
        let found = [&meta[key], &meta["id"]].iter().any(|value| value.as_str() == Some(name));
        assert!(found, "{file}: {text}");
        assert!(text.contains("SUCCEEDED") && !text.contains("***"), "{file}: {text}");
    }
    (told, printed)
}

/// What is told here, and the same after an export and an import.
fn told_twice(env: &TestEnv, state: &std::path::Path) -> Vec<String> {
    let here = told(env, state);
    let archive = env.path("run.tar.zst");
    let _ = env.roboppi(["export", "-1", "-o"]).arg(&archive).output().code(0);
    let elsewhere = env.path("elsewhere");
    let _ = env.roboppi(["import"]).arg(&archive).env("ROBOPPI_STATE_DIR", &elsewhere).output().code(0);
    let events =
        |told: &[String]| told.iter().filter(|line| line.starts_with('{')).cloned().collect::<Vec<_>>();
    let there = told(env, &elsewhere);
    // The list of runs says of one that it is from elsewhere.
    let count = events(&here).len() - 1;
    assert_eq!(events(&there)[..count], events(&here)[..count]);
    here
}

#[test]
fn words_of_ours_and_names_change_nothing_whoever_says_that_they_are_secret() {
    for mode in ["--supervised", "--direct"] {
        let (plain, printed) = story(mode, From::Nowhere);
        assert!(!printed.contains("names are not hidden"), "{printed}");
        assert!(plain.iter().any(|line| line.contains("artifact_collected")), "{plain:?}");
        for from in [From::Environment, From::Output, From::Socket] {
            let (told, printed) = story(mode, from);
            let differ = plain.iter().zip(&told).find(|(plain, told)| plain != told);
            assert_eq!(differ, None, "{mode} {from:?}");
            assert_eq!(plain.len(), told.len(), "{mode} {from:?}: {told:#?}");
            let lines = before_summary(&printed);
            assert_eq!(lines.matches("names are not hidden").count(), 1, "{mode} {from:?}: {printed}");
        }
    }
}

#[test]
fn a_name_that_holds_a_secret_is_warned_of_once_and_shown_as_it_is() {
    for view in [&["--stream"][..], &["--output", "json"], &[]] {
        let env = TestEnv::new();
        let script = "echo 'it is postgres'; echo '::progress::at postgres'; echo oops postgres >&2; exit 3";
        let flow = Flow::of("true").step("run-postgres", script).step_with(
            "after",
            "true",
            &["depends_on: [run-postgres]"],
        );
        let output = env.run(&flow).args(view).env("POSTGRES_PASSWORD", "postgres").output().code(1);
        let shown = output.all();
        let warning = "the step `run-postgres` holds the value of a secret (POSTGRES_PASSWORD)";
        assert_eq!(before_summary(&shown).matches(warning).count(), 1, "{view:?}: {shown}");
        assert!(!shown.contains("run-***"), "{view:?}: {shown}");
        assert!(!shown.contains("at postgres") && !shown.contains("is postgres"), "{view:?}: {shown}");
        let files = env.the_run();
        let events = files.journal();
        assert_eq!(events[1]["event"]["type"], "warning", "before anything starts");
        assert!(events[1]["event"]["message"].as_str().unwrap().contains(warning));
        assert_eq!(files.text("run-postgres", 1), "it is ***\n::progress::at ***\noops ***\n");
        assert_eq!(files.state("after"), "skipped");
        let page = env.roboppi(["show"]).output().code(0).all();
        assert!(page.contains("`run-postgres` failed") && !page.contains("run-***"), "{page}");
        assert!(page.contains("it is ***"), "{page}");
        let source = fs::read_to_string(files.dir.join("workflow.yaml")).unwrap();
        assert!(source.contains("\"run-postgres\":") && source.contains("[run-postgres]"), "{source}");
        assert!(source.contains("it is ***") && !source.contains("oops postgres"), "{source}");
        let plan = env.roboppi(["workflow", "run", "flow.yaml", "--rerun-failed", "--dry-run"]);
        let plan = plan.env("POSTGRES_PASSWORD", "postgres").output().code(0);
        assert!(plan.stderr.contains(warning), "{}", plan.stderr);
        assert!(plan.text().contains("run-postgres  run"), "{}", plan.text());
    }
}

#[test]
fn what_an_agent_says_is_understood_whatever_of_its_language_is_secret() {
    let read = |secrets: &[&str]| {
        let env = with_claude();
        let text = "name: agents\nversion: \"1\"\ntimeout: 5m\nsteps:\n  fix:\n    worker: CLAUDE_CODE\n    \
             capabilities: [READ, EDIT, RUN_TESTS]\n    instructions: fix it\n";
        env.write("flow.yaml", text);
        let mut run = finding(&env, env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]));
        for (number, secret) in secrets.iter().enumerate() {
            run = run.env(&format!("WORD_{number}_TOKEN"), secret);
        }
        let printed = run.output().code(0).text();
        let files = env.the_run();
        let work = env.work().canonicalize().unwrap().display().to_string();
        let mut events = files.attempt_events("fix", 1);
        events.iter_mut().for_each(|event| {
            without_circumstances(event);
            event["event"]["durationMs"] = Value::Null;
        });
        let mut result = files.events("attempt_finished")[0]["result"].take();
        let answer = result["details"]["answer"].take();
        without_circumstances(&mut result);
        let text = |value: &Value| value.to_string().replace(&work, "WORK");
        let events: Vec<_> = events.iter().map(text).collect();
        (printed, events, text(&result), answer, files.text("fix", 1))
    };
    let (_, plain, result, answer, _) = read(&[]);
    assert_eq!(answer, "All tests pass.");
    let words = [
        "assistant",
        "tool_use",
        "tool_result",
        "tool_use_id",
        "session_id",
        "subtype\":\"",
        "is_error",
        "\"type\":\"result\"",
        "stream_event",
        "input_tokens",
        "output_tokens",
        "total_cost_usd",
        "num_turns",
        "file_path",
        "old_string",
        "new_string",
        "content_block",
        "content_block_delta",
        "message_start",
        "claude-sonnet-4-5",
        "11111111-2222-3333-4444-555555555555",
        "CLAUDE_CODE",
        "file_changed",
        "tool_call",
    ];
    let (_, masked, masked_result, answer, _) = read(&words);
    assert_eq!(answer, "All tests pass.");
    assert_eq!(masked, plain);
    assert_eq!(masked_result, result);

    // And what it says is hidden where it is free.
    let (printed, events, _, answer, log) = read(&["All tests pass"]);
    assert_eq!(answer, "***.");
    assert!(printed.contains("fix | ***.") && !printed.contains("All tests"), "{printed}");
    assert!(!format!("{events:?}").contains("All tests"), "{events:?}");
    assert!(!log.contains("All tests"), "{log}");
}

#[test]
fn who_masks_too_much_is_told_that_no_more_is_hidden() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let script = "for ((i = 0; i < 1100; i++)); do echo \"::add-mask::value-number-$i\"; done; echo 'it is value-number-7'";
        let flow = Flow::of(script).step_with(
            "noisy-too",
            "echo '::add-mask::another one of them'; echo 'and another one of them'; \
             printf 'one by socket' | \"$ROBOPPI\" mask || echo refused",
            &["depends_on: [work]"],
        );
        let run = env.run(&flow).args([mode, "--stream"]).env("ROBOPPI", env!("CARGO_BIN_EXE_roboppi"));
        let shown = run.output().code(0).all();
        let lines = before_summary(&shown);
        assert_eq!(lines.matches("it masked one value too many").count(), 1, "{mode}: {shown}");
        let files = env.the_run();
        let warnings = files.events("warning");
        let told = warnings.iter().find(|warning| warning["message"].as_str().unwrap().contains("too many"));
        assert_eq!(told.unwrap()["step"], "work", "{warnings:?}");
        assert!(files.text("work", 1).ends_with("it is ***\n"));
        let log = files.text("noisy-too", 1);
        assert!(log.contains("and another one of them") && log.contains("refused\n"), "{log}");
    }
}

#[test]
fn a_run_id_is_no_secret() {
    let env = TestEnv::new();
    let script = "echo \"::add-mask::$ROBOPPI_RUN_ID\"; echo \"$ROBOPPI_RUN_ID\"";
    let _ = env.run(&Flow::of(script)).output().code(0);
    let files = env.the_run();
    assert_eq!(files.text("work", 1), "::add-mask::***\n***\n");
    let id = files.dir.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(env.roboppi(["runs", "--long"]).output().code(0).text().contains(&id));
    let _ = env.roboppi(["show", &id]).output().code(0);
}

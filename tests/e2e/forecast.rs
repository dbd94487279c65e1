//! When a run ends, by what earlier runs of its workflow took: an estimate, with its basis.

use std::fs;

use serde_json::{Value, json};

use crate::env::{Running, TestEnv};
use crate::flow::Flow;
use crate::run_files::RunFiles;

/// Begins, and ends once the file `end` is there.
const UNTIL_END: &str = "echo > started; until [ -e end ]; do sleep 0.02; done";

fn flow() -> Flow {
    Flow::new().step("fetch", "true").step_with("build", UNTIL_END, &["depends_on: [fetch]"]).step_with(
        "publish",
        "true",
        &["depends_on: [build]"],
    )
}

/// Makes the record of a run one in which a step took so long.
fn stretch(run: &RunFiles, step: &str, ms: u64) {
    let journal = run.journal().into_iter().map(|mut record| {
        let event = &mut record["event"];
        if event["step"] == step && event["durationMs"].is_u64() {
            event["durationMs"] = ms.into();
        }
        format!("{record}\n")
    });
    fs::write(run.dir.join("journal.jsonl"), journal.collect::<String>()).unwrap();
}

/// A run in the middle of three steps, after two that took five minutes there.
pub(crate) fn with_earlier_runs(env: &TestEnv) -> Running<'_> {
    env.write("end", "");
    for _ in 0..2 {
        let _ = env.run(&flow()).output().code(0);
    }
    for run in env.runs() {
        stretch(&run, "build", 300_000);
    }
    begin(env)
}

fn begin(env: &TestEnv) -> Running<'_> {
    let _ = fs::remove_file(env.work().join("end"));
    let _ = fs::remove_file(env.work().join("started"));
    let run = env.run(&flow()).start();
    env.wait_for_file("started");
    run
}

fn progress(env: &TestEnv, words: &[&str]) -> Value {
    let text = env.roboppi(words).output().code(0).text();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    if value.is_array() { value[0]["progress"].take() } else { value["progress"].take() }
}

#[test]
fn the_end_of_a_run_is_estimated_from_earlier_runs() {
    let env = TestEnv::new();
    let run = with_earlier_runs(&env);
    for words in [&["runs", "--json"][..], &["show", "--json"]] {
        let progress = progress(&env, words);
        let basis = (&progress["done"], &progress["total"], &progress["basis"], &progress["runs"]);
        assert_eq!(basis, (&json!(1), &json!(3), &json!("estimate"), &json!(2)), "{words:?}: {progress}");
        let left = progress["remainingMs"].as_u64().unwrap();
        assert!((1..=302_000).contains(&left), "{progress}");
    }
    let mut screen = env.roboppi(["dashboard"]).start_in_terminal(30, 120);
    screen.wait_for_text("1/3");
    screen.wait_for_text("~5m left");
    screen.press("\r");
    screen.wait_for_text("~5m left, as in 2 earlier runs");
    screen.press("\x1b");
    screen.wait_for_text("2 Events");
    env.write("end", "");
    let _ = run.wait().code(0);
    screen.wait_for_text("✓ r3");
    screen.wait_until("no end to come", |screen| !screen.contents().contains("left"));
    screen.press("q");
    screen.expect_code(0);
    let over = progress(&env, &["runs", "--json"]);
    assert_eq!(over, json!({"done": 3, "total": 3, "basis": "exact", "runs": 0, "remainingMs": 0}));
    assert_eq!(progress(&env, &["show", "--json"]), over);
}

#[test]
fn no_end_is_invented() {
    let env = TestEnv::new();
    // The first run of its workflow.
    let run = begin(&env);
    let first = progress(&env, &["runs", "--json"]);
    assert_eq!(first, json!({"done": 1, "total": 3, "basis": "steps", "runs": 0, "remainingMs": null}));
    let mut screen = env.roboppi(["dashboard"]).start_in_terminal(30, 120);
    screen.wait_for_text("1/3");
    screen.press("\r");
    screen.wait_for_text("1 of 3 steps");
    assert!(!screen.terminal.look(|screen| screen.contents().contains("left")));
    screen.press("\x1b");
    screen.wait_for_text("2 Events");
    env.write("end", "");
    let _ = run.wait().code(0);
    screen.press("q");
    screen.expect_code(0);
}

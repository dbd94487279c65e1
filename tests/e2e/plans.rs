//! Records of plans that are more than their file: more steps than it has, and iterations of a step that it does once. No workflow of
//! this version makes such a record, so it is written here; every command reads it.

use std::fs;

use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::run_files::RunFiles;

const PATH: &str = "release/build[os=linux]";
const DIR: &str = "steps/release%2Fbuild%5Bos%3Dlinux%5D";

/// `fix` has two iterations with a check each, and the plan grows by a step that a matrix made.
fn make_larger(run: &RunFiles) {
    let mut larger: Vec<Value> = Vec::new();
    let mut add = |ts: &Value, event: Value| larger.push(json!({"ts": ts, "event": event}));
    // The logs are those of other steps, with their indexes.
    let files = |base: &str, from: &str| {
        for extension in ["log", "idx"] {
            let path = run.dir.join(format!("{base}.{extension}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(run.dir.join(format!("steps/{from}/i1-a1.{extension}")), path).unwrap();
        }
        run.log(from, 1).len()
    };
    let fix = run.events("attempt_started").into_iter().find(|event| event["of"]["step"] == "fix").unwrap();
    let attempt = |of: Value, base: &str, from: &str| {
        let len = files(base, from);
        let job = base.replace('/', "-");
        let result = json!({
            "status": "SUCCEEDED", "artifacts": [], "observations": [], "cost": {"wallTimeMs": 1}, "durationMs": 1,
            "exitCode": 0, "details": {"logBytes": len, "eventsBytes": 0},
        });
        [
            json!({"type": "attempt_started", "of": of, "jobId": job, "base": base}),
            json!({"type": "attempt_finished", "of": of, "result": result, "logBytes": len, "eventsBytes": 0}),
        ]
    };
    let check =
        |iteration: u32| json!({"step": "fix", "iteration": iteration, "role": "check", "attempt": 1});
    for record in run.journal() {
        let (ts, event) = (record["ts"].clone(), record["event"].clone());
        let over = event["type"] == "step_changed" && event["step"] == "fix" && event["state"] == "succeeded";
        if over {
            let checked = attempt(check(1), "steps/fix/i1-check-a1", "first");
            let again =
                attempt(json!({"step": "fix", "iteration": 2, "attempt": 1}), "steps/fix/i2-a1", "second");
            let complete = attempt(check(2), "steps/fix/i2-check-a1", "third");
            checked.into_iter().for_each(|event| add(&ts, event));
            let why = "the check says: two tests fail";
            add(
                &ts,
                json!({"type": "iteration_started", "step": "fix", "iteration": 2, "maxIterations": 3, "detail": why}),
            );
            let [mut started, finished] = again;
            started["fingerprint"] = fix["fingerprint"].clone();
            [started, finished].into_iter().chain(complete).for_each(|event| add(&ts, event));
        }
        add(&ts, event);
        if over {
            let node = json!({"step": PATH, "worker": "CUSTOM", "dependsOn": ["fix"], "maxAttempts": 1});
            add(&ts, json!({"type": "plan_extended", "nodes": [node]}));
            add(&ts, json!({"type": "step_changed", "step": PATH, "state": "starting"}));
            let of = json!({"step": PATH, "iteration": 1, "attempt": 1});
            attempt(of, &format!("{DIR}/i1-a1"), "fourth").into_iter().for_each(|event| add(&ts, event));
            add(&ts, json!({"type": "step_changed", "step": PATH, "state": "succeeded", "durationMs": 5}));
        }
    }
    for (record, seq) in larger.iter_mut().zip(1..) {
        record["seq"] = seq.into();
    }
    let text: String = larger.iter().map(|line| format!("{line}\n")).collect();
    fs::write(run.dir.join("journal.jsonl"), text).unwrap();
}

fn flow(ship: &str) -> Flow {
    let depends_on = "depends_on: [fix, first, second, third, fourth]";
    Flow::new()
        .step("fix", "echo fixed")
        .step("first", "echo two tests fail")
        .step("second", "echo fixed more")
        .step("third", "echo all is well")
        .step("fourth", "echo built for linux")
        .step_with("ship", ship, &[depends_on])
}

fn larger_run() -> TestEnv {
    let env = TestEnv::new();
    let _ = env.run(&flow("echo shipped")).output().code(0);
    make_larger(&env.the_run());
    env
}

fn shows(env: &TestEnv, command: &[&str], words: &[&str]) {
    let printed = env.roboppi(command).output().code(0).all();
    for word in words {
        assert!(printed.contains(word), "{command:?}, {word}: {printed}");
    }
    for trouble in ["error", "warning", "not what roboppi writes"] {
        assert!(!printed.contains(trouble), "{command:?}: {printed}");
    }
}

fn log(env: &TestEnv, reference: &[&str]) -> String {
    env.roboppi([&["logs"], reference].concat()).output().code(0).text()
}

#[test]
fn every_command_reads_a_plan_that_has_grown() {
    let env = larger_run();
    shows(&env, &["show"], &[PATH, "fix iteration 2 of 3: the check says: two tests fail", "fix@2/check"]);
    shows(&env, &["runs"], &["7/7"]);
    let events = [
        "1 more steps: release/build[os=linux]",
        "fix iteration 2 of 3: the check says",
        "fix@1/check writes to",
    ];
    shows(&env, &["events"], &events);
    shows(&env, &["events", "--json"], &["plan_extended", "\"role\":\"check\"", PATH]);
    for command in [&["attach", "--no-tui"][..], &["replay", "--no-tui", "--speed", "max"]] {
        shows(
            &env,
            command,
            &["iteration 2/3: the check says: two tests fail", "1 more step: release/build[os=linux]"],
        );
        shows(&env, &[command, &["--output", "json"]].concat(), &["iteration_started", "plan_extended"]);
    }
}

#[test]
fn logs_are_found_by_path_iteration_role_and_attempt() {
    let env = larger_run();
    for (reference, text) in [
        (&["-1", PATH][..], "built for linux\n"),
        (&["-1", "fix"], "all is well\n"),
        (&["-1", "fix/a1"], "fixed more\n"),
        (&["-1", "fix", "--attempt", "1"], "fixed more\n"),
        (&["-1", "fix/i1/a1"], "fixed\n"),
        (&["-1", "fix/i1/check"], "two tests fail\n"),
        (&["-1", "fix/i2/check/a1"], "all is well\n"),
        (&["-1", "fix@2/check"], "all is well\n"),
        (&["fix/i1/check/a1"], "two tests fail\n"),
        (&["-1", "fix/i1/check", "--tail", "5"], "two tests fail\n"),
    ] {
        assert_eq!(log(&env, reference), text, "{reference:?}");
    }
    let path = log(&env, &["-1", PATH, "--path"]);
    assert!(path.trim_end().ends_with(&format!("{DIR}/i1-a1.log")), "{path}");
    for (reference, why) in [
        ("fix/i3", "`fix` has no attempt i3"),
        ("fix/i1/check/a2", "`fix` has no attempt i1/check/a2"),
        ("fix/x", "the run has no step `fix/x`"),
    ] {
        let printed = env.roboppi(["logs", "-1", reference]).output().code(2).all();
        assert!(printed.contains(why), "{reference}: {printed}");
    }
    shows(&env, &["export", "-1", "fix/i1/check", "--format", "json"], &["\"exitCode\":0"]);
}

#[test]
fn a_plan_that_has_grown_travels() {
    let (env, there) = (larger_run(), TestEnv::new());
    let file = env.path("run.tar.zst");
    let _ = env.roboppi(["export", "-1", "-o"]).arg(&file).output().code(0);
    let _ = there.roboppi(["import"]).arg(&file).output().code(0);
    shows(&there, &["show"], &[PATH, "fix iteration 2 of 3"]);
    assert_eq!(log(&there, &["r1", PATH]), "built for linux\n");
    assert_eq!(log(&there, &["r1", "fix/i1/check/a1"]), "two tests fail\n");
}

#[test]
fn the_screen_shows_a_plan_that_has_grown() {
    let env = larger_run();
    let mut screen = env.roboppi(["attach"]).start_in_terminal(40, 140);
    screen.wait_for_text(PATH);
    screen.wait_for_text("@2/3 check");
    screen.press("g 1");
    screen.wait_for_text("2 of at most 3");
    screen.wait_for_text("the check says: two tests fail");
    screen.press("q");
    screen.expect_code(0);
    screen.expect_restored_terminal();
}

#[test]
fn a_run_goes_on_with_one_whose_plan_has_grown() {
    let env = larger_run();
    let _ =
        env.run(&flow("echo shipped again")).args(["--resume", "-1", "--accept-changes"]).output().code(0);
    let second = env.runs().pop().unwrap();
    assert_eq!(second.events("attempt_started").len(), 1, "only what has changed is done again");
    // Kept is what did the work, and not what checked it last.
    let kept = &second.events("run_started")[0]["resumes"]["kept"][0];
    assert_eq!(kept["attempt"], json!({"step": "fix", "iteration": 2, "attempt": 1}));
}

/// The plan of a file is the file: nothing in the record of a run of today says otherwise.
#[test]
fn a_file_of_today_gives_the_record_it_always_gave() {
    let env = TestEnv::new();
    let lines =
        &["depends_on: [a]", "on_failure: retry", "max_retries: 1", "timeout: 30s", "description: second"];
    let _ = env.run(&Flow::new().step("a", "echo one").step_with("b", "echo two", lines)).output().code(0);
    let run = env.the_run();
    let started = run.events("run_started").remove(0);
    assert_eq!(
        started["steps"].to_string(),
        concat!(
            r#"[{"maxAttempts":1,"step":"a","worker":"CUSTOM"},"#,
            r#"{"dependsOn":["a"],"description":"second","maxAttempts":2,"step":"b","timeoutMs":30000,"worker":"CUSTOM"}]"#
        )
    );
    let text = fs::read_to_string(run.dir.join("journal.jsonl")).unwrap();
    let of_a = text.lines().filter(|line| line.contains(r#""of":{"step":"a","iteration":1,"attempt":1}"#));
    // A worker may be seen to end before its pipes do.
    let of_a = of_a.filter(|line| !line.contains(r#""name":"draining""#));
    assert_eq!(of_a.count(), 3, "{text}");
    let mut kinds: Vec<_> = run.journal().iter().map(|line| line["event"]["type"].to_string()).collect();
    kinds.dedup();
    assert!(
        !text.contains("role") && !text.contains("plan_extended") && !text.contains("maxIterations"),
        "{text}"
    );
    assert_eq!(run.text("a", 1), "one\n");
}

//! Options of `roboppi workflow run` that every runner has.

use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;

const UNTIL_ENDED: &str = "echo > up; until [ -e never ]; do sleep 0.01; done";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_first_failure_ends_the_run_when_that_is_asked_for() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::of(UNTIL_ENDED)
            .step("bad", "until [ -e up ]; do sleep 0.01; done; exit 3")
            .step_with("later", "true", &["depends_on: [work]"])
            .step_with("after bad", "true", &["depends_on: [bad]"]);
        let run = env.run(&flow).args(["--fail-fast", mode]).output().code(1).all();
        for line in [
            "✗ bad  exit code 3",
            "■ ending the run: a step failed (--fail-fast); waiting for work",
            "■ work  cancelled",
            "- later  skipped: another step had failed before it started (--fail-fast)",
            "- after bad  skipped: `bad` failed",
            "FAILED: 1 of 4 steps failed",
        ] {
            assert!(run.contains(line), "{mode}: no {line:?} in\n{run}");
        }
        let ending = env.the_run().events("run_ending");
        assert_eq!(ending.len(), 1);
        assert_eq!(ending[0]["reason"], "fail_fast");
        let finished = env.the_run().events("run_finished").remove(0);
        assert_eq!((&finished["outcome"], &finished["detail"]), (&"failed".into(), &"failed: `bad`".into()));
    }
    // By default, and when it is said again, the others go on.
    let env = TestEnv::new();
    let flow = Flow::of("exit 3").step("other", "echo done > other");
    for flags in [&["--keep-going"][..], &["--fail-fast", "--keep-going"], &[]] {
        let _ = env.run(&flow).args(flags).output().code(1);
        assert_eq!(env.read("other"), "done\n", "{flags:?}");
        std::fs::remove_file(env.work().join("other")).unwrap();
    }
}

#[test]
fn a_cancel_counts_while_a_run_ends_because_of_a_failure() {
    let env = TestEnv::new();
    let stubborn = "trap 'echo > asked' TERM; echo > up; while :; do sleep 0.01 || true; done";
    let flow = Flow::of(stubborn).step("bad", "until [ -e up ]; do sleep 0.01; done; exit 3");
    let run = env.run(&flow).args(["--fail-fast", "--grace", "60s"]).start();
    env.wait_for_file("asked");
    run.signal(SIGINT);
    env.wait_for("the order of the user", || {
        env.the_run().events("run_ending").iter().any(|event| event["reason"] == "user").then_some(())
    });
    run.signal(SIGINT);
    let printed = run.wait().code(130).all();
    assert!(printed.contains("CANCELLED"), "{printed}");
}

#[test]
fn concurrency_and_the_time_limit_are_those_of_the_command_line() {
    let env = TestEnv::new();
    let flow = Flow::of("true").with("concurrency: 4");
    let _ = env.run(&flow).args(["-j", "1"]).output().code(0);
    assert_eq!(env.the_run().events("run_started")[0]["concurrency"], 1);
    let wrong = env.run(&flow).args(["-j", "0"]).output().code(2).all();
    assert!(wrong.contains("-j") || wrong.contains("--concurrency"), "{wrong}");

    let env = TestEnv::new();
    let printed = env.run(&Flow::of("sleep 1000")).args(["--timeout", "300ms"]).output().code(124).all();
    assert!(printed.contains("TIMED OUT") && printed.contains("300ms"), "{printed}");
    let wrong = env.run(&Flow::of("true")).args(["--timeout", "5"]).output().code(2).all();
    assert!(wrong.contains("write `5s` for seconds"), "{wrong}");
}

#[test]
fn only_some_steps_run_with_what_they_depend_on() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step_with(
            "make",
            "echo made > made.txt; echo make >> ran",
            &["outputs: [{name: m, path: made.txt}]"],
        )
        .step_with(
            "use",
            "cat m/made.txt 2> /dev/null || cat m; echo use >> ran",
            &["depends_on: [make]", "inputs: [{from: make, artifact: m}]"],
        )
        .step("other", "echo other >> ran; exit 1")
        .step_with("last", "echo last >> ran", &["depends_on: [use, other]"]);
    let printed = env.run(&flow).args(["--only", "use"]).output().code(0).all();
    assert!(printed.contains("SUCCEEDED: 2 steps"), "{printed}");
    assert!(printed.contains("  only       use, with what they depend on\n"), "{printed}");
    assert_eq!(env.read("ran"), "make\nuse\n");
    // What the earlier run has is kept, and the step runs again.
    let printed = env.run(&flow).args(["--only", "use", "--resume", "-1"]).output().code(0).all();
    assert!(printed.contains("kept from run"), "{printed}");
    assert_eq!(env.read("ran"), "make\nuse\nuse\n");
    let two = env.run(&flow).args(["--only", "make", "--only", "other"]).output().code(1).all();
    assert!(two.contains("FAILED: 1 of 2 steps failed"), "{two}");
    // Whoever goes on with it does not run what was left out.
    assert!(two.contains("flow.yaml --only make --only other --resume r3\n"), "{two}");
    let refused = env.run(&flow).args(["--rerun-failed"]).output().code(2).all();
    assert!(refused.contains("there is no run of"), "{refused}");
    for (flags, reason) in [
        (&["--only", "nope"][..], "the workflow has no step `nope`"),
        (&["--only", "use", "--from", "make"], "cannot be used with"),
    ] {
        let refused = env.run(&flow).args(flags).output().code(2).all();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_plan_is_printed_and_nothing_runs() {
    let env = TestEnv::new();
    let flow = Flow::of("echo > ran").with("concurrency: 3").step_with(
        "second",
        "true",
        &["depends_on: [work]", "timeout: 90s"],
    );
    let printed = env.run(&flow).arg("--dry-run").output().code(0).text();
    assert!(
        printed.starts_with("Workflow flow: 2 steps, at most 3 at the same time, within 5m\n"),
        "{printed}"
    );
    let rows: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert!(rows.contains(&vec!["2", "second", "work", "CUSTOM", "1m30s"]), "{printed}");
    assert!(!env.work().join("ran").exists() && env.runs().is_empty());
    let plan = json(&env.run(&flow).args(["--dry-run", "--json", "--only", "work"]).output().code(0).text());
    assert_eq!(plan["steps"].as_array().unwrap().len(), 1, "{plan}");
    assert_eq!(plan["steps"][0]["worker"], "CUSTOM");
    assert!(env.runs().is_empty());
}

#[test]
fn a_plan_of_ten_thousand_steps_is_printed() {
    let env = TestEnv::new();
    let mut text = "name: long\nversion: \"1\"\ntimeout: 1h\nsteps:\n".to_owned();
    for n in 0..10_000 {
        let after = if n == 0 { String::new() } else { format!(", depends_on: [s{}]", n - 1) };
        text.push_str(&format!(
            "  s{n}: {{worker: CUSTOM, capabilities: [READ], instructions: \"true\"{after}}}\n"
        ));
    }
    env.write("long.yaml", &text);
    let printed = env.roboppi(["workflow", "run", "long.yaml", "--dry-run"]).output().code(0).text();
    let last = printed.lines().find(|line| line.contains("s9999 ")).expect(&printed[..500]);
    assert!(last.starts_with("10000 ") && last.contains("s9998"), "{last}");
}

#[test]
fn json_has_a_short_form() {
    let env = TestEnv::new();
    let journal =
        |text: &str| text.lines().map(|line| json(line)["event"]["type"].clone()).collect::<Vec<_>>();
    let flow = Flow::of("true");
    for form in [&["--json"][..], &["-o", "json"], &["--output", "json"]] {
        let printed = env.run(&flow).args(form).output().code(0).text();
        assert_eq!(journal(&printed).last(), Some(&"run_finished".into()), "{form:?}");
    }
    let attached = env.roboppi(["attach", "-1", "--json"]).output().code(0).text();
    assert_eq!(journal(&attached).last(), Some(&"run_finished".into()));
    let replayed = env.roboppi(["replay", "-1", "--speed", "max", "-o", "json"]).output().code(0).text();
    assert_eq!(journal(&replayed).last(), Some(&"run_finished".into()));
    let refused = env.roboppi(["workflow", "run", "flow.yaml", "--json", "--tui"]).output().code(2).all();
    assert!(refused.contains("exclude each other"), "{refused}");
}

#[test]
fn a_run_is_shown_as_an_object() {
    let env = TestEnv::new();
    let flow = Flow::of("echo out; exit 3").step_with("after", "true", &["depends_on: [work]"]);
    let _ = env.run(&flow).output().code(1);
    let run = json(&env.roboppi(["show", "--json"]).output().code(0).text());
    assert_eq!((&run["handle"], &run["state"]), (&"r1".into(), &"failed".into()), "{run:#}");
    assert_eq!((&run["end"]["exitCode"], &run["end"]["outcome"]), (&1.into(), &"failed".into()));
    let steps = run["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["state"], &steps[0]["attempts"][0]["exitCode"]), (&"failed".into(), &3.into()));
    assert_eq!(steps[0]["attempts"][0]["logBytes"], 4);
    assert_eq!((&steps[1]["state"], &steps[1]["dependsOn"][0]), (&"skipped".into(), &"work".into()));
    assert!(run["resume"].as_str().unwrap().ends_with("--resume r1"), "{run:#}");
}

#[test]
fn several_logs_are_printed_one_after_the_other() {
    let env = TestEnv::new();
    let flow = Flow::of("echo one").step("b", "echo two").step("c", "echo three");
    let _ = env.run(&flow).output().code(0);
    let logs = |arguments: &[&str]| env.roboppi(["logs"]).args(arguments).output().code(0).text();
    let both = "==> c <==\nthree\n==> work <==\none\n";
    assert_eq!(logs(&["c", "work"]), both);
    assert_eq!(logs(&["-1", "c", "work"]), both);
    assert_eq!(logs(&["r1", "c", "work", "-n", "1"]), both);
    assert_eq!(logs(&["c"]), "three\n");
    assert_eq!(logs(&["c", "b", "--path"]).lines().count(), 2);
    let followed = logs(&["work", "b", "-f"]);
    assert!(
        followed.contains("one\n") && followed.contains("two\n") && !followed.contains("three"),
        "{followed}"
    );
    for arguments in [&["c", "nope"][..], &["nope", "c"], &["r1", "c", "nope"]] {
        let refused = env.roboppi(["logs"]).args(arguments).output().code(2);
        assert!(refused.stderr.contains("it has work, b, c"), "{arguments:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, b"", "all names are looked up before anything is printed");
    }
    // One attempt cannot be followed beside another step.
    let refused = env.roboppi(["logs", "r1", "b/a1", "c", "-f"]).output().code(2);
    assert!(refused.stderr.contains("is one attempt"), "{}", refused.stderr);
}

#[test]
fn options_stand_in_groups() {
    let env = TestEnv::new();
    let help = env.roboppi(["workflow", "run", "--help"]).output().code(0).text();
    let place =
        |heading: &str| help.find(&format!("\n{heading}:\n")).unwrap_or_else(|| panic!("{heading}: {help}"));
    let option = |name: &str| help.find(&format!(" {name}")).unwrap_or_else(|| panic!("{name}: {help}"));
    let sections = ["Options", "Limits", "Resuming", "View", "Core"].map(place);
    let within = |name: &str, section: usize| {
        let next = sections.iter().filter(|other| **other > sections[section]).min();
        let at = option(name);
        assert!(at > sections[section] && next.is_none_or(|next| at < *next), "{name}: {help}");
    };
    within("--only", 0);
    within("--timeout", 1);
    within("--rerun-failed", 2);
    within("--quiet", 3);
    within("--direct", 4);
}

#[test]
fn a_viewer_exits_with_the_code_of_the_run_when_that_is_asked_for() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("echo > up; until [ -e go ]; do sleep 0.01; done; exit 3")).start();
    env.wait_for_file("up");
    let viewers = [
        env.roboppi(["attach", "--no-tui", "--exit-status"]).start(),
        env.roboppi(["attach", "--json", "--exit-status"]).start(),
    ];
    let other = env.roboppi(["attach", "--no-tui"]).start();
    env.write("go", "");
    let _ = run.wait().code(1);
    for viewer in viewers {
        let _ = viewer.wait().code(1);
    }
    let _ = other.wait().code(0);
    // Later, and of a run that was killed.
    let _ = env.roboppi(["attach", "--no-tui", "--exit-status"]).output().code(1);
    let lost = env.run(&Flow::of("echo > again; sleep 1000")).start();
    env.wait_for_file("again");
    lost.signal(SIGKILL);
    let _ = lost.wait().signal(SIGKILL);
    env.wait_until_nothing_is_left();
    let _ = env.roboppi(["attach", "--no-tui", "--exit-status"]).output().code(3);
}

#[test]
fn options_of_the_existing_program_are_accepted_or_answered() {
    let env = TestEnv::new();
    let flow = Flow::of("true");
    let silent = ["--allow-protected-branch", "--keepalive", "--no-keepalive", "--keepalive-interval=30s"];
    let printed = env.run(&flow).args(silent).output().code(0);
    assert_eq!(printed.stderr, "");
    for flags in [&["--base-branch", "main"][..], &["--protected-branches", "main,release"]] {
        let printed = env.run(&flow).args(flags).output().code(0).all();
        assert!(printed.contains("the branch is not watched"), "{printed}");
    }
    let refused = env.run(&flow).args(["--agents", "agents.yaml"]).output().code(2).stderr;
    assert!(refused.contains("not supported yet"), "{refused}");
    // Silence is broken as often as was asked for.
    let run = env.run(&Flow::of("until [ -e go ]; do sleep 0.01; done"));
    let run = run.args(["--keepalive-interval", "50ms", "--slow-after", "0s"]).start();
    run.wait_for_text("still running: work");
    env.write("go", "");
    let _ = run.wait().code(0);
}

#[test]
fn numbers_without_a_unit_are_answered() {
    let env = TestEnv::new();
    let flow = Flow::of("true");
    for option in ["--grace", "--drain", "--limit-wait", "--slow-after", "--timeout"] {
        let refused = env.run(&flow).args([option, "5"]).output().code(2).stderr;
        assert!(refused.contains("write `5s` for seconds"), "{option}: {refused}");
    }
    env.write("bad.yaml", &flow.text().replace("timeout: 5m", "timeout: 5"));
    let refused = env.roboppi(["workflow", "validate", "bad.yaml"]).output().code(2).stderr;
    assert!(refused.contains("`5s` for seconds"), "{refused}");
    let agent = |time: &str| {
        let run = env.roboppi(["run", "--worker", "claude-code", "--no-tui", "--timeout", time, "hello"]);
        run.env("PATH", "/nonexistent").stdin("").output().code(1).stderr
    };
    assert!(agent("60").contains("--timeout 60 is 60 milliseconds"), "{}", agent("60"));
    assert!(!agent("500ms").contains("milliseconds; write"), "{}", agent("500ms"));
}

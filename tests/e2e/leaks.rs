//! What a step leaves behind is ended with it, shown and recorded; the step's own outcome stands.

use serde_json::Value;

use crate::env::{Printed, TestEnv, before_summary};
use crate::flow::Flow;
use crate::processes::Process;

/// A process that says in `NAME` that it has got away, and then waits for ever with this in its command line.
fn sleeper(env: &TestEnv, name: &str) -> String {
    format!("bash -c 'echo $$ > {name}; exec -a {} sleep 1000'", marked(env, name))
}

fn marked(env: &TestEnv, name: &str) -> String {
    format!("{}.{name}", env.mark())
}

fn until(file: &str) -> String {
    format!("until [ -s {file} ]; do sleep 0.01; done")
}

/// What the only attempt of a step is said to have left, by its result.
fn left_by(env: &TestEnv, step: &str) -> Vec<Value> {
    let finished = env.the_run().events("attempt_finished");
    let attempt = finished.iter().find(|event| event["of"]["step"] == step).expect("an attempt");
    attempt["result"]["details"]["leaked"].as_array().cloned().unwrap_or_default()
}

/// Insists that a step left exactly this, and that everybody is told.
#[track_caller]
fn expect_told(env: &TestEnv, printed: &Printed, step: &str, name: &str) {
    let left = left_by(env, step);
    assert_eq!(left.len(), 1, "{step}: {left:?}\n{}", printed.all());
    let (pid, command) = (env.read(name), left[0]["command"].as_str().unwrap());
    assert_eq!(left[0]["process"]["pid"].to_string(), pid.trim());
    assert!(command.contains(&marked(env, name)), "{command}");
    assert_eq!(Process::of(pid.trim().parse().unwrap()), None);

    let reports = env.the_run().journal();
    let reports: Vec<_> = reports.iter().map(|record| &record["event"]["event"]).collect();
    let told = reports.iter().filter(|report| report["type"] == "leaked" && report["leaked"] == left[0]);
    assert_eq!(told.count(), 1, "in the journal: {reports:?}");

    let shown: Vec<_> = before_summary(&printed.text())
        .lines()
        .filter(|line| line.contains(command))
        .map(str::to_owned)
        .collect();
    assert_eq!(shown.len(), 1, "{}", printed.all());
    assert!(shown[0].contains(step) && shown[0].contains(pid.trim()), "{}", shown[0]);
}

#[test]
fn whatever_a_green_step_leaves_is_ended_and_told() {
    for mode in ["--supervised", "--direct"] {
        for (how, script) in [
            ("session", "setsid SLEEPER >&- 2>&- & UNTIL"),
            ("twice forked", "(setsid sh -c 'SETSID & exit' >&- 2>&- &); UNTIL"),
            ("no environment", "setsid env -i SLEEPER >&- 2>&- & UNTIL"),
            ("group of its own", "set -m; SLEEPER >&- 2>&- & UNTIL"),
            ("holds the pipe", "setsid SLEEPER & UNTIL"),
            ("holds the pipe, in the group", "SLEEPER & UNTIL"),
            ("in the group", "SLEEPER >&- 2>&- & UNTIL"),
        ] {
            let env = TestEnv::new();
            env.write("left.sh", &format!("exec {}", sleeper(&env, "left")));
            let script = script
                .replace("SETSID", "setsid sh left.sh")
                .replace("SLEEPER", "sh left.sh")
                .replace("UNTIL", &until("left"));
            let flow = Flow::of(&format!("{script}; echo last"));
            let printed = env.run(&flow).args([mode, "--drain", "300ms"]).output().code(0);
            assert!(Process::marked(env.mark()).is_empty(), "{mode} {how}: nothing is left");
            assert_eq!(env.the_run().state("work"), "succeeded", "{mode} {how}");
            assert_eq!(env.the_run().text("work", 1), "last\n", "{mode} {how}");
            expect_told(&env, &printed, "work", "left");
        }
    }
}

#[test]
fn of_two_parallel_steps_the_right_one_is_told() {
    let env = TestEnv::new();
    let leaky = |name: &str, other: &str| {
        // Neither ends before both have let go of theirs.
        format!("setsid {} >&- 2>&- & {}; {}", sleeper(&env, name), until(name), until(other))
    };
    let flow = Flow::new()
        .step("one", &leaky("first", "second"))
        .step("two", &leaky("second", "first"))
        .step("clean", &format!("{}; {}", until("first"), until("second")));
    let printed = env.run(&flow).output().code(0);
    expect_told(&env, &printed, "one", "first");
    expect_told(&env, &printed, "two", "second");
    assert_eq!(left_by(&env, "clean"), [] as [Value; 0]);
}

#[test]
fn a_step_beside_keeps_its_own_background_process_until_it_ends() {
    let env = TestEnv::new();
    let keeper = format!(
        "(setsid {} >&- 2>&- &); {}; {}; kill -0 $(cat mine)",
        sleeper(&env, "mine"),
        until("mine"),
        until("after")
    );
    let leaky = format!("{}; setsid {} >&- 2>&- & {}", until("mine"), sleeper(&env, "left"), until("left"));
    let flow = Flow::new()
        .step("keeper", &keeper)
        .step("leaky", &leaky)
        // The process of `leaky` is dead by now, reaped or not, and that of `keeper` is not.
        .step_with(
            "after",
            "case $(cat /proc/$(cat left)/stat 2>&-) in '' | *') Z '*) echo > after;; *) exit 1;; esac",
            &["depends_on: [leaky]"],
        );
    let printed = env.run(&flow).output().code(0);
    expect_told(&env, &printed, "leaky", "left");
    expect_told(&env, &printed, "keeper", "mine");
}

#[test]
fn a_red_step_stays_red_and_the_leak_is_told_as_json_too() {
    let env = TestEnv::new();
    let flow = Flow::of(&format!("setsid {} >&- 2>&- & {}; exit 3", sleeper(&env, "left"), until("left")));
    let printed = env.run(&flow).args(["--output", "json"]).output().code(1);
    let told: Vec<Value> = printed
        .text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|object| object["event"]["event"]["type"] == "leaked")
        .collect();
    assert_eq!(told.len(), 1, "{}", printed.text());
    let left = left_by(&env, "work");
    assert_eq!(told[0]["event"]["event"]["leaked"], left[0]);
    assert_eq!(env.the_run().state("work"), "failed");
}

#[test]
fn a_worker_knows_its_job() {
    let env = TestEnv::new();
    let _ = env.run(&Flow::of("echo $ROBOPPI_JOB_ID")).output().code(0);
    let run = env.the_run();
    let started = run.events("attempt_started");
    assert_eq!(run.text("work", 1).trim(), started[0]["jobId"].as_str().unwrap());
}

#[test]
fn nobody_who_holds_a_pipe_delays_a_step_for_long() {
    let env = TestEnv::new();
    // Sixteen steps, one after the other; if any waited for its sleeper this would not end today.
    let mut flow = Flow::of("true");
    let mut before = "work".to_owned();
    for number in 0..16 {
        let name = format!("s{number}");
        let script = format!("setsid sleep 1000 & echo out {name}; echo last {name}");
        flow = flow.step_with(&name, &script, &[&format!("depends_on: [{before}]")]);
        before = name;
    }
    let _ = env.run(&flow).args(["--drain", "50ms"]).output().code(0);
    for number in 0..16 {
        let name = format!("s{number}");
        assert_eq!(env.the_run().text(&name, 1), format!("out {name}\nlast {name}\n"));
        assert_eq!(left_by(&env, &name).len(), 1, "{name}");
    }
}

/// What cannot be found cannot be ended.
#[test]
fn without_proc_nothing_is_started_and_that_is_said() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        env.write("flow.yaml", &Flow::of("echo > ran").text());
        let script = format!(
            "unshare -m mount -t tmpfs none /proc || exit 77
             exec unshare -m bash -c 'mount -t tmpfs none /proc; exec $ROBOPPI workflow run flow.yaml --no-tui {mode}'"
        );
        let outcome = env.shell(&script).output();
        if outcome.has_code(77) {
            eprintln!("left out: a system without /proc; nobody may unmount it here");
            return;
        }
        let printed = outcome.code(3).all();
        assert!(printed.contains("/proc is not there"), "{mode}: {printed}");
        assert!(!env.work().join("ran").exists());
    }
}

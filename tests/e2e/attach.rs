//! A run that is watched, and asked for something, from other processes.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::sys::signal::Signal::{SIGHUP, SIGKILL};
use serde_json::Value;

use crate::env::TestEnv;
use crate::flow::Flow;

/// Lets a script wait for files.
const WAIT: &str = "wait_for() { until [ -e $1 ]; do sleep 0.01; done; }; ";

fn waits_for(file: &str) -> String {
    format!("{WAIT} wait_for {file}")
}

/// The kinds and details of everything that was requested.
fn commands(env: &TestEnv) -> Vec<String> {
    let text = env.roboppi(["events", "--kind", "command"]).output().code(0).text();
    text.lines().map(|line| line.split_once("command").unwrap().1.trim().to_owned()).collect()
}

/// Where the owner of the only run listens.
fn socket(env: &TestEnv) -> PathBuf {
    let manifest = std::fs::read_to_string(env.the_run().dir.join("run.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    PathBuf::from(manifest["control"].as_str().unwrap())
}

fn state(env: &TestEnv, step: &str, state: &str) {
    let is_it = |record: &Value| record["event"]["step"] == step && record["event"]["state"] == state;
    env.wait_for(&format!("{step} {state}"), || {
        let run = env.runs().pop()?;
        run.journal().iter().any(is_it).then_some(())
    });
}

#[test]
fn steps_are_tried_again_and_left_out_while_the_run_goes_on() {
    for mode in ["--supervised", "--direct"] {
        let env = TestEnv::new();
        let flow = Flow::new()
            .step("flaky", "[ -e mended ] || { echo broken; exit 3; }; echo mended")
            .step_with("after", "true", &["depends_on: [flaky]"])
            .step("slow", &waits_for("go"))
            .step_with("unwanted", "exit 9", &["depends_on: [slow]"])
            .step_with("last", "true", &["depends_on: [unwanted, after]"]);
        let run = env.run(&flow).arg(mode).start();
        state(&env, "flaky", "failed");
        env.write("mended", "");
        let granted = env.roboppi(["retry", "-1", "flaky"]).output().code(0).text();
        assert!(granted.contains("try `flaky` again"), "{granted}");
        state(&env, "after", "succeeded");
        let _ = env.roboppi(["skip", "-1", "unwanted"]).output().code(0);
        for (arguments, why) in [
            (["retry", "-1", "after"], (1, "`after` succeeded")),
            (["skip", "-1", "slow"], (1, "it can be cancelled")),
            (["cancel", "-1", "nothing"], (2, "no step `nothing`")),
        ] {
            let (code, why) = why;
            let refused = env.roboppi(arguments).output().code(code).all();
            assert!(refused.contains(why), "{arguments:?}: {refused}");
        }
        env.write("go", "");
        let printed = run.wait().code(0).all();
        assert!(
            printed.contains("asked by process") && printed.contains("refused, `after` succeeded"),
            "{printed}"
        );
        assert_eq!(env.the_run().outcome().as_deref(), Some("succeeded"));
        let commands = commands(&env);
        assert_eq!(commands.len(), 4, "{commands:?}");
        assert!(commands[0].starts_with("to try `flaky` again, asked by process "), "{commands:?}");
        let late = env.roboppi(["retry", "-1", "flaky"]).output().code(1).all();
        assert!(late.contains("the run is over: succeeded"), "{late}");
    }
}

#[test]
fn a_step_and_a_run_are_ended_from_outside() {
    let env = TestEnv::new();
    let flow = Flow::new().step("one", "sleep 1000").step("two", "trap '' TERM; sleep 1000 & wait; wait");
    let run = env.run(&flow).start();
    state(&env, "one", "running");
    state(&env, "two", "running");
    let _ = env.roboppi(["cancel", "-1", "one"]).output().code(0);
    state(&env, "one", "cancelled");
    let _ = env.roboppi(["cancel", "-1"]).output().code(0);
    // Asking twice is not asking for more.
    let again = env.roboppi(["cancel", "-1"]).output().code(1).all();
    assert!(again.contains("being ended already"), "{again}");
    let _ = env.roboppi(["cancel", "-1", "--force", "--wait"]).output().code(0);
    let _ = run.wait().code(130);
    assert_eq!(env.the_run().outcome().as_deref(), Some("cancelled"));
    assert!(!socket(&env).exists(), "the socket goes with the run");
}

#[test]
fn nobody_is_left_to_ask_when_the_owner_was_killed() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("sleep 1000")).start();
    state(&env, "work", "running");
    run.signal(SIGKILL);
    let _ = run.wait().signal(SIGKILL);
    for arguments in [&["cancel", "-1"][..], &["retry", "-1", "work"], &["skip", "-1", "work"]] {
        let refused = env.roboppi(arguments).output().code(1).all();
        assert!(refused.contains("the run is over: lost"), "{refused}");
    }
    env.wait_until_nothing_is_left();
}

#[test]
fn floods_and_malformed_input_at_the_socket_do_not_hurt_the_run() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of(&waits_for("go"))).start();
    state(&env, "work", "running");
    let socket = socket(&env);
    assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
    let say = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // It may hang up before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let other = br#"{"runId":"other","command":{"type":"cancel_run","force":true}}"#;
    for malformed in
        [&b""[..], b"\n", b"{}\n", b"\xff\xfe\n", &[other, &b"\n"[..]].concat(), &[b'x'; 1 << 20]]
    {
        let answer = say(malformed);
        assert!(answer.is_empty() || answer.contains("refused"), "{answer}");
    }
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(UnixStream::connect(&socket).unwrap());
        drop(UnixStream::connect(&socket).unwrap());
    }
    let refused = env.roboppi(["retry", "-1", "work"]).output().code(1).all();
    assert!(refused.contains("`work` is under way"), "{refused}");
    env.write("go", "");
    let _ = run.wait().code(0);
}

#[test]
fn an_attached_screen_shows_the_run_and_leaves_it_alone() {
    let env = TestEnv::new();
    let flow = Flow::new()
        .step("build", &format!("{WAIT} echo a line to see; wait_for go; echo the other line; wait_for end"))
        .step_with("publish", "true", &["depends_on: [build]"]);
    let run = env.run(&flow).start();
    state(&env, "build", "running");
    let mut screen = env.roboppi(["attach"]).start_in_terminal(30, 100);
    screen.wait_for_text("publish");
    screen.press("2");
    screen.wait_for_text("a line to see");
    env.write("go", "");
    screen.wait_for_text("the other line");
    screen.press("q");
    screen.expect_code(0);
    screen.expect_restored_terminal();
    // Whoever watches may die, and may lose their terminal.
    for signal in [SIGKILL, SIGHUP] {
        let screen = env.roboppi(["attach", "-1"]).start_in_terminal(24, 80);
        screen.wait_for_text("publish");
        screen.process().signal(signal);
    }
    assert_eq!(env.the_run().outcome(), None);
    let mut screen = env.roboppi(["attach", "-1"]).start_in_terminal(24, 80);
    screen.wait_for_text("publish");
    env.write("end", "");
    let _ = run.wait().code(0);
    screen.wait_for_text("succeeded");
    screen.press("\x03");
    screen.expect_code(0);
    // The same when it is over.
    let mut screen = env.roboppi(["attach", "-1"]).start_in_terminal(24, 80);
    screen.wait_for_text("succeeded");
    screen.press("q");
    screen.expect_code(0);
}

#[test]
fn a_run_is_ended_from_an_attached_screen_after_a_question() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of("trap '' TERM; sleep 1000 & wait; wait")).start();
    state(&env, "work", "running");
    let mut screen = env.roboppi(["attach"]).start_in_terminal(24, 80);
    screen.wait_for_text("work");
    screen.press("X");
    screen.wait_for_text("End the run?");
    screen.press("n");
    assert_eq!(env.the_run().outcome(), None);
    screen.press("X");
    screen.wait_for_text("End the run?");
    screen.press("y");
    screen.wait_for_text("ending");
    screen.press("X");
    screen.wait_for_text("Kill the workers");
    screen.press("y");
    let _ = run.wait().code(130);
    screen.wait_for_text("cancelled");
    screen.press("q");
    screen.expect_code(0);
    assert_eq!(commands(&env).len(), 2);
}

#[test]
fn a_run_is_watched_as_lines_and_as_json() {
    let env = TestEnv::new();
    let run = env.run(&Flow::of(&format!("{WAIT} echo one; wait_for go; exit 3"))).start();
    state(&env, "work", "running");
    let lines = env.roboppi(["attach", "--no-tui", "-v"]).start();
    let json = env.roboppi(["attach", "--output", "json"]).start();
    lines.wait_for_text("work  started");
    env.write("go", "");
    let printed = run.wait().code(1).text();
    let watched = lines.wait().code(0).text();
    assert!(watched.contains("✗ work") && printed.contains("✗ work"), "{watched}");
    let json = json.wait().code(0).text();
    let last: Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"]["type"], "run_finished");
    assert_eq!(json, env.roboppi(["attach", "--output", "json"]).output().code(0).text());
}

//! What an agent starts in the background, or schedules: the end of its work is the end of all of it.

use serde_json::Value;

use crate::agents::{result, run, with_claude};
use crate::env::TestEnv;

fn note(env: &TestEnv) -> String {
    result(env)["details"]["notes"].to_string()
}

#[test]
fn a_server_that_is_left_running_is_ended_and_named_and_the_step_succeeds() {
    let env = with_claude();
    // The shorter time counts; it is 30 s otherwise.
    let text = run(&env, "leaves-server", &["idle: 400ms"]).output().code(0).all();
    assert!(text.contains("fix  done, waits for background task \"sleep 1000\""), "{text}");
    assert!(text.contains("left running when its work was done, and ended: sleep 1000"), "{text}");
    let result = result(&env);
    assert_eq!(result["status"], "SUCCEEDED");
    assert_eq!(result["details"]["answer"], "The server runs.");
    assert_eq!(result["details"]["cancelReason"], Value::Null);
    assert!(env.roboppi(["show"]).output().code(0).text().contains("sleep 1000"));
    env.wait_until_nothing_is_left();
}

#[test]
fn a_command_in_the_background_that_works_is_not_ended() {
    let env = with_claude();
    let _ = run(&env, "server-works", &["idle: 1500ms"]).output().code(0);
    assert!(env.work().join("worked").exists());
    assert!(note(&env).contains("sleep 1000"), "{}", note(&env));
}

#[test]
fn work_that_was_done_is_done_also_when_time_is_over_before_its_server_has_ended() {
    let env = with_claude();
    let _ = run(&env, "leaves-server", &["timeout: 2s"]).output().code(0);
    let result = result(&env);
    assert_eq!((&result["status"], &result["details"]["cancelReason"]), (&"SUCCEEDED".into(), &Value::Null));
    assert!(note(&env).contains("sleep 1000"), "{}", note(&env));
    env.wait_until_nothing_is_left();
}

#[test]
fn a_sub_agent_that_came_to_nothing_fails_the_step_unless_a_turn_dealt_with_it() {
    let env = with_claude();
    let text = run(&env, "scout-killed", &[]).output().code(1).all();
    assert!(text.contains("its sub-agent \"look around\" was stopped before it was done"), "{text}");
    assert_eq!(result(&env)["details"]["errorKind"], "background_lost");

    let env = with_claude();
    let _ = run(&env, "scout-returns", &[]).output().code(0);
    assert_eq!(result(&env)["details"]["answer"], "The scout failed, so I looked myself.");
}

#[test]
fn an_agent_that_waits_for_a_sub_agent_says_so_and_has_not_succeeded_when_it_is_ended() {
    let env = with_claude();
    let text = run(&env, "scout-works", &["idle: 400ms"]).output().code(1).all();
    assert!(text.contains("fix  done, waits for background task \"look around\""), "{text}");
    assert_eq!(result(&env)["details"]["errorKind"], "idle");
    assert!(text.contains("while it waited: background task \"look around\""), "{text}");
}

#[test]
fn a_scheduled_wake_up_keeps_the_session_open() {
    let env = with_claude();
    let running = run(&env, "sleeps-till-woken", &[]).env("TZ", "UTC").start();
    running.wait_for_text("fix  done, waits until 05:03 for its scheduled wake-up (waiting for CI)");
    env.write("go", "");
    let text = running.wait().code(0).all();
    assert!(text.contains("fix | CI is green."), "{text}");
    assert_eq!(result(&env)["details"]["answer"], "CI is green.");
    assert!(!text.contains("not understood"), "{text}");
}

#[test]
fn a_session_that_ends_before_its_wake_up_is_no_success() {
    let env = with_claude();
    let text = run(&env, "never-wakes", &["idle: 400ms"]).output().code(1).all();
    assert!(text.contains("while it waited: its scheduled wake-up (waiting for CI)"), "{text}");
    assert_eq!(result(&env)["status"], "FAILED");

    let env = with_claude();
    let text = run(&env, "forgets-to-wake", &[]).output().code(1).all();
    assert!(text.contains("its scheduled wake-up (waiting for CI) had not come"), "{text}");
    assert_eq!(result(&env)["details"]["errorKind"], "background_lost");
    env.wait_until_nothing_is_left();
}

#[test]
fn the_limit_for_background_work_is_that_of_the_step_alone() {
    let env = with_claude();
    let _ = run(&env, "says-env", &[]).output().code(0);
    assert!(env.read("env.txt").contains("CLAUDE_CODE_PRINT_BG_WAIT_CEILING_MS=0\n"));
}

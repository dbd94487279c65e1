//! Usage limits of agents: the time at which they end is shown, no attempt is made before it, and the session is continued.

use crate::agents::finding;
use crate::env::{Invocation, TestEnv};

const SESSION: &str = "11111111-2222-4333-8444-555555555555";

/// A `claude` that comes up against a limit as often as `limited` says, each of them over after that many seconds, and then does
/// its work. It notes its arguments and prompts.
pub(crate) fn with_limited_claude(limited: u32, seconds: u32) -> TestEnv {
    let env = TestEnv::new();
    let script = format!(
        r#"#!/bin/bash
if [ "$1" = --version ]; then echo "2.1.332 (Claude Code)"; exit 0; fi
echo x >> calls.txt
n=$(wc -l < calls.txt)
echo "$*" > "args$n.txt"
cat > "prompt$n.txt"
common='"session_id":"{SESSION}","uuid":"u"'
echo '{{"type":"system","subtype":"init","model":"m","claude_code_version":"2.1.332",'"$common"'}}'
if [ "$n" -le {limited} ]; then
  until=$(($(date +%s) + {seconds}))
  echo "{{\"type\":\"rate_limit_event\",\"rate_limit_info\":{{\"status\":\"rejected\",\"resetsAt\":$until,\"rateLimitType\":\"five_hour\"}},$common}}"
  echo '{{"type":"result","subtype":"success","is_error":true,"num_turns":1,"result":"You have hit your session limit","api_error_status":429,"total_cost_usd":0,"terminal_reason":"api_error","permission_denials":[],'"$common"'}}'
  exit 1
fi
echo '{{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"It is done.","total_cost_usd":0,"terminal_reason":"completed","permission_denials":[],'"$common"'}}'
"#
    );
    env.write_program("bin-of-test/claude", &script);
    let program = env.path("bin/claude");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::rename(env.work().join("bin-of-test/claude"), program).unwrap();
    env
}

/// Steps of a workflow, one YAML mapping each.
pub(crate) fn run<'e>(env: &'e TestEnv, steps: &str, arguments: &[&str]) -> Invocation<'e> {
    env.write("flow.yaml", &format!("name: limits\nversion: \"1\"\ntimeout: 24h\nsteps:\n{steps}"));
    let command = ["workflow", "run", "flow.yaml", "--no-tui"];
    finding(env, env.roboppi(command.iter().chain(arguments)))
}

fn step(name: &str, worker: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    format!("  {name}:\n    worker: {worker}\n    capabilities: [READ]\n    instructions: \"true\"\n{lines}")
}

pub(crate) fn agent(name: &str) -> String {
    step(name, "CLAUDE_CODE", &[])
}

fn calls(env: &TestEnv) -> usize {
    std::fs::read_to_string(env.work().join("calls.txt")).unwrap_or_default().lines().count()
}

/// The first value of that name in the events of the last run.
fn recorded(env: &TestEnv, key: &str) -> Option<u64> {
    let text = env.roboppi(["events", "-1", "--json"]).output().code(0).text();
    let number =
        text.split_once(&format!("\"{key}\":"))?.1.split(|char: char| !char.is_ascii_digit()).next()?;
    number.parse().ok()
}

#[test]
fn a_step_waits_until_the_limit_is_over_and_continues_its_session() {
    let env = with_limited_claude(1, 3);
    let text = run(&env, &agent("fix"), &["--on-limit", "wait"]).output().code(0).text();
    assert!(text.contains("fix  waits until "), "{text}");
    assert!(text.contains(" for the limit of CLAUDE_CODE: exit code 1: "), "{text}");
    assert!(text.contains(&format!("fix  resumes session {SESSION}")), "{text}");
    assert!(env.read("args2.txt").contains(&format!("--resume {SESSION}")), "{}", env.read("args2.txt"));
    assert_eq!(env.read("prompt1.txt"), "true");
    assert!(env.read("prompt2.txt").starts_with("You were interrupted"), "{}", env.read("prompt2.txt"));
    assert_eq!(calls(&env), 2, "no attempt is made before");
    let page = env.roboppi(["show", "-1"]).output().code(0).text();
    assert!(page.contains(&format!("resumes  {SESSION}")), "{page}");
}

#[test]
fn without_a_wait_one_attempt_is_made_and_the_exit_code_says_to_try_again_later() {
    let env = with_limited_claude(9, 3600);
    let steps = step("fix", "CLAUDE_CODE", &["on_failure: retry", "max_retries: 3"])
        + &step("then", "CLAUDE_CODE", &["depends_on: [other]"])
        + COMMAND;
    let running = run(&env, &steps, &[]).start();
    running.wait_for_text("✗ fix  limit until ");
    env.write("go", "");
    let text = running.wait().code(75).text();
    assert!(text.contains("✗ fix  limit until "), "{text}");
    assert!(text.contains("not waited for (on_limit: fail): exit code 1: "), "{text}");
    assert!(text.contains("✗ then  limit until "), "{text}");
    assert_eq!(calls(&env), 1, "steps of the same account are not tried either");
    let until = recorded(&env, "retryAt").unwrap();
    assert_eq!(until % 1000, 0, "the very time that the agent gave: {until}");
    assert_eq!(recorded(&env, "limitUntil"), Some(until));
    let page = env.roboppi(["show", "-1"]).output().code(0).text();
    assert!(page.contains("stopped by a usage limit: `fix`, `then`"), "{page}");
    assert!(page.contains("limit    until "), "{page}");
    let resumed = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1"]);
    finding(&env, resumed).output().code(75);
}

#[test]
fn the_run_of_one_agent_has_the_same_exit_code() {
    let env = with_limited_claude(9, 3600);
    let command = env.roboppi(["run", "--worker", "claude-code", "--no-tui", "fix it"]);
    let text = finding(&env, command).output().code(75).all();
    assert!(text.contains("limit until "), "{text}");
}

#[test]
fn a_failure_of_another_kind_has_its_own_exit_code() {
    let env = with_limited_claude(9, 3600);
    let steps =
        agent("fix") + "  other:\n    worker: CUSTOM\n    capabilities: [READ]\n    instructions: exit 3\n";
    run(&env, &steps, &[]).output().code(1);
}

/// A command that ends when the test says so.
const COMMAND: &str = "  other:\n    worker: CUSTOM\n    capabilities: [READ]\n    \
                       instructions: \"until [ -e go ]; do sleep 0.05; done; wc -l < calls.txt > seen.txt\"\n";

#[test]
fn a_limit_holds_back_steps_of_its_account_and_no_others() {
    let env = with_limited_claude(1, 4);
    let steps = agent("first") + &step("second", "CLAUDE_CODE", &["depends_on: [other]"]) + COMMAND;
    let running = run(&env, &steps, &["--on-limit", "wait"]).start();
    running.wait_for_text("first  waits until ");
    env.write("go", "");
    let text = running.wait().code(0).text();
    assert!(text.contains("second  waits until "), "{text}");
    assert_eq!(env.read("seen.txt").trim(), "1", "the command ran while the agents waited");
    assert_eq!(calls(&env), 3);
}

#[test]
fn a_step_that_waits_is_tried_at_once_on_command_and_one_that_is_held_back_is_left_out() {
    let env = with_limited_claude(1, 3600);
    let steps = agent("fix") + &step("more", "CLAUDE_CODE", &["depends_on: [other]"]) + COMMAND;
    let running = run(&env, &steps, &["--on-limit", "wait"]).start();
    running.wait_for_text("fix  waits until ");
    env.write("go", "");
    running.wait_for_text("more  waits until ");
    env.roboppi(["skip", "-1", "more"]).output().code(0);
    env.roboppi(["retry", "-1", "fix"]).output().code(0);
    running.wait().code(0);
    assert_eq!(calls(&env), 2);
}

#[test]
fn a_run_that_waits_is_cancelled_at_once_and_can_be_resumed() {
    let env = with_limited_claude(1, 3600);
    let running = run(&env, &agent("fix"), &["--on-limit", "wait"]).start();
    running.wait_for_text("fix  waits until ");
    env.roboppi(["cancel", "-1"]).output().code(0);
    running.wait().code(130);
    assert_eq!(calls(&env), 1);
    let again = env.roboppi(["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1"]);
    finding(&env, again).output().code(0);
}

#[test]
fn a_limit_that_is_too_long_is_not_waited_for() {
    let env = with_limited_claude(9, 3600);
    let text =
        run(&env, &agent("fix"), &["--on-limit", "wait", "--limit-wait", "30m"]).output().code(75).text();
    assert!(text.contains(", longer than --limit-wait 30m: "), "{text}");
    assert_eq!(calls(&env), 1);

    let env = with_limited_claude(9, 3600);
    let steps = step("fix", "CLAUDE_CODE", &["on_limit: fail"]);
    run(&env, &steps, &["--on-limit", "wait"]).output().code(75);
}

#[test]
fn a_retry_after_a_failure_of_the_service_continues_the_session_and_after_another_one_begins_anew() {
    for (status, resumed) in [("529", true), ("400", false)] {
        let env = with_limited_claude(1, 0);
        let path = env.path("bin/claude");
        let script = std::fs::read_to_string(&path).unwrap();
        let script = script.replace("\"api_error_status\":429", &format!("\"api_error_status\":{status}"));
        std::fs::write(&path, script).unwrap();
        let steps = step("fix", "CLAUDE_CODE", &["on_failure: retry", "max_retries: 1"]);
        let text = run(&env, &steps, &[]).output().code(0).text();
        assert_eq!(env.read("args2.txt").contains("--resume"), resumed, "{text}");
        assert_eq!(text.contains("resumes session"), resumed, "{text}");
        assert_eq!(env.read("prompt2.txt") == "true", !resumed);
    }
}

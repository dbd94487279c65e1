//! Budgets of money and tokens: what agents report is counted, ends them, and is the reason that is told.

use serde_json::Value;

use crate::env::{Invocation, TestEnv};

/// A program called `opencode` that uses up what its prompt says. Each start adds a line to `STEP.tries`.
const FAKE: &str = r#"#!/bin/sh
prompt=$(cat)
echo started >> "$ROBOPPI_STEP_ID.tries"
line() { printf '{"type":"%s","timestamp":1,"sessionID":"s1","part":{"id":"%s","messageID":"m1","sessionID":"s1",%s}}\n' "$1" "$2" "$3"; }
uses() { # id, reason, cost
  line step_finish "$1" "\"type\":\"step-finish\",\"reason\":\"$2\",\"tokens\":{\"input\":400,\"output\":40,\"reasoning\":0,\"cache\":{\"write\":0,\"read\":90000}},\"cost\":$3"
}
line step_start p0 '"type":"step-start"'
case "$prompt" in
  *spends*) if [ ! -e cheap ]; then uses p1 tool-calls 0.3; uses p2 tool-calls 0.23; exec sleep 1000; fi ;;
  *fails*) uses p1 tool-calls 0.3; exit 1 ;;
esac
line text p8 '"type":"text","text":"Done.","time":{"start":1,"end":2}'
uses p9 stop "0.01"
"#;

fn with_opencode() -> TestEnv {
    let env = TestEnv::new();
    env.write_program("bin/opencode", FAKE);
    env
}

fn finding<'e>(env: &TestEnv, command: Invocation<'e>) -> Invocation<'e> {
    let dirs = [env.work().join("bin"), "/usr/local/bin".into(), "/usr/bin".into(), "/bin".into()];
    command.env("PATH", std::env::join_paths(dirs).unwrap())
}

/// A workflow with keys of its own and `(step, its kind of worker, its instructions, its other keys)`.
fn flow<'e>(env: &'e TestEnv, head: &str, steps: &[(&str, &str, &str, &str)]) -> Invocation<'e> {
    let mut text = format!("name: budgets\nversion: \"1\"\ntimeout: 5m\n{head}\nsteps:\n");
    for (id, worker, instructions, keys) in steps {
        text += &format!(
            "  {id}: {{ worker: {worker}, capabilities: [READ], instructions: \"{instructions}\", {keys} }}\n"
        );
    }
    env.write("flow.yaml", &text);
    finding(env, env.roboppi(["workflow", "run", "flow.yaml", "--no-tui"]))
}

fn tries(env: &TestEnv, step: &str) -> usize {
    env.read(&format!("{step}.tries")).lines().count()
}

/// Facts of the last attempt.
fn result(env: &TestEnv) -> Value {
    env.the_run().events("attempt_finished").pop().unwrap()["result"].take()
}

const SPENT: &str = "the budget of $0.50 is spent: $0.53 so far (at least; from what the agent reports)";

#[test]
fn a_step_that_spends_its_budget_is_ended_and_never_retried() {
    for direct in [false, true] {
        let env = with_opencode();
        let steps = [("fix", "OPENCODE", "spends", "max_cost: 0.5, on_failure: retry, max_retries: 3")];
        let command = flow(&env, "", &steps);
        let command = if direct { command.arg("--direct") } else { command };
        let text = command.output().code(1).all();
        assert!(text.contains(SPENT), "{text}");
        assert_eq!(tries(&env, "fix"), 1);
        let result = result(&env);
        assert_eq!(
            (&result["status"], &result["errorClass"]),
            (&"FAILED".into(), &"BUDGET".into()),
            "{result}"
        );
        assert_eq!(result["details"]["cancelReason"], "budget", "{result}");
        assert_eq!(result["details"]["usage"]["costUsd"], 0.53, "{result}");
        let page = env.roboppi(["show"]).output().code(0).text();
        assert!(page.contains(SPENT), "{page}");
        env.wait_until_nothing_is_left();
    }
}

#[test]
fn a_single_agent_has_a_budget_of_money_and_of_tokens() {
    for (options, reason) in [
        (["--max-cost", "0.5"], SPENT),
        (["--max-tokens", "800"], "the budget of 800 tokens is spent: 880 so far"),
    ] {
        let env = with_opencode();
        let command = env.roboppi(["run", "--worker", "opencode", "--no-tui", "spends"]);
        let text = finding(&env, command).args(options).output().code(1).all();
        assert!(text.contains(reason), "{text}");
        assert_eq!(result(&env)["errorClass"], "BUDGET");
        env.wait_until_nothing_is_left();
    }
    let env = with_opencode();
    let command = env.roboppi(["run", "--worker", "opencode", "--no-tui", "is cheap", "--max-cost", "0.02"]);
    let _ = finding(&env, command).args(["--max-tokens", "441"]).output().code(0);
}

#[test]
fn an_agent_that_is_done_when_its_budget_is_spent_has_succeeded() {
    let env = with_opencode();
    let command = env.roboppi(["run", "--worker", "opencode", "--no-tui", "is cheap", "--max-cost", "0.01"]);
    let answer = finding(&env, command).output().code(0).text();
    assert_eq!(answer.trim_end(), "Done.");
}

#[test]
fn all_attempts_of_a_step_count() {
    let env = with_opencode();
    let steps = [("fix", "OPENCODE", "fails", "max_cost: 0.5, on_failure: retry, max_retries: 5")];
    let text = flow(&env, "", &steps).output().code(1).all();
    assert_eq!(tries(&env, "fix"), 2);
    assert!(text.contains("the budget of $0.50 is spent: $0.60 so far"), "{text}");
}

#[test]
fn a_run_that_spends_its_budget_ends_its_agents_and_starts_no_other() {
    for (head, options) in [("max_cost: 0.5", &[][..]), ("max_cost: 9", &["--max-cost", "0.5"])] {
        let env = with_opencode();
        let steps = [
            ("first", "OPENCODE", "is cheap", ""),
            ("spends", "OPENCODE", "spends", "depends_on: [first]"),
            ("script", "CUSTOM", "until [ -e go ]; do sleep 0.05; done", "depends_on: [first]"),
            ("after", "CUSTOM", "echo on > after", "depends_on: [script]"),
            ("later", "OPENCODE", "is cheap", "depends_on: [script]"),
        ];
        let running = flow(&env, head, &steps).args(options).start();
        let reason =
            "the budget of $0.50 for the run is spent: $0.54 so far (at least; from what the agents report)";
        running.wait_for_text(reason);
        env.write("go", "");
        let text = running.wait().code(1).all();
        assert!(text.contains(reason), "{text}");
        assert_eq!(env.read("after"), "on\n", "commands go on");
        assert!(!env.work().join("later.tries").exists(), "{text}");
        let run = env.the_run();
        let finished = run.events("run_finished").pop().unwrap();
        assert_eq!((&finished["outcome"], &finished["detail"]), (&"failed".into(), &reason.into()));
        let page = env.roboppi(["show"]).output().code(0).text();
        assert!(page.contains(reason), "{page}");

        // The next run has a budget of its own, and does what is left.
        env.write("cheap", "");
        let again = ["workflow", "run", "flow.yaml", "--no-tui", "--resume", "-1", "--max-cost", "2"];
        let _ = finding(&env, env.roboppi(again)).output().code(0);
        assert_eq!(["first", "spends", "later"].map(|step| tries(&env, step)), [1, 2, 1]);
    }
}

#[test]
fn a_budget_of_the_run_that_no_agent_reports_anything_for_is_refused() {
    let env = with_opencode();
    let codex = ("codex", "CODEX_CLI", "x", "");
    let text = flow(&env, "", &[codex]).args(["--max-cost", "1"]).output().code(2).all();
    assert!(text.contains("--max-cost cannot be kept") && text.contains("--max-tokens"), "{text}");
    let text = flow(&env, "max_cost: 1", &[codex]).output().code(2).all();
    assert!(text.contains("`max_cost` cannot be kept") && text.contains("flow.yaml:4:1"), "{text}");
    assert!(env.runs().is_empty());
    let steps =
        [("mine", "OPENCODE", "is cheap", ""), ("codex", "CODEX_CLI", "x", "continue_on_error: true")];
    let text = flow(&env, "", &steps).args(["--max-cost", "1"]).output().code(0).all();
    assert!(text.contains("warning: --max-cost counts nothing of `codex`"), "{text}");
}

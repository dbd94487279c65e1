//! Budgets of steps and of the run.

use roboppi_ipc::{CancelReason, ErrorClass, Usage};
use roboppi_run::StepState;
use roboppi_workflow::{AttemptEnd, RunInput, Used, expand, parse};

use crate::bench::{Bench, attempt, bench_of, fails};

/// A run with keys of the workflow and `(step, its kind of worker, its other keys)`.
fn run(head: &str, steps: &[(&str, &str, &str)], concurrency: u32) -> Bench {
    let mut text = format!("name: sample\nversion: \"1\"\ntimeout: 1h\n{head}\nsteps:\n");
    for (id, worker, more) in steps {
        text += &format!("  {id}: {{ worker: {worker}, instructions: x, capabilities: [READ], {more} }}\n");
    }
    let parsed = parse(&text);
    let workflow =
        parsed.workflow.clone().unwrap_or_else(|| panic!("{}", parsed.render("flow.yaml", &text, false)));
    let mut bench = bench_of(&expand(&workflow), concurrency);
    bench.start();
    bench.told.clear();
    bench
}

fn uses(bench: &mut Bench, step: &str, number: u32, cost: f64, is_last: bool) {
    let used = Used::from(&Usage::new(100, 10).with_cost_usd(Some(cost)));
    bench.tell(RunInput::AttemptUsed { of: attempt(step, number), used, is_last });
}

#[test]
fn a_step_that_has_spent_its_budget_is_ended_and_not_tried_again() {
    let keys = "max_cost: 0.5, on_failure: retry, max_retries: 3";
    let mut bench = run(
        "",
        &[("a", "CLAUDE_CODE", keys), ("b", "CLAUDE_CODE", ""), ("c", "CUSTOM", "depends_on: [a]")],
        9,
    );
    uses(&mut bench, "a", 1, 0.2, false);
    // Totals: the same again is no more.
    uses(&mut bench, "a", 1, 0.2, true);
    bench.ends("a", 1, fails(None)).timer();
    assert_eq!(bench.machine.cost_left(&"a".into()).unwrap().to_string(), "$0.30");
    uses(&mut bench, "a", 2, 0.29, false);
    bench.note("all attempts count");
    uses(&mut bench, "a", 2, 0.33, false);
    uses(&mut bench, "a", 2, 0.34, false);
    bench.cancelled("a", 2, CancelReason::Budget);
    insta::assert_snapshot!(bench.story(), @r"
        timer 100ms for a
        a is retrying: attempt 1 of 4: exit code 1
        a is starting
        start a#2
        -- all attempts count
        a is ending: a budget is spent
        cancel a#2 (budget)
        a is failed after 8s: attempt 2 of 4: the budget of $0.50 is spent: $0.54 so far (at least; from what the agent reports)
        c is skipped: `a` failed
    ");
    assert_eq!(bench.machine.state(&"b".into()), Some(StepState::Starting), "others go on");
}

#[test]
fn what_an_attempt_used_at_its_end_counts_for_the_next_one() {
    let keys = "max_tokens: 200, on_failure: retry, max_retries: 3";
    let mut bench = run("", &[("a", "CODEX_CLI", keys), ("b", "CUSTOM", "")], 9);
    for number in [1, 2] {
        uses(&mut bench, "a", number, 0.0, true);
        bench.ends("a", number, fails(None)).timer();
    }
    insta::assert_snapshot!(bench.story(), @r"
        timer 100ms for a
        a is retrying: attempt 1 of 4: exit code 1
        a is starting
        start a#2
        a is failed after 5s: attempt 2 of 4: exit code 1; not tried again: the budget of 200 tokens is spent: 220 so far (at least; from what the agent reports)
    ");
}

#[test]
fn who_is_done_before_it_can_be_ended_has_succeeded() {
    let mut bench = run("", &[("a", "CLAUDE_CODE", "max_cost: 0.5, outputs: [{name: x, path: x}]")], 9);
    uses(&mut bench, "a", 1, 0.6, false);
    bench.ends("a", 1, AttemptEnd::Succeeded).collected("a", 1);
    insta::assert_snapshot!(bench.story(), @r"
        a is ending: a budget is spent
        cancel a (budget)
        a is ending: collecting its outputs
        collect a
        a is succeeded after 3s
        finished succeeded after 3s
    ");
}

#[test]
fn the_budget_of_the_run_ends_every_agent_and_no_command() {
    let steps = [
        ("spends", "CLAUDE_CODE", ""),
        ("other", "CODEX_CLI", "on_failure: retry, max_retries: 2, continue_on_error: true"),
        ("again", "GEMINI", "on_failure: retry, max_retries: 2"),
        ("script", "CUSTOM", ""),
        ("waits", "OPENCODE", ""),
        ("after", "CUSTOM", "depends_on: [script]"),
        ("agent", "CLAUDE_CODE", "depends_on: [after]"),
        ("last", "CUSTOM", "depends_on: [agent]"),
    ];
    let mut bench = run("max_cost: 1", &steps, 4);
    bench.ends("again", 1, fails(None));
    bench.told.clear();
    uses(&mut bench, "spends", 1, 0.7, false);
    bench.note("both together");
    uses(&mut bench, "waits", 1, 0.31, false);
    bench.cancelled("spends", 1, CancelReason::Budget).cancelled("other", 1, CancelReason::Budget);
    bench.ends("waits", 1, AttemptEnd::Succeeded).collected("waits", 1);
    bench.note("commands go on").timer();
    bench.succeeds("script", 1).tell(RunInput::RetryStep { step: "spends".into() }).succeeds("after", 1);
    insta::assert_snapshot!(bench.story(), @r"
        -- both together
        no more agents: the budget of $1.00 for the run is spent: $1.01 so far (at least; from what the agents report)
        spends is ending: a budget is spent
        cancel spends (budget)
        other is ending: a budget is spent
        cancel other (budget)
        again is cancelled after 3s: the budget of $1.00 for the run is spent: $1.01 so far (at least; from what the agents report)
        waits is ending: a budget is spent
        cancel waits (budget)
        spends is failed after 4s: the budget of $1.00 for the run is spent: $1.01 so far (at least; from what the agents report)
        other is failed, which is allowed after 5s: the budget of $1.00 for the run is spent: $1.01 so far (at least; from what the agents report)
        collect waits
        waits is succeeded after 6s
        -- commands go on
        script is running
        collect script
        script is succeeded after 11s
        after is starting
        start after
        refused: the budget of the run is spent: no further agent starts
        after is running
        collect after
        after is succeeded after 4s
        agent is skipped: the budget of $1.00 for the run is spent: $1.01 so far (at least; from what the agents report)
        last is skipped: `agent` was skipped
        finished failed after 15s: the budget of $1.00 for the run is spent: $1.01 so far (at least; from what the agents report)
    ");
}

#[test]
fn a_budget_that_is_spent_with_the_last_step_stops_nothing() {
    let mut bench = run("max_cost: 1", &[("a", "CLAUDE_CODE", "")], 4);
    uses(&mut bench, "a", 1, 1.5, true);
    bench.ends("a", 1, AttemptEnd::Succeeded).collected("a", 1);
    insta::assert_snapshot!(bench.story(), @r"
        no more agents: the budget of $1.00 for the run is spent: $1.50 so far (at least; from what the agents report)
        collect a
        a is succeeded after 3s
        finished succeeded after 3s
    ");
}

#[test]
fn who_was_asked_to_end_before_ends_for_that_reason() {
    let mut bench = run("", &[("a", "CLAUDE_CODE", "max_cost: 0.5")], 4);
    bench.tell(RunInput::CancelStep { step: "a".into(), force: false });
    uses(&mut bench, "a", 1, 0.6, false);
    bench.cancelled("a", 1, CancelReason::User);
    insta::assert_snapshot!(bench.story(), @r"
        granted
        a is ending: by the user
        cancel a (user)
        a is cancelled after 3s: by the user; signal 15
        finished failed after 3s: failed: `a`
    ");
}

#[test]
fn a_person_who_has_a_step_tried_again_gives_it_its_budget_again() {
    let mut bench = run("", &[("a", "CLAUDE_CODE", "max_cost: 0.5"), ("b", "CUSTOM", "")], 4);
    uses(&mut bench, "a", 1, 0.6, false);
    bench.cancelled("a", 1, CancelReason::Budget).tell(RunInput::RetryStep { step: "a".into() });
    uses(&mut bench, "a", 2, 0.4, false);
    bench.ends("a", 2, AttemptEnd::Succeeded).collected("a", 2);
    insta::assert_snapshot!(bench.story(), @r"
        a is ending: a budget is spent
        cancel a (budget)
        a is failed after 2s: the budget of $0.50 is spent: $0.60 so far (at least; from what the agent reports)
        granted
        a is pending: to be tried again, by the user
        a is starting
        start a#2
        collect a#2
        a is succeeded after 6s
    ");
}

#[test]
fn an_agent_that_keeps_its_budget_itself_is_not_tried_again_either() {
    let keys = "max_cost: 0.5, on_failure: retry, max_retries: 3";
    let mut bench = run("", &[("a", "CLAUDE_CODE", keys)], 4);
    uses(&mut bench, "a", 1, 0.52, true);
    bench.ends("a", 1, fails(Some(ErrorClass::Budget)));
    let mut other = run("", &[("a", "CLAUDE_CODE", "on_failure: retry, max_retries: 3")], 4);
    other.ends("a", 1, fails(Some(ErrorClass::Budget)));
    insta::assert_snapshot!(format!("{}\n{}", bench.story(), other.story()), @r"
        a is failed after 2s: the budget of $0.50 is spent: $0.52 so far (at least; from what the agent reports)
        finished failed after 2s: failed: `a`
        a is failed after 1s: exit code 1
        finished failed after 1s: failed: `a`
    ");
}

//! Runs that end with their first failure.

use roboppi_ipc::{CancelReason, ErrorClass, UtcMillis};
use roboppi_run::RunOutcome;
use roboppi_workflow::{AttemptEnd, LimitPolicy, OnLimit, RunEffect, RunInput, expand, parse};

use crate::bench::{Bench, attempt, bench, bench_of, fails};

fn fast(steps: &[(&str, &str)]) -> Bench {
    let mut bench = bench(steps, 2);
    bench.machine = bench.machine.failing_fast(true);
    bench
}

const NO: Option<ErrorClass> = Some(ErrorClass::NonRetryable);

#[test]
fn the_first_failure_ends_what_runs_and_nothing_else_starts() {
    let steps = [("a", ""), ("b", ""), ("c", ""), ("d", "depends_on: [a]")];
    let mut bench = fast(&steps);
    bench.start().live("a", 1).live("b", 1).ends("a", 1, fails(NO));
    bench.note("b is ended").cancelled("b", 1, CancelReason::FailFast);
    insta::assert_snapshot!(bench.story(), @r#"
    timer 3600s for the run
    a is starting
    start a
    b is starting
    start b
    c is ready
    a is running
    b is running
    a is failed after 3s: exit code 1
    d is skipped: `a` failed
    the run ends: fail_fast
    c is skipped: another step had failed before it started (--fail-fast)
    b is ending: another step had failed (--fail-fast)
    cancel b (fail_fast)
    -- b is ended
    b is cancelled after 4s: another step had failed (--fail-fast); signal 15
    finished failed after 4s: failed: `a`
    "#);
}

#[test]
fn retries_come_first_and_an_allowed_failure_ends_nothing() {
    let steps = [
        ("a", "on_failure: retry, max_retries: 1"),
        ("b", "continue_on_error: true"),
        ("c", "depends_on: [b]"),
    ];
    let mut bench = fast(&steps);
    bench.start().ends("b", 1, fails(NO)).live("a", 1).ends("a", 1, fails(NO));
    let story = bench.story();
    assert!(story.contains("a is retrying") && story.contains("start c"), "{story}");
    assert!(!story.contains("the run ends"), "{story}");
    bench.timer().ends("a", 2, fails(NO));
    assert!(bench.story().contains("the run ends: fail_fast"), "{}", bench.story());
}

#[test]
fn a_user_and_the_time_limit_still_end_a_run_that_is_ending() {
    for (more, outcome) in [
        (CancelReason::User, "finished cancelled"),
        (CancelReason::Parent, "finished cancelled"),
        (CancelReason::Timeout, "finished timed_out"),
    ] {
        let mut bench = fast(&[("a", ""), ("b", "")]);
        bench.start().live("b", 1).ends("a", 1, fails(NO));
        if more == CancelReason::Timeout {
            bench.deadline();
        } else {
            bench.cancel(more, false);
        }
        bench.cancelled("b", 1, more);
        let story = bench.story();
        for line in [
            "the run ends: fail_fast".to_owned(),
            format!("the run ends: {}", more.name()),
            format!("cancel b ({})", more.name()),
            outcome.to_owned(),
        ] {
            assert!(story.contains(&line), "{line}\n{story}");
        }
    }
}

/// How a run ended, and whether a usage limit is its only reason.
fn ended(bench: &mut Bench, input: RunInput) -> Option<(RunOutcome, bool)> {
    let mut out = Vec::new();
    bench.machine.handle(bench.now, input, &mut out);
    out.into_iter().find_map(|effect| match effect {
        RunEffect::Finish { outcome, is_limited, .. } => Some((outcome, is_limited)),
        _ => None,
    })
}

/// A run of two agents that fails when one of them comes up against a usage limit, and has ended because `a` did.
fn limited(more: &str) -> Bench {
    let text = format!(
        "name: sample\nversion: \"1\"\ntimeout: 1h\nsteps:\n  \
         a: {{ worker: CLAUDE_CODE, instructions: x, capabilities: [READ] }}\n  \
         b: {{ worker: CLAUDE_CODE, instructions: x, capabilities: [READ]{more} }}\n"
    );
    let mut bench = bench_of(&expand(&parse(&text).workflow.expect("a workflow")), 2);
    let policy = LimitPolicy { on_limit: OnLimit::Fail, longest: LimitPolicy::LONGEST };
    bench.machine = bench.machine.with_limits(policy).failing_fast(true);
    bench.machine.set_wall_time(bench.now, UtcMillis(1_000));
    bench.start().live("a", 1).live("b", 1).ends("a", 1, limit());
    assert!(bench.story().contains("the run ends: fail_fast"), "{}", bench.story());
    bench
}

fn limit() -> AttemptEnd {
    AttemptEnd::Failed {
        class: Some(ErrorClass::RetryableRateLimit),
        detail: "exit code 1".to_owned(),
        retry_at: Some(UtcMillis(60_000)),
    }
}

#[test]
fn a_usage_limit_that_ends_a_run_is_its_only_reason() {
    let cancelled = AttemptEnd::Cancelled { reason: CancelReason::FailFast, detail: "signal 15".to_owned() };
    for (other, is_limited) in [(cancelled, true), (limit(), true), (fails(NO), false)] {
        let mut bench = limited("");
        let end = RunInput::AttemptFinished { of: attempt("b", 1), end: other.clone() };
        assert_eq!(ended(&mut bench, end), Some((RunOutcome::Failed, is_limited)), "{other:?}");
    }
}

#[test]
fn work_that_was_done_when_the_run_was_ended_is_no_reason_of_its_failure() {
    let mut bench = limited(", outputs: [{ name: o, path: o }]");
    let end = RunInput::AttemptFinished { of: attempt("b", 1), end: AttemptEnd::Succeeded };
    assert_eq!(ended(&mut bench, end), Some((RunOutcome::Failed, true)));
}

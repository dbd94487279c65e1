//! Usage limits of agents: waits, what they hold back, and what ends them.

use std::time::Duration;

use roboppi_ipc::{CancelReason, ErrorClass, Usage, UtcMillis};
use roboppi_run::{RunOutcome, StepState};
use roboppi_workflow::{
    AttemptEnd, LimitPolicy, OnLimit, RunEffect, RunInput, RunTimer, RunTimerSubject, Used, expand, parse,
};

use crate::bench::{Bench, attempt, bench_of, fails};

/// The wall clock when the run begins.
const BEGIN: u64 = 1_796_000_000_000;

/// A run of `(step, its worker and other keys)`.
fn bench(steps: &[(&str, &str)], policy: LimitPolicy) -> Bench {
    let mut text = "name: sample\nversion: \"1\"\ntimeout: 8h\nsteps:\n".to_owned();
    for (id, more) in steps {
        text += &format!("  {id}: {{ instructions: x, capabilities: [READ], {more} }}\n");
    }
    let plan = expand(&parse(&text).workflow.unwrap_or_else(|| panic!("{text}")));
    let mut bench = bench_of(&plan, 9);
    bench.machine = bench.machine.with_limits(policy);
    bench.machine.set_wall_time(bench.now, UtcMillis(BEGIN));
    bench
}

const fn waiting(longest: Duration) -> LimitPolicy {
    LimitPolicy { on_limit: OnLimit::Wait, longest }
}

/// A limit that is over so many seconds after the beginning.
fn limited(secs: u64) -> AttemptEnd {
    AttemptEnd::Failed {
        class: Some(ErrorClass::RetryableRateLimit),
        detail: "exit code 1".to_owned(),
        retry_at: Some(UtcMillis(BEGIN + secs * 1000)),
    }
}

/// Lets time pass, and the newest look at a limit happen.
fn later(bench: &mut Bench, secs: u64) {
    bench.now = bench.now + Duration::from_secs(secs);
    let is_look = |timer: &&RunTimer| matches!(timer.subject, RunTimerSubject::Limit(_));
    let timer = bench.timers.iter().rev().find(is_look).cloned().expect("a limit");
    bench.tell(RunInput::Timer(timer));
}

fn state(bench: &Bench, step: &str) -> StepState {
    bench.machine.state(&step.into()).expect("a step")
}

const CLAUDE: &str = "worker: CLAUDE_CODE";
const CODEX: &str = "worker: CODEX_CLI";

#[test]
fn a_limit_is_waited_for_with_all_steps_of_its_account_and_no_attempt_counts() {
    let steps = [
        ("a", CLAUDE),
        ("b", "worker: CLAUDE_CODE, depends_on: [c]"),
        ("c", CODEX),
        ("d", "worker: CODEX_CLI, depends_on: [c]"),
    ];
    let mut bench = bench(&steps, waiting(LimitPolicy::LONGEST));
    bench.start().live("a", 1).ends("a", 1, limited(1000)).succeeds("c", 1);
    assert_eq!(
        ["a", "b", "d"].map(|step| state(&bench, step)),
        [StepState::Retrying, StepState::Ready, StepState::Starting]
    );
    assert!(
        bench.told.contains(&"a is retrying, limit until 1796001000000: CLAUDE_CODE: exit code 1".to_owned())
    );
    assert!(bench.told.contains(&"b is ready, limit until 1796001000000: CLAUDE_CODE".to_owned()));
    later(&mut bench, 30);
    assert_eq!(state(&bench, "a"), StepState::Retrying, "the limit is not over");
    later(&mut bench, 1000);
    assert_eq!(["a", "b"].map(|step| state(&bench, step)), [StepState::Starting; 2]);
    assert_eq!(bench.continued, ["a#2"]);
    bench.succeeds("a", 2).succeeds("b", 1).succeeds("d", 1);
    assert!(bench.machine.is_finished());
}

#[test]
fn a_limit_that_is_not_waited_for_fails_every_step_of_its_account() {
    let steps = [
        ("a", "worker: CLAUDE_CODE, on_failure: retry, max_retries: 3"),
        ("b", "worker: CLAUDE_CODE, depends_on: [c]"),
        ("c", CODEX),
    ];
    let mut bench = bench(&steps, LimitPolicy::default());
    bench.start().ends("a", 1, limited(1000)).succeeds("c", 1);
    let story = bench.story();
    assert!(story.contains("not waited for (on_limit: fail): exit code 1"), "{story}");
    assert!(
        story
            .contains("b is failed, limit until 1796001000000: not waited for (on_limit: fail): CLAUDE_CODE"),
        "{story}"
    );
    assert_eq!(bench.told.iter().filter(|told| told.starts_with("start ")).count(), 2, "{story}");
    assert!(story.contains("stopped by a usage limit: `a`, `b`"), "{story}");
}

#[test]
fn only_limits_make_a_run_one_to_try_again_later() {
    for (other, expected) in [("", true), ("FATAL", false), ("allowed", true)] {
        let mut steps = vec![("a", CLAUDE)];
        match other {
            "FATAL" => steps.push(("c", CODEX)),
            "allowed" => steps.push(("c", "worker: CODEX_CLI, continue_on_error: true")),
            _ => {}
        }
        let mut bench = bench(&steps, LimitPolicy::default());
        let mut out = Vec::new();
        bench.start();
        if steps.len() > 1 {
            bench.ends("c", 1, fails(Some(ErrorClass::Fatal)));
        }
        let of = crate::bench::attempt("a", 1);
        bench.machine.handle(bench.now, RunInput::AttemptFinished { of, end: limited(1000) }, &mut out);
        let finish = out.last();
        assert!(
            matches!(finish, Some(RunEffect::Finish { outcome: RunOutcome::Failed, is_limited, .. }) if *is_limited == expected),
            "{other}: {finish:?}"
        );
    }
}

#[test]
fn waits_are_bounded_and_grow_when_a_limit_is_reached_again() {
    let mut bench = bench(&[("a", CLAUDE)], waiting(Duration::from_secs(100)));
    bench.start();
    let mut attempts = 0;
    while !bench.machine.is_finished() {
        attempts += 1;
        assert!(attempts < 12, "{}", bench.story());
        let soon = bench.now.since_origin().as_secs() + 1;
        bench.ends("a", attempts, limited(soon));
        if !bench.machine.is_finished() {
            later(&mut bench, 100);
        }
    }
    assert!(bench.story().contains("longer than --limit-wait 1m40s: exit code 1"), "{}", bench.story());

    for (policy, secs, why) in [
        (waiting(Duration::from_secs(3600)), 3700, "longer than --limit-wait 1h: exit code 1"),
        (
            waiting(Duration::from_secs(99 * 3600)),
            8 * 3600 + 9,
            "after the time limit of the run, 8h: exit code 1",
        ),
    ] {
        let mut bench = self::bench(&[("a", CLAUDE)], policy);
        bench.start().ends("a", 1, limited(secs));
        assert!(bench.story().contains(why), "{}", bench.story());
    }
}

#[test]
fn a_clock_that_is_set_back_does_not_make_a_wait_endless() {
    let mut bench = bench(&[("a", CLAUDE)], waiting(Duration::from_secs(100)));
    bench.start().ends("a", 1, limited(90));
    bench.now = bench.now + Duration::from_secs(100);
    bench.machine.set_wall_time(bench.now, UtcMillis(BEGIN - 1_000_000));
    later(&mut bench, 0);
    assert_eq!(state(&bench, "a"), StepState::Failed, "{}", bench.story());
}

#[test]
fn a_wait_is_ended_by_commands() {
    let retry = |step: &str| RunInput::RetryStep { step: step.into() };
    let mut bench = bench(
        &[("a", CLAUDE), ("b", "worker: CLAUDE_CODE, depends_on: [c]"), ("c", CODEX)],
        waiting(LimitPolicy::LONGEST),
    );
    bench.start().ends("a", 1, limited(1000)).succeeds("c", 1);
    bench.tell(retry("a"));
    assert_eq!(["a", "b"].map(|step| state(&bench, step)), [StepState::Starting, StepState::Ready]);
    bench.succeeds("a", 2);
    assert_eq!(
        state(&bench, "b"),
        StepState::Starting,
        "an attempt that succeeded shows that the limit is over"
    );
    bench.ends("b", 1, limited(2000));
    bench.tell(RunInput::CancelStep { step: "b".into(), force: false });
    assert_eq!(state(&bench, "b"), StepState::Cancelled);
    assert!(bench.machine.is_finished());

    let steps = [("a", CLAUDE), ("b", "worker: CLAUDE_CODE, depends_on: [c]"), ("c", CODEX)];
    let mut bench = self::bench(&steps, waiting(LimitPolicy::LONGEST));
    bench.start().ends("a", 1, limited(1000)).succeeds("c", 1);
    bench.tell(RunInput::SkipStep { step: "b".into() });
    assert_eq!(state(&bench, "b"), StepState::Skipped);
    bench.cancel(CancelReason::User, false);
    assert_eq!(state(&bench, "a"), StepState::Cancelled);
    assert!(bench.machine.is_finished());
}

#[test]
fn a_time_that_is_past_or_of_no_agent_is_no_limit() {
    for (worker, secs) in [(CLAUDE, 0), ("worker: CUSTOM", 1000)] {
        let keys = format!("{worker}, on_failure: retry, max_retries: 1");
        let mut bench = bench(&[("a", &keys)], waiting(LimitPolicy::LONGEST));
        bench.start().ends("a", 1, limited(secs));
        assert!(bench.story().contains("a is retrying: attempt 1 of 2: exit code 1"), "{}", bench.story());
    }
}

#[test]
fn only_failures_on_the_way_to_the_service_leave_the_session() {
    use ErrorClass::{NonRetryable, RetryableNetwork, RetryableService, RetryableTransient};
    for (end, continues) in [
        (fails(Some(RetryableNetwork)), true),
        (fails(Some(RetryableService)), true),
        (fails(Some(RetryableTransient)), true),
        (fails(Some(NonRetryable)), false),
        (fails(None), false),
        (AttemptEnd::TimedOut { detail: String::new() }, false),
        (AttemptEnd::Lost { detail: String::new() }, false),
    ] {
        let mut bench =
            bench(&[("a", "worker: CLAUDE_CODE, on_failure: retry, max_retries: 1")], LimitPolicy::default());
        bench.start().ends("a", 1, end.clone()).timer();
        assert_eq!(state(&bench, "a"), StepState::Starting);
        assert_eq!(!bench.continued.is_empty(), continues, "{end:?}");
    }
}

#[test]
fn a_spent_budget_of_the_run_ends_waits_for_a_limit_and_is_the_reason() {
    let steps =
        [("a", CLAUDE), ("b", CODEX), ("c", "worker: CLAUDE_CODE, depends_on: [d]"), ("d", "worker: CUSTOM")];
    let mut text = "name: sample\nversion: \"1\"\ntimeout: 8h\nmax_tokens: 100\nsteps:\n".to_owned();
    for (id, more) in steps {
        text += &format!("  {id}: {{ instructions: x, capabilities: [READ], {more} }}\n");
    }
    let mut bench = bench_of(&expand(&parse(&text).workflow.unwrap()), 9);
    bench.machine = bench.machine.with_limits(waiting(LimitPolicy::LONGEST));
    bench.machine.set_wall_time(bench.now, UtcMillis(BEGIN));
    bench.start().live("a", 1).ends("a", 1, limited(1000));
    assert_eq!(state(&bench, "a"), StepState::Retrying);
    let used = Used::from(&Usage::new(100, 10));
    bench.tell(RunInput::AttemptUsed { of: attempt("b", 1), used, is_last: true });
    bench.succeeds("b", 1);
    assert!(state(&bench, "a").is_final(), "it does not wait for what may not start");
    bench.succeeds("d", 1);
    assert!(state(&bench, "c").is_final(), "nor does a step that would start now");
    assert!(bench.machine.is_finished());
    let reason = bench.told.last().unwrap();
    assert!(reason.contains("the budget of 100 tokens for the run is spent"), "{reason}");
}

#[test]
fn a_step_that_failed_by_a_limit_and_is_cancelled_after_that_was_not_stopped_by_the_limit() {
    let mut bench = bench(&[("a", CLAUDE), ("b", CODEX)], LimitPolicy::default());
    bench.start().live("a", 1).ends("a", 1, limited(1000));
    assert_eq!(state(&bench, "a"), StepState::Failed);
    bench.tell(RunInput::RetryStep { step: "a".into() });
    bench.tell(RunInput::CancelStep { step: "a".into(), force: false });
    bench.cancelled("a", 2, CancelReason::User);
    bench.succeeds("b", 1);
    let reason = bench.told.last().unwrap();
    assert!(!reason.contains("usage limit"), "{reason}");
}

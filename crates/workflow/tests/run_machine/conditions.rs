//! Steps with conditions, and retries with a policy of their own.

use roboppi_ipc::ErrorClass;
use roboppi_workflow::{AttemptEnd, RunInput};

use crate::bench::{attempt, bench, fails};

const NO: Option<ErrorClass> = Some(ErrorClass::NonRetryable);

#[test]
fn a_false_condition_leaves_a_step_out_and_what_follows_goes_on() {
    let steps = [("a", "if: false"), ("b", "depends_on: [a]"), ("c", "depends_on: [b], if: failure()")];
    let mut bench = bench(&steps, 2);
    bench.start();
    let story = bench.story();
    assert!(story.contains("a is skipped, which is allowed: its condition is false: false"), "{story}");
    assert!(story.contains("start b"), "{story}");
    bench.ends("b", 1, AttemptEnd::Succeeded);
    let of = attempt("b", 1);
    bench.tell(RunInput::OutputsCollected { of, result: Ok(()) });
    let story = bench.story();
    assert!(story.contains("c is skipped, which is allowed: its condition is false: failure()"), "{story}");
    assert!(story.contains("finished succeeded"), "{story}");
}

#[test]
fn a_step_that_judges_outcomes_waits_for_all_of_them() {
    let steps = [
        ("a", ""),
        ("b", ""),
        ("told", "depends_on: [a, b], if: \"failure() && steps.a.outcome == \'failed\'\""),
        ("cleaned", "depends_on: [a, b], if: always()"),
        ("plain", "depends_on: [a, b]"),
        ("unjudged", "depends_on: [a, b], if: true"),
        ("after", "depends_on: [plain], if: \"steps.plain.outcome == \'skipped\'\""),
    ];
    let mut bench = bench(&steps, 9);
    bench.start().ends("a", 1, fails(NO));
    let story = bench.story();
    assert!(!story.contains("start told") && !story.contains("start cleaned"), "{story}");
    assert!(
        story.contains("plain is skipped: `a` failed") && story.contains("unjudged is skipped: `a` failed"),
        "{story}"
    );
    assert!(story.contains("start after"), "{story}");
    bench.ends("b", 1, fails(NO));
    let story = bench.story();
    assert!(story.contains("start told") && story.contains("start cleaned"), "{story}");
}

#[test]
fn what_is_tried_again_is_judged_again() {
    let steps = [("a", ""), ("b", "depends_on: [a], if: \"steps.a.outcome == \'succeeded\'\"")];
    let mut bench = bench(&[steps[0], steps[1], ("c", "")], 2);
    bench.start().ends("a", 1, fails(NO));
    assert!(bench.story().contains("b is skipped, which is allowed"), "{}", bench.story());
    bench.tell(RunInput::RetryStep { step: "a".into() });
    assert!(!bench.story().contains("start b"), "{}", bench.story());
    bench.ends("a", 2, AttemptEnd::Succeeded);
    bench.tell(RunInput::OutputsCollected { of: attempt("a", 2), result: Ok(()) });
    assert!(bench.story().contains("start b"), "{}", bench.story());
}

#[test]
fn many_conditions_in_a_row_are_no_deep_recursion() {
    let names: Vec<_> = (0..20_000).map(|index| format!("s{index}")).collect();
    let keys: Vec<_> = (0..20_000)
        .map(|index| match index {
            0 => "if: false".to_owned(),
            _ => format!("if: false, depends_on: [s{}]", index - 1),
        })
        .collect();
    let steps: Vec<_> = names.iter().map(String::as_str).zip(keys.iter().map(String::as_str)).collect();
    let mut bench = bench(&steps, 1);
    bench.start();
    assert!(bench.machine.is_finished());
}

#[test]
fn a_policy_says_when_and_after_which_failures_a_step_is_tried_again() {
    let retry = "retry: {max: 3, backoff: 10s, max_backoff: 15s, jitter: false, on: [RETRYABLE_NETWORK]}";
    let mut bench = bench(&[("a", retry)], 1);
    let network = Some(ErrorClass::RetryableNetwork);
    bench.start().ends("a", 1, fails(network));
    assert!(bench.story().contains("timer 10s for a"), "{}", bench.story());
    assert!(bench.story().contains("attempt 1 of 4: exit code 1; next attempt in 10s"), "{}", bench.story());
    bench.timer().ends("a", 2, fails(network));
    assert!(bench.story().contains("timer 15s for a"), "{}", bench.story());
    bench.timer().ends("a", 3, fails(NO));
    let story = bench.story();
    assert!(
        story.contains(
            "attempt 3 of 4: exit code 1; not retried: its class, NON_RETRYABLE, is not one of `retry.on`"
        ),
        "{story}"
    );
}

//! Steps that are done until they are complete.

use roboppi_ipc::{CancelReason, ErrorClass};
use roboppi_run::{AttemptRef, StepPath};
use roboppi_workflow::{AttemptEnd, IterationDecision, OnExhausted, Repeat, RunInput, expand};

use crate::bench::{Bench, attempt, bench_of, check, fails, incomplete, loops, workflow};

const CHECKED: Repeat = Repeat { max_iterations: Some(3), checked: true, on_exhausted: OnExhausted::Abort };
const DECIDED: Repeat = Repeat { max_iterations: Some(2), checked: false, on_exhausted: OnExhausted::Abort };

fn work(iteration: u32, number: u32) -> AttemptRef {
    AttemptRef { iteration, ..attempt("fix", number) }
}

fn fix(more: &str, repeat: Repeat) -> Bench {
    bench_of(&loops("fix", more, repeat), 1)
}

#[test]
fn work_and_check_follow_each_other_until_the_work_is_complete() {
    let mut bench = fix("", CHECKED);
    bench.start().works(&work(1, 1)).works(&check("fix", 1, 1));
    bench.decides(&check("fix", 1, 1), incomplete("two tests fail"));
    bench.works(&work(2, 1)).works(&check("fix", 2, 1));
    bench.decides(&check("fix", 2, 1), IterationDecision::Complete);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        fix is starting
        start fix
        fix is running
        collect fix
        fix is starting: checking whether it is complete
        start fix@1/check
        fix is running
        decide fix@1/check
        fix begins iteration 2 of 3: two tests fail
        fix is starting
        start fix@2
        fix is running
        collect fix@2
        fix is starting: checking whether it is complete
        start fix@2/check
        fix is running
        decide fix@2/check
        fix is succeeded after 12s
        finished succeeded after 12s
    ");
}

#[test]
fn work_without_a_check_is_decided_on_as_it_is() {
    let mut bench = fix("", DECIDED);
    bench.start().works(&work(1, 1)).decides(&work(1, 1), incomplete("not yet"));
    bench.works(&work(2, 1)).note("the last iteration").decides(&work(2, 1), incomplete("still not"));
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        fix is starting
        start fix
        fix is running
        collect fix
        decide fix
        fix begins iteration 2 of 2: not yet
        fix is starting
        start fix@2
        fix is running
        collect fix@2
        decide fix@2
        -- the last iteration
        fix is failed after 8s: not complete after 2 iterations: still not
        finished failed after 8s: failed: `fix`
    ");
}

#[test]
fn attempts_are_counted_for_each_role_and_iteration() {
    let mut bench = fix("on_failure: retry, max_retries: 1", CHECKED);
    bench.start().tell(RunInput::AttemptFinished { of: work(1, 1), end: fails(None) });
    bench.timer().works(&work(1, 2));
    bench.tell(RunInput::AttemptFinished { of: check("fix", 1, 1), end: fails(None) });
    bench.timer().works(&check("fix", 1, 2)).decides(&check("fix", 1, 2), incomplete("no"));
    bench.note("late, or of another role").works(&work(1, 2)).works(&check("fix", 2, 1));
    bench.works(&work(2, 1));
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        fix is starting
        start fix
        timer 100ms for fix
        fix is retrying: attempt 1 of 2: exit code 1
        fix is starting
        start fix#2
        fix is running
        collect fix#2
        fix is starting: checking whether it is complete
        start fix@1/check
        timer 100ms for fix
        fix is retrying: attempt 1 of 2: its check failed: exit code 1
        fix is starting: checking whether it is complete
        start fix@1/check#2
        fix is running
        decide fix@1/check#2
        fix begins iteration 2 of 3: no
        fix is starting
        start fix@2
        -- late, or of another role
        fix is running
        collect fix@2
        fix is starting: checking whether it is complete
        start fix@2/check
    ");
}

#[test]
fn a_check_that_cannot_be_done_fails_the_step() {
    let mut plan = loops("fix", "", CHECKED);
    plan.extend(expand(&workflow(&[("other", "")])).nodes().cloned());
    let mut bench = bench_of(&plan, 2);
    bench.start().works(&work(1, 1));
    bench.tell(RunInput::AttemptFinished {
        of: check("fix", 1, 1),
        end: fails(Some(ErrorClass::NonRetryable)),
    });
    bench.note("a person has it done once more").tell(RunInput::RetryStep { step: "fix".into() });
    bench.works(&work(1, 2)).works(&check("fix", 1, 2));
    let detail = "it wrote no decision".to_owned();
    bench.decides(&check("fix", 1, 2), IterationDecision::Unknown { detail });
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        fix is starting
        start fix
        other is starting
        start other
        fix is running
        collect fix
        fix is starting: checking whether it is complete
        start fix@1/check
        fix is failed after 4s: its check failed: exit code 1
        -- a person has it done once more
        granted
        fix is pending: to be tried again, by the user
        fix is starting
        start fix#2
        fix is running
        collect fix#2
        fix is starting: checking whether it is complete
        start fix@1/check#2
        fix is running
        decide fix@1/check#2
        fix begins iteration 2 of 3: it could not be decided whether it is complete: it wrote no decision
        fix is starting
        start fix@2
    ");
}

#[test]
fn a_step_that_is_to_end_begins_nothing_more() {
    for asked_at in 0..4 {
        let mut bench = fix("outputs: [{name: o, path: o}]", CHECKED);
        bench.start();
        let cancel = |bench: &mut Bench, at: u32| {
            if at == asked_at {
                bench.note(&format!("cancelled at {at}"));
                bench.tell(RunInput::CancelStep { step: "fix".into(), force: false });
            }
        };
        bench.tell(RunInput::AttemptLive { of: work(1, 1) });
        bench.tell(RunInput::AttemptFinished { of: work(1, 1), end: AttemptEnd::Succeeded });
        cancel(&mut bench, 0);
        bench.tell(RunInput::OutputsCollected { of: work(1, 1), result: Ok(()) });
        cancel(&mut bench, 1);
        bench.works(&check("fix", 1, 1));
        cancel(&mut bench, 2);
        bench.decides(&check("fix", 1, 1), incomplete("no"));
        cancel(&mut bench, 3);
        bench.tell(RunInput::AttemptFinished {
            of: work(2, 1),
            end: AttemptEnd::Cancelled { reason: CancelReason::User, detail: "signal 15".to_owned() },
        });
        let story = bench.story();
        let (_, after) = story.split_once("cancelled at").unwrap();
        assert!(!after.contains("\nstart ") && !after.contains("begins"), "{story}");
        assert!(after.contains("fix is cancelled after") && after.contains("finished failed"), "{story}");
    }
}

#[test]
fn a_run_that_is_ended_does_not_wait_for_a_decision() {
    let mut bench = fix("", CHECKED);
    bench.start().works(&work(1, 1)).works(&check("fix", 1, 1)).cancel(CancelReason::User, false);
    bench.decides(&check("fix", 1, 1), IterationDecision::Complete);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        fix is starting
        start fix
        fix is running
        collect fix
        fix is starting: checking whether it is complete
        start fix@1/check
        fix is running
        decide fix@1/check
        the run ends: user
        fix is cancelled after 6s: the run was ended before it was known to be complete
        finished cancelled after 6s: cancelled by the user
    ");
}

fn undecided() -> IterationDecision {
    IterationDecision::Unknown { detail: "source none: no file".to_owned() }
}

#[test]
fn a_step_of_which_nothing_can_be_decided_twice_in_a_row_fails() {
    let five = Repeat { max_iterations: Some(5), ..CHECKED };
    let mut bench = fix("", five);
    bench.start();
    for (iteration, decision) in
        [(1, undecided()), (2, incomplete("a test fails")), (3, undecided()), (4, undecided())]
    {
        bench.works(&work(iteration, 1)).works(&check("fix", iteration, 1));
        bench.decides(&check("fix", iteration, 1), decision);
    }
    let story = bench.story();
    let told: Vec<_> =
        story.lines().filter(|line| line.contains(" begins ") || line.contains(" after ")).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    fix begins iteration 2 of 5: it could not be decided whether it is complete: source none: no file
    fix begins iteration 3 of 5: a test fails
    fix begins iteration 4 of 5: it could not be decided whether it is complete: source none: no file
    fix is failed after 24s: it could not be decided twice in a row whether it is complete: source none: no file
    finished failed after 24s: failed: `fix`
    ");
}

#[test]
fn a_step_that_stays_incomplete_may_count_as_success() {
    let goes_on = Repeat { max_iterations: Some(2), on_exhausted: OnExhausted::Continue, ..CHECKED };
    let mut plan = loops("fix", "", goes_on);
    plan.extend(expand(&workflow(&[("fix", ""), ("next", "depends_on: [fix]")])).nodes().cloned());
    let mut bench = bench_of(&plan, 2);
    bench.start();
    for iteration in [1, 2] {
        bench.works(&work(iteration, 1)).works(&check("fix", iteration, 1));
        bench.decides(&check("fix", iteration, 1), incomplete("two tests fail"));
    }
    bench.succeeds("next", 1);
    let story = bench.story();
    let (_, end) = story.split_once("decide fix@2/check\n").unwrap();
    insta::assert_snapshot!(end, @r"
    fix is incomplete after 12s: not complete after 2 iterations: two tests fail
    next is starting
    start next
    next is running
    collect next
    next is succeeded after 3s
    finished succeeded after 15s: incomplete: `fix`
    ");
}

#[test]
fn a_run_may_go_on_with_a_later_iteration() {
    let plan = loops("fix", "", CHECKED);
    let step = StepPath::from("fix");
    let mut bench = bench_of(&plan, 1);
    bench.machine = bench.machine.continuing([(&step, 3)]);
    bench.start().works(&work(3, 1)).works(&check("fix", 3, 1));
    bench.decides(&check("fix", 3, 1), incomplete("no"));
    insta::assert_snapshot!(bench.story(), @r"
    timer 3600s for the run
    fix begins iteration 3 of 3: continued from the earlier run
    fix is starting
    start fix@3
    fix is running
    collect fix@3
    fix is starting: checking whether it is complete
    start fix@3/check
    fix is running
    decide fix@3/check
    fix is failed after 6s: not complete after 3 iterations: no
    finished failed after 6s: failed: `fix`
    ");
    let mut bench = bench_of(&plan, 1);
    bench.machine = bench.machine.continuing([(&step, 4)]);
    assert!(bench.start().story().ends_with("start fix"), "there is no fourth one: {}", bench.story());
}

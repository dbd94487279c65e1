//! What people command for one step: its end, another try, that it is left out.

use roboppi_ipc::{CancelReason, ErrorClass};
use roboppi_workflow::{AttemptEnd, RunInput};

use crate::bench::{bench, fails};

fn retry(step: &str) -> RunInput {
    RunInput::RetryStep { step: step.into() }
}

fn skip(step: &str) -> RunInput {
    RunInput::SkipStep { step: step.into() }
}

#[test]
fn one_step_can_be_cancelled_in_every_state() {
    let steps = [
        ("running", "continue_on_error: true, max_retries: 2, on_failure: retry"),
        ("again", "max_retries: 1, on_failure: retry"),
        ("ready", ""),
        ("waiting", "depends_on: [running]"),
        ("after", "depends_on: [ready]"),
        ("free", ""),
    ];
    let mut bench = bench(&steps, 2);
    bench.start().live("running", 1).ends("again", 1, fails(None)).note("`ready` has the slot of `again`");
    for step in ["again", "after", "free", "running", "nobody"] {
        bench.tell(RunInput::CancelStep { step: step.into(), force: false });
    }
    bench.tell(RunInput::CancelStep { step: "running".into(), force: true });
    bench.tell(RunInput::CancelStep { step: "free".into(), force: true });
    bench.cancelled("running", 1, CancelReason::User).succeeds("ready", 1).timer();
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        running is starting
        start running
        again is starting
        start again
        ready is ready
        free is ready
        running is running
        timer 100ms for again
        again is retrying: attempt 1 of 2: exit code 1
        ready is starting
        start ready
        -- `ready` has the slot of `again`
        granted
        again is cancelled after 3s: cancelled by the user
        granted
        after is cancelled: cancelled by the user
        granted
        free is cancelled: cancelled by the user
        granted
        running is ending: by the user
        cancel running (user)
        refused: there is no step `nobody`
        granted
        kill running (user)
        refused: `free` is over: it was cancelled
        running is cancelled after 10s: by the user; signal 15
        waiting is skipped: `running` was cancelled
        ready is running
        collect ready
        ready is succeeded after 11s
        finished failed after 13s: failed: `running`, `again`, `after`, `free`
    ");
}

#[test]
fn what_failed_can_be_tried_again_while_the_run_goes_on() {
    let steps = [
        ("a", "max_retries: 1, on_failure: retry"),
        ("b", "depends_on: [a]"),
        ("c", "depends_on: [b, other]"),
        ("bad", ""),
        ("d", "depends_on: [a, bad]"),
        ("other", ""),
    ];
    let mut bench = bench(&steps, 9);
    bench.start().ends("bad", 1, fails(None)).ends("a", 1, fails(None)).timer().ends("a", 2, fails(None));
    bench.note("`d` stays skipped, because of `bad`").tell(retry("a"));
    bench.note("with two attempts once more").ends("a", 3, fails(None)).timer();
    bench.ends("a", 4, AttemptEnd::Succeeded).collected("a", 4).succeeds("b", 1);
    bench.tell(retry("bad")).succeeds("bad", 2).succeeds("d", 1).succeeds("other", 1).succeeds("c", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        bad is starting
        start bad
        other is starting
        start other
        bad is failed after 1s: exit code 1
        d is skipped: `bad` failed
        timer 100ms for a
        a is retrying: attempt 1 of 2: exit code 1
        a is starting
        start a#2
        a is failed after 4s: attempt 2 of 2: exit code 1
        b is skipped: `a` failed
        c is skipped: `b` was skipped
        -- `d` stays skipped, because of `bad`
        granted
        a is pending: to be tried again, by the user
        b is pending: `a` is tried again
        c is pending: `a` is tried again
        a is starting
        start a#3
        -- with two attempts once more
        timer 400ms for a
        a is retrying: attempt 3 of 4: exit code 1
        a is starting
        start a#4
        collect a#4
        a is succeeded after 9s
        b is starting
        start b
        b is running
        collect b
        b is succeeded after 3s
        granted
        bad is pending: to be tried again, by the user
        d is pending: `bad` is tried again
        bad is starting
        start bad#2
        bad is running
        collect bad#2
        bad is succeeded after 16s
        d is starting
        start d
        d is running
        collect d
        d is succeeded after 3s
        other is running
        collect other
        other is succeeded after 22s
        c is starting
        start c
        c is running
        collect c
        c is succeeded after 3s
        finished succeeded after 25s
    ");
}

#[test]
fn who_waits_for_what_is_tried_again_waits_with_it_and_who_has_started_goes_on() {
    let steps = [
        ("a", "on_failure: continue"),
        ("started", "depends_on: [a]"),
        ("ready", "depends_on: [a]"),
        ("later", "depends_on: [a, started]"),
    ];
    let mut bench = bench(&steps, 1);
    bench.start().ends("a", 1, fails(None)).note("`ready` has no slot").tell(retry("a"));
    bench.ends("started", 1, fails(None)).note("`a` has the slot").tell(retry("started"));
    bench.ends("a", 2, fails(Some(ErrorClass::Fatal)));
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        a is failed after 1s: exit code 1
        started is starting
        start started
        ready is ready
        -- `ready` has no slot
        granted
        a is pending: to be tried again, by the user
        ready is pending
        a is ready
        started is failed after 2s: exit code 1
        later is skipped: `started` failed
        a is starting
        start a#2
        -- `a` has the slot
        granted
        started is pending: to be tried again, by the user
        later is pending: `started` is tried again
        a is failed after 5s: attempt 2 of 2: exit code 1
        started is cancelled after 4s: `a` failed
        ready is skipped: `a` failed
        later is skipped: `a` failed
        finished failed after 5s: failed: `a`, `started`
    ");
}

#[test]
fn who_is_to_be_tried_again_waits_for_what_is_tried_again_too() {
    let steps = [("a", "on_failure: continue"), ("b", "depends_on: [a]"), ("slow", "")];
    let mut bench = bench(&steps, 1);
    bench.start().ends("a", 1, fails(None)).ends("b", 1, fails(None)).note("`slow` has the slot");
    bench.tell(retry("b")).tell(retry("a"));
    bench.tell(RunInput::CancelStep { step: "a".into(), force: false }).succeeds("slow", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        slow is ready
        a is failed after 1s: exit code 1
        b is starting
        start b
        b is failed after 1s: exit code 1
        slow is starting
        start slow
        -- `slow` has the slot
        granted
        b is pending: to be tried again, by the user
        b is ready
        granted
        a is pending: to be tried again, by the user
        b is pending
        a is ready
        granted
        a is cancelled after 5s: cancelled by the user
        b is cancelled after 4s: `a` was cancelled
        slow is running
        collect slow
        slow is succeeded after 6s
        finished failed after 8s: failed: `a`, `b`
    ");
}

#[test]
fn what_is_skipped_does_not_keep_others_from_starting() {
    let steps = [("a", ""), ("b", "depends_on: [a]"), ("c", "depends_on: [b]"), ("full", "")];
    let mut bench = bench(&steps, 1);
    bench.start().tell(skip("b")).tell(skip("full")).succeeds("a", 1).succeeds("c", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        full is ready
        granted
        b is skipped, which is allowed: skipped by the user
        c is ready
        granted
        full is skipped, which is allowed: skipped by the user
        a is running
        collect a
        a is succeeded after 5s
        c is starting
        start c
        c is running
        collect c
        c is succeeded after 3s
        finished succeeded after 8s: skipped by the user: `b`, `full`
    ");
}

#[test]
fn wishes_that_cannot_be_granted_are_told_why() {
    let steps = [
        ("failed", ""),
        ("blocked", "depends_on: [failed]"),
        ("done", ""),
        ("under", ""),
        ("again", "max_retries: 1, on_failure: retry"),
        ("waiting", "depends_on: [under]"),
        ("ready", ""),
    ];
    let mut bench = bench(&steps, 4);
    bench.start().ends("failed", 1, fails(None)).ends("again", 1, fails(None)).succeeds("done", 1);
    bench.told.clear();
    for step in ["blocked", "done", "under", "again", "waiting", "nobody"] {
        bench.tell(retry(step));
    }
    for step in ["failed", "blocked", "done", "under", "again", "nobody"] {
        bench.tell(skip(step));
    }
    for step in ["failed", "nobody"] {
        bench.tell(RunInput::CancelStep { step: step.into(), force: false });
    }
    bench.cancel(CancelReason::User, false).tell(retry("failed")).tell(skip("waiting"));
    bench.tell(RunInput::CancelStep { step: "under".into(), force: false });
    bench.cancelled("under", 1, CancelReason::User).cancelled("ready", 1, CancelReason::User);
    bench.tell(retry("under")).tell(skip("under"));
    insta::assert_snapshot!(bench.story(), @r"
        refused: `blocked` needs `failed`, which failed: retry `failed`
        refused: `done` succeeded
        refused: `under` is under way
        refused: `again` is about to be retried anyway
        refused: `waiting` is about to start anyway
        refused: there is no step `nobody`
        refused: `failed` is over: it failed
        refused: `blocked` is over: it was skipped
        refused: `done` is over: it succeeded
        refused: `under` has started: it can be cancelled, not skipped
        refused: `again` has started: it can be cancelled, not skipped
        refused: there is no step `nobody`
        refused: `failed` is over: it failed
        refused: there is no step `nobody`
        the run ends: user
        again is cancelled after 20s: the run was ended before its next attempt
        waiting is skipped: the run was ended before it started
        under is ending: by the user
        cancel under (user)
        ready is ending: by the user
        cancel ready (user)
        refused: the run is being ended: nothing new starts
        refused: `waiting` is over: it was skipped
        refused: `under` is being ended already
        under is cancelled after 24s: by the user; signal 15
        ready is cancelled after 24s: by the user; signal 15
        finished cancelled after 25s: cancelled by the user
        refused: the run is over
        refused: the run is over
    ");
}

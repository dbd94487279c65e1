//! Lifecycles of runs, told as what the machine asks for.

use roboppi_ipc::{Cancel, CancelReason, ErrorClass, Mono};
use roboppi_run::{AttemptRef, RunOutcome, StepPath, StepState};
use roboppi_workflow::{
    AttemptEnd, RunEffect, RunInput, RunMachine, RunTimer, RunTimerSubject, exit_code, expand, retry_delay,
};

mod bench;
mod budgets;
mod commands;
mod conditions;
mod extension;
mod fail_fast;
mod iterations;
mod limits;

use bench::{attempt, bench, fails, workflow};

#[test]
fn steps_start_when_what_they_depend_on_is_over() {
    let steps = [("a", ""), ("b", "depends_on: [a]"), ("c", "depends_on: [a]"), ("d", "depends_on: [b, c]")];
    let mut bench = bench(&steps, 8);
    bench.start().succeeds("a", 1).succeeds("c", 1).succeeds("b", 1).succeeds("d", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        a is running
        collect a
        a is succeeded after 3s
        b is starting
        start b
        c is starting
        start c
        c is running
        collect c
        c is succeeded after 3s
        b is running
        collect b
        b is succeeded after 6s
        d is starting
        start d
        d is running
        collect d
        d is succeeded after 3s
        finished succeeded after 12s
    ");
}

#[test]
fn a_slot_is_held_until_the_outputs_are_collected_and_the_order_is_that_of_the_file() {
    let mut bench = bench(&[("a", ""), ("b", ""), ("c", "")], 1);
    bench.start().live("a", 1).ends("a", 1, AttemptEnd::Succeeded).note("collecting").collected("a", 1);
    bench.succeeds("b", 1).succeeds("c", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        b is ready
        c is ready
        a is running
        collect a
        -- collecting
        a is succeeded after 3s
        b is starting
        start b
        b is running
        collect b
        b is succeeded after 3s
        c is starting
        start c
        c is running
        collect c
        c is succeeded after 3s
        finished succeeded after 9s
    ");
}

#[test]
fn a_failure_is_tried_again_while_attempts_are_left() {
    let mut bench = bench(&[("a", "max_retries: 2, on_failure: retry"), ("b", "depends_on: [a]")], 2);
    bench.start().ends("a", 1, fails(None)).timer();
    bench.ends("a", 2, fails(Some(ErrorClass::NonRetryable))).timer();
    bench.live("a", 3).ends("a", 3, AttemptEnd::TimedOut { detail: "its 5s were over".to_owned() });
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        timer 100ms for a
        a is retrying: attempt 1 of 3: exit code 1
        a is starting
        start a#2
        timer 200ms for a
        a is retrying: attempt 2 of 3: exit code 1
        a is starting
        start a#3
        a is running
        a is failed after 6s: attempt 3 of 3: timed out its 5s were over
        b is skipped: `a` failed
        finished failed after 6s: failed: `a`
    ");
}

#[test]
fn a_step_that_waits_for_its_next_attempt_holds_no_slot() {
    let mut bench = bench(&[("a", "max_retries: 1, on_failure: retry"), ("b", "")], 1);
    bench.start().ends("a", 1, fails(None)).note("the slot is taken when its time comes").timer();
    bench.succeeds("b", 1).succeeds("a", 2);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        b is ready
        timer 100ms for a
        a is retrying: attempt 1 of 2: exit code 1
        b is starting
        start b
        -- the slot is taken when its time comes
        a is ready
        b is running
        collect b
        b is succeeded after 4s
        a is starting
        start a#2
        a is running
        collect a#2
        a is succeeded after 8s
        finished succeeded after 8s
    ");
}

#[test]
fn what_a_failure_means_for_the_steps_after_it_and_for_the_run() {
    let fatal = Some(ErrorClass::Fatal);
    let table = [
        ("on_failure: abort", None),
        ("on_failure: continue", None),
        ("on_failure: continue", fatal),
        ("on_failure: retry, max_retries: 1", fatal),
        ("on_failure: retry, max_retries: 0", None),
        ("continue_on_error: true", None),
        ("continue_on_error: true", fatal),
        ("continue_on_error: true, on_failure: continue", fatal),
    ];
    let mut told = String::new();
    for (keys, class) in table {
        let mut bench =
            bench(&[("a", keys), ("b", "depends_on: [a]"), ("c", "depends_on: [b]"), ("free", "")], 9);
        bench.start().ends("a", 1, fails(class)).succeeds("free", 1);
        if bench.machine.state(&"b".into()) == Some(StepState::Starting) {
            bench.succeeds("b", 1).succeeds("c", 1);
        }
        let states =
            ["a", "b", "c", "free"].map(|step| bench.machine.state(&step.into()).unwrap().to_string());
        let class = class.as_ref().map_or("any class", ErrorClass::name);
        told += &format!("{keys}, {class}: {}; {}\n", states.join(" "), bench.told.last().unwrap());
    }
    insta::assert_snapshot!(told, @r"
        on_failure: abort, any class: failed skipped skipped succeeded; finished failed after 4s: failed: `a`
        on_failure: continue, any class: failed succeeded succeeded succeeded; finished failed after 10s: failed: `a`
        on_failure: continue, FATAL: failed skipped skipped succeeded; finished failed after 4s: failed: `a`
        on_failure: retry, max_retries: 1, FATAL: failed skipped skipped succeeded; finished failed after 4s: failed: `a`
        on_failure: retry, max_retries: 0, any class: failed skipped skipped succeeded; finished failed after 4s: failed: `a`
        continue_on_error: true, any class: failed succeeded succeeded succeeded; finished succeeded after 10s
        continue_on_error: true, FATAL: failed succeeded succeeded succeeded; finished succeeded after 10s
        continue_on_error: true, on_failure: continue, FATAL: failed succeeded succeeded succeeded; finished succeeded after 10s
    ");
}

#[test]
fn a_cancelled_run_starts_nothing_new_and_waits_for_what_is_under_way() {
    let steps = [
        ("a", ""),
        ("b", ""),
        ("c", ""),
        ("later", "depends_on: [a]"),
        ("again", "max_retries: 3, on_failure: retry"),
        ("full", ""),
    ];
    let mut bench = bench(&steps, 4);
    bench.start().live("a", 1).ends("again", 1, fails(None)).ends("b", 1, AttemptEnd::Succeeded);
    bench.note("first").cancel(CancelReason::User, false).cancel(CancelReason::User, false);
    bench.note("its timer comes late").timer().deadline();
    bench.note("second").cancel(CancelReason::Parent, true);
    bench.cancelled("a", 1, CancelReason::User).ends("c", 1, fails(None)).ends(
        "full",
        1,
        AttemptEnd::Succeeded,
    );
    bench.note("only collecting is left").collected("full", 1).collected("b", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        b is starting
        start b
        c is starting
        start c
        again is starting
        start again
        full is ready
        a is running
        timer 100ms for again
        again is retrying: attempt 1 of 4: exit code 1
        full is starting
        start full
        collect b
        -- first
        the run ends: user
        later is skipped: the run was ended before it started
        again is cancelled after 4s: the run was ended before its next attempt
        a is ending: by the user
        cancel a (user)
        c is ending: by the user
        cancel c (user)
        full is ending: by the user
        cancel full (user)
        -- its timer comes late
        -- second
        the run ends: parent, by force
        kill a (parent)
        kill c (parent)
        kill full (parent)
        a is cancelled after 9s: the run was ended; signal 15
        c is failed after 10s: exit code 1
        collect full
        -- only collecting is left
        full is succeeded after 10s
        b is succeeded after 13s
        finished cancelled after 13s: a signal, or the terminal was closed
    ");
}

#[test]
fn a_step_that_did_start_is_not_skipped_when_the_run_ends_before_its_next_attempt() {
    let mut bench = bench(&[("again", "max_retries: 1, on_failure: retry"), ("other", ""), ("never", "")], 1);
    bench.start().ends("again", 1, fails(None)).timer();
    assert_eq!(bench.machine.state(&"again".into()), Some(StepState::Ready));
    bench.cancel(CancelReason::User, false);
    let states = ["again", "never"].map(|step| bench.machine.state(&step.into()));
    assert_eq!(states, [Some(StepState::Cancelled), Some(StepState::Skipped)]);
}

#[test]
fn the_time_of_the_run_ends_everything() {
    let mut bench = bench(&[("a", "continue_on_error: true"), ("b", "depends_on: [a]")], 1);
    bench.start().live("a", 1).deadline();
    bench.ends("a", 1, AttemptEnd::TimedOut { detail: "(`timeout`), killed by SIGTERM".to_owned() });
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        a is running
        the run ends: timeout
        b is skipped: the run was ended before it started
        a is ending: the time limit was reached
        cancel a (timeout)
        a is cancelled after 3s: the time limit of the run was reached; killed by SIGTERM
        finished timed_out after 3s: the run timed out after 1h (`timeout`)
    ");
}

#[test]
fn a_lost_core_ends_the_run_but_not_the_collecting_of_outputs() {
    let steps = [("a", "max_retries: 5, on_failure: retry"), ("b", ""), ("c", "depends_on: [b]")];
    let mut bench = bench(&steps, 2);
    bench.start().live("a", 1).ends("b", 1, AttemptEnd::Succeeded);
    bench.tell(RunInput::CoreLost { detail: "the core was killed by signal 9".to_owned() });
    bench.note("late").ends("a", 1, AttemptEnd::Succeeded).cancel(CancelReason::User, false);
    bench.tell(RunInput::CoreLost { detail: "again".to_owned() }).collected("b", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        b is starting
        start b
        a is running
        collect b
        the run ends: lost
        c is skipped: the run was ended before it started
        a is lost after 3s: the core was killed by signal 9
        -- late
        b is succeeded after 7s
        finished lost after 7s: lost with the core: `a`
    ");
}

#[test]
fn a_lost_attempt_alone_is_tried_again_and_is_lost_when_it_may_not_be() {
    let lost = || AttemptEnd::Lost { detail: "no answer".to_owned() };
    let mut bench = bench(&[("a", "max_retries: 1, on_failure: retry"), ("b", "depends_on: [a]")], 2);
    bench.start().ends("a", 1, lost()).timer().ends("a", 2, lost());
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        timer 100ms for a
        a is retrying: attempt 1 of 2: no answer
        a is starting
        start a#2
        a is lost after 3s: attempt 2 of 2: no answer
        b is skipped: `a` was lost
        finished lost after 3s: lost: `a`
    ");
}

#[test]
fn an_attempt_that_others_ended_is_judged_by_their_reason() {
    let steps = [
        ("user", "on_failure: continue"),
        ("parent", ""),
        ("budget", "max_retries: 1, on_failure: retry"),
        ("timeout", "max_retries: 1, on_failure: retry"),
        ("lost", ""),
        ("after", "depends_on: [user]"),
    ];
    let mut bench = bench(&steps, 9);
    bench.start();
    bench.told.clear();
    bench.cancelled("user", 1, CancelReason::User).cancelled("parent", 1, CancelReason::Parent);
    bench.cancelled("budget", 1, CancelReason::Budget).cancelled("timeout", 1, CancelReason::Timeout);
    bench.cancelled("lost", 1, CancelReason::Lost);
    insta::assert_snapshot!(bench.story(), @r"
        user is cancelled after 1s: by the user; signal 15
        after is skipped: `user` was cancelled
        parent is cancelled after 2s: the run was ended; signal 15
        budget is failed after 3s: signal 15
        timer 100ms for timeout
        timeout is retrying: attempt 1 of 2: timed out signal 15
        lost is lost after 5s: signal 15
    ");
}

#[test]
fn collecting_is_told_of_and_stops_when_it_is_asked_to() {
    let made = "outputs: [{name: o, path: out}]";
    let mut bench = bench(&[("a", made), ("b", made), ("late", made), ("c", "depends_on: [b]")], 3);
    bench.start();
    bench.told.clear();
    bench.ends("a", 1, AttemptEnd::Succeeded).ends("b", 1, AttemptEnd::Succeeded);
    bench.tell(RunInput::CancelStep { step: "b".into(), force: false });
    bench.tell(RunInput::CancelStep { step: "b".into(), force: false });
    let stopped = |step| RunInput::OutputsCollected { of: attempt(step, 1), result: Err("stopped".into()) };
    bench.tell(stopped("b")).cancel(CancelReason::User, false).cancel(CancelReason::User, true);
    bench.ends("late", 1, AttemptEnd::Succeeded).tell(stopped("a"));
    insta::assert_snapshot!(bench.story(), @r"
        a is starting: collecting its outputs
        collect a
        b is starting: collecting its outputs
        collect b
        granted
        b is ending: by the user
        cancel b (user)
        refused: `b` is being ended already
        b is cancelled after 5s: ended while its outputs were collected: stopped
        c is skipped: `b` was cancelled
        the run ends: user
        a is ending: by the user
        cancel a (user)
        late is ending: by the user
        cancel late (user)
        the run ends: user, by force
        kill a (user)
        kill late (user)
        late is cancelled after 8s: ended before its outputs were collected
        a is cancelled after 9s: ended while its outputs were collected: stopped
        finished cancelled after 9s: cancelled by the user
    ");
}

#[test]
fn the_time_of_an_attempt_goes_on_while_its_outputs_are_collected() {
    let made = "outputs: [{name: o, path: out}], timeout: 4s, on_failure: retry, max_retries: 1";
    let mut bench = bench(&[("a", made)], 1);
    bench.start().live("a", 1).ends("a", 1, AttemptEnd::Succeeded);
    let stopped = |n| RunInput::OutputsCollected { of: attempt("a", n), result: Err("stopped".into()) };
    bench.timer().tell(stopped(1)).timer();
    // A timer of the attempt before means nothing.
    let earlier = bench.timers.iter().find(|timer| matches!(timer.subject, RunTimerSubject::Collecting(_)));
    let earlier = RunInput::Timer(earlier.cloned().expect("it was set"));
    bench.live("a", 2).ends("a", 2, AttemptEnd::Succeeded).tell(earlier).collected("a", 2);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        a is running
        a is running: collecting its outputs
        timer 3s for what a made
        collect a
        a is ending: the time limit was reached
        cancel a (timeout)
        timer 100ms for a
        a is retrying: attempt 1 of 2: timed out after 4s (`timeout`) while its outputs were collected: stopped
        a is starting
        start a#2
        a is running
        a is running: collecting its outputs
        timer 3s for what a made
        collect a#2
        a is succeeded after 9s
        finished succeeded after 9s
    ");
}

#[test]
fn what_is_collected_without_a_core_can_still_be_ended() {
    let mut bench = bench(&[("a", "outputs: [{name: o, path: out}]")], 1);
    bench.start().ends("a", 1, AttemptEnd::Succeeded);
    bench.tell(RunInput::CoreLost { detail: "gone".to_owned() });
    bench.told.clear();
    bench.cancel(CancelReason::User, false).deadline();
    insta::assert_snapshot!(bench.story(), @r"
        a is ending: by the user
        cancel a (user)
    ");
}

#[test]
fn outputs_that_cannot_be_collected_fail_the_step_for_good() {
    let steps = [
        ("a", "max_retries: 3, on_failure: retry"),
        ("b", "continue_on_error: true"),
        ("c", "depends_on: [b]"),
    ];
    let mut bench = bench(&steps, 2);
    bench.start().ends("a", 1, AttemptEnd::Succeeded).ends("b", 1, AttemptEnd::Succeeded);
    for step in ["a", "b"] {
        let result = Err("no space left".to_owned());
        bench.tell(RunInput::OutputsCollected { of: attempt(step, 1), result });
    }
    bench.succeeds("c", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        b is starting
        start b
        collect a
        collect b
        a is failed after 3s: its outputs could not be collected: no space left
        b is failed, which is allowed after 4s: its outputs could not be collected: no space left
        c is starting
        start c
        c is running
        collect c
        c is succeeded after 3s
        finished failed after 7s: failed: `a`
    ");
}

#[test]
fn a_run_that_is_ended_before_it_starts_finishes() {
    for (input, outcome) in [
        (RunInput::Cancel(Cancel::forced(CancelReason::Parent)), RunOutcome::Cancelled),
        (RunInput::CoreLost { detail: "it did not start".to_owned() }, RunOutcome::Lost),
    ] {
        let mut bench = bench(&[("a", ""), ("b", "depends_on: [a]")], 1);
        bench.tell(input);
        assert!(bench.machine.is_finished());
        assert!(bench.told.last().unwrap().starts_with(&format!("finished {}", outcome.name())));
        let told = bench.told.len();
        bench.start();
        assert_eq!(bench.told.len(), told);
    }
}

#[test]
fn the_time_of_a_run_counts_from_its_beginning() {
    let mut late = bench(&[("a", "")], 1);
    late.tell(RunInput::Begin)
        .note("somebody to start workers comes")
        .start()
        .tell(RunInput::Begin)
        .succeeds("a", 1);
    insta::assert_snapshot!(late.story(), @r"
        timer 3600s for the run
        -- somebody to start workers comes
        a is starting
        start a
        a is running
        collect a
        a is succeeded after 4s
        finished succeeded after 5s
    ");
    let mut never = bench(&[("a", "")], 1);
    never.tell(RunInput::Begin).deadline();
    insta::assert_snapshot!(never.story(), @r"
        timer 3600s for the run
        the run ends: timeout
        a is skipped: the run was ended before it started
        finished timed_out after 1s: the run timed out after 1h (`timeout`)
    ");
}

#[test]
fn inputs_that_make_no_sense_change_nothing() {
    let mut bench = bench(&[("a", "max_retries: 1, on_failure: retry"), ("b", "")], 1);
    bench.start().start();
    let told = bench.told.len();
    bench.live("a", 2).live("b", 1).live("nobody", 1).collected("a", 1).ends("b", 1, AttemptEnd::Succeeded);
    bench.tell(RunInput::AttemptLive { of: AttemptRef { iteration: 2, ..attempt("a", 1) } });
    for epoch in [0, 7] {
        bench.tell(RunInput::Timer(RunTimer { epoch, subject: RunTimerSubject::Deadline }));
        bench.tell(RunInput::Timer(RunTimer { epoch, subject: RunTimerSubject::Retry("a".into()) }));
        bench.tell(RunInput::Timer(RunTimer { epoch, subject: RunTimerSubject::Retry("nobody".into()) }));
    }
    assert_eq!(bench.told[told..], [""; 0]);
    bench.note("an ending worker is never shown as running again");
    bench.tell(RunInput::AttemptEnding { of: attempt("a", 1) }).live("a", 1);
    bench.tell(RunInput::AttemptEnding { of: attempt("a", 1) });
    insta::assert_snapshot!(bench.told[told..].join("\n"), @r"
        -- an ending worker is never shown as running again
        a is ending
    ");
}

#[test]
fn a_workflow_that_waits_for_itself_still_ends() {
    let mut circular = workflow(&[("a", ""), ("b", "depends_on: [a]"), ("free", "")]);
    std::sync::Arc::make_mut(&mut circular.steps[0]).depends_on = vec!["b".into()];
    let mut out = Vec::new();
    let mut machine = RunMachine::new(&expand(&circular), 0);
    machine.handle(Mono::ZERO, RunInput::Start, &mut out);
    let of = AttemptRef::first(StepPath::from("free"));
    machine.handle(
        Mono::ZERO,
        RunInput::AttemptFinished { of: of.clone(), end: AttemptEnd::Succeeded },
        &mut out,
    );
    machine.handle(Mono::ZERO, RunInput::OutputsCollected { of, result: Ok(()) }, &mut out);
    assert!(matches!(out.last(), Some(RunEffect::Finish { outcome: RunOutcome::Failed, .. })), "{out:?}");
}

#[test]
fn every_outcome_has_its_exit_code() {
    let codes = [
        (RunOutcome::Succeeded, None, 0),
        (RunOutcome::Failed, None, 1),
        (RunOutcome::Lost, Some(15), 3),
        (RunOutcome::TimedOut, None, 124),
        (RunOutcome::Cancelled, None, 130),
        (RunOutcome::Cancelled, Some(2), 130),
        (RunOutcome::Cancelled, Some(15), 143),
        (RunOutcome::Cancelled, Some(1), 129),
        (RunOutcome::Cancelled, Some(200), 130),
    ];
    for (outcome, signal, code) in codes {
        assert_eq!(exit_code(outcome, signal), code, "{outcome:?} {signal:?}");
    }
}

#[test]
fn retries_wait_longer_each_time_up_to_five_seconds() {
    let waits = [1, 2, 3, 4, 5, 6, 7, 8, u32::MAX].map(|n| retry_delay(n).as_millis());
    assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
}

#[test]
fn kept_steps_have_succeeded_before_anything_starts() {
    let steps = [
        ("a", ""),
        ("b", "depends_on: [a]"),
        ("c", "depends_on: [a, b]"),
        ("d", "depends_on: [c]"),
        ("e", "depends_on: [b]"),
    ];
    let keeping = |kept: &[&str]| {
        let kept: Vec<_> = kept.iter().map(|step| StepPath::from(*step)).collect();
        let mut bench = bench(&steps, 1);
        bench.machine = RunMachine::new(&expand(&workflow(&steps)), 1).keeping(&kept);
        bench
    };
    let mut run = keeping(&["a", "b", "gone"]);
    assert_eq!(run.machine.state(&"b".into()), Some(StepState::Succeeded));
    run.start().succeeds("c", 1).succeeds("d", 1).succeeds("e", 1);
    insta::assert_snapshot!(run.story(), @r"
        timer 3600s for the run
        a is succeeded
        b is succeeded
        c is starting
        start c
        e is ready
        c is running
        collect c
        c is succeeded after 3s
        d is starting
        start d
        d is running
        collect d
        d is succeeded after 3s
        e is starting
        start e
        e is running
        collect e
        e is succeeded after 3s
        finished succeeded after 9s
    ");

    // Before it starts it can be ended, and what is kept stays what it is.
    let mut run = keeping(&["a", "b"]);
    run.cancel(CancelReason::User, false);
    assert_eq!(run.machine.state(&"a".into()), Some(StepState::Succeeded));
    assert!(run.machine.is_finished());

    let mut run = keeping(&["a", "b", "c", "d", "e"]);
    run.start();
    assert!(run.machine.is_finished() && run.story().contains("finished succeeded"), "{}", run.story());
}

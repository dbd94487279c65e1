//! Plans that grow while their run goes on.

use std::sync::Arc;

use roboppi_ipc::CancelReason;
use roboppi_workflow::{Node, RunInput};

use crate::bench::{Bench, below, bench, fails};

fn extend(nodes: Vec<Arc<Node>>) -> RunInput {
    RunInput::ExtendPlan { nodes }
}

fn release() -> Vec<Arc<Node>> {
    below("release", &[("build", ""), ("test", "depends_on: [build]")])
}

/// The same nodes, the first of which depends on `step`, too.
fn after(step: &str, mut nodes: Vec<Arc<Node>>) -> Vec<Arc<Node>> {
    Arc::make_mut(&mut Arc::make_mut(&mut nodes[0]).step).depends_on.push(step.into());
    nodes
}

fn refused(bench: &mut Bench, nodes: Vec<Arc<Node>>) -> String {
    let said = bench.told.len();
    bench.tell(extend(nodes));
    assert_eq!(bench.told.len(), said + 1, "{}", bench.story());
    bench.told.pop().expect("one more message")
}

#[test]
fn new_steps_start_when_what_they_depend_on_is_over() {
    let mut bench = bench(&[("a", ""), ("b", "")], 2);
    bench.start().tell(extend(after("a", release()))).succeeds("a", 1).succeeds("release/build", 1);
    bench.succeeds("b", 1).succeeds("release/test", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        b is starting
        start b
        the plan has release/build, release/test
        a is running
        collect a
        a is succeeded after 4s
        release/build is starting
        start release/build
        release/build is running
        collect release/build
        release/build is succeeded after 3s
        release/test is starting
        start release/test
        b is running
        collect b
        b is succeeded after 10s
        release/test is running
        collect release/test
        release/test is succeeded after 6s
        finished succeeded after 13s
    ");
}

#[test]
fn a_step_may_depend_on_what_is_over() {
    let mut bench = bench(&[("a", ""), ("bad", ""), ("b", "")], 3);
    bench.start().succeeds("a", 1).ends("bad", 1, fails(None));
    bench.note("on what succeeded").tell(extend(after("a", below("x", &[("one", "")]))));
    bench
        .note("on what failed")
        .tell(extend(after("bad", below("y", &[("one", ""), ("two", "depends_on: [one]")]))));
    bench.succeeds("x/one", 1).succeeds("b", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        bad is starting
        start bad
        b is starting
        start b
        a is running
        collect a
        a is succeeded after 3s
        bad is failed after 4s: exit code 1
        -- on what succeeded
        the plan has x/one
        x/one is starting
        start x/one
        -- on what failed
        the plan has y/one, y/two
        y/one is skipped: `bad` failed
        y/two is skipped: `y/one` was skipped
        x/one is running
        collect x/one
        x/one is succeeded after 4s
        b is running
        collect b
        b is succeeded after 12s
        finished failed after 12s: failed: `bad`
    ");
}

#[test]
fn a_plan_may_grow_before_the_run_starts() {
    let mut bench = bench(&[("a", "")], 4);
    bench
        .tell(extend(release()))
        .start()
        .succeeds("a", 1)
        .succeeds("release/build", 1)
        .succeeds("release/test", 1);
    assert!(bench.story().ends_with("finished succeeded after 9s"), "{}", bench.story());
}

#[test]
fn new_steps_obey_like_those_of_the_file() {
    let mut bench = bench(&[("a", "")], 4);
    bench.start().tell(extend(release()));
    bench.tell(RunInput::SkipStep { step: "release/test".into() });
    bench.ends("release/build", 1, fails(None)).tell(RunInput::RetryStep { step: "release/build".into() });
    bench.tell(RunInput::CancelStep { step: "release/build".into(), force: false });
    bench.cancelled("release/build", 2, CancelReason::User).succeeds("a", 1);
    insta::assert_snapshot!(bench.story(), @r"
        timer 3600s for the run
        a is starting
        start a
        the plan has release/build, release/test
        release/build is starting
        start release/build
        granted
        release/test is skipped, which is allowed: skipped by the user
        release/build is failed after 2s: exit code 1
        granted
        release/build is pending: to be tried again, by the user
        release/build is starting
        start release/build#2
        granted
        release/build is ending: by the user
        cancel release/build#2 (user)
        release/build is cancelled after 5s: by the user; signal 15
        a is running
        collect a
        a is succeeded after 9s
        finished failed after 9s: failed: `release/build`
    ");
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let mut bench = bench(&[("a", "")], 1);
    bench.start();
    let mut twice = release();
    twice.extend(release());
    let mut taken = release();
    Arc::make_mut(&mut taken[1]).path = "a".into();
    let mut circle = release();
    Arc::make_mut(&mut Arc::make_mut(&mut circle[0]).step).depends_on.push("release/test".into());
    let itself = after("x/one", below("x", &[("one", "")]));
    let answers =
        [twice, taken, circle, itself, after("nobody", release())].map(|nodes| refused(&mut bench, nodes));
    insta::assert_snapshot!(answers.join("\n"), @r"
        the plan stays: there is a step `release/build` already
        the plan stays: there is a step `a` already
        the plan stays: `release/build` depends on what depends on it
        the plan stays: `x/one` depends on what depends on it
        the plan stays: `release/build` depends on `nobody`, which is no step
    ");
    assert_eq!(bench.machine.state(&"release/build".into()), None);

    bench.cancel(CancelReason::User, false);
    let ending = refused(&mut bench, release());
    bench.cancelled("a", 1, CancelReason::User);
    let answers = [ending, refused(&mut bench, release())];
    insta::assert_snapshot!(answers.join("\n"), @r"
        the plan stays: the run is being ended: nothing new starts
        the plan stays: the run is over
    ");
}

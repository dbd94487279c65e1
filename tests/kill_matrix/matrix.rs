//! Every blow against every worker.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{SIGKILL, SIGTERM};

use crate::blow::{Blow, End, Mode};
use crate::cast::{Cast, Watch};
use crate::ends::{expect_broken_off, expect_complete, expect_readable};
use crate::env::{Invocation, TestEnv};
use crate::flow::Flow;
use crate::page;
use crate::stage::{Case, HOUR, TIMES, play};
use crate::workers::{WORKERS, Worker};

#[test]
fn a_cut_of_the_matrix() {
    // Every blow meets a sixth of the workers, every worker a sixth of the blows.
    let _ = play("cut", &cases(|blow, worker| (blow + worker).is_multiple_of(6)));
}

#[test]
#[ignore = "takes minutes"]
fn the_whole_matrix() {
    page::measured(&play("matrix", &cases(|_, _| true)));
}

#[test]
fn workers_that_take_too_long() {
    let mut cases = Vec::new();
    for mode in [Mode::Supervised, Mode::Direct] {
        for worker in WORKERS {
            cases.push(Case {
                row: format!("{mode:?}, time-out"),
                name: worker.name.to_owned(),
                play: Box::new(move |env| time_out(env, mode, worker)),
            });
        }
    }
    let _ = play("time-outs", &cases);
}

/// The time is that from the end of the run on: a step that is over has left nobody.
fn time_out(env: &TestEnv, mode: Mode, worker: &Worker) -> Duration {
    let flow = Flow::new().step_with("work", &worker.script(env), &["timeout: 300ms"]);
    let running = env.run(&flow).args(TIMES).arg(mode.flag()).start();
    let begin = env.wait_for("the end of the step", || {
        (env.runs().first()?.events("attempt_finished").len() == 1).then(Instant::now)
    });
    let _ = running.wait().code(1);
    let time = Watch::new(env).wait_for_nobody(begin);
    expect_complete(env, &[1]);
    let finished = &env.the_run().events("attempt_finished")[0];
    assert_eq!(finished["result"]["details"]["cancelReason"], "timeout", "{finished}");
    time
}

fn cases(choose: impl Fn(usize, usize) -> bool) -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for mode in [Mode::Supervised, Mode::Direct] {
        for (blow_number, blow) in Blow::all(mode).into_iter().enumerate() {
            for (worker_number, worker) in WORKERS.iter().enumerate() {
                if choose(blow_number, worker_number) {
                    cases.push(Case {
                        row: row(mode, blow),
                        name: worker.name.to_owned(),
                        play: Box::new(move |env| strike(env, mode, blow, worker)),
                    });
                }
            }
        }
    }
    cases
}

/// What a row of the table is called.
pub(crate) fn row(mode: Mode, blow: Blow) -> String {
    format!("{mode:?}, {blow}")
}

fn strike(env: &TestEnv, mode: Mode, blow: Blow, worker: &Worker) -> Duration {
    let flow = Flow::of(&worker.script(env)).step_with("after", "touch ran", &["depends_on: [work]"]);
    let time = if let Blow::ClosedTerminal { tui } = blow {
        let run = if tui { env.run_in_terminal(&flow) } else { env.run(&flow) };
        close_terminal(env, mode, run, worker)
    } else {
        send_signals(env, mode, env.run(&flow), blow, worker)
    };
    assert!(!env.work().join("ran").exists(), "a step ran that waits for one that did not succeed");
    time
}

fn close_terminal(env: &TestEnv, mode: Mode, run: Invocation<'_>, worker: &Worker) -> Duration {
    let mut on_screen = run.args(TIMES).arg(mode.flag()).start_in_terminal(24, 80);
    let _ = Cast::assemble(env, mode, |leader| worker.is_settled(leader));
    let mut watch = Watch::new(env);
    watch.remember(on_screen.process().pid);
    let begin = Instant::now();
    on_screen.terminal.hang_up();
    let time = watch.wait_for_nobody(begin);
    on_screen.expect_code(129);
    expect_complete(env, &[129]);
    time
}

fn send_signals(env: &TestEnv, mode: Mode, run: Invocation<'_>, blow: Blow, worker: &Worker) -> Duration {
    let times = if blow.waits_for_an_hour() { HOUR } else { TIMES };
    let running = run.args(times).arg(mode.flag()).start();
    let cast = Cast::assemble(env, mode, |leader| worker.is_settled(leader));
    let mut watch = Watch::new(env);
    watch.remember(cast.front.pid);
    let mut begin = Instant::now();
    blow.strike(env, &cast);
    let mut end = blow.end(mode);
    if blow.is_nothing_to(worker) {
        begin = Instant::now();
        running.signal(SIGTERM);
        end = End::Complete(143);
    }
    let time = watch.wait_for_nobody(begin);
    match end {
        End::Complete(code) => {
            expect_complete(env, &[code]);
            let _ = running.wait().code(code);
        }
        End::BrokenOff(code) => {
            let _ = running.wait().code(code);
            expect_broken_off(env);
        }
        End::Killed => {
            let _ = running.wait().signal(SIGKILL);
            expect_broken_off(env);
        }
        End::Somehow => {
            let _ = running.wait_somehow();
            expect_readable(env);
        }
        End::KilledInFront(code) => {
            let _ = running.wait().signal(SIGKILL);
            expect_complete(env, &[code]);
        }
    }
    time
}

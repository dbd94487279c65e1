//! Cores that hang, die and die again: what they ran is gone, and the run goes on or says why not.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL, SIGSTOP};

use crate::blow::Mode;
use crate::cast::{Cast, Watch};
use crate::ends::expect_complete;
use crate::env::TestEnv;
use crate::flow::Flow;
use crate::helper;
use crate::processes::Process;
use crate::stage::{Case, TIMES, play};
use crate::workers::{WORKERS, Worker};

const PATIENCE: [&str; 4] = ["--heartbeat", "100ms", "--heartbeat-limit", "400ms"];

#[test]
fn a_stopped_core_is_a_hung_core() {
    let cases: Vec<Case<'_>> = WORKERS
        .iter()
        .map(|worker| Case {
            row: "core SIGSTOP".to_owned(),
            name: worker.name.to_owned(),
            play: Box::new(|env| stop_core(env, worker)),
        })
        .collect();
    let _ = play("hung cores", &cases);
}

fn stop_core(env: &TestEnv, worker: &Worker) -> Duration {
    let flow = Flow::of(&worker.script(env)).step_with("after", "touch ran", &["depends_on: [work]"]);
    let running = env.run(&flow).args(TIMES).args(PATIENCE).arg("--supervised").start();
    let cast = Cast::assemble(env, Mode::Supervised, |leader| worker.is_settled(leader));
    let mut watch = Watch::new(env);
    watch.remember(cast.guard.pid);
    let begin = Instant::now();
    cast.core.signal(SIGSTOP);
    let time = watch.wait_for_nobody(begin);
    let printed = running.wait().code(3).all();
    assert!(printed.contains("has not answered"), "{printed}");
    expect_complete(env, &[3]);
    assert_eq!(env.the_run().state("work"), "lost");
    time
}

/// A core that can neither go on nor die, as a process of it is traced: what it has started is ended below it.
#[test]
fn a_core_that_cannot_die_protects_nobody() {
    let mut cases = Vec::new();
    for (signal, code) in [(SIGKILL, None), (SIGINT, Some(3))] {
        cases.push(Case {
            row: format!("traced core, supervisor {signal}"),
            name: "ignores TERM".to_owned(),
            play: Box::new(move |env| traced_core(env, signal, code)),
        });
    }
    let _ = play("traced cores", &cases);
}

fn traced_core(env: &TestEnv, signal: Signal, code: Option<i32>) -> Duration {
    let tracer = helper::command(helper::TRACER);
    let flow = Flow::new()
        .step("deaf", "trap '' TERM INT HUP; setsid sleep 1000 & sleep 1000; sleep 1000")
        .step("tracer", &format!("until [ -e go ]; do sleep 0.01; done; exec {tracer}"));
    let running = env.run(&flow).args(TIMES).args(PATIENCE).arg("--supervised").start();
    env.wait_for("both workers", || {
        let phases = env.runs().first()?.events("attempt_phase");
        (phases.iter().filter(|event| event["phase"]["name"] == "running").count() == 2).then_some(())
    });
    let mut watch = Watch::new(env);
    watch.remember(running.process().unwrap().pid);
    env.write("go", "");
    let traced = env.wait_for("a tracer", || {
        let there = |name: &str| env.work().join(name).exists();
        there("ready").then_some(true).or(there("refused").then_some(false))
    });
    if !traced {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"left out: a core that is traced; this system does not let a worker do that\n",
        );
    }
    watch.remember(running.process().map_or(0, |process| process.pid));
    let begin = Instant::now();
    running.signal(signal);
    let time = watch.wait_for_nobody(begin);
    match code {
        None => {
            let _ = running.wait().signal(SIGKILL);
        }
        Some(code) => {
            let _ = running.wait().code(code);
            expect_complete(env, &[code]);
        }
    }
    time
}

/// Runs for ever at first, and ends well when it is run again.
fn fails_once(worker: &Worker, env: &TestEnv) -> Flow {
    let script = format!("[ ! -e again ] || exit 0; echo > again\n{}", worker.script(env));
    Flow::new().step_with("work", &script, &["on_failure: retry", "max_retries: 2"]).step_with(
        "after",
        "touch ran",
        &["depends_on: [work]"],
    )
}

#[test]
fn what_may_be_retried_is_run_by_the_next_core() {
    let mut cases = Vec::new();
    for (turn, signal) in [SIGKILL, SIGSTOP].into_iter().enumerate() {
        // One half of the workers by one signal, the other half by the other.
        for worker in WORKERS.iter().skip(turn).step_by(2) {
            cases.push(Case {
                row: format!("core {signal}, retried"),
                name: worker.name.to_owned(),
                play: Box::new(move |env| {
                    let flow = fails_once(worker, env);
                    let running = env.run(&flow).args(TIMES).args(PATIENCE).arg("--supervised").start();
                    let cast = Cast::assemble(env, Mode::Supervised, |leader| worker.is_settled(leader));
                    let mut watch = Watch::new(env);
                    watch.remember(cast.guard.pid);
                    let begin = Instant::now();
                    cast.core.signal(signal);
                    // The old tree is gone before the next core is there.
                    env.wait_for("the next core", || {
                        (env.the_run().events("core_started").len() == 2).then_some(())
                    });
                    watch.expect_nobody_seen();
                    let time = begin.elapsed();
                    let _ = running.wait().code(0);
                    watch.wait_for_nobody(begin);
                    expect_complete(env, &[0]);
                    let run = env.the_run();
                    assert_eq!(run.events("core_lost").len(), 1);
                    assert_eq!(run.events("attempt_started").len(), 3);
                    assert!(env.work().join("ran").exists());
                    time
                }),
            });
        }
    }
    let _ = play("successors", &cases);
}

#[test]
fn a_core_that_always_dies_is_given_up() {
    let cases = [
        Case { row: "core that never starts".to_owned(), name: "-".to_owned(), play: Box::new(never_starts) },
        Case {
            row: "core killed each time".to_owned(),
            name: "-".to_owned(),
            play: Box::new(killed_each_time),
        },
    ];
    let _ = play("no more successors", &cases);
}

fn never_starts(env: &TestEnv) -> Duration {
    let core = env.write(
        "core.sh",
        "#!/bin/bash\necho no luck today >&2\nsleep 1000 < /dev/null > /dev/null 2>&1 &\nkill -9 $$\n",
    );
    fs::set_permissions(&core, fs::Permissions::from_mode(0o700)).unwrap();
    let run = env.run(&Flow::of("touch ran")).args(TIMES).arg("--core").arg(core);
    let printed = run.output().code(3);
    let begin = Instant::now();
    let time = Watch::new(env).wait_for_nobody(begin);
    for said in ["no luck today", "! a process was left behind, it was ended: "] {
        assert!(printed.all().contains(said), "{}", printed.all());
    }
    expect_complete(env, &[3]);
    // The first one and its five successors.
    assert_eq!(env.the_run().events("core_lost").len(), 6);
    assert!(!env.work().join("ran").exists());
    time
}

fn killed_each_time(env: &TestEnv) -> Duration {
    let flow = Flow::new().step_with("work", "exec sleep 1000", &["on_failure: retry", "max_retries: 10"]);
    let running = env.run(&flow).args(TIMES).arg("--supervised").start();
    let mut begin = Instant::now();
    for incarnation in 1..=6 {
        env.wait_for("a worker of the next core", || {
            let run = env.runs().pop()?;
            let phases = run.events("attempt_phase");
            let running = phases.iter().filter(|event| event["phase"]["name"] == "running").count();
            (running == incarnation).then_some(())
        });
        let core = env.the_run().core_pid().unwrap();
        begin = Instant::now();
        Process::of(core).expect("the core runs").signal(SIGKILL);
    }
    let time = Watch::new(env).wait_for_nobody(begin);
    let _ = running.wait().code(3);
    expect_complete(env, &[3]);
    assert_eq!(env.the_run().events("core_lost").len(), 6);
    time
}

#[test]
fn a_stopped_guard_keeps_nobody_alive() {
    let mut cases = Vec::new();
    for kill_core in [false, true] {
        let row = format!("guard SIGSTOP, then {}", if kill_core { "core SIGKILL" } else { "SIGINT" });
        for worker in WORKERS.iter().skip(usize::from(kill_core)).step_by(2) {
            cases.push(Case {
                row: row.clone(),
                name: worker.name.to_owned(),
                play: Box::new(move |env| stop_guard(env, worker, "200ms", kill_core)),
            });
        }
        // Whoever waits for the guard to go on by itself waits for an hour.
        cases.push(Case {
            row,
            name: "no hurry".to_owned(),
            play: Box::new(move |env| stop_guard(env, &WORKERS[0], "1h", kill_core)),
        });
    }
    let _ = play("stopped guards", &cases);
}

fn stop_guard(env: &TestEnv, worker: &Worker, grace: &str, kill_core: bool) -> Duration {
    let times = ["--grace", grace, "--drain", "200ms"];
    let running = env.run(&Flow::of(&worker.script(env))).args(times).arg("--supervised").start();
    let cast = Cast::assemble(env, Mode::Supervised, |leader| worker.is_settled(leader));
    let mut watch = Watch::new(env);
    watch.remember(cast.supervisor.pid);
    cast.guard.signal(SIGSTOP);
    let begin = Instant::now();
    let code = if kill_core {
        cast.core.signal(SIGKILL);
        3
    } else {
        running.signal(SIGINT);
        130
    };
    let time = watch.wait_for_nobody(begin);
    let _ = running.wait().code(code);
    expect_complete(env, &[code]);
    time
}

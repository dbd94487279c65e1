//! Anybody, at any moment, by any signal.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::SIGKILL;

use crate::blow::{Mode, SIGNALS};
use crate::cast::{Watch, tree};
use crate::ends::{expect_complete, expect_readable};
use crate::env::TestEnv;
use crate::flow::Flow;
use crate::processes::Process;
use crate::rng::Rng;
use crate::stage::{Case, TIMES, play};

/// One moment only.
const SEED: &str = "ROBOPPI_KILL_SEED";

/// The run takes about this long when nobody disturbs it.
const LENGTH_MS: u64 = 1_500;

#[test]
fn some_moments() {
    moments(24);
}

#[test]
#[ignore = "takes half a minute"]
fn a_hundred_moments() {
    moments(100);
}

fn moments(count: u64) {
    let seeds: Vec<u64> = match std::env::var(SEED) {
        Ok(seed) => vec![seed.parse().expect("a seed is a number")],
        Err(_) => {
            let first = u64::from(std::process::id()) << 32;
            (first..first + count).collect()
        }
    };
    let text = format!("moments: seeds {} to {}; again: {SEED}=N\n", seeds[0], seeds[seeds.len() - 1]);
    let _ = io::stderr().write_all(text.as_bytes());
    let cases: Vec<Case<'_>> = seeds
        .into_iter()
        .map(|seed| Case {
            row: "random moment".to_owned(),
            name: format!("{SEED}={seed}"),
            play: Box::new(move |env| moment(env, seed)),
        })
        .collect();
    let _ = play("moments", &cases);
}

/// Steps that end by themselves and leave behind what they can.
fn flow() -> Flow {
    Flow::new()
        .with("concurrency: 3")
        .step("escapes", "setsid sleep 1000 > /dev/null 2>&1 & sleep 0.3")
        .step("talks", "for i in $(seq 100); do echo line $i; done; (sleep 1000 &); sleep 0.2")
        .step_with("refuses", "trap '' TERM INT HUP; sleep 0.4", &["on_failure: retry", "max_retries: 2"])
        .step_with(
            "hides",
            "(setsid sh -c 'sleep 1000 & exit' &) > /dev/null 2>&1; sleep 0.2",
            &["depends_on: [escapes]"],
        )
        .step_with("fails", "sleep 0.2; exit 1", &["depends_on: [talks]", "continue_on_error: true"])
        .step_with("last", "sleep 0.3", &["depends_on: [hides, refuses]"])
}

fn moment(env: &TestEnv, seed: u64) -> Duration {
    let mut rng = Rng::new(seed);
    let mode = if rng.chance(75) { Mode::Supervised } else { Mode::Direct };
    let signal = rng.pick(&SIGNALS);
    let delay = Duration::from_millis(rng.up_to(LENGTH_MS));
    // How far below the process that was started.
    let depth = rng.index(4);
    let choice = rng.index(1_000);

    let running = env.run(&flow()).args(TIMES).arg(mode.flag()).start();
    let started = Instant::now();
    // The moment itself is the subject, so it is the only thing here that is a time.
    env.wait_for("the moment", || (started.elapsed() >= delay).then_some(()));
    let mut watch = Watch::new(env);
    let victim = victim(env, depth, choice);
    if let Some((root, _, _)) = &victim {
        watch.remember(root.pid);
    }
    let begin = Instant::now();
    let mut who = "nobody: it was over".to_owned();
    let mut supervisor = false;
    if let Some((_, depth, process)) = victim {
        process.signal(signal);
        // With `--direct` the supervisor is the third one, and none of those above it may be killed without it.
        supervisor = depth == 0 || (mode == Mode::Direct && depth <= 2);
        who = process.command;
    }
    let _ = env
        .write("../captured/moment", &format!("{mode:?}, {signal} after {} ms: {who}\n", delay.as_millis()));
    let time = watch.wait_for_nobody(begin);
    let ended = env.runs().first().is_some_and(|run| run.outcome().is_some());
    assert!(ended || supervisor, "the supervisor was not struck and did not say how the run ended");
    let outcome = running.wait();
    if ended {
        let code = expect_complete(env, &[0, 1, 3, 129, 130, 143]);
        if !(supervisor && signal == SIGKILL) {
            let _ = outcome.code(code);
        }
    } else {
        expect_readable(env);
    }
    time
}

/// The process that was started, and somebody so far below it, or above that if there is nobody so far down.
fn victim(env: &TestEnv, depth: usize, choice: usize) -> Option<(Process, usize, Process)> {
    let me = std::process::id().cast_signed();
    let root = Process::marked(env.mark()).into_iter().find(|process| process.parent == me)?;
    let mut rows: Vec<Vec<Process>> = vec![vec![root.clone()]];
    let below = tree(root.pid);
    while rows.len() <= depth {
        let above = &rows[rows.len() - 1];
        let is_below = |process: &&Process| above.iter().any(|parent| parent.pid == process.parent);
        let row: Vec<Process> = below.iter().filter(is_below).cloned().collect();
        if row.is_empty() {
            break;
        }
        rows.push(row);
    }
    let depth = rows.len() - 1;
    let row = rows.swap_remove(depth);
    let process = row[choice % row.len()].clone();
    Some((root, depth, process))
}

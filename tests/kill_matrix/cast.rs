//! Who takes part in a run, and who of them still lives.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, getpgid};
use roboppi_ipc::ProcessIdentity;
use roboppi_process::{identity, is_alive};

use crate::blow::Mode;
use crate::env::TestEnv;
use crate::processes::{Process, list};
use crate::run_files::RunFiles;

/// The processes of a run.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) supervisor: Process,
    pub(crate) guard: Process,
    /// The process that was started: the supervisor, or with `--direct` the one in front of the guard.
    pub(crate) front: Process,
    pub(crate) core: Process,
    /// The process the core started.
    pub(crate) leader: Process,
}

impl Cast {
    /// Waits until the first worker runs.
    pub(crate) fn assemble(env: &TestEnv, mode: Mode, settled: impl Fn(&Process) -> bool) -> Self {
        env.wait_for_file("started");
        let leader = env.wait_for("a worker that is ready", || {
            let leader = Process::of(leader(&env.the_run())?)?;
            settled(&leader).then_some(leader)
        });
        let core = Process::of(env.the_run().core_pid().expect("there is a worker")).expect("the core runs");
        let guard = Process::of(core.parent).expect("the guard runs");
        let front = Process::of(guard.parent).expect("what was started runs");
        let supervisor = match mode {
            Mode::Supervised => front.clone(),
            Mode::Direct => core.clone(),
        };
        // It leaves the job a moment after the program in it has begun.
        if mode == Mode::Direct {
            let of = |pid: i32| getpgid(Some(Pid::from_raw(pid))).ok();
            env.wait_for("the guard in a session of its own", || {
                (of(guard.pid) != of(front.pid)).then_some(())
            });
        }
        Self { supervisor, guard, front, core, leader }
    }
}

/// Pid of the worker that was started last.
fn leader(run: &RunFiles) -> Option<i32> {
    let phases = run.events("attempt_phase");
    let pid = phases.iter().rev().find_map(|event| event["phase"]["process"]["pid"].as_i64());
    i32::try_from(pid?).ok()
}

/// Everyone below a process, itself included; parents before their children.
pub(crate) fn tree(root: i32) -> Vec<Process> {
    let mut all: Vec<Process> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| Process::of(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut found: Vec<Process> = all.extract_if(.., |process| process.pid == root).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.pid) {
        found.extend(all.extract_if(.., |process| process.parent == parent));
        next += 1;
    }
    found
}

/// Looks for survivors: by their mark, and those that were seen below the root by what they are.
pub(crate) struct Watch<'e> {
    env: &'e TestEnv,
    seen: HashSet<ProcessIdentity>,
}

impl<'e> Watch<'e> {
    pub(crate) fn new(env: &'e TestEnv) -> Self {
        Self { env, seen: HashSet::new() }
    }

    /// Remembers everyone who is below this process now.
    pub(crate) fn remember(&mut self, root: i32) {
        let pids = tree(root).into_iter().map(|process| process.pid.cast_unsigned());
        self.seen.extend(pids.filter_map(|pid| identity(pid).ok()));
    }

    /// Insists that none of those who were remembered lives.
    #[track_caller]
    pub(crate) fn expect_nobody_seen(&mut self) {
        self.seen.retain(|process| is_alive(*process));
        let left = self.seen.iter().filter_map(|process| Process::of(process.pid.cast_signed()));
        let left: Vec<Process> = left.collect();
        assert!(left.is_empty(), "they should be gone:\n{}", list(&left));
    }

    fn survivors(&mut self) -> Vec<Process> {
        self.seen.retain(|process| is_alive(*process));
        let seen = self.seen.iter().filter_map(|process| Process::of(process.pid.cast_signed()));
        let seen: Vec<Process> = seen.collect();
        if seen.is_empty() { Process::marked(self.env.mark()) } else { seen }
    }

    /// Waits until nobody is left, and says how long that took since `begin`.
    pub(crate) fn wait_for_nobody(&mut self, begin: Instant) -> Duration {
        let mut last = Vec::new();
        let gone = crate::wait::until(|| {
            let looked = begin.elapsed();
            last = self.survivors();
            // Whoever forks on may be missed once: a list of processes is not made in one moment.
            (last.is_empty() && Process::marked(self.env.mark()).is_empty()).then_some(looked)
        });
        gone.unwrap_or_else(|| panic!("survivors:\n{}", list(&last)))
    }
}

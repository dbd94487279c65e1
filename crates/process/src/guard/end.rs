//! Ends what is left below a process, and proves it.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use roboppi_ipc::{Leaked, Mono, ProcessIdentity};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

use super::ladder::{GIVE_UP, Ladder, Step};
use crate::descendants::{
    self, Node, Process, adopted_nodes, child_pids, freeze_and_kill, reap_adopted, walk,
};
use crate::machine::Signal;

/// Looks while those who are asked go on starting others.
const ROUNDS: usize = 10;

/// Processes that are remembered by their command lines. Of a tree of more the others are counted.
const NAMES: usize = 1_000;

/// First time between two looks whether somebody has ended.
const SHORT_PAUSE: Duration = Duration::from_micros(100);
/// Longest such time.
const LONG_PAUSE: Duration = Duration::from_millis(10);

/// What was done to end all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndReport {
    /// Those that were signalled and have ended; of more than a thousand the others are not named.
    pub ended: Vec<Leaked>,
    /// Those that live nevertheless.
    pub unkillable: Vec<Leaked>,
}

/// Ends and reaps every descendant of this process: TERM and CONT, then after `grace` STOP and KILL, until
/// there is no child any more. Without a grace time KILL at once. Waits for it, at most [`GIVE_UP`] longer than
/// `grace`.
///
/// The last thing a process does: children are reaped whoever started them, so their exit is not seen by
/// [`run`](crate::run) or a runtime any more.
#[must_use]
pub fn end_all_descendants(grace: Option<Duration>) -> EndReport {
    let own = std::process::id();
    crate::leader::forget_all();
    end(grace, &|| walk(own), &mut reap_all)
}

/// The same for the orphans that were given to this process, and what hangs below them. `started` names
/// children that are not orphans, as in [`descendants::adopted`]. Waits for it.
#[must_use]
pub fn end_adopted(started: &[u32], grace: Option<Duration>) -> EndReport {
    end(grace, &|| adopted_nodes(started), &mut || reap_adopted(started))
}

/// Ends this process as it is, for one that has only waited: its memory, much of which it shares with the process that it
/// was forked from, is not touched once more.
#[expect(unsafe_code, reason = "the system call has no safe form")]
pub fn end_at_once(code: u8) -> ! {
    // SAFETY: nothing of this process is used afterwards.
    unsafe { nix::libc::_exit(code.into()) }
}

fn end(grace: Option<Duration>, list: &dyn Fn() -> Vec<Node>, reap: &mut dyn FnMut() -> bool) -> EndReport {
    let begin = Instant::now();
    let kill_from = Mono::ZERO + grace.unwrap_or_default();
    let mut ladder = Ladder::new(Mono::ZERO, kill_from, kill_from + GIVE_UP);
    let mut survivors = Survivors::default();
    let mut unkillable = Vec::new();
    let mut pause = SHORT_PAUSE;
    while reap() {
        let now = Mono::from_origin(begin.elapsed());
        match ladder.step(now) {
            Step::Ask => {
                ladder.signalled(now, survivors.ask(list));
            }
            Step::Kill(_) => {
                ladder.signalled(now, survivors.kill(list));
                pause = SHORT_PAUSE;
            }
            Step::Wait(time) => {
                sleep(time.min(pause));
                pause = (pause * 2).min(LONG_PAUSE);
            }
            Step::GiveUp => {
                unkillable = living(list);
                break;
            }
        }
    }
    EndReport { ended: survivors.ended(&unkillable), unkillable }
}

/// Reaps all children that have ended, and says whether there are others.
pub(super) fn reap_all() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Those that are to be named: somebody always is, as `wait` says that there is a child.
pub(super) fn living(list: &dyn Fn() -> Vec<Node>) -> Vec<Leaked> {
    let nodes = list();
    let name = |node: &Node| Process::read(node).to_leaked();
    let living: Vec<Leaked> = nodes.iter().filter(|node| !node.stat.ended()).map(name).collect();
    if !living.is_empty() {
        return living;
    }
    if !nodes.is_empty() {
        return nodes.iter().map(name).collect();
    }
    let unseen =
        |pid| Leaked::new(ProcessIdentity { pid, start_time: 0 }, "[a process that cannot be looked at]");
    child_pids().into_iter().map(unseen).collect()
}

/// Those that were met, so that each is told of once, when it has ended.
#[derive(Debug, Default)]
pub(super) struct Survivors {
    /// With their command lines, as long as there is room for those.
    met: HashMap<ProcessIdentity, Option<String>>,
}

impl Survivors {
    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.met.len()
    }

    /// Those that can be named and are not among the living.
    pub(super) fn ended(&mut self, living: &[Leaked]) -> Vec<Leaked> {
        let lives = |process: &ProcessIdentity| living.iter().any(|one| one.process == *process);
        self.met.retain(|process, _| !lives(process));
        let mut ended: Vec<Leaked> = self
            .met
            .iter()
            .filter_map(|(&process, command)| Some(Leaked::new(process, command.clone()?)))
            .collect();
        ended.sort_by_key(|leaked| (leaked.process.start_time, leaked.process.pid));
        ended
    }

    /// TERM to all, and CONT, so that those who are stopped can end. Says whether there are any, and none of them
    /// may be signalled.
    pub(super) fn ask(&mut self, list: &dyn Fn() -> Vec<Node>) -> bool {
        let (mut found, mut reached) = (false, false);
        for _ in 0..ROUNDS {
            let mut news = false;
            for node in list().iter().filter(|node| !node.stat.ended()) {
                if !self.meet(node) {
                    continue;
                }
                news = true;
                found = true;
                // Who may not be signalled is met again, and named in the end.
                reached |= descendants::signal(node.identity, Signal::Term).is_ok();
                let _ = descendants::signal(node.identity, Signal::Cont);
            }
            if !news {
                break;
            }
        }
        found && !reached
    }

    /// STOP and KILL to all. Says the same.
    pub(super) fn kill(&mut self, list: &dyn Fn() -> Vec<Node>) -> bool {
        freeze_and_kill(list, &mut |node| {
            self.meet(node);
        })
    }

    /// Whether it was not met before.
    fn meet(&mut self, node: &Node) -> bool {
        if self.met.contains_key(&node.identity) {
            return false;
        }
        let command = (self.met.len() < NAMES).then(|| Process::read(node).command);
        self.met.insert(node.identity, command);
        true
    }
}

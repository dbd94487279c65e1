//! Ends what is left below a process, and proves it.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use roboppi_ipc::{Leaked, Mono, ProcessIdentity};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

use super::ladder::{GIVE_UP, Ladder, Step};
use crate::descendants::{self, Node, Process, adopted_nodes, freeze_and_kill, reap_adopted, walk};
use crate::machine::Signal;

/// Looks while those who are asked go on starting others.
const LOOKS: usize = 10;

/// First time between two looks whether somebody has ended.
const SHORT_PAUSE: Duration = Duration::from_micros(100);
/// Longest such time.
const LONG_PAUSE: Duration = Duration::from_millis(10);

/// What was done to end all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndReport {
    /// Those that were signalled.
    pub ended: Vec<Leaked>,
    /// Those of them that live nevertheless.
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

fn end(grace: Option<Duration>, list: &dyn Fn() -> Vec<Node>, reap: &mut dyn FnMut() -> bool) -> EndReport {
    let begin = Instant::now();
    let kill_from = Mono::ZERO + grace.unwrap_or_default();
    let mut ladder = Ladder::new(Mono::ZERO, kill_from, kill_from + GIVE_UP);
    let mut survivors = Survivors::default();
    let mut report = EndReport::default();
    let mut pause = SHORT_PAUSE;
    while reap() {
        let mut tell = |leaked| report.ended.push(leaked);
        match ladder.step(Mono::from_origin(begin.elapsed())) {
            Step::Ask => survivors.ask(list, &mut tell),
            Step::Kill(_) => {
                survivors.kill(list, &mut tell);
                pause = SHORT_PAUSE;
            }
            Step::Wait(time) => {
                sleep(time.min(pause));
                pause = (pause * 2).min(LONG_PAUSE);
            }
            Step::GiveUp => {
                report.unkillable = living(list);
                break;
            }
        }
    }
    report
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

/// Those that are to be named.
pub(super) fn living(list: &dyn Fn() -> Vec<Node>) -> Vec<Leaked> {
    let nodes = list();
    nodes.iter().filter(|node| !node.stat.ended()).map(|node| Process::read(node).to_leaked()).collect()
}

/// Those that were met, so that each is told of once.
#[derive(Debug, Default)]
pub(super) struct Survivors {
    met: HashSet<ProcessIdentity>,
}

impl Survivors {
    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.met.len()
    }

    /// TERM to all, and CONT, so that those who are stopped can end.
    pub(super) fn ask(&mut self, list: &dyn Fn() -> Vec<Node>, tell: &mut dyn FnMut(Leaked)) {
        for _ in 0..LOOKS {
            let mut news = false;
            for node in list().iter().filter(|node| !node.stat.ended()) {
                if !self.met.insert(node.identity) {
                    continue;
                }
                news = true;
                tell(Process::read(node).to_leaked());
                // Who may not be signalled is met again, and named in the end.
                let _ = descendants::signal(node.identity, Signal::Term);
                let _ = descendants::signal(node.identity, Signal::Cont);
            }
            if !news {
                break;
            }
        }
    }

    /// STOP and KILL to all.
    pub(super) fn kill(&mut self, list: &dyn Fn() -> Vec<Node>, tell: &mut dyn FnMut(Leaked)) {
        freeze_and_kill(list, &mut |node| {
            if self.met.insert(node.identity) {
                tell(Process::read(node).to_leaked());
            }
        });
    }
}

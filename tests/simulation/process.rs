//! The processes of the simulated world. Nothing here knows what the machines believe.

use roboppi_process::ExitKind;
use roboppi_process::machine::{Input, Signal};

use crate::agenda::{Cause, Event, Owed};
use crate::plan::{COLLECTING, GUARD, Leak, OUTBOX, SLACK};
use crate::story::Seen;
use crate::world::World;

/// The truth about one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// Nobody has tried to start it.
    Unborn,
    /// It is being started.
    Spawning,
    /// It could not be started, or its core died before it was.
    NeverWas,
    Alive,
    Exited(ExitKind),
}

impl Process {
    pub(crate) const fn lives(self) -> bool {
        matches!(self, Self::Alive)
    }
}

impl World {
    /// The start of a process comes to its end.
    pub(crate) fn spawns(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        let nature = worker.nature;
        if nature.spawn_fails {
            worker.process = Process::NeverWas;
            self.saw(Seen::SpawnFailed);
            return self.tell_child(index, Input::SpawnFailed);
        }
        worker.process = Process::Alive;
        worker.spawned_at = self.now;
        if let Some(lives) = nature.lives {
            self.in_ms(lives, Event::Ends(index, Cause::Itself));
        }
        if let Some(early) = nature.closes_early {
            self.in_ms(early, Event::PipesClose(index));
        }
        self.tell_child(index, Input::Spawned);
    }

    pub(crate) fn signal(&mut self, index: usize, signal: Signal) {
        let now = self.now;
        let worker = &mut self.workers[index];
        let nature = worker.nature;
        match signal {
            Signal::Term => {
                if let Some(after) = nature.heeds_term {
                    self.in_ms(after, Event::Ends(index, Cause::Term));
                }
            }
            Signal::Kill => {
                worker.group_killed = true;
                self.in_ms(nature.heeds_kill, Event::Ends(index, Cause::Kill));
                if matches!(self.workers[index].process, Process::Exited(_)) {
                    self.group_dies(index);
                }
            }
            Signal::Stop => {
                worker.stopped_since.get_or_insert(now);
            }
            Signal::Cont => {
                if let Some(since) = worker.stopped_since.take() {
                    worker.stopped_total += now - since;
                }
                if let Some(cause) = worker.waits_to_end.take() {
                    self.within(3, Event::Ends(index, cause));
                }
            }
        }
    }

    pub(crate) fn process_ends(&mut self, index: usize, cause: Cause) {
        let worker = &mut self.workers[index];
        if worker.process != Process::Alive {
            return;
        }
        // A stopped process does nothing but die of KILL.
        if worker.stopped_since.is_some() && cause != Cause::Kill {
            worker.waits_to_end = Some(cause);
            return;
        }
        let nature = worker.nature;
        let exit = match cause {
            Cause::Itself => ExitKind::Code(nature.code),
            Cause::Term => nature.trap.map_or(ExitKind::Signal(15), ExitKind::Code),
            Cause::Kill => ExitKind::Signal(9),
        };
        worker.process = Process::Exited(exit);
        let (core, attempt, pipes_open) = (worker.core, worker.attempt, worker.pipes_open);
        let freed = worker.group_killed && !nature.escaped;
        self.note(|| format!("  world   worker {index}: {exit}"));
        self.within(2, Event::ChildTold(index, Input::Exited(exit)));
        if pipes_open {
            match nature.leak {
                Leak::For(time) if !freed => self.in_ms(time, Event::PipesClose(index)),
                Leak::ForEver if !freed => {}
                _ => self.within(2, Event::PipesClose(index)),
            }
        }
        let longest = &self.plan.longest;
        if !self.cores[core].gone {
            let news = self.plan.drain + longest.message + OUTBOX + COLLECTING + 100 + SLACK;
            self.attempt_owes(attempt, Owed::News, news, false);
        }
    }

    /// Whoever of the group of a dead leader was left dies.
    pub(crate) fn group_dies(&mut self, index: usize) {
        if !self.workers[index].nature.escaped {
            self.within(3, Event::PipesClose(index));
        }
    }

    pub(crate) fn pipes_close(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if std::mem::replace(&mut worker.pipes_open, false) {
            self.in_ms(0, Event::ChildTold(index, Input::PipesClosed));
        }
    }

    /// The guard of a dead core ends what the core had started. Gives the time when nothing is left.
    pub(crate) fn guard_sweeps(&mut self, core: usize) -> u64 {
        let mut last = self.now;
        for index in 0..self.workers.len() {
            let worker = &mut self.workers[index];
            if worker.core != core {
                continue;
            }
            if matches!(worker.process, Process::Unborn | Process::Spawning) {
                worker.process = Process::NeverWas;
            }
            if worker.process.lives() {
                let at = self.now + self.rng.up_to(GUARD);
                self.at(at, Event::GuardEnds(index));
                last = last.max(at);
            }
        }
        last
    }

    pub(crate) fn guard_ends(&mut self, index: usize) {
        self.note(|| format!("  guard   worker {index} is gone"));
        self.workers[index].group_killed = true;
        self.process_ends(index, Cause::Kill);
    }
}

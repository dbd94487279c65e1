//! What a child machine was told and what it asks for, held against the process it is about.

use roboppi_ipc::Cancel;
use roboppi_process::ExitKind;
use roboppi_process::machine::{Ended, Input, SWEEP_TIME};

use crate::agenda::{Due, Event};
use crate::plan::{SLACK, whole};
use crate::process::Process;
use crate::promise::Promise;
use crate::story::Seen;
use crate::world::World;

impl World {
    /// A machine is about to be told something.
    pub(crate) fn child_told(&mut self, index: usize, input: Input) {
        let now = self.now;
        let worker = &mut self.workers[index];
        match input {
            Input::Spawned => {
                worker.told_spawned = true;
                if worker.asked.is_some() {
                    self.child_must_end(index);
                }
                if let Some(timeout) = self.workers[index].limits.timeout {
                    let stopped = self.stopped_time(index);
                    self.in_ms(whole(timeout) + SLACK, Event::Due(Due::Timeout { worker: index, stopped }));
                }
            }
            Input::Exited(_) => {
                worker.told_exit = Some(now);
                let left = whole(worker.limits.drain) + whole(SWEEP_TIME) + SLACK;
                let (stopped, why) = (self.stopped_time(index), "its leader is gone");
                self.in_ms(left, Event::Due(Due::Child { worker: index, stopped, why }));
            }
            Input::PipesClosed => worker.told_closed = true,
            Input::Cancel(cancel) => self.child_asked(index, cancel),
            Input::Timer(epoch) if worker.last_timer != Some(epoch) => self.saw(Seen::StaleChildTimer),
            _ => {}
        }
    }

    /// A machine has answered an input.
    pub(crate) fn check_child(&mut self, index: usize, input: Input) {
        let worker = &self.workers[index];
        let agree = worker.machine.is_done() == worker.finished.is_some();
        let lives = worker.told_spawned && !worker.has_exited();
        let halted = worker.stopped_since.is_some();
        let obeys = match input {
            Input::Resume => !halted || worker.killed,
            Input::Pause => halted || worker.asked.is_some(),
            _ => true,
        };
        self.must(agree, Promise::ExactlyOnce, || format!("worker {index} is done and has not said so"));
        self.must(obeys || !lives, Promise::Truth, || format!("worker {index}: {input:?} has no effect"));
    }

    fn child_asked(&mut self, index: usize, cancel: Cancel) {
        let Cancel { reason, force } = cancel;
        let worker = &mut self.workers[index];
        if worker.finished.is_some() {
            return;
        }
        worker.forced |= force;
        // Who ended by itself was not ended by anybody, whatever comes later.
        if worker.has_exited() && worker.asked.is_none() {
            return;
        }
        let paused = worker.stopped_since.is_some();
        worker.asked = worker.asked.max(Some(reason));
        let running = worker.told_spawned && !worker.has_exited();
        if running && paused {
            self.saw(Seen::CancelledWhilePaused);
        }
        if running {
            self.child_must_end(index);
        }
    }

    /// From now on the ladder counts.
    pub(crate) fn child_must_end(&mut self, index: usize) {
        let worker = &self.workers[index];
        let (grace, why) = match worker.forced {
            true => (0, "it was to be killed"),
            false => (whole(worker.limits.grace), "it was asked to end"),
        };
        let rest = worker.nature.heeds_kill + whole(worker.limits.drain) + whole(SWEEP_TIME) + SLACK;
        let stopped = self.stopped_time(index);
        self.in_ms(grace + rest, Event::Due(Due::Child { worker: index, stopped, why }));
    }

    /// How long the core of a worker has been stopped.
    fn stopped_time(&self, index: usize) -> u64 {
        self.cores[self.workers[index].core].stopped_total
    }

    pub(crate) fn check_ended(&mut self, index: usize, ended: Ended) {
        let now = self.now;
        let worker = &self.workers[index];
        let Ended { exit, reason, killed, pipes_left_open, .. } = ended;
        let truth = worker.process == Process::Exited(exit)
            && worker.has_exited()
            && reason == worker.asked
            && killed == worker.killed;
        let waited = worker.swept_at.is_some_and(|at| now >= at + whole(SWEEP_TIME));
        let (open, swept) = (worker.pipes_open, worker.swept_at.is_some());
        let (process, asked) = (worker.process, worker.asked);
        self.must(truth, Promise::Truth, || {
            format!("worker {index} is said to be {ended:?}; it is {process:?}, asked {asked:?}")
        });
        self.must(!open || (waited && pipes_left_open), Promise::Drained, || {
            format!("worker {index} has finished and somebody still writes to its pipes")
        });
        self.must(pipes_left_open == swept, Promise::Drained, || {
            format!("worker {index}: pipes left open {pipes_left_open}, swept by force {swept}")
        });
        if asked.is_some() && exit == ExitKind::Code(0) {
            self.saw(Seen::TrappedTermAndReturnedZero);
        }
        if asked.is_some() {
            self.saw(Seen::ExitedWhileAsked);
        }
        if pipes_left_open {
            self.saw(Seen::PipesLeftOpen);
        }
    }

    pub(crate) fn due_child(&mut self, index: usize, stopped: u64, why: &'static str) {
        let worker = &self.workers[index];
        if worker.finished.is_some() || self.cores[worker.core].gone {
            return;
        }
        // Time in which its core was stopped does not count.
        let now_stopped = self.stopped_time(index);
        if now_stopped > stopped {
            let due = Due::Child { worker: index, stopped: now_stopped, why };
            return self.in_ms(now_stopped - stopped, Event::Due(due));
        }
        let process = worker.process;
        self.broken(Promise::EndsInTime, || {
            format!("worker {index} has not ended in time although {why}; it is {process:?}")
        });
    }

    pub(crate) fn due_timeout(&mut self, index: usize, stopped: u64) {
        let now = self.now;
        let worker = &self.workers[index];
        let over = worker.asked.is_some() || worker.has_exited() || worker.finished.is_some();
        let Some(timeout) = worker.limits.timeout else { return };
        if over || self.cores[worker.core].gone || !worker.process.lives() {
            return;
        }
        let now_stopped = self.stopped_time(index);
        let left = (whole(timeout) + SLACK).saturating_sub(worker.ran(now)).max(now_stopped - stopped);
        // The clock of a stopped process stands still, whatever is left on it.
        let left = if worker.stopped_since.is_some() { left.max(SLACK) } else { left };
        if left > 0 {
            return self.in_ms(left, Event::Due(Due::Timeout { worker: index, stopped: now_stopped }));
        }
        self.broken(Promise::EndsInTime, || format!("worker {index} runs on after {timeout:?}"));
    }
}

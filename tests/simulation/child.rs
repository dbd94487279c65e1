//! The loop around one [`ChildMachine`], as the core runs it, and what must hold at every step of it.

use std::collections::VecDeque;
use std::time::Duration;

use roboppi_core::{CoreInput, WorkerControl, WorkerOutcome};
use roboppi_ipc::{Cancel, CancelReason, EndingPhase, ExitKind, JobId, ProcessIdentity, WorkerResult};
use roboppi_process::machine::{ChildEnd, ChildMachine, Effect, Ended, Epoch, Input, Limits, Signal};
use roboppi_worker_adapters::{self as adapters, OutputDigest, WorkerEnd};

use crate::agenda::{Cause, Event};
use crate::faults::{Bug, Fault};
use crate::plan::{Nature, ms, whole};
use crate::process::Process;
use crate::promise::Promise;
use crate::story::Seen;
use crate::world::World;

/// One worker: its machine, the process it is about, and what is known of both.
pub(crate) struct Worker {
    pub(crate) attempt: usize,
    pub(crate) core: usize,
    pub(crate) job: JobId,
    pub(crate) machine: ChildMachine,
    pub(crate) limits: Limits,
    pub(crate) controls: VecDeque<WorkerControl>,
    pub(crate) finished: Option<ChildEnd>,

    // The process.
    pub(crate) nature: Nature,
    pub(crate) process: Process,
    pub(crate) pipes_open: bool,
    pub(crate) spawned_at: u64,
    pub(crate) stopped_since: Option<u64>,
    pub(crate) stopped_total: u64,
    pub(crate) waits_to_end: Option<Cause>,
    pub(crate) group_killed: bool,

    // What the machine was told and has asked for.
    pub(crate) begun: bool,
    pub(crate) told_spawned: bool,
    pub(crate) told_exit: Option<u64>,
    pub(crate) told_closed: bool,
    /// The worst reason it was given while that could still matter.
    pub(crate) asked: Option<CancelReason>,
    term_at: Option<u64>,
    pub(crate) forced: bool,
    pub(crate) killed: bool,
    /// When whoever held the pipes was killed before the end of the pipes was known.
    pub(crate) swept_at: Option<u64>,
    shown_reason: Option<CancelReason>,
    pub(crate) last_timer: Option<Epoch>,
}

impl Worker {
    pub(crate) fn new(attempt: usize, core: usize, job: JobId, limits: Limits, nature: Nature) -> Self {
        Self {
            attempt,
            core,
            job,
            machine: ChildMachine::new(limits),
            limits,
            controls: VecDeque::new(),
            finished: None,
            nature,
            process: Process::Unborn,
            pipes_open: true,
            spawned_at: 0,
            stopped_since: None,
            stopped_total: 0,
            waits_to_end: None,
            group_killed: false,
            begun: false,
            told_spawned: false,
            told_exit: None,
            told_closed: false,
            asked: None,
            term_at: None,
            forced: false,
            killed: false,
            swept_at: None,
            shown_reason: None,
            last_timer: None,
        }
    }

    /// How long its process has run, pauses left out.
    pub(crate) fn ran(&self, now: u64) -> u64 {
        let paused = self.stopped_since.map_or(0, |since| now - since);
        now - self.spawned_at - self.stopped_total - paused
    }

    pub(crate) const fn has_exited(&self) -> bool {
        self.told_exit.is_some()
    }
}

impl World {
    pub(crate) fn worker_begins(&mut self, index: usize) {
        self.workers[index].begun = true;
        // What was asked already may spare the start.
        while let Some(control) = self.workers[index].controls.pop_front() {
            self.tell_child(index, input_of(control));
        }
        self.tell_child(index, Input::Start);
    }

    pub(crate) fn worker_control(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if worker.begun
            && let Some(control) = worker.controls.pop_front()
        {
            self.tell_child(index, input_of(control));
        }
    }

    /// Gives one input to the machine of a child and performs what it asks for.
    pub(crate) fn tell_child(&mut self, index: usize, input: Input) {
        self.child_told(index, input);
        let Some(input) = self.planted_in_input(index, input) else { return };
        self.note(|| format!("  child   worker {index} <- {input:?}"));
        let now = self.mono();
        let mut effects = Vec::new();
        self.workers[index].machine.handle(now, input, &mut effects);
        for effect in self.planted_in_effects(effects) {
            self.note(|| format!("  child   worker {index}    {effect:?}"));
            let over = self.workers[index].finished.is_some();
            self.must(!over, Promise::ExactlyOnce, || {
                format!("worker {index} has finished, then {effect:?}")
            });
            self.child_effect(index, input, effect);
        }
        self.check_child(index, input);
        if self.bug == Some(Bug::PipesNotDrained) && matches!(input, Input::Exited(_)) {
            self.tell_child(index, Input::PipesClosed);
        }
    }

    fn child_effect(&mut self, index: usize, input: Input, effect: Effect) {
        match effect {
            Effect::Spawn => {
                let worker = &mut self.workers[index];
                let first = worker.process == Process::Unborn;
                worker.process = Process::Spawning;
                let takes = worker.nature.spawn_takes;
                self.must(first, Promise::ExactlyOnce, || format!("worker {index} is started again"));
                self.in_ms(takes, Event::Spawns(index));
            }
            Effect::Started => {
                let process = ProcessIdentity { pid: 1_000, start_time: index as u64 };
                let job_id = self.workers[index].job.clone();
                let core = self.workers[index].core;
                self.core_input(core, CoreInput::WorkerStarted { job_id, process });
            }
            Effect::Signal(signal) => self.child_signal(index, signal),
            Effect::SetTimer { epoch, after } => {
                self.workers[index].last_timer = Some(epoch);
                let late = self.rng.up_to(3);
                self.in_ms(whole(after).saturating_add(late), Event::ChildTold(index, Input::Timer(epoch)));
                if self.weather.has(Fault::StaleTimers) {
                    let again = whole(after).saturating_add(self.rng.up_to(1_500));
                    self.in_ms(again, Event::ChildTold(index, Input::Timer(epoch)));
                }
            }
            Effect::SweepGroup | Effect::LeaveGroup => self.child_sweep(index),
            Effect::Ending { phase, reason, limit } => {
                self.child_ending(index, input, phase, reason, limit);
            }
            Effect::Finish(end) => self.child_finished(index, end),
        }
    }

    fn child_signal(&mut self, index: usize, signal: Signal) {
        let now = self.now;
        let worker = &mut self.workers[index];
        let known = worker.told_spawned;
        if signal == Signal::Term {
            worker.term_at.get_or_insert(now);
        }
        let graced = worker.term_at.is_some_and(|at| now >= at + whole(worker.limits.grace));
        let early = signal == Signal::Kill && !worker.forced && !graced;
        if signal == Signal::Kill {
            worker.killed = true;
            let seen = if worker.forced { Seen::KilledByForce } else { Seen::KilledAfterGrace };
            self.saw(seen);
        }
        if signal == Signal::Stop {
            self.saw(Seen::Paused);
        }
        self.must(known, Promise::Truth, || format!("worker {index}: a signal before it runs"));
        self.must(!early, Promise::NoForceTooEarly, || {
            format!("worker {index} is killed before its grace time is over")
        });
        self.signal(index, signal);
    }

    fn child_sweep(&mut self, index: usize) {
        let now = self.now;
        let worker = &mut self.workers[index];
        let exited = worker.told_exit;
        let drained = exited.is_some_and(|at| now >= at + whole(worker.limits.drain));
        let fine = worker.told_closed || worker.forced || drained;
        if !worker.told_closed {
            worker.swept_at.get_or_insert(now);
            self.saw(Seen::Swept);
        }
        self.must(exited.is_some(), Promise::NoForceTooEarly, || {
            format!("worker {index}: its group is swept while its leader lives")
        });
        self.must(fine, Promise::NoForceTooEarly, || {
            format!("worker {index}: who holds its pipes is killed before the drain time is over")
        });
        self.workers[index].group_killed = true;
        self.group_dies(index);
    }

    fn child_ending(
        &mut self,
        index: usize,
        input: Input,
        phase: EndingPhase,
        reason: Option<CancelReason>,
        limit: Duration,
    ) {
        let now = self.now;
        let worker = &mut self.workers[index];
        let (shown, exited) = (worker.shown_reason, worker.has_exited());
        worker.shown_reason = reason;
        let timed_out = phase == EndingPhase::Terminating && matches!(input, Input::Timer(_));
        if timed_out {
            let enough = worker.limits.timeout.is_some_and(|timeout| worker.ran(now) >= whole(timeout));
            worker.asked = worker.asked.max(Some(CancelReason::Timeout));
            self.must(enough, Promise::NoForceTooEarly, || {
                format!("worker {index} is ended for its time, and its time is not over")
            });
            self.child_must_end(index);
        }
        self.must(reason >= shown, Promise::OnlyMoreSevere, || {
            format!("worker {index} is ended for {reason:?} after {shown:?}")
        });
        self.must(exited == (phase == EndingPhase::Draining), Promise::Truth, || {
            format!("worker {index} is shown as {phase:?} and its leader has exited: {exited}")
        });
        let (core, job_id) = (self.workers[index].core, self.workers[index].job.clone());
        self.core_input(core, CoreInput::WorkerEnding { job_id, phase, reason, limit });
    }

    fn child_finished(&mut self, index: usize, end: ChildEnd) {
        self.workers[index].finished = Some(end);
        let outcome = match end {
            ChildEnd::NeverStarted(reason) => {
                self.saw(Seen::CancelledBeforeStart);
                let (process, asked) = (self.workers[index].process, self.workers[index].asked);
                self.must(process == Process::Unborn && asked == Some(reason), Promise::Truth, || {
                    format!("worker {index} never started for {reason:?}; it is {process:?}, asked {asked:?}")
                });
                WorkerOutcome::without_report(String::new(), Some(reason), false)
            }
            ChildEnd::SpawnFailed => {
                let process = self.workers[index].process;
                self.must(process == Process::NeverWas, Promise::Truth, || {
                    format!("worker {index} is said not to have started; it is {process:?}")
                });
                WorkerOutcome::without_report(String::new(), None, false)
            }
            ChildEnd::Ended(ended) => {
                self.check_ended(index, ended);
                WorkerOutcome { result: self.result_of(ended), started: true }
            }
        };
        self.worker_ended(index, outcome);
    }

    fn result_of(&self, ended: Ended) -> WorkerResult {
        let exit = match ended.exit {
            ExitKind::Signal(_) if self.bug == Some(Bug::ExitInvented) => ExitKind::Code(0),
            exit => exit,
        };
        let cancelled = match self.bug {
            Some(Bug::ExitInvented) => None,
            _ => ended.reason,
        };
        let output = OutputDigest::default();
        let end =
            WorkerEnd::new(exit, &output, ended.duration).with_cancelled(cancelled).with_killed(ended.killed);
        adapters::verdict(&end)
    }
}

const fn input_of(control: WorkerControl) -> Input {
    match control {
        WorkerControl::Cancel(cancel) => Input::Cancel(cancel),
        WorkerControl::Pause => Input::Pause,
        WorkerControl::Resume => Input::Resume,
    }
}

/// The time-out of zero is over before anything is started.
pub(crate) fn first_controls(limits: &Limits) -> VecDeque<WorkerControl> {
    let over = limits.timeout == Some(ms(0));
    over.then_some(WorkerControl::Cancel(Cancel::graceful(CancelReason::Timeout))).into_iter().collect()
}

//! What the run and its attempts are said to be, held against what they are.

use std::collections::HashMap;

use roboppi_ipc::{Cancel, CancelReason, ErrorClass};
use roboppi_process::ExitKind;
use roboppi_process::machine::ChildEnd;
use roboppi_run::{RunEvent, RunOutcome, StepState};
use roboppi_supervisor::machine::SupervisorEffect;
use roboppi_workflow::{AttemptEnd, OnFailure, RunEffect, RunTimer, RunTimerSubject, retry_delay};

use crate::agenda::{Due, Event, Owed};
use crate::plan::whole;
use crate::process::Process;
use crate::promise::Promise;
use crate::story::Seen;
use crate::world::World;

/// What the effects of the run machine have said so far.
#[derive(Debug)]
pub(crate) struct RunBook {
    steps: Vec<StepBook>,
    ending: Option<Cancel>,
    /// The step a person has just asked for to be tried again, or to be skipped.
    pub(crate) requested: Option<(usize, bool)>,
    /// The latest timer of each subject.
    timers: HashMap<RunTimerSubject, u64>,
    /// When a timer is due, on the clock of the run.
    due: HashMap<u64, u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct StepBook {
    state: Option<StepState>,
    attempts: u32,
    pub(crate) asked: Option<Cancel>,
    excused: bool,
    /// Attempts it was given beyond those of its plan, by people.
    more: u32,
    /// It is to be tried again because a person asked for it, and has not started since.
    again: bool,
    pub(crate) cancelled: bool,
    pub(crate) uncollected: bool,
}

impl RunBook {
    pub(crate) fn new(steps: usize) -> Self {
        Self {
            steps: vec![StepBook::default(); steps],
            ending: None,
            requested: None,
            timers: HashMap::new(),
            due: HashMap::new(),
        }
    }

    pub(crate) fn step(&mut self, index: usize) -> &mut StepBook {
        &mut self.steps[index]
    }

    pub(crate) fn set_timer(&mut self, timer: &RunTimer, due: u64) {
        self.due.insert(timer.epoch, due);
        self.timers.insert(timer.subject.clone(), timer.epoch);
    }

    pub(crate) fn timer_due(&self, epoch: u64) -> u64 {
        self.due.get(&epoch).copied().unwrap_or(0)
    }

    pub(crate) fn latest_timer(&self, subject: &RunTimerSubject) -> Option<u64> {
        self.timers.get(subject).copied()
    }
}

impl World {
    /// Holds what is asked for against what was asked for before.
    pub(crate) fn check_effect(&mut self, effect: &SupervisorEffect) {
        match effect {
            SupervisorEffect::Prepare { of, .. } => {
                let step = self.plan.workflow.steps.get_index_of(&of.step).unwrap_or_default();
                self.check_start(step, of.attempt);
            }
            SupervisorEffect::StopCollecting { of } => {
                let attempt = self.attempts.iter().find(|attempt| attempt.of == *of);
                let succeeded = attempt.is_some_and(|attempt| attempt.end == Some(AttemptEnd::Succeeded));
                // Of what is lost for good it learns later.
                let known = succeeded || self.supervisor.machine.has_given_up();
                self.must(known, Promise::Truth, || format!("{of} is asked to end and is not under way"));
            }
            SupervisorEffect::Record(RunEvent::RunEnding { reason, force, .. }) => {
                let cancel = Cancel { reason: *reason, force: *force };
                let before = self.supervisor.book.ending.replace(cancel);
                self.must(is_worse(cancel, before), Promise::OnlyMoreSevere, || {
                    format!("the run ends for {cancel:?}, after {before:?}")
                });
            }
            SupervisorEffect::Run(RunEffect::StepChanged { step, state, allowed_to_fail, .. }) => {
                let index = self.plan.workflow.steps.get_index_of(step).unwrap_or_default();
                self.check_step(index, *state, *allowed_to_fail);
            }
            SupervisorEffect::Answer { refused } => self.check_answer(refused.is_some()),
            SupervisorEffect::Finish(finish) if !finish.left => self.check_finish(finish.outcome),
            _ => {}
        }
    }

    fn check_answer(&mut self, refused: bool) {
        let Some((index, again)) = self.supervisor.book.requested.take() else { return };
        let book = &self.supervisor.book;
        let over = self.supervisor.outcome.is_some() || book.ending.is_some();
        let step = &book.steps[index];
        let possible = if again {
            step.state.is_some_and(|state| state.is_final() && state != StepState::Succeeded)
        } else {
            step.attempts == 0 && !step.state.is_some_and(|state| state.is_final() || state.is_active())
        };
        self.must(refused || (possible && !over), Promise::Truth, || {
            format!("s{index} can be tried again ({again}) or skipped although it cannot")
        });
        if refused {
            return self.saw(Seen::WishRefused);
        }
        self.saw(if again { Seen::StepRetried } else { Seen::StepSkipped });
        if again {
            let book = &mut self.supervisor.book.steps[index];
            book.more = book.attempts;
            book.again = true;
            book.asked = None;
            book.cancelled = false;
        }
    }

    fn check_start(&mut self, index: usize, attempt: u32) {
        let now = self.now;
        let ending = self.supervisor.book.ending;
        self.must(ending.is_none(), Promise::StartsAllowed, || {
            format!("s{index}#{attempt} starts in a run that ends for {ending:?}")
        });
        let under_way = self.supervisor.active.len();
        let most = self.plan.concurrency as usize;
        self.must(under_way < most, Promise::StartsAllowed, || format!("{under_way} attempts, and one more"));
        let twice = self.supervisor.active.values().any(|other| self.attempts[*other].step == index);
        self.must(!twice, Promise::StartsAllowed, || format!("s{index} is under way already"));

        let plan = self.plan.step(index);
        let (most, retries) = (plan.max_attempts(), plan.on_failure == OnFailure::Retry);
        let first = self.supervisor.book.steps[index].attempts == self.supervisor.book.steps[index].more;
        let blocked = first
            && plan.depends_on.iter().any(|id| {
                let other = self.plan.workflow.steps.get_index_of(id).unwrap_or_default();
                !self.supervisor.book.steps[other].state.is_some_and(StepState::is_final)
            });
        self.must(!blocked, Promise::StartsAllowed, || format!("s{index} starts before what it needs"));
        let book = &mut self.supervisor.book.steps[index];
        book.attempts += 1;
        let again = std::mem::take(&mut book.again);
        let counted =
            book.attempts == attempt && attempt <= most + book.more && (attempt == 1 || again || retries);
        let asked = book.asked;
        self.must(counted && asked.is_none(), Promise::StartsAllowed, || {
            format!("s{index} starts attempt {attempt} of {most}, asked to end {asked:?}")
        });
        if attempt == 1 || again {
            return;
        }
        self.saw(Seen::Retried);
        let Some(last) = self.attempts.iter().rev().find(|other| other.step == index) else { return };
        let waited = now >= last.ended_at + whole(retry_delay(attempt - 1));
        let pointless = matches!(
            last.end,
            None | Some(AttemptEnd::Succeeded | AttemptEnd::Failed { class: Some(ErrorClass::Fatal), .. })
        );
        if matches!(last.end, Some(AttemptEnd::Lost { .. })) {
            self.saw(Seen::RetriedAfterLoss);
        }
        self.must(waited && !pointless, Promise::StartsAllowed, || {
            format!("s{index} is tried again too early or for nothing")
        });
    }

    fn check_step(&mut self, index: usize, state: StepState, excused: bool) {
        let book = &mut self.supervisor.book.steps[index];
        let before = book.state.replace(state);
        book.excused = excused;
        let (attempts, uncollected, cancelled) = (book.attempts, book.uncollected, book.cancelled);
        let again = book.again;
        let waits_again = state == StepState::Pending && (again || before == Some(StepState::Skipped));
        if waits_again && before == Some(StepState::Skipped) {
            self.saw(Seen::SkippedWaitAgain);
        }
        self.must(waits_again || !before.is_some_and(StepState::is_final), Promise::ExactlyOnce, || {
            format!("s{index} is {state:?} after {before:?}")
        });
        let last = self.attempts.iter().rposition(|attempt| attempt.step == index);
        if state == StepState::Running {
            let worker = last.and_then(|last| self.attempts[last].worker);
            let spawned = worker.is_some_and(|worker| {
                matches!(self.workers[worker].process, Process::Alive | Process::Exited(_))
            });
            self.must(spawned, Promise::RunningIsAlive, || format!("s{index} runs before its worker does"));
        }
        if !state.is_final() {
            return;
        }
        let under_way = self.supervisor.active.values().any(|other| self.attempts[*other].step == index);
        self.must(!under_way, Promise::ExactlyOnce, || format!("s{index} is {state:?} and under way"));
        let end = last.and_then(|last| self.attempts[last].end.as_ref());
        let ending = self.supervisor.book.ending.is_some();
        let fine = match state {
            StepState::Succeeded => end == Some(&AttemptEnd::Succeeded) && !uncollected,
            StepState::Lost => matches!(end, Some(AttemptEnd::Lost { .. })),
            StepState::Skipped => attempts == 0,
            // The last: what it needs was tried again as well, and failed this time.
            StepState::Cancelled => {
                cancelled || ending || again || matches!(end, Some(AttemptEnd::Cancelled { .. }))
            }
            _ => match end {
                Some(AttemptEnd::Succeeded) => uncollected,
                Some(AttemptEnd::Lost { .. }) | None => false,
                Some(_) => true,
            },
        };
        let end = end.cloned();
        self.must(fine, Promise::Truth, || {
            format!("s{index} is {state:?}, its last attempt ended as {end:?}")
        });
        let may_be_excused = self.plan.step(index).continue_on_error || state == StepState::Skipped;
        self.must(!excused || may_be_excused, Promise::Truth, || format!("s{index} is excused"));
    }

    /// Nothing waits for nothing.
    pub(crate) fn check_progress(&mut self) {
        let machine = self.supervisor.machine.run();
        let states: Vec<_> = self.plan.workflow.steps.keys().filter_map(|step| machine.state(step)).collect();
        let (active, most) = (machine.active(), self.plan.concurrency as usize);
        let begun = self.supervisor.begun;
        if machine.is_finished() || self.supervisor.book.ending.is_some() || !begun {
            return;
        }
        let moves = active > 0 || states.contains(&StepState::Retrying);
        let full = active >= most || !states.contains(&StepState::Ready);
        self.must(moves && full, Promise::ComesToAnEnd, || {
            format!("{active} of {most} attempts are under way and nothing else happens: {states:?}")
        });
    }

    fn check_finish(&mut self, outcome: RunOutcome) {
        let steps = &self.supervisor.book.steps;
        let missing = steps.iter().position(|step| !step.state.is_some_and(StepState::is_final));
        self.must(missing.is_none(), Promise::ExactlyOnce, || format!("s{missing:?} has no end"));
        let under_way = self.supervisor.active.len();
        self.must(under_way == 0, Promise::NothingLeft, || format!("{under_way} attempts are under way"));
        for attempt in 0..self.attempts.len() {
            let ended = self.attempts[attempt].end.is_some();
            self.must(ended, Promise::Truth, || format!("attempt {attempt} went missing"));
            self.check_nothing_left(attempt);
        }
        let steps = &self.supervisor.book.steps;
        let counts = |wanted| steps.iter().any(|step| step.state == Some(wanted) && !step.excused);
        let expected = match self.supervisor.book.ending {
            Some(Cancel { reason: CancelReason::Lost, .. }) => RunOutcome::Lost,
            _ if counts(StepState::Lost) => RunOutcome::Lost,
            Some(Cancel { reason: CancelReason::Timeout, .. }) => RunOutcome::TimedOut,
            Some(Cancel { reason: CancelReason::Budget, .. }) => RunOutcome::Failed,
            Some(_) => RunOutcome::Cancelled,
            None if counts(StepState::Failed) || counts(StepState::Cancelled) => RunOutcome::Failed,
            None => RunOutcome::Succeeded,
        };
        self.must(outcome == expected, Promise::Truth, || format!("{outcome:?} instead of {expected:?}"));
    }

    /// Holds the reported end of an attempt against what happened.
    pub(crate) fn check_attempt(&mut self, index: usize, end: &AttemptEnd) {
        let attempt = &self.attempts[index];
        let worker = attempt.worker.map(|worker| &self.workers[worker]);
        let asked = worker.and_then(|worker| worker.asked);
        let process = worker.map(|worker| worker.process);
        let finished = worker.and_then(|worker| worker.finished);
        let core = attempt.core.map(|core| &self.cores[core]);
        // Who has no worker was asked by the run alone, and may have ended before it was asked again; or at once.
        let of_run = self.supervisor.book.ending.map(|ending| ending.reason);
        let of_step = self.supervisor.book.steps[attempt.step].cancelled.then_some(CancelReason::User);
        let ordered = attempt.order.map(|order| order.reason).max(of_run).max(of_step);
        let fine = match end {
            AttemptEnd::Succeeded => {
                process == Some(Process::Exited(ExitKind::Code(0))) && asked.is_none() && finished.is_some()
            }
            AttemptEnd::Failed { .. } => match process {
                Some(Process::Exited(exit)) => {
                    exit != ExitKind::Code(0) && asked.is_none() && finished.is_some()
                }
                Some(Process::NeverWas) => finished == Some(ChildEnd::SpawnFailed),
                Some(_) => false,
                None => attempt.refused && core.is_some_and(|core| core.ending),
            },
            AttemptEnd::TimedOut { .. } => finished.is_some() && asked == Some(CancelReason::Timeout),
            AttemptEnd::Cancelled { reason: said, .. } => {
                if worker.is_some() {
                    finished.is_some() && asked == Some(*said)
                } else {
                    ordered >= Some(*said)
                }
            }
            AttemptEnd::Lost { .. } => {
                let stopped = core.is_some_and(|core| core.stopped_total > 0);
                let gone = core.is_none_or(|core| core.gone);
                !attempt.completed && (gone || (attempt.impatient && stopped))
            }
        };
        self.saw(match end {
            AttemptEnd::Succeeded => Seen::AttemptSucceeded,
            AttemptEnd::Failed { .. } => Seen::AttemptFailed,
            AttemptEnd::TimedOut { .. } => Seen::AttemptTimedOut,
            AttemptEnd::Cancelled { .. } => Seen::AttemptCancelled,
            AttemptEnd::Lost { .. } => Seen::AttemptLost,
        });
        self.must(fine, Promise::Truth, || {
            format!("attempt {index} is said to be {end:?}; its process is {process:?}, asked {asked:?}")
        });
        self.check_nothing_left(index);
    }

    /// Nothing of an attempt that is over lives. Of one whose core did not say, nobody knows.
    fn check_nothing_left(&mut self, index: usize) {
        let attempt = &self.attempts[index];
        let Some(worker) = attempt.worker else { return };
        let process = self.workers[worker].process;
        let left = matches!(process, Process::Alive | Process::Spawning);
        self.must(!left || attempt.impatient, Promise::NothingLeft, || {
            format!("attempt {index} is over and its process is {process:?}")
        });
    }

    /// When the world has come to its end.
    pub(crate) fn check_end(&mut self) {
        let alive = self.workers.iter().position(|worker| worker.process.lives());
        self.must(alive.is_none(), Promise::NothingLeft, || format!("worker {alive:?} is still alive"));
        for index in 0..self.workers.len() {
            let worker = &self.workers[index];
            let silent = worker.finished.is_none() && !self.cores[worker.core].died;
            self.must(!silent, Promise::ExactlyOnce, || format!("worker {index} never finished"));
        }
    }

    pub(crate) fn due(&mut self, due: Due) {
        match due {
            Due::Child { worker, stopped, why } => self.due_child(worker, stopped, why),
            Due::Timeout { worker, stopped } => self.due_timeout(worker, stopped),
            Due::CoreGone { core } => self.due_core_gone(core),
            Due::Attempt { attempt, what, stood, patient } => self.due_attempt(attempt, what, stood, patient),
        }
    }

    fn due_attempt(&mut self, attempt: usize, what: Owed, stood: u64, patient: bool) {
        let of = &self.attempts[attempt].of;
        let settled = match what {
            Owed::End => self.attempts[attempt].end.is_some(),
            Owed::News => {
                let shown = self.supervisor.machine.run().state(&of.step);
                let current = self.supervisor.book.steps[self.attempts[attempt].step].attempts;
                shown != Some(StepState::Running) || current != of.attempt
            }
        };
        if settled || self.supervisor.is_over() {
            return;
        }
        let now_stood = self.supervisor.stood_still_by(self.now);
        if now_stood > stood {
            return self.attempt_owes(attempt, what, now_stood - stood, patient);
        }
        if !patient && self.core_is_in_trouble(attempt) {
            return self.attempt_owes(attempt, what, Self::patient_limit(), true);
        }
        match what {
            Owed::End => {
                self.broken(Promise::EndsInTime, || format!("attempt {attempt} was to end and has not"));
            }
            Owed::News => self.broken(Promise::RunningIsAlive, || {
                format!("attempt {attempt} is shown as running, and its leader is long gone")
            }),
        }
    }

    /// Within this time, while the supervisor does not stand still.
    pub(crate) fn attempt_owes(&mut self, attempt: usize, what: Owed, within: u64, patient: bool) {
        let stood = self.supervisor.stood_still_by(self.now);
        self.in_ms(within, Event::Due(Due::Attempt { attempt, what, stood, patient }));
    }

    fn core_is_in_trouble(&self, attempt: usize) -> bool {
        let core = self.attempts[attempt].core.map(|core| &self.cores[core]);
        core.is_some_and(|core| core.gone || core.stopped_total > 0)
    }
}

/// Whether an order is worse than the one before, and in nothing milder.
pub(crate) fn is_worse(now: Cancel, before: Option<Cancel>) -> bool {
    before.is_none_or(|before| now != before && now.reason >= before.reason && now.force >= before.force)
}

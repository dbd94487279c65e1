//! One attempt as the supervisor takes it from its inputs to its end. What happens when is decided by the machine of the
//! program; here its core, its timers and its ways are played.

use roboppi_ipc::{
    Cancel, CancelJob, CancelReason, Dialect, JobCompleted, JobOutcome, JobRequest, Message, RequestId,
    RequestPermit, SubmitJob, WorkerStatus,
};
use roboppi_run::AttemptRef;
use roboppi_supervisor::attempt_machine::{
    AttemptEffect, AttemptEpoch, AttemptFinish, AttemptInput, AttemptLimits, AttemptMachine, AttemptStop,
    PermitAnswer,
};
use roboppi_workflow::AttemptEnd;

use crate::agenda::Event;
use crate::core::job_id;
use crate::faults::Bug;
use crate::link::Packet;
use crate::plan::{GUARD, HUNG, OUTBOX, SLACK, STOP_MARGIN, ms, whole};
use crate::promise::Promise;
use crate::story::Seen;
use crate::supervisor::CoreView;
use crate::world::World;

/// Between the word that a job has ended and the attempt that hears it, at most.
const HEARING: u64 = 2;

pub(crate) struct Attempt {
    pub(crate) of: AttemptRef,
    pub(crate) step: usize,
    /// The core it was handed to.
    pub(crate) core: Option<usize>,
    pub(crate) worker: Option<usize>,
    /// As it was reported.
    pub(crate) end: Option<AttemptEnd>,
    pub(crate) ended_at: u64,
    /// Its completion was heard.
    pub(crate) completed: bool,
    /// It was refused for good.
    pub(crate) refused: bool,
    /// The core did not say in time how it ended.
    pub(crate) impatient: bool,
    pub(crate) order: Option<Cancel>,
    /// The order the core heard last.
    pub(crate) heard: Option<Cancel>,
    machine: AttemptMachine,
    inputs_placed: bool,
    cancels: u32,
    /// The timer that was set last, and when it is due on the clock of the supervisor.
    timer: Option<(AttemptEpoch, u64)>,
    /// A completion that has come and was not looked at.
    waiting: Option<Box<JobCompleted>>,
}

/// What a request of an attempt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// The first time, together with the submission.
    First,
    Permit,
    Cancel,
    /// Whatever comes back is fine.
    Other,
}

impl Attempt {
    pub(crate) fn new(of: AttemptRef, step: usize) -> Self {
        Self {
            of,
            step,
            core: None,
            worker: None,
            end: None,
            ended_at: 0,
            completed: false,
            refused: false,
            impatient: false,
            order: None,
            heard: None,
            machine: AttemptMachine::default(),
            inputs_placed: false,
            cancels: 0,
            timer: None,
            waiting: None,
        }
    }

    /// Whether words about its job are still meant for it.
    pub(crate) const fn is_routed(&self) -> bool {
        self.core.is_some() && self.end.is_none() && !self.completed
    }
}

impl World {
    pub(crate) fn inputs_placed(&mut self, attempt: usize) {
        if !self.supervisor.is_over() {
            self.attempts[attempt].inputs_placed = true;
            self.look_for_core(attempt);
        }
    }

    /// The core has come, or will not come.
    pub(crate) fn core_news(&mut self) {
        for attempt in 0..self.attempts.len() {
            self.look_for_core(attempt);
        }
    }

    fn look_for_core(&mut self, index: usize) {
        let attempt = &self.attempts[index];
        if attempt.end.is_some() || !attempt.inputs_placed || !attempt.machine.awaits_core() {
            return;
        }
        let input = match (attempt.order, self.supervisor.core) {
            (Some(order), _) => {
                self.saw(Seen::CancelledBeforeCore);
                AttemptInput::Order(order)
            }
            (None, CoreView::Ready(core)) => {
                let step = self.plan.step(attempt.step);
                let patience = ms(self.plan.grace_of(attempt.step) + self.plan.drain + STOP_MARGIN);
                let time = step.timeout.unwrap_or(ms(600_000)) + patience;
                self.attempts[index].core = Some(core);
                AttemptInput::Core(Dialect::V2, AttemptLimits { time, patience })
            }
            (None, CoreView::Lost) => AttemptInput::NoCore(String::new()),
            (None, CoreView::Awaited) => return,
        };
        self.tell_attempt(index, input);
    }

    fn tell_attempt(&mut self, index: usize, input: AttemptInput) {
        let mut effects = Vec::new();
        self.attempts[index].machine.handle(input, &mut effects);
        for effect in effects {
            let over = self.attempts[index].end.is_some();
            self.must(!over, Promise::ExactlyOnce, || format!("attempt {index} has ended, then {effect:?}"));
            self.attempt_effect(index, effect);
        }
    }

    fn attempt_effect(&mut self, index: usize, effect: AttemptEffect) {
        match effect {
            AttemptEffect::SubmitAndAsk => {
                let job = self.plan.job(&job_id(index), self.attempts[index].step);
                self.request(index, Asking::Other, |request_id| {
                    Message::SubmitJob(SubmitJob { request_id, job })
                });
                self.ask_for_permit(index, Asking::First);
            }
            AttemptEffect::AskPermit => self.ask_for_permit(index, Asking::Permit),
            AttemptEffect::Cancel(cancel) => self.request_cancel(index, Asking::Cancel, cancel),
            AttemptEffect::Abandon => {
                self.request_cancel(index, Asking::Other, Cancel::graceful(CancelReason::Parent));
            }
            AttemptEffect::SetTimer(epoch, time) => self.set_attempt_timer(index, epoch, whole(time)),
            AttemptEffect::SetRetryTimer(epoch, refusals) => {
                let wait = self.rng.up_to((100_u64 << refusals.min(6)).min(2_000));
                self.set_attempt_timer(index, epoch, wait);
            }
            AttemptEffect::Finish(AttemptFinish::Completed(completed)) => {
                if let Some(result) = &completed.result {
                    self.end_attempt(index, AttemptEnd::from(result));
                }
            }
            AttemptEffect::Finish(AttemptFinish::Stopped(stop)) => {
                let detail = String::new();
                let end = match stop {
                    AttemptStop::Failed(class, _) => AttemptEnd::Failed { class, detail },
                    AttemptStop::Cancelled(reason) => AttemptEnd::Cancelled { reason, detail },
                    AttemptStop::Lost(_) => AttemptEnd::Lost { detail },
                };
                self.end_attempt(index, end);
            }
            AttemptEffect::Submit | AttemptEffect::SayGranted => {
                self.broken(Promise::Truth, || format!("attempt {index} takes its core for an old one"));
            }
            AttemptEffect::SayWaiting(_) => {}
        }
    }

    fn request(&mut self, index: usize, asking: Asking, message: impl FnOnce(RequestId) -> Message) {
        let Some(core) = self.attempts[index].core else { return };
        self.supervisor.last_request += 1;
        let id = RequestId::new(format!("q{}", self.supervisor.last_request));
        self.supervisor.requests.insert(id.clone(), (index, asking));
        if !self.cores[core].gone {
            self.send_to_core(core, Packet::Message(Box::new(message(id))));
        }
    }

    fn ask_for_permit(&mut self, index: usize, asking: Asking) {
        let job = self.plan.job(&job_id(index), self.attempts[index].step);
        self.request(index, asking, |request_id| {
            Message::RequestPermit(RequestPermit { request_id, job, attempt_index: 0.0 })
        });
    }

    fn request_cancel(&mut self, index: usize, asking: Asking, Cancel { reason, force }: Cancel) {
        self.attempts[index].cancels += 1;
        let forgets = self.bug == Some(Bug::ReasonForgotten) && self.attempts[index].cancels > 1;
        let reason = if forgets { CancelReason::User } else { reason };
        let (job_id, reason) = (job_id(index), reason.name().to_owned());
        self.request(index, asking, |request_id| {
            Message::CancelJob(CancelJob { request_id, job_id, reason, force })
        });
    }

    /// An answer has come.
    pub(crate) fn answered(&mut self, index: usize, asking: Asking, message: &Message) {
        let permit = || match message {
            Message::PermitRejected(rejected) if rejected.rejection.reason.is_final() => {
                PermitAnswer::Denied(String::new())
            }
            Message::PermitRejected(_) => PermitAnswer::Refused(String::new()),
            _ => PermitAnswer::Granted,
        };
        let input = match asking {
            Asking::First => AttemptInput::SubmittedAndAsked(Ok(()), permit()),
            Asking::Permit => AttemptInput::Permit(permit()),
            Asking::Cancel => AttemptInput::CancelAnswered,
            Asking::Other => return,
        };
        let attempt = &mut self.attempts[index];
        if attempt.end.is_none() {
            let denied = matches!(
                input,
                AttemptInput::SubmittedAndAsked(_, PermitAnswer::Denied(_))
                    | AttemptInput::Permit(PermitAnswer::Denied(_))
            );
            attempt.refused |= denied;
            if denied {
                self.saw(Seen::PermitRefusedByEndingCore);
            } else if asking == Asking::Cancel && !self.attempts[index].machine.runs() {
                self.saw(Seen::WithdrawnWithoutPermit);
            }
        }
        self.tell_attempt(index, input);
    }

    fn set_attempt_timer(&mut self, index: usize, epoch: AttemptEpoch, wait: u64) {
        self.attempts[index].timer = Some((epoch, self.supervisor.clock(self.now).saturating_add(wait)));
        self.in_ms(wait, Event::AttemptTimer(index, epoch));
    }

    pub(crate) fn attempt_timer(&mut self, index: usize, epoch: AttemptEpoch) {
        if self.supervisor.is_over() {
            return;
        }
        let attempt = &self.attempts[index];
        let Some((_, due)) = attempt.timer.filter(|(set, _)| *set == epoch) else {
            return self.tell_attempt(index, AttemptInput::Timer(epoch));
        };
        // Time in which nobody could hear anything does not count.
        let left = due.saturating_sub(self.supervisor.clock(self.now));
        if left > 0 && self.bug != Some(Bug::DeafPatience) {
            return self.in_ms(left, Event::AttemptTimer(index, epoch));
        }
        // A core that does not even answer is one that does not say how its workers ended.
        let before = attempt.machine.waits_for_permit() || attempt.machine.awaits_core();
        self.attempts[index].impatient |= !before && attempt_is_to_end(&self.attempts[index]);
        self.tell_attempt(index, AttemptInput::Timer(epoch));
    }

    /// The run wants the attempt to end.
    pub(crate) fn ordered(&mut self, index: usize, order: Cancel) {
        self.attempts[index].order = Some(order);
        if self.attempts[index].machine.awaits_core() {
            return self.look_for_core(index);
        }
        self.tell_attempt(index, AttemptInput::Order(order));
    }

    pub(crate) fn job_completed(&mut self, index: usize, completed: &JobCompleted) {
        let attempt = &mut self.attempts[index];
        if !attempt.is_routed() {
            return;
        }
        attempt.completed = true;
        let Some(result) = &completed.result else { return };
        let agree = match completed.outcome {
            JobOutcome::Succeeded => result.status == WorkerStatus::Succeeded,
            JobOutcome::Failed => result.status == WorkerStatus::Failed,
            JobOutcome::Cancelled => result.status == WorkerStatus::Cancelled,
            JobOutcome::Unknown(_) => false,
        };
        attempt.waiting = Some(Box::new(completed.clone()));
        self.must(agree, Promise::Truth, || format!("j{index}: the outcome is not that of the result"));
        self.within(HEARING, Event::CompletionHeard(index));
    }

    pub(crate) fn completion_heard(&mut self, index: usize) {
        if let Some(completed) = self.attempts[index].waiting.take() {
            self.tell_attempt(index, AttemptInput::Completed(completed));
        }
    }

    /// A core is gone with all it ran.
    pub(crate) fn attempts_lose(&mut self, core: usize) {
        for index in 0..self.attempts.len() {
            if self.attempts[index].core != Some(core) || self.attempts[index].end.is_some() {
                continue;
            }
            // What it had said before counts.
            if self.bug != Some(Bug::LastWordsForgotten) {
                self.completion_heard(index);
            }
            if self.attempts[index].end.is_none() && !self.attempts[index].machine.runs() {
                self.saw(Seen::LostWhileStarting);
            }
            self.tell_attempt(index, AttemptInput::CoreGone("with its core".to_owned()));
        }
    }

    fn end_attempt(&mut self, index: usize, end: AttemptEnd) {
        let now = self.now;
        let attempt = &mut self.attempts[index];
        attempt.ended_at = now;
        let again = attempt.end.replace(end.clone()).is_some();
        self.must(!again, Promise::ExactlyOnce, || format!("attempt {index} ends again"));
        self.note(|| format!("attempt {index} is over: {end:?}"));
        self.attempt_over(index, end);
    }

    pub(crate) fn pause_all(&mut self, pause: bool) {
        if self.supervisor.is_over() {
            return;
        }
        for index in 0..self.attempts.len() {
            if self.attempts[index].machine.runs() && self.attempts[index].end.is_none() {
                let job_id = job_id(index);
                self.request(index, Asking::Other, |request_id| {
                    let request = JobRequest { request_id, job_id };
                    if pause { Message::PauseJob(request) } else { Message::ResumeJob(request) }
                });
            }
        }
    }

    /// Time an attempt may take from an order to end, if its core listens.
    pub(crate) fn attempt_limit(&self, index: usize) -> u64 {
        let longest = &self.plan.longest;
        let talk = 8 * longest.message + OUTBOX;
        let ladder = self.plan.grace_of(self.attempts[index].step)
            + longest.death
            + self.plan.drain
            + whole(roboppi_process::machine::SWEEP_TIME);
        talk + longest.spawn + ladder + 3 * SLACK
    }

    /// The same, if the core is stopped or gone.
    pub(crate) const fn patient_limit() -> u64 {
        HUNG.1 + GUARD + 10_000
    }
}

/// Whether its core has been told to end it.
fn attempt_is_to_end(attempt: &Attempt) -> bool {
    attempt.order.is_some() || attempt.cancels > 0
}

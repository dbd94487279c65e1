//! One attempt as the supervisor takes it from its inputs to its end.

use roboppi_ipc::{
    CancelJob, CancelReason, JobCompleted, JobOutcome, JobRequest, Message, RequestId, RequestPermit,
    SubmitJob, WorkerStatus,
};
use roboppi_run::AttemptRef;
use roboppi_workflow::AttemptEnd;

use crate::agenda::Event;
use crate::core::job_id;
use crate::faults::Bug;
use crate::link::Packet;
use crate::plan::{GUARD, HUNG, OUTBOX, SLACK, STOP_MARGIN, whole};
use crate::promise::Promise;
use crate::story::Seen;
use crate::supervisor::CoreView;
use crate::world::World;

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
    stage: Stage,
    pub(crate) order: Option<(CancelReason, bool)>,
    /// The order that was passed on last.
    passed_on: Option<(CancelReason, bool)>,
    /// The order the core heard last.
    pub(crate) heard: Option<(CancelReason, bool)>,
    cancels: u32,
    /// On the clock of the supervisor.
    patient_until: u64,
    /// A completion that came while an answer was waited for.
    waiting: Option<AttemptEnd>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    PlacingInputs,
    AwaitingCore,
    AskingPermit {
        refusals: u32,
    },
    WaitingForPermit {
        refusals: u32,
    },
    /// It was asked to end before it had a permit.
    Withdrawing(CancelReason),
    /// It has a permit.
    Working,
    /// It was asked to end, and the core has not answered yet.
    Cancelling,
    /// The core has.
    Ending,
    Over,
}

/// What a request of an attempt is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    Permit,
    Cancel,
    /// Whatever comes back is fine.
    Other,
}

impl Attempt {
    pub(crate) const fn new(of: AttemptRef, step: usize) -> Self {
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
            stage: Stage::PlacingInputs,
            order: None,
            passed_on: None,
            heard: None,
            cancels: 0,
            patient_until: 0,
            waiting: None,
        }
    }

    /// Whether words about its job are still meant for it.
    pub(crate) const fn is_routed(&self) -> bool {
        self.core.is_some() && !matches!(self.stage, Stage::Over) && !self.completed
    }

    /// Whether the core has let it run.
    const fn runs(&self) -> bool {
        matches!(self.stage, Stage::Working | Stage::Cancelling | Stage::Ending)
    }
}

impl World {
    pub(crate) fn inputs_placed(&mut self, attempt: usize) {
        if !self.supervisor.is_over() {
            self.attempts[attempt].stage = Stage::AwaitingCore;
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
        if self.attempts[index].stage != Stage::AwaitingCore {
            return;
        }
        let order = self.attempts[index].order;
        match (self.supervisor.core, order) {
            // Both are there: either may be looked at first.
            (CoreView::Ready(core), order) if order.is_none() || self.rng.chance(50) => {
                self.submit(index, core);
            }
            (_, Some((reason, _))) => {
                self.saw(Seen::CancelledBeforeCore);
                self.end_attempt(index, AttemptEnd::Cancelled { reason, detail: String::new() });
            }
            (CoreView::Lost, None) => {
                self.end_attempt(index, AttemptEnd::Lost { detail: String::new() });
            }
            (CoreView::Awaited | CoreView::Ready(_), None) => {}
        }
    }

    fn submit(&mut self, index: usize, core: usize) {
        self.attempts[index].core = Some(core);
        let job = self.plan.job(&job_id(index), self.attempts[index].step);
        self.request(index, Asking::Other, |request_id| Message::SubmitJob(SubmitJob { request_id, job }));
        self.ask_for_permit(index, 0);
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

    /// An answer has come.
    pub(crate) fn answered(&mut self, index: usize, asking: Asking, message: &Message) {
        match (self.attempts[index].stage, asking) {
            (Stage::AskingPermit { refusals }, Asking::Permit) => match message {
                Message::PermitRejected(rejected) if rejected.rejection.reason.is_final() => {
                    self.saw(Seen::PermitRefusedByEndingCore);
                    self.attempts[index].refused = true;
                    let class = Some(roboppi_ipc::ErrorClass::NonRetryable);
                    self.end_attempt(index, AttemptEnd::Failed { class, detail: String::new() });
                }
                Message::PermitRejected(_) => self.wait_for_permit(index, refusals + 1),
                _ => {
                    self.attempts[index].stage = Stage::Working;
                    self.pass_on_order(index);
                }
            },
            (Stage::Withdrawing(reason), Asking::Cancel) => {
                self.saw(Seen::WithdrawnWithoutPermit);
                self.end_attempt(index, AttemptEnd::Cancelled { reason, detail: String::new() });
            }
            (Stage::Cancelling, Asking::Cancel) => self.cancel_answered(index),
            _ => {}
        }
    }

    /// An order that is there from the beginning is passed on when the core has answered.
    fn ask_for_permit(&mut self, index: usize, refusals: u32) {
        let order = self.attempts[index].order;
        if let Some((reason, _)) = order.filter(|_| refusals > 0) {
            self.attempts[index].stage = Stage::Withdrawing(reason);
            return self.request_cancel(index, reason, false);
        }
        self.attempts[index].stage = Stage::AskingPermit { refusals };
        let job = self.plan.job(&job_id(index), self.attempts[index].step);
        self.request(index, Asking::Permit, |request_id| {
            Message::RequestPermit(RequestPermit { request_id, job, attempt_index: 0.0 })
        });
    }

    fn wait_for_permit(&mut self, index: usize, refusals: u32) {
        self.attempts[index].stage = Stage::WaitingForPermit { refusals };
        if self.attempts[index].order.is_some() {
            return self.ask_for_permit(index, refusals);
        }
        let longest = (100_u64 << refusals.min(6)).min(2_000);
        self.within(longest, Event::PermitWaitOver { attempt: index, refusals });
    }

    pub(crate) fn permit_wait_over(&mut self, index: usize, refusals: u32) {
        if self.attempts[index].stage == (Stage::WaitingForPermit { refusals }) && !self.supervisor.is_over()
        {
            self.ask_for_permit(index, refusals);
        }
    }

    /// The run wants the attempt to end.
    pub(crate) fn ordered(&mut self, index: usize, reason: CancelReason, force: bool) {
        let again = self.attempts[index].order.is_some();
        let forgets = self.bug == Some(Bug::ReasonForgotten) && again;
        let reason = if forgets { CancelReason::User } else { reason };
        self.attempts[index].order = Some((reason, force));
        match self.attempts[index].stage {
            Stage::AwaitingCore => self.look_for_core(index),
            Stage::WaitingForPermit { refusals } => self.ask_for_permit(index, refusals),
            Stage::Working | Stage::Ending => self.pass_on_order(index),
            // Looked at as soon as the answer is there.
            _ => {}
        }
    }

    /// Tells the core of an order it does not know yet.
    fn pass_on_order(&mut self, index: usize) {
        let attempt = &mut self.attempts[index];
        let Some((reason, force)) = attempt.order else { return };
        if attempt.passed_on != Some((reason, force)) {
            attempt.passed_on = attempt.order;
            attempt.stage = Stage::Cancelling;
            self.request_cancel(index, reason, force);
        }
    }

    fn request_cancel(&mut self, index: usize, reason: CancelReason, force: bool) {
        self.attempts[index].cancels += 1;
        let (job_id, reason) = (job_id(index), reason.name().to_owned());
        self.request(index, Asking::Cancel, |request_id| {
            Message::CancelJob(CancelJob { request_id, job_id, reason, force })
        });
    }

    fn cancel_answered(&mut self, index: usize) {
        if let Some(end) = self.attempts[index].waiting.take() {
            return self.end_attempt(index, end);
        }
        let attempt = &mut self.attempts[index];
        attempt.stage = Stage::Ending;
        let cancels = attempt.cancels;
        let patience = self.plan.grace_of(attempt.step) + self.plan.drain + STOP_MARGIN;
        attempt.patient_until = self.supervisor.clock(self.now) + patience;
        self.in_ms(patience, Event::PatienceOver { attempt: index, cancels });
        self.pass_on_order(index);
    }

    pub(crate) fn patience_over(&mut self, index: usize, cancels: u32) {
        let attempt = &mut self.attempts[index];
        if attempt.stage != Stage::Ending || attempt.cancels != cancels || self.supervisor.is_over() {
            return;
        }
        // Time in which nobody could hear anything does not count.
        let left = attempt.patient_until.saturating_sub(self.supervisor.clock(self.now));
        if left > 0 && self.bug != Some(Bug::DeafPatience) {
            return self.in_ms(left, Event::PatienceOver { attempt: index, cancels });
        }
        attempt.impatient = true;
        self.end_attempt(index, AttemptEnd::Lost { detail: "the core does not say".to_owned() });
    }

    pub(crate) fn job_completed(&mut self, index: usize, completed: &JobCompleted) {
        let attempt = &mut self.attempts[index];
        if !attempt.is_routed() {
            return;
        }
        attempt.completed = true;
        let Some(result) = &completed.result else { return };
        let end = AttemptEnd::from(result);
        let agree = match completed.outcome {
            JobOutcome::Succeeded => result.status == WorkerStatus::Succeeded,
            JobOutcome::Failed => result.status == WorkerStatus::Failed,
            JobOutcome::Cancelled => result.status == WorkerStatus::Cancelled,
        };
        match attempt.stage {
            Stage::Cancelling => attempt.waiting = Some(end),
            _ => self.end_attempt(index, end),
        }
        self.must(agree, Promise::Truth, || format!("j{index}: the outcome is not that of the result"));
    }

    /// A core is gone with all it ran.
    pub(crate) fn attempts_lose(&mut self, core: usize) {
        for index in 0..self.attempts.len() {
            let attempt = &mut self.attempts[index];
            if attempt.core != Some(core) || attempt.stage == Stage::Over {
                continue;
            }
            // What it had said before counts.
            let said = attempt.waiting.take().filter(|_| self.bug != Some(Bug::LastWordsForgotten));
            if !attempt.runs() {
                self.saw(Seen::LostWhileStarting);
            }
            self.end_attempt(index, said.unwrap_or(AttemptEnd::Lost { detail: "with its core".to_owned() }));
        }
    }

    fn end_attempt(&mut self, index: usize, end: AttemptEnd) {
        let now = self.now;
        let attempt = &mut self.attempts[index];
        attempt.stage = Stage::Over;
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
            if self.attempts[index].runs() {
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

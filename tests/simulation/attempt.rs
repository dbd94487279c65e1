//! What an attempt is in a world: the ways of its inputs, its requests and its timer.

use roboppi_ipc::{
    Cancel, CancelJob, JobCompleted, JobId, JobOutcome, JobRequest, Message, RequestId, RequestPermit,
    SubmitJob, WorkerStatus,
};
use roboppi_run::AttemptRef;
use roboppi_supervisor::machine::attempt::{
    AttemptEpoch, AttemptInput, AttemptMachine, AttemptStop, PermitAnswer,
};
use roboppi_supervisor::machine::{AttemptRequest, AttemptTask, SupervisorInput, SupervisorTimer};
use roboppi_workflow::AttemptEnd;

use crate::agenda::{Event, Owed};
use crate::core::job_id;
use crate::faults::Bug;
use crate::link::Packet;
use crate::plan::{GUARD, HUNG, OUTBOX, SLACK, STOP_MARGIN, ms, whole};
use crate::promise::Promise;
use crate::run_book::is_worse;
use crate::story::Seen;
use crate::world::World;

/// Placing inputs, when there is much of them.
const MUCH: u64 = 400;

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
    /// Its inputs are placed, or that was stopped.
    prepared: bool,
    stopped: bool,
    cancels: u32,
    /// The timer that was set last, and when it is due on the clock of the supervisor.
    timer: Option<(AttemptEpoch, u64)>,
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
    fn new(of: AttemptRef, step: usize) -> Self {
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
            prepared: false,
            stopped: false,
            cancels: 0,
            timer: None,
        }
    }
}

impl World {
    pub(crate) fn prepare(&mut self, of: AttemptRef) {
        let attempt = self.attempts.len();
        let step = self.plan.workflow.steps.get_index_of(&of.step).unwrap_or_default();
        self.attempts.push(Attempt::new(of.clone(), step));
        self.supervisor.active.insert(of, attempt);
        let longest = if self.rng.chance(20) { MUCH } else { 5 };
        self.within(longest, Event::InputsPlaced(attempt));
    }

    pub(crate) fn stop_preparing(&mut self, of: &AttemptRef) {
        if let Some(attempt) = self.supervisor.active.get(of).copied()
            && self.bug != Some(Bug::OrderForgotten)
        {
            self.attempts[attempt].stopped = true;
            self.within(5, Event::InputsPlaced(attempt));
        }
    }

    pub(crate) fn inputs_placed(&mut self, index: usize) {
        if self.supervisor.is_over() || std::mem::replace(&mut self.attempts[index].prepared, true) {
            return;
        }
        if self.bug == Some(Bug::KnownEndForgotten) && self.supervisor.machine.has_given_up() {
            return;
        }
        let of = self.attempts[index].of.clone();
        let result = if self.attempts[index].stopped {
            Err(AttemptStop::Failed(None, "stopped".to_owned()))
        } else {
            Ok(self.task_of(index))
        };
        self.tell(SupervisorInput::AttemptPrepared { of, result });
    }

    /// What an attempt is for a core.
    pub(crate) fn task_of(&self, index: usize) -> AttemptTask {
        let step = self.attempts[index].step;
        AttemptTask {
            job_id: job_id(index),
            timeout: self.plan.step(step).timeout.unwrap_or(ms(600_000)),
            patience: ms(self.plan.grace_of(step) + self.plan.drain + STOP_MARGIN),
            worker: roboppi_ipc::WorkerKind::CUSTOM,
            beyond_protocol_1: None,
            path_not_utf8: None,
            agent_key: None,
            other_core: String::new(),
        }
    }

    pub(crate) fn handed_over(&mut self, of: &AttemptRef, job: &JobId, incarnation: u32) {
        let Some(index) = self.supervisor.active.get(of).copied() else { return };
        let core = incarnation as usize - 1;
        let first = self.attempts[index].core.replace(core).is_none();
        let fine = first && *job == job_id(index) && core + 1 == self.cores.len();
        self.must(fine, Promise::ExactlyOnce, || format!("{of} is handed over as {job} to core {core}"));
    }

    /// Orders of attempts as their machines have them: they only get worse, and from then on their end is owed.
    pub(crate) fn check_orders(&mut self) {
        let machine = &self.supervisor.machine;
        let orders: Vec<_> = machine
            .attempts()
            .filter_map(|of| Some((of.clone(), machine.attempt_machine(of)?.order()?)))
            .collect();
        for (of, order) in orders {
            let Some(index) = self.supervisor.active.get(&of).copied() else { continue };
            let before = self.attempts[index].order;
            if before == Some(order) {
                continue;
            }
            self.attempts[index].order = Some(order);
            // Its own time is no order of the run.
            if self.supervisor.timed != Some(index) {
                self.supervisor.book.step(self.attempts[index].step).asked = Some(order);
            }
            self.must(is_worse(order, before), Promise::OnlyMoreSevere, || {
                format!("{of} is asked to end for {order:?}, after {before:?}")
            });
            self.attempt_owes(index, Owed::End, self.attempt_limit(index), false);
        }
    }

    pub(crate) fn ask_core(&mut self, of: &AttemptRef, request: AttemptRequest) {
        let Some(index) = self.supervisor.active.get(of).copied() else { return };
        match request {
            AttemptRequest::SubmitAndAsk => {
                let job = self.plan.job(&job_id(index), self.attempts[index].step);
                self.request(index, Asking::Other, |request_id| {
                    Message::SubmitJob(SubmitJob { request_id, job })
                });
                self.ask_for_permit(index, Asking::First);
            }
            AttemptRequest::AskPermit => self.ask_for_permit(index, Asking::Permit),
            AttemptRequest::Cancel(cancel) => {
                self.attempts[index].cancels += 1;
                let forgets = self.bug == Some(Bug::ReasonForgotten) && self.attempts[index].cancels > 1;
                let reason = if forgets { roboppi_ipc::CancelReason::User } else { cancel.reason };
                if self.bug != Some(Bug::OrderForgotten) {
                    self.request_cancel(index, Asking::Cancel, Cancel { reason, ..cancel });
                }
            }
            AttemptRequest::Abandon(cancel) => {
                self.attempts[index].cancels += 1;
                self.request_cancel(index, Asking::Other, cancel);
            }
            AttemptRequest::Submit => {
                self.broken(Promise::Truth, || format!("{of} takes its core for an old one"));
            }
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
        let (job_id, reason) = (job_id(index), reason.name().to_owned());
        self.request(index, asking, |request_id| {
            Message::CancelJob(CancelJob { request_id, job_id, reason, force })
        });
    }

    /// An answer has come.
    pub(crate) fn answered(&mut self, index: usize, asking: Asking, message: &Message) {
        let permit = || match message {
            Message::PermitRejected(rejected) => PermitAnswer::of_rejection(rejected.rejection.clone()),
            _ => PermitAnswer::Granted,
        };
        let input = match asking {
            Asking::First => AttemptInput::SubmittedAndAsked(Ok(()), permit()),
            Asking::Permit => AttemptInput::Permit(permit()),
            Asking::Cancel => AttemptInput::CancelAnswered,
            Asking::Other => return,
        };
        if self.attempts[index].end.is_none() {
            let denied = matches!(
                input,
                AttemptInput::SubmittedAndAsked(_, PermitAnswer::Denied(_))
                    | AttemptInput::Permit(PermitAnswer::Denied(_))
            );
            self.attempts[index].refused |= denied;
            if denied {
                self.saw(Seen::PermitRefusedByEndingCore);
            } else if asking == Asking::Cancel && !self.attempt_runs(index) {
                self.saw(Seen::WithdrawnWithoutPermit);
            }
        }
        let of = self.attempts[index].of.clone();
        self.tell(SupervisorInput::Attempt { of, input });
    }

    /// Whether its core has let its worker run, as the supervisor knows.
    fn attempt_runs(&self, index: usize) -> bool {
        let machine = self.supervisor.machine.attempt_machine(&self.attempts[index].of);
        machine.is_some_and(AttemptMachine::runs)
    }

    pub(crate) fn set_attempt_timer(&mut self, index: usize, epoch: AttemptEpoch, wait: u64) {
        self.attempts[index].timer = Some((epoch, self.supervisor.clock(self.now).saturating_add(wait)));
        self.in_ms(wait, Event::AttemptTimer(index, epoch));
    }

    pub(crate) fn attempt_timer(&mut self, index: usize, epoch: AttemptEpoch) {
        if self.supervisor.is_over() {
            return;
        }
        self.all_link_news();
        let attempt = &self.attempts[index];
        if let Some((_, due)) = attempt.timer.filter(|(set, _)| *set == epoch) {
            // Time in which nobody could hear anything does not count.
            let left = due.saturating_sub(self.supervisor.clock(self.now));
            if left > 0 && self.bug != Some(Bug::DeafPatience) {
                return self.in_ms(left, Event::AttemptTimer(index, epoch));
            }
            // A core that does not even answer is one that does not say how its workers ended.
            let before = self.supervisor.machine.attempt_machine(&attempt.of);
            let before = before.is_none_or(|machine| machine.waits_for_permit() || machine.awaits_core());
            let to_end = attempt.order.is_some() || attempt.cancels > 0;
            self.attempts[index].impatient |= !before && to_end;
        }
        let of = self.attempts[index].of.clone();
        self.supervisor.timed = Some(index);
        self.tell(SupervisorInput::Timer(SupervisorTimer::Attempt(of, epoch)));
        self.supervisor.timed = None;
    }

    /// The supervisor is about to hear how a job ended.
    pub(crate) fn check_completion(&mut self, index: usize, completed: &JobCompleted) {
        let attempt = &mut self.attempts[index];
        if attempt.end.is_some() {
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
        self.must(agree, Promise::Truth, || format!("j{index}: the outcome is not that of the result"));
    }

    /// An attempt is over, as far as the supervisor knows.
    pub(crate) fn attempt_over(&mut self, of: &AttemptRef, end: &AttemptEnd) {
        let Some(index) = self.supervisor.active.remove(of) else {
            return self.broken(Promise::ExactlyOnce, || format!("{of} is over and was not under way"));
        };
        let now = self.now;
        let attempt = &mut self.attempts[index];
        attempt.ended_at = now;
        let again = attempt.end.replace(end.clone()).is_some();
        let (core, worker) = (attempt.core, attempt.worker);
        self.must(!again, Promise::ExactlyOnce, || format!("attempt {index} ends again"));
        self.note(|| format!("attempt {index} is over: {end:?}"));
        match end {
            AttemptEnd::Cancelled { .. } if core.is_none() => self.saw(Seen::CancelledBeforeCore),
            AttemptEnd::Lost { .. } if core.is_some() && worker.is_none() => {
                self.saw(Seen::LostWhileStarting);
            }
            _ => {}
        }
        self.check_attempt(index, end);
    }

    pub(crate) fn pause_all(&mut self, pause: bool) {
        if self.supervisor.is_over() {
            return;
        }
        let jobs: Vec<_> = self.supervisor.machine.pausable_jobs().map(|(_, job)| job.clone()).collect();
        for job_id in jobs {
            let Some(index) = crate::core::attempt_of(&job_id) else { continue };
            self.request(index, Asking::Other, |request_id| {
                let request = JobRequest { request_id, job_id };
                if pause { Message::PauseJob(request) } else { Message::ResumeJob(request) }
            });
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

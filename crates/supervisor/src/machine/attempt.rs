//! Decides the life of one attempt, as its supervisor sees it.
//!
//! ```text
//!  Preparing ──────────────────┐
//!       │ Prepared             │ Prepared, after an Order or with an error
//!       │                      ▼
//!       │                    Over
//!       ▼          Core            refused for now          PermitFreed, timer
//!  AwaitingCore ─────────► Asking ────────────────► Waiting ─────────────► Asking
//!       │                    │ granted                 │ Order
//!       │ Order,             ▼                         ▼
//!       │ NoCore,         Working ──┐             Withdrawing
//!       │ Unfit              │ Order│, time over       │ CancelAnswered
//!       │                    ▼      │ Completed        │
//!       │                 Ending ───┤                  │
//!       ▼                           ▼                  ▼
//!     Over ◄────────────────────── Over ◄──────────── Over
//! ```
//!
//! * What places the inputs is told to stop by an order, and waited for: it may have placed some of them.
//! * A worker that may run is never given up before the core says how it ended, the core is gone, or the core is silent for
//!   longer than the end of a worker may take. So an order that comes while the core is asked for a permit waits for the
//!   answer.
//! * An order only gets worse: a milder one that comes later changes nothing ([`CancelReason`] is ordered).
//! * A core that is gone ends the attempt in every state but the first two.
//! * One timer exists at a time. It carries the epoch of the state that set it; a later state ignores it.
//! * [`AttemptEffect::Finish`] comes exactly once, and nothing comes after it.

#[cfg(test)]
mod tables;

use std::time::Duration;

use roboppi_ipc::{
    Cancel, CancelReason, Dialect, ErrorClass, JobCompleted, JobOutcome, PermitRejection, WorkerStatus,
};

/// How long things of an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Time of a worker, from its permit, after which it is ended from here. A core of protocol 2 sees to it itself,
    /// and is only mistrusted.
    pub time: Duration,
    /// Time in which the core has to say how a worker ended that it was told to end.
    pub patience: Duration,
}

/// The state that set a timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttemptEpoch(u32);

/// What the machine is told.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptInput {
    /// Its inputs are where it works; or it cannot run.
    Prepared(Result<(), AttemptStop>),
    /// There is a core, and it cannot run this attempt.
    Unfit(AttemptStop),
    /// There is a core. To be told with how long the attempt may take with it.
    Core(Dialect, AttemptLimits),
    /// There will be none, and why.
    NoCore(String),
    /// The core answered the submission; of protocol 1, which is asked for a permit after that.
    Submitted(Result<(), AttemptStop>),
    /// The core answered the submission and the request for a permit.
    SubmittedAndAsked(Result<(), AttemptStop>, PermitAnswer),
    /// The core answered another request for a permit.
    Permit(PermitAnswer),
    /// Others gave permits back.
    PermitFreed,
    /// The time of the timer that was set last is over.
    Timer(AttemptEpoch),
    /// The attempt is to end.
    Order(Cancel),
    /// A request to end the job has been answered, whatever was said.
    CancelAnswered,
    /// The core says how the worker ended.
    Completed(Box<JobCompleted>),
    /// The core is gone with all it started, and why.
    CoreGone(String),
}

/// What came of asking for a permit.
#[derive(Clone, Debug, PartialEq)]
pub enum PermitAnswer {
    /// The worker may run, and does.
    Granted,
    /// Not now.
    Refused(String),
    /// Not now and not later.
    Denied(String),
    /// It could not be asked.
    Failed(AttemptStop),
}

impl PermitAnswer {
    /// What a rejection of a core means.
    #[must_use]
    pub fn of_rejection(rejection: PermitRejection) -> Self {
        let detail = rejection.detail.unwrap_or_else(|| rejection.reason.to_string());
        if rejection.reason.is_final() { Self::Denied(detail) } else { Self::Refused(detail) }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptEffect {
    /// Stop preparing it, then [`AttemptInput::Prepared`].
    StopPreparing,
    /// Submit the job, then [`AttemptInput::Submitted`].
    Submit,
    /// Submit the job and ask for its permit at once, then [`AttemptInput::SubmittedAndAsked`].
    SubmitAndAsk,
    /// Ask for the permit, then [`AttemptInput::Permit`].
    AskPermit,
    /// Report that the attempt waits for a permit, and what for.
    ReportWaiting(String),
    /// Report that its worker runs: a core of protocol 1 does not.
    ReportGranted,
    /// Ask the core to end the job, then [`AttemptInput::CancelAnswered`].
    Cancel(Cancel),
    /// Tell the core to end the job for which nobody waits any more.
    Abandon,
    /// Set the timer, instead of the one before.
    SetTimer(AttemptEpoch, Duration),
    /// The same, for the next request for a permit; the number is how often it was refused, see [`longest_permit_wait`].
    SetRetryTimer(AttemptEpoch, u32),
    /// It is over.
    Finish(AttemptFinish),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptFinish {
    /// As the core says.
    Completed(Box<JobCompleted>),
    /// Without a word of the core about it.
    Stopped(AttemptStop),
}

/// Why an attempt stopped before the core could say how its worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptStop {
    /// It cannot run.
    Failed(Option<ErrorClass>, String),
    /// It was asked to end before it had a worker.
    Cancelled(CancelReason),
    /// The core is gone, or as good as that.
    Lost(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its inputs are being placed.
    Preparing,
    AwaitingCore,
    /// An answer about submission or permit is on its way; the number is how often it was refused.
    Asking(u32),
    Waiting(u32),
    /// It was asked to end while it waited for a permit, and the core has not answered yet.
    Withdrawing(CancelReason),
    Working,
    Ending,
    Over,
}

/// The life of one attempt.
#[derive(Debug)]
pub struct AttemptMachine {
    state: State,
    dialect: Dialect,
    limits: AttemptLimits,
    order: Option<Cancel>,
    /// It took too long.
    overdue: bool,
    epoch: AttemptEpoch,
}

impl Default for AttemptMachine {
    fn default() -> Self {
        Self {
            state: State::Preparing,
            dialect: Dialect::V2,
            limits: AttemptLimits { time: Duration::MAX, patience: Duration::MAX },
            order: None,
            overdue: false,
            epoch: AttemptEpoch::default(),
        }
    }
}

impl AttemptMachine {
    /// Whether it is prepared and has not been handed to a core yet.
    #[must_use]
    pub fn awaits_core(&self) -> bool {
        self.state == State::AwaitingCore
    }

    /// The order to end it, as severe as it has become.
    #[must_use]
    pub const fn order(&self) -> Option<Cancel> {
        self.order
    }

    /// Whether no core knows of it.
    fn is_before_core(&self) -> bool {
        matches!(self.state, State::Preparing | State::AwaitingCore)
    }

    /// Whether [`AttemptInput::PermitFreed`] means anything now.
    #[must_use]
    pub const fn waits_for_permit(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Whether the core has let its worker run.
    #[must_use]
    pub const fn runs(&self) -> bool {
        matches!(self.state, State::Working | State::Ending)
    }

    /// Takes one input in.
    pub fn handle(&mut self, input: AttemptInput, out: &mut Vec<AttemptEffect>) {
        if self.state == State::Over {
            return;
        }
        match input {
            AttemptInput::Order(cancel) => self.ordered(cancel, out),
            AttemptInput::Completed(completed) => self.completed(completed, out),
            AttemptInput::CoreGone(detail) => {
                if !self.is_before_core() {
                    self.stop(AttemptStop::Lost(detail), out);
                }
            }
            AttemptInput::Timer(epoch) => {
                if epoch == self.epoch {
                    self.time_over(out);
                }
            }
            input => self.answered(input, out),
        }
    }

    fn answered(&mut self, input: AttemptInput, out: &mut Vec<AttemptEffect>) {
        match (self.state, input) {
            (State::Preparing, AttemptInput::Prepared(result)) => match (self.order, result) {
                (Some(order), _) => self.stop(AttemptStop::Cancelled(order.reason), out),
                (None, Err(stop)) => self.stop(stop, out),
                (None, Ok(())) => self.state = State::AwaitingCore,
            },
            (State::AwaitingCore, AttemptInput::Unfit(stop)) => self.stop(stop, out),
            (State::AwaitingCore, AttemptInput::Core(dialect, limits)) => {
                (self.dialect, self.limits) = (dialect, limits);
                self.state = State::Asking(0);
                out.push(match dialect {
                    Dialect::V1 => AttemptEffect::Submit,
                    Dialect::V2 => AttemptEffect::SubmitAndAsk,
                });
            }
            (State::AwaitingCore, AttemptInput::NoCore(detail)) => self.stop(AttemptStop::Lost(detail), out),
            (State::Asking(refusals), AttemptInput::Submitted(Ok(()))) => self.ask(refusals, out),
            (State::Asking(_), AttemptInput::Submitted(Err(stop))) => self.stop(stop, out),
            // A permit is a permit: its worker runs, whatever was said of the submission.
            (
                State::Asking(refusals),
                AttemptInput::SubmittedAndAsked(Ok(()), answer)
                | AttemptInput::SubmittedAndAsked(Err(_), answer @ PermitAnswer::Granted)
                | AttemptInput::Permit(answer),
            ) => {
                self.permit(refusals, answer, out);
            }
            (State::Asking(_), AttemptInput::SubmittedAndAsked(Err(stop), answer)) => {
                abandon_unless_asked(&answer, out);
                self.stop(stop, out);
            }
            (State::Waiting(refusals), AttemptInput::PermitFreed) => self.ask(refusals, out),
            (State::Withdrawing(reason), AttemptInput::CancelAnswered) => {
                self.stop(AttemptStop::Cancelled(reason), out);
            }
            (State::Ending, AttemptInput::CancelAnswered) => self.be_patient(out),
            _ => {}
        }
    }

    fn permit(&mut self, refusals: u32, answer: PermitAnswer, out: &mut Vec<AttemptEffect>) {
        abandon_unless_asked(&answer, out);
        match answer {
            PermitAnswer::Granted => {
                if self.dialect == Dialect::V1 {
                    out.push(AttemptEffect::ReportGranted);
                }
                self.state = State::Working;
                let epoch = self.next_epoch();
                match self.order {
                    Some(cancel) => self.end(cancel, out),
                    None => out.push(AttemptEffect::SetTimer(epoch, self.limits.time)),
                }
            }
            PermitAnswer::Refused(detail) => {
                if refusals == 0 {
                    out.push(AttemptEffect::ReportWaiting(detail));
                }
                let refusals = refusals.saturating_add(1);
                match self.order {
                    Some(cancel) => self.withdraw(cancel.reason, out),
                    None => {
                        self.state = State::Waiting(refusals);
                        let epoch = self.next_epoch();
                        out.push(AttemptEffect::SetRetryTimer(epoch, refusals));
                    }
                }
            }
            PermitAnswer::Denied(detail) => {
                let detail = format!("the core gives no permit: {detail}");
                self.stop(AttemptStop::Failed(Some(ErrorClass::NonRetryable), detail), out);
            }
            PermitAnswer::Failed(stop) => self.stop(stop, out),
        }
    }

    fn ask(&mut self, refusals: u32, out: &mut Vec<AttemptEffect>) {
        self.state = State::Asking(refusals);
        out.push(AttemptEffect::AskPermit);
        self.next_epoch();
        if self.order.is_some() {
            self.be_patient(out);
        }
    }

    fn ordered(&mut self, cancel: Cancel, out: &mut Vec<AttemptEffect>) {
        let before = self.order;
        let order = before.map_or(cancel, |before| before.escalate(cancel));
        self.order = Some(order);
        if self.order == before {
            return;
        }
        match self.state {
            State::Preparing if before.is_none() => out.push(AttemptEffect::StopPreparing),
            State::AwaitingCore => self.stop(AttemptStop::Cancelled(order.reason), out),
            // The answer decides; a core that gives none is not waited for longer than a worker would be.
            State::Asking(_) if before.is_none() => self.be_patient(out),
            State::Waiting(_) => self.withdraw(order.reason, out),
            State::Working | State::Ending => self.end(order, out),
            State::Preparing | State::Asking(_) | State::Withdrawing(_) | State::Over => {}
        }
    }

    fn withdraw(&mut self, reason: CancelReason, out: &mut Vec<AttemptEffect>) {
        self.state = State::Withdrawing(reason);
        out.push(AttemptEffect::Cancel(Cancel::graceful(reason)));
        self.be_patient(out);
    }

    fn end(&mut self, cancel: Cancel, out: &mut Vec<AttemptEffect>) {
        self.state = State::Ending;
        // A core of protocol 1 knows no force.
        let cancel = Cancel { force: cancel.force && self.dialect == Dialect::V2, ..cancel };
        // The time begins when the core has heard of it; the request itself has a limit of its own.
        self.next_epoch();
        out.push(AttemptEffect::Cancel(cancel));
    }

    fn time_over(&mut self, out: &mut Vec<AttemptEffect>) {
        match self.state {
            State::Waiting(refusals) => self.ask(refusals, out),
            State::Working => {
                self.overdue = true;
                let cancel = Cancel::graceful(CancelReason::Timeout);
                self.order = Some(cancel);
                self.end(cancel, out);
            }
            State::Asking(_) | State::Withdrawing(_) => {
                out.push(AttemptEffect::Abandon);
                let detail = "the core did not answer while the attempt was being ended";
                self.stop(AttemptStop::Lost(detail.to_owned()), out);
            }
            State::Ending => {
                let seconds = self.limits.patience.as_secs();
                let detail =
                    format!("the core did not report the end of the cancelled worker within {seconds} s");
                self.stop(AttemptStop::Lost(detail), out);
            }
            State::Preparing | State::AwaitingCore | State::Over => {}
        }
    }

    fn completed(&mut self, completed: Box<JobCompleted>, out: &mut Vec<AttemptEffect>) {
        if self.is_before_core() {
            return;
        }
        // Such a core knows no reasons.
        let completed = if self.overdue && self.dialect == Dialect::V1 {
            Box::new(out_of_time(*completed))
        } else {
            completed
        };
        self.state = State::Over;
        out.push(AttemptEffect::Finish(AttemptFinish::Completed(completed)));
    }

    fn be_patient(&mut self, out: &mut Vec<AttemptEffect>) {
        let epoch = self.next_epoch();
        out.push(AttemptEffect::SetTimer(epoch, self.limits.patience));
    }

    const fn next_epoch(&mut self) -> AttemptEpoch {
        self.epoch.0 = self.epoch.0.wrapping_add(1);
        self.epoch
    }

    fn stop(&mut self, stop: AttemptStop, out: &mut Vec<AttemptEffect>) {
        self.state = State::Over;
        out.push(AttemptEffect::Finish(AttemptFinish::Stopped(stop)));
    }
}

/// The end of a worker that was ended from here because its time was over.
fn out_of_time(mut completed: JobCompleted) -> JobCompleted {
    let mut result = completed.clone().into_result();
    result.status = WorkerStatus::Failed;
    result.error_class = Some(ErrorClass::RetryableTransient);
    let details = result.details.get_or_insert_default();
    details.cancel_reason = Some(CancelReason::Timeout);
    // What it reported while it was being ended is not why it ended.
    (details.error, details.error_kind) = (None, None);
    completed.outcome = JobOutcome::Failed;
    completed.result = Some(result);
    completed
}

/// Longest wait before a permit is asked for again: 100 ms, doubled with every refusal, at most 2 s.
#[must_use]
pub fn longest_permit_wait(refusals: u32) -> Duration {
    const FIRST: u64 = 100;
    const LONGEST: u64 = 2_000;
    let doubled = FIRST.checked_shl(refusals.saturating_sub(1)).unwrap_or(LONGEST);
    Duration::from_millis(doubled.clamp(1, LONGEST))
}

/// Should a permit be granted after all that could not be asked for, nobody waits for the worker any more.
fn abandon_unless_asked(answer: &PermitAnswer, out: &mut Vec<AttemptEffect>) {
    if matches!(answer, PermitAnswer::Failed(AttemptStop::Failed(..))) {
        out.push(AttemptEffect::Abandon);
    }
}

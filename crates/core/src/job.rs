//! Decides the life of one job.
//!
//! ```text
//!              RequestPermit, granted          WorkerStarted        Cancel, WorkerEnding
//!  Submitted ───────────────────────► Starting ─────────────► Running ────────────► Ending
//!      │                                 │                       │                     │
//!      │ Cancel                          └───────────────────────┴─────────────────────┤ WorkerEnded
//!      ▼                                                                               ▼
//!  forgotten ◄──────────────────────────────────────────────────────────────────── Completed
//! ```
//!
//! Promises: every request is answered once; a permit is followed by exactly one `job_completed`, after
//! which the permit is given back and the job forgotten; a job without a permit never completes.

use std::time::Duration;

use roboppi_ipc::{
    Ack, Cancel, CancelReason, Capability, ErrorClass, ErrorReply, Job, JobCancelled, JobCompleted, JobId,
    JobOutcome, Message, OutputMode, OverLimit, PermitGranted, PermitRejected, RequestId, ResultDetails,
    UtcMillis, WorkerResult, WorkerStatus, WorkerTask, error_code,
};

use crate::PermitGate;
use crate::permit::{Finished, Verdict, whole_millis};

/// What a job is told.
#[derive(Clone, Debug)]
pub enum JobInput {
    /// `submit_job`.
    Submit {
        /// Who waits.
        request: RequestId,
    },
    /// `request_permit`.
    RequestPermit {
        /// Who waits.
        request: RequestId,
        /// The job as it is to be executed.
        job: Box<Job>,
        /// As it was sent.
        attempt_index: f64,
    },
    /// `cancel_job`.
    Cancel {
        /// Who waits.
        request: RequestId,
        /// As it was sent.
        reason: String,
        /// Kill now.
        force: bool,
    },
    /// `pause_job`.
    Pause {
        /// Who waits.
        request: RequestId,
    },
    /// `resume_job`.
    Resume {
        /// Who waits.
        request: RequestId,
    },
    /// The worker is alive.
    WorkerStarted,
    /// The worker is on its way out.
    WorkerEnding,
    /// The worker has ended, or could not be started, and its last byte is recorded.
    WorkerEnded(Box<WorkerOutcome>),
    /// The core ends.
    CoreStops(Cancel),
}

/// What a job asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum JobEffect {
    /// Send this answer.
    Answer(Box<Message>),
    /// Start a worker.
    Start {
        /// What it is to do.
        task: Box<WorkerTask>,
        /// How long the permit lasts, from now.
        lifetime: Duration,
    },
    /// Tell the worker.
    Control(WorkerControl),
    /// Say that it has ended, after everything else about this job.
    Complete(Box<Completion>),
    /// Say that it has no worker, and why.
    Refused(String),
    /// Forget the job. Nothing comes after it.
    Forget,
}

/// What a running worker can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerControl {
    /// End.
    Cancel(Cancel),
    /// Stop.
    Pause,
    /// Go on.
    Resume,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerOutcome {
    /// The result; of a worker that was never started it says why in its details.
    pub result: WorkerResult,
    /// Whether there was a process.
    pub started: bool,
}

impl WorkerOutcome {
    /// The outcome of a worker without a report of its process: it could not be started, it was `cancelled` before, or it
    /// was lost. `problem` says what happened.
    #[must_use]
    pub fn without_report(problem: String, cancelled: Option<CancelReason>, started: bool) -> Self {
        let (status, class) = match cancelled {
            None => (WorkerStatus::Failed, ErrorClass::NonRetryable),
            Some(CancelReason::Timeout) => (WorkerStatus::Failed, ErrorClass::RetryableTransient),
            Some(_) => (WorkerStatus::Cancelled, ErrorClass::RetryableTransient),
        };
        let details = ResultDetails::default().with_cancel_reason(cancelled).with_error(Some(problem));
        let result = WorkerResult::of_status(status).with_error_class(Some(class)).with_details(details);
        Self { result, started }
    }
}

/// The end of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The message.
    pub message: JobCompleted,
    /// Whether there was a process: protocol 1 is given a result only then.
    pub started: bool,
}

/// The life of one job. Does no I/O and reads no clock.
#[derive(Debug)]
pub struct JobMachine {
    id: JobId,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Submitted,
    Starting,
    Running,
    Ending,
    Completed,
}

impl JobMachine {
    /// A job that has become known.
    #[must_use]
    pub const fn new(id: JobId) -> Self {
        Self { id, state: State::Submitted }
    }

    /// Whether it has a permit.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Starting | State::Running | State::Ending)
    }

    /// Takes one input and adds what follows from it to `out`. `now` is for the permit's deadline.
    pub fn handle(
        &mut self,
        now: UtcMillis,
        gate: &mut PermitGate,
        input: JobInput,
        out: &mut Vec<JobEffect>,
    ) {
        match input {
            JobInput::Submit { request } => {
                let job_id = self.id.clone();
                out.push(answer(Message::Ack(Ack { request_id: request, job_id })));
            }
            JobInput::RequestPermit { request, job, attempt_index } => {
                self.request_permit(now, gate, request, &job, attempt_index, out);
            }
            JobInput::Cancel { request, reason, force } => self.cancel(gate, request, reason, force, out),
            JobInput::Pause { request } => self.control(request, WorkerControl::Pause, out),
            JobInput::Resume { request } => self.control(request, WorkerControl::Resume, out),
            JobInput::WorkerStarted => {
                if self.state == State::Starting {
                    gate.started(&self.id);
                    self.state = State::Running;
                }
            }
            JobInput::WorkerEnding => {
                if self.is_active() {
                    self.ends(gate);
                }
            }
            JobInput::WorkerEnded(outcome) => {
                if self.is_active() {
                    self.complete(gate, completion(self.id.clone(), *outcome), out);
                }
            }
            JobInput::CoreStops(cancel) => self.end(gate, cancel, out),
        }
    }

    fn request_permit(
        &mut self,
        now: UtcMillis,
        gate: &mut PermitGate,
        request: RequestId,
        job: &Job,
        attempt_index: f64,
        out: &mut Vec<JobEffect>,
    ) {
        match gate.ask(now, job, attempt_index) {
            Err(rejection) => {
                let rejected = PermitRejected { request_id: request, rejection };
                out.push(answer(Message::PermitRejected(rejected)));
            }
            Ok(permit) => {
                let granted = PermitGranted { request_id: request, permit };
                out.push(answer(Message::PermitGranted(granted)));
                // The permit was answered already, so what cannot be executed completes at once.
                match executable(job) {
                    Ok(task) => {
                        self.state = State::Starting;
                        let lifetime = Duration::from_millis(whole_millis(job.limits.timeout_ms));
                        out.push(JobEffect::Start { task: Box::new(task), lifetime });
                    }
                    Err(problem) => {
                        out.push(JobEffect::Refused(format!("it cannot be executed: {problem}")));
                        self.complete(gate, refused(self.id.clone()), out);
                    }
                }
            }
        }
    }

    fn cancel(
        &mut self,
        gate: &mut PermitGate,
        request: RequestId,
        reason: String,
        force: bool,
        out: &mut Vec<JobEffect>,
    ) {
        let cancel = Cancel { reason: CancelReason::from_wire(&reason), force };
        let (job_id, request_id) = (self.id.clone(), Some(request));
        out.push(answer(Message::JobCancelled(JobCancelled { job_id, reason, request_id })));
        self.end(gate, cancel, out);
    }

    fn end(&mut self, gate: &mut PermitGate, cancel: Cancel, out: &mut Vec<JobEffect>) {
        match self.state {
            State::Submitted => self.forget(out),
            State::Starting | State::Running | State::Ending => {
                self.ends(gate);
                out.push(JobEffect::Control(WorkerControl::Cancel(cancel)));
            }
            State::Completed => {}
        }
    }

    fn ends(&mut self, gate: &mut PermitGate) {
        self.state = State::Ending;
        gate.ending(&self.id);
    }

    fn control(&self, request: RequestId, control: WorkerControl, out: &mut Vec<JobEffect>) {
        let job_id = self.id.clone();
        if self.is_active() {
            out.push(JobEffect::Control(control));
            out.push(answer(Message::Ack(Ack { request_id: request, job_id })));
        } else {
            let message = format!("Job {job_id} is not running");
            out.push(answer(error_reply(error_code::JOB_NOT_FOUND, request, message)));
        }
    }

    fn complete(&mut self, gate: &mut PermitGate, completion: Completion, out: &mut Vec<JobEffect>) {
        gate.finish(&self.id, finished(&completion));
        self.state = State::Completed;
        out.push(JobEffect::Complete(Box::new(completion)));
        out.push(JobEffect::Forget);
    }

    fn forget(&mut self, out: &mut Vec<JobEffect>) {
        self.state = State::Completed;
        out.push(JobEffect::Forget);
    }
}

fn answer(message: Message) -> JobEffect {
    JobEffect::Answer(Box::new(message))
}

/// An answer that refuses a request.
pub(crate) fn error_reply(code: &str, request: RequestId, message: String) -> Message {
    Message::Error(ErrorReply { code: code.to_owned(), message, request_id: Some(request) })
}

fn executable(job: &Job) -> Result<WorkerTask, String> {
    if job.job_type != roboppi_ipc::JobType::WorkerTask {
        return Err("only jobs of type WORKER_TASK can be".to_owned());
    }
    let task = job.worker_task().map_err(|error| format!("its payload is not a worker task: {error}"))?;
    match not_known(&task) {
        Some(word) => Err(format!("this core does not know {word}")),
        None => Ok(task),
    }
}

/// A word in an order that this core does not know, and that nobody can follow who does not know it. Whether there is an
/// adapter for its kind of worker is seen when it is started.
fn not_known(task: &WorkerTask) -> Option<String> {
    let limits = task.roboppi.as_ref().and_then(|ours| ours.record.as_ref()?.limits);
    let capability = task.capabilities.iter().find_map(|capability| match capability {
        Capability::Unknown(word) => Some(format!("the capability `{word}`")),
        Capability::Read
        | Capability::Edit
        | Capability::RunTests
        | Capability::RunCommands
        | Capability::Mailbox
        | Capability::Tasks => None,
    });
    capability
        .or_else(|| match task.output_mode {
            OutputMode::Unknown(word) => Some(format!("the output mode `{word}`")),
            OutputMode::Stream | OutputMode::Batch => None,
        })
        .or_else(|| match limits?.over {
            OverLimit::Unknown(word) => Some(format!("`{word}` as what is done with a log that is too long")),
            OverLimit::Truncate | OverLimit::Warn | OverLimit::Kill => None,
        })
}

fn refused(job_id: JobId) -> Completion {
    let error_class = Some(ErrorClass::NonRetryable);
    let message = JobCompleted { job_id, outcome: JobOutcome::Failed, result: None, error_class };
    Completion { message, started: false }
}

fn completion(job_id: JobId, outcome: WorkerOutcome) -> Completion {
    let WorkerOutcome { result, started } = outcome;
    let message = JobCompleted {
        job_id,
        outcome: match result.status {
            WorkerStatus::Succeeded => JobOutcome::Succeeded,
            // Who has three words for it takes what is not known for the one that is not success.
            WorkerStatus::Failed | WorkerStatus::Unknown(_) => JobOutcome::Failed,
            WorkerStatus::Cancelled => JobOutcome::Cancelled,
        },
        error_class: result.error_class,
        result: Some(result),
    };
    Completion { message, started }
}

/// What the end of a job says to the gate.
fn finished(completion: &Completion) -> Finished {
    let Completion { message, started } = completion;
    let verdict = match (message.outcome, message.error_class) {
        // Who cancelled it said nothing about the worker.
        (JobOutcome::Cancelled | JobOutcome::Unknown(_), _) => Verdict::Unknown,
        (JobOutcome::Succeeded, _)
        | (_, Some(ErrorClass::NonRetryableLint | ErrorClass::NonRetryableTest)) => Verdict::Healthy,
        (
            JobOutcome::Failed,
            Some(
                ErrorClass::RetryableTransient
                | ErrorClass::RetryableRateLimit
                | ErrorClass::RetryableNetwork
                | ErrorClass::RetryableService
                | ErrorClass::Fatal,
            ),
        ) => Verdict::Sick,
        // It never had a worker although it was let in, or one that could not be started.
        (JobOutcome::Failed, _) if message.result.is_some() && !started => Verdict::Sick,
        (JobOutcome::Failed, _) => Verdict::Unknown,
    };
    let details = message.result.as_ref().and_then(|result| result.details.as_ref());
    Finished {
        ran: *started,
        verdict,
        cost: details.and_then(|details| details.usage.as_ref()?.cost_usd),
        timed_out: details.is_some_and(|details| details.cancel_reason == Some(CancelReason::Timeout)),
    }
}

#[cfg(test)]
mod tests;

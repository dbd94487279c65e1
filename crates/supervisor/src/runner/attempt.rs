//! One attempt: from its inputs to its result.

use std::collections::BTreeMap;
use std::time::Duration;

use roboppi_ipc::io::{Peer, RequestError};
use roboppi_ipc::{
    CancelJob, CancelReason, Cost, Dialect, ErrorClass, Job, JobCompleted, JobContext, JobId, JobLimits,
    JobOptions, JobOutcome, JobType, Message, Observation, OutputMode, Priority, PriorityClass, RecordTarget,
    RequestId, RequestPermit, ResultDetails, SubmitJob, TaskBudget, UtcMillis, VariablePolicy, WorkerKind,
    WorkerResult, WorkerStatus, WorkerTask,
};
use roboppi_run::{AttemptPhase, AttemptRef, RunEvent};
use roboppi_workflow::{AttemptEnd, Step};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use uuid::Uuid;

use super::metadata::DEFAULT_STEP_TIMEOUT_MS;
use super::shared::CoreInUse;
use super::{CancelOrder, STOP_MARGIN, Shared};
use crate::clock;
use crate::prepare::{millis, text};

/// What became of an attempt.
#[derive(Debug)]
pub(super) struct AttemptDone {
    pub(super) end: AttemptEnd,
    pub(super) result: WorkerResult,
    /// It was handed to the core, so the journal has its start.
    pub(super) started: bool,
}

/// Why an attempt stopped before the core could say how its worker ended.
enum Stop {
    /// It cannot run.
    Failed(Option<ErrorClass>, String),
    /// It was asked to end before it had a worker.
    Cancelled(CancelReason),
    /// The core is gone.
    Lost(String),
}

/// Runs one attempt to its end. Ends early, but never before its worker, when `orders` says so.
pub(super) async fn run(
    shared: &Shared,
    of: &AttemptRef,
    mut orders: watch::Receiver<CancelOrder>,
) -> AttemptDone {
    {
        let mut facts = shared.facts.borrow_mut();
        let facts = facts.entry(of.step.clone()).or_default();
        facts.attempts = facts.attempts.max(of.attempt);
        facts.started_at.get_or_insert_with(clock::now);
    }
    let inputs = match shared.place_inputs(of).await {
        Ok(inputs) => inputs,
        Err(detail) => return stopped(Stop::Failed(Some(ErrorClass::NonRetryable), detail), false),
    };
    let CoreInUse { dialect, peer, incarnation } = tokio::select! {
        core = shared.core() => match core {
            Ok(core) => core,
            Err(detail) => return stopped(Stop::Lost(detail), false),
        },
        reason = ordered(&mut orders) => return stopped(Stop::Cancelled(reason), false),
    };
    let Some(step) = shared.settings.workflow.workflow.steps.get(&of.step) else {
        return stopped(
            Stop::Failed(Some(ErrorClass::Fatal), "the step is not in the workflow".to_owned()),
            false,
        );
    };
    let job_id = JobId::new(Uuid::new_v4().to_string());
    let completed = shared.expect_job(&job_id, of, dialect);
    shared.recorder().event(RunEvent::AttemptStarted {
        of: of.clone(),
        job_id: job_id.clone(),
        base: of.base(),
        fingerprint: Some(Box::new(shared.fingerprint(of, inputs))),
    });
    let attempt = Attempt { shared, of, step, job_id, dialect, peer, incarnation };
    let done = match attempt.start(&mut orders).await {
        Ok(()) => attempt.completion(completed, &mut orders).await,
        Err(stop) => Err(stop),
    };
    attempt.shared.forget_job(&attempt.job_id);
    match done {
        Ok(completed) => of_completion(completed),
        Err(stop) => stopped(stop, true),
    }
}

/// Waits for an order to end.
async fn ordered(orders: &mut watch::Receiver<CancelOrder>) -> CancelReason {
    match orders.wait_for(Option::is_some).await.map(|order| *order) {
        Ok(Some((reason, _))) => reason,
        // Nobody can order anything any more.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

struct Attempt<'a> {
    shared: &'a Shared,
    of: &'a AttemptRef,
    step: &'a Step,
    job_id: JobId,
    dialect: Dialect,
    peer: Peer,
    incarnation: u32,
}

impl Attempt<'_> {
    /// Submits the job and waits for its permit.
    async fn start(&self, orders: &mut watch::Receiver<CancelOrder>) -> Result<(), Stop> {
        if self.dialect == Dialect::V1
            && let Some(lacking) = self.beyond_protocol_1()
        {
            let detail = format!("this core {lacking}; leave out --core, or give one of protocol 2");
            return Err(Stop::Failed(Some(ErrorClass::NonRetryable), detail));
        }
        let submit = Message::SubmitJob(SubmitJob { request_id: request_id(), job: self.job()? });
        let mut refusals = 0_u32;
        let mut answer = match self.dialect {
            Dialect::V1 => {
                self.unless_deaf(orders, self.ask(submit)).await??;
                self.unless_deaf(orders, self.ask_permit()).await?
            }
            // Both at once: the core reads them in order.
            Dialect::V2 => {
                let both = async { tokio::join!(self.ask(submit), self.ask_permit()) };
                let (acknowledged, answer) = self.unless_deaf(orders, both).await?;
                // A permit is a permit: its worker runs, whatever was said of the submission.
                match (acknowledged, answer) {
                    (Err(stop), Err(_) | Ok(Message::PermitRejected(_))) => return Err(stop),
                    (_, answer) => answer,
                }
            }
        };
        loop {
            let Message::PermitRejected(rejected) = answer? else {
                if self.dialect == Dialect::V1 {
                    // Such a core starts the worker with the grant and does not say so.
                    self.shared.granted(self.of);
                }
                return Ok(());
            };
            let rejection = rejected.rejection;
            let detail = rejection.detail.unwrap_or_else(|| format!("{:?}", rejection.reason));
            if rejection.reason.is_final() {
                let detail = format!("the core gives no permit: {detail}");
                return Err(Stop::Failed(Some(ErrorClass::NonRetryable), detail));
            }
            if refusals == 0 {
                let phase = AttemptPhase::WaitingPermit { detail };
                self.shared.recorder().event(RunEvent::AttemptPhase { of: self.of.clone(), phase });
            }
            refusals += 1;
            // A job that ends may free a permit; the wait is for permits others hold.
            tokio::select! {
                () = self.shared.permit_freed.notified() => {}
                () = sleep(permit_wait(refusals)) => {}
                _ = orders.changed() => {}
            }
            let ordered = *orders.borrow_and_update();
            if let Some((reason, _)) = ordered {
                return match self.unless_deaf(orders, self.ask(self.cancel_job(reason, false))).await? {
                    Err(Stop::Lost(detail)) => Err(Stop::Lost(detail)),
                    Ok(_) | Err(_) => Err(Stop::Cancelled(reason)),
                };
            }
            answer = self.unless_deaf(orders, self.ask_permit()).await?;
        }
    }

    /// What the step asks for that a core of protocol 1 would not do, and not say so.
    fn beyond_protocol_1(&self) -> Option<&'static str> {
        if self.step.worker == WorkerKind::Gemini {
            Some("does not know GEMINI workers")
        } else if self.shared.settings.workflow.workflow.environment != VariablePolicy::default() {
            Some("cannot keep variables from workers, as `environment` says")
        } else {
            None
        }
    }

    /// Waits for answers of the core, but once the attempt is to end not longer than a worker would be waited for.
    async fn unless_deaf<T>(
        &self,
        orders: &watch::Receiver<CancelOrder>,
        answers: impl Future<Output = T>,
    ) -> Result<T, Stop> {
        let mut orders = orders.clone();
        let deaf = async {
            ordered(&mut orders).await;
            self.shared.clock.wait(self.patience()).await;
        };
        tokio::select! {
            biased;
            answers = answers => Ok(answers),
            () = deaf => {
                self.peer.send(self.cancel_job(CancelReason::Parent, false)).await;
                Err(Stop::Lost("the core did not answer while the attempt was being ended".to_owned()))
            }
        }
    }

    async fn ask_permit(&self) -> Result<Message, Stop> {
        let ask = RequestPermit { request_id: request_id(), job: self.job()?, attempt_index: 0.0 };
        let answer = self.ask(Message::RequestPermit(ask)).await;
        if let Err(Stop::Failed(..)) = answer {
            // Should it be granted after all, nobody waits for the worker any more.
            self.peer.send(self.cancel_job(CancelReason::Parent, false)).await;
        }
        answer
    }

    /// Waits until the core says how the worker ended, and passes orders to end on.
    async fn completion(
        &self,
        mut completed: oneshot::Receiver<JobCompleted>,
        orders: &mut watch::Receiver<CancelOrder>,
    ) -> Result<JobCompleted, Stop> {
        let mut limit = std::pin::pin!(self.shared.clock.wait(self.limit()));
        let mut overdue = false;
        loop {
            let ordered = *orders.borrow_and_update();
            let ordered = ordered.or(overdue.then_some((CancelReason::Timeout, false)));
            let patience = match ordered {
                None => None,
                Some((reason, force)) => {
                    // Whatever becomes of the request: the completion, or the loss of the core, is what counts.
                    let _ = self.peer.request(self.cancel_job(reason, force)).await;
                    Some(self.patience())
                }
            };
            tokio::select! {
                biased;
                completed = &mut completed => match completed {
                    // Such a core knows no reasons.
                    Ok(_) if overdue && self.dialect == Dialect::V1 => {
                        return Err(Stop::Cancelled(CancelReason::Timeout));
                    }
                    Ok(completed) => return Ok(completed),
                    Err(_) => return Err(self.core_gone().await),
                },
                Ok(()) = orders.changed() => {}
                () = &mut limit, if ordered.is_none() => overdue = true,
                () = self.shared.clock.wait(patience.unwrap_or_default()), if patience.is_some() => {
                    return Err(Stop::Lost(format!(
                        "the core did not say within {} s how the cancelled worker ended",
                        patience.unwrap_or_default().as_secs()
                    )));
                }
            }
        }
    }

    fn cancel_job(&self, reason: CancelReason, force: bool) -> Message {
        Message::CancelJob(CancelJob {
            request_id: request_id(),
            job_id: self.job_id.clone(),
            reason: reason.name().to_owned(),
            force: force && self.dialect == Dialect::V2,
        })
    }

    /// Asks the core; an `error` for an answer ends the attempt.
    async fn ask(&self, message: Message) -> Result<Message, Stop> {
        let request_id = message.request_id().map(ToString::to_string).unwrap_or_default();
        match self.peer.request(message).await {
            Ok(Message::Error(error)) => {
                let detail = format!("the core refuses: {} ({})", error.message, error.code);
                Err(Stop::Failed(Some(ErrorClass::NonRetryable), detail))
            }
            Ok(answer) => Ok(answer),
            Err(RequestError::Closed { .. }) => Err(self.core_gone().await),
            Err(RequestError::TimedOut { request, limit }) => {
                // In the words people search for.
                let detail = format!(
                    "Core IPC {request} timed out after {}ms (jobId={} requestId={request_id})",
                    limit.as_millis(),
                    self.job_id
                );
                Err(Stop::Failed(Some(ErrorClass::RetryableTransient), detail))
            }
            Err(error) => {
                Err(Stop::Failed(Some(ErrorClass::RetryableTransient), format!("the core: {error}")))
            }
        }
    }

    /// Waits until the core is known to be gone with all it started: the end of its wire alone says little.
    async fn core_gone(&self) -> Stop {
        Stop::Lost(self.shared.loss_of(self.incarnation).await)
    }

    /// How long the worker may run before it is ended from here. Our core sees to its time itself, and is only
    /// mistrusted.
    fn limit(&self) -> Duration {
        let timeout = self.step.timeout.unwrap_or(Duration::from_millis(DEFAULT_STEP_TIMEOUT_MS));
        match self.dialect {
            Dialect::V1 => timeout,
            Dialect::V2 => timeout.saturating_add(self.patience()),
        }
    }

    /// How long the end of a worker may take.
    fn patience(&self) -> Duration {
        self.grace() + self.shared.settings.drain + STOP_MARGIN
    }

    fn grace(&self) -> Duration {
        self.step.grace.unwrap_or(self.shared.settings.grace)
    }

    fn job(&self) -> Result<Job, Stop> {
        let timeout_ms = self.step.timeout.map_or(DEFAULT_STEP_TIMEOUT_MS, millis);
        let settings = &self.shared.settings;
        let (agent, environment) = (&self.step.agent, &settings.workflow.workflow.environment);
        let task = WorkerTask {
            worker_task_id: self.job_id.as_str().to_owned(),
            worker_kind: self.step.worker,
            workspace_ref: text(&self.shared.workspace_of(self.of)),
            instructions: self.step.instructions.clone(),
            default_args: agent.default_args.clone(),
            model: agent.model.clone(),
            variant: agent.variant.clone(),
            capabilities: self.step.capabilities.clone(),
            output_mode: OutputMode::Stream,
            budget: TaskBudget {
                deadline_at: UtcMillis(clock::now().0.saturating_add(timeout_ms)),
                max_steps: agent.max_steps.map(f64::from),
                #[expect(clippy::cast_precision_loss, reason = "the wire has numbers; 285 years are exact")]
                max_command_time_ms: agent.max_command_time.map(|time| millis(time) as f64),
            },
            env: self.environment(),
            roboppi: Some(JobOptions {
                record: Some(RecordTarget {
                    dir: text(self.shared.run_dir.path()),
                    base: self.of.base(),
                    limits: Some(settings.record_limits),
                }),
                stdio: Some(settings.stream_stdio),
                redact: self.shared.values_to_hide(),
                timeout_ms: Some(timeout_ms),
                environment: (*environment != VariablePolicy::default()).then(|| environment.clone()),
                resume: agent.resume.clone(),
                idle_ms: self.step.idle.map(millis),
                grace_ms: Some(millis(self.grace())),
                drain_ms: Some(millis(settings.drain)),
            }),
        };
        let payload = serde_json::to_value(task).map_err(|error| {
            Stop::Failed(Some(ErrorClass::Fatal), format!("the step cannot be put into a message: {error}"))
        })?;
        Ok(Job {
            job_id: self.job_id.clone(),
            job_type: JobType::WorkerTask,
            priority: Priority { value: 1.0, class: PriorityClass::Interactive },
            key: None,
            payload,
            limits: JobLimits {
                #[expect(clippy::cast_precision_loss, reason = "the wire has numbers; 285 years are exact")]
                timeout_ms: timeout_ms as f64,
                max_attempts: 1.0,
                cost_hint: None,
                retry_budget_ms: None,
            },
            context: JobContext {
                trace_id: self.shared.run_id.as_str().to_owned(),
                correlation_id: self.of.to_string(),
                user_id: None,
                session_id: None,
            },
        })
    }

    /// What a worker can know about where it is.
    fn environment(&self) -> BTreeMap<String, String> {
        let shared = self.shared;
        [
            ("ROBOPPI_RUN_ID", shared.run_id.as_str().to_owned()),
            ("ROBOPPI_STEP_ID", self.of.step.as_str().to_owned()),
            ("ROBOPPI_ATTEMPT", self.of.attempt.to_string()),
            ("ROBOPPI_CONTEXT_DIR", text(shared.context.path())),
            ("ROBOPPI_WORKSPACE", text(&shared.settings.workspace)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

fn request_id() -> RequestId {
    RequestId::new(Uuid::new_v4().to_string())
}

/// Wait before asking for a permit again: anything up to 100 ms, doubled with every refusal, at most 2 s,
/// so that many who were refused together do not ask together.
fn permit_wait(refusals: u32) -> Duration {
    const FIRST: u64 = 100;
    const LONGEST: u64 = 2_000;
    let longest = FIRST.checked_shl(refusals.saturating_sub(1)).unwrap_or(LONGEST).clamp(1, LONGEST);
    let random = u64::from_le_bytes(*Uuid::new_v4().as_bytes().first_chunk::<8>().unwrap_or(&[0; 8]));
    Duration::from_millis(random % (longest + 1))
}

fn of_completion(completed: JobCompleted) -> AttemptDone {
    let result = completed.result.unwrap_or_else(|| {
        let status = match completed.outcome {
            JobOutcome::Succeeded => WorkerStatus::Succeeded,
            JobOutcome::Failed => WorkerStatus::Failed,
            JobOutcome::Cancelled => WorkerStatus::Cancelled,
        };
        WorkerResult { error_class: completed.error_class, ..bare_result(status) }
    });
    AttemptDone { end: AttemptEnd::from(&result), result, started: true }
}

fn stopped(stop: Stop, started: bool) -> AttemptDone {
    let (status, error_class, reason, detail) = match &stop {
        Stop::Failed(class, detail) => (WorkerStatus::Failed, *class, None, detail.clone()),
        Stop::Cancelled(reason) => {
            let detail = format!("cancelled before its worker started ({})", reason.name());
            (WorkerStatus::Cancelled, Some(ErrorClass::RetryableTransient), Some(*reason), detail)
        }
        Stop::Lost(detail) => (
            WorkerStatus::Failed,
            Some(ErrorClass::RetryableTransient),
            Some(CancelReason::Lost),
            detail.clone(),
        ),
    };
    let details =
        ResultDetails { cancel_reason: reason, error: Some(detail.clone()), ..ResultDetails::default() };
    let result = WorkerResult {
        error_class,
        observations: vec![Observation::text(detail.clone())],
        details: Some(Box::new(details)),
        ..bare_result(status)
    };
    let end = match stop {
        Stop::Failed(class, detail) => AttemptEnd::Failed { class, detail },
        Stop::Cancelled(reason) => AttemptEnd::Cancelled { reason, detail },
        Stop::Lost(detail) => AttemptEnd::Lost { detail },
    };
    AttemptDone { end, result, started }
}

fn bare_result(status: WorkerStatus) -> WorkerResult {
    WorkerResult {
        status,
        artifacts: Vec::new(),
        observations: Vec::new(),
        cost: Cost::default(),
        duration_ms: 0,
        exit_code: None,
        error_class: None,
        details: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_a_permit_grows_and_is_bounded() {
        for refusals in 1..200 {
            let longest = 100_u64.saturating_mul(1 << u64::from(refusals.min(20) - 1)).min(2_000);
            assert!(permit_wait(refusals) <= Duration::from_millis(longest));
        }
    }

    #[test]
    fn a_completion_without_a_result_keeps_outcome_and_class() {
        let done = of_completion(JobCompleted {
            job_id: "j".into(),
            outcome: JobOutcome::Failed,
            result: None,
            error_class: Some(ErrorClass::NonRetryable),
        });
        assert!(matches!(done.end, AttemptEnd::Failed { class: Some(ErrorClass::NonRetryable), .. }));
    }
}

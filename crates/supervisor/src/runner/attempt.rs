//! One attempt: from its inputs to its result. What happens when is decided by the [`machine`]; here it is done.

mod done;
mod job;
pub mod machine;

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use roboppi_ipc::io::{Peer, RequestError};
use roboppi_ipc::{
    Cancel, CancelJob, CancelReason, Dialect, ErrorClass, JobCompleted, JobId, Message, RequestId,
    RequestPermit, SubmitJob,
};
use roboppi_run::{AttemptPhase, AttemptRef, Role, RunEvent, TakenInput};
use tokio::sync::{oneshot, watch};
use tracing::info;
use uuid::Uuid;

use self::job::AttemptJob;
use self::machine::{
    AttemptEffect, AttemptEpoch, AttemptFinish, AttemptInput, AttemptMachine, AttemptStop, PermitAnswer,
};
use super::RunContext;
use super::context::ActiveCore;
use super::facts::AttemptDone;
use crate::clock;

/// Runs one attempt to its end. Ends early, but never before its worker, when `orders` says so.
pub(super) async fn run(
    context: &RunContext,
    of: &AttemptRef,
    mut orders: watch::Receiver<Option<Cancel>>,
) -> AttemptDone {
    {
        let mut facts = context.facts.borrow_mut();
        let facts = facts.entry(of.step.clone()).or_default();
        facts.attempts = facts.attempts.max(of.attempt);
        if of.role != Role::Check {
            facts.last = Some(of.clone());
        }
        facts.started_at.get_or_insert_with(clock::now);
    }
    let stopped = |stop| AttemptDone::of(AttemptFinish::Stopped(stop), false);
    let inputs = match context.place_inputs(of, &mut orders).await {
        Ok(inputs) => inputs,
        Err(stop) => return stopped(stop),
    };
    let Some(node) = context.node(&of.step) else {
        let detail = "the step is not in the plan".to_owned();
        return stopped(AttemptStop::Failed(Some(ErrorClass::Fatal), detail));
    };
    let job =
        AttemptJob { context, of, node: &node, step: &node.step, id: JobId::new(Uuid::new_v4().to_string()) };
    let attempt =
        Attempt { job, core: None, completed: None, pending: FuturesUnordered::new(), timer: None, orders };
    attempt.drive(inputs).await
}

type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

/// What an attempt waits for.
struct Attempt<'a> {
    job: AttemptJob<'a>,
    /// The core it was handed to.
    core: Option<ActiveCore>,
    completed: Option<oneshot::Receiver<JobCompleted>>,
    /// Requests that the core has not answered. One that the core takes with it into its grave has no answer.
    pending: FuturesUnordered<Pending<Option<AttemptInput>>>,
    timer: Option<(AttemptEpoch, Pending<()>)>,
    orders: watch::Receiver<Option<Cancel>>,
}

/// What an attempt waited for.
enum Event {
    Input(AttemptInput),
    Core(ActiveCore),
    Nothing,
}

impl Attempt<'_> {
    async fn drive(mut self, inputs: Vec<TakenInput>) -> AttemptDone {
        let mut machine = AttemptMachine::default();
        let mut effects = Vec::new();
        let mut inputs = Some(inputs);
        let finish = loop {
            let input = match self.next(&machine).await {
                Event::Nothing => continue,
                Event::Input(input) => input,
                Event::Core(core) => {
                    let (dialect, takes_bytes) = (core.dialect, core.takes_bytes);
                    self.hand_to(core, inputs.take().unwrap_or_default());
                    if dialect == Dialect::V1
                        && let Some(lacking) = self.job.beyond_protocol_1()
                    {
                        let detail =
                            format!("this core {lacking}; leave out --core, or give one of protocol 2");
                        let stop = AttemptStop::Failed(Some(ErrorClass::NonRetryable), detail);
                        break AttemptFinish::Stopped(stop);
                    }
                    if !takes_bytes && let Some(path) = self.job.path_that_is_no_text() {
                        let detail = format!(
                            "this core takes no paths that are not UTF-8; rename {}, or leave out --core",
                            path.display()
                        );
                        let stop = AttemptStop::Failed(Some(ErrorClass::NonRetryable), detail);
                        break AttemptFinish::Stopped(stop);
                    }
                    AttemptInput::Core(dialect, self.job.limits(dialect))
                }
            };
            machine.handle(input, &mut effects);
            let mut finish = None;
            for effect in effects.drain(..) {
                match effect {
                    AttemptEffect::Finish(how) => finish = Some(how),
                    effect => self.perform(effect).await,
                }
            }
            if let Some(finish) = finish {
                break finish;
            }
        };
        if self.core.is_some() {
            self.job.context.forget_job(&self.job.id);
        }
        AttemptDone::of(finish, self.core.is_some())
    }

    /// Waits for the next thing to happen. What the core said before its end comes before that.
    async fn next(&mut self, machine: &AttemptMachine) -> Event {
        let context = self.job.context;
        let incarnation = self.core.as_ref().map(|core| core.incarnation);
        tokio::select! {
            biased;
            Some(answer) = self.pending.next() => answer.map_or(Event::Nothing, Event::Input),
            completed = completion(&mut self.completed) => {
                self.completed = None;
                Event::Input(AttemptInput::Completed(Box::new(completed)))
            }
            detail = context.loss_of(incarnation.unwrap_or_default()), if incarnation.is_some() => {
                Event::Input(AttemptInput::CoreGone(detail))
            }
            Ok(()) = self.orders.changed() => match *self.orders.borrow_and_update() {
                Some(cancel) => Event::Input(AttemptInput::Order(cancel)),
                None => Event::Nothing,
            },
            core = context.core(), if machine.awaits_core() => match core {
                Ok(core) => Event::Core(core),
                Err(detail) => Event::Input(AttemptInput::NoCore(detail)),
            },
            () = context.permit_freed.notified(), if machine.waits_for_permit() => {
                Event::Input(AttemptInput::PermitFreed)
            }
            epoch = time(&mut self.timer) => {
                self.timer = None;
                Event::Input(AttemptInput::Timer(epoch))
            }
        }
    }

    fn hand_to(&mut self, core: ActiveCore, inputs: Vec<TakenInput>) {
        let AttemptJob { context, of, node, id, .. } = &self.job;
        info!(job = id.as_str(), core = core.incarnation, "a job of the core");
        self.completed = Some(context.expect_job(id, of, core.dialect));
        self.core = Some(core);
        let fingerprint = Some(Box::new(context.fingerprint(node, inputs)));
        let event =
            RunEvent::AttemptStarted { of: (*of).clone(), job_id: id.clone(), base: of.base(), fingerprint };
        context.recorder().event(event);
    }

    async fn perform(&mut self, effect: AttemptEffect) {
        let Some(ActiveCore { peer, dialect, .. }) = self.core.clone() else { return };
        let AttemptJob { context, of, id, .. } = &self.job;
        match effect {
            AttemptEffect::Submit => {
                let submitted = ask(peer, id.clone(), self.submit());
                self.pending
                    .push(Box::pin(async { Some(AttemptInput::Submitted(submitted.await?.map(drop))) }));
            }
            AttemptEffect::SubmitAndAsk => {
                // At once: the core reads them in order.
                let submitted = ask(peer.clone(), id.clone(), self.submit());
                let permit = ask(peer, id.clone(), self.request_permit());
                self.pending.push(Box::pin(async {
                    let (submitted, permit) = tokio::join!(submitted, permit);
                    Some(AttemptInput::SubmittedAndAsked(submitted?.map(drop), permit_answer(permit?)))
                }));
            }
            AttemptEffect::AskPermit => {
                let permit = ask(peer, id.clone(), self.request_permit());
                self.pending
                    .push(Box::pin(async { Some(AttemptInput::Permit(permit_answer(permit.await?))) }));
            }
            AttemptEffect::SayWaiting(detail) => {
                let phase = AttemptPhase::WaitingPermit { detail };
                context.recorder().event(RunEvent::AttemptPhase { of: (*of).clone(), phase });
            }
            AttemptEffect::SayGranted => context.granted(of),
            AttemptEffect::Cancel(cancel) => {
                let cancel =
                    self.cancel_job(Cancel { force: cancel.force && dialect == Dialect::V2, ..cancel });
                self.pending.push(Box::pin(async move {
                    match peer.request(cancel).await {
                        Err(RequestError::Closed { .. }) => None,
                        // Whatever was said: the completion is what counts.
                        Ok(_) | Err(_) => Some(AttemptInput::CancelAnswered),
                    }
                }));
            }
            AttemptEffect::Abandon => {
                peer.send(self.cancel_job(Cancel::graceful(CancelReason::Parent))).await
            }
            AttemptEffect::SetTimer(epoch, time) => self.set_timer(epoch, time),
            AttemptEffect::SetRetryTimer(epoch, refusals) => self.set_timer(epoch, permit_wait(refusals)),
            AttemptEffect::Finish(_) => {}
        }
    }

    fn set_timer(&mut self, epoch: AttemptEpoch, time: Duration) {
        let clock = Rc::clone(&self.job.context.clock);
        self.timer = Some((epoch, Box::pin(async move { clock.wait(time).await })));
    }

    fn submit(&self) -> Result<Message, AttemptStop> {
        Ok(Message::SubmitJob(SubmitJob { request_id: request_id(), job: self.job.job()? }))
    }

    fn request_permit(&self) -> Result<Message, AttemptStop> {
        let request = RequestPermit { request_id: request_id(), job: self.job.job()?, attempt_index: 0.0 };
        Ok(Message::RequestPermit(request))
    }

    fn cancel_job(&self, Cancel { reason, force }: Cancel) -> Message {
        Message::CancelJob(CancelJob {
            request_id: request_id(),
            job_id: self.job.id.clone(),
            reason: reason.name().to_owned(),
            force,
        })
    }
}

/// Asks the core. `None` when its wire has closed: that it is gone with all it started is known a little later.
async fn ask(
    peer: Peer,
    job_id: JobId,
    message: Result<Message, AttemptStop>,
) -> Option<Result<Message, AttemptStop>> {
    let message = match message {
        Ok(message) => message,
        Err(stop) => return Some(Err(stop)),
    };
    let request_id = message.request_id().map(ToString::to_string).unwrap_or_default();
    let (class, detail) = match peer.request(message).await {
        Ok(Message::Error(error)) => {
            (ErrorClass::NonRetryable, format!("the core refuses: {} ({})", error.message, error.code))
        }
        Ok(answer) => return Some(Ok(answer)),
        Err(RequestError::Closed { .. }) => return None,
        Err(RequestError::TimedOut { request, limit }) => {
            // In the words people search for.
            let waited = limit.as_millis();
            let about = format!("(jobId={job_id} requestId={request_id})");
            (ErrorClass::RetryableTransient, format!("Core IPC {request} timed out after {waited}ms {about}"))
        }
        Err(error) => (ErrorClass::RetryableTransient, format!("the core: {error}")),
    };
    Some(Err(AttemptStop::Failed(Some(class), detail)))
}

fn permit_answer(answer: Result<Message, AttemptStop>) -> PermitAnswer {
    match answer {
        Ok(Message::PermitRejected(rejected)) => {
            let rejection = rejected.rejection;
            let detail = rejection.detail.unwrap_or_else(|| rejection.reason.to_string());
            if rejection.reason.is_final() {
                PermitAnswer::Denied(detail)
            } else {
                PermitAnswer::Refused(detail)
            }
        }
        Ok(_) => PermitAnswer::Granted,
        Err(stop) => PermitAnswer::Failed(stop),
    }
}

/// Waits for what the core says of the job. One that is gone says nothing any more, which is told by itself.
async fn completion(completed: &mut Option<oneshot::Receiver<JobCompleted>>) -> JobCompleted {
    if let Some(receiver) = completed {
        match receiver.await {
            Ok(said) => return said,
            Err(_) => *completed = None,
        }
    }
    std::future::pending().await
}

async fn time(timer: &mut Option<(AttemptEpoch, Pending<()>)>) -> AttemptEpoch {
    match timer {
        Some((epoch, time)) => {
            time.await;
            *epoch
        }
        None => std::future::pending().await,
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
}

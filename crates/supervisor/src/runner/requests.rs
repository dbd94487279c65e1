//! What attempts ask their cores for.

use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{FuturesUnordered, StreamExt as _};
use roboppi_ipc::io::{Peer, RequestError};
use roboppi_ipc::{
    Cancel, CancelJob, DEFAULT_LINE_LIMIT, ErrorClass, JobId, Message, RequestId, RequestPermit, SubmitJob,
};
use roboppi_run::AttemptRef;
use tokio::time::timeout;
use uuid::Uuid;

use super::job::AttemptJob;
use crate::machine::attempt::{AttemptInput, AttemptStop, PermitAnswer};
use crate::machine::{AttemptRequest, SupervisorInput};

type Pending = Pin<Box<dyn Future<Output = Option<SupervisorInput>>>>;

/// Requests that cores have not answered. One whose core is lost never gets an answer.
#[derive(Default)]
pub(super) struct Requests {
    /// Not made yet.
    asked: Vec<Pending>,
    pending: FuturesUnordered<Pending>,
}

impl Requests {
    /// Asks, once they are [sent](Self::send). A core reads requests in the order in which they are made.
    pub(super) fn ask(&mut self, job: &AttemptJob<'_>, peer: Peer, request: AttemptRequest) {
        let (of, id) = (job.of.clone(), job.id.clone());
        let answered = |of: AttemptRef, input| Some(SupervisorInput::Attempt { of, input });
        self.asked.push(match request {
            AttemptRequest::Submit => {
                let submitted = ask(peer, id, submit(job));
                Box::pin(async move { answered(of, AttemptInput::Submitted(submitted.await?.map(drop))) })
            }
            AttemptRequest::SubmitAndAsk => {
                let submitted = ask(peer.clone(), id.clone(), submit(job));
                let permit = ask(peer, id, request_permit(job));
                Box::pin(async move {
                    let (submitted, permit) = tokio::join!(submitted, permit);
                    answered(
                        of,
                        AttemptInput::SubmittedAndAsked(submitted?.map(drop), permit_answer(permit?)),
                    )
                })
            }
            AttemptRequest::AskPermit => {
                let permit = ask(peer, id, request_permit(job));
                Box::pin(async move { answered(of, AttemptInput::Permit(permit_answer(permit.await?))) })
            }
            AttemptRequest::Cancel(cancel) => {
                let message = cancel_job(id, cancel);
                let limit = job.cancel_limit();
                Box::pin(async move {
                    match timeout(limit, peer.request(message)).await {
                        Ok(Err(RequestError::Closed { .. })) => None,
                        // Whatever was said: the completion is what counts.
                        Ok(Ok(_) | Err(_)) | Err(_) => answered(of, AttemptInput::CancelAnswered),
                    }
                })
            }
            AttemptRequest::Abandon(cancel) => {
                let message = cancel_job(id, cancel);
                Box::pin(async move {
                    peer.send(message).await;
                    None
                })
            }
        });
    }

    /// Lets those be made that were asked for.
    pub(super) fn send(&mut self) {
        self.pending.extend(self.asked.drain(..));
    }

    /// Waits for the next answer; for ever while nothing is asked. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> SupervisorInput {
        loop {
            match self.pending.next().await {
                Some(Some(answer)) => return answer,
                Some(None) => {}
                None => std::future::pending().await,
            }
        }
    }
}

fn submit(job: &AttemptJob<'_>) -> Result<Message, AttemptStop> {
    let submit = SubmitJob { request_id: request_id(), job: job.job()? };
    fitting(Message::SubmitJob(submit), job.is_long())
}

fn request_permit(job: &AttemptJob<'_>) -> Result<Message, AttemptStop> {
    let request = RequestPermit { request_id: request_id(), job: job.job()?, attempt_index: 0.0 };
    fitting(Message::RequestPermit(request), job.is_long())
}

/// A message, unless it is longer than a core reads: that drops it, and would never answer. Only one that may be is measured.
fn fitting(message: Message, may_be_too_long: bool) -> Result<Message, AttemptStop> {
    if may_be_too_long {
        let mut line = Vec::new();
        message.encode(&mut line);
        // Without its newline.
        let bytes = line.len() - 1;
        if bytes > DEFAULT_LINE_LIMIT {
            let detail = format!(
                "its instructions are too long for a message to the core: {bytes} bytes, at most {DEFAULT_LINE_LIMIT}; put \
                 them in a file, and have the step read that"
            );
            return Err(AttemptStop::Failed(Some(ErrorClass::NonRetryable), detail));
        }
    }
    Ok(message)
}

fn cancel_job(job_id: JobId, Cancel { reason, force }: Cancel) -> Message {
    Message::CancelJob(CancelJob {
        request_id: request_id(),
        job_id,
        reason: reason.name().to_owned(),
        force,
    })
}

/// An id for a request, unique among all.
pub(super) fn request_id() -> RequestId {
    RequestId::new(unique_id().to_string())
}

/// An id that no other thing has, here or elsewhere: the system is asked for a random one once, and others differ from it.
pub(super) fn unique_id() -> Uuid {
    static FIRST: LazyLock<u128> = LazyLock::new(|| Uuid::new_v4().as_u128());
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Version and variant are above these bits.
    let number = LAST.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff_ffff;
    Uuid::from_u128(*FIRST ^ u128::from(number))
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
        Ok(Message::PermitRejected(rejected)) => PermitAnswer::of_rejection(rejected.rejection),
        Ok(_) => PermitAnswer::Granted,
        Err(stop) => PermitAnswer::Failed(stop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Message {
        let reason = "\u{1}".repeat(bytes);
        Message::CancelJob(CancelJob {
            request_id: request_id(),
            job_id: JobId::new("j"),
            reason,
            force: false,
        })
    }

    #[test]
    fn a_message_that_no_core_reads_is_not_sent() {
        assert!(fitting(message(DEFAULT_LINE_LIMIT / 6 - 1000), true).is_ok());
        let refused = fitting(message(DEFAULT_LINE_LIMIT / 6 + 1), true);
        let Err(AttemptStop::Failed(Some(ErrorClass::NonRetryable), detail)) = refused else {
            panic!("{refused:?}");
        };
        assert!(detail.starts_with("its instructions are too long"), "{detail}");
    }
}

//! Which requests wait for an answer.

use std::collections::HashMap;

use crate::{Message, Mono, RequestId};

/// Requests under way, each with its deadline and whatever the owner keeps for it (`W`).
///
/// Bounded by its owner: one entry a request, removed by its answer, its deadline or [`drain`](Self::drain).
#[derive(Debug)]
pub struct PendingRequests<W> {
    waiting: HashMap<RequestId, Waiter<W>>,
}

#[derive(Debug)]
struct Waiter<W> {
    request: Message,
    deadline: Mono,
    keep: W,
}

/// What became of an incoming message.
#[derive(Debug)]
pub enum Settled<W> {
    /// It answers a request.
    Answer(W, Message),
    /// It has the id of a request but is not of a type that answers it; the request goes on waiting.
    WrongType(Message),
    /// It answers nothing that is waited for.
    NotAnAnswer(Message),
}

impl<W> Default for PendingRequests<W> {
    fn default() -> Self {
        Self { waiting: HashMap::new() }
    }
}

impl<W> PendingRequests<W> {
    /// Notes a request before it is written, so that no answer can come too early.
    /// Gives back what was kept for an older request with the same id.
    pub fn register(&mut self, id: RequestId, request: Message, deadline: Mono, keep: W) -> Option<W> {
        self.waiting.insert(id, Waiter { request, deadline, keep }).map(|waiter| waiter.keep)
    }

    /// Matches an incoming message with the request it answers.
    pub fn settle(&mut self, message: Message) -> Settled<W> {
        let Some(id) = message.request_id() else { return Settled::NotAnAnswer(message) };
        match self.waiting.get(id) {
            None => Settled::NotAnAnswer(message),
            Some(waiter) if !waiter.request.is_answered_by(&message) => Settled::WrongType(message),
            Some(_) => match self.waiting.remove(&id.clone()) {
                Some(waiter) => Settled::Answer(waiter.keep, message),
                None => Settled::NotAnAnswer(message),
            },
        }
    }

    /// Removes the requests whose deadline has come.
    pub fn expire(&mut self, now: Mono) -> Vec<W> {
        let expired: Vec<RequestId> = self
            .waiting
            .iter()
            .filter(|(_, waiter)| waiter.deadline <= now)
            .map(|(id, _)| id.clone())
            .collect();
        expired.iter().filter_map(|id| self.waiting.remove(id)).map(|waiter| waiter.keep).collect()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.waiting.values().map(|waiter| waiter.deadline).min()
    }

    /// Removes a request that will have no answer, and gives back what was kept for it.
    pub fn take(&mut self, id: &RequestId) -> Option<W> {
        self.waiting.remove(id).map(|waiter| waiter.keep)
    }

    /// Ends every wait: the other side is gone.
    pub fn drain(&mut self) -> Vec<W> {
        self.waiting.drain().map(|(_, waiter)| waiter.keep).collect()
    }

    /// How many requests wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Ack, CancelJob, ErrorReply, JobId, PermitRejected, PermitRejection, RejectionReason};

    fn cancel(id: &str) -> Message {
        Message::CancelJob(CancelJob {
            request_id: id.into(),
            job_id: "j".into(),
            reason: "user".into(),
            force: false,
        })
    }

    fn table() -> PendingRequests<&'static str> {
        let mut table = PendingRequests::default();
        table.register("a".into(), cancel("a"), Mono::from_origin(Duration::from_secs(1)), "first");
        table.register("b".into(), cancel("b"), Mono::from_origin(Duration::from_secs(2)), "second");
        table
    }

    #[test]
    fn an_answer_must_be_of_a_fitting_type() {
        let mut table = table();
        let ack = Message::Ack(Ack { request_id: "a".into(), job_id: JobId::from("j") });
        assert!(matches!(table.settle(ack), Settled::WrongType(Message::Ack(_))));
        let rejected = Message::PermitRejected(PermitRejected {
            request_id: "a".into(),
            rejection: PermitRejection { reason: RejectionReason::Deferred, detail: None },
        });
        assert!(matches!(table.settle(rejected), Settled::WrongType(_)));
        let error = Message::Error(ErrorReply {
            code: "JOB_NOT_FOUND".into(),
            message: "Job j not found".into(),
            request_id: Some("a".into()),
        });
        assert!(matches!(table.settle(error.clone()), Settled::Answer("first", _)));
        assert!(matches!(table.settle(error), Settled::NotAnAnswer(_)));
    }

    #[test]
    fn deadlines_end_waits_one_by_one() {
        let mut table = table();
        assert_eq!(table.next_deadline(), Some(Mono::from_origin(Duration::from_secs(1))));
        assert_eq!(table.expire(Mono::from_origin(Duration::from_secs(1))), ["first"]);
        assert_eq!(table.len(), 1);
        assert_eq!(table.drain(), ["second"]);
    }

    #[test]
    fn the_same_id_twice_ends_the_older_wait() {
        let mut table = table();
        assert_eq!(table.register("a".into(), cancel("a"), Mono::ZERO, "again"), Some("first"));
    }
}

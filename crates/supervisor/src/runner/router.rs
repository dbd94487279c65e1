//! Which attempt a job is.

use std::collections::HashMap;

use roboppi_ipc::{JobCompleted, JobEvent, JobId};
use roboppi_run::{AttemptRecord, AttemptRef};
use tokio::sync::oneshot;

use crate::received::{Received, ReceivedRecord};

/// Jobs under way. An entry lives from the submission of a job to its completion.
#[derive(Debug, Default)]
pub(super) struct Router {
    routes: HashMap<JobId, Route>,
}

#[derive(Debug)]
struct Route {
    of: AttemptRef,
    completed: oneshot::Sender<JobCompleted>,
    /// Kept here when the core keeps none.
    record: Option<ReceivedRecord>,
}

impl Router {
    pub(super) fn insert(
        &mut self,
        job: JobId,
        of: AttemptRef,
        record: Option<ReceivedRecord>,
    ) -> oneshot::Receiver<JobCompleted> {
        let (completed, receiver) = oneshot::channel();
        self.routes.insert(job, Route { of, completed, record });
        receiver
    }

    pub(super) fn remove(&mut self, job: &JobId) {
        self.routes.remove(job);
    }

    pub(super) fn attempt_of(&self, job: &JobId) -> Option<&AttemptRef> {
        self.routes.get(job).map(|route| &route.of)
    }

    /// The attempt an event belongs to, and what became of it. `None` for jobs that are over: an old core may send
    /// events after the completion.
    pub(super) fn event(&mut self, event: JobEvent) -> Option<(AttemptRef, Received)> {
        let route = self.routes.get_mut(&event.job_id)?;
        let received = match &mut route.record {
            Some(record) => record.event(event),
            None => {
                let JobEvent { ts, seq, at, event, .. } = event;
                let record = AttemptRecord { seq, ts, at: at.unwrap_or_default(), event };
                Received { record: Some(record), ..Received::default() }
            }
        };
        Some((route.of.clone(), received))
    }

    pub(super) fn complete(&mut self, completed: JobCompleted) {
        if let Some(route) = self.routes.remove(&completed.job_id) {
            let _ = route.completed.send(completed);
        }
    }

    /// The jobs under way.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.routes.keys().cloned().collect()
    }

    /// Ends every wait: the core is gone.
    pub(super) fn clear(&mut self) {
        self.routes.clear();
    }
}

//! Which attempt a job is.

use std::collections::HashMap;

use roboppi_ipc::{JobCompleted, JobId};
use roboppi_run::AttemptRef;
use tokio::sync::oneshot;

/// Jobs under way. An entry lives from the submission of a job to its completion.
#[derive(Debug, Default)]
pub(super) struct Router {
    routes: HashMap<JobId, Route>,
}

#[derive(Debug)]
struct Route {
    of: AttemptRef,
    completed: oneshot::Sender<JobCompleted>,
    /// Length of the log, for events of a core that does not say it.
    log_bytes: u64,
}

impl Router {
    pub(super) fn insert(&mut self, job: JobId, of: AttemptRef) -> oneshot::Receiver<JobCompleted> {
        let (completed, receiver) = oneshot::channel();
        self.routes.insert(job, Route { of, completed, log_bytes: 0 });
        receiver
    }

    pub(super) fn remove(&mut self, job: &JobId) {
        self.routes.remove(job);
    }

    pub(super) fn attempt_of(&self, job: &JobId) -> Option<&AttemptRef> {
        self.routes.get(job).map(|route| &route.of)
    }

    /// The attempt an event belongs to, and the length of its log. `None` for jobs that are over: an old
    /// core may send events after the completion.
    pub(super) fn event(&mut self, job: &JobId, at: Option<u64>) -> Option<(AttemptRef, u64)> {
        let route = self.routes.get_mut(job)?;
        route.log_bytes = at.unwrap_or(route.log_bytes);
        Some((route.of.clone(), route.log_bytes))
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

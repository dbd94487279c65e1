//! Which attempt the events of a job belong to, and where they are recorded when its core keeps no record.

use std::collections::HashMap;

use roboppi_ipc::{JobEvent, JobId, Mono, UtcMillis, WorkerResult};
use roboppi_run::{AttemptRecord, AttemptRef, HostId};

use crate::event_snapshots::LOOK;
use crate::received::{Received, ReceivedRecord};

/// Jobs of cores, from the hand-over of an attempt to its end.
#[derive(Debug, Default)]
pub(super) struct Routes(HashMap<JobId, Route>);

#[derive(Debug)]
struct Route {
    /// The host whose core has it; what others report of it is none of theirs.
    host: HostId,
    of: AttemptRef,
    /// Kept here when the core keeps none.
    record: Option<ReceivedRecord>,
    /// Events so far.
    events: u64,
}

impl Routes {
    pub(super) fn insert(
        &mut self,
        job: JobId,
        host: HostId,
        of: AttemptRef,
        record: Option<ReceivedRecord>,
    ) {
        self.0.insert(job, Route { host, of, record, events: 0 });
    }

    pub(super) fn remove(&mut self, job: &JobId) {
        self.0.remove(job);
    }

    /// The attempt an event belongs to, and what became of it. `None` for jobs that are over: an old core may send
    /// events after the completion.
    pub(super) fn event(
        &mut self,
        now: Mono,
        host: &HostId,
        event: JobEvent,
    ) -> Option<(AttemptRef, Received)> {
        let route = self.0.get_mut(&event.job_id).filter(|route| route.host == *host)?;
        let mut received = match &mut route.record {
            Some(record) => record.event(now, event),
            None => {
                let JobEvent { ts, seq, at, event, .. } = event;
                let record = AttemptRecord { seq, ts, at: at.unwrap_or_default(), event };
                Received { records: vec![record], ..Received::default() }
            }
        };
        route.events += 1;
        received.is_long = route.events % LOOK == 0;
        Some((route.of.clone(), received))
    }

    /// The core reports how a job ended: the attempt it is of, the result with what is known of it here, and the last
    /// events. `None` when the core knows all of it.
    pub(super) fn ended(
        &mut self,
        (now, ts): (Mono, UtcMillis),
        (host, job): (&HostId, &JobId),
        result: WorkerResult,
    ) -> Option<(AttemptRef, WorkerResult, Received)> {
        let route = self.0.get_mut(job).filter(|route| route.host == *host)?;
        let (result, received) = route.record.as_mut()?.ended(now, ts, result);
        Some((route.of.clone(), result, received))
    }
}

//! What waits to be written, and in which order.

use std::collections::VecDeque;
use std::time::Duration;

use roboppi_ipc::{CoreEvent, CoreEventMessage, Dialect, JobId, Message, Mono};

use crate::Clock;
use crate::job::Completion;
use crate::live::LiveEncoder;
use crate::worker::WorkerHandle;

use super::pace::{Pace, Taken};

/// Answers that may wait; at this number the reader waits too.
const ANSWERS: usize = 1024;
/// Facts of the core that may wait. A worker has a handful of them; what comes after is dropped and said.
const CORE_EVENTS: usize = 4096;
/// Bytes made at a time: one write for many small lines.
const WRITE: usize = 64 * 1024;
/// How often the number of permits is told at most.
const PERMITS_TIME: Duration = Duration::from_millis(100);

/// Everything that waits to be written.
#[derive(Debug)]
pub(super) struct Outbox {
    answers: VecDeque<Message>,
    core_events: VecDeque<CoreEventMessage>,
    dropped_core_events: u64,
    permits: Permits,
    /// One a job with a worker, in the order in which they are served.
    lanes: VecDeque<Lane>,
    /// One of them was opened since this was asked last.
    opened: bool,
    pace: Pace,
    dialect: Option<Dialect>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Permits {
    latest: Option<CoreEvent>,
    sent: Option<Mono>,
}

#[derive(Debug)]
struct Lane {
    job_id: JobId,
    handle: WorkerHandle,
    encoder: Option<LiveEncoder>,
    completion: Option<Box<Completion>>,
    taken: Taken,
}

/// What the writer does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Write what was made.
    Write,
    /// Wait for news, or until this time.
    Wait(Option<Mono>),
    /// Nothing will come any more.
    End,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            answers: VecDeque::new(),
            core_events: VecDeque::new(),
            dropped_core_events: 0,
            permits: Permits::default(),
            lanes: VecDeque::new(),
            opened: false,
            pace: Pace::default(),
            dialect: None,
            closed: false,
        }
    }

    pub(super) fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = Some(dialect);
    }

    pub(super) fn answer(&mut self, message: Message) {
        self.answers.push_back(message);
    }

    /// Whether the reader must wait.
    pub(super) fn is_full(&self) -> bool {
        self.answers.len() >= ANSWERS
    }

    /// A fact of the core, for peers that know such.
    pub(super) fn core_event(&mut self, clock: Clock, event: CoreEvent) {
        if self.dialect != Some(Dialect::V2) {
            return;
        }
        if self.core_events.len() >= CORE_EVENTS {
            self.dropped_core_events += 1;
            return;
        }
        self.core_events.push_back(CoreEventMessage { ts: clock.utc(), event });
    }

    /// The number of permits has changed.
    pub(super) fn permits(&mut self, active: u32, limit: u32) {
        self.permits.latest = Some(CoreEvent::Permits { active, limit });
    }

    /// A job has a worker.
    pub(super) fn open_lane(&mut self, job_id: JobId, handle: WorkerHandle) {
        self.lanes.push_back(Lane {
            job_id,
            handle,
            encoder: None,
            completion: None,
            taken: Taken::default(),
        });
        self.opened = true;
    }

    /// Whether a job has got a worker since this was asked last.
    pub(super) const fn take_opened(&mut self) -> bool {
        std::mem::replace(&mut self.opened, false)
    }

    /// A job has ended: after all it has to say this is said.
    pub(super) fn complete(&mut self, completion: Box<Completion>) {
        let job_id = &completion.message.job_id;
        match self.lanes.iter_mut().find(|lane| lane.job_id == *job_id && lane.completion.is_none()) {
            Some(lane) => lane.completion = Some(completion),
            None => {
                let message = self.completed(*completion);
                self.answers.push_back(message);
            }
        }
    }

    /// Nothing more will come; the writer ends when all is written.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Makes the next bytes. Answers first, then what has ended, then each running job in turn.
    pub(super) fn fill(&mut self, clock: Clock, out: &mut Vec<u8>) -> Next {
        let now = clock.now();
        while out.len() < WRITE
            && let Some(answer) = self.answers.pop_front()
        {
            answer.encode(out);
        }
        self.facts(clock, now, out);
        self.ended_jobs(clock, out);
        let due = self.running_jobs(now, out);
        match (out.is_empty(), self.closed) {
            (false, _) => Next::Write,
            (true, true) => Next::End,
            (true, false) => Next::Wait(due.into_iter().chain(self.permits_due()).min()),
        }
    }

    fn permits_due(&self) -> Option<Mono> {
        self.permits.latest.as_ref()?;
        Some(self.permits.sent.map_or(Mono::ZERO, |sent| sent + PERMITS_TIME))
    }

    fn facts(&mut self, clock: Clock, now: Mono, out: &mut Vec<u8>) {
        if self.dialect != Some(Dialect::V2) {
            self.permits.latest = None;
            return;
        }
        if self.permits_due().is_some_and(|due| due <= now)
            && let Some(permits) = self.permits.latest.take()
        {
            self.permits.sent = Some(now);
            self.core_event(clock, permits);
        }
        while out.len() < WRITE
            && let Some(event) = self.core_events.pop_front()
        {
            Message::CoreEvent(event).encode(out);
        }
        if self.core_events.is_empty() && self.dropped_core_events > 0 {
            let message = format!("{} facts about the core were not sent", self.dropped_core_events);
            self.dropped_core_events = 0;
            self.core_event(clock, CoreEvent::Warning { job_id: None, message });
        }
    }

    fn ended_jobs(&mut self, clock: Clock, out: &mut Vec<u8>) {
        /// Running jobs have the rest of each write.
        const SHARE: usize = WRITE / 2;

        let mut index = 0;
        while index < self.lanes.len() && out.len() < SHARE {
            let lane = &mut self.lanes[index];
            if lane.completion.is_none() {
                index += 1;
                continue;
            }
            while out.len() < SHARE
                && let Some(event) = lane.handle.take_event()
            {
                lane.encoder(self.dialect).encode(event, out);
            }
            if lane.handle.has_event() {
                return;
            }
            lane.encoder(self.dialect).finish(clock.utc(), out);
            if let Some(Lane { completion: Some(completion), .. }) = self.lanes.remove(index) {
                self.completed(*completion).encode(out);
            }
        }
    }

    /// One event of each job in turn, those first that have taken little. Gives the time when there will be more, if that is
    /// known.
    fn running_jobs(&mut self, now: Mono, out: &mut Vec<u8>) -> Option<Mono> {
        self.pace.begin(now, self.lanes.iter_mut().map(|lane| &mut lane.taken));
        for small in [true, false] {
            let mut idle = 0;
            while idle < self.lanes.len() && out.len() < WRITE {
                let Some(mut lane) = self.lanes.pop_front() else { break };
                let is_turn = lane.completion.is_none()
                    && if small { self.pace.is_small(&lane.taken) } else { self.pace.allows(&lane.taken) };
                let before = out.len();
                let mut is_paced = false;
                match is_turn.then(|| lane.handle.take_event()).flatten() {
                    Some(event) => {
                        is_paced = event.may_be_shed();
                        lane.encoder(self.dialect).encode(event, out);
                        idle = 0;
                    }
                    None => idle += 1,
                }
                if is_paced {
                    self.pace.take(&mut lane.taken, out.len() - before);
                }
                self.lanes.push_back(lane);
            }
        }
        let waits = |lane: &Lane| !self.pace.allows(&lane.taken) && lane.handle.has_event();
        let held = self.lanes.iter().any(waits).then(|| self.pace.next());
        // One that has taken its share is not due before the next window.
        let due = |lane: &Lane| {
            let due = lane.handle.next_event_due()?;
            Some(if self.pace.allows(&lane.taken) { due } else { due.max(self.pace.next()) })
        };
        self.lanes.iter().filter_map(due).chain(held).min()
    }

    fn completed(&self, completion: Completion) -> Message {
        let Completion { mut message, started } = completion;
        if self.dialect != Some(Dialect::V2) {
            if !started {
                message.result = None;
            }
            if let Some(result) = &mut message.result {
                result.details = None;
            }
        }
        Message::JobCompleted(message)
    }

    /// Handles of jobs that run or whose end is not written yet.
    pub(super) fn handles(&self) -> impl Iterator<Item = (&JobId, &WorkerHandle)> {
        self.lanes.iter().map(|lane| (&lane.job_id, &lane.handle))
    }
}

impl Lane {
    fn encoder(&mut self, dialect: Option<Dialect>) -> &mut LiveEncoder {
        let job_id = &self.job_id;
        self.encoder.get_or_insert_with(|| LiveEncoder::new(job_id.clone(), dialect.unwrap_or(Dialect::V1)))
    }
}

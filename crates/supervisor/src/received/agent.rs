//! The work of an agent whose core relays its lines and translates none of them.

use roboppi_ipc::{
    CancelReason, ExitKind, Mono, OutputStream, UtcMillis, WorkerEvent, WorkerResult, WorkerStatus,
    WorkerTask,
};
use roboppi_redact::{EventRedaction, Secrets};
use roboppi_worker_adapters::{Adapters, RelayedLine, SessionEffect, Translation, WorkerEnd, relayed_line};

use super::outcome::{Reading, refine};
use crate::clock;

/// Reads the lines of one agent with the adapter that a core of ours would use.
///
/// The core of the agent writes to it, ends it and keeps its limits, so all that is taken from the session are its events
/// and its result.
#[derive(Debug)]
pub(super) struct RelayedAgent {
    kind: roboppi_ipc::WorkerKind,
    translation: Translation,
    events: EventRedaction,
    effects: Vec<SessionEffect>,
    /// Something is missing after the last line that could be read.
    ends_with_gap: bool,
    /// What comes now is of what the agent left behind.
    has_ended: bool,
}

impl RelayedAgent {
    /// `None` for commands, whose output is text for people, and for a task that the adapter has no command for.
    pub(super) fn new(task: &WorkerTask) -> Option<Self> {
        let adapter = Adapters::builtin().get(task.worker_kind)?;
        if !adapter.describe().agent {
            return None;
        }
        let spec = adapter.plan(task).ok()?;
        // A limit that the session would keep is not kept here: it could not end the agent.
        let mut unlimited = task.clone();
        unlimited.budget.max_steps = None;
        let mut translation = Translation::new(adapter.session(&unlimited), &spec);
        translation.started(Mono::ZERO, &mut Vec::new());
        Some(Self {
            kind: task.worker_kind,
            translation,
            events: EventRedaction::default(),
            effects: Vec::new(),
            ends_with_gap: false,
            has_ended: false,
        })
    }

    /// Whether the text of a stream is for people as it is.
    pub(super) const fn is_raw(&self, stream: OutputStream) -> bool {
        self.translation.is_raw(stream)
    }

    /// Whether its end was reported.
    pub(super) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes an event of the core, whose texts may hold secrets. Returns whether it was a line, and so is none of the
    /// events of the agent; those are added to `out`.
    pub(super) fn relayed(
        &mut self,
        now: Mono,
        event: &WorkerEvent,
        secrets: &Secrets,
        out: &mut Vec<WorkerEvent>,
    ) -> bool {
        let Some(line) = relayed_line(self.kind, event) else { return false };
        match line {
            _ if self.has_ended => {}
            RelayedLine::Whole(stream, line) => {
                let bytes = format!("{line}\n");
                let mut clean = bytes.clone();
                secrets.redact(&mut clean);
                self.translation.output_both(
                    now,
                    stream,
                    bytes.as_bytes(),
                    clean.as_bytes(),
                    &mut self.effects,
                );
                self.ends_with_gap &= stream == OutputStream::Stderr;
            }
            RelayedLine::Cut(stream) => {
                self.translation.lost_line(now, stream, &mut self.effects);
                self.ends_with_gap = true;
            }
        }
        self.take_events(secrets, out);
        true
    }

    /// Some of what the core should have sent did not come.
    pub(super) const fn gap(&mut self) {
        self.ends_with_gap = true;
    }

    /// The core says how the agent ended. Adds what the agent itself reported to that.
    pub(super) fn ended(
        &mut self,
        now: Mono,
        ts: UtcMillis,
        reported: WorkerResult,
        secrets: &Secrets,
        out: &mut Vec<WorkerEvent>,
    ) -> WorkerResult {
        self.has_ended = true;
        // Without a code nothing is concluded from the exit.
        let exit = ExitKind::Code(reported.exit_code.unwrap_or(0));
        let cancelled = (reported.status == WorkerStatus::Cancelled).then_some(CancelReason::User);
        let duration = std::time::Duration::from_millis(reported.duration_ms);
        let wall = Some(clock::wall(ts));
        let end = |output| {
            let end = WorkerEnd::new(exit, output, duration).with_wall(wall);
            end.with_cancelled(cancelled).with_partial(true)
        };
        self.translation.exit(now, end, &mut self.effects);
        let read = self.effects.iter_mut().find_map(|effect| match effect {
            SessionEffect::Result(result) => Some(result.clone()),
            _ => None,
        });
        self.take_events(secrets, out);
        let Some(read) = read else { return reported };
        refine(reported, Reading { result: read, ends_with_gap: self.ends_with_gap })
    }

    fn take_events(&mut self, secrets: &Secrets, out: &mut Vec<WorkerEvent>) {
        for effect in self.effects.drain(..) {
            if let SessionEffect::Event(mut event) = effect {
                self.events.clean(secrets, &mut event);
                out.push(event);
            }
        }
    }
}

//! One worker while it runs: performs what its [`WorkerMachine`] asks for. Called from the pump of its output, so nothing
//! here waits for anything but the record.

mod output;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use roboppi_ipc::{
    Artifact, CancelReason, EndingPhase, FreeText, JobId, Leaked, Mono, OutputStream, ProcessIdentity,
    ResultDetails, WorkerEvent, WorkerResult, WorkerStatus,
};
use roboppi_process::guard::cannot_be_ended;
use roboppi_process::{ChildReport, ChildWatch, Control};
use roboppi_record::shorten_result;
use roboppi_worker_adapters::{SessionEffect, Translation, WorkerEnd};
use tracing::{debug, info};

use super::idle::Sample;
use super::machine::{Conclusion, Effect, Input, WorkerMachine};
use super::record::Recorder;
use super::reports::{self, Report};
use super::seen_files::SeenFiles;
use super::usage::{UsageReport, UsageSample};
use super::warning::{HELD_BY_UNKNOWN, idle_words, room_words};
use super::{WorkerHost, WorkerNotice, WorkerOptions, WorkerShared};
use crate::live::{LiveQueue, Offered};
use crate::orphans::{Leftovers, WatchedJob};
use crate::{WorkerControl, WorkerOutcome};
use output::OutputState;

pub(super) struct State {
    pub(super) job_id: JobId,
    host: WorkerHost,
    machine: WorkerMachine,
    pub(super) live: LiveQueue,
    pub(super) notices: VecDeque<WorkerNotice>,
    pub(super) outcome: Option<WorkerOutcome>,
    /// For the process, in order.
    pub(super) controls: VecDeque<Control>,
    recorder: Recorder,
    output: OutputState,
    /// Present while there is a process.
    translation: Option<Translation>,
    result: Option<WorkerResult>,
    /// Its leader, as long as what it leaves behind was not looked after.
    pub(super) watched: Option<WatchedJob>,
    pub(super) process: Option<ProcessIdentity>,
    /// Those that hold its pipes, as they were when last inspected.
    holders: Vec<Leaked>,
    leaked: Vec<Leaked>,
    room_reported: bool,
    /// Changes of files in its workspace.
    pub(super) files: SeenFiles,
    /// What it wrote about its failures.
    pub(super) reports: Vec<Report>,
    usage: UsageReport,
    /// Number of the last event about what it uses.
    usage_seq: Option<u64>,
    /// Kept between inputs for their capacity.
    effects: Vec<Effect>,
    session_effects: Vec<SessionEffect>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(job_id: JobId, options: &WorkerOptions, host: &WorkerHost) -> Self {
        Self {
            job_id,
            host: host.clone(),
            machine: WorkerMachine::new(options.idle),
            live: LiveQueue::new(options.limits),
            notices: VecDeque::new(),
            outcome: None,
            controls: VecDeque::new(),
            recorder: Recorder::default(),
            output: OutputState::new(options, &host.secrets),
            translation: None,
            result: None,
            watched: None,
            process: None,
            holders: Vec::new(),
            leaked: Vec::new(),
            room_reported: false,
            files: SeenFiles::default(),
            reports: Vec::new(),
            usage: UsageReport::default(),
            usage_seq: None,
            effects: Vec::new(),
            session_effects: Vec::new(),
        }
    }

    pub(super) fn begin(
        &mut self,
        now: Mono,
        recorder: Recorder,
        translation: Translation,
        soft_stop: Duration,
    ) {
        self.recorder = recorder;
        self.keep_form_of_output(now);
        self.translation = Some(translation);
        self.handle(now, Input::Prepared { soft_stop });
    }

    pub(super) fn control(&mut self, now: Mono, control: WorkerControl) {
        self.handle(now, Input::Control(control));
    }

    /// Whether there was a process.
    pub(super) const fn has_started(&self) -> bool {
        self.machine.has_started()
    }

    /// Whether an order to end waits for the process.
    pub(super) fn is_to_end(&self) -> bool {
        self.controls.iter().any(|control| matches!(control, Control::Cancel(_)))
    }

    /// When to take a sample of the worker's activity.
    pub(super) fn sample_due(&self) -> Option<Mono> {
        self.machine.sample_due()
    }

    /// Takes such a sample.
    pub(super) fn sampled(&mut self, now: Mono, sample: Sample) {
        self.handle(now, Input::Sampled(sample));
    }

    /// Takes a sample of what it uses. Whether there is an event of it.
    pub(super) fn usage_sampled(&mut self, now: Mono, sample: UsageSample) -> bool {
        if self.outcome.is_some() {
            return false;
        }
        let waits = self.usage_seq.is_some_and(|seq| self.live.waits(seq));
        let Some(resources) = self.usage.sampled(now, sample, waits) else { return false };
        self.offer(now, WorkerEvent::Resources(resources));
        self.usage_seq = self.live.last_seq();
        self.flush_events(now);
        true
    }

    /// The next event for the reader.
    pub(super) fn take_event(&mut self, now: Mono) -> Option<Offered> {
        self.live.take(now, |range| self.recorder.read_event(range))
    }

    /// The next time [`time_passed`](Self::time_passed) has something to do.
    pub(super) fn next_due(&self) -> Option<Mono> {
        [self.machine.due(), self.output.progress.due()].into_iter().flatten().min()
    }

    pub(super) fn time_passed(&mut self, now: Mono) {
        if self.output.progress.due().is_some_and(|due| due <= now) {
            self.release_progress(now);
        }
        if self.machine.due().is_some_and(|due| due <= now) {
            self.handle(now, Input::Time);
        }
    }

    fn started(&mut self, now: Mono, process: ProcessIdentity) {
        self.process = Some(process);
        self.usage.started(now);
        self.watched = Some(self.host.orphans.job_started(self.job_id.clone(), process));
        self.handle(now, Input::Started(process));
        self.translate(now, |translation, effects| translation.started(now, effects));
    }

    fn ending(&mut self, now: Mono, phase: EndingPhase, reason: Option<CancelReason>, limit: Duration) {
        self.handle(now, Input::Ending { phase, reason, limit });
    }

    /// What was found when the process had ended.
    pub(super) fn left_behind(&mut self, left: Leftovers, pipes_left_open: bool) {
        let Leftovers { mut own, others, unkillable } = left;
        if pipes_left_open {
            // They were seen when they still had a command line.
            let mut seen = std::mem::take(&mut self.holders);
            seen.retain(|holder| !unkillable.iter().any(|living| living.process == holder.process));
            own.retain(|leaked| !seen.iter().any(|holder| holder.process == leaked.process));
            seen.append(&mut own);
            own = seen;
            if own.is_empty() {
                self.warn(HELD_BY_UNKNOWN.to_owned());
            }
        }
        let own_notices = own.iter().map(|leaked| (Some(self.job_id.clone()), leaked.clone()));
        let notices: Vec<_> = own_notices.chain(others).collect();
        self.notices
            .extend(notices.into_iter().map(|(job_id, leaked)| WorkerNotice::Leaked { job_id, leaked }));
        for left in unkillable {
            self.warn(cannot_be_ended(&left));
        }
        self.leaked = own;
    }

    pub(super) fn warn(&mut self, message: String) {
        self.notices.push_back(WorkerNotice::Warning(message));
    }

    /// Says, once, that the start has to wait.
    pub(super) fn waits_for_room(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.room_reported, true) {
            self.warn(room_words(error));
        }
    }

    /// The process has ended and all its output was given.
    pub(super) fn finish(&mut self, now: Mono, report: &ChildReport) {
        self.rest_of_output(now);
        self.handle(now, Input::Exited(*report));
    }

    fn conclude(&mut self, now: Mono, conclusion: Conclusion) {
        let Conclusion { report, cancelled, idle } = conclusion;
        let ChildReport { exit, killed, duration, usage, .. } = report;
        let wall = Some(self.host.clock.wall());
        self.translate(now, |translation, effects| {
            let end = |output| {
                let end = WorkerEnd::new(exit, output, duration);
                end.with_cancelled(cancelled).with_killed(killed).with_wall(wall)
            };
            translation.exit(now, end, effects);
        });
        self.release_progress(now);
        self.record_changes(now);
        let Some(mut result) = self.result.take() else { return };
        // Work that was done is neither cancelled nor idle, however its worker was made to leave.
        let is_done = result.status == WorkerStatus::Succeeded;
        let details = result.details.get_or_insert_default();
        details.cancel_reason = cancelled.filter(|_| !is_done);
        details.signal = exit.signal();
        details.killed = killed;
        details.resources = self.usage.ended(usage);
        if let Some(limit) = idle.filter(|_| !is_done) {
            details.error = Some(idle_words(limit));
            details.error_kind.get_or_insert_with(|| "idle".to_owned());
        }
        self.keep_reports(&mut result);
        self.end(now, WorkerOutcome { result, started: true });
    }

    /// Puts the reports on failures into the record, without secrets, and names them in the result.
    fn keep_reports(&mut self, result: &mut WorkerResult) {
        for Report { name, mut content } in std::mem::take(&mut self.reports) {
            self.host.secrets.redact(&mut content);
            content.truncate(content.floor_char_boundary(reports::LARGEST));
            if let Some(blob) = self.recorder.blob(content.as_bytes()) {
                let notes = &mut result.details.get_or_insert_default().notes;
                notes.push(format!("its report {name} is kept in the record as blobs/{blob}"));
                result.artifacts.push(Artifact::new("report", format!("blobs/{blob}")));
            }
        }
    }

    /// Closes everything. After this nothing is written and nothing is offered.
    pub(super) fn end(&mut self, now: Mono, mut outcome: WorkerOutcome) {
        self.live.finish(now);
        self.recorder.finish();
        let details: &mut ResultDetails = outcome.result.details.get_or_insert_default();
        details.leaked = std::mem::take(&mut self.leaked);
        details.log_bytes = self.recorder.log_bytes();
        details.events_bytes = self.recorder.events_bytes();
        details.last_seq = self.live.last_seq();
        outcome.result.visit_text(&mut |text| self.host.secrets.redact(text));
        shorten_result(&mut outcome.result);
        self.files = SeenFiles::default();
        self.recorder.close();
        self.pass_on_trouble();
        self.translation = None;
        self.outcome = Some(outcome);
    }

    /// Gives one input to the machine and performs what it asks for.
    fn handle(&mut self, now: Mono, input: Input) {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.handle(now, input, &mut effects);
        for effect in effects.drain(..) {
            self.perform(now, effect);
        }
        self.effects = effects;
    }

    fn perform(&mut self, now: Mono, effect: Effect) {
        match effect {
            Effect::Control(control) => self.controls.push_back(control),
            Effect::CancelSession(reason) => {
                self.translate(now, |translation, effects| translation.cancel(now, reason, effects));
            }
            Effect::FireTimer(timer) => {
                self.translate(now, |translation, effects| translation.timer(now, timer, effects));
            }
            Effect::Reply(reply) => {
                self.translate(now, |translation, effects| translation.reply(now, reply, effects));
            }
            Effect::InspectHolders => {
                let leader = self.process.map(|process| process.pid);
                self.holders = leader.map_or_else(Vec::new, |leader| self.host.orphans.in_session(leader));
            }
            Effect::Notify(notice) => self.notices.push_back(notice),
            Effect::Conclude(conclusion) => self.conclude(now, conclusion),
        }
    }

    fn translate(&mut self, now: Mono, input: impl FnOnce(&mut Translation, &mut Vec<SessionEffect>)) {
        let Some(translation) = &mut self.translation else { return };
        let mut effects = std::mem::take(&mut self.session_effects);
        input(translation, &mut effects);
        for effect in effects.drain(..) {
            self.perform_for_session(now, effect);
        }
        self.session_effects = effects;
        self.flush_events(now);
    }

    fn perform_for_session(&mut self, now: Mono, effect: SessionEffect) {
        match effect {
            SessionEffect::Event(WorkerEvent::Progress(progress)) if progress.level.is_none() => {
                if let Some(progress) = self.output.progress.offer(now, progress) {
                    self.event(now, WorkerEvent::Progress(progress));
                }
            }
            SessionEffect::Event(event) => self.event(now, event),
            SessionEffect::Stdin(bytes) => self.controls.push_back(Control::Stdin(bytes)),
            SessionEffect::CloseStdin => self.controls.push_back(Control::CloseStdin),
            SessionEffect::SetTimer(timer, after) => self.handle(now, Input::SetTimer(timer, after)),
            SessionEffect::SetQuietTimer(timer, time) => self.handle(now, Input::SetQuietTimer(timer, time)),
            SessionEffect::Ask(request) => self.handle(now, Input::Ask(request.id)),
            SessionEffect::End(reason) => self.handle(now, Input::SessionEnds(reason)),
            SessionEffect::Result(result) => self.result = Some(result),
            // Effects of a newer adapter crate; there is none in this workspace.
            _ => {}
        }
    }
}

/// Connects a process with the state of its worker.
pub(super) struct Watch<'a>(pub(super) &'a WorkerShared);

impl Watch<'_> {
    fn with(&self, change: impl FnOnce(&mut State, Mono)) {
        let mut state = self.0.state.borrow_mut();
        let sample_due = state.sample_due();
        change(&mut state, self.0.host.clock.now());
        let samples_earlier = match (sample_due, state.sample_due()) {
            (None, now) => now.is_some(),
            (Some(before), now) => now.is_some_and(|now| now < before),
        };
        if samples_earlier || !state.controls.is_empty() || state.next_due().is_some() {
            self.0.driver.notify_one();
        }
        self.0.news.notify_one();
    }
}

impl ChildWatch for Watch<'_> {
    fn started(&mut self, process: ProcessIdentity) {
        info!(pid = process.pid, "the worker was started");
        self.with(|state, now| state.started(now, process));
        self.0.begun.notify_one();
    }

    fn output(&mut self, stream: OutputStream, bytes: &[u8]) {
        self.with(|state, now| state.output(now, stream, bytes));
    }

    fn ending(&mut self, phase: EndingPhase, reason: Option<CancelReason>, limit: Duration) {
        debug!(%phase, ?reason, ?limit, "the worker is being ended");
        self.with(|state, now| state.ending(now, phase, reason, limit));
    }
}

#[cfg(test)]
#[path = "state_canary.rs"]
mod canary;

//! What is known about one worker while it runs. Called from the pump of its output, so nothing here waits
//! for anything but the record.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use roboppi_ipc::{
    CancelReason, EndingPhase, FreeText, JobId, Leaked, Mono, OutputStream, OverLimit, ProcessIdentity,
    RecordLimits, ResultDetails, WorkerEvent, WorkerResult,
};
use roboppi_process::guard::cannot_be_ended;
use roboppi_process::{ChildReport, ChildWatch, Control};
use roboppi_record::Bound;
use roboppi_redact::{MOST_BYTES, MOST_VALUES, Redactor};
use roboppi_run::AttemptRecord;
use roboppi_worker_adapters::{
    ExitKind, HostAnswer, HostReply, SessionEffect, TimerId, Translation, WorkerEnd,
};

use super::event_redaction::Unspoken;
use super::idle::{IdleWatch, Sample};
use super::pipe_holders::Holders;
use super::record::{Kept, LimitReached, Recorder};
use super::repetition::Repetition;
use super::truncate::{shorten, shorten_result};
use super::{WorkerHost, WorkerNotice, WorkerOptions, WorkerShared};
use crate::live::{LiveEvent, LiveQueue, ProgressThinner};
use crate::orphans::{Leftovers, WatchedJob};
use crate::{WorkerControl, WorkerOutcome};

/// Said when the drain time was over and none of those who hold the pipes was found.
const HELD_BY_NOBODY_KNOWN: &str = "its output is still held open by a process that is out of reach, or that may \
    belong to another job; what that one writes is not recorded";

pub(super) struct State {
    pub(super) job_id: JobId,
    host: WorkerHost,
    pub(super) live: LiveQueue,
    pub(super) notices: VecDeque<WorkerNotice>,
    pub(super) outcome: Option<WorkerOutcome>,
    /// For the process, in order.
    pub(super) controls: VecDeque<Control>,
    recorder: Recorder,
    /// Of stdout and stderr.
    redactors: [Redactor; 2],
    clean: Vec<u8>,
    plain: Vec<u8>,
    repetitions: [Repetition; 2],
    unspoken: Unspoken,
    progress: ProgressThinner,
    /// How long it may do nothing.
    idle_limit: Option<Duration>,
    idle: Option<IdleWatch>,
    /// Events so far that say more than that it waits, and those that do not.
    said: [u64; 2],
    was_idle: bool,
    /// Present while there is a process.
    translation: Option<Translation>,
    effects: Vec<SessionEffect>,
    timers: BTreeMap<TimerId, Mono>,
    replies: VecDeque<HostReply>,
    result: Option<WorkerResult>,
    show_events: bool,
    show_output: bool,
    /// Output is told by its place in the log.
    announces_growth: bool,
    /// There was a process.
    pub(super) is_running: bool,
    /// Its leader, as long as what it leaves behind was not looked after.
    pub(super) watched: Option<WatchedJob>,
    leader: u32,
    pub(super) process: Option<ProcessIdentity>,
    holders: Holders,
    leaked: Vec<Leaked>,
    /// Time a session has to end its worker politely.
    soft_stop: Duration,
    soft_stop_until: Option<(Mono, CancelReason)>,
    told_to_end: Option<CancelReason>,
    /// The session said that the work is done, so the end that follows is not a cancellation.
    done: bool,
    waited_for_room: bool,
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
            live: LiveQueue::new(options.limits),
            notices: VecDeque::new(),
            outcome: None,
            controls: VecDeque::new(),
            recorder: Recorder::default(),
            redactors: [(); 2].map(|()| Redactor::new(&host.secrets).with_masks()),
            clean: Vec::new(),
            plain: Vec::new(),
            repetitions: <[Repetition; 2]>::default(),
            unspoken: Unspoken::default(),
            progress: ProgressThinner::new(options.limits.progress_time),
            idle_limit: options.idle,
            idle: None,
            said: [0; 2],
            was_idle: false,
            translation: None,
            effects: Vec::new(),
            timers: BTreeMap::new(),
            replies: VecDeque::new(),
            result: None,
            show_events: options.live,
            show_output: options.live && options.stdio,
            announces_growth: options.log_grew,
            is_running: false,
            watched: None,
            leader: 0,
            process: None,
            holders: Holders::default(),
            leaked: Vec::new(),
            soft_stop: Duration::ZERO,
            soft_stop_until: None,
            told_to_end: None,
            done: false,
            waited_for_room: false,
        }
    }

    pub(super) fn begin(&mut self, recorder: Recorder, translation: Translation, soft_stop: Duration) {
        self.recorder = recorder;
        self.keep_form_of_output(self.host.clock.now());
        self.translation = Some(translation);
        self.soft_stop = soft_stop;
    }

    pub(super) fn control(&mut self, now: Mono, control: WorkerControl) {
        match control {
            WorkerControl::Pause => {
                self.idle.iter_mut().for_each(IdleWatch::halt);
                self.controls.push_back(Control::Pause);
            }
            WorkerControl::Resume => {
                self.idle.iter_mut().for_each(|idle| idle.go_on(now));
                self.controls.push_back(Control::Resume);
            }
            WorkerControl::Kill(reason) => {
                self.soft_stop_until = None;
                self.holders.look(&self.host.orphans);
                self.controls.push_back(Control::Kill(reason));
            }
            WorkerControl::Cancel(reason) => {
                self.tell_to_end(now, reason);
                if self.soft_stop.is_zero() || !self.is_running {
                    self.controls.push_back(Control::Cancel(reason));
                } else {
                    let until = self.soft_stop_until.map_or(now + self.soft_stop, |(until, _)| until);
                    self.soft_stop_until = Some((until, reason));
                }
            }
        }
    }

    /// When to look at the worker next.
    pub(super) fn look_due(&self) -> Option<Mono> {
        self.idle.as_ref()?.due()
    }

    /// Takes what a look at the worker found, and ends one that does nothing.
    pub(super) fn looked(&mut self, now: Mono, found: Sample) {
        if self.told_to_end.is_none() && self.idle.as_mut().is_some_and(|idle| idle.looked(now, found)) {
            self.idle = None;
            self.was_idle = true;
            self.control(now, WorkerControl::Cancel(CancelReason::Timeout));
        }
    }

    /// The next event for the reader.
    pub(super) fn take_event(&mut self, now: Mono) -> Option<LiveEvent> {
        self.live.take(now, |range| self.recorder.read_event(range))
    }

    /// The next time [`time_passed`](Self::time_passed) has something to do.
    pub(super) fn next_due(&self) -> Option<Mono> {
        let soft_stop = self.soft_stop_until.map(|(until, _)| until);
        let asked = (!self.replies.is_empty()).then_some(Mono::ZERO);
        let timer = self.timers.values().min().copied();
        [timer, self.progress.due(), soft_stop, asked, self.holders.due()].into_iter().flatten().min()
    }

    pub(super) fn time_passed(&mut self, now: Mono) {
        if let Some((until, reason)) = self.soft_stop_until
            && until <= now
        {
            self.soft_stop_until = None;
            self.controls.push_back(Control::Cancel(reason));
        }
        if self.holders.due().is_some_and(|due| due <= now) {
            self.holders.look(&self.host.orphans);
        }
        if self.progress.due().is_some_and(|due| due <= now)
            && let Some(progress) = self.progress.release(now)
        {
            self.event(now, WorkerEvent::Progress(progress));
        }
        let due: Vec<TimerId> =
            self.timers.iter().filter(|(_, at)| **at <= now).map(|(timer, _)| *timer).collect();
        for timer in due {
            self.timers.remove(&timer);
            self.translate(now, |translation, effects| translation.timer(now, timer, effects));
        }
        for reply in std::mem::take(&mut self.replies) {
            self.translate(now, |translation, effects| translation.reply(now, reply, effects));
        }
    }

    fn started(&mut self, now: Mono, process: ProcessIdentity) {
        self.is_running = true;
        self.leader = process.pid;
        self.process = Some(process);
        self.idle = self.idle_limit.map(|limit| IdleWatch::new(now, limit));
        self.watched = Some(self.host.orphans.job_started(self.job_id.clone(), process));
        self.notices.push_back(WorkerNotice::Started(process));
        self.translate(now, |translation, effects| translation.started(now, effects));
    }

    /// Takes secrets out before anything else sees what came. Only the session is given it as it is.
    fn output(&mut self, now: Mono, stream: OutputStream, bytes: &[u8]) {
        let (mut clean, mut plain) = (std::mem::take(&mut self.clean), std::mem::take(&mut self.plain));
        let redactor = &mut self.redactors[stream as usize];
        redactor.push_both(bytes, &mut clean, &mut plain);
        if redactor.take_refused() {
            self.no_more_is_hidden();
        }
        self.take_in(now, stream, &clean, &plain);
        clean.clear();
        plain.clear();
        (self.clean, self.plain) = (clean, plain);
    }

    /// Takes in what might have been the beginning of a secret, and was not.
    fn rest_of_output(&mut self, now: Mono) {
        for stream in [OutputStream::Stdout, OutputStream::Stderr] {
            let (mut clean, mut plain) = (Vec::new(), Vec::new());
            let redactor = &mut self.redactors[stream as usize];
            redactor.finish_both(&mut clean, &mut plain);
            if redactor.take_refused() {
                self.no_more_is_hidden();
            }
            self.take_in(now, stream, &clean, &plain);
        }
    }

    /// Says, once for all workers, that a value which one wanted hidden is not.
    pub(super) fn no_more_is_hidden(&mut self) {
        if !self.host.told_of_full.replace(true) {
            self.warn(format!(
                "it masked one value too many: {MOST_VALUES} values, or {} KiB of them, are hidden already; this one and \
                 all that any step masks from here on are NOT hidden",
                MOST_BYTES / 1024
            ));
        }
    }

    fn take_in(&mut self, now: Mono, stream: OutputStream, bytes: &[u8], plain: &[u8]) {
        if !bytes.is_empty() {
            self.record(now, stream, bytes);
        }
        if bytes.is_empty() && plain.is_empty() {
            return;
        }
        let before = self.said;
        self.translate(now, |translation, effects| {
            translation.output_both(now, stream, plain, bytes, effects);
        });
        let only_waits = self.said[0] == before[0] && self.said[1] > before[1];
        if let Some(idle) = self.idle.as_mut().filter(|_| !only_waits) {
            idle.active(now);
        }
    }

    fn record(&mut self, now: Mono, stream: OutputStream, bytes: &[u8]) {
        let ts = self.host.clock.utc();
        let offset = self.recorder.output(stream, bytes, ts);
        self.keep_form_of_output(now);
        self.pass_on_trouble();
        self.keep_within_limit(now);
        if let Some(repeated) = self.repetitions[stream as usize].push(bytes) {
            self.warn(repeated.to_string());
        }
        let is_raw = self.translation.as_ref().is_some_and(|translation| translation.is_raw(stream));
        if self.show_output && is_raw {
            self.live.output(now, ts, stream, offset, bytes);
        }
    }

    /// Output is told by its place in the log only as long as all of it is there.
    fn keep_form_of_output(&mut self, now: Mono) {
        self.announces_growth &= self.recorder.is_readable();
        self.live.announce_growth(now, self.announces_growth);
    }

    /// Says that the record has become too large, and ends the worker when that was asked for.
    fn keep_within_limit(&mut self, now: Mono) {
        while let Some(outgrown) = self.recorder.take_outgrown() {
            let RecordLimits { log_bytes, over, .. } = self.recorder.limits();
            self.warn(outgrown_words(outgrown, log_bytes, over));
            if over == OverLimit::Kill {
                self.tell_to_end(now, CancelReason::Budget);
                self.controls.push_back(Control::Cancel(CancelReason::Budget));
            }
        }
    }

    fn ending(&mut self, now: Mono, phase: EndingPhase, reason: Option<CancelReason>, limit: Duration) {
        // From here on the ladder has the time.
        self.idle = None;
        if phase == EndingPhase::Draining {
            self.holders.draining(self.leader, now + limit, now, &self.host.orphans);
        }
        let reason = if self.done && self.told_to_end.is_none() { None } else { reason };
        self.notices.push_back(WorkerNotice::Ending { phase, reason, limit });
        if let Some(reason) = reason {
            self.tell_to_end(now, reason);
        }
    }

    /// Tells the session, once for each reason that is worse than the last.
    fn tell_to_end(&mut self, now: Mono, reason: CancelReason) {
        if self.is_running && self.told_to_end.is_none_or(|told| told < reason) {
            self.told_to_end = Some(reason);
            self.translate(now, |translation, effects| translation.cancel(now, reason, effects));
        }
    }

    /// What was found when the process had ended.
    pub(super) fn left_behind(&mut self, left: Leftovers, pipes_left_open: bool) {
        let Leftovers { mut own, others, unkillable } = left;
        if pipes_left_open {
            // They were seen when they still had a command line.
            let mut seen = self.holders.take();
            seen.retain(|holder| !unkillable.iter().any(|living| living.process == holder.process));
            own.retain(|leaked| !seen.iter().any(|holder| holder.process == leaked.process));
            seen.append(&mut own);
            own = seen;
            if own.is_empty() {
                self.warn(HELD_BY_NOBODY_KNOWN.to_owned());
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
        if !std::mem::replace(&mut self.waited_for_room, true) {
            self.warn(format!(
                "it waits for room to start: the system has none for another process or file now ({error}); \
                 it is tried again when another worker ends"
            ));
        }
    }

    /// The process has ended and all its output was given.
    pub(super) fn finish(&mut self, now: Mono, report: &ChildReport) {
        self.rest_of_output(now);
        let reason = if self.done && self.told_to_end.is_none() { None } else { report.reason };
        let exit = match report.exit {
            roboppi_process::ExitKind::Code(code) => ExitKind::Code(code),
            roboppi_process::ExitKind::Signal(signal) => ExitKind::Signal(signal),
        };
        self.translate(now, |translation, effects| {
            translation.exit(
                now,
                |output| WorkerEnd {
                    exit,
                    output,
                    cancelled: reason,
                    killed: report.killed,
                    duration: report.duration,
                },
                effects,
            );
        });
        if let Some(progress) = self.progress.release(now) {
            self.event(now, WorkerEvent::Progress(progress));
        }
        let Some(mut result) = self.result.take() else { return };
        let details = result.details.get_or_insert_default();
        details.cancel_reason = reason;
        details.signal = exit.signal();
        details.killed = report.killed;
        if self.was_idle && reason == Some(CancelReason::Timeout) {
            details.error = Some(idle_words(self.idle_limit.unwrap_or_default()));
            details.error_kind.get_or_insert_with(|| "idle".to_owned());
        }
        self.end(now, WorkerOutcome { result, started: true });
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
        self.recorder.close();
        self.pass_on_trouble();
        self.translation = None;
        self.outcome = Some(outcome);
    }

    fn translate(&mut self, now: Mono, input: impl FnOnce(&mut Translation, &mut Vec<SessionEffect>)) {
        let Some(translation) = &mut self.translation else { return };
        let mut effects = std::mem::take(&mut self.effects);
        input(translation, &mut effects);
        for effect in effects.drain(..) {
            self.perform(now, effect);
        }
        self.effects = effects;
    }

    fn perform(&mut self, now: Mono, effect: SessionEffect) {
        match effect {
            SessionEffect::Event(WorkerEvent::Progress(progress)) => {
                if let Some(progress) = self.progress.offer(now, progress) {
                    self.event(now, WorkerEvent::Progress(progress));
                }
            }
            SessionEffect::Event(event) => self.event(now, event),
            SessionEffect::Stdin(bytes) => self.controls.push_back(Control::Stdin(bytes)),
            SessionEffect::CloseStdin => self.controls.push_back(Control::CloseStdin),
            SessionEffect::SetTimer(timer, after) => {
                self.timers.insert(timer, now + after);
            }
            SessionEffect::Ask(request) => self.replies.push_back(HostReply {
                id: request.id,
                answer: HostAnswer::Refused("this host answers no questions".to_owned()),
            }),
            SessionEffect::End(Some(reason)) => {
                self.told_to_end = self.told_to_end.max(Some(reason));
                self.controls.push_back(Control::Cancel(reason));
            }
            SessionEffect::End(None) => {
                self.done = true;
                self.controls.push_back(Control::Cancel(CancelReason::User));
            }
            SessionEffect::Result(result) => self.result = Some(result),
            // Effects of a newer adapter crate; there is none in this workspace.
            _ => {}
        }
    }

    /// Numbers, records, and only then offers an event.
    fn event(&mut self, now: Mono, mut event: WorkerEvent) {
        self.said[usize::from(matches!(event, WorkerEvent::Waiting(_)))] += 1;
        self.unspoken.clean(&self.host.secrets, &mut event);
        shorten(&mut event, &mut |whole| self.recorder.blob(whole));
        let (ts, at) = (self.host.clock.utc(), self.recorder.log_bytes());
        let seq = self.live.number(now);
        let record = AttemptRecord { seq, ts, at, event };
        let (len, stored) = if record.event.is_recorded() { self.recorder.event(&record) } else { (0, None) };
        self.pass_on_trouble();
        self.keep_within_limit(now);
        if self.show_events {
            let bytes = match &record.event {
                WorkerEvent::TextDelta(piece) | WorkerEvent::ThinkingDelta(piece) => piece.delta.len(),
                _ => usize::try_from(len).unwrap_or(usize::MAX),
            };
            let AttemptRecord { seq, ts, at, event } = record;
            self.live.push(LiveEvent { seq, ts, at, event }, bytes, stored);
        }
    }

    fn pass_on_trouble(&mut self) {
        if let Some(trouble) = self.recorder.take_trouble() {
            self.warn(trouble);
        }
    }
}

/// Why a worker was ended that did nothing.
fn idle_words(limit: Duration) -> String {
    let limit = match limit.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        millis @ 1000..60_000 => format!("{} s", millis / 1000),
        millis => format!("{} min", millis / 60_000),
    };
    format!(
        "it did nothing for {limit} (no output, no processor time, no file written) and was ended; \
         `idle` says how long that may take"
    )
}

/// Which limit was reached, and what that means.
fn outgrown_words(outgrown: LimitReached, log_bytes: u64, over: OverLimit) -> String {
    let LimitReached { what, bound, keeps_end } = outgrown;
    let whose = match what {
        Kept::Log => "output has",
        Kept::Events => "events have",
    };
    let limit = match (bound, what) {
        (Bound::File(bytes), Kept::Log) => format!("{}, the limit of its log", limit_words(bytes)),
        (Bound::File(bytes), Kept::Events) => {
            format!(
                "{}, the part for events of the {} of its log",
                limit_words(bytes),
                limit_words(log_bytes)
            )
        }
        (Bound::Run(bytes), _) => format!("the limit of all logs of the run, {}", limit_words(bytes)),
    };
    let does = match (over, what) {
        (OverLimit::Warn, _) => "it is kept whole",
        (OverLimit::Kill, _) => "the worker is ended",
        _ if keeps_end => "only the beginning and the end of that are kept from here on",
        (_, Kept::Log) => "only the beginning of it is kept",
        (_, Kept::Events) => "what is too much for it is shown, but not kept",
    };
    format!("its {whose} reached {limit}: {does}")
}

/// A limit in bytes for people, exactly.
fn limit_words(bytes: u64) -> String {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    match bytes {
        bytes if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        bytes if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}

/// Connects a process with the state of its worker.
pub(super) struct Watch<'a>(pub(super) &'a WorkerShared);

impl Watch<'_> {
    fn with(&self, change: impl FnOnce(&mut State, Mono)) {
        let mut state = self.0.state.borrow_mut();
        change(&mut state, self.0.host.clock.now());
        if !state.controls.is_empty() || state.next_due().is_some() {
            self.0.driver.notify_one();
        }
        self.0.news.notify_one();
    }
}

impl ChildWatch for Watch<'_> {
    fn started(&mut self, process: ProcessIdentity) {
        self.with(|state, now| state.started(now, process));
        // It is looked at from now on.
        self.0.driver.notify_one();
    }

    fn output(&mut self, stream: OutputStream, bytes: &[u8]) {
        self.with(|state, now| state.output(now, stream, bytes));
    }

    fn ending(&mut self, phase: EndingPhase, reason: Option<CancelReason>, limit: Duration) {
        self.with(|state, now| state.ending(now, phase, reason, limit));
    }
}

#[cfg(test)]
#[path = "state_canary.rs"]
mod canary;

//! Records in, text out.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use roboppi_attach::{RunSource, Sharing};
use roboppi_ipc::{CoreEvent, Progress, UtcMillis, WorkerEvent, WorkerStatus};
use roboppi_run::{
    AttemptPhase, AttemptRef, AttemptStatus, AttemptView, CoreStatus, RunEvent, RunRecord, RunStatus,
    RunView, StepPath, StepState, StepView,
};

use super::activity::{self, ActivityLine};
use super::log::Logs;
use super::output::{Lines, OutputLines};
use super::progress::ProgressLines;
use super::slow::{SlowSteps, running_since};
use super::started::Started;
use super::{PlainSettings, failure, heartbeat, lines, quiet, summary};
use crate::scripted::is_script;
use crate::style::Ink;
use crate::units::duration;
use roboppi_untrusted::{first_words, words};

/// Room for text that is kept once it is written; what more of it took is given back.
const ROOM: usize = 1024 * 1024;

/// Turns records of a run into text. Knows no clock, no thread and no file but through [`Logs`].
pub(super) struct PlainPrinter {
    settings: PlainSettings,
    /// Where the record is, for people.
    location: Option<PathBuf>,
    logs: Box<dyn Logs>,
    view: RunView,
    slow: SlowSteps,
    started: Started,
    progress: ProgressLines,
    /// What was not written yet.
    text: Vec<u8>,
}

/// A line of a view that knows more than was printed.
struct Dated {
    ts: UtcMillis,
    text: String,
    /// The step that ended with it.
    ended: Option<StepPath>,
}

impl Dated {
    const fn new(ts: UtcMillis, text: String) -> Self {
        Self { ts, text, ended: None }
    }
}

impl PlainPrinter {
    pub(super) fn new(settings: PlainSettings, location: Option<PathBuf>, logs: Box<dyn Logs>) -> Self {
        let slow = if settings.quiet { Duration::ZERO } else { settings.slow };
        Self {
            slow: SlowSteps::new(slow),
            settings,
            location,
            logs,
            view: RunView::default(),
            started: Started::default(),
            progress: ProgressLines::default(),
            text: Vec::new(),
        }
    }

    /// The run as far as it was printed.
    pub(super) const fn view(&self) -> &RunView {
        &self.view
    }

    /// The text since it was last cleared.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Forgets the text, which was written.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(ROOM);
    }

    /// Takes the next record.
    pub(super) fn record(&mut self, record: &RunRecord) {
        self.mark_slow(match record {
            RunRecord::Journal(record) => record.ts,
            RunRecord::Attempt(_, record) => record.ts,
        });
        let before = self.view.position;
        let known = match record {
            RunRecord::Attempt(of, _) => self.view.attempt(of).and_then(|attempt| attempt.activity.last_seq),
            RunRecord::Journal(_) => None,
        };
        self.view.apply(record);
        if let RunRecord::Attempt(of, record) = record
            && let Some(attempt) = self.view.attempt(of)
            && attempt.activity.last_seq != known
        {
            let (verbose, colour) = (self.settings.verbose, self.settings.colour);
            if !self.settings.quiet || quiet::shows_activity(&record.event) {
                let reported = activity::event(&attempt.activity, record, &of.step, verbose, colour);
                self.print_activity(record.ts, &of.step, reported);
            }
            if let WorkerEvent::Progress(progress @ Progress { level: None, .. }) = &record.event {
                self.print_progress(of, record.ts, progress);
            }
        }
        if let RunRecord::Journal(record) = record
            && self.view.position != before
        {
            self.event(record.ts, &record.event);
        }
    }

    /// Takes a view that may know more than the records told, and says what is new in it. Of what happened
    /// in between, only the ends of attempts and warnings are known; no step that changed is left out.
    pub(super) fn catch_up(&mut self, view: RunView) {
        let old = std::mem::replace(&mut self.view, view);
        if old.head.is_none() {
            self.head();
        }
        let mut printed = self.new_in_view(&old);
        printed.sort_by_key(|line| line.ts);
        for Dated { ts, text, ended } in printed {
            self.mark_slow(ts);
            self.print_at(ts, &text);
            if let Some(step) = ended {
                self.print_output(&step);
            }
        }
        self.slow.note_all(&self.view);
        for (ts, step, reported) in self.done_in_view(&old) {
            self.print_activity(ts, &step, reported);
        }
    }

    /// What agents did that `old` does not know.
    fn done_in_view(&self, old: &RunView) -> Vec<(UtcMillis, StepPath, Vec<ActivityLine>)> {
        let mut done = Vec::new();
        for attempt in self.view.steps.iter().flat_map(|step| &step.attempts) {
            let known = old.attempt(&attempt.of).and_then(|attempt| attempt.activity.last_seq);
            let step = &attempt.of.step;
            for item in &attempt.activity.items {
                let is_wanted = !self.settings.quiet || quiet::shows_act(&item.what);
                if known.is_none_or(|known| item.seq > known) && !item.is_running() && is_wanted {
                    let (verbose, colour) = (self.settings.verbose, self.settings.colour);
                    let lines = activity::about(&attempt.activity, item, step, verbose, colour);
                    done.push((item.ts, step.clone(), lines));
                }
            }
        }
        done
    }

    fn print_activity(&mut self, ts: UtcMillis, step: &StepPath, reported: Vec<ActivityLine>) {
        let name = Ink::Strong.paint(self.settings.colour, &first_words(step.as_str()));
        for reported in reported {
            match reported {
                ActivityLine::Line(text) => self.print_at(ts, &text),
                ActivityLine::Text(text) => {
                    let _ = writeln!(self.text, "{name} | {text}");
                }
            }
        }
    }

    fn print_progress(&mut self, of: &AttemptRef, ts: UtcMillis, progress: &Progress) {
        // Streamed lines have it.
        let is_streamed =
            self.settings.stream && self.view.step(&of.step).is_some_and(|step| is_script(step, of));
        if self.settings.quiet || is_streamed {
            return;
        }
        if self.progress.is_due(of, ts) || self.settings.verbose {
            self.print_at(ts, &lines::progress(&of.step, progress));
        }
    }

    /// Prints which steps are slow by `now`.
    pub(super) fn mark_slow(&mut self, now: UtcMillis) {
        while let Some((ts, step)) = self.slow.take(now) {
            let limit_ms = u64::try_from(self.settings.slow.as_millis()).unwrap_or(u64::MAX);
            let line = self.view.step(&step).map(|step| lines::slow(step, limit_ms, self.settings.colour));
            if let Some(line) = line {
                self.print_at(ts, &line);
            }
        }
    }

    /// When the next step is slow.
    pub(super) fn next_slow(&self) -> Option<UtcMillis> {
        self.slow.next()
    }

    /// The output of a step that has just ended, if it failed.
    fn print_output(&mut self, step: &StepPath) {
        if !self.settings.failure_output.is_immediate() {
            return;
        }
        let Some(step) = self.view.step(step) else { return };
        let text = failure::output_of(&self.view, step, &self.settings, self.logs.as_mut());
        self.text.extend_from_slice(text.as_bytes());
    }

    /// Has the view share with its source what is the same in both, if it is time.
    pub(super) fn share(&mut self, source: &dyn RunSource, sharing: &mut Sharing) {
        sharing.share(source, &mut self.view);
    }

    /// Takes a view and says nothing of what is in it.
    pub(super) fn pass_over(&mut self, view: RunView) {
        self.view = view;
        self.slow.note_all(&self.view);
    }

    /// Takes lines of the output of an attempt.
    pub(super) fn output(&mut self, of: &AttemptRef) -> OutputLines<'_> {
        // What an agent prints there is for programs; what it says and does is told line by line.
        let worker = match self.view.step(&of.step) {
            Some(step) if step.is_agent_in(of) => Lines::Agent,
            Some(step) if is_script(step, of) => Lines::Script,
            Some(_) | None => Lines::Command,
        };
        self.print_start(of);
        OutputLines::new(&mut self.text, of.step.as_str(), worker, self.settings.colour)
    }

    /// Prints that an attempt has begun, once.
    fn print_start(&mut self, of: &AttemptRef) {
        if !self.settings.verbose || self.settings.quiet || !self.started.is_new(of) {
            return;
        }
        if let Some(step) = self.view.step(&of.step)
            && let Some(attempt) = self.view.attempt(of)
        {
            let (ts, text) = (running_since(attempt), lines::started(step));
            self.print_at(ts, &text);
        }
    }

    /// Something went wrong on the side of the reader.
    pub(super) fn note(&mut self, of: &AttemptRef, message: &str) {
        let text = lines::warning(Some(of.step.as_str()), message, self.settings.colour);
        let _ = writeln!(self.text, "{text}");
    }

    /// Nothing was said for a while.
    pub(super) fn heartbeat(&mut self, now: UtcMillis) {
        if self.settings.quiet {
            return;
        }
        if let Some(text) = heartbeat::heartbeat(&self.view, now, self.logs.as_mut()) {
            let _ = writeln!(self.text, "{}", Ink::Faint.paint(self.settings.colour, &text));
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self) {
        let end = summary::end(&self.view, &self.settings, self.location.as_deref(), self.logs.as_mut());
        self.text.extend_from_slice(end.as_bytes());
    }

    fn event(&mut self, ts: UtcMillis, event: &RunEvent) {
        let (colour, verbose) = (self.settings.colour, self.settings.verbose);
        if self.settings.quiet && !quiet::shows(event) {
            return;
        }
        let text = match event {
            RunEvent::RunStarted { .. } => {
                self.head();
                None
            }
            RunEvent::CoreStarted { host: _, incarnation, process, protocol, version, workers: _ }
                if *incarnation > 1 || verbose =>
            {
                let again = if *incarnation > 1 { " again" } else { "" };
                let pid = process.map_or(String::new(), |process| format!("pid {}, ", process.pid));
                Some(format!("core started{again}: {pid}protocol {protocol}, version {}", words(version)))
            }
            RunEvent::CoreLost { detail, .. } => Some(lines::core_lost(detail, colour)),
            RunEvent::CoreReport { host: _, event } => lines::report(&self.view, event, colour),
            RunEvent::StepChanged { step, .. } => return self.step_changed(ts, step),
            RunEvent::PlanExtended { nodes } => {
                Some(lines::plan_extended(nodes.iter().map(|node| &node.step)))
            }
            RunEvent::IterationStarted { step, .. } => self
                .view
                .step(step)
                .and_then(|step| step.iterations.last().map(|begun| lines::iteration(step, begun, colour))),
            RunEvent::AttemptStarted { of, resumed_session: Some(session), .. } => {
                Some(lines::resumed(of, session))
            }
            RunEvent::AttemptPhase { of, phase } if verbose => {
                if matches!(phase, AttemptPhase::Running { .. }) {
                    self.print_start(of);
                }
                Some(lines::phase(&self.view, of, phase))
            }
            RunEvent::AttemptFinished { of, .. } => {
                self.progress.forget(of);
                if let Some(step) = self.view.step(&of.step) {
                    self.slow.note(step);
                }
                let leaks =
                    self.view.attempt(of).map_or_else(Vec::new, |attempt| self.unreported_leaks(attempt));
                let notes =
                    self.view.attempt(of).map_or_else(Vec::new, |attempt| lines::remarks(attempt, colour));
                for text in leaks.into_iter().chain(notes) {
                    self.print_at(ts, &text);
                }
                None
            }
            RunEvent::ArtifactCollected { step, name, path, .. } if verbose => {
                Some(format!("{}  artifact {}: {}", words(step.as_str()), words(name), words(path)))
            }
            RunEvent::ValuesSet { step, values } if verbose => Some(lines::values(step.as_ref(), values)),
            RunEvent::Command { command, by, refused, user: _ } => {
                Some(lines::command(command, *by, refused.as_deref(), colour))
            }
            RunEvent::RunEnding { reason, force, signal } => {
                Some(lines::ending(&self.view, *reason, *force, signal.as_deref(), colour))
            }
            RunEvent::Warning { message, step } => {
                Some(lines::warning(step.as_ref().map(StepPath::as_str), message, colour))
            }
            RunEvent::CoreStarted { .. }
            | RunEvent::AttemptStarted { resumed_session: None, .. }
            | RunEvent::AttemptPhase { .. }
            | RunEvent::ArtifactCollected { .. }
            | RunEvent::ValuesSet { .. }
            | RunEvent::RunFinished { .. }
            | RunEvent::Unknown { .. } => None,
        };
        if let Some(text) = text {
            self.print_at(ts, &text);
        }
    }

    fn step_changed(&mut self, ts: UtcMillis, path: &StepPath) {
        let Some(step) = self.view.step(path) else { return };
        self.slow.note(step);
        let is_start = step.state == StepState::Running && step.detail.is_none();
        if is_start && let Some(of) = step.attempts.last().map(|attempt| attempt.of.clone()) {
            return self.print_start(&of);
        }
        let is_over = step.state.is_final();
        if let Some(text) = lines::step(&self.view, step, self.settings.verbose, self.settings.colour) {
            self.print_at(ts, &text);
        }
        if is_over {
            self.started.forget(path);
            self.print_output(path);
        }
    }

    /// What `self.view` says and `old` did not.
    fn new_in_view(&self, old: &RunView) -> Vec<Dated> {
        let (colour, verbose) = (self.settings.colour, self.settings.verbose);
        let all = !self.settings.quiet;
        let mut printed = Vec::new();
        if all && old.head.is_some() && old.steps.len() < self.view.steps.len() {
            let new = &self.view.steps[old.steps.len()..];
            let since = new.iter().map(|step| step.changed_at).min().unwrap_or_else(|| self.started_at());
            let text = lines::plan_extended(new.iter().map(|step| &step.plan.step));
            printed.push(Dated::new(since, text));
        }
        for step in &self.view.steps {
            let before = old.step(&step.plan.step);
            let known = before.map_or(1, StepView::iteration);
            for begun in step.iterations.iter().filter(|begun| all && begun.iteration > known) {
                let text = lines::iteration(step, begun, colour);
                printed.push(Dated::new(begun.started_at, text));
            }
            for attempt in &step.attempts {
                let Some(finished_at) = attempt.finished_at else { continue };
                if old.attempt(&attempt.of).is_none_or(|attempt| attempt.finished_at.is_none()) {
                    let leaks = self.unreported_leaks(attempt).into_iter();
                    printed.extend(leaks.map(|text| Dated::new(finished_at, text)));
                }
                let reported = before.is_some_and(|before| {
                    let retrying = before.state == StepState::Retrying
                        && before.attempts.last().is_some_and(|last| last.of == attempt.of);
                    retrying || was_retried(before, &attempt.of)
                });
                if !reported && was_retried(step, &attempt.of) {
                    printed.push(Dated::new(finished_at, lines::retried(attempt, colour)));
                }
            }
            let changed = before.is_none_or(|before| {
                before.state != step.state
                    || before.limit_until != step.limit_until
                    || begun(before) != begun(step)
            });
            if changed
                && (all || quiet::shows_state(step.state))
                && let Some(text) = lines::step(&self.view, step, verbose, colour)
            {
                let ended = step.state.is_final().then(|| step.plan.step.clone());
                printed.push(Dated { ts: step.changed_at, text, ended });
            }
        }
        let new = usize::try_from(self.view.warnings_total.saturating_sub(old.warnings_total))
            .unwrap_or(usize::MAX);
        let kept = self.view.warnings.len();
        let latest = &self.view.warnings[kept.saturating_sub(new)..];
        if new > latest.len()
            && let Some(first) = latest.first()
        {
            let message = format!("{} earlier warnings are in the record", new - latest.len());
            printed.push(Dated::new(first.ts, lines::warning(None, &message, colour)));
        }
        for warning in latest {
            let step = warning.step.as_ref().map(StepPath::as_str);
            printed.push(Dated::new(warning.ts, lines::warning(step, &warning.message, colour)));
        }
        // Neither has a time of its own in the view; both come after whatever led to them.
        let now = printed.iter().map(|line| line.ts).max().unwrap_or_else(|| self.started_at());
        match &self.view.core().status {
            CoreStatus::Lost { detail } if old.core().status != self.view.core().status => {
                printed.push(Dated::new(now, lines::core_lost(detail, colour)));
            }
            CoreStatus::Absent | CoreStatus::Alive | CoreStatus::Lost { .. } => {}
        }
        if let RunStatus::Ending { reason, force, signal } = &self.view.status
            && old.status != self.view.status
        {
            let text = lines::ending(&self.view, *reason, *force, signal.as_deref(), colour);
            printed.push(Dated::new(now, text));
        }
        printed
    }

    /// Processes an attempt left behind and the core did not report at the time.
    fn unreported_leaks(&self, attempt: &AttemptView) -> Vec<String> {
        let AttemptStatus::Finished { result, .. } = &attempt.status else { return Vec::new() };
        let leaked = result.details.iter().flat_map(|details| &details.leaked);
        let reported = |process| {
            self.view.core().reports.iter().any(
                |(_, report)| matches!(report, CoreEvent::Leaked { leaked, .. } if leaked.process == process),
            )
        };
        leaked
            .filter(|leaked| !reported(leaked.process))
            .map(|leaked| lines::leak(Some(attempt.of.step.as_str()), leaked, self.settings.colour))
            .collect()
    }

    fn head(&mut self) {
        if self.settings.quiet {
            return;
        }
        if let Some(head) = &self.view.head {
            let steps = self.view.steps.len();
            self.text.extend_from_slice(
                summary::head(head, steps, self.location.as_deref(), self.settings.colour).as_bytes(),
            );
        }
    }

    fn started_at(&self) -> UtcMillis {
        self.view.head.as_ref().map_or(UtcMillis(0), |head| head.started_at)
    }

    /// A line with the time since the run began before it.
    fn print_at(&mut self, ts: UtcMillis, text: &str) {
        let time = duration(ts.0.saturating_sub(self.started_at().0));
        let time = Ink::Faint.paint(self.settings.colour, &format!("{time:>7}"));
        let _ = writeln!(self.text, "{time}  {text}");
    }
}

/// Whether another attempt of the same work was begun after this one had failed.
fn was_retried(step: &StepView, of: &AttemptRef) -> bool {
    let same_work = |other: &AttemptRef| (other.iteration, &other.role) == (of.iteration, &of.role);
    let is_later = |other: &AttemptRef| same_work(other) && other.attempt > of.attempt;
    let has_failed = step.attempts.iter().filter(|attempt| attempt.of == *of).any(|attempt| {
        matches!(&attempt.status, AttemptStatus::Finished { result, .. } if result.status != WorkerStatus::Succeeded)
    });
    let is_last = step.attempts.last().is_some_and(|last| last.of == *of);
    let begins = is_last && step.state == StepState::Starting && step.iteration() == of.iteration;
    has_failed && (begins || step.attempts.iter().any(|attempt| is_later(&attempt.of)))
}

/// Attempts the journal knows. The view may have one earlier, from an event of its own.
fn begun(step: &StepView) -> usize {
    step.attempts.iter().filter(|attempt| !attempt.job_id.as_str().is_empty()).count()
}

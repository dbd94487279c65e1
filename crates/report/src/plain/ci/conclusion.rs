//! The end of a run: the output of failed steps, open, and annotations.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;

use roboppi_attach::RunSource;
use roboppi_ipc::{CancelReason, UtcMillis};
use roboppi_run::{
    AttemptRef, AttemptStatus, AttemptView, RunHead, RunOutcome, RunStatus, RunView, StepPath, StepState,
    StepView,
};
use roboppi_untrusted::words;

use super::CiSettings;
use super::annotations::{Annotations, Chosen};
use super::budget::{ShownBudget, cut_activity};
use super::excerpt::{Extent, Found, Search, excerpt, findings};
use super::markup::{Markup, guarded};
use crate::notable::notable;
use crate::plain::FailureOutput;
use crate::plain::activity::{self, ActivityLine};
use crate::plain::count::counted;
use crate::plain::failure::read_command;
use crate::plain::lines::{attempt_of_detail, step as line_of};
use crate::plain::log::Logs;
use crate::units::limit_time;

/// What the run is called where the name of a step stands.
const RUN: &str = "roboppi";

/// What is shown of the output of a failed step.
const OPEN: Extent = Extent { first_lines: 20, last_lines: 300, bytes: 96 * 1024 };

/// Failed steps whose output is shown.
const FAILURES: usize = 20;

/// Steps in whose output places are looked for.
const SEARCHED: usize = 100;

pub(super) struct Conclusion<'c> {
    pub(super) source: &'c dyn RunSource,
    pub(super) logs: &'c mut dyn Logs,
    pub(super) settings: &'c CiSettings,
    pub(super) markup: &'c mut Markup,
    pub(super) budget: &'c mut ShownBudget,
    /// What agents of failed steps did.
    pub(super) activities: HashMap<StepPath, Vec<u8>>,
}

/// The steps because of which a run fails.
pub(in crate::plain) fn failed_steps(view: &RunView) -> impl Iterator<Item = &StepView> {
    view.steps().filter(|step| fails(view, step))
}

/// Whether a run fails because of a step: one that a limit has ended has not done its work, and of a lost one that is not known.
pub(super) fn fails(view: &RunView, step: &StepView) -> bool {
    match step.state {
        StepState::Failed | StepState::Lost => !step.is_excused_failure(),
        StepState::Cancelled => is_over_limit(view, step),
        _ => false,
    }
}

/// Whether a step was cancelled because its time, that of the run or a budget was used up.
fn is_over_limit(view: &RunView, step: &StepView) -> bool {
    let reason = step.attempts.last().and_then(|attempt| match &attempt.status {
        AttemptStatus::Finished { result, .. } => result.details.as_deref()?.cancel_reason,
        AttemptStatus::Started | AttemptStatus::Phase(_) => None,
    });
    match reason {
        Some(CancelReason::Timeout | CancelReason::Budget) => true,
        Some(_) => false,
        // It waited for its next attempt.
        None => matches!(
            view.status,
            RunStatus::Finished { outcome: RunOutcome::TimedOut, .. }
                | RunStatus::Ending { reason: CancelReason::Timeout, .. }
        ),
    }
}

/// Why a run did not succeed; `None` if it did.
pub(super) fn reason_of_run(view: &RunView) -> Option<String> {
    match &view.status {
        RunStatus::Finished { outcome: RunOutcome::Succeeded, .. } => None,
        RunStatus::Finished { outcome, detail, .. } => {
            let why = detail.as_deref().map(words).filter(|why| !why.is_empty());
            Some(why.unwrap_or_else(|| outcome.name().to_owned()))
        }
        RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => {
            Some("how the run ended is not known".to_owned())
        }
    }
}

/// The line about attempts before the one whose output is shown; `None` if none of them wrote any.
pub(super) fn earlier_attempts(view: &RunView, step: &StepView) -> Option<String> {
    let (last, earlier) = step.attempts.split_last()?;
    let count = earlier.iter().filter(|attempt| attempt.log_bytes() > 0).count();
    (count > 0 && !step.is_agent_last()).then(|| {
        let attempts = counted(count, "earlier attempt");
        format!("output of {attempts} not shown: `{} --all`", read_command(view, &last.of))
    })
}

/// When the first attempt of a step began and when it came into its state.
pub(super) fn times(step: &StepView) -> (UtcMillis, UtcMillis) {
    (step.started_at.unwrap_or(step.changed_at), step.changed_at)
}

/// Why a step is in its state, without the number of the attempt.
pub(in crate::plain) fn reason(step: &StepView) -> String {
    let why = step.reason(limit_time).map(|detail| words(&attempt_of_detail(&detail).1));
    why.filter(|why| !why.is_empty()).unwrap_or_else(|| step.state.name().to_owned())
}

impl Conclusion<'_> {
    /// Writes the blocks of failed steps, and annotations. Blocks come first: what is in annotations has to be searched for.
    pub(super) fn write(&mut self, view: &RunView, out: &mut impl Write) -> io::Result<()> {
        self.markup.name_run(&view.head.as_ref().map_or_else(String::new, RunHead::short_name));
        let failed: Vec<&StepView> = failed_steps(view).collect();
        let hidden = failed.len().saturating_sub(FAILURES);
        for (index, step) in failed.iter().enumerate().skip(hidden) {
            let mut block = Vec::new();
            self.block(&mut block, view, step, failed.len() - 1 - index);
            out.write_all(&block)?;
        }
        let mut notes = Vec::new();
        if hidden > 0 {
            let steps = counted(hidden, "more failed step");
            let verb = if hidden == 1 { "is" } else { "are" };
            note(&mut notes, &format!("{steps} {verb} not shown: `roboppi show`"));
        }
        if self.budget.left_out() > 0 {
            let steps = counted(self.budget.left_out(), "step");
            let text = "is left out, this log has room for no more: `roboppi logs`";
            note(&mut notes, &format!("the output of {steps} {text}"));
        }
        out.write_all(&notes)?;
        out.flush()?;
        if self.settings.vendor.annotations() > 0 {
            let text = self.annotations(view, &failed);
            out.write_all(&text)?;
        }
        Ok(())
    }

    fn annotations(&mut self, view: &RunView, failed: &[&StepView]) -> Vec<u8> {
        let workspace = view.head.as_ref().map_or_else(PathBuf::new, |head| PathBuf::from(&head.workspace));
        let most = self.settings.vendor.annotations();
        let mut annotations = Annotations::new(most, workspace, self.settings.checkout.clone());
        let mut search = Search::default();
        for (index, step) in failed.iter().enumerate() {
            let found = if index < SEARCHED && annotations.has_room_for_places() {
                self.findings(step, &mut search)
            } else {
                Found::not_searched()
            };
            annotations.failed(&words(step.plan.step.as_str()), &reason(step), &found);
        }
        let why = reason_of_run(view).filter(|_| failed.is_empty());
        if let Some(why) = &why {
            annotations.run_failed(RUN, why);
        }
        self.warnings(view, &mut annotations, &mut search);
        let mut out = Vec::new();
        self.annotate(&mut out, &annotations.choose(), failed);
        if let Some(why) = &why {
            self.markup.problem(&mut out, RUN, why);
        }
        out
    }

    fn findings(&mut self, step: &StepView, search: &mut Search) -> Found {
        let attempt = step.attempts.last().filter(|_| !step.is_agent_last());
        let found = attempt.map(|attempt| findings(self.source, self.logs, &attempt.of, search));
        // A log that cannot be read is reported where it would be shown.
        found.and_then(Result::ok).unwrap_or_default()
    }

    /// Warnings of the run, and the places of steps that did not fail it.
    fn warnings(&mut self, view: &RunView, annotations: &mut Annotations, search: &mut Search) {
        let notes = notable(view);
        for note in notes.first(usize::MAX) {
            let title = note.step().map_or_else(|| RUN.to_owned(), |step| words(step.as_str()));
            annotations.warning(&title, &words(note.text()));
        }
        annotations.left_out(notes.beside(usize::MAX));
        let others = view.steps().filter(|step| {
            let is_failure = matches!(step.state, StepState::Failed | StepState::Lost);
            step.state == StepState::Succeeded || (is_failure && step.is_excused_failure())
        });
        for (index, step) in others.filter(|step| step.kept.is_none()).enumerate() {
            if index >= SEARCHED || !annotations.has_room_for_warnings() {
                annotations.not_searched();
                break;
            }
            let found = self.findings(step, search);
            let name = words(step.plan.step.as_str());
            if step.state == StepState::Succeeded {
                annotations.passed(&name, &found);
            } else {
                annotations.tolerated(&name, &found);
            }
        }
    }

    fn annotate(&self, out: &mut Vec<u8>, chosen: &Chosen, failed: &[&StepView]) {
        for annotation in &chosen.annotations {
            self.markup.annotate(out, annotation);
        }
        let most = self.settings.vendor.annotations();
        for step in failed.iter().take(most) {
            self.markup.problem(out, step.plan.step.as_str(), &reason(step));
        }
        let counted = [(chosen.errors_left, "more error"), (chosen.warnings_left, "more warning")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| counted(count, noun));
        let left: Vec<_> = counted.collect();
        if !left.is_empty() {
            let at_least = if chosen.is_partial { "at least " } else { "" };
            let left = left.join(" and ");
            note(out, &format!("{at_least}{left} not annotated: at most {most} of each are"));
        } else if chosen.is_partial {
            note(out, "a part of the output was not searched for places to annotate");
        }
    }

    fn block(&mut self, out: &mut Vec<u8>, view: &RunView, step: &StepView, others: usize) {
        let title = line_of(view, step, false, false).unwrap_or_else(|| step.plan.step.to_string());
        let (from, to) = times(step);
        let group = self.markup.begin(out, &title, false, from);
        let start = out.len();
        let extent = Extent { bytes: self.budget.open(OPEN.bytes, others), ..OPEN };
        let activity = self.activities.remove(&step.plan.step);
        if self.settings.lines.failure_output != FailureOutput::Never {
            match (activity, step.attempts.last()) {
                (Some(mut activity), _) => {
                    cut_activity(&mut activity, extent.bytes);
                    out.extend_from_slice(&activity);
                }
                (None, Some(attempt)) if step.is_agent_last() => self.done_last(out, attempt, extent),
                (None, Some(attempt)) => {
                    out.extend_from_slice(self.output(step, &attempt.of, extent).as_bytes());
                    if let Some(text) = earlier_attempts(view, step) {
                        note(out, &text);
                    }
                }
                (None, None) => {}
            }
        }
        if let Some(attempt) = step.attempts.last() {
            note(out, &format!("the whole log: {}", read_command(view, &attempt.of)));
        }
        self.budget.take_open(out.len() - start);
        self.markup.end(out, &group, to);
    }

    /// What an agent did last, of which nothing was kept while the run was followed: with `--stream` it stands above, and with
    /// `--quiet` it was not printed.
    fn done_last(&self, out: &mut Vec<u8>, attempt: &AttemptView, extent: Extent) {
        let lines = &self.settings.lines;
        if lines.stream {
            return;
        }
        let (activity, step) = (&attempt.activity, &attempt.of.step);
        let printed = activity.items.iter();
        let printed: Vec<_> =
            printed.flat_map(|item| activity::about(activity, item, step, true, lines.colour)).collect();
        if printed.is_empty() {
            return note(out, "(nothing that was understood)");
        }
        let mut text = Vec::new();
        for one in &printed[printed.len().saturating_sub(extent.last_lines)..] {
            let (ActivityLine::Text(line) | ActivityLine::Line(line)) = one;
            guarded(&mut text, format!("  | {line}\n").as_bytes());
        }
        cut_activity(&mut text, extent.bytes);
        out.extend_from_slice(&text);
    }

    fn output(&mut self, step: &StepView, of: &AttemptRef, extent: Extent) -> String {
        match excerpt(self.source, self.logs, (step, of), extent, self.settings.lines.colour) {
            Ok(excerpt) if excerpt.total == 0 => "  (no output)\n".to_owned(),
            Ok(excerpt) => excerpt.text,
            Err(error) => format!("  its output cannot be read: {}\n", words(&error.to_string())),
        }
    }
}

pub(super) fn note(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"  ");
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{OutputStream, ResultDetails, WorkerResult, WorkerStatus};
    use roboppi_run::RunEvent;

    use super::super::Vendor;
    use super::*;
    use crate::fixtures::{LiveRun, attempt, changed, ended, run_finished, run_started};
    use crate::plain::PlainSettings;

    fn cancelled(step: &str, reason: Option<CancelReason>) -> Vec<RunEvent> {
        let of = attempt(step, 1);
        let details = ResultDetails::default().with_cancel_reason(reason);
        let result = WorkerResult::of_status(WorkerStatus::Cancelled).with_details(details);
        vec![
            crate::fixtures::attempt_started(&of),
            RunEvent::AttemptFinished {
                of,
                result: result.into(),
                last_seq: None,
                log_bytes: 0,
                events_bytes: 0,
            },
            ended(step, StepState::Cancelled, "asked to end", 1),
        ]
    }

    fn printed(run: &LiveRun, settings: &CiSettings) -> String {
        let mut out = Vec::new();
        super::super::run(run.source(), settings, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn settings(vendor: Vendor) -> CiSettings {
        CiSettings { vendor, lines: PlainSettings::default(), checkout: None }
    }

    #[test]
    fn a_run_fails_because_of_lost_steps_and_of_those_that_a_limit_ended() {
        let mut run = LiveRun::new();
        let names = ["failed", "lost", "slow", "spent", "stopped", "early", "waiting", "excused"];
        run.event(run_started(&names.map(|name| (name, 1))));
        run.event(ended("failed", StepState::Failed, "exit code 1", 1));
        run.event(ended("lost", StepState::Lost, "", 1));
        run.events(cancelled("slow", Some(CancelReason::Timeout)));
        run.events(cancelled("spent", Some(CancelReason::Budget)));
        run.events(cancelled("stopped", Some(CancelReason::User)));
        run.events(cancelled("early", Some(CancelReason::FailFast)));
        run.event(changed("waiting", StepState::Cancelled, "asked to end"));
        run.event(match ended("excused", StepState::Lost, "", 1) {
            RunEvent::StepChanged { step, state, detail, duration_ms, limit_until, .. } => {
                RunEvent::StepChanged { step, state, detail, duration_ms, limit_until, allowed_to_fail: true }
            }
            other => other,
        });
        run.event(run_finished(RunOutcome::TimedOut, 9, "the run timed out"));
        run.close();
        let view = run.source().follow().view;
        let failed: Vec<_> = failed_steps(&view).map(|step| step.plan.step.as_str()).collect();
        assert_eq!(failed, ["failed", "lost", "slow", "spent", "waiting"]);
        let text = printed(&run, &settings(Vendor::GitHub));
        assert_eq!(text.matches("::error ").count(), 5, "{text}");
    }

    #[test]
    fn a_run_that_fails_without_a_step_has_one_annotation() {
        let mut run = LiveRun::new();
        run.event(run_started(&[("work", 1)]));
        run.event(run_finished(RunOutcome::Lost, 9, "the core was lost"));
        run.close();
        let text = printed(&run, &settings(Vendor::GitHub));
        assert!(text.contains("::error title=roboppi::the core was lost\n"), "{text}");
        let text = printed(&run, &settings(Vendor::TeamCity));
        assert!(text.contains("buildProblem description='roboppi: the core was lost'"), "{text}");
    }

    #[test]
    fn output_of_failures_can_be_left_out_and_that_of_earlier_attempts_is_counted() {
        let mut run = LiveRun::new();
        run.event(run_started(&[("work", 2)]));
        for number in [1, 2] {
            let of = attempt("work", number);
            run.start(&of);
            run.output(&of, OutputStream::Stdout, format!("output {number}\n").as_bytes(), true);
            run.finish(&of, 1);
        }
        run.event(run_finished(RunOutcome::Failed, 9, "failed: `work`"));
        run.close();
        let mut settings = settings(Vendor::GitHub);
        let text = printed(&run, &settings);
        assert!(
            text.contains("  | output 2\n  output of 1 earlier attempt not shown: `roboppi logs "),
            "{text}"
        );
        settings.lines.failure_output = FailureOutput::Never;
        let text = printed(&run, &settings);
        assert!(!text.contains("  | output") && text.contains("  the whole log: roboppi logs "), "{text}");
    }
}

//! The end of a run: the output of failed steps, open, and annotations.

use std::collections::HashMap;
use std::path::PathBuf;

use roboppi_attach::RunSource;
use roboppi_ipc::UtcMillis;
use roboppi_run::{AttemptRef, RunView, StepPath, StepState, StepView};
use roboppi_untrusted::words;

use super::CiSettings;
use super::annotations::{Annotations, Chosen};
use super::budget::ShownBudget;
use super::excerpt::{Extent, excerpt, findings};
use super::markup::Markup;
use crate::places::Finding;
use crate::plain::failure::read_command;
use crate::plain::lines::{attempt_of_detail, step as line_of};
use crate::plain::log::Logs;
use crate::units::limit_time;

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
    view.steps().filter(|step| step.state == StepState::Failed && !step.allowed_to_fail)
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
    /// The blocks of failed steps, and annotations.
    pub(super) fn failures(&mut self, view: &RunView) -> Vec<u8> {
        let mut out = Vec::new();
        let workspace = view.head.as_ref().map_or_else(PathBuf::new, |head| PathBuf::from(&head.workspace));
        let most = self.settings.vendor.annotations();
        let mut annotations = Annotations::new(most, workspace, self.settings.checkout.clone());
        let failed: Vec<&StepView> = failed_steps(view).collect();
        let hidden = failed.len().saturating_sub(FAILURES);
        for (index, step) in failed.iter().enumerate() {
            let found = if most > 0 && index < SEARCHED { self.findings(step) } else { Vec::new() };
            annotations.failed(&words(step.plan.step.as_str()), &reason(step), &found);
            if index >= hidden {
                self.block(&mut out, view, step, failed.len() - 1 - index);
            }
        }
        if hidden > 0 {
            note(&mut out, &format!("{hidden} more failed steps are not shown: `roboppi show`"));
        }
        if self.budget.left_out() > 0 {
            let steps = self.budget.left_out();
            note(
                &mut out,
                &format!(
                    "the output of {steps} steps is left out, this log has room for no more: `roboppi logs`"
                ),
            );
        }
        if most > 0 {
            self.warnings(view, &mut annotations);
            self.annotate(&mut out, &annotations.choose(), &failed);
        }
        out
    }

    fn findings(&mut self, step: &StepView) -> Vec<Finding> {
        let attempt = step.attempts.last().filter(|_| !step.is_agent());
        // A log that cannot be read is reported where it would be shown.
        attempt.and_then(|attempt| findings(self.source, self.logs, &attempt.of).ok()).unwrap_or_default()
    }

    /// Warnings of the run, and those that steps which did not fail it have printed.
    fn warnings(&mut self, view: &RunView, annotations: &mut Annotations) {
        for warning in &view.warnings {
            let title =
                warning.step.as_ref().map_or_else(|| "roboppi".to_owned(), |step| words(step.as_str()));
            annotations.warning(&title, &words(&warning.message));
        }
        let others = view.steps().filter(|step| {
            step.state == StepState::Succeeded || (step.state == StepState::Failed && step.allowed_to_fail)
        });
        for step in others.filter(|step| step.kept.is_none()).take(SEARCHED) {
            let found = self.findings(step);
            annotations.passed(&words(step.plan.step.as_str()), &found);
        }
    }

    fn annotate(&self, out: &mut Vec<u8>, chosen: &Chosen, failed: &[&StepView]) {
        for annotation in &chosen.annotations {
            self.markup.annotate(out, annotation);
        }
        for step in failed.iter().take(self.settings.vendor.annotations()) {
            self.markup.problem(out, &words(step.plan.step.as_str()), &reason(step));
        }
        let counted = [(chosen.errors_left, "error"), (chosen.warnings_left, "warning")];
        let left = counted.into_iter().filter(|(count, _)| *count > 0);
        let left: Vec<_> = left
            .map(|(count, noun)| format!("{count} more {noun}{}", if count == 1 { "" } else { "s" }))
            .collect();
        if !left.is_empty() {
            let most = self.settings.vendor.annotations();
            note(out, &format!("{} not annotated: at most {most} of each are", left.join(" and ")));
        }
    }

    fn block(&mut self, out: &mut Vec<u8>, view: &RunView, step: &StepView, others: usize) {
        let title = line_of(view, step, false, false).unwrap_or_else(|| step.plan.step.to_string());
        let (from, to) = times(step);
        let group = self.markup.begin(out, &title, false, from);
        let start = out.len();
        if let Some(activity) = self.activities.remove(&step.plan.step) {
            out.extend_from_slice(&activity);
        } else if let Some(attempt) = step.attempts.last() {
            let extent = Extent { bytes: self.budget.open(OPEN.bytes, others), ..OPEN };
            let text = if step.is_agent() {
                "  (nothing that was understood)\n".to_owned()
            } else {
                self.output(step, &attempt.of, extent)
            };
            out.extend_from_slice(text.as_bytes());
            note(out, &format!("the whole log: {}", read_command(view, &attempt.of)));
        }
        self.budget.take_open(out.len() - start);
        self.markup.end(out, &group, to);
    }

    fn output(&mut self, step: &StepView, of: &AttemptRef, extent: Extent) -> String {
        match excerpt(self.source, self.logs, (step, of), extent, self.settings.lines.colour) {
            Ok(excerpt) if excerpt.total == 0 => "  (no output)\n".to_owned(),
            Ok(excerpt) => excerpt.text,
            Err(error) => format!("  its output cannot be read: {}\n", words(&error.to_string())),
        }
    }
}

fn note(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b"  ");
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

//! What a reader should know of a run beside how its steps ended: the same in every view.

use std::collections::HashSet;
use std::fmt;

use roboppi_ipc::{CoreEvent, Leaked};
use roboppi_run::{AttemptStatus, CoreStatus, RunView, StepPath, missing_words};

/// Something that should be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notable {
    /// The step it is about.
    step: Option<StepPath>,
    /// What it is.
    text: String,
}

impl Notable {
    /// The step it is about; `None` if it is about the run.
    pub(crate) const fn step(&self) -> Option<&StepPath> {
        self.step.as_ref()
    }

    /// What it is, without the step.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Notable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.step {
            Some(step) => write!(f, "{step}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// That a process was left behind.
pub(crate) fn leak_words(of_step: bool, leaked: &Leaked) -> String {
    let what = if of_step { "left a process behind" } else { "a process was left behind" };
    format!("{what}, it was ended: {} (pid {})", leaked.command, leaked.process.pid)
}

/// What should be known of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// The weightiest first.
    all: Vec<Notable>,
    /// Warnings that only the record has.
    cut_off: u64,
}

impl Notes {
    /// The first ones, at most so many.
    pub(crate) fn first(&self, most: usize) -> impl Iterator<Item = &Notable> {
        self.all.iter().take(most)
    }

    /// How many there are beside the first ones.
    pub(crate) fn beside(&self, first: usize) -> u64 {
        self.cut_off + self.all.len().saturating_sub(first) as u64
    }
}

/// Lost cores, processes that were left behind, events that are missing, refused requests, and warnings. There may be many
/// warnings, and they must not hide the others.
pub(crate) fn notable(view: &RunView) -> Notes {
    let mut all = Vec::new();
    for core in view.cores.values() {
        if let CoreStatus::Lost { detail } = &core.status {
            all.push(Notable { step: None, text: format!("core lost: {detail}") });
        }
    }
    all.extend(left_behind(view));
    for step in view.steps() {
        let missing: u64 = step.attempts.iter().map(|attempt| attempt.activity.events_missing).sum();
        if missing > 0 {
            all.push(Notable { step: Some(step.plan.step.clone()), text: missing_words(missing, false) });
        }
    }
    let refused = view.commands.iter().filter_map(|asked| {
        let why = asked.refused.as_ref()?;
        Some(Notable { step: None, text: format!("refused to {}: {why}", asked.command.in_words()) })
    });
    all.extend(refused);
    let warnings = view.warnings.iter();
    all.extend(warnings.map(|warning| Notable { step: warning.step.clone(), text: warning.message.clone() }));
    Notes { all, cut_off: view.warnings_total.saturating_sub(view.warnings.len() as u64) }
}

/// Processes that were left behind, each once, whoever reported it.
fn left_behind(view: &RunView) -> Vec<Notable> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    let mut add = |step: Option<&StepPath>, leaked: &Leaked| {
        if seen.insert(leaked.process) {
            all.push(Notable { step: step.cloned(), text: leak_words(step.is_some(), leaked) });
        }
    };
    for attempt in view.steps().flat_map(|step| &step.attempts) {
        if let AttemptStatus::Finished { result, .. } = &attempt.status {
            let leaked = result.details.iter().flat_map(|details| &details.leaked);
            leaked.for_each(|leaked| add(Some(&attempt.of.step), leaked));
        }
    }
    for (_, report) in view.cores.values().flat_map(|core| &core.reports) {
        if let CoreEvent::Leaked { job_id, leaked } = report {
            let of = job_id.as_ref().and_then(|job| view.attempt_of_job(job));
            add(of.map(|of| &of.step), leaked);
        }
    }
    all
}

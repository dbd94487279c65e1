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

/// Warnings, processes that were left behind, lost cores, refused requests, and events that are missing.
pub(crate) fn notable(view: &RunView) -> Vec<Notable> {
    let mut all = Vec::new();
    let earlier = view.warnings_total.saturating_sub(view.warnings.len() as u64);
    if earlier > 0 {
        let text = format!("{earlier} earlier warnings are in the record");
        all.push(Notable { step: None, text });
    }
    let warnings = view.warnings.iter();
    all.extend(warnings.map(|warning| Notable { step: warning.step.clone(), text: warning.message.clone() }));
    all.extend(left_behind(view));
    for core in view.cores.values() {
        if let CoreStatus::Lost { detail } = &core.status {
            all.push(Notable { step: None, text: format!("core lost: {detail}") });
        }
    }
    let refused = view.commands.iter().filter_map(|asked| {
        let why = asked.refused.as_ref()?;
        Some(Notable { step: None, text: format!("refused to {}: {why}", asked.command.in_words()) })
    });
    all.extend(refused);
    for step in view.steps() {
        let missing: u64 = step.attempts.iter().map(|attempt| attempt.activity.events_missing).sum();
        if missing > 0 {
            all.push(Notable { step: Some(step.plan.step.clone()), text: missing_words(missing, false) });
        }
    }
    all
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

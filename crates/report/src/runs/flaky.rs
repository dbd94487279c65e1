//! Which steps of earlier runs passed on a retry only, and how often.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use roboppi_attach::RunSummary;
use roboppi_ipc::UtcMillis;
use roboppi_run::{RunHandle, RunId, RunView, StepPath, StepState};
use roboppi_untrusted::{first_words, json};

use crate::table;
use crate::units::ago;

/// Flaky steps of the runs that were added.
#[derive(Clone, Debug, Default)]
pub struct FlakySteps {
    runs: usize,
    steps: BTreeMap<(String, StepPath), Counted>,
}

/// A step over all runs.
#[derive(Clone, Debug, Default)]
struct Counted {
    /// Name of the workflow.
    name: String,
    /// Runs in which it succeeded or failed.
    runs: u32,
    /// Runs in which it was flaky.
    flaky: u32,
    /// The latest of those.
    last: Option<Last>,
}

#[derive(Clone, Debug)]
struct Last {
    run: RunId,
    handle: Option<RunHandle>,
    at: UtcMillis,
    /// Attempts that failed before it passed.
    failures: usize,
}

impl FlakySteps {
    /// Adds a run. What it kept of earlier runs does not count.
    pub fn add(&mut self, run: &RunSummary, view: &RunView) {
        let Some(head) = &view.head else { return };
        self.runs += 1;
        let workflow = if head.has_file() { &head.workflow } else { &head.name };
        for step in view.steps().filter(|step| step.kept.is_none() && !step.attempts.is_empty()) {
            if !matches!(step.state, StepState::Succeeded | StepState::Failed) {
                continue;
            }
            let counted = self.steps.entry((workflow.clone(), step.plan.step.clone())).or_default();
            counted.name.clone_from(&head.name);
            counted.runs += 1;
            let failures = step.flaky_failures().count();
            if failures > 0 {
                counted.flaky += 1;
                let is_later = counted.last.as_ref().is_none_or(|last| last.run < run.id);
                let last = Last { run: run.id.clone(), handle: run.handle, at: head.started_at, failures };
                counted.last = Some(last).filter(|_| is_later).or(counted.last.take());
            }
        }
    }

    /// The flaky ones, the most often flaky first.
    fn flaky(&self) -> Vec<(&str, &StepPath, &Counted, &Last)> {
        let flaky = self.steps.iter().filter_map(|((workflow, step), counted)| {
            Some((workflow.as_str(), step, counted, counted.last.as_ref()?))
        });
        let mut flaky: Vec<_> = flaky.collect();
        flaky.sort_by_key(|(.., counted, _)| Reverse(counted.flaky));
        flaky
    }

    /// A table of them.
    #[must_use]
    pub fn list(&self, now: UtcMillis) -> String {
        let noun = if self.runs == 1 { "run" } else { "runs" };
        let flaky = self.flaky();
        if flaky.is_empty() {
            return format!("No step was flaky in {} {noun}.\n", self.runs);
        }
        let mut rows = vec![["STEP", "WORKFLOW", "FLAKY", "LAST"].map(str::to_owned)];
        rows.extend(flaky.into_iter().map(|(_, step, counted, last)| {
            let run = last.handle.map_or_else(|| last.run.to_string(), |handle| handle.to_string());
            let runs = if counted.runs == 1 { "run" } else { "runs" };
            [
                first_words(step.as_str()),
                first_words(&counted.name),
                format!("{} of {} {runs}", counted.flaky, counted.runs),
                format!("{run}, {} ago", ago(now, last.at)),
            ]
        }));
        format!("{}in {} {noun}\n", table(&rows), self.runs)
    }

    /// The same as a JSON array.
    #[must_use]
    pub fn array(&self) -> String {
        let flaky = self.flaky().into_iter().map(|(workflow, step, counted, last)| {
            serde_json::json!({
                "workflow": workflow,
                "name": counted.name,
                "step": step,
                "flakyRuns": counted.flaky,
                "runs": counted.runs,
                "lastRun": last.run,
                "lastHandle": last.handle,
                "lastAt": last.at,
                "lastFailures": last.failures,
            })
        });
        json(&format!("{:#}\n", flaky.collect::<serde_json::Value>())).into_owned()
    }
}

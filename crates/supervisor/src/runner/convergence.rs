//! Loops that make no progress: what a check has found, what has changed, and what follows from both.

use std::path::Path;
use std::sync::Arc;

use roboppi_process::aside;
use roboppi_run::{AttemptRef, StepPath};
use roboppi_workflow::{Convergence, Escalation, IterationDecision};

use super::RunContext;
use crate::branches::git;

/// Variable with the stage of the loop that a step is in.
const STAGE: &str = "ROBOPPI_CONVERGENCE_STAGE";

/// Bytes of the first line of a file that names a commit.
const LONGEST: usize = 4096;

/// What a check has decided, with what that is recognised by.
pub(super) struct Checked {
    pub(super) decision: IterationDecision,
    pub(super) fingerprints: Vec<String>,
    pub(super) reasons: Vec<String>,
}

impl From<IterationDecision> for Checked {
    fn from(decision: IterationDecision) -> Self {
        let reasons = match &decision {
            IterationDecision::Incomplete { detail } => detail.iter().cloned().collect(),
            _ => Vec::new(),
        };
        Self { decision, fingerprints: Vec::new(), reasons }
    }
}

impl RunContext {
    fn convergence_of(&self, step: &StepPath) -> Option<Arc<Convergence>> {
        self.node(step)?.step.check.as_ref()?.convergence.clone()
    }

    /// Whether the files that an iteration changed have to be looked at.
    pub(super) fn has_scope(&self, of: &AttemptRef) -> bool {
        self.convergence_of(&of.step).is_some_and(|settings| settings.has_scope())
    }

    /// The same decision, unless files were changed that may not be.
    pub(super) async fn within_scope(&self, of: &AttemptRef, mut checked: Checked) -> Checked {
        let Some(settings) = self.convergence_of(&of.step).filter(|settings| settings.has_scope()) else {
            return checked;
        };
        if !matches!(checked.decision, IterationDecision::Complete | IterationDecision::Incomplete { .. }) {
            return checked;
        }
        let (workspace, of_scope) = (self.settings.workspace.clone(), Arc::clone(&settings));
        let looked = aside(move || changed_files(&workspace, &of_scope)).await;
        let changed = match looked.map_err(|error| error.to_string()).and_then(|changed| changed) {
            Ok(changed) => changed,
            Err(error) => {
                let detail = format!("the files that were changed cannot be found out: {error}");
                return IterationDecision::Stalled { detail }.into();
            }
        };
        if let Some(problems) = settings.scope_problems(&changed) {
            checked.fingerprints.extend(problems.fingerprints);
            checked.reasons.extend(problems.reasons);
            checked.decision = IterationDecision::Incomplete { detail: Some(checked.reasons.join("; ")) };
        }
        checked
    }

    /// The decision, which is the end of a loop that makes no progress.
    pub(super) fn converged(&self, of: &AttemptRef, checked: Checked) -> IterationDecision {
        let Checked { decision, fingerprints, reasons } = checked;
        let is_incomplete = matches!(decision, IterationDecision::Incomplete { .. });
        let Some(settings) = self.convergence_of(&of.step).filter(|_| is_incomplete) else { return decision };
        let escalation = {
            let mut facts = self.facts.borrow_mut();
            let progress = &mut facts.entry(of.step.clone()).or_default().progress;
            progress.observe(&settings, &fingerprints, &reasons)
        };
        match escalation {
            Escalation::None => decision,
            Escalation::Raised(why) => {
                self.recorder().warn(why, Some(of.step.clone()));
                decision
            }
            Escalation::Stalled(detail) => IterationDecision::Stalled { detail },
        }
    }

    /// What an agent is told beside its instructions.
    pub(super) fn briefing(&self, of: &AttemptRef) -> Option<String> {
        let settings = self.convergence_of(&of.step).filter(|_| of.role.is_work())?;
        self.facts.borrow().get(&of.step)?.progress.briefing(&settings)
    }

    /// The stage of the loop that a step is in, or that the step above it is in, as a variable.
    pub(super) fn stage_variable(&self, step: &StepPath) -> Option<(&'static str, String)> {
        let mut step = Some(step.clone());
        while let Some(path) = step {
            if self.convergence_of(&path).is_some() {
                let stage = self.facts.borrow().get(&path).map_or(1, |facts| facts.progress.stage);
                return Some((STAGE, stage.to_string()));
            }
            step = path.parent().filter(|above| self.node(above).is_some());
        }
        None
    }
}

/// Files of the workspace that are not as in the commit it is compared with, and those that git does not know.
fn changed_files(workspace: &Path, settings: &Convergence) -> Result<Vec<String>, String> {
    let base = match (&settings.diff_base_ref, &settings.diff_base_ref_file) {
        (Some(base), _) => base.clone(),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(workspace.join(file)).unwrap_or_default();
            let line: String = text.lines().next().unwrap_or_default().trim().chars().take(LONGEST).collect();
            if line.is_empty() { "HEAD".to_owned() } else { line }
        }
        (None, None) => "HEAD".to_owned(),
    };
    let commit =
        git(workspace, &["rev-parse", "--verify", "--end-of-options", &format!("{base}^{{commit}}")])?;
    let changed = git(workspace, &["diff", "--name-only", "-z", "--relative", &commit])?;
    let unknown = git(workspace, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    let names = changed.split('\0').chain(unknown.split('\0')).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

//! Knows what attempts are made of, so that a later run can tell whether a step need not be done again.

use std::collections::HashMap;

use roboppi_run::{AttemptRef, StepFingerprint, StepId, TakenInput, UpstreamResult};
use roboppi_workflow::{Places, definition_hash, result_hash};

use super::RunContext;
use super::context::StepFacts;
use crate::context_dir::Collected;
use crate::prepare::text;
use crate::settings::RunSettings;

impl RunContext {
    /// What an attempt is made of that has taken `inputs`.
    pub(super) fn fingerprint(&self, of: &AttemptRef, inputs: Vec<TakenInput>) -> StepFingerprint {
        let workflow = &self.settings.source.workflow;
        let (workspace, context_dir) = (text(&self.settings.workspace), text(self.context.path()));
        let places = Places { workspace: &workspace, context_dir: &context_dir };
        let mut facts = self.facts.borrow_mut();
        let depends_on = workflow.steps.get(&of.step).map_or(&[][..], |step| step.depends_on.as_slice());
        let upstream = depends_on.iter().map(|step| UpstreamResult {
            step: step.clone(),
            sha256: facts.get(step).and_then(|facts| facts.outcome.clone()),
        });
        let definition = definition_hash(workflow, &of.step, places);
        let fingerprint = StepFingerprint { definition, inputs, upstream: upstream.collect() };
        facts.entry(of.step.clone()).or_default().fingerprint = Some(fingerprint.clone());
        fingerprint
    }

    /// A step has succeeded: from here on others may be made of what came of it.
    pub(super) fn step_succeeded(&self, step: &StepId) {
        if let Some(facts) = self.facts.borrow_mut().get_mut(step)
            && let Some(fingerprint) = &facts.fingerprint
        {
            let made = facts.artifacts.iter();
            let made = made.map(|made| (made.name.as_str(), made.sha256.as_deref().unwrap_or_default()));
            facts.outcome = Some(result_hash(fingerprint, made));
        }
    }

    /// The run that did a step which is kept.
    pub(super) fn kept_from(&self, step: &StepId) -> Option<String> {
        let resumed = &self.settings.resume.as_ref()?.resumed;
        resumed.kept.iter().find(|kept| kept.step == *step).map(|kept| kept.run.to_string())
    }
}

/// What is known of steps that are kept, before anything happens.
pub(super) fn of_kept(settings: &RunSettings) -> HashMap<StepId, StepFacts> {
    let Some(resume) = &settings.resume else { return HashMap::new() };
    let facts = resume.resumed.kept.iter().map(|kept| {
        let known = resume.kept.get(&kept.step);
        let outputs = settings.source.workflow.steps.get(&kept.step).map(|step| &step.outputs);
        let artifacts = kept.artifacts.iter().map(|artifact| Collected {
            name: artifact.name.clone(),
            path: artifact.path.clone().into(),
            kind: outputs
                .and_then(|outputs| outputs.iter().find(|output| output.name == artifact.name)?.kind.clone()),
            sha256: Some(artifact.sha256.clone()),
        });
        let facts = StepFacts {
            started_at: known.and_then(|known| known.started_at),
            ended: known.map(|known| (known.ended_at, known.took_ms)),
            attempts: known.map_or(1, |known| known.attempts),
            result: known.and_then(|known| known.worker_result.clone()),
            artifacts: artifacts.collect(),
            fingerprint: Some(kept.fingerprint.clone()),
            outcome: known.map(|known| known.result.clone()),
            log: known.map(|known| known.log.clone()),
        };
        (kept.step.clone(), facts)
    });
    facts.collect()
}

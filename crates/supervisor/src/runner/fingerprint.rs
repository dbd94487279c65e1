//! Knows what attempts are made of, so that a later run can tell whether a step need not be done again.

use std::sync::Arc;

use roboppi_run::{StepFingerprint, StepPath, TakenInput, UpstreamResult};
use roboppi_workflow::{Node, Places, definition_hash, result_hash};

use super::RunContext;
use crate::convert::path_text;

impl RunContext {
    /// What an attempt is made of that has taken `inputs`.
    pub(super) fn fingerprint(&self, node: &Node, inputs: Vec<TakenInput>) -> Arc<StepFingerprint> {
        let (workspace, context_dir) = (path_text(&self.settings.workspace), path_text(self.context.path()));
        let places = Places { workspace: &workspace, context_dir: &context_dir };
        let mut facts = self.facts.borrow_mut();
        let upstream = node.step.depends_on.iter().map(|step| UpstreamResult {
            step: step.clone(),
            sha256: facts.get(step).and_then(|facts| facts.outcome.clone()),
        });
        let definition = definition_hash(node, places);
        let fingerprint = Arc::new(StepFingerprint { definition, inputs, upstream: upstream.collect() });
        facts.entry(node.path.clone()).or_default().fingerprint = Some(Arc::clone(&fingerprint));
        fingerprint
    }

    /// A step has succeeded: from here on others may be made of what came of it.
    pub(super) fn step_succeeded(&self, step: &StepPath) {
        if let Some(facts) = self.facts.borrow_mut().get_mut(step)
            && let Some(fingerprint) = &facts.fingerprint
        {
            let made = facts.artifacts.iter();
            let made = made.map(|made| (made.name.as_str(), made.sha256.as_deref().unwrap_or_default()));
            facts.outcome = Some(result_hash(fingerprint, made).into());
        }
    }

    /// The run that did a step which is kept.
    pub(super) fn kept_from(&self, step: &StepPath) -> Option<String> {
        let resume = self.settings.resume.as_ref()?;
        resume.kept.get(step).map(|kept| kept.run.to_string())
    }
}

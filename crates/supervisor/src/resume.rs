//! Goes on with an earlier run: what is left of it, and what of that counts.

use std::collections::{HashMap, HashSet};
use std::io;

use roboppi_ipc::{WorkerResult, WorkerStatus};
use roboppi_record::{RecordPart, RecordStore};
use roboppi_run::{
    AttemptFilter, AttemptRef, AttemptStatus, AttemptView, KeptArtifact, KeptStep, Resumed, Role, RunId,
    RunView, StepPath, StepState, StepView,
};
use roboppi_workflow::{
    Decision, EarlierArtifact, MAX_BYTES, Places, Plan, PreviousRun, PreviousStep, ResumePlan, WorkerKinds,
    expand, parse_within, plan_resume,
};

use crate::context_dir::{ArtifactName, hash_of};
use crate::convert::path_text;
use crate::kept::{KeptFacts, Resume};
use crate::settings::RunSettings;

impl Resume {
    /// Looks at what the earlier run `run` left and decides what of it counts. Steps in `again` are done again whatever
    /// they left. Changes nothing.
    ///
    /// # Errors
    /// When an artifact cannot be read.
    pub fn plan(
        settings: &RunSettings,
        run: &RunId,
        record: &dyn RecordStore,
        view: &RunView,
        again: &HashSet<StepPath>,
    ) -> io::Result<(ResumePlan, Self)> {
        let (workspace, context) = (path_text(&settings.workspace), path_text(&settings.context_dir()));
        let places = Places { workspace: &workspace, context_dir: &context };
        let earlier = earlier(settings, record, view)?;
        let plan = plan_resume(&expand(&settings.source.workflow), places, &earlier, again);
        let mut resume = Self {
            resumed: Resumed { run: run.clone(), kept: Vec::new() },
            kept: HashMap::new(),
            stale: Vec::new(),
            iterations: plan.iterations.clone(),
        };
        for (id, decision) in &plan.steps {
            match (decision, view.step(id)) {
                (Decision::Keep { fingerprint, result }, Some(step)) => {
                    let known = earlier.steps.get(id);
                    let (kept, facts) = origin(run, record, step);
                    resume.resumed.kept.push(KeptStep {
                        step: id.clone(),
                        run: kept.0,
                        attempt: kept.1,
                        fingerprint: fingerprint.clone(),
                        artifacts: known.map_or_else(Vec::new, |known| still_there(step, known)),
                    });
                    resume.kept.insert(id.clone(), KeptFacts { result: result.clone(), ..facts });
                }
                (_, step) => resume.stale.extend(stale(earlier.plan.as_ref(), id, step)),
            }
        }
        Ok((plan, resume))
    }
}

/// What is known of the earlier run, and what is there of it now.
fn earlier(settings: &RunSettings, record: &dyn RecordStore, view: &RunView) -> io::Result<PreviousRun> {
    // What may be read now could be read then.
    let most_bytes = MAX_BYTES.max(settings.source.most_bytes);
    let plan = record
        .workflow_text()
        .ok()
        .and_then(|text| parse_within(&text, most_bytes, &WorkerKinds::any()).workflow)
        .map(|mut workflow| {
            // Values that it would not take now are not what it says differs.
            let _ = workflow.give(&view.inputs);
            expand(&workflow)
        });
    let mut steps = HashMap::new();
    for step in &view.steps {
        let id = &step.plan.step;
        let succeeded = step.state == StepState::Succeeded || has_succeeded(step, plan.as_ref());
        let mut artifacts = Vec::new();
        for artifact in step.artifacts.iter().filter(|_| succeeded) {
            let (name, recorded) = (artifact.name.clone(), artifact.sha256.clone());
            let found = hash_of(&settings.context_dir(), id, &name)?;
            artifacts.push(EarlierArtifact { name, recorded, found });
        }
        let fingerprint = step.fingerprint.as_deref().cloned();
        let earlier = PreviousStep {
            state: step.state,
            succeeded,
            fingerprint,
            artifacts,
            iteration: step.iteration(),
            iteration_done: is_iteration_done(step),
        };
        steps.insert(id.clone(), earlier);
    }
    let place = |place: fn(&roboppi_run::RunHead) -> &String| view.head.as_ref().map(place).cloned();
    Ok(PreviousRun {
        steps,
        workspace: place(|head| &head.workspace).unwrap_or_default(),
        context_dir: place(|head| &head.context_dir).unwrap_or_default(),
        plan,
    })
}

/// Whether a step did what it was to do although the run did not come to say so: its worker succeeded, and there was
/// nothing to collect.
fn has_succeeded(step: &StepView, plan: Option<&Plan>) -> bool {
    // Whether the work of a step that is repeated was complete only its end says.
    let makes_nothing = plan
        .and_then(|plan| plan.node(&step.plan.step))
        .is_some_and(|node| node.step.outputs.is_empty() && node.repeat.is_none());
    !step.state.is_final()
        && makes_nothing
        && result(step).is_some_and(|result| result.status == WorkerStatus::Succeeded)
}

/// Whether the iteration that a step was in last is behind it: it came to an end of its own, and its check had been made. One
/// of which that is not known is done again.
fn is_iteration_done(step: &StepView) -> bool {
    let checks = AttemptFilter {
        iteration: Some(step.iteration()),
        role: Some(Role::Check),
        ..AttemptFilter::default()
    };
    let is_over = matches!(step.state, StepState::Failed | StepState::Incomplete);
    let has_succeeded = |status: &AttemptStatus| matches!(status, AttemptStatus::Finished { result, .. } if result.status == WorkerStatus::Succeeded);
    let is_done = |check: &AttemptView| has_succeeded(&check.status) || step.is_found_incomplete_by(check);
    is_over && step.last_attempt(checks).is_some_and(is_done)
}

fn result(step: &StepView) -> Option<&WorkerResult> {
    match &step.last_work()?.status {
        AttemptStatus::Finished { result, .. } => Some(result),
        AttemptStatus::Started | AttemptStatus::Phase(_) => None,
    }
}

/// Where a step was really done, and what is known of that. The result is filled in by the caller.
fn origin(run: &RunId, record: &dyn RecordStore, step: &StepView) -> ((RunId, AttemptRef), KeptFacts) {
    let (run, attempt) = match (&step.kept, step.last_work()) {
        (_, Some(attempt)) => (run.clone(), attempt.of.clone()),
        (Some(kept), None) => (kept.run.clone(), kept.attempt.clone()),
        (None, None) => (run.clone(), AttemptRef::first(step.plan.step.clone())),
    };
    // Runs are beside each other.
    let place = record.location(RecordPart::Run).unwrap_or_default();
    let log = place.with_file_name(run.as_str()).join(attempt.base() + ".log");
    let facts = KeptFacts {
        run: run.clone(),
        result: String::new(),
        log,
        attempts: attempt.attempt,
        started_at: step.started_at,
        ended_at: step.changed_at,
        took_ms: step.duration_ms.unwrap_or_default(),
        worker_result: result(step).cloned(),
    };
    ((run, attempt), facts)
}

fn still_there(step: &StepView, known: &PreviousStep) -> Vec<KeptArtifact> {
    let artifacts = step.artifacts.iter().zip(&known.artifacts);
    let kept = artifacts.filter_map(|(artifact, known)| {
        let (name, path) = (artifact.name.clone(), artifact.path.clone());
        known.found.clone().map(|sha256| KeptArtifact { name, path, sha256 })
    });
    kept.collect()
}

/// What a step left that is done again: what it is known to have made, and what it was to make by the workflow as it was
/// then. What the workflow names only now may be the user's.
fn stale(before: Option<&Plan>, id: &StepPath, step: Option<&StepView>) -> Vec<ArtifactName> {
    let made = step.into_iter().flat_map(|step| step.artifacts.iter().map(|artifact| artifact.name.clone()));
    let then = before.and_then(|plan| plan.node(id));
    let makes = then.into_iter().flat_map(|node| node.step.outputs.iter().map(|output| output.name.clone()));
    let metadata = ["_meta.json", "_resolved.json"].map(str::to_owned);
    let names: HashSet<_> = made.chain(makes).chain(metadata).collect();
    names.into_iter().map(|name| (id.clone(), name)).collect()
}

//! Artifacts of the steps of a subworkflow, as artifacts of the step that runs it.

use std::collections::HashSet;
use std::ffi::OsStr;

use roboppi_run::StepPath;
use roboppi_workflow::{ExportsMode, InputRef, Subworkflow};

use super::beneath::Dir;
use super::step_place::enter_step;
use super::stop::Limits;
use super::transfer::Transfer;
use super::tree_error::TreeError;
use super::{ArtifactError, ArtifactName, Collected, ContextDir, Copied};

impl ContextDir {
    /// Copies what a subworkflow exports, in the place of what was there, or beside it: all of it, or nothing. What is not among
    /// the `made` artifacts is left out.
    pub(crate) fn copy_exports(
        &self,
        id: &StepPath,
        call: &Subworkflow,
        made: &HashSet<ArtifactName>,
        limits: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError> {
        let step = self.root.step(id)?;
        let exported = self.export_into(&step, id, call, made, limits);
        // Whatever came of it, nothing half done stays.
        let cleared = step.remove(&self.staging);
        let mut copied = exported?;
        copied.notices.extend(cleared.err().map(|error| error.to_string()));
        Ok(copied)
    }

    fn export_into(
        &self,
        step: &Dir,
        id: &StepPath,
        call: &Subworkflow,
        made: &HashSet<ArtifactName>,
        limits: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError> {
        step.remove(&self.staging)?;
        let stage = step.make(&self.staging)?;
        let mut copied = Copied { done: Vec::with_capacity(call.exports.len()), notices: Vec::new() };
        for export in &call.exports {
            let (from, artifact, name) = (&export.from, &export.artifact, export.target());
            if !made.contains(&(from.clone(), artifact.clone())) {
                copied.notices.push(format!("export `{artifact}` of `{from}`: it was not produced"));
                continue;
            }
            let about = |source| ArtifactError::Output { name: name.to_owned(), source };
            let keeps = call.mode == ExportsMode::Merge;
            let (sha256, left_out) = self.export(step, &stage, export, keeps, limits).map_err(about)?;
            copied.notices.extend(left_out.iter().map(|left_out| format!("export `{name}`: {left_out}")));
            let path = self.path().join(super::step_place::names_of(id).join("/")).join(name);
            copied.done.push(Collected { name: name.to_owned(), path, kind: None, sha256: Some(sha256) });
        }
        for artifact in &copied.done {
            let name = OsStr::new(&artifact.name);
            step.remove(name).and_then(|()| stage.rename(name, step, name))?;
        }
        Ok(copied)
    }

    fn export(
        &self,
        step: &Dir,
        stage: &Dir,
        export: &InputRef,
        keeps: bool,
        limits: &Limits,
    ) -> Result<(String, Vec<String>), TreeError> {
        let name = OsStr::new(export.target());
        let to = stage.make(name)?;
        let source = enter_step(&*self.root.dir()?, &export.from)?.enter(OsStr::new(&export.artifact))?;
        if keeps && let Ok(before) = step.enter(name) {
            Transfer::new(limits, None).directory(&before, Some(&to))?;
        }
        let mut transfer = Transfer::new(limits, None);
        transfer.directory(&source, Some(&to))?;
        let (copied, left_out) = transfer.finish();
        if !keeps {
            return Ok((copied, left_out));
        }
        let mut whole = Transfer::new(limits, None);
        whole.directory(&to, None)?;
        Ok((whole.finish().0, left_out))
    }
}

//! The context directory: artifacts handed from step to step, and metadata for people and scripts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::{Flock, FlockArg};
use roboppi_run::{StepId, TakenInput};
use roboppi_workflow::{OutputSpec, Step};
use serde::Serialize;

use writer::MetadataWriter;

mod copy;
mod metadata;
mod tree_hash;
mod writer;

pub(crate) use metadata::{
    ResolvedLimits, StepMeta, StepMetaArtifact, WorkerCost, WorkflowLimits, WorkflowMeta,
};
pub(crate) use tree_hash::tree_hash;

/// The context directory of a run. Its layout is that of the existing program.
#[derive(Debug)]
pub(crate) struct ContextDir {
    path: PathBuf,
    /// Held as long as the run lives, so that another run can tell.
    _lock: Option<Flock<File>>,
    writer: Mutex<MetadataWriter>,
}

/// An artifact that was collected.
#[derive(Clone, Debug)]
pub(crate) struct Collected {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) kind: Option<String>,
    /// Hash of it with everything in it.
    pub(crate) sha256: Option<String>,
}

/// Where an artifact of a step is.
pub(crate) fn artifact_dir(context_dir: &Path, step: &StepId, artifact: &str) -> PathBuf {
    context_dir.join(step.as_str()).join(artifact)
}

impl ContextDir {
    /// Makes the directory if it is not there. Also says which run is using it already, if one is.
    pub(crate) fn open(path: PathBuf) -> io::Result<(Self, Option<String>)> {
        fs::create_dir_all(&path)?;
        let (lock, other) = match Flock::lock(File::open(&path)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => (Some(lock), None),
            Err(_) => (None, Some(metadata::run_of(&path).unwrap_or_else(|| "unknown".to_owned()))),
        };
        Ok((Self { path, _lock: lock, writer: Mutex::new(MetadataWriter::start()) }, other))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a step. Step names are safe path segments: the language checks that.
    pub(crate) fn step(&self, step: &StepId) -> PathBuf {
        self.path.join(step.as_str())
    }

    /// An empty directory for every step, so that scripts find one for those that never started as well.
    pub(crate) fn prepare<'a>(&self, steps: impl Iterator<Item = &'a StepId>) -> io::Result<()> {
        for step in steps {
            match fs::create_dir(self.step(step)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Removes what an earlier run left. What cannot be removed is said.
    pub(crate) fn remove(&self, stale: &[PathBuf]) -> Vec<String> {
        let problem = |path: &Path| {
            let removed = match fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
                Err(error) => Err(error),
            };
            let error = removed.err().filter(|error| error.kind() != io::ErrorKind::NotFound)?;
            Some(format!("{}, of an earlier run, cannot be removed: {error}", path.display()))
        };
        stale.iter().filter_map(|path| problem(path)).collect()
    }

    /// Copies the inputs of a step into the workspace, and says what they were. An artifact its step did not make is
    /// left out.
    pub(crate) fn place_inputs(&self, workspace: &Path, step: &Step) -> Result<Vec<TakenInput>, String> {
        let mut taken = Vec::with_capacity(step.inputs.len());
        for input in &step.inputs {
            let from = artifact_dir(&self.path, &input.from, &input.artifact);
            let to = workspace.join(input.target());
            let sha256 = tree_hash(&from).map_err(|error| {
                format!("the input `{}` of `{}` cannot be read: {error}", input.artifact, input.from)
            })?;
            if sha256.is_some() {
                copy::tree(&from, &to, &self.path).map_err(|error| {
                    format!(
                        "the input `{}` of `{}` cannot be copied to {}: {error}",
                        input.artifact,
                        input.from,
                        to.display()
                    )
                })?;
            }
            taken.push(TakenInput { from: input.from.clone(), artifact: input.artifact.clone(), sha256 });
        }
        Ok(taken)
    }

    /// Copies what a step made into the context directory. An output that is not there is left out.
    pub(crate) fn collect_outputs(
        &self,
        workspace: &Path,
        id: &StepId,
        outputs: &[OutputSpec],
    ) -> Result<Vec<Collected>, String> {
        let mut collected = Vec::new();
        for output in outputs {
            let from = workspace.join(&output.path);
            let Ok(kind) = fs::metadata(&from) else { continue };
            let dir = artifact_dir(&self.path, id, &output.name);
            let to = match (kind.is_dir(), from.file_name()) {
                (true, _) | (false, None) => dir.clone(),
                (false, Some(name)) => dir.join(name),
            };
            copy::tree(&from, &to, &self.path).map_err(|error| {
                format!("the output `{}` cannot be copied from {}: {error}", output.name, from.display())
            })?;
            let sha256 = tree_hash(&dir)
                .map_err(|error| format!("the output `{}` cannot be read again: {error}", output.name))?;
            let (name, kind) = (output.name.clone(), output.kind.clone());
            collected.push(Collected { name, path: to, kind, sha256 });
        }
        Ok(collected)
    }

    /// Writes `_workflow.json`.
    pub(crate) fn write_workflow(&self, meta: &WorkflowMeta<'_>) {
        self.write(self.path.join("_workflow.json"), meta);
    }

    /// Writes `_meta.json` of a step, and `_resolved.json` with what was in force for it.
    pub(crate) fn write_step(&self, step: &StepId, meta: &StepMeta<'_>, resolved: &ResolvedLimits<'_>) {
        let dir = self.step(step);
        self.write(dir.join("_meta.json"), meta);
        self.write(dir.join("_resolved.json"), &metadata::Resolved { meta, resolved });
    }

    /// Waits until all metadata is written and says what could not be.
    pub(crate) fn finish(&self) -> Vec<String> {
        self.writer().finish()
    }

    fn write(&self, path: PathBuf, value: &impl Serialize) {
        // Every type of `metadata` has a JSON form.
        if let Ok(mut text) = serde_json::to_vec_pretty(value) {
            text.push(b'\n');
            self.writer().write(path, text);
        }
    }

    fn writer(&self) -> MutexGuard<'_, MetadataWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use roboppi_workflow::parse;

    use super::*;

    const WORKFLOW: &str = r#"
name: copies
version: "1"
timeout: 1m
steps:
  make:
    worker: CUSTOM
    capabilities: [READ]
    instructions: "true"
    outputs: [{name: file, path: out/a.txt}, {name: tree, path: out}, {name: absent, path: nothing}]
  take:
    worker: CUSTOM
    capabilities: [READ]
    instructions: "true"
    depends_on: [make]
    inputs: [{from: make, artifact: tree, as: taken}, {from: make, artifact: absent}]
"#;

    #[test]
    fn artifacts_go_from_step_to_step() {
        let workflow = parse(WORKFLOW).workflow.unwrap();
        let workspace = tempfile::tempdir().unwrap();
        fs::create_dir_all(workspace.path().join("out/deep")).unwrap();
        fs::write(workspace.path().join("out/a.txt"), "a").unwrap();
        fs::write(workspace.path().join("out/deep/b.txt"), "b").unwrap();
        std::os::unix::fs::symlink("a.txt", workspace.path().join("out/link")).unwrap();
        let (context, other) = ContextDir::open(workspace.path().join("context")).unwrap();
        assert_eq!(other, None);
        context.prepare(workflow.steps.keys()).unwrap();

        let make = StepId::from("make");
        let collected =
            context.collect_outputs(workspace.path(), &make, &workflow.steps[&make].outputs).unwrap();
        assert_eq!(collected.len(), 2);
        assert!(context.step(&make).join("file/a.txt").exists());

        context.place_inputs(workspace.path(), &workflow.steps[&StepId::from("take")]).unwrap();
        assert_eq!(fs::read_to_string(workspace.path().join("taken/deep/b.txt")).unwrap(), "b");
        assert_eq!(fs::read_link(workspace.path().join("taken/link")).unwrap(), Path::new("a.txt"));
        assert!(!workspace.path().join("absent").exists());
    }

    #[test]
    fn an_output_that_holds_the_context_directory_is_refused() {
        let workspace = tempfile::tempdir().unwrap();
        let (context, _) = ContextDir::open(workspace.path().join("context")).unwrap();
        let outputs = [OutputSpec { name: "all".into(), path: ".".into(), kind: None }];
        let error = context.collect_outputs(workspace.path(), &"s".into(), &outputs).unwrap_err();
        assert!(error.contains("holds the context directory"), "{error}");
    }

    #[test]
    fn a_second_run_learns_who_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (_first, other) = ContextDir::open(dir.path().to_owned()).unwrap();
        assert_eq!(other, None);
        fs::write(dir.path().join("_workflow.json"), r#"{"id":"run-7"}"#).unwrap();
        let (_second, other) = ContextDir::open(dir.path().to_owned()).unwrap();
        assert_eq!(other.as_deref(), Some("run-7"));
    }
}

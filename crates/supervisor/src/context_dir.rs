//! The context directory: artifacts handed from step to step, and metadata for people and scripts.
//!
//! What is copied here is made by workers, and workers may write here themselves. So no link is followed that leads out of
//! the workspace or the context directory (`beneath`, `find`), and copying stops when a worker would have to
//! ([`Limits`]).

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roboppi_run::{RunId, StepPath, TakenInput};
use roboppi_workflow::{InputRef, OutputSpec, Step, Workflow};
use rustix::fs::FileType;
use serde::Serialize;

use beneath::Dir;
use find::{Place, find};
use placed::{Placed, take_back};
use remains::STAGING;
use root::Root;
use step_place::{enter_step, names_of};
use transfer::Transfer;
use tree_error::TreeError;
use writer::MetadataWriter;

mod artifact_error;
pub(crate) mod artifact_reader;
mod beneath;
mod branch_meta;
mod decision;
mod exports;
mod find;
mod metadata;
mod placed;
mod remains;
mod root;
mod step_place;
mod stop;
mod transfer;
mod tree_error;
mod writer;

pub(crate) use artifact_error::ArtifactError;
pub(crate) use branch_meta::BranchMeta;
pub(crate) use decision::DecisionPlace;
pub(crate) use metadata::{
    ResolvedLimits, StepMeta, StepMetaArtifact, WorkerCost, WorkflowLimits, WorkflowMeta,
};
pub(crate) use stop::{Limits, Stop};

/// The context directory of a run. Its layout is that of the existing program.
#[derive(Debug)]
pub(crate) struct ContextDir {
    root: Arc<Root>,
    writer: Mutex<MetadataWriter>,
    /// Where this run has the outputs of a step until all of them are there.
    staging: OsString,
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

/// What was copied, and what a person should know about that.
#[derive(Debug)]
pub(crate) struct Copied<T> {
    pub(crate) done: Vec<T>,
    pub(crate) notices: Vec<String>,
}

/// An artifact of a step, by their names.
pub(crate) type ArtifactName = (StepPath, String);

/// The hash of an artifact as it is now; `None` when there is none. For files no worker writes at the moment.
pub(crate) fn hash_of(context_dir: &Path, step: &StepPath, artifact: &str) -> io::Result<Option<String>> {
    let open = || -> Result<Dir, TreeError> {
        enter_step(&Dir::open(context_dir)?, step)?.enter(OsStr::new(artifact))
    };
    let dir = match open() {
        Ok(dir) => dir,
        Err(TreeError::Link { .. }) => return Ok(None),
        Err(TreeError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let limits = Limits::default();
    let mut transfer = Transfer::new(&limits, None);
    transfer.directory(&dir, None)?;
    Ok(Some(transfer.finish().0))
}

impl ContextDir {
    /// Makes the directory for a run if it is not there, which may be a link only if somebody `chose` it. Also says which
    /// other run is using it already, if one is.
    pub(crate) fn open(path: PathBuf, chosen: bool, run: &RunId) -> io::Result<(Self, Option<String>)> {
        let root = Arc::new(Root::open(path, chosen)?);
        let other = if root.is_ours() { None } else { Some(remains::user(&*root.dir()?)) };
        let writer = Mutex::new(MetadataWriter::start(Arc::clone(&root)));
        let staging = format!("{STAGING}-{}", run.as_str()).into();
        Ok((Self { root, writer, staging }, other))
    }

    /// As it was named.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// An empty directory for every step, so that scripts find one for those that never started as well.
    pub(crate) fn prepare<'a>(&self, steps: impl Iterator<Item = &'a StepPath>) -> io::Result<()> {
        Ok(self.root.prepare(steps.cloned().collect())?)
    }

    /// Removes what an earlier run left in the places of a workflow. What cannot be removed is said. An error when one of
    /// them holds what no run has put there. Only for a run that no other one shares the directory with.
    pub(crate) fn clear(&self, workspace: &Path, workflow: &Workflow) -> io::Result<Vec<String>> {
        let workspace = fs::canonicalize(workspace).unwrap_or_else(|_| workspace.to_owned());
        match self.root.dir() {
            Ok(dir) => Ok(remains::remove(&dir, &workspace, workflow)?),
            Err(error) => Ok(vec![error.to_string()]),
        }
    }

    /// Removes artifacts of the run this one goes on with, the metadata of their steps, what was placed for steps that take
    /// nothing now, and what was half collected. What cannot be removed is said. Only for a run that no other one shares
    /// the directory with.
    pub(crate) fn remove(
        &self,
        workspace: &Path,
        workflow: &Workflow,
        stale: &[ArtifactName],
    ) -> Vec<String> {
        let workspace = fs::canonicalize(workspace).unwrap_or_else(|_| workspace.to_owned());
        let mut problems = Vec::new();
        let steps: BTreeSet<_> = workflow.steps.keys().chain(stale.iter().map(|(step, _)| step)).collect();
        for step in steps {
            if let Ok(dir) = self.root.dir().and_then(|root| enter_step(&root, step)) {
                if remains::takes_nothing(workflow, step.as_str()) {
                    take_back(&dir, &workspace);
                }
                problems
                    .extend(remains::remove_names(&dir, remains::staged(&dir).iter().map(String::as_str)));
            }
        }
        for (step, name) in stale {
            // Otherwise nothing was left, or what is there is refused when the directories of the steps are made.
            if let Ok(dir) = self.root.dir().and_then(|root| enter_step(&root, step)) {
                problems.extend(remains::remove_names(&dir, std::iter::once(name.as_str())));
            }
        }
        problems
    }

    /// Copies the inputs of a step into the workspace, and says what they were. Only what is among the `made` artifacts
    /// is handed over, whatever else lies in the directory, and what was handed over before is taken back.
    pub(crate) fn copy_inputs(
        &self,
        workspace: &Path,
        id: &StepPath,
        step: &Step,
        made: &HashSet<ArtifactName>,
        limits: &Limits,
    ) -> Result<Copied<TakenInput>, ArtifactError> {
        let mut copied = Copied { done: Vec::with_capacity(step.inputs.len()), notices: Vec::new() };
        let noted = || -> Result<(PathBuf, Option<Placed>), TreeError> {
            let workspace = fs::canonicalize(workspace).map_err(TreeError::io(workspace))?;
            // What another run placed that is still under way is not of before, and its notes are not ours.
            if !self.root.is_ours() {
                return Ok((workspace, None));
            }
            let dir = self.root.step(id)?;
            take_back(&dir, &workspace);
            let placed = Placed::begin(&dir, &workspace)?;
            Ok((workspace, Some(placed)))
        };
        let (workspace, mut placed) = noted().map_err(ArtifactError::Inputs)?;
        for input in &step.inputs {
            let (from, artifact) = (&input.from, &input.artifact);
            let mut sha256 = None;
            if made.contains(&(from.clone(), artifact.clone())) {
                let about =
                    |source| ArtifactError::Input { artifact: artifact.clone(), from: from.clone(), source };
                let (hash, left_out) =
                    self.place(&workspace, input, limits, placed.as_mut()).map_err(about)?;
                sha256 = Some(hash);
                copied
                    .notices
                    .extend(left_out.iter().map(|left_out| format!("input `{artifact}`: {left_out}")));
            } else {
                copied.notices.push(format!("input `{artifact}` of `{from}`: it was not produced"));
            }
            copied.done.push(TakenInput { from: from.clone(), artifact: artifact.clone(), sha256 });
        }
        Ok(copied)
    }

    fn place(
        &self,
        workspace: &Path,
        input: &InputRef,
        limits: &Limits,
        placed: Option<&mut Placed>,
    ) -> Result<(String, Vec<String>), TreeError> {
        let (from, artifact, target) = (&input.from, &input.artifact, input.target());
        let source = enter_step(&*self.root.dir()?, from)?.enter(OsStr::new(artifact))?;
        let to = Dir::anchor(workspace)?.make(OsStr::new(target))?;
        let mut transfer = Transfer::new(limits, Some(to.id()?));
        if let Some(placed) = placed {
            transfer = transfer.noting(placed);
        }
        transfer.directory(&source, Some(&to))?;
        Ok(transfer.finish())
    }

    /// Copies what a step made into the context directory, in the place of what was there: all of it, or nothing. An
    /// output that is not there is left out.
    pub(crate) fn copy_outputs(
        &self,
        workspace: &Path,
        id: &StepPath,
        outputs: &[OutputSpec],
        limits: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError> {
        let step = self.root.step(id)?;
        let collected = self.collect_into(&step, workspace, outputs, limits);
        // Whatever came of it, nothing half done stays.
        let cleared = step.remove(&self.staging);
        let mut copied = collected?;
        copied.notices.extend(cleared.err().map(|error| error.to_string()));
        for artifact in &mut copied.done {
            // As people know the directory, not as it was found.
            let below = artifact.path.strip_prefix(step.path()).map(Path::to_owned);
            if let Ok(below) = below {
                artifact.path = self.path().join(names_of(id).join("/")).join(below);
            }
        }
        Ok(copied)
    }

    fn collect_into(
        &self,
        step: &Dir,
        workspace: &Path,
        outputs: &[OutputSpec],
        limits: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError> {
        step.remove(&self.staging)?;
        let stage = step.make(&self.staging)?;
        let mut copied = Copied { done: Vec::with_capacity(outputs.len()), notices: Vec::new() };
        for output in outputs {
            let about = |source| ArtifactError::Output { name: output.name.clone(), source };
            let Some(place) = find_in_workspace(workspace, &output.path).map_err(about)? else {
                copied.notices.push(format!("output `{}`: nothing at {}", output.name, output.path));
                continue;
            };
            let (sha256, left_out) = self.stage(&stage, output, &place, limits).map_err(about)?;
            copied
                .notices
                .extend(left_out.iter().map(|left_out| format!("output `{}`: {left_out}", output.name)));
            let dir = step.at(OsStr::new(&output.name));
            let path = match (place.kind, file_name(output)) {
                (FileType::RegularFile, Some(name)) => dir.join(name),
                _ => dir,
            };
            let (name, kind) = (output.name.clone(), output.kind.clone());
            copied.done.push(Collected { name, path, kind, sha256: Some(sha256) });
        }
        for artifact in &copied.done {
            let name = OsStr::new(&artifact.name);
            step.remove(name).and_then(|()| stage.rename(name, step, name))?;
        }
        Ok(copied)
    }

    fn stage(
        &self,
        stage: &Dir,
        output: &OutputSpec,
        place: &Place,
        limits: &Limits,
    ) -> Result<(String, Vec<String>), TreeError> {
        let root = self.root.dir()?;
        let to = stage.make(OsStr::new(&output.name))?;
        let mut transfer = Transfer::new(limits, Some(root.id()?));
        match (place.kind, file_name(output)) {
            (FileType::Directory, _) => {
                // It would be found on the way, but perhaps after a long time.
                if root.path().starts_with(place.path()) {
                    return Err(TreeError::HoldsContext { path: place.path() });
                }
                transfer.directory(&place.dir.enter(&place.name)?, Some(&to))?;
            }
            (_, Some(name)) => transfer.alone(&place.dir, &place.name, &to, name)?,
            (_, None) => transfer.alone(&place.dir, &place.name, &to, &place.name)?,
        }
        Ok(transfer.finish())
    }

    /// What a person should know who follows the step that was copied for last.
    pub(crate) fn notice(&self) -> Option<String> {
        let path = self.path().display();
        self.root.was_made_again().then(|| {
            format!(
                "the context directory {path} had been removed and was made again; what other steps had put there is gone"
            )
        })
    }

    /// Adds `_workflow.json` to what [`write_metadata`](Self::write_metadata) writes.
    pub(crate) fn add_workflow(&self, meta: &WorkflowMeta<'_>) {
        self.add(None, &[metadata::WORKFLOW], meta);
    }

    /// Adds the metadata of a step to what [`write_metadata`](Self::write_metadata) writes.
    pub(crate) fn add_step(&self, step: &StepPath, meta: &StepMeta<'_>) {
        self.add(Some(step), &[metadata::META, metadata::RESOLVED], meta);
    }

    /// Has the metadata written that was added.
    pub(crate) fn write_metadata(&self) {
        self.writer().write();
    }

    /// Waits until all metadata is written and says what could not be.
    pub(crate) fn finish(&self) -> Vec<String> {
        self.writer().finish()
    }

    fn add(&self, step: Option<&StepPath>, names: &'static [&'static str], value: &impl Serialize) {
        // Every type of `metadata` has a JSON form.
        if let Ok(mut text) = serde_json::to_vec_pretty(value) {
            text.push(b'\n');
            self.writer().add(step, names, text);
        }
    }

    fn writer(&self) -> MutexGuard<'_, MetadataWriter> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a file that is an output, as the workflow says it: it may be a link there.
fn file_name(output: &OutputSpec) -> Option<&OsStr> {
    Path::new(&output.path).file_name()
}

fn find_in_workspace(workspace: &Path, path: &str) -> Result<Option<Place>, TreeError> {
    let real = fs::canonicalize(workspace).map_err(TreeError::io(workspace))?;
    find(Dir::anchor(&real)?, &[workspace, &real], Path::new(path))
}

#[cfg(test)]
mod tests {
    use roboppi_workflow::parse;

    use super::*;

    fn open(path: &Path, run: &str) -> io::Result<(ContextDir, Option<String>)> {
        ContextDir::open(path.to_owned(), false, &RunId::parse(run).unwrap())
    }

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
        let (context, other) = open(&workspace.path().join("context"), "run-1").unwrap();
        assert_eq!(other, None);
        context.prepare(workflow.steps.keys()).unwrap();

        let (make, limits) = (StepPath::from("make"), Limits::default());
        let outputs = &workflow.steps[&make].outputs;
        let collected = context.copy_outputs(workspace.path(), &make, outputs, &limits).unwrap();
        assert_eq!(collected.notices, ["output `absent`: nothing at nothing"]);
        let made: HashSet<_> = collected.done.iter().map(|made| (make.clone(), made.name.clone())).collect();
        let path = |name: &str| context.path().join("make").join(name);
        assert_eq!(
            collected.done.iter().map(|made| &made.path).collect::<Vec<_>>(),
            [&path("file/a.txt"), &path("tree")]
        );
        for made in &collected.done {
            assert_eq!(hash_of(context.path(), &make, &made.name).unwrap(), made.sha256);
        }
        // What only lies there is not handed over.
        fs::create_dir(path("absent")).unwrap();

        let take = &workflow.steps[&StepPath::from("take")];
        let placed = context.copy_inputs(workspace.path(), &"take".into(), take, &made, &limits).unwrap();
        assert_eq!(placed.notices, ["input `absent` of `make`: it was not produced"]);
        assert_eq!(placed.done.iter().map(|taken| taken.sha256.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(fs::read_to_string(workspace.path().join("taken/deep/b.txt")).unwrap(), "b");
        assert_eq!(fs::read_link(workspace.path().join("taken/link")).unwrap(), Path::new("a.txt"));
        assert!(!workspace.path().join("absent").exists());

        // What is collected again is in the place of what was there.
        fs::remove_file(workspace.path().join("out/deep/b.txt")).unwrap();
        context.copy_outputs(workspace.path(), &make, outputs, &limits).unwrap();
        assert!(
            path("tree/deep").exists()
                && !path("tree/deep/b.txt").exists()
                && !path(".collecting-run-1").exists()
        );

        fs::remove_dir_all(path("tree")).unwrap();
        let error = context
            .copy_inputs(workspace.path(), &"take".into(), take, &made, &limits)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("context/make/tree: No such file") && error.contains("removed since"),
            "{error}"
        );
    }

    #[test]
    fn what_is_left_of_a_run_that_is_gone_on_with_is_only_what_counts() {
        let workflow = parse(WORKFLOW).workflow.unwrap();
        let work = tempfile::tempdir().unwrap();
        let (context, _) = open(&work.path().join("context"), "run-2").unwrap();
        context.prepare(workflow.steps.keys()).unwrap();
        let real = fs::canonicalize(work.path()).unwrap();
        let root = Dir::open(&real).unwrap();
        // `make` took something before, and `take` still does.
        for step in ["make", "take"] {
            let step = context.root.step(&step.into()).unwrap();
            let name = step.path().file_name().unwrap().to_owned();
            drop(root.create(&name, rustix::fs::Mode::RWXU).unwrap());
            Placed::begin(&step, &real).unwrap().note(&root, &name).unwrap();
            step.make(".collecting-run-1".as_ref()).unwrap();
        }
        assert_eq!(context.remove(work.path(), &workflow, &[]), Vec::<String>::new());
        assert!(!real.join("make").exists() && real.join("take").exists());
        for step in ["make", "take"] {
            assert!(!context.path().join(step).join(".collecting-run-1").exists());
        }
        assert!(context.path().join("take/.placed").exists());
    }

    #[test]
    fn a_run_that_shares_the_directory_leaves_what_the_other_one_does() {
        let workflow = parse(WORKFLOW).workflow.unwrap();
        let work = tempfile::tempdir().unwrap();
        let path = work.path().join("context");
        let (first, _) = open(&path, "run-1").unwrap();
        let (second, other) = open(&path, "run-2").unwrap();
        assert!(other.is_some());
        first.prepare(workflow.steps.keys()).unwrap();
        fs::create_dir_all(work.path().join("out")).unwrap();
        fs::write(work.path().join("out/a.txt"), "a").unwrap();
        let (make, take, limits) = (StepPath::from("make"), StepPath::from("take"), Limits::default());
        fs::create_dir(path.join("make/.collecting-run-1")).unwrap();
        second.copy_outputs(work.path(), &make, &workflow.steps[&make].outputs, &limits).unwrap();
        assert!(path.join("make/.collecting-run-1").exists() && path.join("make/tree/a.txt").exists());
        let made = HashSet::from([(make.clone(), "tree".to_owned())]);
        let placing = |context: &ContextDir| {
            context.copy_inputs(work.path(), &take, &workflow.steps[&take], &made, &limits).unwrap()
        };
        placing(&first);
        let notes = fs::read(path.join("take/.placed")).unwrap();
        placing(&second);
        assert_eq!(fs::read(path.join("take/.placed")).unwrap(), notes);
        assert!(work.path().join("taken/a.txt").exists());
    }

    #[test]
    fn an_output_that_holds_the_context_directory_is_refused() {
        let workspace = tempfile::tempdir().unwrap();
        let (context, _) = open(&workspace.path().join("context"), "run-1").unwrap();
        let outputs = [OutputSpec { name: "all".into(), path: ".".into(), kind: None }];
        let error = context
            .copy_outputs(workspace.path(), &"s".into(), &outputs, &Limits::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("holds the context directory"), "{error}");
    }

    #[test]
    fn a_second_run_learns_who_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (_first, other) = open(dir.path(), "run-1").unwrap();
        assert_eq!(other, None);
        fs::write(dir.path().join("_workflow.json"), r#"{"id":"run-7"}"#).unwrap();
        let (_second, other) = open(dir.path(), "run-2").unwrap();
        assert_eq!(other.as_deref(), Some("run run-7"));
        for (text, expected) in [
            (r#"{"id":"run-7","status":"RUNNING"}"#, "run run-7"),
            // The one that holds the directory has not written its name yet.
            (r#"{"id":"run-7","status":"FAILED"}"#, "another run"),
            ("", "another run"),
        ] {
            fs::write(dir.path().join("_workflow.json"), text).unwrap();
            assert_eq!(open(dir.path(), "run-3").unwrap().1.as_deref(), Some(expected), "{text}");
        }
    }
}

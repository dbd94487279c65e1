//! What an earlier run left in the context directory.
//!
//! A fresh run begins with empty places: the metadata and artifacts of its steps go, also those of a run that was killed
//! before it could say what it had made. Which they are is in `_workflow.json`, which is written before any step begins,
//! and in the `_meta.json` of steps. That the workflow would put something in a place does not tell that a run did:
//! everything else belongs to somebody else, and is neither removed nor replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use roboppi_run::StepPath;
use roboppi_workflow::Workflow;
use rustix::fs::FileType;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::beneath::Dir;
use super::metadata::{META, RESOLVED, WORKFLOW, WorkflowMeta};
use super::placed::take_back;
use super::step_place::{enter_step, names_of, remove_empty_step};
use super::tree_error::TreeError;
use super::writer::is_unfinished;

/// What the names begin with of directories where outputs are until all of a step are there. The id of the run follows,
/// as several may use one context directory.
pub(super) const STAGING: &str = ".collecting";

/// Metadata of most steps is not longer.
const USUAL: usize = 4 * 1024;

/// Metadata is not longer.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What `_workflow.json` says of an earlier run.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EarlierWorkflow {
    id: Option<String>,
    name: String,
    status: Option<String>,
    /// Names of the artifacts its steps may have made. The existing program does not say them.
    outputs: Option<BTreeMap<String, Vec<String>>>,
}

/// What `_meta.json` says of an earlier step.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PreviousStep {
    step_id: String,
    artifacts: Vec<EarlierArtifact>,
}

#[derive(Deserialize)]
struct EarlierArtifact {
    name: String,
}

/// The earlier run of a context directory.
fn earlier(root: &Dir) -> EarlierWorkflow {
    json(root, WORKFLOW)
}

/// The run that uses a context directory, as far as it says so: `run 01a2…`. One that has just begun has not written its name
/// yet, and what is there is that of a run before, which is over.
pub(super) fn user(root: &Dir) -> String {
    let EarlierWorkflow { id, status, .. } = earlier(root);
    let id = id.filter(|_| status.is_none_or(|status| status == WorkflowMeta::RUNNING));
    id.map_or_else(|| "another run".to_owned(), |id| format!("run {id}"))
}

/// Removes it from the places of the steps of `workflow`, and of steps this workflow had before, and what it placed into
/// `workspace` for those that take nothing now. Says what cannot be removed.
///
/// # Errors
/// When something that no run put there is in a place this one would use. Nothing is removed then.
pub(super) fn remove(root: &Dir, workspace: &Path, workflow: &Workflow) -> Result<Vec<String>, TreeError> {
    let mut left = Vec::new();
    let mut problems = Vec::new();
    for (step, (known, mut names)) in places(earlier(root), workflow) {
        let path = StepPath::from(step.as_str());
        // A link is refused when the directories of the steps are made.
        let first = names_of(&path).first().map(|name| root.kind(OsStr::new(name)));
        let Some(Ok(Some(FileType::Directory))) = first else { continue };
        match enter_step(root, &path) {
            Err(error) if error.is_absence() => {}
            Ok(dir) => {
                of_runs(&dir, &step, known, &mut names);
                refuse_others(&dir, &step, &names, workflow)?;
                left.push((step, names));
            }
            Err(error) => problems.push(problem(&error)),
        }
    }
    problems.extend(remove_names(root, unfinished(root).iter().map(String::as_str)));
    for (step, names) in left {
        let path = StepPath::from(step.as_str());
        let Ok(dir) = enter_step(root, &path) else { continue };
        // Otherwise it goes when the step is given its inputs again, if it ever is.
        if takes_nothing(workflow, &step) {
            take_back(&dir, workspace);
        }
        problems.extend(remove_names(&dir, names.iter().map(String::as_str)));
        if !workflow.steps.contains_key(&path) {
            // What else is in it belongs to somebody.
            let _ = remove_empty_step(root, &path);
        }
    }
    Ok(problems)
}

/// Whether a step is not given any inputs, so that what it was given before would stay.
pub(super) fn takes_nothing(workflow: &Workflow, step: &str) -> bool {
    workflow.steps.get(&StepPath::from(step)).is_none_or(|step| step.inputs.is_empty())
}

/// Steps whose directories may hold something: whether the `earlier` run had them, and names of artifacts it may have
/// made there.
fn places(earlier: EarlierWorkflow, workflow: &Workflow) -> BTreeMap<String, (bool, BTreeSet<String>)> {
    let mut places: BTreeMap<String, (bool, BTreeSet<String>)> =
        workflow.steps.keys().map(|step| (step.as_str().to_owned(), <_>::default())).collect();
    let same = earlier.name == workflow.name;
    match earlier.outputs {
        // Whatever it is, no run wrote it.
        _ if earlier.id.is_none() => {}
        Some(outputs) => {
            for (step, names) in outputs {
                if step.split('/').all(is_segment) && (same || places.contains_key(&step)) {
                    places.insert(step, (true, names.into_iter().collect()));
                }
            }
        }
        None if same => {
            for (step, what) in &workflow.steps {
                let names = what.outputs.iter().map(|output| output.name.clone());
                places.insert(step.as_str().to_owned(), (true, names.collect()));
            }
        }
        None => {}
    }
    places
}

/// Adds the names of all other things that runs put into the directory of a step. They did if it is `known`, or its
/// metadata is there: others have files called `_meta.json` as well.
fn of_runs(dir: &Dir, step: &str, known: bool, names: &mut BTreeSet<String>) {
    let metadata = [META, RESOLVED].map(|name| json::<PreviousStep>(dir, name));
    let mut metadata = metadata.into_iter().filter(|metadata| metadata.step_id == step).peekable();
    if !known && metadata.peek().is_none() {
        return;
    }
    names.extend(metadata.flat_map(|metadata| metadata.artifacts).map(|made| made.name));
    names.extend([META, RESOLVED].map(str::to_owned));
    names.extend(texts(dir).filter(|name| is_half_written(name) || is_staged(name)));
}

/// An error when a place that the step will use holds something that is not among the `names`.
fn refuse_others(
    dir: &Dir,
    step: &str,
    names: &BTreeSet<String>,
    workflow: &Workflow,
) -> Result<(), TreeError> {
    let Some(step) = workflow.steps.get(&StepPath::from(step)) else { return Ok(()) };
    let used = step.outputs.iter().map(|output| output.name.as_str()).chain([META, RESOLVED]);
    for name in used.filter(|name| !names.contains(*name)) {
        if let Ok(Some(_)) = dir.kind(OsStr::new(name)) {
            return Err(TreeError::Foreign { path: dir.at(OsStr::new(name)) });
        }
    }
    Ok(())
}

/// Removes names from the directory of a step, and says what cannot be removed.
pub(super) fn remove_names<'n>(dir: &Dir, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let removed = names.filter(|name| is_segment(name)).map(|name| dir.remove(OsStr::new(name)));
    removed.filter_map(|removed| removed.err().map(|error| problem(&error))).collect()
}

/// Metadata that was being written when its run was killed.
fn unfinished(dir: &Dir) -> Vec<String> {
    texts(dir).filter(|name| is_half_written(name)).collect()
}

/// Outputs that were being collected when their run was killed. Only while no other run can be collecting.
pub(super) fn staged(dir: &Dir) -> Vec<String> {
    texts(dir).filter(|name| is_staged(name)).collect()
}

/// The names in a directory, but for those that are no text: no run made them.
fn texts(dir: &Dir) -> impl Iterator<Item = String> {
    dir.list().unwrap_or_default().into_iter().filter_map(|(name, _)| name.into_string().ok())
}

fn is_half_written(name: &str) -> bool {
    [WORKFLOW, META, RESOLVED].iter().any(|whole| is_unfinished(name, whole))
}

fn is_staged(name: &str) -> bool {
    name.starts_with(STAGING)
}

fn problem(error: &TreeError) -> String {
    format!("what an earlier run left cannot be removed: {error}")
}

/// Whether a name is that of something in a directory, and nowhere else.
fn is_segment(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

fn json<T: DeserializeOwned + Default>(dir: &Dir, name: &str) -> T {
    // Room for most of them: a buffer that grows from nothing asks the system seven times.
    let mut text = Vec::with_capacity(USUAL);
    let read = dir.read(OsStr::new(name)).map(|file| file.take(LONGEST).read_to_end(&mut text));
    match read {
        Ok(Ok(_)) => serde_json::from_slice(&text).unwrap_or_default(),
        Ok(Err(_)) | Err(_) => T::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use roboppi_workflow::parse;

    use super::*;

    #[test]
    fn what_roboppi_left_goes_and_the_rest_stays() {
        let place = tempfile::tempdir().unwrap();
        let workflow = parse(
            "name: w\nversion: \"1\"\ntimeout: 1m\nsteps:\n  make: {worker: CUSTOM, capabilities: [READ], \
             instructions: x, outputs: [{name: now, path: p}]}\n",
        )
        .workflow
        .unwrap();
        let write = |path: &str, text: &str| {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let outputs = r#"{"make":["now","killed","../../escape",".."],"renamed":["old"],"kept":[]}"#;
        write("_workflow.json", &format!(r#"{{"id":"r","name":"w","outputs":{outputs}}}"#));
        write("make/_meta.json", r#"{"stepId":"make","artifacts":[{"name":"before"}]}"#);
        for path in [
            "make/_resolved.json",
            "make/now/a",
            "make/before/b",
            "make/killed/c",
            "make/.collecting-r/d",
            "make/.collecting/d",
            "make/._meta.json.77",
            "._workflow.json.77",
        ] {
            write(path, "{}");
        }
        for path in ["renamed/_meta.json", "renamed/old/a", "kept/_meta.json"] {
            write(path, "{}");
        }
        let of_others = ["make/notes.txt", "make/mine/x", "kept/notes.txt", "foreign/_meta.json", "escape"];
        of_others.into_iter().for_each(|path| write(path, "{}"));
        let root = Dir::open(place.path()).unwrap();
        assert_eq!(remove(&root, place.path(), &workflow).unwrap(), Vec::<String>::new());
        for path in of_others {
            assert!(place.path().join(path).exists(), "{path}");
        }
        let left = |dir: &str| root.enter(dir.as_ref()).unwrap().list().unwrap().len();
        assert_eq!((left("make"), left("kept")), (2, 1));
        for path in ["renamed", "._workflow.json.77"] {
            assert!(!place.path().join(path).exists(), "{path}");
        }
    }

    #[test]
    fn what_no_run_put_there_is_neither_removed_nor_replaced() {
        let workflow = parse(
            "name: w\nversion: \"1\"\ntimeout: 1m\nsteps:\n  docs: {worker: CUSTOM, capabilities: [READ], \
             instructions: x, outputs: [{name: api, path: p}]}\n",
        )
        .workflow
        .unwrap();
        let earlier = |outputs: &str| format!(r#"{{"id":"r","name":"w"{outputs}}}"#);
        let of_another_step = earlier(r#","outputs":{"make":["api"]}"#);
        let of_other_names = earlier(r#","outputs":{"docs":["html"]}"#);
        let of_this = earlier(r#","outputs":{"docs":["api"]}"#);
        let of_existing_program = earlier("");
        let made = r#"{"stepId":"docs","artifacts":[{"name":"api"}]}"#;
        for (run, meta, kept) in [
            (None, None, true),
            (Some("{}"), None, true),
            (Some("no JSON"), Some(r#"{"index":"Introduction"}"#), true),
            (Some(&*of_another_step), None, true),
            (Some(&*of_other_names), None, true),
            (Some(&*of_this), None, false),
            (Some(&*of_existing_program), None, false),
            (Some(&*of_another_step), Some(made), false),
            (None, Some(made), false),
        ] {
            let place = tempfile::tempdir().unwrap();
            let api = place.path().join("docs/api");
            fs::create_dir_all(&api).unwrap();
            fs::write(api.join("mine"), "mine").unwrap();
            let write = |path: &str, text: Option<&str>| {
                text.into_iter().for_each(|text| fs::write(place.path().join(path), text).unwrap());
            };
            write("_workflow.json", run);
            write("docs/_meta.json", meta);
            let removed = remove(&Dir::open(place.path()).unwrap(), place.path(), &workflow);
            assert_eq!(api.join("mine").exists(), kept, "{run:?} {meta:?}");
            assert_eq!(place.path().join("docs/_meta.json").exists(), kept && meta.is_some());
            match removed {
                Ok(problems) => assert!(!kept && problems.is_empty(), "{problems:?}"),
                Err(error) => {
                    assert!(kept && error.to_string().contains("docs/api was not put there"), "{error}");
                }
            }
        }
    }
}

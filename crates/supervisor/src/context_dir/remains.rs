//! What an earlier run left in the context directory.
//!
//! A fresh run begins with empty places: the metadata and artifacts of its steps go, also those of a run that was killed
//! before it could say what it had made. Which they are is in the workflow that is run, in `_workflow.json`, which is
//! written before any step begins, and in the `_meta.json` of steps. Everything else belongs to somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use roboppi_run::StepId;
use roboppi_workflow::Workflow;
use rustix::fs::FileType;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::beneath::Dir;
use super::metadata::{META, RESOLVED, WORKFLOW};
use super::placed::take_back;
use super::tree_error::TreeError;
use super::writer::is_unfinished;

/// Where outputs are until all of a step are there.
pub(super) const STAGING: &str = ".collecting";

/// Metadata is not longer.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What `_workflow.json` says of an earlier run.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct EarlierWorkflow {
    pub(super) id: Option<String>,
    name: String,
    /// Names of the artifacts its steps may have made.
    outputs: BTreeMap<String, Vec<String>>,
}

/// What `_meta.json` says of an earlier step.
#[derive(Default, Deserialize)]
#[serde(default)]
struct EarlierStep {
    artifacts: Vec<EarlierArtifact>,
}

#[derive(Deserialize)]
struct EarlierArtifact {
    name: String,
}

/// The earlier run of a context directory.
pub(super) fn earlier(root: &Dir) -> EarlierWorkflow {
    json(root, WORKFLOW)
}

/// Removes it from the places of the steps of `workflow`, and of steps this workflow had before, and what it placed into
/// `workspace` for those. Says what cannot be removed.
pub(super) fn remove(root: &Dir, workspace: &Path, workflow: &Workflow) -> Vec<String> {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (step, what) in &workflow.steps {
        let names = what.outputs.iter().map(|output| output.name.clone());
        places.entry(step.as_str().to_owned()).or_default().extend(names);
    }
    let earlier = earlier(root);
    for (step, names) in earlier.outputs {
        if earlier.name == workflow.name || places.contains_key(&step) {
            places.entry(step).or_default().extend(names);
        }
    }
    let mut problems = remove_names(root, unfinished(root).iter().map(String::as_str));
    for (step, mut names) in places.into_iter().filter(|(step, _)| is_segment(step)) {
        // A link is refused when the directories of the steps are made.
        let Ok(Some(FileType::Directory)) = root.kind(OsStr::new(&step)) else { continue };
        let removed = root.enter(OsStr::new(&step)).map(|dir| {
            names.extend(json::<EarlierStep>(&dir, META).artifacts.into_iter().map(|made| made.name));
            // What was placed for a step goes when it is given its inputs again, if it ever is.
            if !workflow.steps.contains_key(&StepId::from(step.as_str())) {
                take_back(&dir, workspace);
            }
            names.extend([META, RESOLVED, STAGING].map(str::to_owned));
            names.extend(unfinished(&dir));
            problems.extend(remove_names(&dir, names.iter().map(String::as_str)));
        });
        problems.extend(removed.err().map(|error| problem(&error)));
        if !workflow.steps.contains_key(&StepId::from(step.as_str())) {
            // What else is in it belongs to somebody.
            let _ = root.remove_empty(OsStr::new(&step));
        }
    }
    problems
}

/// Removes names from the directory of a step, and says what cannot be removed.
pub(super) fn remove_names<'n>(dir: &Dir, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let removed = names.filter(|name| is_segment(name)).map(|name| dir.remove(OsStr::new(name)));
    removed.filter_map(|removed| removed.err().map(|error| problem(&error))).collect()
}

/// Metadata that was being written when its run was killed.
fn unfinished(dir: &Dir) -> Vec<String> {
    let names = dir.list().unwrap_or_default().into_iter().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| [WORKFLOW, META, RESOLVED].iter().any(|whole| is_unfinished(name, whole))).collect()
}

fn problem(error: &TreeError) -> String {
    format!("what an earlier run left cannot be removed: {error}")
}

/// Whether a name is that of something in a directory, and nowhere else.
fn is_segment(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

fn json<T: DeserializeOwned + Default>(dir: &Dir, name: &str) -> T {
    let mut text = Vec::new();
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
        );
        let write = |path: &str, text: &str| {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let outputs = r#"{"make":["killed","../../escape",".."],"renamed":["old"],"kept":[]}"#;
        write("_workflow.json", &format!(r#"{{"id":"r","name":"w","outputs":{outputs}}}"#));
        write("make/_meta.json", r#"{"artifacts":[{"name":"before"}]}"#);
        for path in [
            "make/_resolved.json",
            "make/now/a",
            "make/before/b",
            "make/killed/c",
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
        assert_eq!(remove(&root, place.path(), &workflow.workflow.unwrap()), Vec::<String>::new());
        for path in of_others {
            assert!(place.path().join(path).exists(), "{path}");
        }
        let left = |dir: &str| root.enter(dir.as_ref()).unwrap().list().unwrap().len();
        assert_eq!((left("make"), left("kept")), (2, 1));
        for path in ["renamed", "._workflow.json.77"] {
            assert!(!place.path().join(path).exists(), "{path}");
        }
    }
}

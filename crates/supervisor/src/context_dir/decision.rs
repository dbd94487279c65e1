//! Where a check writes its decision, and how that is read.
//!
//! Workers write these files, so they are read as artifacts are: no link leads out of the workspace or the context directory,
//! nothing but a regular file is opened, and no more of it is read than a decision may have.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use roboppi_ipc::UtcMillis;
use roboppi_run::StepPath;
use roboppi_workflow::{DecisionFile, FoundFile, MAX_DECISION_BYTES};
use rustix::fs::FileType;

use super::beneath::Dir;
use super::tree_error::TreeError;
use super::{ArtifactError, ContextDir, find_in_workspace};

/// Directory in the context directory that holds a place for each check.
const CHECKS: &str = "_completion";

/// Where a check writes its decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecisionPlace {
    /// The step that is checked.
    pub(crate) step: StepPath,
    /// Id of the check.
    pub(crate) check: String,
    /// The file that the workflow names, relative to the workspace.
    pub(crate) file: String,
}

impl DecisionPlace {
    /// Name of the file in the place that is made for the check.
    fn name(&self) -> &OsStr {
        Path::new(&self.file).file_name().unwrap_or_else(|| OsStr::new("decision"))
    }
}

impl ContextDir {
    /// The file of a check that is its own.
    pub(crate) fn decision_path(&self, place: &DecisionPlace) -> PathBuf {
        let step = place.step.path_segment();
        self.path().join(CHECKS).join(&*step).join(&place.check).join(place.name())
    }

    /// Makes the directory of that file.
    pub(crate) fn prepare_decision(&self, place: &DecisionPlace) -> Result<(), ArtifactError> {
        let checks = self.root.dir()?.enter_or_make(OsStr::new(CHECKS))?;
        checks.enter_or_make(OsStr::new(&*place.step.path_segment()))?.make(OsStr::new(&place.check))?;
        Ok(())
    }

    /// The file of the check, and then the one in the workspace. The first one goes, with its directory: its content counts once.
    pub(crate) fn read_decision(&self, workspace: &Path, place: &DecisionPlace) -> Vec<DecisionFile> {
        vec![file_of(self.own_decision(place)), file_of(in_workspace(workspace, place))]
    }

    fn own_decision(&self, place: &DecisionPlace) -> Result<Option<FoundFile>, TreeError> {
        let root = self.root.dir()?;
        let checks = root.enter(OsStr::new(CHECKS))?;
        let segment = place.step.path_segment();
        let step = checks.enter(OsStr::new(&*segment))?;
        let found = step.enter(OsStr::new(&place.check)).and_then(|own| read_at(&own, place.name()));
        // What cannot be removed harms nobody: no other check has its id.
        let _ = step.remove(OsStr::new(&place.check));
        let _ =
            checks.remove_empty(OsStr::new(&*segment)).and_then(|()| root.remove_empty(OsStr::new(CHECKS)));
        found
    }
}

fn in_workspace(workspace: &Path, place: &DecisionPlace) -> Result<Option<FoundFile>, TreeError> {
    match find_in_workspace(workspace, &place.file)? {
        Some(at) if at.kind == FileType::Directory => {
            Err(TreeError::Special { path: at.path(), what: "a directory" })
        }
        Some(at) => read_at(&at.dir, &at.name),
        None => Ok(None),
    }
}

fn read_at(dir: &Dir, name: &OsStr) -> Result<Option<FoundFile>, TreeError> {
    let file = dir.read(name)?;
    read(file).map(Some).map_err(TreeError::io(dir.at(name)))
}

fn read(file: File) -> std::io::Result<FoundFile> {
    let written_at = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut bytes = Vec::new();
    file.take(MAX_DECISION_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(FoundFile { bytes, written_at: UtcMillis(u64::try_from(written_at.as_millis()).unwrap_or(u64::MAX)) })
}

fn file_of(found: Result<Option<FoundFile>, TreeError>) -> DecisionFile {
    match found {
        Ok(Some(file)) => DecisionFile::Found(file),
        Ok(None) => DecisionFile::Missing,
        Err(error) if error.is_absence() => DecisionFile::Missing,
        Err(TreeError::Special { path, what }) => {
            DecisionFile::Unreadable { why: format!("{} is {what}", path.display()) }
        }
        Err(error) => DecisionFile::Unreadable { why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use roboppi_run::RunId;

    use super::*;

    fn place(file: &str) -> DecisionPlace {
        DecisionPlace { step: "fix".into(), check: "c1".to_owned(), file: file.to_owned() }
    }

    /// What both places have, in words.
    fn told(files: &[DecisionFile], root: &Path) -> String {
        let words = files.iter().map(|file| match file {
            DecisionFile::Missing => "missing".to_owned(),
            DecisionFile::Found(file) if file.bytes.len() > 100 => format!("{} bytes", file.bytes.len()),
            DecisionFile::Found(file) => String::from_utf8_lossy(&file.bytes).into_owned(),
            DecisionFile::Unreadable { why } => why.replace(&*root.to_string_lossy(), ""),
        });
        words.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_decision_is_read_where_it_may_be_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let workspace = root.join("workspace");
        fs::create_dir_all(workspace.join("out/dir")).unwrap();
        fs::write(root.join("secret"), "PASS").unwrap();
        fs::write(workspace.join("out/text"), "FAIL").unwrap();
        fs::write(workspace.join("long"), vec![b'x'; 2 * MAX_DECISION_BYTES]).unwrap();
        symlink("../secret", workspace.join("leads-out")).unwrap();
        symlink("out/text", workspace.join("inside")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, workspace.join("fifo"), rustix::fs::Mode::RWXU).unwrap();
        let run = RunId::parse("r").unwrap();
        let (context, _) = ContextDir::open(root.join("context"), false, &run).unwrap();
        let read = |file: &str| told(&context.read_decision(&workspace, &place(file)), &root);
        for (file, expected) in [
            ("out/text", "missing | FAIL"),
            ("inside", "missing | FAIL"),
            ("nothing", "missing | missing"),
            ("out/text/below", "missing | missing"),
            ("out/dir", "missing | /workspace/out/dir is a directory"),
            ("fifo", "missing | /workspace/fifo is a FIFO"),
            ("long", "missing | 1048577 bytes"),
        ] {
            assert_eq!(read(file), expected, "{file}");
        }
        assert!(read("leads-out").contains("leads out of"), "{}", read("leads-out"));
    }

    #[test]
    fn the_place_of_a_check_is_its_own_and_goes_when_it_was_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let run = RunId::parse("r").unwrap();
        let (context, _) = ContextDir::open(root.join("context"), false, &run).unwrap();
        let place = place("out/decision.json");
        let path = context.decision_path(&place);
        assert_eq!(path, root.join("context/_completion/fix/c1/decision.json"));
        context.prepare_decision(&place).unwrap();
        fs::write(&path, "PASS").unwrap();
        assert_eq!(told(&context.read_decision(&root, &place), &root), "PASS | missing");
        assert!(!root.join("context/_completion").exists(), "nothing is left of it");

        context.prepare_decision(&place).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        let read = told(&context.read_decision(&root, &place), &root);
        assert!(read.contains("is a symbolic link"), "{read}");
    }
}

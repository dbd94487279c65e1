//! Reads the artifacts of a run that this process does not own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use roboppi_run::StepPath;
use thiserror::Error;

use super::Limits;
use super::beneath::Dir;
use super::step_place::names_of;
use super::transfer::Transfer;
use super::tree_error::TreeError;

/// The context directory of a run, to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactReader {
    path: PathBuf,
    may_be_a_link: bool,
}

/// What is at the place of an artifact now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundArtifact {
    /// Bytes of its files.
    pub bytes: u64,
    /// Hash of it with everything in it, as `artifact_collected` has it.
    pub sha256: String,
    /// What was left out of a copy, in words.
    pub left_out: Vec<String>,
}

/// Why an artifact was not read.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct ReadError(#[from] TreeError);

impl ReadError {
    /// Whether nothing is there.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        self.0.is_absence()
    }

    fn name(path: PathBuf) -> Self {
        Self(TreeError::io(path)(std::io::ErrorKind::InvalidInput.into()))
    }
}

impl ArtifactReader {
    /// Reads a directory. It may be a link itself only where its owner named it: a worker may have put one in the usual place.
    #[must_use]
    pub const fn new(path: PathBuf, may_be_a_link: bool) -> Self {
        Self { path, may_be_a_link }
    }

    /// Reads an artifact, whole.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or a link is on the way.
    pub fn look(&self, step: &StepPath, artifact: &str) -> Result<FoundArtifact, ReadError> {
        self.transfer(&self.dir(step, artifact)?, None)
    }

    /// Copies an artifact to `<to>/<step>/<artifact>`, where nothing may be. What is half copied is removed again.
    ///
    /// # Errors
    /// When there is none, it cannot be read or written, something is there, or a link is on the way.
    pub fn copy(&self, step: &StepPath, artifact: &str, to: &Path) -> Result<FoundArtifact, ReadError> {
        let from = self.dir(step, artifact)?;
        if self.holds(to) {
            return Err(TreeError::InContext { path: to.to_owned() }.into());
        }
        std::fs::create_dir_all(to).map_err(TreeError::io(to))?;
        let mut above = Dir::anchor(to)?;
        for name in names(step)? {
            above = above.make(&name)?;
        }
        let name = &OsStr::new(artifact);
        if above.kind(name)?.is_some() {
            return Err(TreeError::io(above.at(name))(std::io::ErrorKind::AlreadyExists.into()).into());
        }
        let target = above.make(name)?;
        let copied = self.transfer(&from, Some(&target));
        if copied.is_err() {
            let _ = above.remove(name);
        }
        copied
    }

    fn transfer(&self, from: &Dir, to: Option<&Dir>) -> Result<FoundArtifact, ReadError> {
        let limits = Limits::default();
        let mut transfer = Transfer::new(&limits, None);
        transfer.directory(from, to)?;
        let bytes = transfer.bytes();
        let (sha256, left_out) = transfer.finish();
        Ok(FoundArtifact { bytes, sha256, left_out })
    }

    fn dir(&self, step: &StepPath, artifact: &str) -> Result<Dir, ReadError> {
        let mut dir = self.root()?;
        names(step)?;
        for name in names_of(step) {
            dir = dir.enter(OsStr::new(name))?;
        }
        Ok(dir.enter(&one_name(artifact).ok_or_else(|| ReadError::name(dir.at(OsStr::new(artifact))))?)?)
    }

    /// Whether a directory, which need not be there, is in this one.
    fn holds(&self, to: &Path) -> bool {
        let to = std::path::absolute(to).unwrap_or_else(|_| to.to_owned());
        let real = to.ancestors().find_map(|above| above.canonicalize().ok());
        let (Some(real), Ok(own)) = (real, self.path.canonicalize()) else { return false };
        real.starts_with(own)
    }

    fn root(&self) -> Result<Dir, ReadError> {
        if self.may_be_a_link {
            return Ok(Dir::open(&self.path)?);
        }
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Err(ReadError::name(self.path.clone()));
        };
        Ok(Dir::anchor(parent)?.enter(name)?)
    }
}

/// The directories of a step, one in another.
fn names(step: &StepPath) -> Result<Vec<OsString>, ReadError> {
    let names: Option<Vec<_>> = step.as_str().split('/').map(one_name).collect();
    names.ok_or_else(|| ReadError::name(step.as_str().into()))
}

/// A text as the name of one thing in a directory.
fn one_name(text: &str) -> Option<OsString> {
    let is_one = !text.is_empty() && !text.contains(['/', '\0']) && text != "." && text != "..";
    is_one.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn step(name: &str) -> StepPath {
        StepPath::new(name)
    }

    #[test]
    fn an_artifact_is_read_and_copied_once() {
        let place = tempfile::tempdir().unwrap();
        let context = place.path().join("context");
        fs::create_dir_all(context.join("make/tree/deep")).unwrap();
        fs::write(context.join("make/tree/deep/leaf"), "leaf").unwrap();
        let reader = ArtifactReader::new(context.clone(), false);
        let found = reader.look(&step("make"), "tree").unwrap();
        assert_eq!((found.bytes, found.sha256.len()), (4, 64));
        let to = place.path().join("new/out");
        assert_eq!(reader.copy(&step("make"), "tree", &to).unwrap(), found);
        assert_eq!(fs::read_to_string(to.join("make/tree/deep/leaf")).unwrap(), "leaf");
        let error = reader.copy(&step("make"), "tree", &to).unwrap_err();
        assert!(error.to_string().contains("out/make/tree"), "{error}");
        assert!(reader.look(&step("make"), "none").unwrap_err().is_absence());
        assert!(reader.look(&step("none"), "tree").unwrap_err().is_absence());
        let error = reader.copy(&step("make"), "tree", &context.join("make/tree/new")).unwrap_err();
        assert!(error.to_string().contains("in the context directory"), "{error}");
        assert!(!context.join("make/tree/new").exists());
    }

    #[test]
    fn no_link_and_no_name_leads_elsewhere() {
        let place = tempfile::tempdir().unwrap();
        let [context, outside] = ["context", "outside"].map(|name| place.path().join(name));
        fs::create_dir_all(outside.join("tree")).unwrap();
        fs::write(outside.join("tree/secret"), "secret").unwrap();
        fs::create_dir_all(context.join("make")).unwrap();
        symlink(&outside, context.join("led")).unwrap();
        symlink(outside.join("tree"), context.join("make/tree")).unwrap();
        let reader = ArtifactReader::new(context.clone(), false);
        for (of, artifact) in [
            ("led", "tree"),
            ("make", "tree"),
            ("make", "../../outside/tree"),
            ("..", "outside"),
            ("../outside", "tree"),
            ("make/../../outside", "tree"),
            ("", "outside"),
            (".", "make"),
        ] {
            let error = reader.look(&step(of), artifact).unwrap_err();
            assert!(!error.is_absence(), "{of} {artifact}: {error}");
        }
        fs::rename(&context, place.path().join("moved")).unwrap();
        symlink(&outside, &context).unwrap();
        assert!(reader.look(&step("x"), "tree").is_err());
        symlink(place.path().join("moved"), place.path().join("chosen")).unwrap();
        fs::create_dir_all(place.path().join("moved/make/real")).unwrap();
        let reader = ArtifactReader::new(place.path().join("chosen"), true);
        assert_eq!(reader.look(&step("make"), "real").unwrap().bytes, 0);
    }
}

//! The files a workflow is made of.

use crate::diagnostic::{FileId, FileRef};
use crate::source::MAX_BYTES;

/// A file and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// What it is called in diagnostics.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The files of a workflow, and what is known of those they name.
#[derive(Clone, Debug)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// Files that were asked for, and what came of that.
    answers: Vec<(FileRef, Result<FileId, String>)>,
    most_bytes: usize,
    most_nested: usize,
}

impl Sources {
    /// Files a workflow may be made of.
    pub const MOST: usize = 256;
    /// Bytes all of them may have.
    pub const MOST_BYTES: usize = 4 * MAX_BYTES;
    /// Files that may be in each other, the first one included, when nobody says otherwise.
    pub const NESTED: usize = 5;
    /// The same at most.
    pub const MOST_NESTED: usize = 32;

    /// The file of the workflow, and no other.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            files: vec![SourceFile { name: name.into(), text: text.into() }],
            answers: Vec::new(),
            most_bytes: MAX_BYTES,
            most_nested: Self::NESTED,
        }
    }

    /// The same whose first file may have so many bytes.
    #[must_use]
    pub const fn within(mut self, most_bytes: usize) -> Self {
        self.most_bytes = most_bytes;
        self
    }

    /// The same with so many files in each other at most, between 1 and [`Sources::MOST_NESTED`].
    #[must_use]
    pub fn nested(mut self, most: usize) -> Self {
        self.most_nested = most.clamp(1, Self::MOST_NESTED);
        self
    }

    pub(crate) const fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    pub(crate) const fn most_nested(&self) -> usize {
        self.most_nested
    }

    /// Answers a need with the file it names. `name` says which file that is: one that is there already is not added
    /// again. More than [`Sources::MOST`] files or [`Sources::MOST_BYTES`] are refused.
    pub fn add(&mut self, need: FileRef, name: impl Into<String>, text: impl Into<String>) {
        let (name, text) = (name.into(), text.into());
        let answer = match self.files.iter().position(|file| file.name == name) {
            Some(index) => Ok(FileId::of_index(index)),
            None if self.files.len() >= Self::MOST => {
                Err(format!("a workflow may be made of at most {} files", Self::MOST))
            }
            None if self.bytes() + text.len() > Self::MOST_BYTES => {
                Err(format!("the files of a workflow may have at most {} bytes", Self::MOST_BYTES))
            }
            None => {
                self.files.push(SourceFile { name, text });
                Ok(FileId::of_index(self.files.len() - 1))
            }
        };
        self.answers.push((need, answer));
    }

    /// Answers a need: there is no such file for this workflow. `why` is shown where the file is named.
    pub fn refuse(&mut self, need: FileRef, why: impl Into<String>) {
        self.answers.push((need, Err(why.into())));
    }

    /// A file; the first one when there is none of that id.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        self.files.get(id.index()).unwrap_or(&self.files[0])
    }

    /// All files.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId::of_index(index), file))
    }

    pub(crate) fn answer(&self, need: &FileRef) -> Option<&Result<FileId, String>> {
        self.answers.iter().find(|(asked, _)| asked == need).map(|(_, answer)| answer)
    }

    fn bytes(&self) -> usize {
        self.files.iter().map(|file| file.text.len()).sum()
    }
}

//! How the sources are, for users.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use roboppi_ingest::Counts;

use crate::Source;

/// Places whose problems are remembered.
const PROBLEMS: usize = 1_024;

/// What a user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The file.
    pub path: PathBuf,
    /// What is to be known.
    pub text: String,
    /// Something is wrong, as opposed to right again.
    pub is_problem: bool,
}

/// Where a source is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// There is no file yet.
    #[default]
    Absent,
    /// It is followed.
    Followed,
    /// Another process follows it.
    Elsewhere,
    /// It cannot be read or recorded, and is tried again.
    Failing(String),
}

/// How a source is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its path.
    pub path: PathBuf,
    /// Name of its format.
    pub format: &'static str,
    /// Where it is.
    pub state: SourceState,
    /// What was counted since it was followed for the first time.
    pub counts: Counts,
    /// Bytes that were read by this process.
    pub bytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Statuses(Arc<Mutex<Vec<SourceStatus>>>);

impl Statuses {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let status = |source: &Source| SourceStatus {
            path: source.place.path().to_owned(),
            format: source.format.name(),
            ..SourceStatus::default()
        };
        Self(Arc::new(Mutex::new(sources.iter().map(status).collect())))
    }

    pub(crate) fn get(&self) -> Vec<SourceStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, index: usize, status: SourceStatus) {
        let mut statuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = statuses.get_mut(index).filter(|known| **known != status) {
            *known = status;
        }
    }
}

/// Announces a problem when it begins and when it is over, not at each look.
pub(crate) struct Notices {
    announce: Box<dyn FnMut(Notice) + Send>,
    problems: HashMap<PathBuf, String>,
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Notices {
    pub(crate) fn new(announce: impl FnMut(Notice) + Send + 'static) -> Self {
        Self { announce: Box::new(announce), problems: HashMap::new() }
    }

    /// Something that a user should know once.
    pub(crate) fn note(&mut self, path: &std::path::Path, text: String) {
        (self.announce)(Notice { path: path.to_owned(), text, is_problem: true });
    }

    /// A problem that lasts.
    pub(crate) fn problem(&mut self, path: &std::path::Path, text: &str) {
        if self.problems.get(path).is_some_and(|known| known == text) {
            return;
        }
        if self.problems.len() >= PROBLEMS {
            self.problems.clear();
        }
        self.problems.insert(path.to_owned(), text.to_owned());
        self.note(path, text.to_owned());
    }

    /// There is none any more.
    pub(crate) fn right(&mut self, path: &std::path::Path) {
        if self.problems.remove(path).is_some() {
            let text = "is followed again".to_owned();
            (self.announce)(Notice { path: path.to_owned(), text, is_problem: false });
        }
    }
}

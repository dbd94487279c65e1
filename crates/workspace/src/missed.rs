//! Why a report is incomplete.

use crate::stat::Name;

/// What could not be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) too_many_files: bool,
    pub(crate) too_deep: bool,
    pub(crate) out_of_time: bool,
    /// The worker ran before the baseline was read.
    pub(crate) began_late: bool,
    /// Directories that could not be read, and the first of them.
    pub(crate) unreadable: Option<(usize, Name)>,
    /// Why the directory itself could not be read.
    pub(crate) root: Option<String>,
    /// Changes beyond the limit of a report.
    pub(crate) left_out: usize,
}

impl Missed {
    pub(crate) fn cannot_read(&mut self, dir: &[u8]) {
        let (count, _) = self.unreadable.get_or_insert_with(|| (0, dir.into()));
        *count += 1;
    }

    /// Adds what another look missed.
    pub(crate) fn join(&mut self, other: Self) {
        self.too_many_files |= other.too_many_files;
        self.too_deep |= other.too_deep;
        self.out_of_time |= other.out_of_time;
        self.began_late |= other.began_late;
        self.left_out += other.left_out;
        self.unreadable = self.unreadable.take().max(other.unreadable);
        self.root = self.root.take().or(other.root);
    }

    /// The reasons for people; `None` if nothing is missing.
    pub(crate) fn words(&self, files: usize) -> Option<String> {
        let mut reasons = Vec::new();
        if let Some(error) = &self.root {
            reasons.push(format!("the workspace could not be read: {error}"));
        }
        if self.began_late {
            reasons.push("the worker started before the workspace was read".to_owned());
        }
        if self.too_many_files {
            reasons.push(format!("the workspace has more than {files} files"));
        }
        if self.too_deep {
            reasons.push("directories are nested too deeply".to_owned());
        }
        if self.out_of_time {
            reasons.push("the workspace could not be read again in time".to_owned());
        }
        if let Some((count, first)) = &self.unreadable {
            let first = String::from_utf8_lossy(first);
            let more = count - 1;
            let others = if more > 0 { format!(" and {more} more") } else { String::new() };
            reasons.push(format!("the directory {first}{others} could not be read"));
        }
        if self.left_out > 0 {
            reasons.push(format!("{} changes are over the limit of a report", self.left_out));
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

//! The changes of an attempt as one text that can be folded.
//!
//! Changes of one file stand together, in the order in which the files were first changed. A file and each
//! hunk have a heading; what is below a folded heading is not shown. Rows are worked out from the lengths of
//! what is shown, so that a change of many megabytes costs no more than what is visible of it.

use std::collections::HashSet;

use roboppi_run::{AttemptView, PatchView};

mod index;
mod kinds;

pub(crate) use index::{DiffIndex, Hunk};
pub(crate) use kinds::{Kinds, LineKind};

/// The changes as the person left them.
#[derive(Debug, Default)]
pub(crate) struct DiffPane {
    pub(crate) index: DiffIndex,
    folded: HashSet<Heading>,
    /// The heading the person went to; `None` as long as the latest change is shown.
    chosen: Option<Heading>,
    /// The person scrolled, so the latest change is not gone to.
    scrolled: bool,
}

/// What can be folded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Heading {
    File(String),
    /// Number of the event of its patch, and which hunk of that.
    Hunk(u64, usize),
}

/// What stands in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DiffRow<'a> {
    File(&'a FileDiff<'a>),
    /// A heading; what it is part of, and which one.
    Hunk(&'a PatchView, usize, Hunk),
    /// A line below a heading, from 0.
    Line(&'a PatchView, Hunk, usize),
}

/// The changes of one file.
#[derive(Debug)]
pub(crate) struct FileDiff<'a> {
    pub(crate) path: &'a str,
    pub(crate) patches: Vec<&'a PatchView>,
    pub(crate) added: usize,
    pub(crate) removed: usize,
}

/// All changes of an attempt.
#[derive(Debug)]
pub(crate) struct Diffs<'a> {
    pane: &'a DiffPane,
    pub(crate) files: Vec<FileDiff<'a>>,
}

impl DiffPane {
    /// Forgets what was chosen of another attempt.
    pub(crate) fn leave(&mut self) {
        self.folded.clear();
        self.chosen = None;
        self.scrolled = false;
    }

    pub(crate) const fn scroll(&mut self) {
        self.scrolled = true;
    }

    pub(crate) fn choose(&mut self, heading: Heading) {
        self.chosen = Some(heading);
        self.scrolled = true;
    }

    pub(crate) const fn is_scrolled(&self) -> bool {
        self.scrolled
    }

    pub(crate) fn is_folded(&self, heading: &Heading) -> bool {
        self.folded.contains(heading)
    }

    /// Folds or unfolds what is below a heading.
    pub(crate) fn toggle(&mut self, heading: Heading) {
        if !self.folded.remove(&heading) {
            self.folded.insert(heading);
        }
    }

    /// Folds all files, or unfolds everything when they are.
    pub(crate) fn toggle_all(&mut self, files: Vec<Heading>) {
        if files.iter().all(|file| self.folded.contains(file)) {
            self.folded.clear();
        } else {
            self.folded.extend(files);
        }
    }
}

impl<'a> Diffs<'a> {
    pub(crate) fn of(pane: &'a DiffPane, attempt: &'a AttemptView) -> Self {
        let mut files: Vec<FileDiff<'a>> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for patch in &attempt.activity.patches {
            let path = patch.patch.file_path.as_str();
            let place = *places.entry(path).or_insert_with(|| {
                files.push(FileDiff { path, patches: Vec::new(), added: 0, removed: 0 });
                files.len() - 1
            });
            let counts = pane.index.of(patch.seq);
            let file = &mut files[place];
            file.added += counts.added;
            file.removed += counts.removed;
            file.patches.push(patch);
        }
        Self { pane, files }
    }

    /// The heading that is gone to: what was chosen, else the latest change.
    pub(crate) fn current(&self) -> Option<Heading> {
        let headings = || self.rows().filter_map(|(row, _)| heading_of(&row));
        if let Some(chosen) = &self.pane.chosen {
            // Under a folded file there is none of its hunks.
            return headings().find(|heading| heading == chosen).or_else(|| self.file_of(chosen));
        }
        let latest = self.files.iter().flat_map(|file| &file.patches).map(|patch| patch.seq).max()?;
        self.file_of(&Heading::Hunk(latest, 0))
    }

    fn file_of(&self, heading: &Heading) -> Option<Heading> {
        let has = |file: &&FileDiff<'_>| match heading {
            Heading::File(path) => file.path == path,
            Heading::Hunk(seq, _) => file.patches.iter().any(|patch| patch.seq == *seq),
        };
        self.files.iter().find(has).map(|file| Heading::File(file.path.to_owned()))
    }

    /// The heading some places before or behind the current one.
    pub(crate) fn neighbour(&self, by: isize) -> Option<Heading> {
        let headings: Vec<_> = self.rows().filter_map(|(row, _)| heading_of(&row)).collect();
        let current = self.current()?;
        let at = headings.iter().position(|heading| *heading == current)?;
        headings.into_iter().nth(at.saturating_add_signed(by)).or(Some(current))
    }

    pub(crate) fn is_folded(&self, heading: &Heading) -> bool {
        self.pane.is_folded(heading)
    }

    /// Rows of everything.
    pub(crate) fn len(&self) -> usize {
        self.rows().map(|(_, rows)| rows).sum()
    }

    /// Row of a heading.
    pub(crate) fn row_of(&self, heading: &Heading) -> usize {
        let before = self.rows().take_while(|(row, _)| heading_of(row).as_ref() != Some(heading));
        before.map(|(_, rows)| rows).sum()
    }

    /// What stands in each row from `first` on.
    pub(crate) fn from(&self, first: usize) -> impl Iterator<Item = DiffRow<'_>> {
        let mut skip = first;
        self.rows().flat_map(move |(row, rows)| {
            let skipped = skip.min(rows);
            skip -= skipped;
            (skipped..rows).map(move |at| match row {
                DiffRow::Line(patch, hunk, _) => DiffRow::Line(patch, hunk, at),
                heading => heading,
            })
        })
    }

    /// Everything that is shown, and how many rows each takes; the lines below a heading are together.
    fn rows(&self) -> impl Iterator<Item = (DiffRow<'_>, usize)> {
        self.files.iter().flat_map(move |file| {
            let open = !self.is_folded(&Heading::File(file.path.to_owned()));
            let hunks = file.patches.iter().filter(move |_| open).flat_map(move |patch| {
                let hunks = &self.pane.index.of(patch.seq).hunks;
                hunks.iter().enumerate().flat_map(move |(number, hunk)| {
                    let open = !self.is_folded(&Heading::Hunk(patch.seq, number));
                    let head = hunk.has_head.then_some((DiffRow::Hunk(patch, number, *hunk), 1));
                    // What has no heading cannot be unfolded again.
                    let lines =
                        (open || !hunk.has_head).then_some((DiffRow::Line(patch, *hunk, 0), hunk.lines));
                    head.into_iter().chain(lines)
                })
            });
            std::iter::once((DiffRow::File(file), 1)).chain(hunks)
        })
    }
}

/// The heading a row is.
pub(crate) fn heading_of(row: &DiffRow<'_>) -> Option<Heading> {
    match row {
        DiffRow::File(file) => Some(Heading::File(file.path.to_owned())),
        DiffRow::Hunk(patch, number, _) => Some(Heading::Hunk(patch.seq, *number)),
        DiffRow::Line(..) => None,
    }
}

//! Collects the problems of one file or several.

use std::collections::HashSet;

use super::text::printable;
use super::{Diagnostic, FileId, FileRef, LineIndex, Severity, Span};

/// Collects problems. Of each severity it keeps the first [`Sink::KEPT`] and counts the rest.
pub(crate) struct Sink<'t> {
    lines: Vec<LineIndex<'t>>,
    /// The file that is being read.
    file: FileId,
    /// Files that were named; `None` when nobody wants to know.
    needs: Option<Vec<FileRef>>,
    found: Vec<Diagnostic>,
    seen: HashSet<(Span, String)>,
    errors: usize,
    warnings: usize,
}

impl<'t> Sink<'t> {
    /// How many problems of one severity are kept.
    pub(crate) const KEPT: usize = 200;

    /// `follows`: files that these name are noted, see [`Sink::take_needs`].
    pub(crate) fn new(texts: impl IntoIterator<Item = &'t str>, follows: bool) -> Self {
        Self {
            lines: texts.into_iter().map(LineIndex::new).collect(),
            file: FileId::default(),
            needs: follows.then(Vec::new),
            found: Vec::new(),
            seen: HashSet::new(),
            errors: 0,
            warnings: 0,
        }
    }

    /// What comes next is of this file.
    pub(crate) const fn begin(&mut self, file: FileId) {
        self.file = file;
    }

    /// A part of the file that is being read.
    pub(crate) const fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start, end }
    }

    /// Notes that another file is named.
    pub(crate) fn need(&mut self, path: &str, span: Span) {
        if let Some(needs) = &mut self.needs {
            needs.push(FileRef { path: path.to_owned(), span });
        }
    }

    /// The files that were named.
    pub(crate) fn take_needs(&mut self) -> Vec<FileRef> {
        self.needs.take().unwrap_or_default()
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, span, message.into(), hint);
    }

    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Warning, span, message.into(), hint);
    }

    fn add(&mut self, severity: Severity, span: Span, message: String, hint: Option<String>) {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if *count >= Self::KEPT {
            *count += 1;
            return;
        }
        // A node behind an anchor is read once per alias; its problems are told once.
        if self.seen.insert((span, message.clone())) {
            *count += 1;
            let (line, column) =
                self.lines.get(span.file.index()).map_or((1, 1), |lines| lines.position(span.start));
            let (message, hint) = (printable(message), hint.map(printable));
            self.found.push(Diagnostic { severity, message, hint, span, line, column });
        }
    }

    /// Whether another warning would only be counted, so that no work need go into it.
    pub(crate) const fn warnings_full(&self) -> bool {
        self.warnings >= Self::KEPT
    }

    /// Whether another error would only be counted.
    pub(crate) const fn errors_full(&self) -> bool {
        self.errors >= Self::KEPT
    }

    /// Errors found so far, those not kept included.
    pub(crate) const fn errors(&self) -> usize {
        self.errors
    }

    /// Line of a place, from 1.
    pub(crate) fn line_of(&self, span: Span) -> usize {
        self.lines.get(span.file.index()).map_or(1, |lines| lines.line_at(span.start))
    }

    /// Line and column of a place, from 1.
    pub(crate) fn position_of(&self, span: Span) -> (usize, usize) {
        self.lines.get(span.file.index()).map_or((1, 1), |lines| lines.position(span.start))
    }

    /// The problems in the order of the files, and how many were counted but not kept.
    pub(crate) fn finish(mut self) -> (Vec<Diagnostic>, usize) {
        let omitted = self.errors + self.warnings - self.found.len();
        self.found.sort_by_key(|found| (found.span.file, found.span.start, found.severity));
        (self.found, omitted)
    }
}

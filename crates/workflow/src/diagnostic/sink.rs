//! Collects the problems of one file.

use std::collections::HashSet;

use super::text::printable;
use super::{Diagnostic, LineIndex, Severity, Span};

/// Collects problems. Of each severity it keeps the first [`Sink::KEPT`] and counts the rest.
pub(crate) struct Sink<'t> {
    lines: LineIndex<'t>,
    found: Vec<Diagnostic>,
    seen: HashSet<(Span, String)>,
    errors: usize,
    warnings: usize,
}

impl<'t> Sink<'t> {
    /// How many problems of one severity are kept.
    pub(crate) const KEPT: usize = 200;

    pub(crate) fn new(text: &'t str) -> Self {
        Self { lines: LineIndex::new(text), found: Vec::new(), seen: HashSet::new(), errors: 0, warnings: 0 }
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
            let (line, column) = self.lines.position(span.start);
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
        self.lines.line_at(span.start)
    }

    /// Line and column of a place, from 1.
    pub(crate) fn position_of(&self, span: Span) -> (usize, usize) {
        self.lines.position(span.start)
    }

    /// The problems in the order of the file, and how many were counted but not kept.
    pub(crate) fn finish(mut self) -> (Vec<Diagnostic>, usize) {
        let omitted = self.errors + self.warnings - self.found.len();
        self.found.sort_by_key(|found| (found.span.start, found.severity));
        (self.found, omitted)
    }
}

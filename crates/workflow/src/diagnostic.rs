//! A problem in a workflow file, with its place and a hint.

mod render;
mod sink;
mod suggest;
mod text;

pub(crate) use sink::Sink;
pub use suggest::nearest;
pub(crate) use text::{LineIndex, quote};

/// One of several files. The file of the workflow itself is the first one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub(crate) u32);

impl FileId {
    pub(crate) fn of_index(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A part of a file, in bytes from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which file.
    pub file: FileId,
    /// First byte.
    pub start: usize,
    /// Byte after the last one.
    pub end: usize,
}

/// A file that another one names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// The path as it is written.
    pub path: String,
    /// Where it is written: its file is what the path is relative to.
    pub span: Span,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The workflow cannot run.
    Error,
    /// The workflow can run, and probably does not do what its author meant.
    Warning,
}

impl Severity {
    /// The word on screen.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A problem in a workflow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: one line, free of control characters.
    pub message: String,
    /// What to do about it: one line.
    pub hint: Option<String>,
    /// Where it is.
    pub span: Span,
    /// Line of its first character, from 1.
    pub line: usize,
    /// Column of its first character, from 1, in characters.
    pub column: usize,
}

/// What a diagnostic points at, for programs that show it themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line of the file, without its line break and without control characters; at most 500 characters of it.
    pub source: String,
    /// Line of the character after the last one, from 1.
    pub end_line: usize,
    /// Column of the character after the last one, from 1, in characters.
    pub end_column: usize,
}

/// What each of some diagnostics of these files points at.
pub(crate) fn excerpts<'t>(diagnostics: &[Diagnostic], texts: impl Iterator<Item = &'t str>) -> Vec<Excerpt> {
    const LONGEST: usize = 500;
    let files: Vec<(LineIndex<'_>, usize)> = texts.map(|text| (LineIndex::new(text), text.len())).collect();
    let excerpt = |found: &Diagnostic| {
        let Some((lines, length)) = files.get(found.span.file.index()) else {
            return Excerpt { source: String::new(), end_line: found.line, end_column: found.column };
        };
        let (_, line) = lines.line(found.line);
        let (end_line, end_column) = lines.position(found.span.end.max(found.span.start).min(*length));
        let source = line.trim_start_matches('\u{feff}').chars().take(LONGEST).collect();
        Excerpt { source: text::printable(source), end_line, end_column }
    };
    diagnostics.iter().map(excerpt).collect()
}

impl Diagnostic {
    /// The problem as a person reads it: what, where, the line with the place underlined, the hint.
    ///
    /// `text` is the file it was found in. Colours are ANSI escapes. Ends without a line break.
    #[must_use]
    pub fn render(&self, file_name: &str, text: &str, colour: bool) -> String {
        self.render_with(file_name, &LineIndex::new(text), colour)
    }

    pub(crate) fn render_with(&self, file_name: &str, lines: &LineIndex<'_>, colour: bool) -> String {
        render::render(self, file_name, lines, colour)
    }
}

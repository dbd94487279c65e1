//! Places in source files that the output of compilers, linters and test programs names.

use roboppi_untrusted::words;

mod patterns;

use patterns::{Found, Match};

/// Bytes of a line that are looked at.
const LONGEST_LINE: usize = 4 * 1024;

/// Bytes of the name of a file.
const LONGEST_FILE: usize = 1024;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Error,
    Warning,
}

/// A place in a file, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// As the program named it.
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: Option<u32>,
    pub(crate) message: String,
}

impl Finding {
    /// `src/lib.rs:10:5`.
    pub(crate) fn place(&self) -> String {
        let column = self.column.map_or_else(String::new, |column| format!(":{column}"));
        format!("{}:{}{column}", self.file, self.line)
    }
}

/// Finds places in lines, one after the other. Some programs write the message and the place on two lines.
#[derive(Debug, Default)]
pub(crate) struct PlaceFinder {
    /// A message whose place comes next.
    message: Option<(Severity, String)>,
    /// A place whose message comes next.
    place: Option<Place>,
    /// The file that findings without a name belong to.
    file: Option<String>,
}

#[derive(Clone, Debug)]
struct Place {
    file: String,
    line: u32,
    column: Option<u32>,
}

impl Place {
    fn with(self, severity: Severity, message: &str) -> Finding {
        Finding {
            severity,
            file: self.file,
            line: self.line,
            column: self.column,
            message: message.trim().to_owned(),
        }
    }
}

impl PlaceFinder {
    /// Takes a line of output as it was written.
    pub(crate) fn push(&mut self, line: &[u8]) -> Option<Finding> {
        let line = &line[..line.len().min(LONGEST_LINE)];
        let text = roboppi_untrusted::line(line, false);
        self.push_text(text.trim_end())
    }

    fn push_text(&mut self, text: &str) -> Option<Finding> {
        let waiting = self.place.take();
        let message = self.message.take();
        if let Some(Match { found, place }) = patterns::find(text) {
            let place = place.filter(|place| is_file_name(place.0) && place.1 > 0);
            let place = place.map(|(file, line, column)| Place { file: words(file), line, column });
            return match (found, place) {
                (Found::Whole(severity, message), Some(place)) => Some(place.with(severity, message)),
                (Found::Message(severity, text), _) => {
                    // The message of a traceback comes after its places, the innermost last.
                    if let Some(place) = waiting {
                        return Some(place.with(severity, text));
                    }
                    self.message = Some((severity, text.to_owned()));
                    None
                }
                (Found::PlaceOfMessage, Some(place)) => {
                    let (severity, text) = message?;
                    Some(place.with(severity, &text))
                }
                (Found::PlaceBeforeMessage, Some(place)) => {
                    self.place = Some(place);
                    None
                }
                (Found::File(file), _) => {
                    self.file = Some(words(file));
                    None
                }
                (Found::InFile { line, column, severity, message }, _) => {
                    let file = self.file.clone()?;
                    Some(Place { file, line, column: Some(column) }.with(severity, message))
                }
                (Found::Whole(..) | Found::PlaceOfMessage | Found::PlaceBeforeMessage, None) => None,
            };
        }
        if text.trim().is_empty() {
            self.file = None;
            // An empty line parts neither a message from its place nor a place from its message.
            self.message = message;
            self.place = waiting;
            return None;
        }
        if let Some(place) = waiting {
            let is_source = text.starts_with("    ");
            if is_source {
                self.place = Some(place);
                return None;
            }
            return Some(place.with(Severity::Error, text));
        }
        // Lines of source between a message and its place.
        self.message = message.filter(|_| text.starts_with(' '));
        None
    }
}

/// Whether a text looks like the name of a source file: times of day and addresses have colons and numbers too.
fn is_file_name(text: &str) -> bool {
    let last = text.rsplit(['/', '\\']).next().unwrap_or(text);
    let extension = last.rsplit_once('.').map(|(_, extension)| extension);
    let has_extension = extension.is_some_and(|end| end.starts_with(|char: char| char.is_ascii_alphabetic()));
    text.len() <= LONGEST_FILE && (has_extension || ["Makefile", "Dockerfile", "Justfile"].contains(&last))
}

#[cfg(test)]
mod tests;

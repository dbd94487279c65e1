//! The layout of a workflow file: the same content and comments, in the order and the form of the reference.

mod order;
mod print;
mod read;
mod scalar;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::kinds::WorkerKinds;
use crate::{document, parse_with};
use order::Order;

/// Why a file is left as it is.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// [`parse`](crate::parse) reports what is wrong.
    #[error("it is not a valid workflow")]
    Invalid,
    /// It has a form of YAML that would be lost, such as a key of several lines.
    #[error("it has a key that is a list, a map or a text of several lines; write that as a plain key")]
    Unsupported,
    /// What was made of it does not mean the same.
    #[error("its layout could not be changed without changing its meaning")]
    Changed,
}

/// A workflow file in the usual layout: two spaces a level, keys in the order of the reference, quotation marks where they are needed,
/// at most one empty line between two entries. Comments, anchors, flow style on a single line and the style of long texts stay. A byte order
/// mark goes, and the line breaks are those of the first line.
///
/// # Errors
/// When the file is invalid, or cannot be laid out without changing what it means.
pub fn format(text: &str) -> Result<String, FormatError> {
    let breaks_with_cr = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
    let source = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let meaning = Meaning::of(&source).ok_or(FormatError::Invalid)?;
    let file = read::read(&source).ok_or(FormatError::Unsupported)?;
    // An alias may not come before its anchor, so not every order is possible.
    let made = [Order::Reference, Order::AsWritten].into_iter().find_map(|order| {
        let made = print::print(&file, order);
        (Meaning::of(&made).as_ref() == Some(&meaning)).then_some(made)
    });
    let made = made.ok_or(FormatError::Changed)?;
    Ok(if breaks_with_cr { made.replace('\n', "\r\n") } else { made })
}

/// What may not change.
#[derive(PartialEq)]
struct Meaning {
    content: serde_json::Value,
    /// The order in which steps start.
    steps: Vec<String>,
    /// The comments, in no order.
    comments: Vec<String>,
}

impl Meaning {
    fn of(text: &str) -> Option<Self> {
        let workflow = parse_with(text, &WorkerKinds::any()).workflow?;
        let mut comments: Vec<String> =
            read::comments(text)?.into_iter().map(|comment| comment.text).collect();
        comments.sort_unstable();
        Some(Self {
            content: document(text)?,
            steps: workflow.steps.keys().map(ToString::to_string).collect(),
            comments,
        })
    }
}

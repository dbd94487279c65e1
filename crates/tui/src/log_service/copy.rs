//! Text that is to be copied.

use roboppi_record::RecordError;

use super::log_layout::LogLayout;
use crate::log_pane::{Copied, Copy};

/// Bytes that are copied at a time.
const MOST: usize = 4 * 1024 * 1024;

/// The text from one spot to another, as it is seen: without colours, and without lines that are left out.
pub(super) fn copy(log_layout: &mut LogLayout<'_>, wanted: &Copy) -> Result<Copied, RecordError> {
    let mut copied = Copied { number: wanted.number, text: String::new(), cut: false };
    let mut is_first = true;
    let mut next = log_layout.at_or_behind(wanted.from.line)?;
    while let Some(line) = next.filter(|line| *line <= wanted.to.line) {
        if copied.text.len() >= MOST {
            copied.cut = true;
            break;
        }
        let from = if line == wanted.from.line { wanted.from.column } else { 0 };
        let to = if line == wanted.to.line { wanted.to.column } else { usize::MAX };
        if !std::mem::take(&mut is_first) {
            copied.text.push('\n');
        }
        copied.text.push_str(&log_layout.text(line, from, to)?);
        next = log_layout.behind(line)?;
    }
    if copied.text.len() > MOST {
        copied.text.truncate(copied.text.floor_char_boundary(MOST));
        copied.cut = true;
    }
    Ok(copied)
}

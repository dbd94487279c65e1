//! What is marked: reaching to the pointer, and copying it.

use std::ops::Range;

use ratatui::layout::Position;

use crate::log_pane::TextPos;
use crate::mark::{Mark, TextRow, Unit};
use crate::message::Action;
use crate::model::Model;
use crate::tab::Tab;
use crate::{text, view};

/// Copies what is marked. `false` when nothing is.
pub(super) fn copy_marked(model: &mut Model, actions: &mut Vec<Action>) -> bool {
    let Some(range) = model.mark().and_then(Mark::range) else { return false };
    if model.tab == Tab::Logs {
        model.log.copy(range);
    } else {
        copy_page(model, &range, actions);
    }
    true
}

/// Copies a part of a page.
pub(super) fn copy_page(model: &mut Model, range: &Range<TextPos>, actions: &mut Vec<Action>) {
    let copied = view::page_text(model, range);
    model.notice = Some(copied_in_words(&copied));
    actions.push(Action::Copy(copied));
}

/// `copied 3 lines`, or what was copied when that is short.
pub(super) fn copied_in_words(copied: &str) -> String {
    match copied.lines().count() {
        1 => format!("copied {}", text::fit(copied.trim(), 60)),
        lines => format!("copied {}", text::count(lines, "line")),
    }
}

/// What is marked reaches to the pointer, wherever the text is now.
pub(super) fn reach_pointer(model: &mut Model) {
    let Some((at, unit)) = model.mark().and_then(|mark| Some((mark.held?, mark.unit()))) else { return };
    let rows = view::rows(model);
    if let Some(found) = unit_at(&rows, at, unit)
        && let Some(mark) = &mut model.mark
    {
        mark.reach(found);
    }
}

/// What is at a cell, or at the end of the text that is nearest to it.
pub(super) fn unit_at(rows: &[TextRow], at: Position, unit: Unit) -> Option<Range<TextPos>> {
    let (first, last) = (rows.first()?, rows.last()?);
    if at.y < first.area.y {
        return Some(first.unit_at(0, unit));
    }
    match rows.iter().find(|row| row.area.y == at.y) {
        Some(row) => Some(row.unit_at(at.x, unit)),
        None => Some(last.unit_at(u16::MAX, unit)),
    }
}

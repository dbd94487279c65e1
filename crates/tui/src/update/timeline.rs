//! Going from row to row of the timeline.

use ratatui::layout::Position;

use super::motion::Move;
use super::selection;
use crate::layout::Areas;
use crate::model::{Model, Scroll};
use crate::tab::Tab;
use crate::view::{self, TimelineEntry};

/// Selects another attempt.
pub(super) fn go(model: &mut Model, to: Move) {
    let entries = view::timeline_entries(model);
    let Some(last) = entries.len().checked_sub(1) else { return };
    let at = view::timeline_row(model, &entries).unwrap_or(0);
    let page = isize::try_from(view::extent(model).rows.saturating_sub(1).max(1)).unwrap_or(1);
    let to = match to {
        Move::Rows(rows) => at.saturating_add_signed(rows),
        Move::Pages(pages) => at.saturating_add_signed(pages.saturating_mul(page)),
        Move::HalfPages(halves) => at.saturating_add_signed(halves.saturating_mul((page / 2).max(1))),
        Move::First => 0,
        Move::Last => last,
    };
    choose(model, entries[to.min(last)]);
    keep_in_sight(model);
}

/// Selects the attempt at a cell.
pub(super) fn click(model: &mut Model, at: Position) {
    let pane = Areas::of(model.size, model.focus).pane;
    if let Some(entry) = view::timeline_entry_at(model, pane, at.y) {
        choose(model, entry);
    }
}

fn choose(model: &mut Model, entry: TimelineEntry) {
    selection::select_index(model, entry.step);
    let last = model.shown_step().map_or(0, |step| step.attempts.len().saturating_sub(1));
    let attempt = entry.attempt.filter(|at| *at < last);
    if model.attempt != attempt {
        selection::choose_attempt(model, attempt);
    }
}

/// Scrolls so that the selected attempt is shown.
pub(super) fn keep_in_sight(model: &mut Model) {
    if model.tab != Tab::Timeline {
        return;
    }
    let extent = view::extent(model);
    let entries = view::timeline_entries(model);
    let (Some(row), true) = (view::timeline_row(model, &entries), extent.rows > 0) else { return };
    let lowest = (row + 1).saturating_sub(extent.rows);
    let top = view::top(model, extent.len, extent.rows).clamp(lowest.min(row), row);
    model.scroll[Tab::Timeline.index()] = Scroll { top, stick: false };
}

/// Whether the selected attempt is shown. What changes the rows then keeps it so; a person who scrolled away stays there.
pub(super) fn is_in_sight(model: &Model) -> bool {
    if model.tab != Tab::Timeline {
        return false;
    }
    let extent = view::extent(model);
    let entries = view::timeline_entries(model);
    let top = view::top(model, extent.len, extent.rows);
    view::timeline_row(model, &entries).is_some_and(|row| (top..top + extent.rows).contains(&row))
}

//! Scrolling the pane.

use crate::layout::{Areas, log_parts};
use crate::log_pane::{Anchor, RowPos};
use crate::model::Model;
use crate::tab::Tab;
use crate::view;

use super::earlier;
use super::motion::Move;

/// Scrolls the pane that is shown.
pub(super) fn pane(model: &mut Model, to: Move) {
    model.follow = false;
    if model.tab == Tab::Logs {
        return log(model, to);
    }
    let extent = view::extent(model);
    let most = extent.len.saturating_sub(extent.rows);
    let at = view::top(model, extent.len, extent.rows);
    if model.tab == Tab::Diffs {
        model.diffs.scroll();
    }
    if model.tab == Tab::Activity && earlier::turn_page(model, to, at, most) {
        return;
    }
    let scroll = &mut model.scroll[model.tab.index()];
    let page = isize::try_from(extent.rows.saturating_sub(1).max(1)).unwrap_or(1);
    scroll.top = match to {
        Move::Rows(rows) => at.saturating_add_signed(rows).min(most),
        Move::Pages(pages) => at.saturating_add_signed(pages.saturating_mul(page)).min(most),
        Move::HalfPages(halves) => {
            at.saturating_add_signed(halves.saturating_mul((page / 2).max(1))).min(most)
        }
        Move::First => 0,
        Move::Last => most,
    };
    // Only a tab that grows at its end stays there.
    scroll.stick = matches!(model.tab, Tab::Core | Tab::Activity)
        && scroll.top == most
        && model.activity.earlier.shown().is_none();
}

fn log(model: &mut Model, to: Move) {
    let (text, _) = log_parts(Areas::of(model.size, model.focus).pane);
    let page = isize::try_from(text.height.saturating_sub(1).max(1)).unwrap_or(1);
    match to {
        Move::Rows(rows) => walk(model, rows),
        Move::Pages(pages) => walk(model, page.saturating_mul(pages)),
        Move::HalfPages(halves) => walk(model, (page / 2).max(1).saturating_mul(halves)),
        Move::First => model.log.put(Anchor::At { place: RowPos::default(), delta: 0 }),
        Move::Last => model.log.put(Anchor::End),
    }
}

fn walk(model: &mut Model, rows: isize) {
    // Nothing comes behind the end that is followed.
    if !(model.log.follows() && rows > 0) {
        model.log.walk(rows);
    }
}

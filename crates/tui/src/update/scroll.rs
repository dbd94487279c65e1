//! Scrolling the pane.

use crate::layout::{Areas, log_parts};
use crate::model::Model;
use crate::tab::Tab;
use crate::view;

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Rows(isize),
    Pages(isize),
    First,
    Last,
}

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
    let scroll = &mut model.scroll[model.tab.index()];
    let page = isize::try_from(extent.rows.saturating_sub(1).max(1)).unwrap_or(1);
    scroll.top = match to {
        Move::Rows(rows) => at.saturating_add_signed(rows).min(most),
        Move::Pages(pages) => at.saturating_add_signed(pages.saturating_mul(page)).min(most),
        Move::First => 0,
        Move::Last => most,
    };
    // Only a tab that grows at its end stays there.
    scroll.stick = matches!(model.tab, Tab::Core | Tab::Activity) && scroll.top == most;
}

fn log(model: &mut Model, to: Move) {
    let (text, _) = log_parts(Areas::of(model.size, model.focus).pane);
    let rows = u64::from(text.height);
    let most = model.log.window.total.saturating_sub(rows);
    let at = if model.log.follow { most } else { model.log.top.min(most) };
    let page = i64::from(text.height.saturating_sub(1).max(1));
    let to = match to {
        Move::Rows(rows) => at.saturating_add_signed(rows as i64),
        Move::Pages(pages) => at.saturating_add_signed(page.saturating_mul(pages as i64)),
        Move::First => 0,
        Move::Last => most,
    };
    model.log.top = to.min(most);
    model.log.follow = to >= most;
}

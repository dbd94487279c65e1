//! Draws the model. Changes nothing and reads nothing but the model.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::layout::Areas;
use crate::model::Model;
use crate::tab::Tab;

mod activity;
pub(crate) mod ascii;
mod core;
mod diffs;
mod footer;
mod graph;
mod header;
mod help;
mod logs;
mod mark;
mod overview;
mod page;
mod popup;
mod result;
mod steps;
mod sub_agents;
mod tabs;
mod timeline;
mod usage;
mod wording;

/// Rows of the pane and rows it shows at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) len: usize,
    pub(crate) rows: usize,
}

pub(crate) use activity::item as activity_item;
#[cfg(test)]
pub(crate) use mark::row_text;
pub(crate) use mark::{page_text, rows};
pub(crate) use steps::list_area;
pub(crate) use tabs::tab_at;
pub(crate) use timeline::{
    Entry as TimelineEntry, entries as timeline_entries, entry_at as timeline_entry_at,
    selected_row as timeline_row,
};

/// Draws a frame.
pub(crate) fn draw(model: &Model, buffer: &mut Buffer) {
    let areas = Areas::of(model.size, model.focus);
    if areas.title.area() == 0 || buffer.area.intersection(Rect::from(model.size)) != Rect::from(model.size) {
        // Nothing to draw on, or the terminal has changed and its message is still on the way.
        return;
    }
    header::draw(model, &areas, buffer);
    steps::draw(model, areas.steps, buffer);
    rule(model, &areas, buffer);
    if areas.pane.area() > 0 {
        // Worked out once: with hundreds of steps it is most of a frame.
        let page = lines(model, areas.pane.width);
        let extent = extent_of(model, areas.pane, &page);
        tabs::draw(model, areas.tabs, extent, buffer);
        pane(model, areas.pane, &page, buffer);
        mark::draw(model, areas.pane, extent, buffer);
    }
    footer::draw(model, areas.footer, buffer);
    popup::draw(model, buffer);
    if model.settings.ascii {
        ascii::fold(buffer);
    }
}

fn pane(model: &Model, area: Rect, page: &[Line<'_>], buffer: &mut Buffer) {
    match model.tab {
        Tab::Logs => logs::draw(model, area, buffer),
        Tab::Diffs => diffs::draw(model, area, buffer),
        Tab::Core => core::draw(model, area, buffer),
        Tab::Timeline => timeline::draw(model, area, buffer),
        Tab::Activity => activity::draw(model, area, buffer),
        Tab::Overview | Tab::Usage | Tab::Result | Tab::Help => {
            page::draw(model, page, area, buffer);
        }
    }
}

/// The whole text of a tab that is one page.
fn lines(model: &Model, columns: u16) -> Vec<Line<'static>> {
    match model.tab {
        Tab::Overview => overview::lines(model, columns),
        Tab::Usage => usage::lines(model, columns),
        Tab::Result => result::lines(model, columns),
        Tab::Help => help::lines(model, columns),
        Tab::Activity | Tab::Logs | Tab::Diffs | Tab::Core | Tab::Timeline => Vec::new(),
    }
}

/// First row shown of a pane of `len` rows of which `rows` fit.
pub(crate) fn top(model: &Model, len: usize, rows: usize) -> usize {
    let most = len.saturating_sub(rows);
    let scroll = model.scroll[model.tab.index()];
    if model.tab == Tab::Diffs && !model.diffs.is_scrolled() {
        return diffs::latest(model).min(most);
    }
    if scroll.stick { most } else { scroll.top.min(most) }
}

/// How long the pane's text is, for scrolling. Logs have a measure of their own.
pub(crate) fn extent(model: &Model) -> Extent {
    let area = Areas::of(model.size, model.focus).pane;
    if area.area() == 0 {
        return Extent::default();
    }
    extent_of(model, area, &lines(model, area.width))
}

fn extent_of(model: &Model, area: Rect, page: &[Line<'_>]) -> Extent {
    match model.tab {
        Tab::Logs => Extent::default(),
        Tab::Diffs => diffs::extent(model, area),
        Tab::Core => core::extent(model, area),
        Tab::Timeline => timeline::extent(model, area),
        Tab::Activity => activity::extent(model, area),
        Tab::Overview | Tab::Usage | Tab::Result | Tab::Help => {
            Extent { len: page.len(), rows: usize::from(area.height) }
        }
    }
}

/// The line between list and pane.
fn rule(model: &Model, areas: &Areas, buffer: &mut Buffer) {
    let symbol = if areas.is_wide() { "│" } else { "─" };
    for position in areas.rule.positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            cell.set_symbol(symbol).set_style(model.theme.faint());
        }
    }
}

/// Draws one line of text at the start of an area.
fn put(buffer: &mut Buffer, area: Rect, line: &Line<'_>) {
    if area.area() > 0 {
        buffer.set_line(area.x, area.y, line, area.width);
    }
}

#[cfg(test)]
mod activity_tests;
#[cfg(test)]
mod tests;

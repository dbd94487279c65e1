//! The names of the tabs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::Extent;
use crate::model::{Focus, Model};
use crate::tab::Tab;
use crate::text;

pub(super) fn draw(model: &Model, area: Rect, extent: Extent, buffer: &mut Buffer) {
    if area.area() == 0 {
        return;
    }
    let columns = usize::from(area.width);
    let fitting = line(model, &labels(model, columns));
    super::put(buffer, area, &fitting);
    position(model, area, extent, fitting.width(), buffer);
}

/// Columns between two names.
const BETWEEN: usize = 2;

/// The tab at a column of the screen.
pub(crate) fn tab_at(model: &Model, area: Rect, x: u16) -> Option<Tab> {
    let column = usize::from(x.checked_sub(area.x)?);
    let mut start = 0;
    labels(model, usize::from(area.width)).into_iter().find_map(|(tab, label)| {
        let end = start + text::width(&label);
        let found = (start..end).contains(&column).then_some(tab);
        start = end + BETWEEN;
        found
    })
}

/// All names, else the numbers of the others, else only the one that is shown.
fn labels(model: &Model, columns: usize) -> Vec<(Tab, String)> {
    let tabs = || (1..).zip(model.tabs().iter().copied());
    let named = |number: i32, tab: Tab| (tab, format!("{number} {}", tab.name()));
    let all: Vec<_> = tabs().map(|(number, tab)| named(number, tab)).collect();
    let numbers = tabs()
        .map(|(number, tab)| if tab == model.tab { named(number, tab) } else { (tab, number.to_string()) });
    let width = |labels: &[(Tab, String)]| {
        labels.iter().map(|(_, label)| text::width(label) + BETWEEN).sum::<usize>().saturating_sub(BETWEEN)
    };
    let alone = all.iter().filter(|(tab, _)| *tab == model.tab).cloned().collect();
    [numbers.collect(), alone]
        .into_iter()
        .fold(all, |fitting, narrower| if width(&fitting) <= columns { fitting } else { narrower })
        .into_iter()
        .map(|(tab, label)| {
            (tab, if text::width(&label) <= columns { label } else { text::fit(tab.name(), columns) })
        })
        .collect()
}

fn line(model: &Model, labels: &[(Tab, String)]) -> Line<'static> {
    let mut spans = Vec::new();
    for (tab, label) in labels {
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(BETWEEN)));
        }
        let style = match (*tab == model.tab, model.focus) {
            (true, Focus::Pane) => model.theme.strong().add_modifier(Modifier::REVERSED),
            (true, Focus::Steps) => model.theme.strong().add_modifier(Modifier::UNDERLINED),
            (false, _) => model.theme.faint(),
        };
        spans.push(Span::styled(label.clone(), style));
    }
    Line::from(spans)
}

/// Which rows of the pane are shown, when not all are and there is room to say so.
fn position(model: &Model, area: Rect, extent: Extent, used: usize, buffer: &mut Buffer) {
    if extent.len <= extent.rows {
        return;
    }
    let top = super::page::top(model, extent.len, extent.rows);
    let words = format!("{}–{}/{}", top + 1, (top + extent.rows).min(extent.len), extent.len);
    let width = text::width(&words);
    if used + 2 + width <= usize::from(area.width) {
        let shift = (usize::from(area.width) - width) as u16;
        let place = Rect { x: area.x + shift, width: width as u16, ..area };
        super::put(buffer, place, &Line::styled(words, model.theme.faint()));
    }
}

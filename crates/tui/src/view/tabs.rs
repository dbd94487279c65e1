//! The names of the tabs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::Extent;
use crate::model::{Focus, Model};
use crate::text;

pub(super) fn draw(model: &Model, area: Rect, extent: Extent, buffer: &mut Buffer) {
    if area.area() == 0 {
        return;
    }
    let columns = usize::from(area.width);
    // All names, else the numbers of the others, else only the one that is shown.
    let fitting = [Names::All, Names::Active, Names::Alone]
        .into_iter()
        .map(|names| line(model, names))
        .find(|line| line.width() <= columns)
        .unwrap_or_else(|| Line::from(text::fit(model.tab.name(), columns)));
    super::put(buffer, area, &fitting);
    position(model, area, extent, fitting.width(), buffer);
}

#[derive(Clone, Copy)]
enum Names {
    All,
    Active,
    Alone,
}

fn line(model: &Model, names: Names) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, tab) in (1..).zip(model.tabs().iter().copied()) {
        let active = tab == model.tab;
        let label = match names {
            Names::All => format!("{number} {}", tab.name()),
            Names::Active | Names::Alone if active => format!("{number} {}", tab.name()),
            Names::Active => number.to_string(),
            Names::Alone => continue,
        };
        if !spans.is_empty() {
            spans.push(Span::raw("  "));
        }
        let style = match (active, model.focus) {
            (true, Focus::Pane) => model.theme.strong().add_modifier(Modifier::REVERSED),
            (true, Focus::Steps) => model.theme.strong().add_modifier(Modifier::UNDERLINED),
            (false, _) => model.theme.faint(),
        };
        spans.push(Span::styled(label, style));
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

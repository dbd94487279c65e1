//! The names of the tabs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::Extent;
use crate::layout::Focus;
use crate::model::Model;
use crate::tab::Tab;
use crate::text;

pub(super) fn draw(model: &Model, area: Rect, extent: Extent, buffer: &mut Buffer) {
    if area.area() == 0 {
        return;
    }
    let columns = usize::from(area.width);
    let (labels, between) = labels(model, columns);
    let fitting = line(model, &labels, between);
    super::put(buffer, area, &fitting);
    position(model, area, extent, fitting.width(), buffer);
}

/// The tab at a column of the screen.
pub(crate) fn tab_at(model: &Model, area: Rect, x: u16) -> Option<Tab> {
    let column = usize::from(x.checked_sub(area.x)?);
    let (labels, between) = labels(model, usize::from(area.width));
    let mut start = 0;
    labels.into_iter().find_map(|(tab, label)| {
        let end = start + text::width(&label);
        let found = (start..end).contains(&column).then_some(tab);
        start = end + between;
        found
    })
}

type Labels = Vec<(Tab, String)>;

/// All names, else short ones for the others, else three letters of each, else the numbers of the others, else only the one
/// that is shown; and the columns between two of them.
fn labels(model: &Model, columns: usize) -> (Labels, usize) {
    let labelled = |other: fn(usize, Tab) -> String| -> Labels {
        let tabs = (1..).zip(model.tabs().iter().copied());
        tabs.map(|(number, tab)| match tab == model.tab {
            true => (tab, format!("{number} {}", tab.name())),
            false => (tab, other(number, tab)),
        })
        .collect()
    };
    let all = labelled(|number, tab| format!("{number} {}", tab.name()));
    let short = labelled(|number, tab| format!("{number} {}", tab.short_name()));
    let letters = (1..)
        .zip(model.tabs())
        .map(|(number, tab): (usize, _)| (*tab, format!("{number} {:.3}", tab.name())));
    let numbers = labelled(|number, _| number.to_string());
    let fits = |(labels, between): &(Labels, usize)| {
        let width = labels.iter().map(|(_, label)| text::width(label) + between).sum::<usize>();
        width.saturating_sub(*between) <= columns
    };
    let narrower = [(all, 2), (short.clone(), 2), (short, 1), (letters.collect(), 1), (numbers, 2)];
    narrower.into_iter().find(fits).unwrap_or_else(|| {
        let number = model.tabs().iter().position(|tab| *tab == model.tab).unwrap_or(0) + 1;
        let label = format!("{number} {}", model.tab.name());
        let label = if text::width(&label) <= columns { label } else { text::fit(model.tab.name(), columns) };
        (vec![(model.tab, label)], 0)
    })
}

fn line(model: &Model, labels: &[(Tab, String)], between: usize) -> Line<'static> {
    let mut spans = Vec::new();
    for (tab, label) in labels {
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(between)));
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
    let top = super::top(model, extent.len, extent.rows);
    let words = format!("{}–{}/{}", top + 1, (top + extent.rows).min(extent.len), extent.len);
    let width = text::width(&words);
    if used + 2 + width <= usize::from(area.width) {
        let shift = (usize::from(area.width) - width) as u16;
        let place = Rect { x: area.x + shift, width: width as u16, ..area };
        super::put(buffer, place, &Line::styled(words, model.theme.faint()));
    }
}

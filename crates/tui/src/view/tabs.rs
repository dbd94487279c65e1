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
    let fitting = line(model, &Bar::of(model, columns));
    super::put(buffer, area, &fitting);
    position(model, area, extent, fitting.width(), buffer);
}

/// The tab at a column of the screen.
pub(crate) fn tab_at(model: &Model, area: Rect, x: u16) -> Option<Tab> {
    let column = usize::from(x.checked_sub(area.x)?);
    let bar = Bar::of(model, usize::from(area.width));
    let mut start = 0;
    bar.labels.into_iter().find_map(|(tab, label)| {
        let end = start + text::width(&label);
        let found = (start..end).contains(&column).then_some(tab);
        start = end + bar.between;
        found
    })
}

/// What stands in the line of the tabs.
#[derive(Debug)]
struct Bar {
    labels: Vec<(Tab, String)>,
    /// Columns between two of them.
    between: usize,
}

impl Bar {
    /// Names, else short names, else three letters of each, else numbers, in the same columns whichever is shown; a name
    /// that is not in there comes last. Where there is no room even for that: the one that is shown.
    fn of(model: &Model, columns: usize) -> Self {
        let tabs = model.step_kind().bar();
        let bar = |between: usize, named: bool, label: fn(Tab) -> String| {
            let mut labels: Vec<_> = tabs.iter().map(|tab| (*tab, label(*tab))).collect();
            if !named || !tabs.contains(&model.tab) {
                labels.push((model.tab, model.tab.name().to_owned()));
            }
            Self { labels, between }
        };
        let narrower = [
            bar(2, true, |tab| format!("{} {}", tab.number(), tab.name())),
            bar(2, true, |tab| format!("{} {}", tab.number(), tab.short_name())),
            bar(1, true, |tab| format!("{} {}", tab.number(), tab.short_name())),
            bar(1, true, |tab| format!("{} {:.3}", tab.number(), tab.name())),
            bar(1, false, |tab| tab.number().to_string()),
        ];
        narrower.into_iter().find(|bar| bar.width() <= columns).unwrap_or_else(|| {
            let label = format!("{} {}", model.tab.number(), model.tab.name());
            let label =
                if text::width(&label) <= columns { label } else { text::fit(model.tab.name(), columns) };
            Self { labels: vec![(model.tab, label)], between: 0 }
        })
    }

    fn width(&self) -> usize {
        let width = self.labels.iter().map(|(_, label)| text::width(label) + self.between).sum::<usize>();
        width.saturating_sub(self.between)
    }
}

fn line(model: &Model, bar: &Bar) -> Line<'static> {
    let mut spans = Vec::new();
    for (tab, label) in &bar.labels {
        if !spans.is_empty() {
            spans.push(Span::raw(" ".repeat(bar.between)));
        }
        let style = match (*tab == model.tab, model.focus) {
            (true, Focus::Pane) => model.theme.selected().patch(model.theme.strong()),
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

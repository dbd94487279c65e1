//! The keys that matter now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::keymap::bindings;
use crate::model::Model;
use crate::{sanitise, text};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.area() == 0 {
        return;
    }
    let theme = model.theme;
    let columns = usize::from(area.width);
    if let Some(notice) = &model.notice {
        let line = Line::styled(text::fit(&sanitise::clean(notice), columns), theme.note());
        return super::put(buffer, area, &line);
    }
    if model.list.filter.is_typed() || model.help_filter.is_typed() {
        let keys = [("Enter", "keep the filter"), ("Esc", "clear it"), ("↑ ↓", "move")];
        let spans = keys.iter().flat_map(|(key, label)| {
            [Span::styled(*key, theme.strong()), Span::styled(format!(" {label}  "), theme.faint())]
        });
        return super::put(buffer, area, &Line::from(spans.collect::<Vec<_>>()));
    }
    let now = model.context();
    let mut spans = Vec::new();
    let mut used = 0;
    for binding in bindings(now.role).filter(|binding| (binding.when)(&now)) {
        let (Some(key), Some(label)) = (binding.keys.first(), binding.label) else { continue };
        let key = key.to_string();
        let gap = if used == 0 { 0 } else { 2 };
        let width = gap + text::width(&key) + 1 + text::width(label);
        if used + width > columns {
            continue;
        }
        used += width;
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled(key, theme.strong()));
        spans.push(Span::styled(format!(" {label}"), theme.faint()));
    }
    const FOLLOWING: &str = "following";
    if model.follow && !now.over && used + 2 + FOLLOWING.len() <= columns {
        spans.push(Span::raw(" ".repeat(columns - used - FOLLOWING.len())));
        spans.push(Span::styled(FOLLOWING, theme.note()));
    }
    super::put(buffer, area, &Line::from(spans));
}

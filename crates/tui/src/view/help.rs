//! The keys, from the table they are looked up in.

use ratatui::text::{Line, Span};

use super::page::Page;
use crate::keymap::explained;
use crate::model::Model;
use crate::text;

const KEYS: usize = 12;

pub(super) fn lines(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page::new(model.theme, columns);
    let indent = KEYS.min(page.columns() / 2);
    for binding in explained(model.settings.role) {
        let keys = text::fit(&binding.keys_in_words(), indent - 1);
        for (index, line) in text::wrap(binding.help, page.columns() - indent).into_iter().enumerate() {
            let keys = if index == 0 { keys.clone() } else { String::new() };
            let padding = " ".repeat(indent - text::width(&keys));
            page.parts(vec![Span::styled(keys, model.theme.strong()), Span::raw(padding), Span::raw(line)]);
        }
    }
    page.heading("Tabs");
    for (number, tab) in (1..).zip(model.tabs()) {
        page.fact(&format!("{number} {}", tab.name()), tab.about());
    }
    page.gap();
    page.text("Icons of steps:", model.theme.strong());
    page.text(
        "○ pending  ◎ ready  ◌ starting  ⠋ running  ↻ retrying  ◑ ending  ✓ succeeded  ✗ failed  ⊘ skipped  \
         ■ cancelled  ? lost",
        model.theme.faint(),
    );
    page.gap();
    page.text(&format!("roboppi {}", model.settings.version), model.theme.faint());
    page.finish()
}

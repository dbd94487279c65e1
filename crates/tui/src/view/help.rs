//! The keys, from the table they are looked up in, by what they are about.

use ratatui::text::{Line, Span};

use super::page::Page;
use crate::keymap::{Binding, Section, explained};
use crate::layout::Focus;
use crate::model::Model;
use crate::tab::Tab;
use crate::text;

const KEYS: usize = 12;

pub(super) fn lines(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page::new(model.theme, columns);
    let filter = &model.help_filter;
    let shown = |row: &&Binding| {
        !filter.is_active() || filter.matches(&format!("{} {}", row.keys_in_words(), row.help))
    };
    let sections: Vec<(Section, Vec<&Binding>)> = sections(model)
        .map(|section| (section, explained(model.settings.role, section).filter(shown).collect()))
        .collect();
    if filter.is_typed() || filter.is_active() {
        let found: usize = sections.iter().map(|(_, rows)| rows.len()).sum();
        typed(model, found, &mut page);
    }
    for (section, rows) in sections.iter().filter(|(_, rows)| !rows.is_empty()) {
        page.heading(section.name());
        for row in rows {
            binding(model, row, &mut page);
        }
    }
    if filter.is_active() {
        return page.finish();
    }
    page.heading("Tabs");
    for tab in Tab::ALL {
        page.fact(&format!("{} {}", tab.number(), tab.name()), tab.about());
    }
    page.heading("Icons of steps");
    page.text(
        "○ pending  ◎ ready  ◌ starting  ⠋ running  ↻ retrying  ◑ ending  ✓ succeeded  ≈ incomplete  ✗ failed  ⊘ skipped  \
         ■ cancelled  ? lost  ! with warnings",
        model.theme.faint(),
    );
    page.gap();
    page.text(&format!("roboppi {}", model.settings.version), model.theme.faint());
    page.finish()
}

/// All sections; the one of what was shown before the help is the first.
fn sections(model: &Model) -> impl Iterator<Item = Section> {
    let (choice, focus) = model.before_help.unwrap_or((model.tab_choice, Focus::Steps));
    let first = match (focus, choice.of(model.step_kind())) {
        (Focus::Steps, _) => Section::Steps,
        (Focus::Pane, Tab::Logs) => Section::Log,
        (Focus::Pane, Tab::Diffs | Tab::Activity) => Section::Entries,
        (Focus::Pane, _) => Section::Everywhere,
    };
    std::iter::once(first).chain(Section::ALL.into_iter().filter(move |section| *section != first))
}

/// What is typed to find a key, and how many it finds.
fn typed(model: &Model, found: usize, page: &mut Page) {
    let count = format!("  {}", text::count(found, "key"));
    let room = page.columns().saturating_sub(text::width(&count) + 3);
    let typed = text::fit_end(&crate::sanitise::clean(model.help_filter.text()), room);
    let cursor =
        if model.help_filter.is_typed() { model.theme.selected() } else { ratatui::style::Style::new() };
    page.parts(vec![
        Span::styled("/", model.theme.strong()),
        Span::raw(typed),
        Span::styled(" ", cursor),
        Span::styled(count, model.theme.faint()),
    ]);
}

fn binding(model: &Model, binding: &Binding, page: &mut Page) {
    let indent = KEYS.min(page.columns() / 2);
    let keys = text::fit(&binding.keys_in_words(), indent - 1);
    for (index, line) in text::wrap(binding.help, page.columns() - indent).into_iter().enumerate() {
        let keys = if index == 0 { keys.clone() } else { String::new() };
        let padding = " ".repeat(indent - text::width(&keys));
        page.parts(vec![Span::styled(keys, model.theme.strong()), Span::raw(padding), Span::raw(line)]);
    }
}

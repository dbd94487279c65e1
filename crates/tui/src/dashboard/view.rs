//! Draws a dashboard. Changes nothing and reads nothing but the model.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::cells::Cells;
use super::items::{Item, items, place};
use super::keys::{TABLE, in_words};
use super::model::Model;
use super::settings::DashboardTab;
use crate::view::ascii;
use crate::{sanitise, text};

mod header;
mod rows;

/// Lines of the screen that are no rows: title, tabs, footer.
const FRAME: u16 = 3;

/// Rows of a tab that fit.
pub(crate) fn rows(size: Size) -> usize {
    usize::from(size.height.saturating_sub(FRAME))
}

/// Draws a frame.
pub(crate) fn draw(model: &Model, buffer: &mut Buffer) {
    let area = Rect::from(model.size);
    if area.area() == 0 || buffer.area.intersection(area) != area {
        return;
    }
    put(buffer, line_of(area, 0), &header::title(model, usize::from(area.width)));
    if area.height > 1 {
        put(buffer, line_of(area, 1), &tabs(model, usize::from(area.width)));
    }
    if area.height > FRAME {
        let pane = Rect { y: 2, height: area.height - FRAME, ..area };
        if model.help {
            help(model, pane, buffer);
        } else {
            list(model, pane, buffer);
        }
    }
    if area.height > 2 {
        put(buffer, line_of(area, area.height - 1), &footer(model, usize::from(area.width)));
    }
    if model.settings.ascii {
        ascii::fold(buffer);
    }
}

const fn line_of(area: Rect, y: u16) -> Rect {
    Rect { x: area.x, y, width: area.width, height: 1 }
}

fn put(buffer: &mut Buffer, area: Rect, line: &Line<'_>) {
    buffer.set_line(area.x, area.y, line, area.width);
}

/// First row that is shown so that the selected one is in sight.
fn top(len: usize, rows: usize, at: Option<usize>) -> usize {
    let most = len.saturating_sub(rows);
    // A heading above the first row that can be selected is in sight, too.
    at.map_or(0, |at| if at < rows { 0 } else { (at + 1).saturating_sub(rows) }).min(most)
}

fn list(model: &Model, area: Rect, buffer: &mut Buffer) {
    let items = items(model);
    if items.is_empty() {
        return empty(model, area, buffer);
    }
    let at = place(&items, &model.cursors[model.tab.index()]);
    let top = top(items.len(), usize::from(area.height), at);
    for (row, (number, item)) in area.rows().zip(items.iter().enumerate().skip(top)) {
        let mut line = rows::line(model, item, usize::from(area.width));
        if at == Some(number) {
            buffer.set_style(row, model.theme.selected());
            line = line.spans.into_iter().map(|span| Span::raw(span.content)).collect();
            line.style = model.theme.selected();
        }
        put(buffer, row, &line);
    }
}

/// What is shown instead of rows, and what to do.
fn empty(model: &Model, area: Rect, buffer: &mut Buffer) {
    let lines: Vec<String> = if model.is_filtered() {
        vec!["Nothing matches the filter.".into(), "Esc clears it.".into()]
    } else if !model.board.is_listed() {
        vec!["Reading the records…".into()]
    } else if model.tab.needs_figures() && model.statistic.is_none() {
        vec!["Counting…".into()]
    } else {
        match model.tab {
            DashboardTab::Runs | DashboardTab::History | DashboardTab::Tags
                if model.board.rows().len() == 0 =>
            {
                vec![
                    "No runs yet.".into(),
                    String::new(),
                    "roboppi run --worker claude-code \"…\"   an agent on a task".into(),
                    "roboppi workflow run build.yaml         a workflow".into(),
                    String::new(),
                    "They appear here as soon as they start, from any terminal.".into(),
                ]
            }
            DashboardTab::History => vec!["No run has ended yet.".into()],
            DashboardTab::Events | DashboardTab::Table | DashboardTab::State | DashboardTab::Logs
                if model.shown().events.is_cleared() =>
            {
                vec![
                    "Cleared from the view; the records are unchanged.".into(),
                    "C shows the events again.".into(),
                ]
            }
            _ => vec!["Nothing yet.".into(), "What live runs do appears here as they do it.".into()],
        }
    };
    for (row, words) in area.rows().skip(1).zip(lines) {
        let words = text::fit(&words, usize::from(area.width).saturating_sub(2));
        put(buffer, row, &Line::styled(format!("  {words}"), model.theme.faint()));
    }
}

/// Names of the tabs with their columns.
fn labels(model: &Model, columns: usize) -> Vec<(DashboardTab, String, usize)> {
    let number = |tab: DashboardTab| (tab.index() + 1) % 10;
    let full = |tab: DashboardTab| format!("{} {}", number(tab), tab.name());
    let short = |tab: DashboardTab| format!("{} {:.3}", number(tab), tab.name());
    let only = |tab: DashboardTab| {
        if tab == model.tab { full(tab) } else { number(tab).to_string() }
    };
    let arranged = |label: &dyn Fn(DashboardTab) -> String, gap: usize| {
        let mut at = 0;
        let labels = DashboardTab::ALL.map(|tab| {
            let words = label(tab);
            let start = at;
            at += text::width(&words) + gap;
            (tab, words, start)
        });
        (at.saturating_sub(gap), labels.to_vec())
    };
    let tries: [(&dyn Fn(DashboardTab) -> String, usize); 4] =
        [(&full, 2), (&full, 1), (&short, 1), (&only, 1)];
    for (label, gap) in tries {
        let (width, labels) = arranged(label, gap);
        if width <= columns {
            return labels;
        }
    }
    vec![(model.tab, text::fit(&full(model.tab), columns), 0)]
}

fn tabs(model: &Model, columns: usize) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    for (tab, words, start) in labels(model, columns) {
        spans.push(Span::raw(" ".repeat(start - used)));
        used = start + text::width(&words);
        let style = if tab == model.tab {
            model.theme.strong().add_modifier(Modifier::UNDERLINED)
        } else {
            model.theme.faint()
        };
        spans.push(Span::styled(words, style));
    }
    let words = header::choice(model);
    let width = text::width(&words);
    if width > 0 && used + 2 + width <= columns {
        spans.push(Span::raw(" ".repeat(columns - used - width)));
        spans.push(Span::styled(words, model.theme.attention()));
    }
    Line::from(spans)
}

/// The tab at a place of the screen.
pub(crate) fn tab_at(model: &Model, at: Position) -> Option<DashboardTab> {
    let column = usize::from(at.x);
    let of = labels(model, usize::from(model.size.width)).into_iter();
    let hit = |(_, words, start): &(DashboardTab, String, usize)| {
        (*start..*start + text::width(words)).contains(&column)
    };
    (at.y == 1).then(|| of.into_iter().find(hit).map(|(tab, ..)| tab)).flatten()
}

/// The row at a place of the screen.
pub(crate) fn item_at(model: &Model, at: Position) -> Option<usize> {
    let row = usize::from(at.y.checked_sub(2)?);
    let items = items(model);
    if model.help || row >= rows(model.size) {
        return None;
    }
    let selected = place(&items, &model.cursors[model.tab.index()]);
    let number = top(items.len(), rows(model.size), selected) + row;
    items.get(number).is_some_and(|item: &Item<'_>| item.key().is_some()).then_some(number)
}

fn footer(model: &Model, columns: usize) -> Line<'static> {
    let theme = model.theme;
    let mut cells = Cells::new(columns);
    if model.filter.is_typed() {
        cells.text(&format!("/{}▏", model.filter.text()), theme.strong());
        cells.right("Enter keep  Esc clear", theme.faint());
        return cells.finish();
    }
    if let Some(notice) = &model.notice {
        cells.text(notice, theme.note());
        return cells.finish();
    }
    if let Some(problem) = model.board.problem() {
        cells.text(problem, theme.bad());
        return cells.finish();
    }
    if let Some(file) = model.followed.iter().find(|file| file.is_problem) {
        cells.text(&format!("{} {}", file.name, file.words), theme.bad());
        return cells.finish();
    }
    for binding in TABLE.iter().filter(|binding| is_useful(model, binding.command)) {
        let (Some(key), Some(label)) = (binding.keys.first(), binding.label) else { continue };
        let key = key.to_string();
        let width = text::width(&key) + 1 + text::width(label) + 2;
        if cells.left() + 2 < width {
            continue;
        }
        cells.text(&key, theme.strong());
        cells.text(&format!(" {label}  "), theme.faint());
    }
    cells.finish()
}

/// Whether a key does something in the tab that is shown.
fn is_useful(model: &Model, command: super::keys::Command) -> bool {
    use super::keys::Command;
    let events = matches!(
        model.tab,
        DashboardTab::Events | DashboardTab::Table | DashboardTab::State | DashboardTab::Logs
    );
    match command {
        Command::Mark | Command::Clear | Command::Order | Command::NextCategory => events,
        Command::OnlyRun => events || matches!(model.tab, DashboardTab::Runs | DashboardTab::History),
        Command::Open => {
            !matches!(model.tab, DashboardTab::Tools | DashboardTab::Metrics | DashboardTab::Tags)
        }
        _ => true,
    }
}

/// The lines of the help.
fn help_text(model: &Model) -> Vec<(Style, String)> {
    let theme = model.theme;
    let mut lines = vec![(Style::new(), format!("roboppi {}", sanitise::clean(&model.settings.version)))];
    for section in ["Rows", "View", "Everywhere"] {
        lines.push((Style::new(), String::new()));
        lines.push((theme.strong(), section.to_owned()));
        for binding in TABLE.iter().filter(|binding| binding.section == section) {
            lines.push((Style::new(), format!("{:<14} {}", in_words(binding), binding.help)));
        }
    }
    lines.push((Style::new(), String::new()));
    lines.push((theme.strong(), "Signs".to_owned()));
    for (sign, words) in [
        ("?", "needs you"),
        ("●", "running"),
        ("◑", "ending"),
        ("✓", "succeeded"),
        ("✗", "failed, timed out"),
        ("⊘", "cancelled"),
        ("!", "lost, or elsewhere"),
    ] {
        lines.push((Style::new(), format!("{sign:<14} {words}")));
    }
    lines
}

/// Number of lines of the help.
pub(crate) fn help_lines(model: &Model) -> usize {
    help_text(model).len()
}

fn help(model: &Model, area: Rect, buffer: &mut Buffer) {
    for (row, (style, words)) in area.rows().zip(help_text(model).into_iter().skip(model.help_top)) {
        put(buffer, row, &Line::styled(text::fit(&words, usize::from(area.width)), style));
    }
}

//! One line of a tab.

use ratatui::style::Style;
use ratatui::text::Line;
use roboppi_board::{Category, EventRow, OutputLine, RowState, RunRow};
use roboppi_ipc::UtcMillis;
use roboppi_run::units::{age, duration};
use roboppi_run::{Progress, ProgressBasis, RunOutcome};
use roboppi_stats::{AgentFigures, Group, Outcome, Recent, RecentKind};

use super::super::cells::{Cells, sparkline};
use super::super::items::{Item, Tagged, words_of};
use super::super::model::Model;
use super::super::settings::DashboardTab;
use crate::theme::Theme;
use crate::{sanitise, text};

/// Columns of a bar of progress.
const BAR: usize = 16;

pub(super) fn line(model: &Model, item: &Item<'_>, columns: usize) -> Line<'static> {
    let theme = model.theme;
    let mut cells = Cells::new(columns);
    match item {
        Item::Run(row) => run(model, row, &mut cells),
        Item::Event(event) => match model.tab {
            DashboardTab::State => transition(model, event, &mut cells),
            _ => event_line(model, event, &mut cells),
        },
        Item::Earlier(_, run, recent) => earlier(model, run, recent, &mut cells),
        Item::Output(line) => output(model, line, &mut cells),
        Item::Mark(at) => {
            let words = format!("──── marked at {} ", text::clock(*at, &model.zone));
            cells.text(&words, theme.attention());
            cells.text(&"─".repeat(cells.left()), theme.attention());
        }
        Item::Category(category) => category_line(model, *category, &mut cells),
        Item::Agent(row, place) => agent(model, row, *place, &mut cells),
        Item::Group(name, group) => tool(model, name, group, &mut cells),
        Item::AgentKind(name, figures) => agent_kind(model, name, figures, &mut cells),
        Item::Tag(name, tagged) => tag(model, name, *tagged, &mut cells),
        Item::Heading(words) => cells.text(words, theme.strong()),
        Item::Fact(name, value) => {
            cells.column(name, 16, theme.faint());
            cells.text(value, Style::new());
        }
        Item::Trend(name, numbers, words) => {
            cells.column(name, 16, theme.faint());
            cells.column(&sparkline(numbers), numbers.len(), theme.note());
            cells.text(words, theme.faint());
        }
    }
    cells.finish()
}

/// The sign of a run; each state has its own.
fn sign(theme: Theme, row: &RunRow) -> (&'static str, Style) {
    if !row.needs_you.is_empty() {
        return ("?", theme.attention());
    }
    match row.state {
        RowState::Running => ("●", theme.note()),
        RowState::Ending => ("◑", theme.busy()),
        RowState::Finished(RunOutcome::Succeeded) => ("✓", theme.good()),
        RowState::Finished(RunOutcome::Cancelled) => ("⊘", theme.faint()),
        RowState::Finished(RunOutcome::Lost) | RowState::Lost => ("!", theme.attention()),
        RowState::Elsewhere => ("!", theme.faint()),
        RowState::Finished(RunOutcome::Failed | RunOutcome::TimedOut) => ("✗", theme.bad()),
        RowState::Finished(RunOutcome::Unknown(_)) | RowState::Unknown => ("◇", theme.note()),
    }
}

fn run(model: &Model, row: &RunRow, cells: &mut Cells) {
    let theme = model.theme;
    let (sign, style) = sign(theme, row);
    cells.column(sign, 1, style);
    cells.column(&row.short_name(), if row.handle.is_some() { 5 } else { 12 }, theme.faint());
    let wide = cells.left() >= 60;
    cells.column(&row.name, if wide { 18 } else { 10 }, theme.strong());
    let time = time_of(model, row);
    let words = text::width(&time);
    let mut middle = Cells::new(cells.left().saturating_sub(words + 2));
    middle_of(model, row, &mut middle);
    for span in middle.finish().spans {
        cells.text(&span.content, span.style);
    }
    cells.right(&time, theme.faint());
}

/// What matters of a run now.
fn middle_of(model: &Model, row: &RunRow, cells: &mut Cells) {
    let theme = model.theme;
    if let Some(request) = row.needs_you.first() {
        cells.text(&format!("{}: {}", request.step, request.why), theme.attention());
        if row.needs_you.len() > 1 {
            cells.text(&format!(" (and {} more)", row.needs_you.len() - 1), theme.faint());
        }
        return;
    }
    if row.state.may_live() {
        progress(model, row, cells);
        if row.state == RowState::Ending {
            cells.text("is being ended  ", theme.busy());
        }
        if let Some(current) = &row.current {
            cells.text(&current.step, Style::new());
            let until = current.until.map(|until| format!(" until {}", text::clock(until, &model.zone)));
            let words = format!("  {}{}", current.words, until.unwrap_or_default());
            cells.text(words.trim_end(), theme.faint());
        }
        if row.mode.is_some_and(|mode| mode.name() == "emitted") {
            cells.text(&format!("  (emitted, {})", row.workspace), theme.faint());
        }
        if row.state == RowState::Elsewhere {
            cells.text("  elsewhere: whether it is alive cannot be determined here", theme.faint());
        }
        return;
    }
    let word = row.state.name().replace('_', " ");
    match (&row.detail, row.state) {
        (_, RowState::Finished(RunOutcome::Succeeded)) => {
            cells.text(&counted(row.steps.total), theme.faint());
        }
        (Some(detail), state) if state.has_failed() => {
            cells.text(&format!("{word}: "), theme.bad());
            cells.text(detail, Style::new());
        }
        (_, state) => cells.text(&word, if state.has_failed() { theme.bad() } else { theme.faint() }),
    }
    if let Some(until) = row.limit_until {
        cells.text(&format!(" (usage limit until {})", text::clock(until, &model.zone)), theme.attention());
    }
    if let Some(cost) = row.usage.and_then(|usage| usage.cost_usd) {
        cells.text(&format!(" · {}", roboppi_run::dollars(cost)), theme.faint());
    }
    if let Some(damage) = &row.damage {
        cells.text(&format!(" · damaged: {damage}"), theme.attention());
    }
}

fn counted(steps: usize) -> String {
    text::count(steps, "step")
}

fn progress(model: &Model, row: &RunRow, cells: &mut Cells) {
    let theme = model.theme;
    if row.steps.total <= 1 {
        if let Some(percent) = row.percent.filter(|percent| percent.is_finite()) {
            cells.text(&format!("{:.0} %  ", percent.clamp(0.0, 100.0)), theme.note());
        }
        return;
    }
    let done = row.steps.done();
    cells.text(&format!("{done}/{} ", row.steps.total), Style::new());
    if cells.left() > 60 {
        let full = done * BAR / row.steps.total.max(1);
        cells.text(&"━".repeat(full.min(BAR)), theme.note());
        cells.text(&"─".repeat(BAR - full.min(BAR)), theme.faint());
        cells.text(" ", Style::new());
    }
    if row.steps.failed > 0 {
        cells.text(&format!("✗{} ", row.steps.failed), theme.bad());
    }
}

/// Columns from which there is room for more than what a run does now.
const ROOMY: u16 = 60;

/// When a run may end, by what earlier ones took. The sign `~` tells that it may be otherwise.
fn remaining(model: &Model, row: &RunRow) -> String {
    let is_shown =
        |progress: &Progress| progress.basis == ProgressBasis::Estimate && model.size.width >= ROOMY;
    let progress = row.progress.filter(is_shown);
    let left = progress.and_then(|progress| progress.remaining_ms(model.now));
    left.map_or_else(String::new, |left| format!("~{} left  ", text::rough(left)))
}

/// How long a run takes, waits, or is over.
fn time_of(model: &Model, row: &RunRow) -> String {
    let since = |at: UtcMillis| model.now.0.saturating_sub(at.0);
    if let Some(request) = row.needs_you.first() {
        return format!("waits {}", age(since(request.since)));
    }
    if row.state.may_live() {
        let left = remaining(model, row);
        return row.started_at.map_or_else(String::new, |started| format!("{left}{}", age(since(started))));
    }
    let ended = row.finished_at.or(row.last_at).or(row.started_at);
    let took = row.duration_ms.map_or_else(String::new, |ms| format!("{}  ", duration(ms)));
    ended.map_or_else(String::new, |at| format!("{took}{} ago", text::rough(since(at))))
}

const fn category_style(theme: Theme, category: Category) -> Style {
    match category {
        Category::Error => theme.bad(),
        Category::Tool | Category::File => theme.note(),
        Category::Run | Category::Step => theme.strong(),
        Category::Progress => theme.busy(),
        Category::Text | Category::Model | Category::Metric | Category::Other => theme.faint(),
    }
}

fn event_line(model: &Model, event: &EventRow, cells: &mut Cells) {
    let theme = model.theme;
    cells.column(&text::clock(event.at, &model.zone), 8, theme.faint());
    cells.column(&event.run_name, 5, Style::new());
    if model.tab == DashboardTab::Table {
        cells.column(event.category.name(), 8, category_style(theme, event.category));
    }
    let wide = cells.left() >= 50;
    cells.column(event.step.as_deref().unwrap_or("-"), if wide { 14 } else { 8 }, theme.faint());
    if wide {
        cells.column(event.kind, 16, category_style(theme, event.category));
    }
    cells.text(&event.text, if event.failed { theme.bad() } else { Style::new() });
}

fn earlier(model: &Model, run: &str, recent: &Recent, cells: &mut Cells) {
    let theme = model.theme;
    cells.column(&text::clock(recent.at, &model.zone), 8, theme.faint());
    cells.column(run, 5, theme.faint());
    let wide = cells.left() >= 50;
    cells.column(&recent.step, if wide { 14 } else { 8 }, theme.faint());
    if wide {
        cells.column(
            match recent.kind {
                RecentKind::Step => "step.state",
                RecentKind::Tool(_) => "tool.result",
            },
            16,
            theme.faint(),
        );
    }
    let has_failed = recent.outcome == Outcome::Failed;
    cells.text(&words_of(recent), if has_failed { theme.bad() } else { theme.faint() });
}

fn output(model: &Model, line: &OutputLine, cells: &mut Cells) {
    let theme = model.theme;
    let time = line.at.map_or_else(String::new, |at| text::clock(at, &model.zone));
    cells.column(&time, 8, theme.faint());
    cells.column(&line.run_name, 5, Style::new());
    cells.column(&line.step, if cells.left() >= 50 { 14 } else { 8 }, theme.faint());
    let is_error = line.stream == roboppi_ipc::OutputStream::Stderr;
    cells.column(if is_error { "!" } else { "" }, 1, theme.attention());
    if line.skipped > 0 {
        cells.text(&format!("({} lines before it are in the log) ", line.skipped), theme.attention());
    }
    cells.text(&line.text, Style::new());
}

fn transition(model: &Model, event: &EventRow, cells: &mut Cells) {
    let theme = model.theme;
    cells.column(&text::clock(event.at, &model.zone), 8, theme.faint());
    cells.column(&event.run_name, 5, Style::new());
    cells.column(event.step.as_deref().unwrap_or("(run)"), 20, Style::new());
    if let Some((from, to)) = &event.transition {
        cells.column(if from.is_empty() { "-" } else { from }, 10, theme.faint());
        cells.column("→", 1, theme.faint());
        cells.text(to, if event.failed { theme.bad() } else { theme.strong() });
    }
}

fn category_line(model: &Model, category: Category, cells: &mut Cells) {
    let theme = model.theme;
    let events = &model.shown().events;
    cells.column(category.name(), 10, category_style(theme, category));
    cells.number(&events.count(category).to_string(), 9, Style::new());
    let failures = events.failures(category);
    let words = if failures > 0 { format!("{failures} failed") } else { String::new() };
    cells.column(&words, 12, theme.bad());
    if let Some(latest) = events.latest(category) {
        cells.column(&text::clock(latest.at, &model.zone), 8, theme.faint());
        cells.text(&latest.text, theme.faint());
    }
}

fn agent(model: &Model, row: &RunRow, place: usize, cells: &mut Cells) {
    let theme = model.theme;
    let Some(agent) = row.agents.get(place) else { return };
    let (sign, style) = if agent.needs_you { ("?", theme.attention()) } else { ("●", theme.note()) };
    cells.column(sign, 1, style);
    cells.column(&row.short_name(), 5, theme.faint());
    cells.column(&agent.step, 14, theme.strong());
    let width = if cells.left() >= 90 { 20 } else { 16 };
    cells.column(agent.model.as_deref().unwrap_or(&agent.worker), width, Style::new());
    let since = |at: UtcMillis| age(model.now.0.saturating_sub(at.0));
    let times = format!(
        "started {}  last seen {} ago",
        text::clock(agent.started_at, &model.zone),
        since(agent.last_seen)
    );
    let width = text::width(&times);
    let room = cells.left().saturating_sub(width + 2);
    let words = if agent.words.is_empty() { "running" } else { &agent.words };
    cells.text(&text::fit(&sanitise::clean(words), room), Style::new());
    cells.right(&times, theme.faint());
}

fn rate(group: &Group) -> String {
    group.counts.rate().map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", rate * 100.0))
}

fn tool(model: &Model, name: &str, group: &Group, cells: &mut Cells) {
    let theme = model.theme;
    let mut all = group.succeeded.clone();
    all.merge(&group.failed);
    cells.column(name, 24.min(cells.left() / 3), theme.strong());
    cells.number(&group.counts.total().to_string(), 7, Style::new());
    cells.column("calls", 5, theme.faint());
    cells.number(&rate(group), 8, if group.counts.errors() > 0 { theme.busy() } else { Style::new() });
    cells.column("ok", 2, theme.faint());
    if let Some(durations) = all.durations() {
        let words = format!("mean {:>6}  p95 {:>6}", duration(durations.mean), duration(durations.p95));
        cells.column(&words, 24, Style::new());
    } else {
        cells.column("", 24, Style::new());
    }
    let running = group.counts.of(Outcome::Running);
    if running > 0 {
        cells.text(&format!("{running} running  "), theme.note());
    }
    let last = model.statistic.as_ref().and_then(|statistic| {
        let mut recent = statistic.totals.recent.iter();
        recent.find(|(_, entry)| matches!(&entry.kind, roboppi_stats::RecentKind::Tool(tool) if tool == name))
    });
    if let Some((run, entry)) = last {
        cells.text(&format!("last {} in {run}", text::clock(entry.at, &model.zone)), theme.faint());
    }
}

fn agent_kind(model: &Model, name: &str, figures: &AgentFigures, cells: &mut Cells) {
    let theme = model.theme;
    cells.column("", 1, Style::new());
    cells.column(name, 20, theme.strong());
    cells.number(&figures.attempts.counts.total().to_string(), 6, Style::new());
    cells.column("attempts", 8, theme.faint());
    cells.number(&rate(&figures.attempts), 8, Style::new());
    cells.column("ok", 2, theme.faint());
    let bound = if figures.without_cost > 0 { "at least " } else { "" };
    let tokens = roboppi_run::tokens;
    let words = format!(
        "{} in, {} out · {bound}{}",
        tokens(figures.input_tokens),
        tokens(figures.output_tokens),
        roboppi_run::dollars(figures.cost_usd())
    );
    cells.text(&words, theme.faint());
}

fn tag(model: &Model, name: &str, tagged: Tagged, cells: &mut Cells) {
    let theme = model.theme;
    cells.column(name, 40.min(cells.left() / 2), theme.strong());
    cells.number(&tagged.total.to_string(), 6, Style::new());
    cells.column(if tagged.total == 1 { "run" } else { "runs" }, 4, theme.faint());
    for (number, word, style) in [
        (tagged.running, "running", theme.note()),
        (tagged.succeeded, "succeeded", theme.good()),
        (tagged.failed, "failed", theme.bad()),
    ] {
        if number > 0 {
            cells.text(&format!("  {number} {word}"), style);
        }
    }
}

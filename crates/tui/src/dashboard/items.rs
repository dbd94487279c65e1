//! The rows of a tab.

use std::collections::BTreeMap;
use std::sync::Arc;

use roboppi_board::{Board, Category, EventRow, OutputLine, RowState, RunRow};
use roboppi_ipc::UtcMillis;
use roboppi_stats::{Group, Outcome, Recent, RecentKind};

use super::model::{Cursor, Model, RowKey};
use super::settings::DashboardTab;

/// A row of a tab.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    Run(Arc<RunRow>),
    Event(&'a EventRow),
    Output(&'a OutputLine),
    /// What a run did that was over before: its place among them, and the run.
    Earlier(usize, &'a str, &'a Recent),
    /// A moment that was marked.
    Mark(UtcMillis),
    Category(Category),
    /// An agent at work: its run, and its place there.
    Agent(Arc<RunRow>, usize),
    /// Counts under a name.
    Group(String, &'a Group),
    /// What agents of a kind used.
    AgentKind(String, &'a roboppi_stats::AgentFigures),
    /// Runs with a tag.
    Tag(String, Tagged),
    Heading(&'static str),
    Fact(&'static str, String),
    /// A label and numbers over time.
    Trend(&'static str, Vec<f64>, String),
}

/// Runs with something in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tagged {
    pub(crate) total: u64,
    pub(crate) running: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

impl Item<'_> {
    /// What it is selected by; `None` of a row that cannot be selected.
    pub(crate) fn key(&self) -> Option<RowKey> {
        match self {
            Self::Run(row) => Some(RowKey::Run(row.id.clone())),
            Self::Event(event) => Some(RowKey::Event(event.number, event.run.clone())),
            Self::Output(line) => Some(RowKey::Event(line.number, line.run.clone())),
            Self::Category(category) => Some(RowKey::Category(*category)),
            Self::Agent(row, place) => {
                let agent = row.agents.get(*place)?;
                Some(RowKey::Name(format!("{}/{}", row.id, agent.step)))
            }
            Self::Group(name, _) | Self::AgentKind(name, _) | Self::Tag(name, _) => {
                Some(RowKey::Name(name.clone()))
            }
            Self::Fact(name, _) | Self::Trend(name, ..) => Some(RowKey::Name((*name).to_owned())),
            Self::Earlier(place, ..) => Some(RowKey::Name(format!("earlier {place}"))),
            Self::Mark(_) | Self::Heading(_) => None,
        }
    }

    /// The run that it is about.
    pub(crate) fn run(&self) -> Option<&roboppi_run::RunId> {
        match self {
            Self::Run(row) | Self::Agent(row, _) => Some(&row.id),
            Self::Event(event) => Some(&event.run),
            Self::Output(line) => Some(&line.run),
            _ => None,
        }
    }

    /// Whether it reports a failure.
    pub(crate) fn has_failed(&self) -> bool {
        match self {
            Self::Run(row) => row.state.has_failed(),
            Self::Event(event) => event.failed,
            Self::Earlier(_, _, recent) => recent.outcome == Outcome::Failed,
            Self::Group(_, group) => group.counts.errors() > 0,
            Self::Tag(_, tagged) => tagged.failed > 0,
            _ => false,
        }
    }
}

/// Where the selected row is now; `None` when no row can be selected.
pub(crate) fn place(items: &[Item<'_>], cursor: &Cursor) -> Option<usize> {
    let can = |at: &usize| items.get(*at).is_some_and(|item| item.key().is_some());
    let first = (0..items.len()).find(can)?;
    let Some(key) = &cursor.at else { return Some(first) };
    let is = |item: &Item<'_>| match (item, key) {
        (Item::Event(event), RowKey::Event(number, _)) => event.number == *number,
        (Item::Output(line), RowKey::Event(number, _)) => line.number == *number,
        (Item::Event(_) | Item::Output(_), _) | (_, RowKey::Event(..)) => false,
        _ => item.key().as_ref() == Some(key),
    };
    items
        .iter()
        .position(is)
        .or_else(|| (0..=cursor.index.min(items.len() - 1)).rev().find(can))
        .or(Some(first))
}

/// All rows of the tab that is shown.
pub(crate) fn items(model: &Model) -> Vec<Item<'_>> {
    let board = model.shown();
    match model.tab {
        DashboardTab::Runs => runs(model, board.by_urgency(model.now)),
        DashboardTab::History => runs(model, board.history()),
        DashboardTab::Events => events(model, board),
        DashboardTab::State => transitions(model, board),
        DashboardTab::Table => table(model, board),
        DashboardTab::Tools => tools(model),
        DashboardTab::Agents => agents(model, board),
        DashboardTab::Metrics => metrics(model, board),
        DashboardTab::Tags => tags(model, board),
        DashboardTab::Logs => logs(model, board),
    }
}

fn runs<'a>(model: &Model, rows: Vec<Arc<RunRow>>) -> Vec<Item<'a>> {
    let takes = |row: &Arc<RunRow>| {
        let text = || {
            let detail = row.detail.as_deref().unwrap_or_default();
            let current = row.current.as_ref().map_or("", |current| current.step.as_str());
            format!(
                "{} {} {} {} {detail} {current} {} {}",
                row.id,
                row.short_name(),
                row.name,
                row.state.name(),
                row.workspace,
                if row.needs_you.is_empty() { "" } else { "needs you" },
            )
        };
        !model.filter.is_active() || model.filter.matches(&text())
    };
    rows.into_iter().filter(takes).map(Item::Run).collect()
}

fn events<'a>(model: &'a Model, board: &'a Board) -> Vec<Item<'a>> {
    let mut items = earlier(model, board);
    items.extend(with_marks(board, board.events.listed()));
    if !model.newest_last {
        items.reverse();
    }
    items
}

/// What runs did last that were over before, oldest first.
fn earlier<'a>(model: &'a Model, board: &Board) -> Vec<Item<'a>> {
    let known = model.earlier.iter().flatten().enumerate();
    if model.category.is_some() || model.only.is_some() || board.events.is_cleared() {
        return Vec::new();
    }
    let takes = |(_, (run, recent)): &(usize, &(String, Recent))| {
        !model.filter.is_active()
            || model.filter.matches(&format!("{run} {} {}", recent.step, words_of(recent)))
    };
    let mut items: Vec<_> =
        known.filter(takes).map(|(place, (run, recent))| Item::Earlier(place, run, recent)).collect();
    items.reverse();
    items
}

/// What was done, and how it ended.
pub(crate) fn words_of(recent: &Recent) -> String {
    let what = match &recent.kind {
        RecentKind::Step => "step",
        RecentKind::Tool(tool) => tool,
    };
    let took =
        recent.duration_ms.map_or_else(String::new, |ms| format!(", {}", roboppi_run::units::duration(ms)));
    format!("{what}: {}{took}", recent.outcome.name())
}

fn with_marks<'a>(board: &'a Board, listed: Vec<&'a EventRow>) -> Vec<Item<'a>> {
    let mut marks = board.events.marks().peekable();
    let mut items = Vec::with_capacity(listed.len());
    for event in listed {
        while let Some((_, at)) = marks.next_if(|(number, _)| *number < event.number) {
            items.push(Item::Mark(at));
        }
        items.push(Item::Event(event));
    }
    items.extend(marks.map(|(_, at)| Item::Mark(at)));
    items
}

fn transitions<'a>(model: &Model, board: &'a Board) -> Vec<Item<'a>> {
    let mut items: Vec<_> = board.events.transitions().map(Item::Event).collect();
    if !model.newest_last {
        items.reverse();
    }
    items
}

/// The categories, and behind them the events in columns.
fn table<'a>(model: &'a Model, board: &'a Board) -> Vec<Item<'a>> {
    let any = |category: &Category| board.events.count(*category) > 0;
    let mut items = vec![Item::Heading("Category")];
    items.extend(Category::ALL.into_iter().filter(any).map(Item::Category));
    items.push(Item::Heading("Events"));
    items.extend(events(model, board));
    items
}

fn tools(model: &Model) -> Vec<Item<'_>> {
    let Some(statistic) = &model.statistic else { return Vec::new() };
    let mut tools: Vec<_> = statistic
        .totals
        .tools
        .iter()
        .filter(|(name, _)| !model.filter.is_active() || model.filter.matches(name))
        .collect();
    tools.sort_by_key(|(_, group)| std::cmp::Reverse(group.counts.total()));
    tools.into_iter().map(|(name, group)| Item::Group(name.clone(), group)).collect()
}

fn agents<'a>(model: &'a Model, board: &Board) -> Vec<Item<'a>> {
    let mut items = vec![Item::Heading("At work")];
    for row in board.by_urgency(model.now) {
        for place in 0..row.agents.len() {
            let agent = &row.agents[place];
            let text =
                format!("{} {} {} {} {}", row.short_name(), row.name, agent.step, agent.worker, agent.words);
            if !model.filter.is_active() || model.filter.matches(&text) {
                items.push(Item::Agent(Arc::clone(&row), place));
            }
        }
    }
    items.push(Item::Heading("All attempts, by kind of worker"));
    if let Some(statistic) = &model.statistic {
        let kinds = statistic.totals.agents.iter();
        items.extend(kinds.map(|(kind, figures)| Item::AgentKind(kind.clone(), figures)));
    }
    items
}

/// Periods of a trend: an hour each.
const HOUR: u64 = 3_600_000;

/// Their number: a day.
const HOURS: usize = 24;

fn metrics<'a>(model: &'a Model, board: &Board) -> Vec<Item<'a>> {
    let summary = board.summary(model.midnight());
    let mut items = vec![
        Item::Heading("Runs"),
        Item::Fact("Running", summary.running.to_string()),
        Item::Fact("Needs you", summary.needs_you.to_string()),
        Item::Fact("Total", summary.total.to_string()),
    ];
    let trend = board.trend(model.now, HOUR, HOURS);
    #[expect(clippy::cast_precision_loss, reason = "a picture")]
    let ended: Vec<f64> = trend.iter().map(|(ended, _)| *ended as f64).collect();
    let cost: Vec<f64> = trend.iter().map(|(_, cost)| *cost).collect();
    let total: u64 = trend.iter().map(|(ended, _)| ended).sum();
    if let Some(statistic) = &model.statistic {
        let totals = &statistic.totals;
        let counts = &totals.runs.counts;
        let mut all = totals.runs.succeeded.clone();
        all.merge(&totals.runs.failed);
        let rate =
            counts.rate().map_or_else(|| "none ended".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
        items.push(Item::Fact("Success rate", rate));
        if let Some(durations) = all.durations() {
            let of = roboppi_run::units::duration;
            let words = format!("mean {}, p95 {}", of(durations.mean), of(durations.p95));
            items.push(Item::Fact("Duration", words));
        }
        items.push(Item::Fact("Cancelled, lost", {
            format!("{}, {}", counts.of(Outcome::Cancelled), counts.of(Outcome::Lost))
        }));
        items.push(Item::Heading("Agents and tools"));
        items.extend(used(totals));
    }
    items.push(Item::Heading("Last 24 hours, an hour each"));
    items.push(Item::Trend("Runs ended", ended, format!("{total} in all, {:.1} an hour", per_hour(total))));
    let spent: f64 = cost.iter().sum();
    items.push(Item::Trend("Cost", cost, format!("{} in all", roboppi_run::dollars(spent))));
    items
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn per_hour(total: u64) -> f64 {
    total as f64 / HOURS as f64
}

fn used<'a>(totals: &roboppi_stats::Totals) -> Vec<Item<'a>> {
    let agents = totals.agents.values();
    let sum = |of: fn(&roboppi_stats::AgentFigures) -> u64| {
        agents.clone().fold(0_u64, |sum, figures| sum.saturating_add(of(figures)))
    };
    let (input, output, micros) = (
        sum(|figures| figures.input_tokens),
        sum(|figures| figures.output_tokens),
        sum(|figures| figures.cost_micros),
    );
    let bound = if sum(|figures| figures.without_cost) > 0 { "at least " } else { "" };
    #[expect(clippy::cast_precision_loss, reason = "an amount of money")]
    let cost = micros as f64 / 1e6;
    let tokens = roboppi_run::tokens;
    let calls = &totals.calls.counts;
    let rate = calls.rate().map_or_else(String::new, |rate| format!(", {:.1} % succeeded", rate * 100.0));
    vec![
        Item::Fact("Tokens", format!("{} in, {} out", tokens(input), tokens(output))),
        Item::Fact("Cost", format!("{bound}{}", roboppi_run::dollars(cost))),
        Item::Fact("Tool calls", format!("{}{rate}", calls.total())),
    ]
}

fn tags<'a>(model: &Model, board: &Board) -> Vec<Item<'a>> {
    let mut tags: BTreeMap<String, Tagged> = BTreeMap::new();
    for row in board.rows() {
        let mode = row.mode.map(|mode| mode.name().to_owned()).unwrap_or_default();
        let of =
            [("workflow", &row.name), ("workspace", &row.workspace), ("host", &row.host), ("mode", &mode)];
        for (name, value) in of.into_iter().filter(|(_, value)| !value.is_empty()) {
            let tagged = tags.entry(format!("{name} {value}")).or_default();
            tagged.total += 1;
            tagged.running += u64::from(matches!(row.state, RowState::Running | RowState::Ending));
            tagged.failed += u64::from(row.state.has_failed());
            tagged.succeeded += u64::from(row.state.name() == "succeeded");
        }
    }
    let takes = |(name, _): &(String, Tagged)| !model.filter.is_active() || model.filter.matches(name);
    let mut tags: Vec<_> = tags.into_iter().filter(takes).collect();
    tags.sort_by_key(|(_, tagged)| std::cmp::Reverse((tagged.running, tagged.total)));
    tags.into_iter().map(|(name, tagged)| Item::Tag(name, tagged)).collect()
}

/// What workers print.
fn logs<'a>(model: &Model, board: &'a Board) -> Vec<Item<'a>> {
    let takes = |line: &&OutputLine| {
        model.only.as_ref().is_none_or(|only| *only == line.run)
            && (!model.filter.is_active()
                || model.filter.matches(&format!("{} {} {}", line.run_name, line.step, line.text)))
    };
    let mut items: Vec<_> = board.output().filter(takes).map(Item::Output).collect();
    if !model.newest_last {
        items.reverse();
    }
    items
}

//! What an agent says and does, as it does it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use roboppi_ipc::{ChangeKind, PlanStatus};
use roboppi_run::{
    Act, Activity, ActivityItem, AttemptView, FileChange, ToolUse, Wait, missing_words, spent_words, tokens,
    tool_words, wait_words,
};
use serde_json::Value;

use super::{Extent, put, sub_agents, wording};
use crate::activity_pane::{ActivityPane, ItemLayout, TEXT_ROWS};
use crate::model::Model;
use crate::{markdown, sanitise, text, theme};

/// Rows of a diff, and of what a call that failed returned, that are shown of folded ones.
const FEW: usize = 8;
/// Bytes of one text that are looked at. All of it is in the record.
const LONGEST: usize = 64 * 1024;
/// Columns sub-agents are set in, and how deep at most.
const INDENT: usize = 2;
const DEEPEST: usize = 4;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some(attempt) = model.shown_attempt() else {
        let words = "No attempt was made yet.";
        return put(buffer, area, &Line::styled(text::fit(words, area.width.into()), model.theme.faint()));
    };
    let head = head(model, attempt, area);
    let (top, body) = parts(area, head.len());
    for (row, line) in top.rows().zip(&head) {
        put(buffer, row, line);
    }
    let rest = partial(model, attempt, body.width);
    let len = rendered(model) + rest.len();
    let from = super::top(model, len, usize::from(body.height));
    let current = model.activity.current();
    let items = model.activity.rendered().iter().flat_map(|one| {
        let is_current = Some(one.item.seq) == current;
        one.lines.iter().enumerate().map(move |(index, line)| (line, is_current && index == 0))
    });
    let lines = items.chain(rest.iter().map(|line| (line, false)));
    for (row, (line, is_current)) in body.rows().zip(lines.skip(from)) {
        put(buffer, row, line);
        if is_current {
            buffer.set_style(row, model.theme.selected());
        }
    }
    if len == 0 {
        let waits = model.view.permit_wait(attempt).map(|waits| format!("◷ {}", sanitise::clean(&waits)));
        let words = if model.is_over() { "No activity." } else { "No activity yet." };
        let words = waits.unwrap_or_else(|| words.to_owned());
        for (row, line) in body.rows().zip(text::wrap(&words, body.width.into())) {
            put(buffer, row, &Line::styled(line, model.theme.faint()));
        }
    }
}

pub(super) fn extent(model: &Model, area: Rect) -> Extent {
    let Some(attempt) = model.shown_attempt() else { return Extent::default() };
    let (_, body) = parts(area, head(model, attempt, area).len());
    let len = rendered(model) + partial(model, attempt, body.width).len();
    Extent { len, rows: usize::from(body.height) }
}

fn rendered(model: &Model) -> usize {
    model.activity.rendered().iter().map(|one| one.lines.len()).sum()
}

fn parts(area: Rect, head: usize) -> (Rect, Rect) {
    let height = u16::try_from(head).unwrap_or(u16::MAX).min(area.height / 2);
    let top = Rect { height, ..area };
    (top, Rect { y: top.bottom(), height: area.height - height, ..area })
}

/// What it costs so far, what it waits for, and its list of things to do.
fn head(model: &Model, attempt: &AttemptView, area: Rect) -> Vec<Line<'static>> {
    let (theme, columns) = (model.theme, usize::from(area.width));
    let activity = &attempt.activity;
    let mut lines = Vec::new();
    let mut facts = Vec::new();
    facts.extend(activity.session.as_ref().and_then(|session| session.model.clone()));
    if let Some(usage) = attempt.usage() {
        facts.push(spent_words(&roboppi_run::Spent { usage, attempts: 1, without_cost: 0 }));
    }
    if activity.tool_calls > 0 {
        let failed = match activity.tool_failures {
            0 => String::new(),
            failed => format!(" ({failed} failed)"),
        };
        let noun = if activity.tool_calls == 1 { "call" } else { "calls" };
        facts.push(format!("{} {noun}{failed}", activity.counted(tokens(activity.tool_calls))));
    }
    if !facts.is_empty() {
        let facts = sanitise::clean(&facts.join(" · "));
        lines.push(Line::styled(text::fit(&facts, columns), theme.faint()));
    }
    // One is seen by itself.
    let counts = activity.sub_agent_counts();
    if let Some(counts) = counts.words(attempt.finished_at.is_some()).filter(|_| activity.agents.len() > 1) {
        lines.push(Line::styled(text::fit(&counts, columns), theme.faint()));
    }
    if let Some(step) = model.shown_step().filter(|step| step.limit_until.is_some()) {
        let words = format!("◷ {}", wording::step_reason(model, step));
        lines.push(Line::styled(text::fit(&words, columns), theme.busy()));
    }
    if let Some(waiting) = activity.waiting.as_ref().filter(|_| attempt.finished_at.is_none()) {
        let waits = wait_words(waiting, |until| wording::time_of_day(model, until));
        let left =
            wording::wait_left(model, activity).map_or(String::new(), |left| format!(" ({left} left)"));
        let words = format!("◷ {}{left}", sanitise::clean(&waits));
        lines.push(Line::styled(text::fit(&words, columns), theme.busy()));
    }
    if let Some(remark) = activity.remarks.last() {
        let more = activity.remarks.len() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        let room = columns.saturating_sub(text::width(&more) + 2);
        let words = format!("! {}{more}", text::fit(&sanitise::clean(remark), room));
        lines.push(Line::styled(text::fit(&words, columns), theme.busy()));
    }
    plan(model, activity, area, &mut lines);
    if let Some(words) = place(model, activity) {
        lines.push(Line::styled(text::fit(&words, columns), theme.note()));
    }
    lines
}

/// Which of all things are shown, when not all are.
fn place(model: &Model, activity: &Activity) -> Option<String> {
    let earlier = &model.activity.earlier;
    if earlier.wanted().is_some() {
        return Some("Reading what came before …".to_owned());
    }
    let total = activity.counted(activity.items_total);
    if let Some(shown) = earlier.shown() {
        let (first, last) = (shown.items_given_up() + 1, shown.items_total);
        return Some(format!("{first}–{last} of {total} things · End shows the latest"));
    }
    (activity.items_given_up() > 0)
        .then(|| format!("the latest of {total} things · scroll up for earlier ones"))
}

/// The list of things to do: all of it where there is room, else the one it is at.
fn plan(model: &Model, activity: &Activity, area: Rect, lines: &mut Vec<Line<'static>>) {
    let Some((done, all)) = activity.plan_done() else { return };
    let (theme, columns) = (model.theme, usize::from(area.width));
    let line = |sign: &str, words: &str, style: Style| {
        Line::styled(text::fit(&format!("{sign} {}", sanitise::clean(words)), columns), style)
    };
    if usize::from(area.height) >= 3 * all {
        lines.extend(activity.plan.iter().map(|item| match item.status {
            PlanStatus::Completed => line("☑", &item.text, theme.faint()),
            PlanStatus::InProgress => line("▸", &item.text, theme.busy()),
            PlanStatus::Pending => line("☐", &item.text, Style::new()),
            PlanStatus::Unknown(word) => line("◇", &format!("{} ({word})", item.text), theme.note()),
        }));
        return;
    }
    let now = activity.plan.iter().find(|item| item.status == PlanStatus::InProgress);
    let now = now.map_or(String::new(), |item| format!(": {}", item.text));
    lines.push(line("▸", &format!("{done} of {all} steps done{now}"), theme.busy()));
}

/// What is being said right now.
fn partial(model: &Model, attempt: &AttemptView, columns: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if model.activity.earlier.shown().is_some() {
        return lines;
    }
    for part in model.activity.partial(&attempt.of) {
        let style = if part.is_thought { model.theme.faint() } else { Style::new() };
        let hole = if part.has_holes { "… " } else { "" };
        let (shown, _) = text::beginning(&part.text, LONGEST);
        let words = format!("{hole}{shown}▌");
        let mut of_part = markdown::lines(&words, columns.into(), model.theme);
        of_part.iter_mut().for_each(|line| line.style = line.style.patch(style));
        lines.append(&mut of_part);
    }
    lines
}

/// The lines of one item. `pane` is that of the model, which may not have it while it is being rendered.
pub(crate) fn item(
    model: &Model,
    pane: &ActivityPane,
    activity: &Activity,
    item: &ActivityItem,
    layout: ItemLayout,
) -> Vec<Line<'static>> {
    let folded = layout.folded;
    let columns = usize::from(crate::layout::Areas::of(model.size, model.focus).pane.width).max(4);
    let depth = layout.depth.min(DEEPEST);
    // Without the call that started its sub-agent above it an item says whose it is.
    let whose = activity.sub_agent(item).filter(|_| layout.is_apart && item.tool().is_some());
    let whose = whose.map(|name| text::fit(&sanitise::clean(name), WHOSE) + ": ");
    let room = whose.as_deref().map_or(0, text::width);
    let inner = columns.saturating_sub(depth * INDENT + room).max(4);
    let mut lines = match &item.what {
        Act::Text(text_of_agent) => {
            let whole = pane.whole(text_of_agent.blob.as_deref()).filter(|_| !folded);
            let is_cut = whole.is_none() && text_of_agent.blob.is_some();
            text_lines(model, whole.unwrap_or(&text_of_agent.text), inner, folded, is_cut)
        }
        Act::Thought(thought) => {
            let whole = pane.whole(thought.blob.as_deref()).filter(|_| !folded);
            thought_lines(model, whole.unwrap_or(&thought.text), inner, folded)
        }
        Act::Tool(tool) => tool_lines(model, pane, (activity, item, tool), inner, layout),
        Act::Remark(words) => text::wrap(&format!("! {}", sanitise::clean(words)), inner)
            .into_iter()
            .map(|row| Line::styled(row, model.theme.busy()))
            .collect(),
        Act::File(change) => file_lines(model, activity, change, inner, folded),
        Act::Wait(wait) => vec![waited(model, wait, item, inner)],
        Act::Missing { events, at_least } => {
            let words = format!("… {}", missing_words(*events, *at_least));
            vec![Line::styled(text::fit(&words, inner), model.theme.busy())]
        }
        Act::Unknown { raw } => {
            let shown = if folded { text::beginning(raw, 500).0 } else { raw };
            let words = format!("? {}", sanitise::clean(shown));
            let rows = text::wrap(&words, inner).into_iter().take(if folded { 1 } else { usize::MAX });
            let mut lines: Vec<_> = rows.map(|line| Line::styled(line, model.theme.faint())).collect();
            if !folded && raw.len() + 4 > Activity::UNKNOWN_BYTES {
                lines.push(more_line(model, "  … the whole line is in the log", inner));
            }
            lines
        }
    };
    if let Some(whose) = whose {
        let blank = " ".repeat(room);
        for (number, line) in lines.iter_mut().enumerate() {
            let words = if number == 0 { whose.clone() } else { blank.clone() };
            line.spans.insert(0, Span::styled(words, model.theme.faint()));
        }
    }
    if depth > 0 {
        let margin = Span::styled("│ ".repeat(depth), model.theme.faint());
        lines.iter_mut().for_each(|line| line.spans.insert(0, margin.clone()));
    }
    // What it says is set apart from what it does.
    if matches!(item.what, Act::Text(_)) {
        if !layout.after_text {
            lines.insert(0, Line::default());
        }
        lines.push(Line::default());
    }
    lines
}

/// A change of a file, and its diff.
fn file_lines(
    model: &Model,
    activity: &Activity,
    change: &FileChange,
    columns: usize,
    folded: bool,
) -> Vec<Line<'static>> {
    let (sign, action) = match change.action {
        Some(ChangeKind::Created) => ("+", "created"),
        Some(ChangeKind::Deleted) => ("-", "deleted"),
        Some(ChangeKind::Modified) | None => ("~", "changed"),
        Some(ChangeKind::Unknown(ref word)) => ("◇", word.as_str()),
    };
    let head = format!("{sign} {action} {}", sanitise::clean(&change.path));
    let mut lines = vec![Line::styled(text::fit(&head, columns), model.theme.note())];
    match change.patch.map(|seq| activity.patch(seq)) {
        Some(Some(patch)) => diff_lines(model, &patch.patch.diff, columns, folded, &mut lines),
        Some(None) if !folded => {
            lines.push(more_line(model, "  … the change is in the record alone", columns));
        }
        _ => {}
    }
    lines
}

fn waited(model: &Model, wait: &Wait, item: &ActivityItem, columns: usize) -> Line<'static> {
    let times = if wait.times > 1 { format!(", {} times", wait.times) } else { String::new() };
    let over = wait.over.map_or(String::new(), |over| {
        format!(", went on after {}", text::duration(over.0.saturating_sub(item.ts.0)))
    });
    let words = format!("◷ waited: {}{times}{over}", sanitise::clean(&wait.waiting.why));
    Line::styled(text::fit(&words, columns), model.theme.busy())
}

/// Columns of the name of a sub-agent before its calls.
const WHOSE: usize = 20;

fn text_lines(
    model: &Model,
    text_of_agent: &str,
    columns: usize,
    folded: bool,
    is_cut: bool,
) -> Vec<Line<'static>> {
    let (shown, left_off) = if folded { text::beginning(text_of_agent, LONGEST) } else { (text_of_agent, 0) };
    let mut lines = markdown::lines(shown, columns, model.theme);
    if folded && lines.len() > TEXT_ROWS + 1 {
        let more = lines.len() - TEXT_ROWS;
        lines.truncate(TEXT_ROWS);
        lines.push(more_line(model, &format!("… {more} more lines"), columns));
    } else if left_off > 0 || is_cut {
        lines.push(more_line(model, "… the rest is in the record", columns));
    }
    lines
}

fn thought_lines(model: &Model, thought: &str, columns: usize, folded: bool) -> Vec<Line<'static>> {
    let thought = thought.trim();
    if folded {
        let first = thought.lines().next().unwrap_or_default();
        let more = if thought.contains('\n') { " …" } else { "" };
        let words = format!("✻ {}{more}", sanitise::clean(first));
        return vec![Line::styled(text::fit(&words, columns), model.theme.faint())];
    }
    let mut lines = Vec::new();
    for line in sanitise::lines(thought) {
        let rows = text::wrap(&line, columns.saturating_sub(2));
        lines.extend(rows.into_iter().map(|row| Line::styled(format!("  {row}"), model.theme.faint())));
    }
    if let Some(first) = lines.first_mut() {
        *first = Line::styled(first.to_string().replacen("  ", "✻ ", 1), model.theme.faint());
    }
    lines
}

/// `● Bash npm test                 ok 12s`, and what it returned.
fn tool_lines(
    model: &Model,
    pane: &ActivityPane,
    (activity, item, tool): (&Activity, &ActivityItem, &ToolUse),
    columns: usize,
    layout: ItemLayout,
) -> Vec<Line<'static>> {
    let folded = layout.folded;
    let agent = activity.started_by(item).max_by_key(|agent| agent.ended.is_none());
    let (sign, state, style) = match agent {
        Some(agent) => sub_agents::state(model, agent),
        None => call_state(model, item, tool),
    };
    let what = match tool_words(&tool.name, &tool.input) {
        words if words.is_empty() => "a call that was not seen".to_owned(),
        words => words,
    };
    let latest = agent.filter(|_| layout.hides).map(|agent| sub_agents::latest(activity, agent));
    let what = format!("{what}{}", latest.unwrap_or_default());
    let room = columns.saturating_sub(text::width(sign) + text::width(&state) + 3);
    let what = text::fit(&sanitise::clean(&what), room);
    let gap = columns.saturating_sub(text::width(sign) + 1 + text::width(&what) + text::width(&state));
    let mut lines = vec![Line::from(vec![
        Span::styled(sign, style),
        Span::raw(" "),
        Span::styled(what, model.theme.strong()),
        Span::raw(" ".repeat(gap)),
        Span::styled(state, style),
    ])];
    if !folded {
        input_lines(model, pane, tool, columns, &mut lines);
    }
    returned_lines(model, pane, tool, columns, folded, &mut lines);
    lines
}

/// Sign, state and style of a call.
fn call_state(model: &Model, item: &ActivityItem, tool: &ToolUse) -> (&'static str, String, Style) {
    let is_over = model.shown_attempt().is_some_and(|attempt| attempt.finished_at.is_some());
    match &tool.result {
        None if is_over => ("?", "no result".to_owned(), model.theme.busy()),
        None => {
            (theme::spinner(model.frame), text::running_duration(model.since(item.ts)), model.theme.busy())
        }
        Some(outcome) => {
            let took =
                tool.duration_ms(item.ts).map_or(String::new(), |ms| format!(" {}", text::duration(ms)));
            if outcome.result.ok {
                ("✓", format!("ok{took}"), model.theme.good())
            } else {
                ("✗", format!("failed{took}"), model.theme.bad())
            }
        }
    }
}

/// What a call returned, as far as it is shown.
fn returned_lines(
    model: &Model,
    pane: &ActivityPane,
    tool: &ToolUse,
    columns: usize,
    folded: bool,
    lines: &mut Vec<Line<'static>>,
) {
    let Some(outcome) = &tool.result else { return };
    let rows = match (folded, outcome.result.ok) {
        (true, true) => return,
        (true, false) => FEW,
        (false, _) => usize::MAX,
    };
    let whole = pane.whole(outcome.result.blob.as_deref()).filter(|_| !folded);
    let shown = whole.unwrap_or(&outcome.result.preview);
    let returned: Vec<_> = sanitise::lines(shown.trim_end())
        .iter()
        .flat_map(|line| text::wrap(line, columns.saturating_sub(4)))
        .collect();
    for row in returned.iter().take(rows).filter(|_| !outcome.result.preview.is_empty()) {
        lines.push(Line::styled(format!("  │ {row}"), model.theme.faint()));
    }
    if returned.len() > rows {
        lines.push(more_line(model, &format!("  … {} more lines", returned.len() - rows), columns));
    } else if whole.is_none() && outcome.result.bytes > outcome.result.preview.len() as u64 {
        let all = text::bytes(outcome.result.bytes);
        let words = match outcome.result.blob {
            Some(_) => format!("  … {all} in all, in the record"),
            None => format!("  … {all} in all, the rest is not in the record"),
        };
        lines.push(more_line(model, &words, columns));
    }
}

/// All a call was given, one field after the other.
fn input_lines(
    model: &Model,
    pane: &ActivityPane,
    tool: &ToolUse,
    columns: usize,
    lines: &mut Vec<Line<'static>>,
) {
    let recorded = pane.whole(tool.blob.as_deref());
    let whole =
        recorded.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())));
    let fields: Vec<(&str, &Value)> = match whole.as_ref().unwrap_or(&tool.input) {
        Value::Null => Vec::new(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        other => vec![("", other)],
    };
    for (name, value) in fields {
        let text_of_agent = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
        for (index, line) in
            sanitise::lines(&format!("{name}{}", text_of_agent.trim_end())).iter().enumerate()
        {
            for (part, row) in text::wrap(line, columns.saturating_sub(4)).into_iter().enumerate() {
                let sign = if (index, part) == (0, 0) { ">" } else { " " };
                lines.push(Line::from(format!("  {sign} {row}")));
            }
        }
    }
    if tool.blob.is_some() && recorded.is_none() {
        lines.push(more_line(model, "  … all of it is in the record", columns));
    }
}

fn diff_lines(model: &Model, diff: &str, columns: usize, folded: bool, lines: &mut Vec<Line<'static>>) {
    let (shown, left_off) = text::beginning(diff, LONGEST);
    let rows: Vec<_> = shown
        .lines()
        .filter(|line| !line.starts_with("--- ") && !line.starts_with("+++ ") && !line.starts_with("diff "))
        .collect();
    let few = if folded { FEW } else { usize::MAX };
    for row in rows.iter().take(few) {
        let style = match row.as_bytes().first() {
            Some(b'+') => model.theme.good(),
            Some(b'-') => model.theme.bad(),
            Some(b'@') => model.theme.note(),
            _ => Style::new(),
        };
        lines.push(Line::styled(
            format!("  {}", text::fit(&sanitise::line(row), columns.saturating_sub(2))),
            style,
        ));
    }
    if rows.len() > few {
        lines.push(more_line(model, &format!("  … {} more lines", rows.len() - few), columns));
    } else if left_off > 0 {
        lines.push(more_line(model, "  … the rest is on the tab Diffs", columns));
    }
}

fn more_line(model: &Model, words: &str, columns: usize) -> Line<'static> {
    Line::styled(text::fit(words, columns), model.theme.faint())
}

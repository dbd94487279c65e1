//! The first lines: which run, how far, and what it waits for.

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use roboppi_attach::Position;
use roboppi_run::{AttemptStatus, AttemptView, RunOutcome, RunStatus, StepCounts, StepState, StepView};

use super::{put, wording};
use crate::layout::Areas;
use crate::model::Model;
use crate::{Role, sanitise, text, theme};

pub(super) fn draw(model: &Model, areas: &Areas, buffer: &mut Buffer) {
    let columns = usize::from(areas.title.width);
    let news = news(model, columns);
    if areas.status.area() > 0 {
        put(buffer, areas.title, &title(model, columns));
        put(buffer, areas.status, &news.unwrap_or_else(|| progress(model, columns)));
    } else {
        // One line is all there is; it goes to what matters most.
        put(buffer, areas.title, &news.unwrap_or_else(|| title(model, columns)));
    }
}

fn title(model: &Model, columns: usize) -> Line<'static> {
    let theme = model.theme;
    let counts = model.view.counts();
    let queued = model.view.steps().filter(|step| step.is_queued()).count();
    let tally = tally(counts, queued);
    let tally_width: usize = tally.iter().map(|(text, _)| text::width(text) + 1).sum();
    let room =
        if tally_width > 0 && columns > tally_width + 24 { columns - tally_width - 1 } else { columns };

    let (state, style) = state(model);
    let mut facts = vec![(state, style)];
    if let Some(playback) = model.playback {
        facts.insert(0, (replay(playback), theme.strong()));
    }
    if let Some(elapsed) = model.elapsed_ms() {
        let over = model.view.is_finished();
        facts.push((
            if over { text::duration(elapsed) } else { text::running_duration(elapsed) },
            Style::new(),
        ));
    }
    let warnings = usize::try_from(model.view.warnings_total).unwrap_or(usize::MAX);
    let warnings =
        warnings.saturating_add(model.view.steps().map(|step| wording::leftovers(step).count()).sum());
    if warnings > 0 {
        facts.push((format!("! {}", text::count(warnings, "warning")), theme.attention()));
    }
    if let Some(handle) = model.view.head.as_ref().and_then(|head| head.handle) {
        facts.push((handle.to_string(), theme.faint()));
    }
    // The name gives way before state and clock do, but not to nothing.
    let state_and_clock: usize = facts.iter().take(2).map(|(text, _)| text::width(text) + 3).sum();
    let name = text::fit(&name(model), room.saturating_sub(state_and_clock).max(room / 4));
    let mut used = text::width(&name);
    let mut spans = vec![Span::styled(name, theme.strong())];
    for (fact, style) in facts {
        let width = text::width(&fact);
        if used + 3 + width > room {
            break;
        }
        used += 3 + width;
        spans.push(Span::styled(" · ", theme.faint()));
        spans.push(Span::styled(fact, style));
    }
    if let Some(head) = &model.view.head
        && room > used + 12
    {
        let workspace = text::fit_end(&sanitise::clean(&head.workspace), room - used - 3);
        used += 3 + text::width(&workspace);
        spans.push(Span::styled(" · ", theme.faint()));
        spans.push(Span::styled(workspace, theme.faint()));
    }
    if room < columns {
        spans.push(Span::raw(" ".repeat(columns - tally_width - used + 1)));
        for (index, (text, style)) in tally.into_iter().enumerate() {
            if index > 0 {
                spans.push(Span::raw(" "));
            }
            spans.push(Span::styled(text, style(theme)));
        }
    }
    Line::from(spans)
}

/// `replay 1m05s of 3m, 4x`.
fn replay(position: Position) -> String {
    let Position { at, end, speed, paused } = position;
    let how = if paused { "paused".to_owned() } else { speed.to_string() };
    format!("replay {} of {}, {how}", text::running_duration(at), text::running_duration(end))
}

fn name(model: &Model) -> String {
    let known = model.view.head.as_ref().map(|head| head.name.as_str()).filter(|name| !name.is_empty());
    sanitise::clean(known.unwrap_or(&model.settings.title))
}

/// State of the run in a word, with its icon.
fn state(model: &Model) -> (String, Style) {
    let theme = model.theme;
    match &model.view.status {
        RunStatus::Finished { outcome, .. } => {
            let icon = match outcome {
                RunOutcome::Succeeded => "✓",
                RunOutcome::Failed => "✗",
                RunOutcome::Cancelled | RunOutcome::TimedOut => "■",
                RunOutcome::Lost => "?",
                RunOutcome::Unknown(_) => "◇",
            };
            (format!("{icon} {}", outcome_word(outcome)), theme.outcome(*outcome))
        }
        _ if model.ended => ("? unknown".to_owned(), theme.bad()),
        _ if model.settings.elsewhere => ("? elsewhere".to_owned(), theme.faint()),
        RunStatus::Unknown => (format!("{} starting", theme::spinner(model.frame)), theme.busy()),
        RunStatus::Running => (format!("{} running", theme::spinner(model.frame)), theme.busy()),
        RunStatus::Ending { force, .. } => {
            let word = if *force { "killing" } else { "ending" };
            (format!("{} {word}", theme::spinner(model.frame)), theme.busy())
        }
    }
}

const fn outcome_word(outcome: &RunOutcome) -> &str {
    match outcome {
        RunOutcome::TimedOut => "timed out",
        other => other.name(),
    }
}

type Styler = fn(theme::Theme) -> Style;

/// `✓2 ✗1 ●2 ◷1 ○3`: of the active ones, `queued` wait for a permit.
fn tally(counts: StepCounts, queued: usize) -> Vec<(String, Styler)> {
    let mut tally: Vec<(String, Styler)> = Vec::new();
    let mut add = |icon: &str, count: usize, style: Styler| {
        if count > 0 {
            tally.push((format!("{icon}{count}"), style));
        }
    };
    add("✓", counts.succeeded, theme::Theme::good);
    add("✗", counts.failed, theme::Theme::bad);
    add("■", counts.cancelled, theme::Theme::bad);
    add("⊘", counts.skipped, theme::Theme::faint);
    add("●", counts.active.saturating_sub(queued), theme::Theme::busy);
    add("◷", queued, theme::Theme::faint);
    add("○", counts.waiting, theme::Theme::faint);
    add("◇", counts.unknown, theme::Theme::note);
    tally
}

/// How far the run is, as a bar and in words.
fn progress(model: &Model, columns: usize) -> Line<'static> {
    let theme = model.theme;
    if model.view.head.is_none() {
        return Line::styled(text::fit("waiting for the run to begin", columns), theme.faint());
    }
    let counts = model.view.counts();
    let all = model.view.steps.len();
    let over = counts.succeeded + counts.failed + counts.skipped + counts.cancelled;
    // Whatever the words are, the bar is as long as before.
    let room = (columns / 3).clamp(8.min(columns), 40);
    let words = facts(model, over, columns.saturating_sub(room + 1));
    let share = if all == 0 { 0.0 } else { over as f64 / all as f64 };
    let (done, left) = wording::bar(share, room);
    let failed = model.view.steps.iter().any(|step| step.state == StepState::Failed && !step.allowed_to_fail);
    let style = if failed { theme.bad() } else { theme.good() };
    Line::from(vec![
        Span::styled(done, style),
        Span::styled(left, theme.faint()),
        Span::raw(" "),
        Span::styled(words, theme.faint()),
    ])
}

/// How far the run is in words: as many as fit, those that matter least left out first.
fn facts(model: &Model, over: usize, room: usize) -> String {
    let all = model.view.steps.len();
    let left = model.forecast.left_ms.map_or_else(String::new, |ms| format!("~{} left", text::rough(ms)));
    let earlier = model.history.runs() as usize;
    // With how much each matters; all of them in the order in which they are read.
    let mut facts: Vec<(u8, String)> = vec![
        (0, format!("{over} of {}", text::count(all, "step"))),
        (2, cost(model).map_or_else(String::new, |cost| format!("${cost:.2}"))),
        (1, left.clone()),
        (3, if left.is_empty() { left } else { format!("as in {}", text::count(earlier, "earlier run")) }),
    ];
    facts.retain(|(_, fact)| !fact.is_empty());
    loop {
        let words = facts.iter().map(|(_, fact)| fact.as_str()).collect::<Vec<_>>().join(", ");
        let least = facts.iter().enumerate().max_by_key(|(_, (matters, _))| *matters);
        match least {
            Some((index, _)) if text::width(&words) > room && facts.len() > 1 => drop(facts.remove(index)),
            Some(_) | None => return text::fit(&words, room),
        }
    }
}

/// What the workers have cost in all, as far as they say.
fn cost(model: &Model) -> Option<f64> {
    let attempts = model.view.steps.iter().flat_map(|step| &step.attempts);
    attempts
        .filter_map(|attempt| {
            let reported = match &attempt.status {
                AttemptStatus::Finished { result, .. } => {
                    result.details.as_ref().and_then(|details| details.usage?.cost_usd)
                }
                AttemptStatus::Started | AttemptStatus::Phase(_) => None,
            };
            reported.or_else(|| attempt.activity.usage?.cost_usd).filter(|cost| cost.is_finite())
        })
        .reduce(|sum, cost| sum + cost)
}

/// What matters more than how far the run is.
fn news(model: &Model, columns: usize) -> Option<Line<'static>> {
    match &model.view.status {
        RunStatus::Finished { outcome, duration_ms, detail, .. } => {
            let words = outcome_of(model, *outcome, *duration_ms, detail.as_deref());
            Some(with_hint(
                &words,
                &leaving(model, columns),
                model.theme.outcome(*outcome).patch(model.theme.strong()),
                columns,
            ))
        }
        _ if model.ended => Some(with_hint(
            "the record stops here; the outcome of the run is unknown",
            &leaving(model, columns),
            model.theme.bad(),
            columns,
        )),
        RunStatus::Ending { reason, force, signal } => {
            let word = if *force { "killing" } else { "ending" };
            let start = format!("{word} ({})", signal.as_deref().unwrap_or(reason.name()));
            let hint = next_interrupt(model, columns);
            let room = columns.saturating_sub(text::width(hint));
            let words = [awaited(model), awaited_in_short(model)].map(|steps| format!("{start}: {steps}"));
            let fitting = words.iter().find(|words| text::width(words) <= room).unwrap_or(&words[1]);
            Some(with_hint(fitting, hint, model.theme.busy(), columns))
        }
        RunStatus::Unknown | RunStatus::Running if model.asked > 0 => Some(with_hint(
            "requested the end of the run",
            next_interrupt(model, columns),
            model.theme.busy(),
            columns,
        )),
        RunStatus::Unknown | RunStatus::Running => None,
    }
}

/// How the screen is left, or when it leaves by itself.
fn leaving(model: &Model, columns: usize) -> String {
    match model.staying.until.map(|until| until.0.saturating_sub(model.now.0).div_ceil(1_000)) {
        Some(left) if columns >= 60 => format!(" — leaves in {left}s, any key stays"),
        Some(left) => format!(" — leaves in {left}s"),
        None if columns >= 60 => " — press q to leave".to_owned(),
        None => " — q leaves".to_owned(),
    }
}

fn next_interrupt(model: &Model, columns: usize) -> &'static str {
    match (model.settings.role, model.stage(), columns >= 60) {
        (Role::Owner, 0 | 1, true) => " — Ctrl-C again kills now",
        (Role::Owner, 0 | 1, false) => " — Ctrl-C kills",
        (Role::Owner, _, true) => " — Ctrl-C again leaves at once",
        (Role::Owner, _, false) => " — Ctrl-C leaves",
        (Role::Viewer, 0 | 1, true) => " — X kills its workers",
        (Role::Viewer, 0 | 1, false) => " — X kills",
        (Role::Viewer | Role::Replay, _, _) => "",
    }
}

/// Words that are cut before the hint behind them is.
fn with_hint(words: &str, hint: &str, style: Style, columns: usize) -> Line<'static> {
    let room = columns.saturating_sub(text::width(hint));
    // Half a hint helps nobody.
    let (room, hint) = if room < columns / 3 { (columns, "") } else { (room, hint) };
    Line::from(vec![Span::styled(text::fit(words, room), style), Span::raw(hint.to_owned())])
}

/// Attempts that are not over.
fn under_way(model: &Model) -> impl Iterator<Item = (&StepView, &AttemptView)> {
    let steps = model.view.steps().filter(|step| !step.state.is_final());
    steps.filter_map(|step| {
        let attempt = step.attempts.last()?;
        (!matches!(attempt.status, AttemptStatus::Finished { .. })).then_some((step, attempt))
    })
}

const NO_STEP: &str = "its workers have ended";

/// Who an ending run waits for, and what each was told.
fn awaited(model: &Model) -> String {
    let waiting: Vec<_> = under_way(model)
        .map(|(step, attempt)| {
            let pid = attempt.process.map_or_else(String::new, |process| format!("pid {}, ", process.pid));
            let name = sanitise::clean(step.plan.step.as_str());
            format!("{name} ({pid}{})", wording::attempt_status(model, attempt))
        })
        .collect();
    if waiting.is_empty() { NO_STEP.to_owned() } else { format!("waiting for {}", waiting.join(", ")) }
}

/// The same where there is little room: names first, because they say most.
fn awaited_in_short(model: &Model) -> String {
    let waiting: Vec<_> = under_way(model)
        .map(|(step, attempt)| {
            let name = sanitise::clean(step.plan.step.as_str());
            format!("{name} {}", wording::ending_in_short(model, attempt)).trim_end().to_owned()
        })
        .collect();
    if waiting.is_empty() { NO_STEP.to_owned() } else { waiting.join(", ") }
}

/// `failed: step test: exit 1`.
fn outcome_of(model: &Model, outcome: RunOutcome, duration_ms: u64, detail: Option<&str>) -> String {
    let word = outcome_word(&outcome);
    let detail = detail.map(sanitise::clean).filter(|detail| !detail.is_empty());
    if outcome == RunOutcome::Succeeded {
        let took = text::duration(duration_ms);
        return detail
            .map_or_else(|| format!("{word} in {took}"), |detail| format!("{word} in {took}: {detail}"));
    }
    let failed =
        |step: &&StepView| matches!(step.state, StepState::Failed | StepState::Lost) && !step.allowed_to_fail;
    let mut culprits = model.view.steps().filter(failed);
    let reason = match (outcome, culprits.next()) {
        (RunOutcome::Failed, Some(step)) => {
            let name = sanitise::clean(step.plan.step.as_str());
            let mut reason = format!("step {name}");
            let why = wording::step_reason(model, step);
            if !why.is_empty() {
                reason.push_str(&format!(": {why}"));
            }
            let others = culprits.count();
            if others > 0 {
                reason.push_str(&format!(" (and {others} more)"));
            }
            Some(reason)
        }
        _ => detail,
    };
    reason.map_or_else(|| word.to_owned(), |reason| format!("{word}: {reason}"))
}

//! The list of steps.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use roboppi_ipc::WaitCause;
use roboppi_run::{StepState, StepView};

use super::wording;
use crate::layout::Focus;
use crate::model::Model;
use crate::{sanitise, text, theme};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if model.view.steps.is_empty() {
        super::put(buffer, area, &Line::styled("no steps yet", model.theme.faint()));
        return;
    }
    let (rows, listed) = (list_area(model, area), model.listed());
    about(model, listed.len(), Rect { y: rows.bottom(), height: area.height - rows.height, ..area }, buffer);
    for (row, at) in rows.rows().zip(listed.iter().skip(model.list.top)) {
        let step = &model.view.steps[*at];
        let selected = model.selected.as_ref() == Some(&step.plan.step);
        super::put(buffer, row, &line(model, step, selected, usize::from(row.width)));
        if selected {
            let style =
                if model.focus == Focus::Steps { model.theme.selected() } else { model.theme.strong() };
            buffer.set_style(row, style);
        }
    }
}

/// The rows of the list: all of its area, but for a line that says what is left out.
pub(crate) fn list_area(model: &Model, area: Rect) -> Rect {
    let below = u16::from(model.list.is_limited() && area.height >= 3);
    Rect { height: area.height - below, ..area }
}

/// What the list is limited to: `filter: lint  3 of 60`.
fn about(model: &Model, listed: usize, area: Rect, buffer: &mut Buffer) {
    if area.area() == 0 {
        return;
    }
    let (theme, filter) = (model.theme, &model.list.filter);
    let count = format!("  {listed} of {}", model.view.steps.len());
    let hidden = if model.list.hide_done { "  done hidden" } else { "" };
    let mut spans = Vec::new();
    if filter.is_typed() || filter.is_active() {
        const LABEL: &str = "filter: ";
        let room = usize::from(area.width).saturating_sub(LABEL.len() + text::width(&count) + 1);
        spans.push(Span::styled(LABEL, theme.strong()));
        spans.push(Span::raw(text::fit_end(&sanitise::clean(filter.text()), room)));
        if filter.is_typed() {
            spans.push(Span::styled(" ", theme.selected()));
        }
    }
    spans.push(Span::styled(format!("{count}{hidden}"), theme.faint()));
    super::put(buffer, area, &Line::from(spans));
}

fn line(model: &Model, step: &StepView, selected: bool, columns: usize) -> Line<'static> {
    let theme = model.theme;
    let icon = if step.is_queued() { "◷" } else { theme::icon(step.state, model.frame) };
    let time = model
        .step_ms(step)
        .map(|ms| if step.state.is_final() { text::duration(ms) } else { text::running_duration(ms) });
    let time = time.unwrap_or_default();
    // Marker, icon and a space; a space before the time.
    let room = columns.saturating_sub(3 + if time.is_empty() { 0 } else { text::width(&time) + 1 });
    let mut name = sanitise::clean(step.plan.step.as_str());
    let mut extras = Vec::new();
    if let Some(attempt) = attempt_count(step) {
        extras.push(attempt);
    }
    extras.extend(activity(model, step));
    let name_room = text::width(&name).min(room.max(8));
    name = text::fit(&name, name_room.min(room));
    let mut used = text::width(&name);
    let mut spans = vec![
        Span::raw(if selected { "›" } else { " " }),
        Span::styled(icon, theme.state(step.state)),
        mark(model, step),
        Span::raw(name),
    ];
    for extra in extras {
        let extra = text::fit(&extra, room.saturating_sub(used + 1));
        if text::width(&extra) < 2 {
            break;
        }
        used += 1 + text::width(&extra);
        spans.push(Span::raw(" "));
        spans.push(Span::styled(extra, theme.faint()));
    }
    let mut left = room.saturating_sub(used);
    if let Some(used) = resources(step).filter(|used| text::width(used) + 2 <= left) {
        left -= text::width(&used);
        spans.push(Span::styled(format!("{}{used}", " ".repeat(left)), theme.faint()));
        left = 0;
    }
    if room > 0 && !time.is_empty() {
        spans.push(Span::raw(" ".repeat(left + 1)));
        spans.push(Span::styled(time, theme.faint()));
    }
    Line::from(spans)
}

/// `#2/3` from the second attempt on, from the second iteration on with its number before it: `@2/5`, and with the role
/// of the attempt when that is not work.
fn attempt_count(step: &StepView) -> Option<String> {
    let of = &step.attempts.last()?.of;
    let iteration = step.iteration().max(of.iteration);
    let mut words = String::new();
    if iteration > 1 {
        words.push_str(&format!("@{iteration}"));
        if let Some(most) = step.iterations.last().and_then(|last| last.max_iterations) {
            words.push_str(&format!("/{most}"));
        }
    }
    if !of.role.is_work() {
        words.push_str(&format!(
            "{}{}",
            if words.is_empty() { "" } else { " " },
            sanitise::clean(of.role.name())
        ));
    }
    if of.attempt > 1 {
        words.push_str(&format!("#{}/{}", of.attempt, step.plan.max_attempts.max(of.attempt)));
    }
    (!words.is_empty()).then_some(words)
}

/// Whether there are warnings about it, or it is flaky: a mark that takes no room.
fn mark(model: &Model, step: &StepView) -> Span<'static> {
    if !wording::warnings(model, step).is_empty() {
        Span::styled("!", model.theme.attention())
    } else if step.is_flaky() {
        Span::styled("~", model.theme.attention())
    } else {
        Span::raw(" ")
    }
}

/// What its processes use now.
fn resources(step: &StepView) -> Option<String> {
    let attempt = step.attempts.last().filter(|attempt| attempt.finished_at.is_none())?;
    wording::resources_in_short(&attempt.resources()?)
}

/// What its worker says it is at.
fn activity(model: &Model, step: &StepView) -> Option<String> {
    if let Some(until) = step.limit_until.filter(|_| !step.state.is_final()) {
        let time = wording::limit_time(model, until);
        // Of a time of day, hours and minutes.
        let time = if time.len() == "03:06:05".len() { &time[..5] } else { &time };
        return Some(format!("until {time}"));
    }
    if wording::is_allowed_failure(step) {
        return Some("allowed to fail".to_owned());
    }
    if !step.state.is_active() {
        return (step.state == StepState::Retrying).then(|| "waits to retry".to_owned());
    }
    if step.is_queued() {
        return Some("queued".to_owned());
    }
    let activity = &step.attempts.last()?.activity;
    if let Some(waiting) = &activity.waiting {
        let what = if waiting.cause == Some(WaitCause::Background) { "done, waits" } else { "waits" };
        let left = wording::wait_left(model, activity).map_or(String::new(), |left| format!(" {left}"));
        return Some(format!("{what}{left}"));
    }
    let Some(progress) = activity.progress.as_ref() else {
        // What goes on once its worker has ended.
        let ended = step.attempts.last().is_some_and(|attempt| attempt.finished_at.is_some());
        return step.detail.as_deref().filter(|_| ended).map(sanitise::clean);
    };
    match (progress.percent, &progress.phase) {
        (Some(percent), _) if percent.is_finite() => Some(format!("{:.0}%", percent.clamp(0.0, 100.0))),
        (_, Some(phase)) => Some(sanitise::clean(phase)),
        _ => None,
    }
}

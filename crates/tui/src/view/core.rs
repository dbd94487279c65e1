//! The process that starts the workers, and what it said.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use roboppi_run::{AttemptPhase, AttemptStatus, CoreStatus, RunMode, StepState};

use super::page::{self, Page};
use super::{Extent, wording};
use crate::model::Model;
use crate::{sanitise, text};

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let facts = facts(model, area.width);
    let (head, body) = parts(&facts, area);
    for (row, line) in head.rows().zip(&facts) {
        super::put(buffer, row, line);
    }
    page::draw(model, &stderr_lines(model, area.width), body, buffer);
}

pub(super) fn extent(model: &Model, area: Rect) -> Extent {
    let (_, body) = parts(&facts(model, area.width), area);
    Extent { len: stderr_lines(model, area.width).len(), rows: usize::from(body.height) }
}

/// The facts stay; what is below is scrolled. On a small screen the facts get at most half.
fn parts(facts: &[Line<'_>], area: Rect) -> (Rect, Rect) {
    let height = u16::try_from(facts.len()).unwrap_or(u16::MAX).min(area.height / 2);
    let head = Rect { height, ..area };
    (head, Rect { y: head.bottom(), height: area.height - height, ..area })
}

fn facts(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page::new(model.theme, columns);
    let core = model.view.core();
    let busy = model.theme.busy();
    match &core.status {
        CoreStatus::Absent => page.styled_fact("Core", "not started yet", model.theme.faint()),
        CoreStatus::Alive if model.is_over() => page.fact("Core", "ended with the run"),
        CoreStatus::Alive => page.styled_fact("Core", "● answers", model.theme.good()),
        CoreStatus::Lost { detail } => {
            page.styled_fact("Core", &format!("✗ lost: {detail}"), model.theme.bad());
        }
    }
    if core.incarnation > 0 {
        let mut words = Vec::new();
        if let Some(process) = core.process {
            words.push(format!("pid {}", process.pid));
        }
        words.push(format!("protocol {}", core.protocol));
        if !core.version.is_empty() {
            words.push(format!("version {}", core.version));
        }
        page.fact("Process", &words.join(" · "));
    }
    if core.incarnation > 1 {
        let restarts = text::count(core.incarnation as usize - 1, "restart");
        page.styled_fact("Restarts", &format!("{restarts}: this is core {}", core.incarnation), busy);
    }
    page.fact_if("Workers", workers(model).as_deref());
    if let Some((active, limit)) = core.permits {
        let share = f64::from(active) / f64::from(limit.max(1));
        let (used, free) = wording::bar(share, 20);
        page.fact("Permits", &format!("{used}{free} {active} of {limit} in use"));
    }
    if !model.is_over() {
        page.fact_if("Queue", queue(model).as_deref());
    }
    match model.view.head.as_ref().map(|head| &head.mode) {
        Some(RunMode::Direct) => page.fact("Mode", "direct: the core is part of the process of the run"),
        Some(RunMode::Supervised) => page.fact("Mode", "supervised: a core process starts the workers"),
        Some(RunMode::Emitted) => page.fact("Mode", "emitted: its program records itself"),
        Some(RunMode::Unknown(word)) => page.fact("Mode", word.as_str()),
        None => {}
    }
    page.finish()
}

/// Processes of the workers that run.
fn workers(model: &Model) -> Option<String> {
    let steps = model.view.steps.iter().filter(|step| !step.state.is_final());
    let pids = steps.filter_map(|step| {
        let attempt = step.attempts.last().filter(|attempt| attempt.finished_at.is_none())?;
        Some(format!("{} pid {}", sanitise::clean(step.plan.step.as_str()), attempt.process?.pid))
    });
    let pids: Vec<_> = pids.collect();
    (!pids.is_empty()).then(|| pids.join(", "))
}

/// Steps that wait for a place, longest first.
fn queue(model: &Model) -> Option<String> {
    let steps = model.view.steps.iter();
    let mut waiting: Vec<_> = steps
        .filter_map(|step| {
            let since = match step.attempts.last() {
                Some(attempt)
                    if matches!(attempt.status, AttemptStatus::Phase(AttemptPhase::WaitingPermit { .. })) =>
                {
                    attempt.started_at
                }
                _ if step.state == StepState::Ready => step.changed_at,
                _ => return None,
            };
            Some((since, step.plan.step.as_str()))
        })
        .collect();
    waiting.sort_unstable();
    let words: Vec<_> = waiting
        .iter()
        .map(|(since, step)| {
            format!("{} for {}", sanitise::clean(step), text::running_duration(model.since(*since)))
        })
        .collect();
    (!words.is_empty()).then(|| format!("{}: {}", text::count(words.len(), "step"), words.join(", ")))
}

/// Reports, then the end of its standard error.
fn stderr_lines(model: &Model, columns: u16) -> Vec<Line<'static>> {
    let mut page = Page::new(model.theme, columns);
    if !model.view.core().reports.is_empty() {
        page.heading("Reports");
        for (ts, event) in &model.view.core().reports {
            page.text(
                &format!("{} {}", wording::time_of_day(model, *ts), wording::report(model, event)),
                Style::new(),
            );
        }
    }
    let tail = &model.core_tail;
    page.heading("Standard error of the core");
    if let Some(error) = &tail.error {
        page.text(error, model.theme.bad());
    } else if tail.lines.is_empty() {
        page.text("No output.", model.theme.faint());
    }
    if tail.skipped > 0 {
        let words = format!("… {} before this are in {}", text::bytes(tail.skipped), tail.path);
        page.text(&words, model.theme.faint());
    }
    for line in &tail.lines {
        page.text(line, model.theme.faint());
    }
    page.finish()
}

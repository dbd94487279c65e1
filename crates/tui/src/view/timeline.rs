//! When each attempt waited, and when it was at work.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use roboppi_run::{AttemptStatus, AttemptView, StepView};

use super::{Extent, put, wording};
use crate::layout::Focus;
use crate::model::Model;
use crate::{sanitise, text};

/// Widest name.
const NAME: usize = 24;

/// Columns for the icon and the duration behind a bar.
const TIME: usize = 10;

/// Columns before a name.
const MARKER: usize = 1;

/// Fewest columns between two times of the axis.
const APART: u64 = 10;

/// Milliseconds between two times of the axis.
const ROUND: [u64; 21] = [
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    18_000_000,
    36_000_000,
    86_400_000,
    864_000_000,
];

/// A row: a step and the place of one of its attempts, or a step without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Place of the step.
    pub(crate) step: usize,
    pub(crate) attempt: Option<usize>,
}

/// The steps that are listed, in the order in which they began, each with all its attempts; then those without an attempt.
pub(crate) fn entries(model: &Model) -> Vec<Entry> {
    let steps = &model.view.steps;
    let mut listed = model.listed();
    listed.sort_by_key(|at| {
        let began = steps[*at].attempts.iter().map(|attempt| attempt.started_at).min();
        (began.is_none(), began)
    });
    let of_step = |step: usize| {
        let attempts = steps[step].attempts.len();
        let rows = (0..attempts).map(Some).chain((attempts == 0).then_some(None));
        rows.map(move |attempt| Entry { step, attempt })
    };
    listed.into_iter().flat_map(of_step).collect()
}

/// The row of what is selected.
pub(crate) fn selected_row(model: &Model, entries: &[Entry]) -> Option<usize> {
    let selected = Entry { step: model.selected_index()?, attempt: model.attempt_index() };
    entries.iter().position(|entry| *entry == selected)
}

/// The row at a line of the screen.
pub(crate) fn entry_at(model: &Model, area: Rect, y: u16) -> Option<Entry> {
    let (_, body) = parts(area);
    let below = usize::from(y.checked_sub(body.y).filter(|row| *row < body.height)?);
    let entries = entries(model);
    entries.get(super::top(model, entries.len(), usize::from(body.height)) + below).copied()
}

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let entries = entries(model);
    let Some(elapsed) = model.elapsed_ms().filter(|_| entries.iter().any(|entry| entry.attempt.is_some()))
    else {
        let line =
            Line::styled(text::fit("No attempt was made yet.", area.width.into()), model.theme.faint());
        return put(buffer, area, &line);
    };
    let columns = Columns::of(model, &entries, usize::from(area.width), elapsed);
    let (head, body) = parts(area);
    put(buffer, head, &columns.axis(model));
    let top = super::top(model, entries.len(), usize::from(body.height));
    let selected = selected_row(model, &entries);
    for (row, (at, entry)) in body.rows().zip(entries.iter().enumerate().skip(top)) {
        let is_selected = selected == Some(at);
        put(buffer, row, &columns.row(model, *entry, is_selected));
        if is_selected {
            let in_focus = model.focus == Focus::Pane;
            buffer.set_style(row, if in_focus { model.theme.selected() } else { model.theme.strong() });
        }
    }
}

pub(super) fn extent(model: &Model, area: Rect) -> Extent {
    let (_, body) = parts(area);
    Extent { len: entries(model).len(), rows: usize::from(body.height) }
}

/// The times stay; the attempts are scrolled.
fn parts(area: Rect) -> (Rect, Rect) {
    let head = Rect { height: area.height.min(1), ..area };
    (head, Rect { y: head.bottom(), height: area.height - head.height, ..area })
}

/// When an attempt waited and worked, in milliseconds since the run began. Only its beginning is taken from the clock, so
/// that a clock that jumps makes nothing longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from: u64,
    work: u64,
    to: u64,
}

impl Stretch {
    fn of(model: &Model, attempt: &AttemptView) -> Self {
        let began = model.view.head.as_ref().map_or(attempt.started_at, |head| head.started_at).0;
        let from = attempt.started_at.0.saturating_sub(began);
        let since_start = |then: u64| then.saturating_sub(attempt.started_at.0);
        let (wait, worked) = match (&attempt.status, attempt.working_at) {
            (AttemptStatus::Finished { result, .. }, Some(working)) => {
                (since_start(working.0), result.duration_ms)
            }
            // Of earlier versions it is not known when the worker began.
            (AttemptStatus::Finished { result, .. }, None) => {
                let all = attempt.finished_at.map_or(0, |end| since_start(end.0));
                (all.saturating_sub(result.duration_ms), result.duration_ms)
            }
            (_, Some(working)) => (since_start(working.0), model.since(working)),
            (_, None) => (model.since(attempt.started_at), 0),
        };
        let work = from.saturating_add(wait);
        Self { from, work, to: work.saturating_add(worked) }
    }
}

/// How a row is divided, and what a column means.
struct Columns {
    name: usize,
    bar: usize,
    /// Milliseconds of all columns of a bar.
    whole: u64,
}

impl Columns {
    fn of(model: &Model, entries: &[Entry], width: usize, elapsed: u64) -> Self {
        let steps = &model.view.steps;
        let widest = entries.iter().map(|entry| text::width(&name(&steps[entry.step], entry.attempt))).max();
        let name = widest.unwrap_or(0).min(NAME).min(width / 3);
        let attempts = steps.iter().flat_map(|step| &step.attempts);
        let last = attempts.map(|attempt| Stretch::of(model, attempt).to).max();
        let whole = elapsed.max(last.unwrap_or(0)).max(1);
        Self { name, bar: width.saturating_sub(MARKER + name + 2 + TIME), whole }
    }

    /// Column of a time since the start.
    fn at(&self, ms: u64) -> usize {
        let column = u128::from(ms) * self.bar as u128 / u128::from(self.whole);
        usize::try_from(column).unwrap_or(usize::MAX).min(self.bar)
    }

    /// Round times above the bars.
    fn axis(&self, model: &Model) -> Line<'static> {
        let least = (self.whole / (self.bar as u64).max(1)).saturating_add(1).saturating_mul(APART);
        let each = ROUND.into_iter().find(|ms| *ms >= least).unwrap_or(least);
        let start = MARKER + self.name + 1;
        let mut words = " ".repeat(start);
        let mut mark = 0_u64;
        while mark <= self.whole {
            let place = start + self.at(mark);
            let time =
                if each < 1_000 && mark > 0 { text::duration(mark) } else { text::running_duration(mark) };
            let label = format!("╷{time}");
            if place + text::width(&label) > start + self.bar {
                break;
            }
            words.push_str(&" ".repeat(place.saturating_sub(text::width(&words))));
            words.push_str(&label);
            mark = mark.saturating_add(each);
        }
        Line::styled(words, model.theme.faint())
    }

    fn row(&self, model: &Model, entry: Entry, is_selected: bool) -> Line<'static> {
        let step = &model.view.steps[entry.step];
        let name = text::fit(&name(step, entry.attempt), self.name);
        let padding = " ".repeat(self.name - text::width(&name) + 1);
        let mut spans =
            vec![Span::raw(if is_selected { "›" } else { " " }), Span::raw(name), Span::raw(padding)];
        match entry.attempt.and_then(|at| step.attempts.get(at)) {
            Some(attempt) => self.attempt(model, attempt, &mut spans),
            None => self.step(model, step, &mut spans),
        }
        Line::from(spans)
    }

    fn attempt(&self, model: &Model, attempt: &AttemptView, spans: &mut Vec<Span<'static>>) {
        let theme = model.theme;
        let Stretch { from, work, to } = Stretch::of(model, attempt);
        let (from, over) = (self.at(from).min(self.bar.saturating_sub(1)), attempt.finished_at.is_some());
        // However short its work, it is seen.
        let worked = to > work || over;
        let last = self.bar.saturating_sub(usize::from(worked));
        let middle = self.at(work).clamp(from, last.max(from));
        let end = self.at(to).max((middle + usize::from(worked)).min(self.bar)).max(middle);
        let icon = wording::attempt_icon(model, attempt);
        let took = model.attempt_ms(attempt);
        let time = if over { text::duration(took) } else { text::running_duration(took) };
        spans.extend([
            Span::styled("┄".repeat(from), theme.faint()),
            Span::styled("░".repeat(middle - from), theme.faint()),
            Span::styled(if over { "█" } else { "▓" }.repeat(end - middle), icon.style),
            Span::raw(" ".repeat(self.bar - end + 1)),
            icon,
            Span::styled(format!(" {time}"), theme.faint()),
        ]);
    }

    /// A step without an attempt, and why.
    fn step(&self, model: &Model, step: &StepView, spans: &mut Vec<Span<'static>>) {
        let reason = wording::step_reason(model, step);
        let words = if reason.is_empty() {
            step.state.name().to_owned()
        } else {
            format!("{}: {reason}", step.state.name())
        };
        let words = text::fit(&sanitise::clean(&words), self.bar);
        let left = self.bar - text::width(&words);
        spans.extend([
            Span::styled(words, model.theme.faint()),
            Span::styled(" ".repeat(left + 1), Style::new()),
            Span::styled(crate::theme::icon(step.state, model.frame), model.theme.state(step.state)),
        ]);
    }
}

/// `build`, `build #2`.
fn name(step: &StepView, attempt: Option<usize>) -> String {
    let name = sanitise::clean(step.plan.step.as_str());
    match attempt.and_then(|at| step.attempts.get(at)) {
        Some(attempt) if step.attempts.len() > 1 || !attempt.of.role.is_work() => {
            format!("{name} {}", wording::attempt_name(attempt))
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use roboppi_ipc::{UtcMillis, WorkerStatus};
    use roboppi_run::{AttemptPhase, RunEvent};

    use super::*;
    use crate::test_run::{START, TestRun, of, plan, press, result, screen};

    #[test]
    fn a_wait_for_a_permit_is_drawn_before_the_work() {
        let mut run = TestRun::with(vec![plan("think", &[]), plan("skipped", &[])], true);
        let attempt = of("think", 1);
        run.journal(RunEvent::AttemptStarted {
            of: attempt.clone(),
            job_id: "j".into(),
            base: attempt.base(),
            fingerprint: None,
            resumed_session: None,
        });
        run.phase(&attempt, AttemptPhase::WaitingPermit { detail: String::new() });
        run.after(5_000).phase(&attempt, AttemptPhase::Running { process: None });
        run.after(4_200).ended(&attempt, result(WorkerStatus::Succeeded, Some(0)));
        let mut model = run.model(100, 20);
        let view = &mut model.view;
        let span = Stretch::of(&run.model(100, 20), &view.steps[0].attempts[0]);
        assert_eq!(span, Stretch { from: 0, work: 5_000, to: 9_200 });
        // A record of an earlier version does not say when the worker began.
        Arc::make_mut(&mut view.steps[0]).attempts[0].working_at = None;
        assert_eq!(Stretch::of(&model, &model.view.steps[0].attempts[0]), span);
        press(&mut model, "5");
        let shown = screen(&model);
        assert!(shown.contains("░██") || shown.contains("░█"), "{shown}");
        assert!(shown.contains("╷2s") && shown.contains("╷8s"), "round times: {shown}");
        assert!(shown.contains("skipped  pending") || shown.contains("skipped pending"), "{shown}");
    }

    #[test]
    fn a_clock_that_jumps_moves_no_bar_out_of_its_place() {
        for jump in [0, 1, START - 1_000_000, START + 1_000_000_000, u64::MAX] {
            let mut run = TestRun::with(vec![plan("a", &[])], true);
            run.done("a", 1, result(WorkerStatus::Succeeded, Some(0)));
            let mut model = run.model(90, 20);
            let attempt = &mut Arc::make_mut(&mut model.view.steps[0]).attempts[0];
            attempt.started_at = UtcMillis(jump);
            press(&mut model, "5");
            let shown = screen(&model);
            assert!(shown.contains('█') && shown.contains("4.2s"), "{jump}: {shown}");
        }
    }
}

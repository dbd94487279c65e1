//! When each attempt was at work.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use roboppi_run::{AttemptView, StepView};

use super::{Extent, put, wording};
use crate::model::Model;
use crate::{sanitise, text};

/// Widest name.
const NAME: usize = 24;

/// Columns for the icon and the duration behind a bar.
const TIME: usize = 10;

pub(super) fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let attempts = attempts(model);
    let (Some(first), Some(last)) = (attempts.first(), model.elapsed_ms()) else {
        let line =
            Line::styled(text::fit("No attempt was made yet.", area.width.into()), model.theme.faint());
        return put(buffer, area, &line);
    };
    let start = model.view.head.as_ref().map_or(first.1.started_at, |head| head.started_at).0;
    let columns = Columns::of(&attempts, usize::from(area.width), last);
    let (head, body) = parts(area);
    put(buffer, head, &columns.axis(model));
    let top = super::top(model, attempts.len(), usize::from(body.height));
    for (row, (step, attempt)) in body.rows().zip(attempts.iter().skip(top)) {
        put(buffer, row, &columns.row(model, step, attempt, start));
    }
}

pub(super) fn extent(model: &Model, area: Rect) -> Extent {
    let (_, body) = parts(area);
    Extent { len: attempts(model).len(), rows: usize::from(body.height) }
}

/// The times stay; the attempts are scrolled.
fn parts(area: Rect) -> (Rect, Rect) {
    let head = Rect { height: area.height.min(1), ..area };
    (head, Rect { y: head.bottom(), height: area.height - head.height, ..area })
}

/// Every attempt, in the order in which they were started.
fn attempts(model: &Model) -> Vec<(&StepView, &AttemptView)> {
    let steps = model.view.steps();
    let mut attempts: Vec<_> =
        steps.flat_map(|step| step.attempts.iter().map(move |attempt| (step, attempt))).collect();
    attempts.sort_by_key(|(_, attempt)| attempt.started_at);
    attempts
}

/// How a row is divided, and what a column means.
struct Columns {
    name: usize,
    bar: usize,
    /// Milliseconds of all columns of a bar.
    whole: u64,
}

impl Columns {
    fn of(attempts: &[(&StepView, &AttemptView)], width: usize, whole: u64) -> Self {
        let widest = attempts.iter().map(|(step, attempt)| text::width(&name(step, attempt))).max();
        let name = widest.unwrap_or(0).min(NAME).min(width / 3);
        Self { name, bar: width.saturating_sub(name + 2 + TIME), whole: whole.max(1) }
    }

    /// Column of a time since the start.
    fn at(&self, ms: u64) -> usize {
        let column = u128::from(ms) * self.bar as u128 / u128::from(self.whole);
        usize::try_from(column).unwrap_or(usize::MAX).min(self.bar)
    }

    /// Times above the bars, at most one in twelve columns.
    fn axis(&self, model: &Model) -> Line<'static> {
        let marks = (self.bar / 12).max(1) as u64;
        let each = (self.whole / marks).max(1).div_ceil(1_000) * 1_000;
        let mut words = " ".repeat(self.name + 1);
        let mut mark = 0;
        while mark <= self.whole {
            let place = self.name + 1 + self.at(mark);
            let label = format!("╷{}", text::running_duration(mark));
            if place + text::width(&label) > self.name + 1 + self.bar {
                break;
            }
            words.push_str(&" ".repeat(place.saturating_sub(text::width(&words))));
            words.push_str(&label);
            mark += each;
        }
        Line::styled(words, model.theme.faint())
    }

    fn row(&self, model: &Model, step: &StepView, attempt: &AttemptView, start: u64) -> Line<'static> {
        let theme = model.theme;
        let name = text::fit(&name(step, attempt), self.name);
        let padding = " ".repeat(self.name - text::width(&name) + 1);
        let took = model.attempt_ms(attempt);
        let since = attempt.started_at.0.saturating_sub(start);
        let from = self.at(since).min(self.bar.saturating_sub(1));
        // However short, it is seen.
        let to = self.at(since.saturating_add(took)).clamp(from, self.bar).max((from + 1).min(self.bar));
        let icon = wording::attempt_icon(model, attempt);
        let selected = model.shown_attempt().is_some_and(|shown| shown.of == attempt.of);
        let over = attempt.finished_at.is_some();
        let time = if over { text::duration(took) } else { text::running_duration(took) };
        Line::from(vec![
            Span::styled(name, if selected { theme.selected() } else { ratatui::style::Style::new() }),
            Span::raw(padding),
            Span::styled("┄".repeat(from), theme.faint()),
            Span::styled(if over { "█" } else { "▓" }.repeat(to - from), icon.style),
            Span::raw(" ".repeat(self.bar - to + 1)),
            icon,
            Span::styled(format!(" {time}"), theme.faint()),
        ])
    }
}

/// `build`, `build #2`.
fn name(step: &StepView, attempt: &AttemptView) -> String {
    let name = sanitise::clean(step.plan.step.as_str());
    if attempt.of.iteration > 1 || attempt.of.attempt > 1 || !attempt.of.role.is_work() {
        format!("{name} {}", wording::attempt_name(attempt))
    } else {
        name
    }
}

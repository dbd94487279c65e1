//! Questions.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use crate::model::{Model, Question};
use crate::{sanitise, text};

pub(super) fn draw(model: &Model, buffer: &mut Buffer) {
    let Some(question) = &model.question else { return };
    let (question, what) = match question {
        Question::EndRun => {
            let active = model.view.counts().active;
            let what = match active {
                0 => "No step is running.".to_owned(),
                active => format!("{} will be ended.", text::count(active, "running step")),
            };
            ("End the run?".to_owned(), what)
        }
        Question::KillRun => {
            ("Kill the workers of the run?".to_owned(), "It is being ended already.".to_owned())
        }
        Question::SkipStep(step) => (
            format!("Skip step {}?", sanitise::clean(step.as_str())),
            "It will not run. Dependent steps continue as if it had succeeded.".to_owned(),
        ),
        Question::EndStep(step) => (
            format!("End step {}?", sanitise::clean(step.as_str())),
            "Its worker will be stopped.".to_owned(),
        ),
    };
    let answer = "y yes   n no (Enter)";
    let screen = buffer.area;
    if screen.width < 24 || screen.height < 7 {
        const ANSWERS: &str = " y/N";
        let room = usize::from(screen.width).saturating_sub(ANSWERS.len());
        let line = text::fit(&format!("{}{ANSWERS}", text::fit(&question, room)), usize::from(screen.width));
        let row = Rect { y: screen.bottom().saturating_sub(1), height: 1, ..screen };
        Clear.render(row, buffer);
        buffer.set_style(row, model.theme.selected());
        return super::put(buffer, row, &Line::styled(line, model.theme.selected()));
    }
    let columns = usize::from(screen.width).min(60) - 4;
    let mut lines: Vec<_> = text::wrap(&question, columns)
        .into_iter()
        .map(|line| Line::styled(line, model.theme.strong()))
        .collect();
    lines.extend(text::wrap(&what, columns).into_iter().map(Line::from));
    lines.push(Line::default());
    lines.push(Line::from(answer));
    let width = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 4;
    let height = (lines.len() as u16 + 2).min(screen.height);
    let area = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    };
    Clear.render(area, buffer);
    Block::bordered().border_type(BorderType::Rounded).render(area, buffer);
    let inner = Rect { x: area.x + 2, y: area.y + 1, width: width - 4, height: height - 2 };
    for (row, line) in inner.rows().zip(&lines) {
        super::put(buffer, row, line);
    }
}

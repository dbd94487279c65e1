//! From a line of a log to the file it names.

use ratatui::layout::Position;

use crate::location::{Location, locations};
use crate::mark::{Mark, TextRow};
use crate::message::Action;
use crate::model::Model;
use crate::programs::Places;
use crate::{text, view};

/// Opens what the current line names, or else what is named first below it.
pub(super) fn open(model: &mut Model, actions: &mut Vec<Action>) {
    let rows = view::rows(model);
    let marked = model.mark().and_then(Mark::range).map(|range| range.start.line);
    let from = marked.or(model.log.current.map(|current| current.line));
    let shown = |line: &u64| rows.iter().any(|row| row.start.line == *line);
    let from = from.filter(shown).unwrap_or(0);
    let places = lines(&rows).filter(|(line, _)| *line >= from).flat_map(|(_, text)| locations(&text));
    let places = places.map(|(_, place)| place).collect();
    edit(model, places, actions);
}

/// Opens what is named at a cell, or else in its line.
pub(super) fn open_at(model: &mut Model, rows: &[TextRow], at: Position, actions: &mut Vec<Action>) {
    let Some(clicked) = rows.iter().find(|row| row.area.y == at.y) else { return };
    // The columns of the line that is put together from its rows.
    let before = rows.iter().take_while(|row| row.area.y < at.y);
    let before = before.filter(|row| row.start.line == clicked.start.line);
    let column = before.map(|row| text::width(&row.text)).sum::<usize>()
        + usize::from(at.x - clicked.area.x.min(at.x));
    let Some((_, line)) = lines(rows).find(|(line, _)| *line == clicked.start.line) else { return };
    let mut places = locations(&line);
    // The one that was clicked at comes first.
    places.sort_by_key(|(bytes, _)| {
        let columns = text::width(&line[..bytes.start])..text::width(&line[..bytes.end]);
        !columns.contains(&column)
    });
    edit(model, places.into_iter().map(|(_, place)| place).collect(), actions);
}

fn edit(model: &mut Model, places: Vec<Location>, actions: &mut Vec<Action>) {
    if places.is_empty() {
        model.notice = Some("no file with a line (src/main.rs:12) is named here".to_owned());
        return;
    }
    let dir = model.view.head.as_ref().map(|head| head.workspace.clone()).unwrap_or_default();
    actions.push(Action::Edit(Places { places, dir: dir.into() }));
}

/// Lines of the pane as far as they are on screen, with what is wrapped put together.
fn lines(rows: &[TextRow]) -> impl Iterator<Item = (u64, String)> {
    rows.chunk_by(|one, other| one.start.line == other.start.line)
        .map(|rows| (rows[0].start.line, rows.iter().map(|row| row.text.as_str()).collect()))
}

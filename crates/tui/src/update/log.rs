//! What a person does with a log, and what comes of it.

use roboppi_ipc::OutputStream;

use super::marking;
use crate::keymap::Key;
use crate::layout::{Areas, log_parts, log_text};
use crate::log_pane::{Anchor, Direction, LogReply, Prompt, Purpose, RowPos, Sought, Wanted};
use crate::message::Action;
use crate::model::Model;

use super::selection;

/// Columns gone to the side at a time.
const ASIDE: usize = 16;

/// Rows and columns of the text.
fn extent(model: &Model) -> (u16, u16) {
    let (area, _) = log_parts(Areas::of(model.size, model.focus).pane);
    let area = log_text(area, model.log.times);
    (area.height, area.width)
}

/// Opens a prompt.
pub(super) fn ask(model: &mut Model, purpose: Purpose) {
    let pattern = model.log.query.as_ref().is_some_and(|query| query.pattern) && purpose != Purpose::GoTo;
    model.log.prompt = Some(Prompt { purpose, text: String::new(), pattern });
}

/// Gives a key to the prompt. `false` when there is none.
pub(super) fn type_in(model: &mut Model, key: Key) -> bool {
    let Some(prompt) = &mut model.log.prompt else { return false };
    match key {
        Key::Char(char) => prompt.push(char),
        Key::Ctrl('u') => prompt.text.clear(),
        Key::Ctrl('r') if prompt.purpose != Purpose::GoTo => prompt.pattern = !prompt.pattern,
        Key::Up if prompt.purpose != Purpose::GoTo => {
            if let Some(query) = &model.log.query {
                prompt.text.clone_from(&query.text);
            }
        }
        Key::Backspace if prompt.text.is_empty() => model.log.prompt = None,
        Key::Backspace => drop(prompt.text.pop()),
        Key::Enter => {
            if let Some(prompt) = model.log.prompt.take() {
                submit(model, &prompt);
            }
        }
        Key::Esc => model.log.prompt = None,
        _ => {}
    }
    true
}

fn submit(model: &mut Model, prompt: &Prompt) {
    if prompt.purpose == Purpose::GoTo {
        return go_to(model, &prompt.text);
    }
    // Nothing typed: the same again, this way.
    if prompt.text.is_empty() {
        if model.log.query.is_some() {
            model.log.direction = prompt.direction();
            next_match(model, false);
        }
        return;
    }
    let query = prompt.query();
    if let Err(error) = query.needle() {
        model.notice = Some(format!("not a regular expression: {error}"));
        return;
    }
    model.follow = false;
    model.log.current = None;
    model.log.direction = prompt.direction();
    model.log.query = Some(query.clone());
    model.log.search_for(Sought::Match(query), prompt.direction());
}

fn go_to(model: &mut Model, text: &str) {
    let Some(began) = model.shown_attempt().map(|attempt| attempt.started_at) else { return };
    model.follow = false;
    match Wanted::parse(text, model.log.window.total, began, &model.zone) {
        Ok(Wanted::Line(line)) => {
            let (rows, _) = extent(model);
            model.log.show_line(line, rows);
        }
        Ok(Wanted::Time(time)) => model.log.search_for_time(time),
        Ok(Wanted::Attempt { iteration, attempt }) => {
            if let Err(error) = selection::show_attempt(model, iteration, attempt) {
                model.notice = Some(error);
            }
        }
        Err(error) => model.notice = Some(error),
    }
}

/// The next match in the direction of the search, or against it.
pub(super) fn next_match(model: &mut Model, against: bool) {
    let Some(query) = model.log.query.clone() else { return };
    let direction = match (model.log.direction, against) {
        (Direction::Forward, false) | (Direction::Backward, true) => Direction::Forward,
        (Direction::Forward, true) | (Direction::Backward, false) => Direction::Backward,
    };
    model.follow = false;
    model.log.search_for(Sought::Match(query), direction);
}

pub(super) fn next_error(model: &mut Model, direction: Direction) {
    model.follow = false;
    // The first one of all explains the others.
    if model.log.current.is_none() && direction == Direction::Forward && model.log.follows() {
        model.log.put(Anchor::At { place: RowPos::default(), delta: 0 });
        model.log.window.rows.clear();
    }
    model.log.search_for(Sought::Error, direction);
}

pub(super) fn toggle_filter(model: &mut Model) {
    let log = &mut model.log;
    log.filter = !log.filter;
    keep_place(model);
}

pub(super) fn next_stream(model: &mut Model) {
    model.log.stream = match model.log.stream {
        None => Some(OutputStream::Stdout),
        Some(OutputStream::Stdout) => Some(OutputStream::Stderr),
        Some(OutputStream::Stderr) => None,
    };
    keep_place(model);
}

/// Stays at the match, or at the first row, when other lines are left out than before.
fn keep_place(model: &mut Model) {
    if model.log.follows() {
        return;
    }
    let (rows, _) = extent(model);
    let line = model.log.current.map_or(model.log.window.top.line, |current| current.line);
    model.log.show_line(line, if model.log.current.is_some() { rows } else { 0 });
}

pub(super) fn end_search(model: &mut Model) {
    let filtered = std::mem::take(&mut model.log.filter);
    if filtered {
        keep_place(model);
    }
    model.log.query = None;
    model.log.current = None;
    model.log.seek = None;
}

pub(super) fn toggle_wrap(model: &mut Model) {
    model.log.wrap = !model.log.wrap;
    model.log.left = 0;
    if !model.log.follows() {
        let line = model.log.window.top.line;
        model.log.put(Anchor::At { place: RowPos { line, part: 0 }, delta: 0 });
    }
}

pub(super) fn aside(model: &mut Model, by: isize) {
    let step = ASIDE.cast_signed().saturating_mul(by);
    model.log.left = model.log.left.saturating_add_signed(step);
}

pub(super) fn copy_path(model: &mut Model, actions: &mut Vec<Action>) {
    let Some(attempt) = model.shown_attempt() else { return };
    let path = model.log_path(attempt);
    model.notice = Some(format!("copied {path}"));
    actions.push(Action::Copy(path));
}

/// What the log_service answered.
pub(super) fn answered(model: &mut Model, reply: LogReply, actions: &mut Vec<Action>) {
    match reply {
        LogReply::Window(window) => {
            model.log.ingest(window);
            marking::reach_pointer(model);
        }
        LogReply::Sought(found) => {
            let (rows, columns) = extent(model);
            if let Some(words) = model.log.found(found, rows, usize::from(columns)) {
                model.notice = Some(words);
            }
        }
        LogReply::Copied(copied) => {
            if model.log.copy.take_if(|copy| copy.number == copied.number).is_none() {
                return;
            }
            let more = if copied.cut { ", there is more than fits" } else { "" };
            model.notice = Some(marking::copied_in_words(&copied.text) + more);
            actions.push(Action::Copy(copied.text));
        }
    }
    model.dirty = true;
}

#[cfg(test)]
pub(super) mod tests;

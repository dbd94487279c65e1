//! What the mouse does.

use ratatui::layout::Position;
use roboppi_ipc::UtcMillis;

use super::motion::Move;
use super::scroll;
use super::{editor, log, marking, selection, timeline};
use crate::layout::Focus;
use crate::layout::{Areas, log_parts};
use crate::log_pane::Anchor;
use crate::mark::{Mark, Unit};
use crate::message::Action;
use crate::model::Model;
use crate::mouse::{Mouse, MouseAction};
use crate::tab::Tab;
use crate::view;

/// Rows that a notch of the wheel scrolls.
const NOTCH: isize = 3;

/// Rows at a time when the pointer pulls at an edge, at most.
const PULL: isize = 8;

pub(super) fn mouse(model: &mut Model, mouse: Mouse, now: UtcMillis, actions: &mut Vec<Action>) {
    // A question is answered first, by a key.
    if model.question.is_some() || model.put_away {
        return;
    }
    match mouse.action {
        MouseAction::WheelUp => wheel(model, mouse.at, -1),
        MouseAction::WheelDown => wheel(model, mouse.at, 1),
        MouseAction::WheelLeft => aside(model, -1),
        MouseAction::WheelRight => aside(model, 1),
        MouseAction::Press => press(model, mouse, now, actions),
        MouseAction::Drag => drag(model, mouse.at),
        MouseAction::Release => release(model, actions),
    }
}

fn wheel(model: &mut Model, at: Position, notches: isize) {
    let areas = Areas::of(model.size, model.focus);
    if areas.steps.contains(at) || areas.pane.area() == 0 {
        selection::step_by(model, notches);
    } else {
        scroll::pane(model, Move::Rows(notches * NOTCH));
        marking::reach_pointer(model);
    }
}

fn aside(model: &mut Model, by: isize) {
    if model.tab == Tab::Logs && !model.log.wrap {
        log::aside(model, by);
    }
}

fn press(model: &mut Model, mouse: Mouse, now: UtcMillis, actions: &mut Vec<Action>) {
    model.notice = None;
    model.mark = None;
    model.end_typing();
    let clicks = model.clicks.count(mouse.at, now);
    let areas = Areas::of(model.size, model.focus);
    let list = view::list_area(model, areas.steps);
    if list.contains(mouse.at) {
        let row = model.list.top + usize::from(mouse.at.y - list.y);
        if let Some(index) = model.listed().get(row) {
            selection::select_index(model, *index);
            model.focus = if clicks == 2 { Focus::Pane } else { Focus::Steps };
        }
    } else if areas.tabs.contains(mouse.at) {
        if let Some(tab) = view::tab_at(model, areas.tabs, mouse.at.x) {
            selection::show_tab(model, tab);
        }
    } else if areas.pane.contains(mouse.at) {
        model.focus = Focus::Pane;
        let rows = view::rows(model);
        if mouse.ctrl {
            return editor::open_at(model, &rows, mouse.at, actions);
        }
        if model.tab == Tab::Timeline {
            timeline::click(model, mouse.at);
        }
        let unit = Unit::of_click(clicks);
        if let Some(found) = marking::unit_at(&rows, mouse.at, unit) {
            model.mark = Some(Mark::begin(model.shown_text(), unit, found, mouse.at));
        }
    }
}

fn drag(model: &mut Model, at: Position) {
    let Some(mark) = model.mark.as_mut().filter(|mark| mark.held.is_some()) else { return };
    mark.held = Some(at);
    model.follow = false;
    // Text that is marked does not run away.
    if model.tab == Tab::Logs && model.log.follows() {
        let place = model.log.window.top;
        model.log.put(Anchor::At { place, delta: 0 });
    } else if model.tab != Tab::Logs {
        scroll::pane(model, Move::Rows(0));
    }
    marking::reach_pointer(model);
}

fn release(model: &mut Model, actions: &mut Vec<Action>) {
    let Some(mark) = &mut model.mark else { return };
    if mark.held.take().is_none() {
        return;
    }
    if mark.range().is_none() {
        model.mark = None;
        return;
    }
    marking::copy_marked(model, actions);
}

/// The pointer pulls at an edge of the pane, and some time went by.
pub(super) fn pull(model: &mut Model) {
    let Some(by) = pulled(model) else { return };
    scroll::pane(model, Move::Rows(by.clamp(-PULL, PULL)));
    marking::reach_pointer(model);
}

/// Rows that the pointer is beyond an edge of the text while the button is down.
pub(super) fn pulled(model: &Model) -> Option<isize> {
    let at = model.mark()?.held?;
    let pane = Areas::of(model.size, model.focus).pane;
    let text = if model.tab == Tab::Logs { log_parts(pane).0 } else { pane };
    let [y, top, bottom] = [at.y, text.top(), text.bottom()].map(|row| isize::try_from(row).unwrap_or(0));
    match y {
        above if above < top => Some(above - top),
        below if below >= bottom => Some(below - bottom + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

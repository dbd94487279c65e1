//! Which steps are listed, and which keys the help shows.

use super::selection;
use crate::keymap::Key;
use crate::layout::Focus;
use crate::model::{Model, Scroll};
use crate::step_list::has_failed;
use crate::tab::Tab;

/// Gives a key to the filter that is typed. `false` when there is none, or the key is not for it.
pub(super) fn type_in(model: &mut Model, key: Key) -> bool {
    if model.help_filter.type_in(key) {
        model.scroll[Tab::Help.index()] = Scroll::default();
        return true;
    }
    if !model.list.filter.type_in(key) {
        return false;
    }
    if model.list.filter.is_active() && !model.lists_selected() {
        select_first(model);
    }
    true
}

/// `F`.
pub(super) fn filter_steps(model: &mut Model) {
    model.focus = Focus::Steps;
    model.list.filter.open();
}

/// `/` in the help.
pub(super) fn filter_help(model: &mut Model) {
    model.focus = Focus::Pane;
    model.help_filter.open();
}

/// `Esc`.
pub(super) fn clear(model: &mut Model) {
    match model.focus {
        Focus::Steps => model.list.filter.clear(),
        Focus::Pane => model.help_filter.clear(),
    }
}

/// `d`.
pub(super) fn hide_done(model: &mut Model) {
    model.list.hide_done = !model.list.hide_done;
    model.notice = Some(
        if model.list.hide_done {
            "steps that succeeded are hidden, d shows them"
        } else {
            "all steps are shown"
        }
        .to_owned(),
    );
    if model.list.hide_done && !model.follow && !model.lists_selected() {
        select_first(model);
    }
}

fn select_first(model: &mut Model) {
    if let Some(first) = model.first_listed() {
        selection::select_index(model, first);
    }
}

/// `n` and `N`: to another step that failed, from the last one again to the first one.
pub(super) fn next_failed(model: &mut Model, back: bool) {
    let failed: Vec<usize> =
        (0..model.view.steps.len()).filter(|at| has_failed(&model.view.steps[*at])).collect();
    let at = model.selected_index().unwrap_or(0);
    let (next, other_end) = if back {
        (failed.iter().rfind(|failed| **failed < at), failed.last())
    } else {
        (failed.iter().find(|failed| **failed > at), failed.first())
    };
    let Some(&target) = next.or(other_end) else { return };
    if next.is_none() {
        let end = if back { "last" } else { "first" };
        model.notice = Some(if target == at {
            "no other step failed".to_owned()
        } else {
            format!("wrapped to the {end} step that failed")
        });
    }
    selection::select_index(model, target);
}

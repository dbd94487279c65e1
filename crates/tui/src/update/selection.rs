//! Which step is selected.

use roboppi_run::{AttemptRef, RunOutcome, RunStatus, StepPath, StepState, StepView};

use crate::diff_pane::{Diffs, Heading};
use crate::layout::{Areas, Focus};
use crate::model::{Model, Scroll};
use crate::tab::{StepKind, Tab};

use super::earlier;
use super::motion::Move;

/// Makes sure something is selected and, when the selection follows the run, that it is the right thing.
/// `just_over` says that the run ended with this message.
pub(super) fn settle(model: &mut Model, just_over: bool) {
    if model.selected.as_ref().is_none_or(|step| model.view.step(step).is_none()) {
        let first = model.view.steps.first().map(|step| step.plan.step.clone());
        if first.is_none() {
            return;
        }
        select(model, first);
    }
    if !model.follow {
        return;
    }
    let target = if just_over { culprit(model) } else { running(model) };
    if target.is_some() {
        select(model, target);
    }
}

/// The step that is at work: the selected one as long as it is, else the first one.
fn running(model: &Model) -> Option<StepPath> {
    if model.is_over() || model.shown_step().is_some_and(|step| step.state.is_active()) {
        return None;
    }
    let step = model.view.steps.iter().find(|step| step.state.is_active())?;
    Some(step.plan.step.clone())
}

/// The step because of which the run did not succeed.
fn culprit(model: &Model) -> Option<StepPath> {
    let RunStatus::Finished { outcome, .. } = &model.view.status else { return None };
    if *outcome == RunOutcome::Succeeded {
        return None;
    }
    let find =
        |state: StepState| model.view.steps.iter().find(|step| step.state == state && !step.allowed_to_fail);
    let step =
        find(StepState::Failed).or_else(|| find(StepState::Lost)).or_else(|| find(StepState::Cancelled))?;
    Some(step.plan.step.clone())
}

/// Selects a step and forgets what was chosen of another one.
pub(super) fn select(model: &mut Model, step: Option<StepPath>) {
    if model.selected == step {
        return;
    }
    model.selected = step;
    model.fit_tab();
    for tab in [Tab::Overview, Tab::Diffs, Tab::Usage, Tab::Result] {
        model.scroll[tab.index()] = Scroll::default();
    }
    choose_attempt(model, None);
}

/// Chooses an attempt and forgets what was chosen of another one.
pub(super) fn choose_attempt(model: &mut Model, attempt: Option<usize>) {
    model.attempt = attempt;
    model.diffs.leave();
    model.activity.leave();
    model.scroll[Tab::Activity.index()] = Scroll { top: 0, stick: true };
    model.scroll[Tab::Diffs.index()] = Scroll::default();
    model.scroll[Tab::Result.index()] = Scroll::default();
    model.log.leave();
}

/// Moves the selection by some rows; the person takes over.
pub(super) fn step_by(model: &mut Model, rows: isize) {
    let listed = model.listed();
    let Some(last) = listed.len().checked_sub(1) else { return };
    let selected = model.selected_index();
    let at = listed.iter().position(|at| Some(*at) == selected).unwrap_or(0);
    select_index(model, listed[at.saturating_add_signed(rows).min(last)]);
}

/// Selects the step at a place; the person takes over.
pub(super) fn select_index(model: &mut Model, index: usize) {
    model.follow = false;
    let step = model.view.steps.get(index).map(|step| step.plan.step.clone());
    if step.is_some() {
        select(model, step);
    }
}

/// `f`.
pub(super) fn toggle_follow(model: &mut Model) {
    model.follow = !model.follow;
    model.notice = Some(if model.follow { "following the running step" } else { "not following" }.to_owned());
    let over = model.view.is_finished();
    settle(model, over);
}

/// `[` and `]`.
pub(super) fn attempt_by(model: &mut Model, by: isize) {
    let Some(at) = model.attempt_index() else { return };
    let last = model.shown_step().map_or(0, |step| step.attempts.len().saturating_sub(1));
    let chosen = at.saturating_add_signed(by).min(last);
    model.follow = false;
    if chosen != at {
        // The latest stays the latest when there are more.
        choose_attempt(model, (chosen < last).then_some(chosen));
    }
}

/// `:a2`, `:i3`, `:i3a2`: the attempt of these numbers; without a number the iteration that is shown, or the latest
/// attempt.
///
/// # Errors
/// When there is none, in words for the person.
pub(super) fn show_attempt(
    model: &mut Model,
    iteration: Option<u32>,
    attempt: Option<u32>,
) -> Result<(), String> {
    let (Some(step), Some(shown)) = (model.shown_step(), model.shown_attempt()) else { return Ok(()) };
    let iteration = iteration.unwrap_or(shown.of.iteration);
    let is_wanted =
        |of: &AttemptRef| of.iteration == iteration && attempt.is_none_or(|attempt| of.attempt == attempt);
    let Some(at) = step.attempts.iter().rposition(|one| is_wanted(&one.of)) else {
        return Err(no_attempt(step, iteration, attempt));
    };
    let last = step.attempts.len() - 1;
    if model.attempt_index() != Some(at) {
        choose_attempt(model, (at < last).then_some(at));
    }
    Ok(())
}

/// Which attempts there are instead.
fn no_attempt(step: &StepView, iteration: u32, attempt: Option<u32>) -> String {
    let of_iteration = step.attempts.iter().map(|one| &one.of).filter(|of| of.iteration == iteration);
    let attempts: Vec<u32> = of_iteration.map(|of| of.attempt).collect();
    let (what, wanted, known) = match attempt.filter(|_| !attempts.is_empty()) {
        Some(attempt) => ("attempt", attempt, attempts),
        None => ("iteration", iteration, step.attempts.iter().map(|one| one.of.iteration).collect()),
    };
    let (first, last) = (known.iter().min().unwrap_or(&1), known.iter().max().unwrap_or(&1));
    let step = &step.plan.step;
    if first == last {
        format!("{step} has no {what} {wanted}, only {first}")
    } else {
        format!("{step} has no {what} {wanted}, only {first} to {last}")
    }
}

/// `<` and `>`: to another heading of the changes, or another thing an agent did.
pub(super) fn change_by(model: &mut Model, by: isize) {
    if model.tab == Tab::Activity {
        let at = if by < 0 { 0 } else { usize::MAX };
        if model.activity.is_at_edge(by) && earlier::turn_page(model, Move::Rows(by), at, 0) {
            model.follow = false;
            return;
        }
        if let Some(row) = model.activity.choose(by) {
            model.follow = false;
            model.scroll[Tab::Activity.index()] = Scroll { top: row, stick: false };
        }
        return;
    }
    let found = model.shown_attempt().and_then(|attempt| {
        let diffs = Diffs::of(&model.diffs, attempt);
        let heading = diffs.neighbour(by)?;
        let row = diffs.row_of(&heading);
        Some((heading, row))
    });
    let Some((heading, row)) = found else { return };
    model.follow = false;
    model.diffs.choose(heading);
    model.scroll[Tab::Diffs.index()] = Scroll { top: row, stick: false };
}

/// Space: folds or unfolds what is below the current heading.
pub(super) fn fold(model: &mut Model) {
    if model.tab == Tab::Activity {
        return model.activity.fold();
    }
    let Some(attempt) = model.shown_attempt() else { return };
    if let Some(heading) = Diffs::of(&model.diffs, attempt).current() {
        model.diffs.toggle(heading.clone());
        model.diffs.choose(heading);
        change_by(model, 0);
    }
}

/// `z`: folds all files, or unfolds everything.
pub(super) fn fold_all(model: &mut Model) {
    if model.tab == Tab::Activity {
        return model.activity.fold_all();
    }
    let Some(attempt) = model.shown_attempt() else { return };
    let diffs = Diffs::of(&model.diffs, attempt);
    let files = diffs.files.iter().map(|file| Heading::File(file.path.to_owned())).collect();
    model.diffs.toggle_all(files);
    change_by(model, 0);
}

/// Scrolls the list so that the selected row is shown and no room is wasted.
pub(super) fn keep_in_sight(model: &mut Model, rows: usize) {
    let (listed, selected) = (model.listed(), model.selected_index());
    let selected = listed.iter().position(|at| Some(*at) == selected).unwrap_or(0);
    let most = listed.len().saturating_sub(rows);
    let lowest = (selected + 1).saturating_sub(rows);
    model.list.top = model.list.top.clamp(lowest.min(selected), selected).min(most.max(lowest));
}

/// Shows a tab; on a small screen that means going there.
pub(super) fn show_tab(model: &mut Model, tab: Tab) {
    if tab.is_of_agents() && model.step_kind() != StepKind::Agent {
        model.notice = Some(format!("only steps of agents have the tab {}", tab.name()));
        return;
    }
    model.end_typing();
    model.tab_choice.choose(tab, model.step_kind());
    model.before_help = None;
    model.fit_tab();
    if Areas::of(model.size, model.focus).pane.area() == 0 {
        model.focus = Focus::Pane;
    }
}

//! What is done to the run, to a step, and to the screen.

use roboppi_attach::RunCommand;
use roboppi_run::RunStatus;

use super::command;
use crate::message::Action;
use crate::model::{Model, Question, can_be_ended, can_be_retried, can_be_skipped};
use crate::{Role, notify, text};

/// Ctrl-C: ask the run to end, then kill, then leave. A run that is being ended for another reason is one
/// stage further already.
pub(super) fn interrupt(model: &mut Model, actions: &mut Vec<Action>) {
    model.question = None;
    if model.is_over() || model.settings.role != Role::Owner {
        return actions.push(Action::Leave);
    }
    match model.stage() {
        0 => {
            model.asked = 1;
            command(RunCommand::CancelRun { force: false }, actions);
        }
        1 => {
            model.asked = 2;
            command(RunCommand::CancelRun { force: true }, actions);
        }
        _ => {
            command(RunCommand::LeaveNow, actions);
            actions.push(Action::Leave);
        }
    }
}

/// `q`.
pub(super) fn quit(model: &mut Model, actions: &mut Vec<Action>) {
    if model.is_over() {
        actions.push(Action::Leave);
    } else if model.stage() > 0 {
        model.notice = Some("the run is being ended; Ctrl-C goes a stage further".to_owned());
    } else {
        model.question = Some(Question::EndRun);
    }
}

/// `X`, by somebody who can leave without it.
pub(super) fn ask_to_end_run(model: &mut Model) {
    model.question = Some(if model.stage() == 0 { Question::EndRun } else { Question::KillRun });
}

/// `x`.
pub(super) fn ask_to_end_step(model: &mut Model) {
    if let Some(step) = model.shown_step().filter(|step| can_be_ended(step)) {
        model.question = Some(Question::EndStep(step.plan.step.clone()));
    }
}

/// `x`, for a step that has not started.
pub(super) fn ask_to_skip_step(model: &mut Model) {
    if let Some(step) = model.shown_step().filter(|step| can_be_skipped(step)) {
        model.question = Some(Question::SkipStep(step.plan.step.clone()));
    }
}

/// `r`. It costs nothing that cannot be ended again, so nothing is asked.
pub(super) fn retry_step(model: &mut Model, actions: &mut Vec<Action>) {
    let Some(step) = model.shown_step().filter(|step| can_be_retried(step)) else { return };
    if model.is_over() {
        model.notice = Some(match model.view.resume_command() {
            Some(command) => {
                // The short part first: a path may be longer than the screen.
                let run = model.view.head.as_ref().map(roboppi_run::RunHead::short_name).unwrap_or_default();
                format!("the run is over; --resume {run} continues it: {command}")
            }
            None => "the run is over, and there is no workflow file to resume with".to_owned(),
        });
        return;
    }
    let step = step.plan.step.clone();
    model.notice = Some(format!("requested a retry of {step}"));
    command(RunCommand::RetryStep(step), actions);
}

/// A command that was refused.
pub(super) fn answered(model: &mut Model, refused: &str) {
    model.notice = Some(format!("not done: {refused}"));
}

/// `y`.
pub(super) fn confirm(model: &mut Model, actions: &mut Vec<Action>) {
    match model.question.take() {
        None => {}
        Some(Question::EndRun) => {
            // What others make of it is seen when it is.
            if model.settings.role == Role::Owner {
                model.asked = model.asked.max(1);
            }
            command(RunCommand::CancelRun { force: false }, actions);
        }
        Some(Question::KillRun) => command(RunCommand::CancelRun { force: true }, actions),
        Some(Question::EndStep(step)) => {
            model.notice = Some(format!("requested the end of {step}"));
            command(RunCommand::CancelStep(step), actions);
        }
        Some(Question::SkipStep(step)) => {
            model.notice = Some(format!("requested to skip {step}"));
            command(RunCommand::SkipStep(step), actions);
        }
    }
}

/// The run has just ended: tells it when that took long enough for a person to look elsewhere.
pub(super) fn notify(model: &Model, actions: &mut Vec<Action>) {
    let Some(notify) = model.settings.notify else { return };
    let RunStatus::Finished { outcome, duration_ms, .. } = &model.view.status else { return };
    if u128::from(*duration_ms) < notify.after.as_millis() {
        return;
    }
    let name = model.view.head.as_ref().map_or(model.settings.title.as_str(), |head| head.name.as_str());
    let text = format!("{} after {}", outcome.name(), text::running_duration(*duration_ms));
    actions.push(Action::Notify(notify::bytes(notify.by, name, &text)));
}

//! How what happens changes the model. Does no I/O and reads no clock.

use std::sync::Arc;

use ratatui::layout::Size;
use roboppi_attach::RunCommand;
use roboppi_ipc::{WorkerEvent, WorkerKind};
use roboppi_record::AttemptFiles;
use roboppi_run::{AttemptStatus, Forecast, RunEvent, RunRecord, RunStatus, RunView};

use crate::fetch::Wanted;
use crate::layout::{Areas, log_parts, log_text};
use crate::log_pane::{Layout, LogRequest};
use crate::message::{Action, Message};
use crate::model::{Model, Question, can_be_ended, can_be_skipped};
use crate::tab::Tab;
use crate::{Colours, view};

mod earlier;
mod editor;
mod ending;
mod filtering;
mod keys;
mod leaving;
mod log;
mod marking;
mod motion;
mod mouse;
mod scroll;
mod selection;
mod timeline;

/// Takes one message in and says what is to be done.
pub(crate) fn update(model: &mut Model, message: Message) -> Vec<Action> {
    let mut actions = Vec::new();
    match message {
        Message::Key(key) => {
            model.dirty = true;
            leaving::used(model, Some(key));
            make_rows(model);
            keys::press(model, key, &mut actions);
            if model.staying.keys_ended {
                leaving::leave_if_over(model, &mut actions);
            }
        }
        Message::Mouse(event, now) => {
            model.dirty = true;
            leaving::used(model, None);
            make_rows(model);
            mouse::mouse(model, event, now, &mut actions);
        }
        Message::Pull => {
            model.dirty = true;
            make_rows(model);
            mouse::pull(model);
        }
        Message::Resize(size) => {
            if model.size != size {
                model.dirty = true;
                let in_sight = timeline::is_in_sight(model);
                model.size = size;
                if in_sight {
                    timeline::keep_in_sight(model);
                }
                // The rows of a page are others now.
                model.mark = model.mark.take().filter(|mark| mark.of.0 == Tab::Logs);
            }
        }
        Message::Tick(now) => {
            model.now = now;
            model.frame = model.frame.wrapping_add(1);
            model.dirty = true;
            leaving::leave_if_unused(model, &mut actions);
        }
        Message::Follow(view) => follow(model, *view, &mut actions),
        Message::Record(record) => ingest_record(model, &record, &mut actions),
        Message::Ended => {
            model.ended = true;
            model.dirty = true;
            leaving::leave_if_over(model, &mut actions);
        }
        Message::RequestLost(why) => {
            model.notice = Some(why);
            model.dirty = true;
        }
        Message::Edited(trouble) => {
            model.notice = trouble;
            model.dirty = true;
        }
        Message::History(history) => {
            model.history = history;
            model.dirty = true;
        }
        Message::Log(reply) => log::answered(model, reply, &mut actions),
        Message::CoreTail(tail) => model.core_tail = tail,
        Message::Whole(name, text) => {
            model.dirty = true;
            model.activity.read(name, text);
        }
        Message::Earlier(read) => {
            model.dirty = true;
            earlier::arrived(model, read);
        }
    }
    close_stale_question(model);
    actions
}

/// Another view to begin with.
fn follow(model: &mut Model, view: RunView, actions: &mut Vec<Action>) {
    let was_over = model.is_over();
    let was_known = model.view.head.is_some();
    let in_sight = timeline::is_in_sight(model);
    model.view = view;
    model.activity.read_anew(&model.view);
    model.fit_tab();
    model.dirty = true;
    let just_over = !was_over && model.is_over();
    settle(model, just_over, in_sight);
    if just_over && was_known {
        ending::notify(model, actions);
    }
    leaving::leave_if_over(model, actions);
}

/// Selects what the selection follows, and keeps it in sight, as it does with what was `in_sight`.
fn settle(model: &mut Model, just_over: bool, in_sight: bool) {
    let selected = model.selected.clone();
    selection::settle(model, just_over);
    if in_sight || selected != model.selected {
        timeline::keep_in_sight(model);
    }
}

fn ingest_record(model: &mut Model, record: &RunRecord, actions: &mut Vec<Action>) {
    model.dirty |= is_visible(model, record);
    let in_sight = changes_steps(record) && timeline::is_in_sight(model);
    model.view.apply(record);
    ingest_activity(model, record);
    // A command without a sender is one of this screen.
    if let RunRecord::Journal(record) = record
        && let RunEvent::Command { by: None, refused: Some(refused), .. } = &record.event
    {
        ending::answered(model, refused);
    }
    if changes_steps(record) {
        let just_over = matches!(record, RunRecord::Journal(record)
            if matches!(record.event, RunEvent::RunFinished { .. }));
        settle(model, just_over, in_sight);
        if just_over {
            ending::notify(model, actions);
        }
        leaving::leave_if_over(model, actions);
    }
}

/// Brings up to date what a frame needs and no message changes by itself. To be called before each frame.
pub(crate) fn prepare(model: &mut Model) {
    let rows = view::list_area(model, Areas::of(model.size, model.focus).steps).height;
    selection::keep_in_sight(model, usize::from(rows));
    model.forecast = Forecast::of(&model.view, &model.history, |step| model.step_ms(step));
    make_rows(model);
}

/// Makes the rows that are scrolled and chosen among. A key may come before the frame that would have shown them.
fn make_rows(model: &mut Model) {
    if model.tab == Tab::Activity {
        let columns = usize::from(Areas::of(model.size, model.focus).pane.width);
        // What is being read stays where it is, whatever goes away or grows above it.
        let extent = view::extent(model);
        let top = view::top(model, extent.len, extent.rows);
        let first = model.activity.place_of(top);
        let mut pane = std::mem::take(&mut model.activity);
        if let Some(attempt) = model.shown_attempt() {
            let earlier = pane.earlier.shown().map(Arc::clone);
            let activity = earlier.as_deref().unwrap_or(&attempt.activity);
            pane.render(activity, columns, |item, layout, pane| {
                view::activity_item(model, pane, activity, item, layout)
            });
        }
        if let Some(first) = first {
            model.scroll[Tab::Activity.index()].top = pane.row_of(first);
        }
        model.activity = pane;
    }
    if model.tab == Tab::Diffs {
        let mut diffs = std::mem::take(&mut model.diffs);
        if let Some(attempt) = model.shown_attempt() {
            diffs.index.ingest(attempt);
        }
        model.diffs = diffs;
    }
}

/// Texts that are still being written are not part of the view.
fn ingest_activity(model: &mut Model, record: &RunRecord) {
    match record {
        RunRecord::Attempt(of, record) => {
            model.activity.ingest(of, &record.event);
        }
        RunRecord::Journal(record) => {
            if let RunEvent::AttemptFinished { of, .. } = &record.event {
                model.activity.over(of);
            }
        }
    }
}

/// Whether the pointer pulls at an edge of the pane, so that it is to be scrolled again and again.
pub(crate) fn pulls(model: &Model) -> bool {
    mouse::pulled(model).is_some()
}

/// What the next frame needs of a log.
pub(crate) fn log_request(model: &Model) -> Option<LogRequest> {
    let pane = Areas::of(model.size, model.focus).pane;
    if model.tab != Tab::Logs || pane.area() == 0 || model.log_is_closed() {
        return None;
    }
    let (area, _) = log_parts(pane);
    let text = log_text(area, model.log.times);
    let log = &model.log;
    let attempt = model.shown_attempt()?;
    let ended = match &attempt.status {
        AttemptStatus::Finished { result, log_bytes } => Some(AttemptFiles::of(result, *log_bytes, 0)),
        AttemptStatus::Started | AttemptStatus::Phase(_) => None,
    };
    Some(LogRequest {
        of: attempt.of.clone(),
        ended,
        anchor: log.anchor,
        epoch: log.epoch,
        rows: text.height,
        columns: text.width,
        layout: if log.wrap { Layout::Wrapped } else { Layout::From(log.left) },
        colour: model.settings.colours != Colours::None,
        scripted: model
            .view
            .step(&attempt.of.step)
            .is_some_and(|step| step.worker_of(&attempt.of) == WorkerKind::CUSTOM),
        query: log.query.clone(),
        filter: log.filter,
        stream: log.stream,
        current: log.current.map(|current| current.line),
        seek: log.seek.clone(),
        copy: log.copy,
    })
}

/// What of the record, beside logs, the next frame shows and does not have.
pub(crate) fn wanted_of_record(model: &Model) -> Option<Wanted> {
    if model.tab != Tab::Activity {
        return None;
    }
    let pane = &model.activity;
    if let Some(request) = pane.earlier.wanted() {
        return Some(Wanted::Earlier(request.clone()));
    }
    pane.wanted().map(|name| Wanted::Whole(name.to_owned()))
}

/// Whether the next frame shows what the core said.
pub(crate) fn wants_core_tail(model: &Model) -> bool {
    let Size { width, height } = model.size;
    model.tab == Tab::Core && width > 0 && height > 0
}

/// Output and partial text change nothing but the log of their attempt; a frame for them is drawn only when
/// that attempt is shown.
fn is_visible(model: &Model, record: &RunRecord) -> bool {
    match record {
        RunRecord::Journal(_) => true,
        RunRecord::Attempt(of, record) => match record.event {
            WorkerEvent::Stdout(_)
            | WorkerEvent::Stderr(_)
            | WorkerEvent::LogGrew(_)
            | WorkerEvent::TextDelta(_)
            | WorkerEvent::ThinkingDelta(_)
            | WorkerEvent::Gap(_) => {
                matches!(model.tab, Tab::Logs | Tab::Activity)
                    && model.shown_attempt().is_some_and(|shown| shown.of == *of)
            }
            _ => true,
        },
    }
}

/// Whether a record can move the selection or end the run.
const fn changes_steps(record: &RunRecord) -> bool {
    matches!(record, RunRecord::Journal(_))
}

/// A question is void once its subject is gone.
fn close_stale_question(model: &mut Model) {
    let stale = match &model.question {
        None => false,
        Some(Question::EndRun) => {
            model.is_over() || matches!(model.view.status, RunStatus::Ending { .. }) || model.asked > 0
        }
        Some(Question::KillRun) => model.is_over() || model.stage() > 1,
        Some(Question::SkipStep(step)) => {
            model.is_over() || !model.view.step(step).is_some_and(can_be_skipped)
        }
        Some(Question::EndStep(step)) => model.is_over() || !model.view.step(step).is_some_and(can_be_ended),
    };
    if stale {
        model.question = None;
        model.dirty = true;
    }
}

/// Ends with a command.
fn command(command: RunCommand, actions: &mut Vec<Action>) {
    actions.push(Action::Request(command));
}

#[cfg(test)]
mod tests;

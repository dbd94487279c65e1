//! How what happens changes the model of a dashboard. Does no I/O and reads no clock.

use std::collections::HashSet;

use ratatui::layout::Size;
use roboppi_attach::Statistic;
use roboppi_board::{Category, Change};
use roboppi_ipc::UtcMillis;
use roboppi_run::RunId;
use roboppi_stats::Recent;

use super::items::{Item, items, place};
use super::keys::{self, Command};
use super::model::{Cursor, Model};
use super::settings::{DashboardTab, FollowedFile};
use super::view;
use crate::keymap::Key;
use crate::mouse::{Mouse, MouseAction};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Message {
    Key(Key),
    Mouse(Mouse),
    Resize(Size),
    Tick(UtcMillis),
    Change(Change),
    Statistic(Box<Statistic>),
    Followed(Vec<FollowedFile>),
    /// The screen of a run was left, or why there was none.
    Closed(Option<String>),
}

/// Something that the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Open(RunId),
    Suspend,
    Leave,
}

/// Takes one message in and gives what is to be done.
pub(crate) fn update(model: &mut Model, message: Message) -> Option<Action> {
    model.dirty |= !matches!(&message, Message::Followed(files) if *files == model.followed);
    match message {
        Message::Key(key) => {
            model.used = true;
            return press(model, key);
        }
        Message::Mouse(mouse) => {
            model.used = true;
            return point(model, mouse);
        }
        Message::Resize(size) => model.size = size,
        Message::Tick(now) => model.now = now,
        Message::Change(change) => model.board.apply(change),
        Message::Statistic(statistic) => {
            if model.earlier.is_none() {
                model.earlier = Some(earlier(model, &statistic));
            }
            model.statistic = Some(statistic);
        }
        Message::Followed(files) => model.followed = files,
        Message::Closed(trouble) => {
            model.opening = false;
            model.notice = trouble;
        }
    }
    None
}

/// What runs did last that are over: of the others the events are read.
fn earlier(model: &Model, statistic: &Statistic) -> Vec<(String, Recent)> {
    let live: HashSet<String> =
        model.board.rows().filter(|row| row.state.may_live()).map(|row| row.short_name()).collect();
    let seen: HashSet<&str> = model.board.events.listed().iter().map(|event| &*event.run_name).collect();
    let recent = statistic.totals.recent.iter();
    recent.filter(|(run, _)| !live.contains(run) && !seen.contains(run.as_str())).cloned().collect()
}

fn press(model: &mut Model, key: Key) -> Option<Action> {
    model.notice = None;
    if key != Key::Ctrl('c') && model.filter.type_in(key) {
        apply_filter(model);
        return None;
    }
    match keys::command(key)? {
        Command::Leave => return Some(Action::Leave),
        Command::Suspend => return Some(Action::Suspend),
        Command::Open => return open(model),
        Command::Up => step(model, -1),
        Command::Down => step(model, 1),
        Command::PageUp => step(model, -page(model)),
        Command::PageDown => step(model, page(model)),
        Command::First => first(model),
        Command::Last => step(model, isize::MAX / 2),
        Command::NextTab => show(model, 1),
        Command::PreviousTab => show(model, DashboardTab::ALL.len() - 1),
        Command::ShowNumber => {
            if let Key::Char(digit) = key
                && let Some(number) = digit.to_digit(10)
            {
                let place = (number as usize + DashboardTab::ALL.len() - 1) % DashboardTab::ALL.len();
                model.tab = DashboardTab::ALL[place];
                model.help = false;
            }
        }
        Command::Filter => model.filter.open(),
        Command::NextCategory => next_category(model),
        Command::OnlyRun => only_run(model),
        Command::NextFailed => next_failed(model, false),
        Command::PreviousFailed => next_failed(model, true),
        Command::Pause => pause(model),
        Command::Mark => {
            model.board.events.mark(model.now);
            if let Some(frozen) = &mut model.frozen {
                frozen.events.mark(model.now);
            }
            model.notice = Some("marked in Events".to_owned());
        }
        Command::Clear => {
            model.board.events.clear();
            if let Some(frozen) = &mut model.frozen {
                frozen.events.clear();
            }
            model.notice =
                Some("events cleared from the view, no record was changed; C shows them again".to_owned());
        }
        Command::Restore => {
            model.board.events.restore();
            if let Some(frozen) = &mut model.frozen {
                frozen.events.restore();
            }
        }
        Command::Order => {
            model.newest_last = !model.newest_last;
            let order = if model.newest_last { "newest last" } else { "newest first" };
            model.notice = Some(format!("events are listed {order}"));
        }
        Command::Help => {
            model.help = !model.help;
            model.help_top = 0;
        }
        Command::Back => back(model),
    }
    None
}

fn show(model: &mut Model, by: usize) {
    model.help = false;
    model.tab = DashboardTab::ALL[(model.tab.index() + by) % DashboardTab::ALL.len()];
}

/// One level up.
fn back(model: &mut Model) {
    if model.help {
        model.help = false;
    } else if model.is_filtered() {
        model.filter.clear();
        (model.category, model.only) = (None, None);
        apply_filter(model);
    } else if model.frozen.is_some() {
        model.frozen = None;
    } else {
        first(model);
    }
}

fn apply_filter(model: &mut Model) {
    let filter = model.event_filter();
    if let Some(frozen) = &mut model.frozen {
        frozen.events.set_filter(filter.clone());
    }
    model.board.events.set_filter(filter);
}

fn next_category(model: &mut Model) {
    let next = model.category.map_or(0, |category| category.index() + 1);
    model.category = Category::ALL.get(next).copied();
    apply_filter(model);
    let words = model.category.map_or("all categories", Category::name);
    model.notice = Some(format!("events: {words}"));
}

fn only_run(model: &mut Model) {
    if model.only.take().is_none() {
        let run = selected(model).and_then(|(items, at)| items.get(at)?.run().cloned());
        model.only = run;
        if model.only.is_some() && matches!(model.tab, DashboardTab::Runs | DashboardTab::History) {
            model.tab = DashboardTab::Events;
        }
    }
    apply_filter(model);
}

fn pause(model: &mut Model) {
    model.frozen = match model.frozen.take() {
        Some(_) => None,
        None => Some(Box::new(model.board.clone())),
    };
}

fn open(model: &mut Model) -> Option<Action> {
    if model.help || model.opening {
        return None;
    }
    let (run, category) = {
        let (items, at) = selected(model)?;
        let category = match items.get(at)? {
            Item::Category(category) => Some(*category),
            _ => None,
        };
        (items.get(at)?.run().cloned(), category)
    };
    if let Some(category) = category {
        model.category = Some(category);
        model.tab = DashboardTab::Events;
        apply_filter(model);
        return None;
    }
    let run = run?;
    if model.demo {
        model.notice = Some("a run of the demo is made up and has no record to open".to_owned());
        return None;
    }
    if model.board.row(&run).is_none() {
        model.notice = Some("the record of this run was removed".to_owned());
        return None;
    }
    // The row stays selected, whatever comes above it meanwhile.
    hold_selection(model);
    model.opening = true;
    Some(Action::Open(run))
}

/// The rows of the tab and the place of the selected one.
fn selected(model: &Model) -> Option<(Vec<Item<'_>>, usize)> {
    let items = items(model);
    let at = place(&items, &model.cursors[model.tab.index()])?;
    Some((items, at))
}

/// Keeps the selected row selected, also when it is the first one and another one comes before it.
fn hold_selection(model: &mut Model) {
    let key = selected(model).and_then(|(items, at)| Some((items.get(at)?.key()?, at)));
    if let Some((key, index)) = key {
        model.cursors[model.tab.index()] = Cursor { at: Some(key), index };
    }
}

fn first(model: &mut Model) {
    if model.help {
        model.help_top = 0;
    }
    model.cursors[model.tab.index()] = Cursor::default();
}

fn page(model: &Model) -> isize {
    isize::try_from(view::rows(model.size)).unwrap_or(1).max(1)
}

fn step(model: &mut Model, by: isize) {
    if model.help {
        let most = view::help_lines(model).saturating_sub(view::rows(model.size));
        model.help_top = model.help_top.saturating_add_signed(by).min(most);
        return;
    }
    let next = {
        let Some((items, at)) = selected(model) else { return };
        let can: Vec<usize> = (0..items.len()).filter(|at| items[*at].key().is_some()).collect();
        let now = can.iter().position(|place| *place == at).unwrap_or(0);
        let to = now.saturating_add_signed(by).min(can.len().saturating_sub(1));
        can.get(to).map(|place| Cursor { at: items[*place].key(), index: *place }).filter(|_| to != now)
    };
    if let Some(cursor) = next {
        model.cursors[model.tab.index()] = cursor;
    }
}

fn next_failed(model: &mut Model, back: bool) {
    let next = {
        let Some((items, at)) = selected(model) else { return };
        let failed: Vec<usize> = (0..items.len())
            .filter(|place| items[*place].has_failed() && items[*place].key().is_some())
            .collect();
        let next = if back {
            failed.iter().rfind(|place| **place < at).or(failed.last())
        } else {
            failed.iter().find(|place| **place > at).or(failed.first())
        };
        next.map(|place| Cursor { at: items[*place].key(), index: *place })
    };
    match next {
        Some(cursor) => model.cursors[model.tab.index()] = cursor,
        None => model.notice = Some("no row has failed".to_owned()),
    }
}

fn point(model: &mut Model, mouse: Mouse) -> Option<Action> {
    match mouse.action {
        MouseAction::WheelUp => step(model, -3),
        MouseAction::WheelDown => step(model, 3),
        MouseAction::Press => {
            if let Some(tab) = view::tab_at(model, mouse.at) {
                model.tab = tab;
                model.help = false;
            } else if let Some(at) = view::item_at(model, mouse.at) {
                let cursor =
                    items(model).get(at).and_then(|item| Some(Cursor { at: Some(item.key()?), index: at }));
                if let Some(cursor) = cursor {
                    let again = model.cursors[model.tab.index()] == cursor;
                    model.cursors[model.tab.index()] = cursor;
                    if again {
                        return open(model);
                    }
                }
            }
        }
        _ => {}
    }
    None
}

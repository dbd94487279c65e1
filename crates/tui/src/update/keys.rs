//! What keys do.

use super::motion::Move;
use super::scroll;
use super::{editor, ending, log, marking, selection};
use crate::keymap::{self, Command, Key};
use crate::layout::Areas;
use crate::layout::Focus;
use crate::log_pane::{Direction, Purpose, TextPos};
use crate::message::Action;
use crate::model::Model;
use crate::tab::Tab;
use crate::terminal::TerminalMode;
use crate::view;

pub(super) fn press(model: &mut Model, key: Key, actions: &mut Vec<Action>) {
    model.notice = None;
    if key != Key::Ctrl('c') && log::type_in(model, key) {
        return;
    }
    let Some(command) = keymap::command(key, &model.context()) else { return };
    match command {
        Command::Up => go(model, Move::Rows(-1)),
        Command::Down => go(model, Move::Rows(1)),
        Command::First => go(model, Move::First),
        Command::Last => go(model, Move::Last),
        Command::PageUp => page(model, -1),
        Command::PageDown => page(model, 1),
        Command::HalfPageUp => turn(model, Move::HalfPages(-1)),
        Command::HalfPageDown => turn(model, Move::HalfPages(1)),
        Command::OpenPane => model.focus = Focus::Pane,
        Command::Back => back(model),
        Command::ShowNumber => {
            if let Key::Char(digit) = key
                && let Some(tab) = digit.to_digit(10).and_then(|number| model.tab_of_number(number as usize))
            {
                selection::show_tab(model, tab);
            }
        }
        Command::Help => help(model),
        Command::NextTab => selection::show_tab(model, neighbour(model, 1)),
        Command::PreviousTab => selection::show_tab(model, neighbour(model, model.tabs().len() - 1)),
        Command::Follow => selection::toggle_follow(model),
        Command::PreviousAttempt => selection::attempt_by(model, -1),
        Command::NextAttempt => selection::attempt_by(model, 1),
        Command::PreviousChange => selection::change_by(model, -1),
        Command::NextChange => selection::change_by(model, 1),
        Command::Fold => selection::fold(model),
        Command::FoldAll => selection::fold_all(model),
        Command::OpenLog => model.log.opened = true,
        Command::SearchForward => log::ask(model, Purpose::SearchForward),
        Command::SearchBackward => log::ask(model, Purpose::SearchBackward),
        Command::GoTo => log::ask(model, Purpose::GoTo),
        Command::NextMatch => log::next_match(model, false),
        Command::PreviousMatch => log::next_match(model, true),
        Command::NextError => log::next_error(model, Direction::Forward),
        Command::PreviousError => log::next_error(model, Direction::Backward),
        Command::OnlyMatches => log::toggle_filter(model),
        Command::OnlyStream => log::next_stream(model),
        Command::EndSearch => log::end_search(model),
        Command::Wrap => log::toggle_wrap(model),
        Command::Times => model.log.times = !model.log.times,
        Command::ScrollLeft => log::aside(model, -1),
        Command::ScrollRight => log::aside(model, 1),
        Command::CopyVisible => copy_visible(model, actions),
        Command::Unmark => model.mark = None,
        Command::Mouse => give_mouse(model, actions),
        Command::Edit => editor::open(model, actions),
        Command::CopyPath => log::copy_path(model, actions),
        Command::CancelStep => ending::ask_to_end_step(model),
        Command::SkipStep => ending::ask_to_skip_step(model),
        Command::RetryStep => ending::retry_step(model, actions),
        Command::Quit => ending::quit(model, actions),
        Command::Leave => actions.push(Action::Leave),
        Command::Play(input) => actions.push(Action::Play(input)),
        Command::EndRun => ending::ask_to_end_run(model),
        Command::Interrupt => ending::interrupt(model, actions),
        Command::Confirm => ending::confirm(model, actions),
        Command::Refuse => model.question = None,
        Command::Lines => {
            model.put_away = !model.put_away;
            actions.push(Action::Use(if model.put_away {
                TerminalMode::Lines
            } else {
                TerminalMode::Screen
            }));
        }
        Command::Suspend => actions.push(Action::Suspend),
    }
}

fn go(model: &mut Model, to: Move) {
    if model.focus == Focus::Pane {
        return scroll::pane(model, to);
    }
    match to {
        Move::Rows(rows) => selection::step_by(model, rows),
        Move::Pages(pages) => {
            let rows = Areas::of(model.size, model.focus).steps.height.max(2) - 1;
            selection::step_by(model, pages * rows as isize);
        }
        Move::HalfPages(halves) => {
            let rows = (Areas::of(model.size, model.focus).steps.height / 2).max(1);
            selection::step_by(model, halves * rows as isize);
        }
        Move::First => selection::select_index(model, 0),
        Move::Last => selection::select_index(model, model.view.steps.len().saturating_sub(1)),
    }
}

/// A page of what can be read: the pane wherever it is shown, else the list.
fn page(model: &mut Model, pages: isize) {
    turn(model, Move::Pages(pages));
}

fn turn(model: &mut Model, to: Move) {
    if Areas::of(model.size, model.focus).pane.area() > 0 {
        scroll::pane(model, to);
    } else {
        go(model, to);
    }
}

/// Copies what is marked, or else what is to be seen.
fn copy_visible(model: &mut Model, actions: &mut Vec<Action>) {
    if marking::copy_marked(model, actions) {
        return;
    }
    let visible = if model.tab == Tab::Logs {
        model.log.visible()
    } else {
        let rows = view::rows(model);
        let (first, last) = (rows.first(), rows.last());
        first.zip(last).map(|(first, last)| first.start..TextPos { column: usize::MAX, ..last.start })
    };
    match visible {
        None => model.notice = Some("there is nothing to copy".to_owned()),
        Some(visible) if model.tab == Tab::Logs => model.log.copy(visible),
        Some(visible) => marking::copy_page(model, &visible, actions),
    }
}

fn give_mouse(model: &mut Model, actions: &mut Vec<Action>) {
    model.mouse = !model.mouse;
    model.mark = None;
    let words =
        if model.mouse { "the mouse marks text here" } else { "the mouse is the terminal's, m takes it" };
    model.notice = Some(words.to_owned());
    actions.push(Action::Mouse(model.mouse));
}

/// Shows the help, which is to be read and scrolled, or what was shown before it.
fn help(model: &mut Model) {
    if model.tab == Tab::Help {
        return back(model);
    }
    let before = (model.wanted_tab, model.focus);
    selection::show_tab(model, Tab::Help);
    model.focus = Focus::Pane;
    model.before_help = Some(before);
}

/// Back to the steps, or from the help to where the person came from.
fn back(model: &mut Model) {
    model.focus = Focus::Steps;
    if model.tab == Tab::Help
        && let Some((tab, focus)) = model.before_help.take()
    {
        (model.wanted_tab, model.focus) = (tab, focus);
        model.fit_tab();
    }
}

fn neighbour(model: &Model, by: usize) -> Tab {
    let tabs = model.tabs();
    let at = tabs.iter().position(|tab| *tab == model.tab).unwrap_or(0);
    tabs[(at + by) % tabs.len()]
}

//! What keys do.

use super::motion::Move;
use super::scroll;
use super::{editor, ending, filtering, log, marking, selection, timeline};
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
    let selected = (model.selected.clone(), model.attempt, model.tab);
    let in_sight = timeline::is_in_sight(model);
    perform(model, key, actions);
    // A filter lists other rows.
    if in_sight || selected != (model.selected.clone(), model.attempt, model.tab) {
        timeline::keep_in_sight(model);
    }
}

fn perform(model: &mut Model, key: Key, actions: &mut Vec<Action>) {
    if key != Key::Ctrl('c') && (filtering::type_in(model, key) || log::type_in(model, key)) {
        return;
    }
    let Some(command) = keymap::command(key, &model.context()) else {
        // Esc goes one level up, and above the run there may be a list of runs.
        if key == Key::Esc && model.settings.nested {
            actions.push(Action::Leave);
        }
        return;
    };
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
                && let Some(number) = digit.to_digit(10).and_then(|number| number.checked_sub(1))
                && let Some(tab) = Tab::ALL.get(number as usize)
            {
                selection::show_tab(model, *tab);
            }
        }
        Command::Help => help(model),
        Command::NextTab => selection::show_tab(model, neighbour(model, 1)),
        Command::PreviousTab => selection::show_tab(model, neighbour(model, -1)),
        Command::Follow => selection::toggle_follow(model),
        Command::PreviousAttempt => selection::attempt_by(model, -1),
        Command::NextAttempt => selection::attempt_by(model, 1),
        Command::PreviousChange => selection::change_by(model, -1),
        Command::NextChange => selection::change_by(model, 1),
        Command::Fold => selection::fold(model),
        Command::FoldAll => selection::fold_all(model),
        Command::OpenLog => model.log.opened = true,
        Command::NextFailed => filtering::next_failed(model, false),
        Command::PreviousFailed => filtering::next_failed(model, true),
        Command::FilterSteps => filtering::filter_steps(model),
        Command::HideDone => filtering::hide_done(model),
        Command::ClearFilter => filtering::clear(model),
        Command::FilterHelp => filtering::filter_help(model),
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
        Command::Lines => put_away(model, actions),
        Command::Suspend => actions.push(Action::Suspend),
    }
}

/// Changes between the screen and plain lines.
fn put_away(model: &mut Model, actions: &mut Vec<Action>) {
    model.put_away = !model.put_away;
    let mode = if model.put_away { TerminalMode::Lines } else { TerminalMode::Screen };
    actions.push(Action::Use(mode));
}

fn go(model: &mut Model, to: Move) {
    if model.focus == Focus::Pane {
        return in_pane(model, to);
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
        Move::First => selection::step_by(model, isize::MIN),
        Move::Last => selection::step_by(model, isize::MAX),
    }
}

/// A page of what can be read: the pane wherever it is shown, else the list.
fn page(model: &mut Model, pages: isize) {
    turn(model, Move::Pages(pages));
}

fn turn(model: &mut Model, to: Move) {
    if Areas::of(model.size, model.focus).pane.area() > 0 {
        in_pane(model, to);
    } else {
        go(model, to);
    }
}

/// The rows of the timeline are selected, all others are scrolled.
fn in_pane(model: &mut Model, to: Move) {
    if model.tab == Tab::Timeline {
        return timeline::go(model, to);
    }
    scroll::pane(model, to);
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
    let before = (model.tab_choice, model.focus);
    selection::show_tab(model, Tab::Help);
    model.focus = Focus::Pane;
    model.before_help = Some(before);
}

/// Back to the steps, or from the help to where the person came from.
fn back(model: &mut Model) {
    model.end_typing();
    model.focus = Focus::Steps;
    if model.tab == Tab::Help
        && let Some((choice, focus)) = model.before_help.take()
    {
        (model.tab_choice, model.focus) = (choice, focus);
        model.fit_tab();
    }
}

/// The tab before or behind the one that is shown, in the bar. From one that is not there it is the first or the last.
fn neighbour(model: &Model, by: isize) -> Tab {
    let tabs = model.step_kind().bar();
    let Some(at) = tabs.iter().position(|tab| *tab == model.tab) else {
        return if by > 0 { tabs[0] } else { tabs[tabs.len() - 1] };
    };
    let next = at.checked_add_signed(by).unwrap_or(tabs.len() - 1);
    tabs[next % tabs.len()]
}

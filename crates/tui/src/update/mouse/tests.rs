//! A log of a hundred lines, `line 0` to `line 99`, on a screen of 80 by 24: the steps are in columns 0 to 23, the tabs in
//! row 2, the text of the log is in rows 3 to 21 from column 27 on.

use ratatui::layout::Position;
use ratatui::style::Color;
use roboppi_ipc::UtcMillis;

use super::super::log::tests::reading;
use super::super::{log_request, pulls, update};
use crate::Colours;
use crate::layout::Focus;
use crate::log_pane::{Anchor, Copied, LogReply, TextPos};
use crate::message::{Action, Message};
use crate::model::{Model, Question};
use crate::mouse::{Mouse, MouseAction};
use crate::programs::Places;
use crate::tab::Tab;
use crate::test_run::{draw, press, running, screen, serve_log};
use crate::theme::Theme;

fn at(model: &mut Model, action: MouseAction, x: u16, y: u16) -> Vec<Action> {
    let mouse = Mouse { action, at: Position::new(x, y), ctrl: false };
    update(model, Message::Mouse(mouse, UtcMillis(0)))
}

fn click(model: &mut Model, x: u16, y: u16) -> Vec<Action> {
    let mut actions = at(model, MouseAction::Press, x, y);
    actions.extend(at(model, MouseAction::Release, x, y));
    actions
}

/// What was asked to be copied of the log.
fn copied(model: &Model) -> Option<(TextPos, TextPos)> {
    log_request(model)?.copy.map(|copy| (copy.from, copy.to))
}

fn pos(line: u64, column: usize) -> TextPos {
    TextPos { line, column }
}

#[test]
fn text_that_is_dragged_over_is_marked_and_copied() {
    let (mut model, _) = reading();
    model.theme = Theme::new(Colours::Dark);
    at(&mut model, MouseAction::Press, 29, 4);
    assert_eq!(at(&mut model, MouseAction::Drag, 30, 6), []);
    let marked = |model: &Model| {
        let cells = draw(model);
        let is_marked = |x: u16, y: u16| cells[(x, y)].bg == Color::Blue;
        (3..8)
            .map(|y| (25..80).filter(|x| is_marked(*x, y)).map(|x| x - 27).collect())
            .collect::<Vec<Vec<u16>>>()
    };
    let expected = [vec![], (2..7).collect(), (0..7).collect(), (0..4).collect(), vec![]];
    assert_eq!(marked(&model), expected);
    at(&mut model, MouseAction::Release, 30, 6);
    assert_eq!(copied(&model), Some((pos(82, 2), pos(84, 4))));
    assert_eq!(marked(&model), expected, "it stays marked");
    let reply = Copied { number: 1, text: "one\ntwo".to_owned(), cut: false };
    let actions = update(&mut model, Message::Log(LogReply::Copied(reply)));
    assert_eq!(actions, [Action::Copy("one\ntwo".to_owned())]);
    assert!(screen(&model).contains("copied 2 lines"));
    press(&mut model, "Esc");
    assert_eq!(marked(&model).concat(), [0; 0]);
    assert_eq!(model.focus, Focus::Pane, "the first Escape is for what is marked");
}

#[test]
fn what_is_marked_does_not_run_away() {
    let (mut model, mut rows) = reading();
    at(&mut model, MouseAction::Press, 27, 4);
    at(&mut model, MouseAction::Drag, 28, 4);
    let more: Vec<_> = rows[..50].iter().cloned().zip(100..).collect();
    rows.extend(more.into_iter().map(|(mut row, line)| {
        row.place.line = line;
        row
    }));
    serve_log(&mut model, &rows);
    assert_eq!(model.log.window.top.line, 81, "the log is not followed while something is marked");
    // The pointer is where it was, and what is below it is the same.
    at(&mut model, MouseAction::Release, 28, 4);
    assert_eq!(copied(&model), Some((pos(82, 0), pos(82, 2))));
}

#[test]
fn who_pulls_at_an_edge_marks_what_is_beyond_it() {
    let (mut model, rows) = reading();
    at(&mut model, MouseAction::Press, 30, 10);
    assert!(!pulls(&model));
    at(&mut model, MouseAction::Drag, 30, 1);
    assert!(pulls(&model));
    for _ in 0..200 {
        update(&mut model, Message::Pull);
        serve_log(&mut model, &rows);
    }
    assert_eq!(model.log.window.top.line, 0);
    at(&mut model, MouseAction::Release, 30, 1);
    assert!(!pulls(&model), "only while the button is down");
    assert_eq!(copied(&model), Some((pos(0, 0), pos(88, 4))));

    at(&mut model, MouseAction::Press, 27, 3);
    at(&mut model, MouseAction::Drag, 27, 23);
    for _ in 0..200 {
        update(&mut model, Message::Pull);
        serve_log(&mut model, &rows);
    }
    at(&mut model, MouseAction::Release, 27, 23);
    assert_eq!(copied(&model), Some((pos(0, 0), pos(99, 7))));
}

#[test]
fn clicks_take_words_and_lines() {
    let (mut model, _) = reading();
    click(&mut model, 28, 5);
    assert_eq!(copied(&model), None, "a click copies nothing");
    click(&mut model, 28, 5);
    assert_eq!(copied(&model), Some((pos(83, 0), pos(83, 4))));
    click(&mut model, 28, 5);
    assert_eq!(copied(&model), Some((pos(83, 0), pos(83, usize::MAX))));
    click(&mut model, 28, 5);
    assert!(model.mark.is_none(), "and a fourth begins anew");
}

#[test]
fn pages_are_copied_as_they_are_seen() {
    let mut model = running().model(80, 24);
    press(&mut model, "1");
    let seen = screen(&model);
    let row = |y: usize| seen.lines().nth(y).unwrap().chars().skip(25).collect::<String>();
    at(&mut model, MouseAction::Press, 25, 3);
    at(&mut model, MouseAction::Drag, 79, 5);
    let actions = at(&mut model, MouseAction::Release, 79, 5);
    assert_eq!(actions, [Action::Copy([row(3), row(4), row(5)].join("\n"))]);
    // All of a page that is longer than the screen, by pulling at its end.
    model.size.height = 12;
    press(&mut model, "Esc g 9 Enter g");
    let page: Vec<String> = {
        let mut tall = running().model(80, 400);
        press(&mut tall, "9");
        let screen = screen(&tall);
        screen.lines().skip(3).take(396).map(|line| line.chars().skip(25).collect()).collect()
    };
    at(&mut model, MouseAction::Press, 25, 3);
    at(&mut model, MouseAction::Drag, 79, 11);
    for _ in 0..400 {
        update(&mut model, Message::Pull);
    }
    let Some(Action::Copy(text)) = at(&mut model, MouseAction::Release, 79, 11).pop() else {
        panic!("a copy")
    };
    assert_eq!(text, page.join("\n").trim_end());
}

#[test]
fn the_wheel_scrolls_what_is_below_it() {
    let (mut model, rows) = reading();
    at(&mut model, MouseAction::WheelUp, 40, 10);
    serve_log(&mut model, &rows);
    assert_eq!(model.log.window.top.line, 78);
    at(&mut model, MouseAction::WheelDown, 40, 10);
    serve_log(&mut model, &rows);
    assert_eq!(model.log.anchor, Anchor::End, "followed again at the end");
    let before = model.selected_index();
    at(&mut model, MouseAction::WheelUp, 5, 5);
    assert_eq!(model.selected_index(), before.map(|at| at - 1));
}

#[test]
fn steps_and_tabs_are_clicked_at() {
    let (mut model, _) = reading();
    click(&mut model, 3, 2);
    assert_eq!((model.selected_index(), model.focus), (Some(0), Focus::Steps));
    click(&mut model, 3, 2);
    assert_eq!(model.focus, Focus::Pane, "a double click opens it");
    click(&mut model, 3, 20);
    assert_eq!(model.selected_index(), Some(0), "there is no step there");
    let tabs = screen(&model).lines().nth(2).unwrap().to_owned();
    let column = tabs.find("Timeline").or_else(|| tabs.find('6')).unwrap();
    let column = tabs[..column].chars().count();
    click(&mut model, u16::try_from(column).unwrap(), 2);
    assert_eq!(model.tab, Tab::Timeline, "{tabs}");
}

#[test]
fn a_question_is_not_answered_by_the_mouse() {
    let (mut model, _) = reading();
    press(&mut model, "q");
    let before = model.selected_index();
    assert_eq!(click(&mut model, 3, 2), []);
    assert!(model.question.is_some() && model.selected_index() == before);
}

#[test]
fn the_mouse_is_given_back_and_taken() {
    let (mut model, _) = reading();
    assert_eq!(press(&mut model, "m"), [Action::Mouse(false)]);
    assert!(screen(&model).contains("the mouse is the terminal's"));
    assert_eq!(press(&mut model, "m"), [Action::Mouse(true)]);
}

#[test]
fn the_file_of_the_current_line_is_opened() {
    let (mut model, mut rows) = reading();
    let named = |actions: Vec<Action>| match &actions[..] {
        [Action::Edit(Places { places, .. })] => {
            places.iter().map(|place| format!("{}:{}", place.path, place.line)).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    };
    assert_eq!(press(&mut model, "v"), []);
    assert!(screen(&model).contains("no file with a line"));
    rows[90].runs[0].0 = "a.rs:1 and b.rs:2".to_owned();
    rows[95].runs[0].0 = "c.rs:3".to_owned();
    serve_log(&mut model, &rows);
    assert_eq!(named(press(&mut model, "v")), "a.rs:1 b.rs:2 c.rs:3");
    model.log.current = Some(pos(93, 0));
    assert_eq!(named(press(&mut model, "v")), "c.rs:3");
    let mouse = Mouse { action: MouseAction::Press, at: Position::new(39, 12), ctrl: true };
    let actions = update(&mut model, Message::Mouse(mouse, UtcMillis(0)));
    assert_eq!(named(actions), "b.rs:2 a.rs:1", "the one that is clicked at with Ctrl");
}

#[test]
fn keys_are_no_text_any_more_after_a_press_elsewhere() {
    let mut model = running().model(80, 24);
    press(&mut model, "F b");
    click(&mut model, 40, 10);
    press(&mut model, "q");
    assert_eq!(model.list.filter.text(), "b", "what was typed stays");
    assert_eq!(model.question, Some(Question::EndRun));
    let mut model = running().model(80, 24);
    press(&mut model, "? /");
    click(&mut model, 40, 2);
    press(&mut model, "q");
    assert_eq!((model.help_filter.text(), model.question), ("", Some(Question::EndRun)));
}

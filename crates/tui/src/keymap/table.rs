//! The table: keys, what they ask for, and when.

use roboppi_attach::PlayInput;

use super::Context;
use super::{Binding, Command, Key};

pub(super) const ANSWERS: &[Binding] = &[
    Binding {
        keys: &[Key::Char('y')],
        command: Command::Confirm,
        help: "answer yes",
        label: Some("yes"),
        when: |now| now.asking,
    },
    Binding {
        keys: &[Key::Char('n'), Key::Esc, Key::Char('q')],
        command: Command::Refuse,
        help: "answer no",
        label: Some("no"),
        when: |now| now.asking,
    },
];

/// What ends the run, in the process that owns it.
pub(super) const OWNER: &[Binding] = &[
    Binding {
        keys: &[Key::Char('q')],
        command: Command::Quit,
        help: "end the run, with confirmation",
        label: Some("quit"),
        when: |now| !now.asking && !now.over,
    },
    Binding {
        keys: &[Key::Char('q')],
        command: Command::Quit,
        help: "leave, after the run has ended",
        label: Some("leave"),
        when: |now| !now.asking && now.over,
    },
    interrupt("end the run, without confirmation", "end the run", |now| now.stage == 0 && !now.over),
    interrupt("a second time: kill its workers", "kill its workers", |now| now.stage == 1 && !now.over),
    interrupt("a third time: leave immediately", "leave at once", |now| now.stage > 1 && !now.over),
];

/// What beside leaving somebody can do about the end of a run of another process.
pub(super) const VIEWER: &[Binding] = &[
    leave("leave; the run goes on", |now| !now.asking && !now.over),
    leave("leave", |now| !now.asking && now.over),
    Binding {
        keys: &[Key::Char('X')],
        command: Command::EndRun,
        help: "end the run, with confirmation; a second time: kill its workers",
        label: Some("end the run"),
        when: |now| !now.asking && !now.over && now.stage < 2,
    },
];

/// What moves a replay.
pub(super) const REPLAY: &[Binding] = &[
    leave("leave", |now| !now.asking),
    play(&[Key::Char('p')], PlayInput::Toggle, "pause or resume; at the end, start again", "pause"),
    Binding {
        keys: &[Key::Char(' ')],
        command: Command::Play(PlayInput::Toggle),
        help: "the same, except in the list of changes",
        label: None,
        when: |now| !now.asking && !now.patches,
    },
    play(&[Key::Char(')')], PlayInput::SeekBy(10_000), "10 seconds forward", "+10 s"),
    play(&[Key::Char('(')], PlayInput::SeekBy(-10_000), "10 seconds back", "-10 s"),
    play(&[Key::Char('}')], PlayInput::SeekBy(60_000), "a minute forward", "+1 min"),
    play(&[Key::Char('{')], PlayInput::SeekBy(-60_000), "a minute back", "-1 min"),
    play(&[Key::Char('+'), Key::Char('=')], PlayInput::Faster, "faster, from 0.25x to 64x and max", "faster"),
    play(&[Key::Char('-')], PlayInput::Slower, "slower", "slower"),
    play(&[Key::Char('0')], PlayInput::SeekBy(i64::MIN), "back to the beginning", "begin"),
];

pub(super) const COMMON: &[Binding] = &[
    Binding {
        keys: &[Key::Char('?'), Key::F1],
        command: Command::Help,
        help: "show this help, or return",
        label: Some("help"),
        when: |now| !(now.asking || now.log && now.in_pane),
    },
    Binding {
        keys: &[Key::F1],
        command: Command::Help,
        help: "the same, also where ? searches",
        label: Some("help"),
        when: |now| !now.asking && now.log && now.in_pane,
    },
    Binding {
        keys: &[Key::Char('o')],
        command: Command::OpenLog,
        help: "show the recorded log although streaming is off",
        label: Some("open log"),
        when: |now| !now.asking && now.log_closed,
    },
    Binding {
        keys: &[Key::Enter, Key::Right, Key::Char('l')],
        command: Command::OpenPane,
        help: "go to the pane on the right",
        label: Some("open"),
        when: |now| !now.asking && !now.in_pane,
    },
    Binding {
        keys: &[Key::Char('h')],
        command: Command::Back,
        help: "back to the steps",
        label: Some("back"),
        when: |now| !now.asking && now.in_pane,
    },
    Binding {
        keys: &[Key::Char('j'), Key::Down],
        command: Command::Down,
        help: "next step, or scroll down",
        label: Some("down"),
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Char('k'), Key::Up],
        command: Command::Up,
        help: "previous step, or scroll up",
        label: Some("up"),
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Left],
        command: Command::Back,
        help: "the same, if the pane is not scrolled sideways",
        label: None,
        when: |now| !now.asking && now.in_pane && !(now.log_wide && now.log_aside),
    },
    Binding {
        keys: &[Key::Esc],
        command: Command::Back,
        help: "the same, if there is no selection and no search",
        label: None,
        when: |now| !now.asking && now.in_pane && !now.marked && !now.log_query,
    },
    Binding {
        keys: &[Key::Char('/')],
        command: Command::SearchForward,
        help: "search the whole log; Ctrl-R: regular expression",
        label: Some("search"),
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Char('?')],
        command: Command::SearchBackward,
        help: "in a log: search backwards",
        label: None,
        when: |now| !now.asking && now.log && now.in_pane,
    },
    Binding {
        keys: &[Key::Char('n')],
        command: Command::NextMatch,
        help: "next match",
        label: Some("next"),
        when: |now| !now.asking && now.log_query,
    },
    Binding {
        keys: &[Key::Char('N')],
        command: Command::PreviousMatch,
        help: "previous match",
        label: Some("previous"),
        when: |now| !now.asking && now.log_query,
    },
    Binding {
        keys: &[Key::Char('&')],
        command: Command::OnlyMatches,
        help: "show only matching lines, or all lines",
        label: Some("only matches"),
        when: |now| !now.asking && now.log_query,
    },
    Binding {
        keys: &[Key::Esc],
        command: Command::EndSearch,
        help: "clear the search",
        label: None,
        when: |now| !now.asking && !now.marked && now.log_query,
    },
    Binding {
        keys: &[Key::Char('e')],
        command: Command::NextError,
        help: "next line that looks like an error of a compiler or of tests",
        label: Some("error"),
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Char('E')],
        command: Command::PreviousError,
        help: "previous line that looks like an error",
        label: None,
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Char(':')],
        command: Command::GoTo,
        help: "go to a line (123), a percentage (50%), a time (14:05, 14:05:10), an attempt (a2) or an iteration (i3)",
        label: Some("go to"),
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Char('w')],
        command: Command::Wrap,
        help: "wrap long lines, or cut them at the edge",
        label: Some("wrap"),
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Char('t')],
        command: Command::Times,
        help: "show or hide the time of each line",
        label: Some("times"),
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Char('S')],
        command: Command::OnlyStream,
        help: "show both streams, only standard output, or only standard error",
        label: Some("stream"),
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Right],
        command: Command::ScrollRight,
        help: "in a log: scroll right",
        label: None,
        when: |now| !now.asking && now.log_wide,
    },
    Binding {
        keys: &[Key::Left],
        command: Command::ScrollLeft,
        help: "in a log: scroll left",
        label: None,
        when: |now| !now.asking && now.log_wide && now.log_aside,
    },
    Binding {
        keys: &[Key::Esc],
        command: Command::Unmark,
        help: "clear the selection",
        label: None,
        when: |now| !now.asking && now.marked,
    },
    Binding {
        keys: &[Key::Char('Y')],
        command: Command::CopyPath,
        help: "copy the path of the log",
        label: None,
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Char('v')],
        command: Command::Edit,
        help: "open the file and line named in the log in your editor",
        label: Some("edit"),
        when: |now| !now.asking && now.log,
    },
    Binding {
        keys: &[Key::Tab],
        command: Command::NextTab,
        help: "next tab",
        label: Some("next tab"),
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Char('f')],
        command: Command::Follow,
        help: "follow the running step, or stop following",
        label: Some("follow"),
        when: |now| !now.asking && !now.over,
    },
    Binding {
        keys: &[Key::Char('x')],
        command: Command::CancelStep,
        help: "end the selected step, with confirmation",
        label: Some("end step"),
        when: |now| !now.asking && now.step_active,
    },
    Binding {
        keys: &[Key::Char('x')],
        command: Command::SkipStep,
        help: "skip a step that has not started, with confirmation",
        label: Some("skip step"),
        when: |now| !now.asking && now.step_waits,
    },
    Binding {
        keys: &[Key::Char('r')],
        command: Command::RetryStep,
        help: "retry a step that has ended without success",
        label: Some("retry step"),
        when: |now| !now.asking && !now.over && now.step_unsuccessful,
    },
    Binding {
        keys: &[Key::Char('r')],
        command: Command::RetryStep,
        help: "after the end of the run: show how to resume it",
        label: Some("resume"),
        when: |now| !now.asking && now.over && now.step_unsuccessful,
    },
    Binding {
        keys: &[Key::Char('[')],
        command: Command::PreviousAttempt,
        help: "previous attempt of the step",
        label: Some("earlier attempt"),
        when: |now| !now.asking && now.attempts,
    },
    Binding {
        keys: &[Key::Char(']')],
        command: Command::NextAttempt,
        help: "next attempt of the step",
        label: Some("later attempt"),
        when: |now| !now.asking && now.attempts,
    },
    Binding {
        keys: &[Key::Char('<'), Key::Char(',')],
        command: Command::PreviousChange,
        help: "previous file or hunk of the changes, or activity of an agent",
        label: Some("earlier change"),
        when: |now| !now.asking && now.patches,
    },
    Binding {
        keys: &[Key::Char('>'), Key::Char('.')],
        command: Command::NextChange,
        help: "next file or hunk of the changes, or activity of an agent",
        label: Some("later change"),
        when: |now| !now.asking && now.patches,
    },
    Binding {
        keys: &[Key::Char(' ')],
        command: Command::Fold,
        help: "fold or unfold it",
        label: Some("fold"),
        when: |now| !now.asking && now.patches,
    },
    Binding {
        keys: &[Key::Char('z')],
        command: Command::FoldAll,
        help: "fold all, or unfold everything",
        label: Some("fold all"),
        when: |now| !now.asking && now.patches,
    },
    Binding {
        keys: &[Key::Char('s')],
        command: Command::Lines,
        help: "switch to plain lines; again: return to the screen",
        label: Some("lines"),
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Char('y')],
        command: Command::CopyVisible,
        help: "copy the selection, or the visible text of the pane",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Char('m')],
        command: Command::Mouse,
        help: "release the mouse to the terminal, or capture it again",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Ctrl('z')],
        command: Command::Suspend,
        help: "suspend the run and its workers until `fg`",
        label: None,
        when: |_| true,
    },
    Binding {
        keys: &[Key::PageUp],
        command: Command::PageUp,
        help: "scroll up by a page",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::PageDown],
        command: Command::PageDown,
        help: "scroll down by a page",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Ctrl('u')],
        command: Command::HalfPageUp,
        help: "scroll up by half a page",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Ctrl('d')],
        command: Command::HalfPageDown,
        help: "scroll down by half a page",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Char('g'), Key::Home],
        command: Command::First,
        help: "first step, or the beginning",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::Char('G'), Key::End],
        command: Command::Last,
        help: "last step, or the end; resumes following a log",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: &[Key::BackTab],
        command: Command::PreviousTab,
        help: "previous tab",
        label: None,
        when: |now| !now.asking,
    },
    Binding {
        keys: NUMBERS,
        command: Command::ShowNumber,
        help: "tab by number",
        label: None,
        when: |now| !now.asking,
    },
];

const fn interrupt(help: &'static str, label: &'static str, when: fn(&Context) -> bool) -> Binding {
    Binding { keys: &[Key::Ctrl('c')], command: Command::Interrupt, help, label: Some(label), when }
}

const fn leave(help: &'static str, when: fn(&Context) -> bool) -> Binding {
    let keys = &[Key::Char('q'), Key::Ctrl('c')];
    Binding { keys, command: Command::Leave, help, label: Some("leave"), when }
}

const fn play(keys: &'static [Key], input: PlayInput, help: &'static str, label: &'static str) -> Binding {
    Binding { keys, command: Command::Play(input), help, label: Some(label), when: |now| !now.asking }
}

const NUMBERS: &[Key] = &[
    Key::Char('1'),
    Key::Char('2'),
    Key::Char('3'),
    Key::Char('4'),
    Key::Char('5'),
    Key::Char('6'),
    Key::Char('7'),
    Key::Char('8'),
    Key::Char('9'),
];

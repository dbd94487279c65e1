//! Which key does what: one table, from which keys are looked up and help and footer are made.

mod table;

use std::fmt;

use roboppi_attach::PlayInput;

use crate::Role;

/// Circumstances that decide what keys mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// The screen is put away.
    pub(crate) put_away: bool,
    pub(crate) asking: bool,
    pub(crate) over: bool,
    /// How far the ending of the run is: 0 not asked, 1 asked, 2 forced.
    pub(crate) stage: u8,
    pub(crate) in_pane: bool,
    pub(crate) step_active: bool,
    /// The step has not started, and could be left out.
    pub(crate) step_waits: bool,
    /// The step is over without success.
    pub(crate) step_unsuccessful: bool,
    /// The step has more than one attempt.
    pub(crate) attempts: bool,
    /// There is something to go to and to fold: changes, or what an agent did.
    pub(crate) patches: bool,
    /// A log is not shown because streaming is off.
    pub(crate) log_closed: bool,
    /// Text is marked with the mouse.
    pub(crate) marked: bool,
    /// A log is shown.
    pub(crate) log: bool,
    /// Something is looked for in it.
    pub(crate) log_query: bool,
    /// Its lines are cut at the edge, and the log is where the arrow keys go.
    pub(crate) log_wide: bool,
    /// It is scrolled to the side.
    pub(crate) log_aside: bool,
    /// A step failed.
    pub(crate) failed: bool,
    /// A filter leaves out steps, in their list, or keys, in the help.
    pub(crate) filtered: bool,
    /// The help is shown.
    pub(crate) help: bool,
    /// What the person is to the run.
    pub(crate) role: Role,
}

/// A key as it was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Char(char),
    /// With Ctrl; a lower-case letter, or `@` for a zero byte.
    Ctrl(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Backspace,
    F1,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(' ') => f.write_str("Space"),
            Self::Char(char) => write!(f, "{char}"),
            Self::Ctrl(char) => write!(f, "Ctrl-{}", char.to_ascii_uppercase()),
            Self::Enter => f.write_str("Enter"),
            Self::Esc => f.write_str("Esc"),
            Self::Tab => f.write_str("Tab"),
            Self::BackTab => f.write_str("Shift-Tab"),
            Self::Up => f.write_str("↑"),
            Self::Down => f.write_str("↓"),
            Self::Left => f.write_str("←"),
            Self::Right => f.write_str("→"),
            Self::PageUp => f.write_str("PgUp"),
            Self::PageDown => f.write_str("PgDn"),
            Self::Home => f.write_str("Home"),
            Self::End => f.write_str("End"),
            Self::Backspace => f.write_str("Backspace"),
            Self::F1 => f.write_str("F1"),
        }
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfPageUp,
    HalfPageDown,
    First,
    Last,
    OpenPane,
    Back,
    /// The tab of the number that was pressed.
    ShowNumber,
    /// Shows the help, or what was shown before it.
    Help,
    NextTab,
    PreviousTab,
    Follow,
    PreviousAttempt,
    NextAttempt,
    PreviousChange,
    NextChange,
    Fold,
    FoldAll,
    OpenLog,
    NextFailed,
    PreviousFailed,
    FilterSteps,
    HideDone,
    ClearFilter,
    FilterHelp,
    SearchForward,
    SearchBackward,
    NextMatch,
    PreviousMatch,
    NextError,
    PreviousError,
    OnlyMatches,
    OnlyStream,
    EndSearch,
    GoTo,
    Wrap,
    Times,
    ScrollLeft,
    ScrollRight,
    CopyVisible,
    CopyPath,
    Unmark,
    /// Give the mouse back to the terminal, or take it.
    Mouse,
    Edit,
    CancelStep,
    SkipStep,
    RetryStep,
    Quit,
    Leave,
    EndRun,
    Play(PlayInput),
    Interrupt,
    Confirm,
    Refuse,
    /// Change between the screen and plain lines.
    Lines,
    Suspend,
}

impl Command {
    /// Whether it asks the run for something.
    const fn is_a_request(self) -> bool {
        matches!(self, Self::CancelStep | Self::SkipStep | Self::RetryStep)
    }
}

/// What a key is about: the parts of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Steps,
    Log,
    /// Changes, and what an agent did.
    Entries,
    Everywhere,
    Run,
    Replay,
    Copy,
    Question,
}

impl Section {
    /// All of them, in the order in which they are explained.
    pub(crate) const ALL: [Self; 8] = [
        Self::Steps,
        Self::Log,
        Self::Entries,
        Self::Everywhere,
        Self::Run,
        Self::Replay,
        Self::Copy,
        Self::Question,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Steps => "Steps",
            Self::Log => "Log",
            Self::Entries => "Changes and activity",
            Self::Everywhere => "Everywhere",
            Self::Run => "Run",
            Self::Replay => "Replay",
            Self::Copy => "Copy and mouse",
            Self::Question => "Questions",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) keys: &'static [Key],
    pub(crate) command: Command,
    pub(crate) section: Section,
    /// What it does, for the help.
    pub(crate) help: &'static str,
    /// Word in the footer, where there is room and [`Binding::when`] holds.
    pub(crate) label: Option<&'static str>,
    /// Whether it does something now.
    pub(crate) when: fn(&Context) -> bool,
}

/// The rows for a person. The footer takes its entries from the first to the last as far as they fit, so what matters
/// most comes first.
pub(crate) fn bindings(role: Role) -> impl Iterator<Item = &'static Binding> {
    let ending = match role {
        Role::Owner => table::OWNER,
        Role::Viewer => table::VIEWER,
        Role::Replay => table::REPLAY,
    };
    let asks_no_question = role == Role::Replay;
    let rows = table::ANSWERS.iter().chain(ending).chain(table::COMMON);
    rows.filter(move |row| !(asks_no_question && row.command.is_a_request()))
}

impl Binding {
    /// Its keys in words: `g Home`, and `1–9` for many.
    pub(crate) fn keys_in_words(&self) -> String {
        let keys = self.keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        match keys.as_slice() {
            [first, .., last] if keys.len() > 4 => format!("{first}–{last}"),
            few => few.join(" "),
        }
    }
}

/// The rows of a section, in the order of the table.
pub(crate) fn explained(role: Role, section: Section) -> impl Iterator<Item = &'static Binding> {
    bindings(role).filter(move |row| row.section == section)
}

/// The keys of a screen and what they do, by section, in the order of its help: for pages about it.
#[must_use]
pub fn key_reference(role: Role) -> Vec<(&'static str, String, &'static str)> {
    let rows = |section: Section| {
        explained(role, section).map(move |row| (section.name(), row.keys_in_words(), row.help))
    };
    Section::ALL.into_iter().flat_map(rows).collect()
}

/// What a key asks for now.
pub(crate) fn command(key: Key, now: &Context) -> Option<Command> {
    // An interrupt is never out of place.
    if key == Key::Ctrl('c') {
        let owner = now.role == Role::Owner;
        return Some(if owner { Command::Interrupt } else { Command::Leave });
    }
    if now.put_away {
        // One does not see what other keys do. Without a screen to ask on, `q` comes back to it first.
        return match key {
            Key::Char('q') if now.over => {
                Some(if now.role == Role::Owner { Command::Quit } else { Command::Leave })
            }
            Key::Char('s' | 'q') | Key::Esc => Some(Command::Lines),
            _ => None,
        };
    }
    bindings(now.role)
        .find(|binding| binding.keys.contains(&key) && (binding.when)(now))
        .map(|binding| binding.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of circumstances.
    fn contexts() -> impl Iterator<Item = Context> {
        (0u32..6144 * 256).map(|all| {
            let (bits, log_bits) = (all / 256, all % 256);
            let bit = |at: u8| bits & (1 << at) != 0;
            // One tab is shown at a time.
            let log = log_bits & 1 != 0 && !bit(5) && !bit(6);
            Context {
                put_away: false,
                stage: (bits >> 9 & 3) as u8,
                role: [Role::Owner, Role::Viewer, Role::Replay][(bits >> 11) as usize],
                step_waits: bit(7) && !bit(3),
                step_unsuccessful: bit(8) && !bit(3) && !bit(7),
                asking: bit(0),
                over: bit(1),
                in_pane: bit(2),
                step_active: bit(3),
                attempts: bit(4),
                patches: bit(5),
                log_closed: bit(6),
                log,
                log_query: log && log_bits & 2 != 0,
                log_wide: log && log_bits & 4 != 0 && bit(2),
                log_aside: log && log_bits & 8 != 0,
                marked: log_bits & 16 != 0,
                failed: log_bits & 32 != 0,
                filtered: log_bits & 64 != 0,
                // One tab is shown at a time.
                help: log_bits & 128 != 0 && !log && !bit(5) && !bit(6),
            }
        })
    }

    #[test]
    fn no_key_has_two_meanings_at_a_time() {
        for now in contexts() {
            let mut seen = std::collections::HashMap::new();
            for binding in bindings(now.role).filter(|binding| (binding.when)(&now)) {
                for key in binding.keys {
                    let before = seen.insert(*key, binding.command);
                    assert_eq!(before, None, "{key} in {now:?}");
                }
            }
        }
    }

    #[test]
    fn one_can_always_get_out() {
        for now in contexts() {
            let (interrupt, quit) = (command(Key::Ctrl('c'), &now), command(Key::Char('q'), &now));
            let (interrupts, quits) = match now.role {
                Role::Owner => (Command::Interrupt, Command::Quit),
                Role::Viewer | Role::Replay => (Command::Leave, Command::Leave),
            };
            assert_eq!(interrupt, Some(interrupts), "{now:?}");
            assert_eq!(quit, Some(if now.asking { Command::Refuse } else { quits }), "{now:?}");
        }
    }

    #[test]
    fn every_tab_has_its_number() {
        for number in 1..=9 {
            let digit = Key::Char(char::from_digit(number, 10).unwrap());
            assert_eq!(command(digit, &Context::default()), Some(Command::ShowNumber));
        }
        assert!(crate::tab::Tab::ALL.len() <= 9, "one key each");
    }
}

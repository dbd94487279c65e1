//! Which key does what in a dashboard. Keys that the screen of a run has mean the same here.

use crate::keymap::Key;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    NextTab,
    PreviousTab,
    ShowNumber,
    Filter,
    NextCategory,
    OnlyRun,
    NextFailed,
    PreviousFailed,
    Pause,
    Mark,
    Clear,
    Restore,
    Order,
    Help,
    Back,
    Suspend,
    Leave,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) keys: &'static [Key],
    pub(crate) command: Command,
    pub(crate) section: &'static str,
    pub(crate) help: &'static str,
    /// Word in the footer.
    pub(crate) label: Option<&'static str>,
}

const fn row(
    keys: &'static [Key],
    command: Command,
    section: &'static str,
    help: &'static str,
    label: Option<&'static str>,
) -> Binding {
    Binding { keys, command, section, help, label }
}

use Key::Char;

/// All keys, those first that matter most.
pub(crate) const TABLE: &[Binding] = &[
    row(
        &[Char('q'), Key::Ctrl('c')],
        Command::Leave,
        "Everywhere",
        "leave; no run is affected",
        Some("leave"),
    ),
    row(
        &[Key::Enter],
        Command::Open,
        "Rows",
        "open the run of the row; in Table: list the events of the category",
        Some("open"),
    ),
    row(
        &[Char('/')],
        Command::Filter,
        "Rows",
        "list only rows with these words; Enter keeps the filter, Esc clears it",
        Some("filter"),
    ),
    row(&[Char('?'), Key::F1], Command::Help, "Everywhere", "show or hide this help", Some("help")),
    row(
        &[Char('p'), Char(' ')],
        Command::Pause,
        "View",
        "pause the view, or go on; the runs and the counts go on",
        Some("pause"),
    ),
    row(&[Char('m')], Command::Mark, "View", "mark this moment in the events", Some("mark")),
    row(
        &[Char('c')],
        Command::Clear,
        "View",
        "clear the events from the view; no record is changed",
        Some("clear view"),
    ),
    row(
        &[Char('C')],
        Command::Restore,
        "View",
        "show the cleared events again, as far as they are kept",
        None,
    ),
    row(&[Char('o')], Command::Order, "View", "list events newest first, or newest last", Some("order")),
    row(
        &[Char('f')],
        Command::NextCategory,
        "Rows",
        "list only events of the next category",
        Some("category"),
    ),
    row(
        &[Char('r')],
        Command::OnlyRun,
        "Rows",
        "list only events of the run of the row, or of all runs",
        Some("only this run"),
    ),
    row(&[Char('n')], Command::NextFailed, "Rows", "next row with a failure", None),
    row(&[Char('N')], Command::PreviousFailed, "Rows", "previous row with a failure", None),
    row(&[Key::Down, Char('j')], Command::Down, "Rows", "next row", None),
    row(&[Key::Up, Char('k')], Command::Up, "Rows", "previous row", None),
    row(&[Key::PageDown, Key::Ctrl('f')], Command::PageDown, "Rows", "next page", None),
    row(&[Key::PageUp, Key::Ctrl('b')], Command::PageUp, "Rows", "previous page", None),
    row(&[Char('g'), Key::Home], Command::First, "Rows", "first row", None),
    row(&[Char('G'), Key::End], Command::Last, "Rows", "last row", None),
    row(&[Key::Tab, Key::Right, Char('l')], Command::NextTab, "Everywhere", "next tab", None),
    row(&[Key::BackTab, Key::Left, Char('h')], Command::PreviousTab, "Everywhere", "previous tab", None),
    row(
        &[
            Char('1'),
            Char('2'),
            Char('3'),
            Char('4'),
            Char('5'),
            Char('6'),
            Char('7'),
            Char('8'),
            Char('9'),
            Char('0'),
        ],
        Command::ShowNumber,
        "Everywhere",
        "the tab of this number",
        None,
    ),
    row(&[Key::Esc], Command::Back, "Everywhere", "one level up: close the help, clear the filter", None),
    row(&[Key::Ctrl('z')], Command::Suspend, "Everywhere", "suspend roboppi, as in a shell", None),
];

/// What a key asks for.
pub(crate) fn command(key: Key) -> Option<Command> {
    TABLE.iter().find(|binding| binding.keys.contains(&key)).map(|binding| binding.command)
}

/// The keys of a row in words.
pub(crate) fn in_words(binding: &Binding) -> String {
    let keys: Vec<_> = binding.keys.iter().map(ToString::to_string).collect();
    match keys.as_slice() {
        [first, .., last] if keys.len() > 4 => format!("{first}–{last}"),
        few => few.join(" "),
    }
}

/// The keys of a dashboard and what they do, by section: for pages about it.
#[must_use]
pub fn dashboard_keys() -> Vec<(&'static str, String, &'static str)> {
    let rows = |section: &'static str| {
        TABLE
            .iter()
            .filter(move |row| row.section == section)
            .map(|row| (row.section, in_words(row), row.help))
    };
    ["Rows", "View", "Everywhere"].into_iter().flat_map(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        let mut seen = std::collections::HashMap::new();
        for binding in TABLE {
            for key in binding.keys {
                assert_eq!(seen.insert(*key, binding.command), None, "{key}");
            }
        }
        assert_eq!(dashboard_keys().len(), TABLE.len(), "every row is in a section");
    }
}

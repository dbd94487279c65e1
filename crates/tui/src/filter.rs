//! A text that chooses what is listed, as it is typed.

use crate::keymap::Key;

/// Bytes that can be typed.
const MOST: usize = 200;

/// Rows are listed whose text has every word of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    text: String,
    typing: bool,
}

impl Filter {
    /// Takes keys from now on.
    pub(crate) const fn open(&mut self) {
        self.typing = true;
    }

    /// Takes no more keys, and leaves out what it does.
    pub(crate) const fn close(&mut self) {
        self.typing = false;
    }

    pub(crate) const fn is_typed(&self) -> bool {
        self.typing
    }

    /// Whether it leaves anything out.
    pub(crate) fn is_active(&self) -> bool {
        !self.text.trim().is_empty()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives it a key. `false` when the key is for others: nothing is typed, or it moves the selection.
    pub(crate) fn type_in(&mut self, key: Key) -> bool {
        if !self.typing {
            return false;
        }
        match key {
            Key::Ctrl('c') | Key::Up | Key::Down | Key::PageUp | Key::PageDown => return false,
            Key::Char(char) if self.text.len() + char.len_utf8() <= MOST => self.text.push(char),
            Key::Ctrl('u') => self.text.clear(),
            Key::Backspace if self.text.is_empty() => self.typing = false,
            Key::Backspace => drop(self.text.pop()),
            Key::Enter => self.typing = false,
            Key::Esc => self.clear(),
            _ => {}
        }
        true
    }

    /// Whether a row is listed. Lower case letters match upper case as well.
    pub(crate) fn matches(&self, row: &str) -> bool {
        let exact = self.text.chars().any(char::is_uppercase);
        let lower;
        let row = if exact {
            row
        } else {
            lower = row.to_lowercase();
            lower.as_str()
        };
        self.text.split_whitespace().all(|word| row.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> Filter {
        let mut filter = Filter::default();
        filter.open();
        keys.chars().for_each(|key| assert!(filter.type_in(Key::Char(key))));
        filter
    }

    #[test]
    fn every_word_must_be_there() {
        let filter = typed("lint fail");
        assert!(filter.matches("app-Lint failed") && !filter.matches("app-lint succeeded"));
        assert!(typed("L").matches("Lint") && !typed("L").matches("lint"));
        assert!(typed(" ").matches("anything") && !typed(" ").is_active());
    }

    #[test]
    fn letters_are_text_until_it_is_closed() {
        let mut filter = typed("q");
        assert!(!filter.type_in(Key::Ctrl('c')) && !filter.type_in(Key::Down) && filter.type_in(Key::Left));
        assert!(filter.type_in(Key::Enter) && !filter.type_in(Key::Char('q')) && filter.is_active());
        filter.open();
        assert!(filter.type_in(Key::Esc) && !filter.is_active() && !filter.is_typed());
        let mut long = typed(&"x".repeat(1_000));
        assert_eq!(long.text().len(), MOST);
        assert!(long.type_in(Key::Ctrl('u')) && long.type_in(Key::Backspace) && !long.is_typed());
    }
}

//! The difference of two texts, as programs that apply it read it.

use roboppi_untrusted::line;
use similar::{ChangeTag, TextDiff};

use crate::style::Ink;

/// Lines around a change.
const CONTEXT: usize = 3;

/// A unified diff of a file, with colours for a person; nothing if both texts are the same.
#[must_use]
pub fn unified(name: &str, old: &str, new: &str, colour: bool) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        if text.is_empty() {
            let name = roboppi_untrusted::first_words(name);
            text = Ink::Strong.paint(colour, &format!("--- {name}\n+++ {name} (formatted)")) + "\n";
        }
        text += &(Ink::Faint.paint(colour, &hunk.header().to_string()) + "\n");
        for change in hunk.iter_changes() {
            let (sign, ink) = match change.tag() {
                ChangeTag::Delete => ('-', Ink::Bad),
                ChangeTag::Insert => ('+', Ink::Good),
                ChangeTag::Equal => (' ', Ink::Plain),
            };
            let shown = line(change.value().trim_end_matches(['\r', '\n']).as_bytes(), false);
            text += &(ink.paint(colour, &format!("{sign}{shown}")) + "\n");
            if change.missing_newline() {
                text += "\\ No newline at end of file\n";
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_their_surroundings() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n\u{1b}[2Jnine";
        insta::assert_snapshot!(unified("a.yaml", old, &old.replace("8\n", "eight\n"), false), @r"
        --- a.yaml
        +++ a.yaml (formatted)
        @@ -5,5 +5,5 @@
         5
         6
         7
        -8
        +eight
         nine
        \ No newline at end of file
        ");
        assert_eq!(unified("a.yaml", old, old, true), "");
    }
}

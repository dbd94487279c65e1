//! Lines of JSON.

use std::borrow::Cow;

use crate::is_visible;

/// A line of JSON that says the same to who reads JSON, and nothing to a terminal or a CI system that it passes.
#[must_use]
pub fn json(line: &str) -> Cow<'_, str> {
    let acts = |(at, char): &(usize, char)| match char {
        '#' => line[at + 1..].starts_with('#'),
        '\u{2028}' | '\u{2029}' => true,
        // Between strings.
        '\n' => false,
        char => !is_visible(*char),
    };
    let Some((first, _)) = line.char_indices().find(acts) else { return Cow::Borrowed(line) };
    // Nothing outside of strings is such a character.
    let mut safe = line[..first].to_owned();
    for (at, char) in line[first..].char_indices() {
        if acts(&(first + at, char)) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(char);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_does_nothing() {
        for text in
            ["plain", "##vso[x] ###[y] a#b", "\u{9b}31m \u{7f} \u{202e}x \x1b[2J\r\n", "漢\u{301}\u{2028}"]
        {
            let given = serde_json::to_string(text).unwrap();
            let safe = json(&given);
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
            assert!(
                !safe.contains("##") && !safe.chars().any(|char| char != '\n' && !is_visible(char)),
                "{safe}"
            );
            assert_eq!(json(&format!("{{\n{given}\n}}")), format!("{{\n{safe}\n}}"));
        }
        assert!(matches!(json("{\"a\":\"b # c\"}"), Cow::Borrowed(_)));
    }
}

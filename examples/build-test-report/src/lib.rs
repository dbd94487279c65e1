//! Counts words.

/// Number of words in a text. Words are separated by white space.
pub fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The longest word of a text, the first one when several are equally long.
pub fn longest(text: &str) -> Option<&str> {
    text.split_whitespace().reduce(|best, word| if width(word) > width(best) { word } else { best })
}

fn width(word: &str) -> usize {
    word.chars().count()
}

//! How things of an agent are named in sentences.

/// Characters of a name in a sentence.
const NAME: usize = 80;

/// A name in quotes, on one line and shortened: `"npm run dev"`.
#[must_use]
pub fn quoted(name: &str) -> String {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("\"{}…\"", &name[..end]),
        None => format!("\"{name}\""),
    }
}

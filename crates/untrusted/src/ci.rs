//! Commands of CI systems.

/// Letters of the longest name of a command.
const LONGEST_NAME: usize = 32;

/// Breaks `##[`, `##vso[`, `##teamcity[` and whatever else has this form, with a space behind its `##`.
#[must_use]
pub fn without_commands(text: String) -> String {
    if !text.contains("##") {
        return text;
    }
    let mut broken = String::with_capacity(text.len() + 8);
    let mut rest = text.as_str();
    while let Some(at) = rest.find("##") {
        let (before, after) = rest.split_at(at + 2);
        let name = after.bytes().take(LONGEST_NAME).take_while(u8::is_ascii_alphanumeric).count();
        if after.as_bytes().get(name) == Some(&b'[') {
            broken.push_str(before);
            broken.push(' ');
            rest = after;
        } else {
            // The second sign may begin a command of its own.
            broken.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    broken.push_str(rest);
    broken
}

//! Commands of CI systems.

use memchr::memchr_iter;

use crate::utf8::into_string;

/// Letters of the longest name of a command.
const LONGEST_NAME: usize = 32;

/// Breaks `##[`, `##vso[`, `##teamcity[` and whatever else has this form, with a space behind its `##`.
#[must_use]
pub fn without_commands(text: String) -> String {
    let mut bytes = text.into_bytes();
    break_commands(&mut bytes, 0);
    into_string(bytes)
}

/// The same for what `text` holds from `start` on.
pub(crate) fn break_commands(text: &mut Vec<u8>, start: usize) {
    let mut starts = memchr_iter(b'#', &text[start..]).map(|at| start + at);
    let Some(first) = starts.find(|at| is_command(&text[*at..])) else { return };
    let rest = text.split_off(first);
    let mut done = 0;
    for at in memchr_iter(b'#', &rest).filter(|at| is_command(&rest[*at..])) {
        text.extend_from_slice(&rest[done..at + 2]);
        text.push(b' ');
        done = at + 2;
    }
    text.extend_from_slice(&rest[done..]);
}

/// Whether a text that begins with `#` begins with a command.
fn is_command(text: &[u8]) -> bool {
    let Some(name) = text.strip_prefix(b"##") else { return false };
    let len = name.iter().take(LONGEST_NAME).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    name.get(len) == Some(&b'[')
}

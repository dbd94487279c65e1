//! What is printed on stderr beside the output of a command.

use std::env;
use std::io::Write;

use roboppi_untrusted as untrusted;

use crate::stdio;

/// Says something on stderr, which may quote others. That nobody may listen is not an error.
pub(crate) fn note(message: &str) {
    let lines = message.lines().map(|line| untrusted::line(line.as_bytes(), false) + "\n");
    let _ = stdio::stderr().write_all(lines.collect::<String>().as_bytes());
}

/// Says what was rendered for a terminal, colours and all.
pub(crate) fn print_rendered(text: String) {
    let text = untrusted::without_commands(text) + "\n";
    let _ = stdio::stderr().write_all(text.as_bytes());
}

/// Columns of the terminal that stdout is; `None` when it is none, or does not tell.
pub(crate) fn width() -> Option<usize> {
    roboppi_tui::columns(std::io::stdout())
}

/// Lines of the terminal that stdout is; `None` when it is none, or does not report them.
pub(crate) fn height() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}

/// A boolean of the environment: `1/true/yes/on` and `0/false/no/off`; anything else is as if unset.
pub(crate) fn env_flag(name: &str) -> Option<bool> {
    match env::var(name).ok()?.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// An untrusted text on one line, without what a terminal or a CI system would obey.
pub(crate) fn plain(text: &str) -> String {
    untrusted::first_words(text)
}

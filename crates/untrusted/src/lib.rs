//! Makes text of others safe to show.
//!
//! Output of workers, and everything that quotes it (names, reasons, paths), may hold anything: escape sequences that
//! rewrite the screen, characters that reorder or hide other text, and commands for the CI system that reads the log.
//!
//! What an escape sequence is, and where it ends, is written down once, in `grammar`. [`Scanner`] takes text apart by it, and
//! its readers decide what becomes of each [`Token`]:
//!
//! * [`line()`], [`line_into`], [`words`], [`first_words`] and [`json`] give text for lines: for pipes, CI logs, tables and pages. Colours
//!   survive where they are asked for; nothing else acts.
//! * The full screen (`roboppi-tui`, `sanitise`) gives cells: colours become styles, and what moves the cursor within the
//!   line overwrites what was there.
//! * [`without_escapes`] leaves bytes as they are otherwise, for a search.
//! * [`TerminalBytes`] finds what stands around text that must not change otherwise: the JSON lines of agents.
//!
//! CI systems find their commands in different places. `::name::` of GitHub counts at the beginning of a line, white space
//! before it ignored: what comes from others is printed behind a word or a bar, so it never stands there. `##[name]` of GitHub,
//! `##vso[` of Azure and `##teamcity[` count anywhere in a line, so a space is put behind their `##`, in JSON an escape in
//! its place. Sections of GitLab and Travis need a carriage return, which is a control character.

mod around;
mod bytes;
mod ci;
mod grammar;
mod json;
mod plain;
mod scan;
mod text;
mod utf8;
mod visible;

pub use around::TerminalBytes;
pub use bytes::without_escapes;
pub use ci::without_commands;
pub use json::json;
pub use scan::{Control, Introducer, Scanner, Token};
pub use text::{first_words, last_state_start, line, line_into, words};
pub use visible::is_visible;

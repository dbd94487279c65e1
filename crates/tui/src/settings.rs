//! What is decided before a screen is opened.

use std::time::Duration;

/// How a run is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TuiSettings {
    /// Colours. Whatever they say, icons and words say as well.
    pub colours: Colours,
    /// Draw with ASCII characters only, for terminals whose font or encoding has no others.
    pub ascii: bool,
    /// What the person in front of it is to the run.
    pub role: Role,
    /// Take the mouse, so that text can be marked and the wheel scrolls; a key gives it back to the terminal.
    pub mouse: bool,
    /// When the final screen stays until a person dismisses it.
    pub hold: HoldPolicy,
    /// Tell a person who looks elsewhere that a run is over; `None`: never.
    pub notify: Option<Notify>,
    /// Version of roboppi, shown in the help.
    pub version: String,
    /// Name shown until the run says its own.
    pub title: String,
    /// There is a list of runs behind the screen, to which Esc goes back.
    pub nested: bool,
    /// Whether the run goes on cannot be told from here: its state is `elsewhere` until its record says how it ended.
    pub elsewhere: bool,
}

/// What the person in front of a screen is to the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The run is in this process: leaving means ending it.
    #[default]
    Owner,
    /// It is in another one, or over: leaving means nothing to it.
    Viewer,
    /// It is told once more. Nobody can be asked for anything.
    Replay,
}

/// When a screen stays once the run is over. One whose keyboard has ended never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HoldPolicy {
    /// Until the person leaves.
    Always,
    /// Until the person leaves, if the run did not succeed or they are in the middle of reading; a screen that was never used
    /// leaves after a minute. It does not stay either when they ended the run themselves.
    #[default]
    Failure,
    /// Never.
    Never,
}

/// Whether a person was in front of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Keys were pressed, or the mouse was used.
    Present,
    /// The screen was never used.
    Absent,
}

/// Colours of the screen, all of them among the 16 that a terminal has names for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// None: bold, dim, underlined and reversed text instead.
    None,
    /// Those that can be read on a dark background.
    #[default]
    Dark,
    /// Those that can be read on a light background.
    Light,
}

/// When and how the end of a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Only of runs that took this long.
    pub after: Duration,
    /// What the terminal understands.
    pub by: NotifyBy,
}

/// What a terminal understands as a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotifyBy {
    /// The bell, which all know and most show as wanting attention.
    #[default]
    Bell,
    /// OSC 9: a text.
    Osc9,
    /// OSC 777: a title and a text.
    Osc777,
}

//! What happens to the model, and what it asks for.

use std::sync::Arc;

use ratatui::layout::Size;
use roboppi_attach::{History, PlayInput, RunCommand};
use roboppi_ipc::UtcMillis;
use roboppi_run::{RunRecord, RunView};

use crate::activity_pane::EarlierRead;
use crate::keymap::Key;
use crate::log_pane::{CoreTail, LogReply};
use crate::mouse::Mouse;
use crate::programs::Places;
use crate::terminal::TerminalMode;

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Key(Key),
    /// What the mouse did, and when.
    Mouse(Mouse, UtcMillis),
    /// The pointer pulls at an edge, and some time went by.
    Pull,
    Resize(Size),
    /// Time went on.
    Tick(UtcMillis),
    /// The run as it is now; what was known of it before is void.
    Follow(Box<RunView>),
    Record(Arc<RunRecord>),
    /// No more records will come.
    Ended,
    /// The editor has ended; what went wrong with it.
    Edited(Option<String>),
    /// A command did not reach the owner of the run, and why.
    RequestLost(String),
    /// What earlier runs tell.
    History(History),
    Log(LogReply),
    CoreTail(CoreTail),
    /// A large value of the record: its name, and what is in it.
    Whole(String, String),
    /// What an agent did earlier.
    Earlier(EarlierRead),
}

/// Something the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Request(RunCommand),
    /// Move the replay.
    Play(PlayInput),
    /// Use the terminal for the screen or for plain lines.
    Use(TerminalMode),
    /// Stand still, as for Ctrl-Z.
    Suspend,
    /// Put a text on the clipboard.
    Copy(String),
    /// Take the mouse, or give it back to the terminal.
    Mouse(bool),
    /// Open a file in the person's editor.
    Edit(Places),
    /// Send bytes that make the terminal notify.
    Notify(Vec<u8>),
    /// Leave the screen.
    Leave,
}

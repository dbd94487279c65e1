//! The terminal view of a run.
//!
//! [`run`] draws one run until the person in front of it leaves. It reads through
//! [`RunSource`](roboppi_attach::RunSource) alone and cannot tell whether the run is in this process, in
//! another one or over; what a person wants done goes out as a [`RunCommand`](roboppi_attach::RunCommand).
//!
//! Inside, a `model` is changed by `update`, one message at a time, and drawn by `view`. Both are plain
//! functions. The `driver` is the only part that waits, reads and writes; it draws at most one frame in 33 ms
//! for what the run does, at once when a key was pressed, and none when nothing changed. Nothing reaches the
//! terminal that did not pass `sanitise`.

mod activity_pane;
mod clipboard;
mod control;
mod dashboard;
mod diff_pane;
mod driver;
mod error;
mod fetch;
mod filter;
mod graph;
mod input;
mod keymap;
mod layout;
mod lines;
mod location;
mod log_pane;
mod log_service;
mod mark;
mod markdown;
mod message;
mod model;
mod mouse;
mod notify;
mod painter;
mod programs;
mod sanitise;
mod settings;
mod step_list;
mod tab;
mod terminal;
#[cfg(test)]
mod test_run;
mod text;
mod theme;
mod update;
mod view;

pub use control::{TuiControl, TuiHandle};
pub use dashboard::{
    DashboardSettings, DashboardTab, FollowedFile, FollowedFiles, OpenRun, OpenedRun, Runs, dashboard,
    dashboard_keys,
};
pub use driver::run;
pub use error::TuiError;
pub use keymap::key_reference;
pub use lines::LineView;
pub use location::Location;
pub use programs::{Editor, Places, Programs};
pub use settings::{Audience, Colours, HoldPolicy, Notify, NotifyBy, Role, TuiSettings};
pub use terminal::{columns, interrupt_is_for_editor, lend_terminal, restore_terminal};

//! The terminal view of all runs.
//!
//! Made as the screen of one run is: a `model`, changed by `update` and drawn by `view`, and a `driver` that waits. Keys are looked up in
//! the table of `keys`. A run is opened on its own screen in the same terminal.

mod cells;
mod driver;
mod feed;
mod items;
mod keys;
mod model;
mod settings;
#[cfg(test)]
mod tests;
mod update;
mod view;

pub use driver::dashboard;
pub use keys::dashboard_keys;
pub use settings::{DashboardSettings, DashboardTab, FollowedFile, FollowedFiles, OpenRun, OpenedRun, Runs};

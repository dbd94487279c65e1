//! Real changes of the files of a directory while a worker runs in it.
//!
//! A [`Watcher`] has a thread of its own. It reads which files there are before the worker starts (the baseline), is notified of
//! changes while it runs, and reads again at the end (the sweep). The [`Report`] is the difference of baseline and sweep, so a lost
//! notification loses no change: notifications only make a change visible earlier and notify when it was.
//!
//! Files that git ignores, `.git` itself and directories of roboppi are left aside, links are not followed, and nothing outside the
//! directory is opened. All of it is bounded by [`Limits`]; what a limit leaves out is stated in the report.

mod baseline;
mod beneath;
mod cause;
mod compare;
mod contents;
mod diff;
mod ignored;
mod limits;
mod missed;
mod notices;
mod scan;
mod stat;
mod sweep;
mod watcher;
mod watches;
mod workspaces;

pub use cause::{Cause, Reported};
pub use compare::ChangeKind;
pub use limits::Limits;
pub use sweep::{FileChange, Report};
pub use watcher::{LiveChange, News, Settings, Watcher};
pub use workspaces::Workspaces;

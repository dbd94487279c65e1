//! Reach a run and follow it.
//!
//! A viewer gets everything through [`RunSource`]: a view and the records after it, the record, and a way to request
//! something of the owner. It cannot tell whether the run is in its own process, in another one, over, or in no directory at
//! all. [`LiveSource`] is the source inside the process that owns the run, [`FileSource`] the one of every other process,
//! [`ReplaySource`] plays a record again, and [`MemoryRun`] has one of a run in memory. A run on this machine is a
//! [`LocalRun`]: [`RunFollower`] follows it without a thread, [`ask`] brings a command to its owner, and [`RunSummary`] lists
//! all of them, [`AllRuns`] follows all of them, and [`Statistics`] counts what they did. A program that records itself
//! reports to an [`EmittedRun`].

mod all_runs;
mod ask;
mod catalog;
mod dir_stamp;
mod emitted;
mod file;
mod follower;
mod history;
mod live;
mod liveness;
mod local_run;
mod memory;
mod playback;
mod remembered;
mod replay;
mod same_file;
mod sharing;
mod source;
mod statistics;
mod survivors;

pub use all_runs::AllRuns;
pub use ask::{Answer, AskError, Request, ask, ask_as};
pub use catalog::RunSummary;
pub use emitted::{Beginning, EmitError, EmittedRun, Marked};
pub use file::FileSource;
pub use follower::{FileWatch, Found, Growing, RunFollower};
pub use history::Forecasts;
pub use live::{AtOnce, LiveFeed, LiveSource};
pub use liveness::{Liveness, pid_namespace};
pub use local_run::LocalRun;
pub use memory::MemoryRun;
pub use playback::{InvalidSpeed, PlayInput, Playback, Position, Speed};
pub use replay::{AtEnd, ReplaySource};
pub use roboppi_run::{History, RunCommand};
pub use same_file::SameFile;
pub use sharing::Sharing;
pub use source::{Following, Next, Records, RequestError, RunSource};
pub use statistics::{Statistic, Statistics};
pub use survivors::survivors;

//! Children: their life, sessions, pipes and the ladder that ends them.
//!
//! [`run`] takes one child from its start to its end. What happens when is decided by
//! [`machine::ChildMachine`], which knows neither processes nor clocks; the driver only performs.
//!
//! Three promises hold on every path, also when the future of [`run`] is dropped:
//!
//! * The child leads a session and a process group of its own. Whatever ends it, the group first gets
//!   TERM (and CONT, so that a stopped process can die) and after the grace time KILL; whoever of the
//!   group outlives the child and the drain time gets KILL. Only a dropped future skips the grace. In a process
//!   that is a child subreaper those who hold no pipe and outlive a child that ended by itself are left to its
//!   owner, as orphans, who can tell of them ([`descendants::adopted`]).
//! * Every byte written before the end of the child is delivered, in the order of its stream, before
//!   [`run`] returns.
//! * A signal never hits a stranger. The group has the number of its leader, and a number cannot be
//!   given away while its process has not been reaped. So the exit is *looked at* first, the pipes are
//!   drained and the group is swept, and only then the leader is reaped (`leader.rs`).
//!
//! Processes that leave the group (`setsid`) are out of reach here; a pipe they hold is waited for
//! during the drain time and then reported in [`ChildReport::pipes_left_open`]. They are found again in
//! [`descendants`], and [`guard`] sees to it that nothing is left when this process is gone, too.

mod aside;
pub mod descendants;
mod driver;
mod error;
pub mod forked;
pub mod guard;
mod heard_signal;
mod identity;
pub mod inherited;
mod leader;
pub mod machine;
mod memory;
mod pipes;
mod spawn;
mod title;
mod watch_exit;

pub use aside::aside;
pub use driver::{ChildReport, ChildWatch, Control, STDIN_BACKLOG, run};
pub use error::{SpawnError, SpawnErrorKind};
pub use heard_signal::HeardSignal;
pub use identity::{identity, is_alive};
pub use leader::ChildUsage;
pub use machine::Limits;
pub use roboppi_ipc::ExitKind;
pub use spawn::{Environment, Spawn, StdinMode, end_with_starter, find_program, is_program, lead_a_session};

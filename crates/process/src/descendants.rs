//! Processes below us that we did not start: find them, tell whose they are, end them.
//!
//! A process that makes a session of its own, or forks twice, is out of reach of its group, but not of its
//! ancestors: whoever is a child subreaper ([`become_subreaper`](crate::guard::become_subreaper)) becomes
//! the parent of every descendant whose own parent ends. So all that was started and still lives hangs
//! below us, and [`adopted`] are those nobody else looks after.
//!
//! A process is named by [`ProcessIdentity`], never by its pid alone. [`signal`] cannot hit a stranger: it
//! takes hold of the process first (a descriptor of it, where the system has them), then looks whether it
//! is the one that was meant.
//!
//! Everything here needs `/proc`. On systems without it nothing is found, and nothing is ended.

mod belong;
mod freeze;
mod send;
mod tree;

use std::io;
use std::time::Duration;

use roboppi_ipc::{Leaked, ProcessIdentity};
use rustix::process::{Pid, WaitOptions, waitpid};

pub use belong::{JobSpan, owners, ready_to_end};
pub use send::signal;

pub(crate) use freeze::freeze_and_kill;
pub(crate) use tree::{Node, adopted_nodes, child_pids, walk};

/// A process somewhere below another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which one.
    pub identity: ProcessIdentity,
    /// Pid of its parent.
    pub parent: u32,
    /// Number of its session: the pid of the process that made it.
    pub session: u32,
    /// Its command line, shortened; its name in brackets when it has none.
    pub command: String,
}

impl Process {
    pub(crate) fn read(node: &Node) -> Self {
        Self {
            identity: node.identity,
            parent: node.stat.parent,
            session: node.stat.session,
            command: tree::command(node.identity.pid),
        }
    }

    /// What is said of it when it was ended.
    #[must_use]
    pub fn to_leaked(&self) -> Leaked {
        Leaked::new(self.identity, self.command.clone())
    }
}

/// All living descendants of a process, parents before their children.
#[must_use]
pub fn list(pid: u32) -> Vec<Process> {
    living(&walk(pid))
}

/// The living orphans that were given to us, and all that hangs below them; parents before their children.
///
/// An orphan is a child of ours that we did not start. Children started by [`run`](crate::run) are known;
/// others that lead a session of their own have to be named in `started`. A child in *our* session is
/// ours: nobody else can bring a process into it.
#[must_use]
pub fn adopted(started: &[u32]) -> Vec<Process> {
    living(&adopted_nodes(started))
}

fn living(nodes: &[Node]) -> Vec<Process> {
    nodes.iter().filter(|node| !node.stat.ended()).map(Process::read).collect()
}

/// Reaps the orphans that have ended, each by its pid, and says whether any is left that has not.
/// `started` as in [`adopted`].
pub fn reap_adopted(started: &[u32]) -> bool {
    let mut left = false;
    for child in tree::orphans(started) {
        if !(child.stat.ended() && reap(child.identity.pid)) {
            left = true;
        }
    }
    left
}

fn reap(pid: u32) -> bool {
    i32::try_from(pid).ok().and_then(Pid::from_raw).is_some_and(|pid| {
        let ended = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::NOHANG));
        !matches!(ended, Ok(None))
    })
}

/// Ends these processes and everything below them at once: STOP from the top down until nothing new
/// appears, then KILL. Returns those that lived. They still have to be reaped.
#[must_use]
pub fn kill_trees(roots: &[ProcessIdentity]) -> Vec<Process> {
    let mut ended = Vec::new();
    freeze_and_kill(|| tree::below(roots), &mut |node| ended.push(Process::read(node)));
    ended
}

/// What a variable was when the process was started. `None` as well when it may not be read, and in the moment
/// in which the process replaces its program.
#[must_use]
pub fn environment_variable(process: ProcessIdentity, name: &str) -> Option<String> {
    let environment = tree::memory_file(process.pid, "environ");
    if !crate::is_alive(process) {
        return None;
    }
    let value = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// What a process and all that hangs below it use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    /// Processor time, that of children included which were waited for. It falls when a child ends for which no process waits.
    pub processor: Duration,
    /// Resident memory in bytes, the sum of all processes: memory that several share counts for each.
    pub memory: u64,
}

/// What a process and all below it use now; `None` when the process is gone, or the system does not report it.
#[must_use]
pub fn usage(root: ProcessIdentity) -> Option<TreeUsage> {
    let nodes = tree::below(&[root]);
    nodes.first()?;
    let memory = nodes.iter().fold(0_u64, |sum, node| sum.saturating_add(node.stat.memory));
    Some(TreeUsage { processor: processor_of(&nodes), memory })
}

fn processor_of(nodes: &[Node]) -> Duration {
    let ticks = nodes.iter().fold(0_u64, |sum, node| sum.saturating_add(node.stat.processor));
    Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / clock_ticks().max(1)))
}

/// Processor time that a process, all that hangs below it, and all they have waited for have used. It falls when
/// somebody ends whom nobody waits for. Zero when the process is gone, or the system does not tell.
#[must_use]
pub fn processor_time(root: ProcessIdentity) -> Duration {
    processor_of(&tree::below(&[root]))
}

#[cfg(target_os = "linux")]
fn clock_ticks() -> u64 {
    rustix::param::clock_ticks_per_second()
}

#[cfg(not(target_os = "linux"))]
const fn clock_ticks() -> u64 {
    100
}

/// Now, on the clock of [`ProcessIdentity::start_time`].
///
/// # Errors
/// On systems that do not tell start times.
#[cfg(target_os = "linux")]
pub fn now_ticks() -> io::Result<u64> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).map_err(io::Error::other)?;
    let nanos = u64::try_from(now.tv_nsec).map_err(io::Error::other)?;
    let per_second = clock_ticks();
    Ok(seconds * per_second + nanos * per_second / 1_000_000_000)
}

/// Now, on the clock of [`ProcessIdentity::start_time`].
///
/// # Errors
/// On systems that do not tell start times.
#[cfg(not(target_os = "linux"))]
pub fn now_ticks() -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

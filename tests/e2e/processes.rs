//! Finding and ending what a test started.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The environment variable by which processes of a test are known.
pub(crate) const MARKER: &str = "ROBOPPI_TEST_ID";

/// A process that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) state: char,
    pub(crate) command: String,
}

impl Process {
    /// The process of a pid; `None` when it is not there or only waits to be reaped.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        if matches!(state, 'Z' | 'X') {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
        Some(Self { pid, parent, state, command })
    }

    /// Every process that bears the mark of a test: in its environment, or as a word of its command line.
    pub(crate) fn marked(id: &str) -> Vec<Self> {
        let me = std::process::id().cast_signed();
        let pids =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != me && is_marked(*pid, id)).filter_map(Self::of).collect()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may be gone by now, which is fine.
        let _ = kill(Pid::from_raw(self.pid), signal);
    }
}

fn is_marked(pid: i32, id: &str) -> bool {
    let has = |file: &str, mark: &str| {
        fs::read(format!("/proc/{pid}/{file}"))
            .is_ok_and(|bytes| bytes.windows(mark.len()).any(|window| window == mark.as_bytes()))
    };
    has("environ", &format!("{MARKER}={id}")) || has("cmdline", id)
}

/// Kills everything that bears the mark. Several rounds, for what forks meanwhile.
pub(crate) fn end_marked(id: &str) {
    for _ in 0..100 {
        let found = Process::marked(id);
        if found.is_empty() {
            return;
        }
        for process in found {
            process.signal(Signal::SIGKILL);
        }
    }
}

/// A list for messages.
pub(crate) fn list(processes: &[Process]) -> String {
    let line =
        |p: &Process| format!("  pid {} (parent {}, state {}): {}", p.pid, p.parent, p.state, p.command);
    processes.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_test_leaves_is_found_and_ended() {
    let env = crate::env::TestEnv::new();
    let script = "setsid sleep 1000 & setsid env -i bash -c 'exec -a MARK sleep 1000' & echo > started";
    let _ = env.shell(&script.replace("MARK", env.mark())).output().code(0);
    env.wait_for("both of them", || (Process::marked(env.mark()).len() == 2).then_some(()));
    end_marked(env.mark());
    env.wait_until_nothing_is_left();
}

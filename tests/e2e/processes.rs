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
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let state = fields.first()?.chars().next()?;
        let parent = fields.get(1)?.parse().ok()?;
        // The main thread may have ended while others go on.
        let threads: u32 = fields.get(17)?.parse().ok()?;
        if state == 'X' || (state == 'Z' && threads <= 1) {
            return None;
        }
        let command = memory_file(pid, "cmdline");
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
        memory_file(pid, file).windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    has("environ", &format!("{MARKER}={id}")) || has("cmdline", id)
}

/// A file that describes the memory of a process; its other threads have it when the main thread has ended.
fn memory_file(pid: i32, name: &str) -> Vec<u8> {
    let content = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let lost_main_thread = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
        fields.first() == Some(&"Z") && fields.get(17).is_some_and(|threads| *threads != "1")
    };
    if !content.is_empty() || !lost_main_thread() {
        return content;
    }
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut contents = threads.filter_map(|thread| fs::read(thread.path().join(name)).ok());
    contents.find(|content| !content.is_empty()).unwrap_or_default()
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

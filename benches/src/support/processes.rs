//! What processes need, as the system counts it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The most memory that processes ever had resident, in bytes, by their role.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peaks(BTreeMap<&'static str, u64>);

impl Peaks {
    /// The peak of a role; 0 when there was no such process.
    pub(crate) fn of(&self, role: &str) -> u64 {
        self.0.get(role).copied().unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes the larger ones.
    pub(crate) fn rise(&mut self, others: &Self) {
        for (role, bytes) in &others.0 {
            let most = self.0.entry(role).or_default();
            *most = (*most).max(*bytes);
        }
    }
}

/// What a process and those of the same program below it needed so far. `roles` are given from the top.
pub(crate) fn peaks(pid: u32, roles: &[&'static str]) -> Peaks {
    let all = std::iter::once(pid).chain(descendants(pid));
    Peaks(roles.iter().copied().zip(all.map(|pid| memory(pid).1)).collect())
}

/// The processes of the same program below a process, from the top.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let program = |pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let this = program(pid);
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|child| child.parse().ok());
    let own = children.filter(|child| this.is_some() && program(*child) == this);
    own.flat_map(|child: u32| std::iter::once(child).chain(descendants(child))).collect()
}

/// Bytes that are resident now, and that ever were; 0 when it cannot be read.
pub(crate) fn memory(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.unwrap_or_default() * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Seconds of a processor that a process has used so far.
pub(crate) fn cpu(pid: u32) -> f64 {
    threads(pid).values().sum()
}

/// Seconds of a processor that each thread has used so far, by its name. To the nanosecond, as the scheduler counts.
pub(crate) fn threads(pid: u32) -> BTreeMap<String, f64> {
    let mut threads = BTreeMap::new();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for task in tasks.map(|task| task.path()) {
        let read = |file: &str| fs::read_to_string(PathBuf::from(&task).join(file)).unwrap_or_default();
        let nanoseconds = read("schedstat").split(' ').next().and_then(|first| first.parse::<f64>().ok());
        *threads.entry(read("comm").trim().to_owned()).or_default() += nanoseconds.unwrap_or_default() / 1e9;
    }
    threads
}

//! Reading the tree of processes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use roboppi_ipc::ProcessIdentity;
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::identity::{Stat, stat};
use crate::leader::is_leader;

/// Longest command line that is told, in characters.
const COMMAND_LENGTH: usize = 300;

/// A process as it was found below another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) identity: ProcessIdentity,
    pub(crate) stat: Stat,
}

impl Node {
    fn read(pid: u32) -> Option<Self> {
        let stat = stat(pid).ok()?;
        Some(Self { identity: ProcessIdentity { pid, start_time: stat.start_time }, stat })
    }
}

/// All descendants of a process, dead ones included, parents before their children.
///
/// Processes come and go meanwhile. What is in the answer was a descendant at the time; what is not may have
/// been one, when it was just born or has just lost its parent.
pub(crate) fn walk(root: u32) -> Vec<Node> {
    grow(children(root))
}

/// The children of a process.
fn children(pid: u32) -> Vec<Node> {
    Source::new().children(pid, |_| true)
}

/// Our children that somebody else started.
pub(crate) fn orphans(started: &[u32]) -> Vec<Node> {
    if is_childless() {
        return Vec::new();
    }
    let own = std::process::id();
    // A leader is not reaped yet, so that its number is nobody else's.
    let mut nodes = Source::new().children(own, |pid| !is_leader(pid) && !started.contains(&pid));
    // Mostly there are other workers and nothing else.
    if nodes.is_empty() {
        return nodes;
    }
    let Ok(session) = stat(own).map(|stat| stat.session) else { return Vec::new() };
    nodes.retain(|node| node.stat.session != session);
    nodes
}

/// Whether this process has no children at all, living or dead: one question instead of a look at the lists.
fn is_childless() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}

/// The same and all that hangs below them.
pub(crate) fn adopted_nodes(started: &[u32]) -> Vec<Node> {
    grow(orphans(started))
}

/// Those of `roots` that are there, and all that hangs below them.
pub(crate) fn below(roots: &[ProcessIdentity]) -> Vec<Node> {
    let found = roots.iter().filter_map(|&root| Node::read(root.pid).filter(|node| node.stat.is(root)));
    grow(found.collect())
}

fn grow(mut nodes: Vec<Node>) -> Vec<Node> {
    let source = Source::new();
    let mut seen: HashSet<ProcessIdentity> = nodes.iter().map(|node| node.identity).collect();
    let mut next = 0;
    while let Some(&node) = nodes.get(next) {
        next += 1;
        // The dead have no children.
        if node.stat.ended() {
            continue;
        }
        let found = source.children(node.identity.pid, |_| true);
        // If the number belongs to somebody else by now, so do the children.
        if found.is_empty() || !stat(node.identity.pid).is_ok_and(|now| now.is(node.identity)) {
            continue;
        }
        nodes.extend(found.into_iter().filter(|child| seen.insert(child.identity)));
    }
    nodes
}

/// Where the children of a process are read from.
enum Source {
    /// The system lists them.
    Listed,
    /// It does not: every process is asked for its parent, once.
    Table(HashMap<u32, Vec<Node>>),
}

impl Source {
    fn new() -> Self {
        static LISTED: OnceLock<bool> = OnceLock::new();
        if *LISTED.get_or_init(|| Path::new("/proc/thread-self/children").exists()) {
            Self::Listed
        } else {
            Self::table()
        }
    }

    fn table() -> Self {
        let mut table: HashMap<u32, Vec<Node>> = HashMap::new();
        for node in numbers("/proc").into_iter().filter_map(Node::read) {
            table.entry(node.stat.parent).or_default().push(node);
        }
        Self::Table(table)
    }

    /// The children of a process whose pids are `wanted`.
    fn children(&self, pid: u32, wanted: impl Fn(u32) -> bool) -> Vec<Node> {
        match self {
            Self::Listed => listed_children(pid, wanted),
            Self::Table(table) => {
                let all = table.get(&pid).into_iter().flatten();
                all.filter(|child| wanted(child.identity.pid)).copied().collect()
            }
        }
    }
}

/// Every thread has its own children.
fn listed_children(pid: u32, wanted: impl Fn(u32) -> bool) -> Vec<Node> {
    let mut nodes = Vec::new();
    for thread in numbers(&format!("/proc/{pid}/task")) {
        let Ok(list) = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")) else { continue };
        nodes.extend(
            list.split_ascii_whitespace()
                .filter_map(|child| child.parse().ok())
                .filter(|child| wanted(*child))
                .filter_map(Node::read)
                // It may have got another parent, or its number another owner.
                .filter(|child| child.stat.parent == pid),
        );
    }
    nodes
}

/// The entries of a directory that are numbers.
fn numbers(directory: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a process starts no other now: it is stopped, or all its threads are.
pub(super) fn halted(node: &Node) -> bool {
    if !node.stat.lost_main_thread() {
        return node.stat.halted();
    }
    let pid = node.identity.pid;
    let threads = numbers(&format!("/proc/{pid}/task"));
    threads
        .into_iter()
        .filter(|&thread| thread != pid)
        .all(|thread| stat(thread).map_or(true, |thread| thread.halted()))
}

/// A file that describes the memory of a process. One whose main thread has ended shows it by its other threads.
pub(super) fn memory_file(pid: u32, name: &str) -> Vec<u8> {
    let content = read(&format!("/proc/{pid}/{name}")).unwrap_or_default();
    if !content.is_empty() || !stat(pid).is_ok_and(|stat| stat.lost_main_thread()) {
        return content;
    }
    let threads = numbers(&format!("/proc/{pid}/task")).into_iter();
    let mut contents = threads.filter_map(|thread| read(&format!("/proc/{pid}/task/{thread}/{name}")).ok());
    contents.find(|content| !content.is_empty()).unwrap_or_default()
}

/// In one go as far as possible: between two reads the process may become another program, or end.
fn read(path: &str) -> io::Result<Vec<u8>> {
    const USUAL: usize = 16 * 1024;
    let mut content = Vec::with_capacity(USUAL);
    fs::File::open(path)?.read_to_end(&mut content)?;
    content.shrink_to_fit();
    Ok(content)
}

/// The pids of our children, those included that cannot be looked at.
pub(crate) fn child_pids() -> Vec<u32> {
    let mut pids = Vec::new();
    for thread in numbers("/proc/self/task") {
        let list = fs::read_to_string(format!("/proc/self/task/{thread}/children")).unwrap_or_default();
        pids.extend(list.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    pids
}

/// The command line of a process, shortened.
pub(super) fn command(pid: u32) -> String {
    let line = memory_file(pid, "cmdline");
    let words: Vec<_> = line.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
    let text = words.join(" ");
    let text = text.trim_end();
    if text.is_empty() {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return format!("[{}]", name.trim_end());
    }
    match text.char_indices().nth(COMMAND_LENGTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    struct KillOnDrop(Child);

    impl Drop for KillOnDrop {
        fn drop(&mut self) {
            let _ = kill_tree(self.0.id());
            let _ = self.0.wait();
        }
    }

    fn kill_tree(pid: u32) -> Vec<crate::descendants::Process> {
        crate::identity(pid).map(|root| crate::descendants::kill_trees(&[root])).unwrap_or_default()
    }

    /// A shell with a child and a grandchild, once all of them are there.
    fn family() -> KillOnDrop {
        use std::io::Read;
        let script = "bash -c 'sleep 1000 & echo; wait' & wait";
        let mut child =
            Command::new("bash").args(["-c", script]).stdout(Stdio::piped()).spawn().expect("bash is there");
        let mut ready = [0];
        let mut output = child.stdout.take().expect("it is piped");
        output.read_exact(&mut ready).expect("it says when it is ready");
        KillOnDrop(child)
    }

    fn pids(nodes: &[Node]) -> Vec<u32> {
        nodes.iter().map(|node| node.identity.pid).collect()
    }

    #[test]
    fn both_sources_find_the_same_tree_from_the_top_down() {
        let family = family();
        let root = family.0.id();
        let nodes = walk(root);
        assert_eq!(nodes.len(), 2, "{nodes:?}");
        assert_eq!(nodes[0].stat.parent, root);
        assert_eq!(nodes[1].stat.parent, nodes[0].identity.pid);

        let table = Source::table();
        assert_eq!(pids(&table.children(root, |_| true)), pids(&nodes[..1]));
        assert_eq!(pids(&table.children(nodes[0].identity.pid, |_| true)), pids(&nodes[1..]));
        assert_eq!(command(root), "bash -c bash -c 'sleep 1000 & echo; wait' & wait");
    }

    #[test]
    fn processor_time_is_that_of_processes_that_work() {
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo; exec sleep 1000";
        let mut child =
            Command::new("bash").args(["-c", script]).stdout(Stdio::piped()).spawn().expect("bash is there");
        let mut output = child.stdout.take().expect("it is piped");
        let child = KillOnDrop(child);
        let root = crate::identity(child.0.id()).unwrap();
        std::io::Read::read_exact(&mut output, &mut [0]).expect("it says when it is done");
        let used = crate::descendants::processor_time(root);
        assert!(!used.is_zero());
        assert!(crate::descendants::processor_time(root) - used < std::time::Duration::from_millis(100));
        let other = ProcessIdentity { start_time: root.start_time + 1, ..root };
        assert!(crate::descendants::processor_time(other).is_zero());
        assert_eq!(crate::descendants::usage(other), None);
        // It has no memory yet in the moment in which it becomes another program.
        let usages = std::iter::repeat_with(|| crate::descendants::usage(root).expect("it lives"));
        let usage = usages.take(1_000_000).find(|usage| usage.memory > 100_000).expect("it has memory");
        assert!(usage.processor >= used, "{usage:?}");
    }

    #[test]
    fn a_root_that_is_another_process_by_now_has_nothing_below_it() {
        let family = family();
        let root = crate::identity(family.0.id()).unwrap();
        assert_eq!(below(&[root]).len(), 3);
        assert!(below(&[ProcessIdentity { start_time: root.start_time + 1, ..root }]).is_empty());
    }
}

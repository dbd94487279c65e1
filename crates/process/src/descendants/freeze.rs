//! Ending a tree that may go on growing.
//!
//! A process that is stopped starts no other. So everybody is stopped first, the parents before their
//! children, until a look finds nobody new and nobody running; only then they are killed. Whoever slips through
//! (continued by somebody, or stuck inside the system) loses its parent and is found by the next round:
//! callers repeat until nothing is left.

use std::collections::HashSet;
use std::thread;

use super::tree::halted;
use super::{Node, signal};
use crate::machine::Signal;

/// Looks after which those that were found are killed, whether or not all of them have stopped.
const ROUNDS: usize = 100;

/// Stops and kills all that `list` finds. Tells of each living process once, before it is killed. Says whether
/// there were any, and none of them may be signalled.
pub(crate) fn freeze_and_kill(list: impl Fn() -> Vec<Node>, notify: &mut dyn FnMut(&Node)) -> bool {
    let mut met = HashSet::new();
    let mut nodes = Vec::new();
    for _ in 0..ROUNDS {
        nodes = list();
        let mut quiet = true;
        for node in nodes.iter().filter(|node| !node.stat.ended()) {
            if met.insert(node.identity) {
                notify(node);
                // Who may not be signalled is met again by the caller.
                let _ = signal(node.identity, Signal::Stop);
                quiet = false;
            } else if !halted(node) {
                quiet = false;
            }
        }
        if quiet {
            break;
        }
        thread::yield_now();
    }
    let mut reached = false;
    // Also those that seem to have ended: that does no harm, and nothing depends on how it is told.
    for node in &nodes {
        let sent = signal(node.identity, Signal::Kill).is_ok();
        reached |= sent && !node.stat.ended();
    }
    !met.is_empty() && !reached
}

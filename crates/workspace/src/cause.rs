//! Whether a tool call of the agent is the cause of a change.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Cause of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A tool call of the agent names the path at the time of the change, and no other agent's does.
    Tool,
    /// Anything else: a command, a script, another program.
    Other,
}

/// Milliseconds around a call in which a change may be its doing: programs report a call a little before or after it happens.
const SLACK: u64 = 1_000;
/// Calls that are remembered. The oldest are forgotten first: their changes have another cause then.
const CALLS: usize = 4_096;
/// Paths of one call.
const PATHS: usize = 64;

/// What an agent reported of the files that it changes, with times in milliseconds of UTC.
#[derive(Debug, Default)]
pub struct Reported {
    spans: VecDeque<Span>,
    /// Paths whose change was reported, as they were reported last.
    changed: BTreeSet<PathBuf>,
    /// Numbers of the spans that name a path.
    named: BTreeMap<PathBuf, Vec<u64>>,
    open: BTreeMap<String, u64>,
    /// Number of the first span that is remembered.
    first: u64,
}

#[derive(Debug)]
struct Span {
    paths: Vec<PathBuf>,
    begun: u64,
    /// `None` while the call runs.
    ended: Option<u64>,
}

impl Reported {
    /// A tool call begins that names these paths.
    pub fn call(&mut self, id: &str, paths: Vec<PathBuf>, now: u64) {
        let paths: Vec<_> = paths.into_iter().take(PATHS).collect();
        if paths.is_empty() {
            return;
        }
        self.add(Span { paths, begun: now, ended: None });
        let number = self.first + self.spans.len() as u64 - 1;
        self.open.insert(id.to_owned(), number);
    }

    /// The call of this id has ended.
    pub fn result(&mut self, id: &str, now: u64) {
        let Some(number) = self.open.remove(id) else { return };
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(span) = index.and_then(|index| self.spans.get_mut(index)) {
            span.ended = Some(now);
        }
    }

    /// The agent reports that it changed a file.
    pub fn changed(&mut self, path: PathBuf, now: u64) {
        if self.changed.len() < CALLS {
            self.changed.insert(path.clone());
        }
        self.add(Span { paths: vec![path], begun: now, ended: Some(now) });
    }

    fn add(&mut self, span: Span) {
        if self.spans.len() == CALLS {
            self.forget_first();
        }
        let number = self.first + self.spans.len() as u64;
        for path in &span.paths {
            self.named.entry(path.clone()).or_default().push(number);
        }
        self.spans.push_back(span);
    }

    fn forget_first(&mut self) {
        let Some(span) = self.spans.pop_front() else { return };
        self.first += 1;
        for path in span.paths {
            if let Some(numbers) = self.named.get_mut(&path) {
                numbers.retain(|number| *number >= self.first);
                if numbers.is_empty() {
                    self.named.remove(&path);
                }
            }
        }
        if span.ended.is_none() {
            self.open.retain(|_, number| *number >= self.first);
        }
    }

    /// Whether the agent reported a change of a file.
    #[must_use]
    pub fn has_changed(&self, path: &Path) -> bool {
        self.changed.contains(path)
    }

    /// Whether a call names the path at a time.
    #[must_use]
    pub fn names(&self, path: &Path, at: u64) -> bool {
        let numbers = self.named.get(path).into_iter().flatten();
        let mut spans =
            numbers.filter_map(|number| self.spans.get(usize::try_from(number - self.first).ok()?));
        spans.any(|span| {
            let until = span.ended.map_or(u64::MAX, |ended| ended.saturating_add(SLACK));
            span.begun.saturating_sub(SLACK) <= at && at <= until
        })
    }
}

/// The cause of a change that happened at these times, none of which may be left unexplained.
pub(crate) fn cause(own: &Reported, others: &[&Reported], path: &Path, times: &[u64]) -> Cause {
    let is_own = !times.is_empty() && times.iter().all(|at| own.names(path, *at));
    let is_shared = || times.iter().any(|at| others.iter().any(|reported| reported.names(path, *at)));
    if is_own && !is_shared() { Cause::Tool } else { Cause::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(id: &str, path: &str, from: u64, to: u64) -> Reported {
        let mut reported = Reported::default();
        reported.call(id, vec![path.into()], from);
        reported.result(id, to);
        reported
    }

    #[test]
    fn every_time_of_a_change_must_be_within_a_call_that_names_it() {
        let own = reported("t1", "/w/a", 10_000, 11_000);
        let of = |path: &str, times: &[u64]| cause(&own, &[], Path::new(path), times);
        assert_eq!(of("/w/a", &[10_500]), Cause::Tool);
        assert_eq!(of("/w/a", &[9_100, 11_900]), Cause::Tool, "a little around it");
        assert_eq!(of("/w/a", &[10_500, 15_000]), Cause::Other, "something else changed it afterwards");
        assert_eq!(of("/w/b", &[10_500]), Cause::Other);
        assert_eq!(of("/w/a", &[]), Cause::Other);
    }

    #[test]
    fn what_two_agents_name_at_the_same_time_is_of_neither() {
        let (own, other) = (reported("t1", "/w/a", 10_000, 20_000), reported("t1", "/w/a", 12_000, 13_000));
        let path = Path::new("/w/a");
        assert_eq!(cause(&own, &[&other], path, &[12_500]), Cause::Other);
        assert_eq!(cause(&own, &[&other], path, &[18_000]), Cause::Tool, "the other one had ended");
    }

    #[test]
    fn a_report_without_a_call_counts_and_old_calls_are_forgotten() {
        let mut own = Reported::default();
        own.changed("/w/a".into(), 5_000);
        assert!(own.has_changed(Path::new("/w/a")) && own.names(Path::new("/w/a"), 5_500));
        own.call("open", vec!["/w/open".into()], 6_000);
        for number in 0..CALLS as u64 {
            own.call(&number.to_string(), vec!["/w/b".into()], 60_000 + number);
        }
        assert!(!own.names(Path::new("/w/a"), 5_500) && !own.names(Path::new("/w/open"), 6_000));
        own.result("open", 70_000);
        own.result("0", 60_100);
        assert!(own.spans.len() == CALLS && own.open.len() == CALLS - 1);
        assert!(own.names(Path::new("/w/b"), 61_000));
    }
}

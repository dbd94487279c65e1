//! What notifications mean: which paths to look at, and when to read everything again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::stat::Name;

/// Time without a change of a path after which it is looked at.
const QUIET: Duration = Duration::from_millis(300);
/// Time after which it is looked at although it changes on and on.
const LONGEST: Duration = Duration::from_secs(2);
/// Time between two readings of everything.
const BETWEEN: Duration = Duration::from_secs(2);
/// Times of the changes of one path that are remembered. The first and the last ones always are.
const TIMES: usize = 8;
/// Milliseconds within which two changes are one.
const TOGETHER: u64 = 200;

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A file has changed, came or went.
    File(Name),
    /// A directory came: it is to be watched, and what is in it already is new.
    Dir(Name),
    /// A directory went, with everything in it.
    DirGone,
    /// Notifications were lost.
    Overflow,
}

/// What to do now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Paths to look at.
    pub(crate) files: Vec<Name>,
    /// Directories to read and to watch.
    pub(crate) dirs: Vec<Name>,
    /// Everything is to be read again.
    pub(crate) rescan: bool,
}

/// Folds notifications. Of more paths than `most` it keeps none, and everything is read again.
#[derive(Debug)]
pub(crate) struct Notices {
    most: usize,
    files: BTreeMap<Name, (Instant, Instant)>,
    dirs: Vec<Name>,
    rescan: bool,
    last_rescan: Option<Instant>,
    /// When each path changed, in milliseconds of UTC.
    times: BTreeMap<Name, Vec<u64>>,
    /// Notifications were lost, so `times` may lack some.
    pub(crate) lost_times: bool,
}

impl Notices {
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            most,
            files: BTreeMap::new(),
            dirs: Vec::new(),
            rescan: false,
            last_rescan: None,
            times: BTreeMap::new(),
            lost_times: false,
        }
    }

    /// Takes one notification that came `now`, which is `utc` milliseconds.
    pub(crate) fn push(&mut self, notice: Notice, now: Instant, utc: u64) {
        match notice {
            Notice::File(name) => {
                self.note_time(&name, utc);
                if self.files.len() < self.most || self.files.contains_key(&name) {
                    self.files.entry(name).or_insert((now, now)).1 = now;
                } else {
                    self.overflow();
                }
            }
            Notice::Dir(name) if self.dirs.len() < self.most => self.dirs.push(name),
            Notice::DirGone => self.rescan = true,
            Notice::Dir(_) | Notice::Overflow => {
                self.lost_times |= notice == Notice::Overflow;
                self.overflow();
            }
        }
    }

    fn overflow(&mut self) {
        self.files.clear();
        self.dirs.clear();
        self.rescan = true;
    }

    fn note_time(&mut self, name: &Name, utc: u64) {
        if self.times.len() >= self.most && !self.times.contains_key(name) {
            self.lost_times = true;
            return;
        }
        let times = self.times.entry(name.clone()).or_default();
        let is_full = times.len() == TIMES;
        match times.last_mut() {
            Some(last) if utc.saturating_sub(*last) < TOGETHER => {}
            Some(last) if is_full => *last = utc,
            _ => times.push(utc),
        }
    }

    /// When a path changed, as far as it is known.
    pub(crate) fn times(&self, name: &[u8]) -> &[u64] {
        self.times.get(name).map_or(&[], Vec::as_slice)
    }

    /// When [`due`](Self::due) has something to do next.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        let rescan = self.rescan.then(|| self.last_rescan.map_or(now, |last| last + BETWEEN));
        let dirs = (!self.dirs.is_empty()).then_some(now);
        let files = self.files.values().map(|(first, last)| (*last + QUIET).min(*first + LONGEST)).min();
        [rescan, dirs, files].into_iter().flatten().min()
    }

    /// Takes what is due.
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due { dirs: std::mem::take(&mut self.dirs), ..Due::default() };
        if self.rescan && self.last_rescan.is_none_or(|last| last + BETWEEN <= now) {
            (self.rescan, self.last_rescan) = (false, Some(now));
            self.files.clear();
            due.dirs.clear();
            due.rescan = true;
            return due;
        }
        self.files.retain(|name, (first, last)| {
            let is_due = (*last + QUIET).min(*first + LONGEST) <= now;
            if is_due {
                due.files.push(name.clone());
            }
            !is_due
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Notice {
        Notice::File(name.as_bytes().into())
    }

    #[test]
    fn a_path_is_looked_at_once_it_is_quiet_or_after_a_while() {
        let start = Instant::now();
        let mut notices = Notices::new(10);
        notices.push(file("a"), start, 1_000);
        notices.push(file("a"), start + QUIET / 2, 1_150);
        assert_eq!(notices.due(start + QUIET), Due::default());
        assert_eq!(notices.next_due(start), Some(start + QUIET / 2 + QUIET));
        assert_eq!(notices.due(start + QUIET * 2).files, [Name::from(&b"a"[..])]);
        assert_eq!(notices.next_due(start), None);
        let mut now = start;
        while now < start + LONGEST {
            notices.push(file("b"), now, 1);
            assert_eq!(notices.due(now), Due::default());
            now += QUIET / 2;
        }
        assert_eq!(notices.due(start + LONGEST).files.len(), 1);
    }

    #[test]
    fn too_many_paths_and_lost_notifications_lead_to_a_rescan() {
        let start = Instant::now();
        let mut notices = Notices::new(2);
        for name in ["a", "b", "c"] {
            notices.push(file(name), start, 1);
        }
        assert_eq!(notices.due(start), Due { rescan: true, ..Due::default() });
        notices.push(Notice::Overflow, start, 1);
        assert!(notices.lost_times);
        assert_eq!(notices.due(start), Due::default(), "not again so soon");
        assert_eq!(notices.next_due(start), Some(start + BETWEEN));
        assert!(notices.due(start + BETWEEN).rescan);
        notices.push(Notice::DirGone, start, 1);
        notices.push(Notice::Dir(Name::from(&b"d"[..])), start, 1);
        assert!(notices.due(start + BETWEEN * 2).rescan);
    }

    #[test]
    fn of_many_times_the_first_and_the_last_ones_stay() {
        let mut notices = Notices::new(10);
        for turn in 0..100 {
            notices.push(file("a"), Instant::now(), turn * 1_000);
        }
        let times = notices.times(b"a");
        assert_eq!((times.len(), times[0], times[TIMES - 1]), (TIMES, 0, 99_000));
    }
}

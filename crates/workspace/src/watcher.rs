//! The thread that watches one directory.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::Limits;
use crate::baseline::Baseline;
use crate::cause::{Cause, Reported, cause};
use crate::compare::{ChangeKind, Difference, differences, knows};
use crate::missed::Missed;
use crate::notices::{Due, Notices};
use crate::scan::{Bounds, scan};
use crate::stat::Name;
use crate::sweep::{Report, absolute, confirmed, sweep};
use crate::watches::Watches;
use crate::workspaces::{Overlap, Workspaces};

/// Bytes of the stack of the thread.
const STACK: usize = 1024 * 1024;
/// Files between two looks at what else is to be done, while content is read.
const AT_ONCE: usize = 64;

/// What is watched.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory, absolute.
    pub root: PathBuf,
    /// Directories that are left aside, absolute.
    pub skip: Vec<PathBuf>,
    /// Directories in whose file system content may be kept, the best one first.
    pub keep_in: Vec<PathBuf>,
    /// Bounds.
    pub limits: Limits,
}

/// What a watcher has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The worker may start: what it changes from now on will be seen.
    Ready,
    /// Files changed that the agent did not report. Each is announced once.
    Changed(Vec<LiveChange>),
    /// The last message.
    Swept(Report),
}

/// A change, while the worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveChange {
    /// Path relative to the directory.
    pub path: String,
    /// What happened to it so far.
    pub kind: ChangeKind,
}

/// Watches a directory until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Overlap>,
    control: Arc<Control>,
    root: PathBuf,
}

#[derive(Debug)]
struct Control {
    wake: EventFd,
    begun: AtomicBool,
    dropped: AtomicBool,
    finish: Mutex<Option<Duration>>,
}

impl Watcher {
    /// Starts to watch. `notify` is called on the thread of the watcher, which waits for it; `false` ends the watcher.
    ///
    /// # Errors
    /// When the system has no room for the thread.
    pub fn start(
        settings: Settings,
        workspaces: &Workspaces,
        notify: impl FnMut(News) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let shared = workspaces.enter(&settings.root);
        let control = Arc::new(Control {
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            begun: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
            finish: Mutex::new(None),
        });
        let root = settings.root.clone();
        let mut thread = Watching {
            settings,
            shared: Arc::clone(&shared),
            control: Arc::clone(&control),
            notify: Box::new(notify),
        };
        thread::Builder::new().name("workspace".to_owned()).stack_size(STACK).spawn(move || thread.run())?;
        Ok(Self { shared, control, root })
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Passes on what the agent tells. Paths are absolute.
    pub fn reported<T>(&self, notify: impl FnOnce(&mut Reported) -> T) -> T {
        self.shared.reported(notify)
    }

    /// The worker starts now.
    pub fn begin(&self) {
        self.control.begun.store(true, Ordering::SeqCst);
    }

    /// The worker and all its processes have ended: the last look may take as long as `time`, or as the limits allow.
    pub fn finish(&self, time: Duration) {
        *self.control.finish.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
        self.control.wake();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.control.dropped.store(true, Ordering::SeqCst);
        self.control.wake();
    }
}

impl Control {
    fn wake(&self) {
        // It fails only when it was written 2^64 times.
        let _ = self.wake.write(1);
    }

    fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    fn finish(&self) -> Option<Duration> {
        *self.finish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watching {
    settings: Settings,
    shared: Arc<Overlap>,
    control: Arc<Control>,
    notify: Box<dyn FnMut(News) -> bool + Send>,
}

impl Watching {
    fn run(&mut self) {
        let limits = self.settings.limits;
        let control = Arc::clone(&self.control);
        let is_dropped = || control.is_dropped();
        let (started, mut missed) = (Instant::now(), Missed::default());
        let mut watches = Watches::new(limits.watched_dirs);
        let mut notices = Notices::new(limits.noticed);
        let (root, skip) = (self.settings.root.clone(), self.settings.skip.clone());
        let read = Baseline::read(&root, &skip, &limits, &is_dropped, &mut watches);
        missed.began_late = control.begun.load(Ordering::SeqCst);
        let mut baseline = match read {
            Ok(baseline) => baseline,
            Err(error) => return self.without_baseline(&error),
        };
        self.keep_contents(&mut baseline, started, &mut watches, &mut notices);
        let mut live = Live::default();
        while control.finish().is_none() {
            if control.is_dropped() {
                return;
            }
            let due = notices.due(Instant::now());
            if due != Due::default() {
                let changed = live.look(&mut baseline, due, &limits, &is_dropped, &mut watches);
                let changed = self.unreported(changed);
                if !changed.is_empty() && !(self.notify)(News::Changed(changed)) {
                    return;
                }
            }
            wait(&watches, &control, notices.next_due(Instant::now()));
            drain(&mut watches, &mut notices);
        }
        drain(&mut watches, &mut notices);
        let until = Instant::now() + control.finish().unwrap_or_default().min(limits.sweep);
        let report = self.sweep(&mut baseline, until, missed, &notices);
        (self.notify)(News::Swept(report));
    }

    /// Nothing can be compared. The worker starts all the same.
    fn without_baseline(&mut self, error: &io::Error) {
        if !(self.notify)(News::Ready) {
            return;
        }
        while self.control.finish().is_none() && !self.control.is_dropped() {
            wait_for(&self.control);
        }
        let missed = Missed { root: Some(error.to_string()), ..Missed::default() };
        let report = Report { missed: missed.words(0), ..Report::default() };
        (self.notify)(News::Swept(report));
    }

    fn keep_contents(
        &mut self,
        baseline: &mut Baseline,
        started: Instant,
        watches: &mut Watches,
        notices: &mut Notices,
    ) {
        let limits = self.settings.limits;
        let keep_in: Vec<_> = self.settings.keep_in.clone();
        let keep_in: Vec<&Path> = keep_in.iter().map(PathBuf::as_path).collect();
        let (mut ready, mut count) = (false, 0);
        let mut is_wanted = true;
        baseline.keep_contents(&keep_in, &limits, || {
            count += 1;
            if count % AT_ONCE == 0 {
                drain(watches, notices);
            }
            if !ready && started.elapsed() >= limits.content_wait {
                ready = true;
                is_wanted = (self.notify)(News::Ready);
            }
            is_wanted && !self.control.is_dropped() && self.control.finish().is_none()
        });
        if !ready {
            (self.notify)(News::Ready);
        }
    }

    /// Those of them that the agent has not reported.
    fn unreported(&self, found: Vec<(Name, ChangeKind)>) -> Vec<LiveChange> {
        self.shared.reported(|reported| {
            let unreported = |name: &Name| !reported.has_changed(&absolute(&self.settings.root, name));
            let found = found.into_iter().filter(|(name, _)| unreported(name));
            found
                .map(|(name, kind)| LiveChange { path: String::from_utf8_lossy(&name).into_owned(), kind })
                .collect()
        })
    }

    fn sweep(&self, baseline: &mut Baseline, until: Instant, missed: Missed, notices: &Notices) -> Report {
        let others = self.shared.others();
        let has_too_many = Overlap::has_too_many(&others);
        let limits = self.settings.limits;
        let mut of = |difference: &Difference| {
            let path = absolute(&self.settings.root, &difference.name);
            let mut times = notices.times(&difference.name).to_vec();
            let written = difference.after.map(|stat| stat.modified.div_euclid(1_000_000));
            times.extend(written.and_then(|written| u64::try_from(written).ok()).filter(|_| {
                // A file that was moved here keeps the time of its last write.
                difference
                    .before
                    .is_none_or(|before| Some(before.modified) != difference.after.map(|now| now.modified))
            }));
            let reported = self.shared.reported(|reported| reported.has_changed(&path));
            let mut found = self.shared.reported(|own| cause(own, &[], &path, &times));
            let is_of_others = others
                .iter()
                .any(|other| other.reported(|reported| times.iter().any(|at| reported.names(&path, *at))));
            if is_of_others || has_too_many {
                found = Cause::Other;
            }
            (found, reported)
        };
        let control = Arc::clone(&self.control);
        let is_dropped = move || control.is_dropped();
        let mut report = sweep(baseline, &limits, until, &is_dropped, missed, &mut of);
        report.shared = !others.is_empty();
        report
    }
}

/// What was announced.
#[derive(Default)]
struct Live {
    announced: BTreeMap<Name, ChangeKind>,
}

impl Live {
    /// Looks at what is due; gives the changes that are new.
    fn look(
        &mut self,
        baseline: &mut Baseline,
        due: Due,
        limits: &Limits,
        is_dropped: &dyn Fn() -> bool,
        watches: &mut Watches,
    ) -> Vec<(Name, ChangeKind)> {
        let bounds = Bounds { limits, until: Some(Instant::now() + limits.sweep), is_dropped };
        let mut found = Vec::new();
        if due.rescan {
            let now = scan(&baseline.root, &mut baseline.ignored, b"", bounds, &mut |name, dir| {
                watches.add(name, dir);
            });
            found = differences(&baseline.scan, &now, |stat| baseline.is_racy(stat));
        }
        let mut files = due.files;
        for dir in due.dirs {
            if !baseline.ignored.has(&dir, true) {
                let now = scan(&baseline.root, &mut baseline.ignored, &dir, bounds, &mut |name, dir| {
                    watches.add(name, dir);
                });
                files.extend(now.files.into_keys());
            }
        }
        for name in files {
            if name.as_ref() == b".gitignore" || name.ends_with(b"/.gitignore") {
                baseline.ignored.enter(&baseline.root, crate::beneath::split(&name).0);
            }
            if baseline.ignored.has(&name, false) {
                continue;
            }
            let (before, after) = (baseline.scan.files.get(&name).copied(), baseline.root.stat(&name));
            if before != after && (before.is_some() || knows(&baseline.scan, &name)) {
                found.push(Difference { name, before, after });
            }
        }
        self.news(baseline, found, limits)
    }

    fn news(
        &mut self,
        baseline: &Baseline,
        found: Vec<Difference>,
        limits: &Limits,
    ) -> Vec<(Name, ChangeKind)> {
        let mut news = Vec::new();
        for difference in found {
            let kind = difference.kind();
            if self.announced.len() >= limits.live {
                break;
            }
            if !self.announced.contains_key(&difference.name)
                && confirmed(baseline, &difference, limits, 0).is_some()
            {
                self.announced.insert(difference.name.clone(), kind);
                news.push((difference.name, kind));
            }
        }
        news
    }
}

fn drain(watches: &mut Watches, notices: &mut Notices) {
    let now = Instant::now();
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |utc| utc.as_millis());
    let utc = u64::try_from(utc).unwrap_or(u64::MAX);
    watches.drain(|notice| notices.push(notice, now, utc));
}

/// Until there is a notification, a request, or something due.
fn wait(watches: &Watches, control: &Control, due: Option<Instant>) {
    let mut fds = vec![PollFd::new(control.wake.as_fd(), PollFlags::POLLIN)];
    fds.extend(watches.as_fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    let time = due.map(|due| due.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
    let time = time.map_or(PollTimeout::NONE, |time| PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX));
    // An interrupted wait is repeated by the caller.
    let _ = poll(&mut fds, time);
}

fn wait_for(control: &Control) {
    let _ = poll(&mut [PollFd::new(control.wake.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE);
}

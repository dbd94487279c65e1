//! Notifications of the system.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::beneath::join;
use crate::notices::Notice;
use crate::stat::Name;

/// Directories of which the system notifies.
#[derive(Debug)]
pub(crate) struct Watches {
    /// `None` where there are no notifications.
    inotify: Option<Inotify>,
    dirs: HashMap<WatchDescriptor, Name>,
    most: usize,
}

impl Watches {
    pub(crate) fn new(most: usize) -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        Self { inotify, dirs: HashMap::new(), most }
    }

    /// Watches an open directory. What cannot be watched is found at the end.
    pub(crate) fn add(&mut self, name: &[u8], dir: BorrowedFd<'_>) {
        let Some(inotify) = self.inotify.as_ref().filter(|_| self.dirs.len() < self.most) else { return };
        let changes = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_ATTRIB;
        // By its descriptor, so that no link can have taken its place.
        let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        if let Ok(watch) = inotify.add_watch(&path, changes | AddWatchFlags::IN_ONLYDIR) {
            self.dirs.insert(watch, name.into());
        }
    }

    pub(crate) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Takes what the system has to notify now.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(Notice)) {
        loop {
            let Some(inotify) = &self.inotify else { return };
            match inotify.read_events() {
                Ok(events) if events.is_empty() => return,
                Ok(events) => events.into_iter().filter_map(|event| self.notice(event)).for_each(&mut each),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn notice(&mut self, event: InotifyEvent) -> Option<Notice> {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return Some(Notice::Overflow);
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.dirs.remove(&event.wd);
            return None;
        }
        let name = join(self.dirs.get(&event.wd)?, event.name?.as_bytes());
        if !event.mask.contains(AddWatchFlags::IN_ISDIR) {
            return Some(Notice::File(name));
        }
        let came = event.mask.intersects(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
        let went = event.mask.intersects(AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM);
        if came {
            Some(Notice::Dir(name))
        } else {
            // A directory that was removed had to be empty, which was notified of file by file.
            (went && event.mask.contains(AddWatchFlags::IN_MOVED_FROM)).then_some(Notice::DirGone)
        }
    }
}

//! Waits until files in some directories change.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often files are looked at where nobody says that they changed.
const POLLING: Duration = Duration::from_millis(100);

/// Shortest time between two looks, so that a flood of small writes does not cost a look each, nor whoever writes a
/// wake-up of each viewer. The first write after a rest is seen at once.
const SHORTEST: Duration = Duration::from_millis(40);

/// Tells when something changes in directories. Where the system cannot tell, on file systems of the network for
/// example, every wait is 100 ms.
#[derive(Debug)]
pub(crate) struct Watch {
    notices: Option<notices::Notices>,
    covered: HashSet<PathBuf>,
    looked: Instant,
}

impl Watch {
    /// Watches nothing yet. `place` is on the file system in question.
    pub(crate) fn new(place: &Path) -> Self {
        Self { notices: notices::Notices::new(place), covered: HashSet::new(), looked: Instant::now() }
    }

    /// A watch that only looks again and again.
    #[cfg(test)]
    pub(crate) fn polling() -> Self {
        Self { notices: None, covered: HashSet::new(), looked: Instant::now() }
    }

    /// Waits until something may have changed in `dirs`, at most `limit`. What changed in a directory before it was
    /// among `dirs` counts as a change.
    pub(crate) fn wait(&mut self, dirs: Vec<PathBuf>, limit: Duration) {
        if !self.cover(dirs) {
            thread::sleep(SHORTEST.saturating_sub(self.looked.elapsed()).min(limit));
            match &self.notices {
                Some(notices) => notices.wait(limit),
                None => thread::sleep(POLLING.min(limit)),
            }
        }
        self.looked = Instant::now();
    }

    /// Says whether there is a directory that was not watched until now.
    fn cover(&mut self, dirs: Vec<PathBuf>) -> bool {
        let Some(notices) = &self.notices else { return false };
        let mut more = false;
        for dir in dirs {
            if self.covered.contains(&dir) {
                continue;
            }
            match notices.add(&dir) {
                Ok(true) => {
                    self.covered.insert(dir);
                    more = true;
                }
                // It is not there yet; that it is made is seen in the directory around it.
                Ok(false) => {}
                Err(_) => {
                    // The system has no room for more watches.
                    self.notices = None;
                    return true;
                }
            }
        }
        more
    }
}

#[cfg(target_os = "linux")]
mod notices {
    use std::os::fd::AsFd;
    use std::path::Path;
    use std::time::Duration;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    use nix::sys::statfs::statfs;

    /// File systems whose changes may be made on another machine: NFS, SMB and CIFS, FUSE, 9P, Ceph, AFS, Coda.
    const REMOTE: [u64; 9] = [
        0x6969,
        0x517B,
        0xFF53_4D42,
        0xFE53_4D42,
        0x6573_5546,
        0x0102_1997,
        0x00C3_6400,
        0x5346_414F,
        0x7375_7245,
    ];

    #[derive(Debug)]
    pub(super) struct Notices(Inotify);

    impl Notices {
        pub(super) fn new(place: &Path) -> Option<Self> {
            let kind = statfs(place).ok()?.filesystem_type().0 as u64 & 0xFFFF_FFFF;
            if REMOTE.contains(&kind) {
                return None;
            }
            Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok().map(Self)
        }

        /// Says whether the directory is there and watched from now on.
        pub(super) fn add(&self, dir: &Path) -> Result<bool, Errno> {
            let changes = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
            match self.0.add_watch(dir, changes | AddWatchFlags::IN_ONLYDIR) {
                Ok(_) => Ok(true),
                Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(false),
                Err(error) => Err(error),
            }
        }

        pub(super) fn wait(&self, limit: Duration) {
            let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
            let _ = poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout);
            // What they say does not matter: everything is looked at.
            while self.0.read_events().is_ok_and(|events| !events.is_empty()) {}
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod notices {
    use std::io;
    use std::path::Path;
    use std::time::Duration;

    /// There are none.
    #[derive(Debug)]
    pub(super) enum Notices {}

    impl Notices {
        pub(super) const fn new(_place: &Path) -> Option<Self> {
            None
        }

        pub(super) fn add(&self, _dir: &Path) -> io::Result<bool> {
            match *self {}
        }

        pub(super) fn wait(&self, _limit: Duration) {
            match *self {}
        }
    }
}

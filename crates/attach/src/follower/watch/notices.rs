//! What the system tells of changes in directories.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::statfs::statfs;

/// File systems whose files may be changed on another machine, which nobody here is told of: NFS, SMB, CIFS, SMB2, FUSE,
/// 9P, Ceph, AFS, Coda, those of virtual machines (VirtualBox, VMware, Parallels) and of clusters (Lustre, GPFS, BeeGFS,
/// OCFS2, GFS2).
const REMOTE: [u64; 17] = [
    0x6969,
    0x517B,
    0xFF53_4D42,
    0xFE53_4D42,
    0x6573_5546,
    0x0102_1997,
    0x00C3_6400,
    0x5346_414F,
    0x7375_7245,
    0x786F_4256,
    0xBACB_ACBC,
    0x7C7C_6673,
    0x0BD0_0BD0,
    0x4750_4653,
    0x1983_0326,
    0x7461_636F,
    0x0116_1970,
];

#[derive(Debug)]
pub(super) struct Notices(Inotify);

impl Notices {
    /// `None` where they would not come. `place` is on the file system in question.
    pub(super) fn new(place: &Path) -> Option<Self> {
        let kind = statfs(place).ok()?.filesystem_type().0 as u64 & 0xFFFF_FFFF;
        if REMOTE.contains(&kind) {
            return None;
        }
        Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok().map(Self)
    }

    /// Asks for one notice of each directory that is there. What came of earlier ones is forgotten.
    pub(super) fn arm(&self, dirs: &[PathBuf]) -> Result<(), Errno> {
        self.forget();
        let changes = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let once = AddWatchFlags::IN_ONESHOT | AddWatchFlags::IN_ONLYDIR;
        for dir in dirs {
            match self.0.add_watch(dir, changes | once) {
                // That it is made is seen in the directory around it.
                Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says whether there is a notice now, or within the time.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout).is_ok_and(|ready| ready > 0)
    }

    /// What they say does not matter: everything is looked at.
    fn forget(&self) {
        while self.0.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn whoever_writes_pays_for_one_notice_however_much_is_written() {
        /// Reached only when something is broken.
        const LIMIT: Duration = Duration::from_secs(60);

        let place = tempfile::tempdir().unwrap();
        // There are file systems without any.
        let Some(notices) = Notices::new(place.path()) else { return };
        let (inner, file) = (place.path().join("inner"), place.path().join("inner/file"));
        let dirs = [place.path().to_owned(), inner.clone(), place.path().join("absent")];
        notices.arm(&dirs).unwrap();
        assert!(!notices.wait(Duration::ZERO));
        fs::create_dir(&inner).unwrap();
        assert!(notices.wait(LIMIT), "that a directory is made is seen in the one around it");
        for _ in 0..3 {
            notices.arm(&dirs).unwrap();
            assert!(!notices.wait(Duration::ZERO), "what was noticed before is forgotten");
            fs::write(&file, "first").unwrap();
            assert!(notices.wait(LIMIT));
            notices.forget();
            fs::write(&file, "second").unwrap();
            assert!(!notices.wait(Duration::ZERO), "nobody asked for another one");
        }
        notices.arm(&dirs).unwrap();
        notices.arm(&dirs).unwrap();
        fs::write(&file, "third").unwrap();
        assert!(notices.wait(LIMIT), "asking twice is asking once");
    }
}

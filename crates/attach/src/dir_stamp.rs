//! What shows that no run came or went.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use roboppi_record::StateRoot;

/// A directory that changed so recently may change again without a sign of it.
const GRAIN: Duration = Duration::from_millis(200);

/// The state of the directory of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirStamp {
    inode: u64,
    changed: (i64, i64),
}

impl DirStamp {
    /// That of the runs of a state directory; `None` when there is none.
    pub(crate) fn of_runs(root: &StateRoot) -> Option<Self> {
        let found = fs::metadata(root.runs_dir()).ok()?;
        Some(Self { inode: found.ino(), changed: (found.mtime(), found.mtime_nsec()) })
    }

    /// Whether it changed so long ago that a further change would show.
    pub(crate) fn is_settled(&self) -> bool {
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        SystemTime::now().duration_since(changed).is_ok_and(|passed| passed > GRAIN)
    }
}

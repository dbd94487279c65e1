//! Removes old runs now and then, and packs the logs of those that are over, while a new one goes on.

use std::fs::{self, File, OpenOptions};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use std::{io, thread};

use roboppi_attach::RunSummary;
use roboppi_ipc::RecordLimits;
use roboppi_record::{DiskWatch, Packing, Retention, StateRoot};

use crate::commands::record;
use crate::commands::runs::{expired, forget};

/// Time between two rounds. A round looks at every run.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// How long nothing may have been written to a log before it is packed. What belongs to a dead supervisor has ended by
/// then.
const QUIET: Duration = Duration::from_secs(10 * 60);

/// Packing rests so many times as long as it works.
const REST: u32 = 4;

/// Bytes that are packed between two rests.
const PIECE: u64 = 256 * 1024;

/// Starts a round if none was for a while. Nobody waits for it: what it has not done when the program ends is done the
/// next time, a run that is half removed is out of the list, and a log that is half packed is as it was.
pub(crate) fn start(state_dir: PathBuf) {
    let root = StateRoot::at(state_dir);
    let marker = marker(&root);
    let last = fs::metadata(&marker).and_then(|marker| marker.modified());
    // A round in the future was before somebody set the clock.
    let passed = last.map(|last| SystemTime::now().duration_since(last).unwrap_or(PAUSE));
    if passed.is_ok_and(|passed| passed < PAUSE) {
        return;
    }
    let work = move || {
        if mark(&marker).is_err() {
            return;
        }
        roboppi_core::worker::remove_abandoned();
        // A record that cannot be read or removed is for `roboppi runs` to show.
        let expired = expired(&root, &Retention::default()).map(|expired| expired.runs);
        for (run, _) in expired.unwrap_or_default() {
            let _ = root.remove(&run.id);
        }
        forget(&root);
        if let Some(before) = SystemTime::now().checked_sub(QUIET) {
            let _ = root.remove_unfinished(before);
        }
        pack(&root);
    };
    // Where there is no room for a thread the next run does it.
    let _ = thread::Builder::new().name("housekeeping".to_owned()).spawn(work);
}

/// The file whose time of change is that of the last round. Each user has a round of its own: in the directory of
/// somebody else the file of that user is left alone.
fn marker(root: &StateRoot) -> PathBuf {
    let name = if root.is_of_this_user() {
        ".housekeeping".to_owned()
    } else {
        format!(".housekeeping-{}", nix::unistd::geteuid())
    };
    root.path().join(name)
}

/// Notes that a round is done now, in a file for its owner alone.
fn mark(marker: &Path) -> io::Result<()> {
    let open = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        options.open(marker)
    };
    let file = open().or_else(|error| {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        // An earlier version left it there for root alone.
        fs::remove_file(marker)?;
        open()
    })?;
    file.set_modified(SystemTime::now())
}

/// Packs the logs of all runs of this user that are over.
fn pack(root: &StateRoot) {
    let Some(quiet_since) = SystemTime::now().checked_sub(QUIET) else { return };
    let packing = Packing { least: Packing::LEAST, quiet_since };
    // A packed log takes room before the plain one gives its own back.
    let Ok(disk) = File::open(root.path()) else { return };
    let mut room = DiskWatch::new(RecordLimits::default().min_free_bytes);
    for run in RunSummary::all(root, record::now()).unwrap_or_default() {
        if run.liveness.may_live() || !run.local.run_dir().is_of_this_user() {
            continue;
        }
        let mut worked = Instant::now();
        // What cannot be packed stays as it is, and is read all the same.
        let _ = run.local.run_dir().pack_logs(&packing, &mut || {
            thread::sleep(worked.elapsed().saturating_mul(REST));
            worked = Instant::now();
            match room.check(&disk, root.path(), PIECE) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
    }
}

//! Removes old runs now and then, while a new one goes on.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use roboppi_journal::{Retention, StateRoot};

use crate::commands::runs::expired;

/// Time between two rounds. A round reads every journal.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// Starts a round if none was for a while. Nobody waits for it: what it has not done when the program ends is done the
/// next time, and a run that is half removed is out of the list.
pub(crate) fn begin(state_dir: PathBuf) {
    thread::spawn(move || {
        let marker = state_dir.join(".housekeeping");
        let is_due = fs::metadata(&marker)
            .and_then(|marker| marker.modified())
            .map_or(true, |last| SystemTime::now().duration_since(last).is_ok_and(|passed| passed >= PAUSE));
        if !is_due || fs::write(&marker, "").is_err() {
            return;
        }
        let root = StateRoot::at(state_dir);
        // A record that cannot be read or removed is for `roboppi runs` to show.
        for (run, _) in expired(&root, &Retention::default()).unwrap_or_default() {
            let _ = root.remove(&run.id);
        }
    });
}

//! What this host tells of itself.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use roboppi_hosts::{HostReport, SESSION_REPORT_LIMIT, SessionName, SessionReport};

use crate::place::KeeperPlace;

/// How this host is. What cannot be read is left out.
pub(crate) fn report(state_dir: &Path, version: &str) -> HostReport {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    HostReport {
        version: version.to_owned(),
        os: env::consts::OS.to_owned(),
        arch: env::consts::ARCH.to_owned(),
        time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        boot_id: boot_id(),
        cpus: thread::available_parallelism().map_or(0, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX)),
        sessions: sessions(state_dir),
    }
}

/// The boot id of this host.
pub(crate) fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

fn sessions(state_dir: &Path) -> Vec<SessionReport> {
    let mut names: Vec<SessionName> = KeeperPlace::all(state_dir);
    names.sort();
    names.truncate(SESSION_REPORT_LIMIT);
    let of = |session: SessionName| {
        let is_live = KeeperPlace::open(state_dir, &session).is_ok_and(|place| place.is_taken());
        SessionReport { session, is_live }
    };
    names.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_live_as_long_as_their_place_is_taken() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(report(state.path(), "1").sessions, []);
        let session = SessionName::of("run", "far").unwrap();
        let place = KeeperPlace::open(state.path(), &session).unwrap();
        let lock = place.try_lock().unwrap().unwrap();
        fs::write(state.path().join("hosts/..bad"), "").unwrap();
        let live = |is_live| [SessionReport { session: session.clone(), is_live }];
        assert_eq!(report(state.path(), "1").sessions, live(true));
        drop(lock);
        let report = report(state.path(), "1");
        assert_eq!(report.sessions, live(false));
        assert_eq!((report.version.as_str(), report.os.as_str()), ("1", env::consts::OS));
    }
}

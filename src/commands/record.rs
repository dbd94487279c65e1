//! Finds a run in the record and reads what can be read of it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use nix::unistd::{User, getuid};
use roboppi_attach::{Liveness, RunFollower};
use roboppi_ipc::UtcMillis;
use roboppi_record::{AttemptFiles, RecordError, RunDir, StateRoot};
use roboppi_run::{AttemptStatus, AttemptView, RunView};

use crate::exit::Failure;
use crate::terminal;

/// Where the runs are.
pub(crate) fn root() -> Result<StateRoot, Failure> {
    state_root().ok_or_else(|| {
        Failure::usage(
            "there is no HOME, this user has no home directory, and there is no ROBOPPI_STATE_DIR, so there are no runs to find",
        )
    })
}

/// Where runs are kept, if there is a place: the environment says it, or the home directory of the user.
pub(crate) fn state_root() -> Option<StateRoot> {
    StateRoot::locate(|name| variable(name, env::var_os(name), home_of_user))
}

/// A variable for [`StateRoot::locate`]. Without a `HOME`, as under cron or a service manager, `home` is asked for it.
fn variable(name: &str, value: Option<OsString>, home: impl FnOnce() -> Option<PathBuf>) -> Option<OsString> {
    let value = value.filter(|value| !value.is_empty());
    if name == "HOME" { value.or_else(|| home().map(OsString::from)) } else { value }
}

/// What the password database says.
fn home_of_user() -> Option<PathBuf> {
    User::from_uid(getuid()).ok().flatten().map(|user| user.dir)
}

/// The run a person means.
pub(crate) fn find(text: &str) -> Result<RunDir, Failure> {
    let root = root()?;
    root.resolve(text).and_then(|id| root.open_run(&id)).map_err(|error| unknown(&root, &error))
}

/// Says that a run cannot be found, and what to do.
pub(crate) fn unknown(root: &StateRoot, error: &RecordError) -> Failure {
    match error {
        RecordError::RunNotFound { .. } if root.resolve("-1").is_err() => Failure::usage(format!(
            "{error}\nhint: there are no runs yet; `roboppi workflow run FILE` makes one"
        )),
        RecordError::RunNotFound { .. } => {
            Failure::usage(format!("{error}\nhint: `roboppi runs` lists the runs"))
        }
        error => Failure::usage(error),
    }
}

/// The view of a run, without what its workers did, and how it is. What cannot be read is said on stderr, and the rest is in the view.
pub(crate) fn view_of(run: &RunDir) -> (RunView, Liveness) {
    fold(RunFollower::of_journal(run.clone()))
}

/// The same with what the workers did.
pub(crate) fn whole_view_of(run: &RunDir) -> (RunView, Liveness) {
    fold(RunFollower::new(run.clone()))
}

fn fold(mut follower: RunFollower) -> (RunView, Liveness) {
    let mut view = follower.begin();
    let liveness = follower.read(|record| view.apply(&record));
    warn(&follower.problems());
    (view, liveness)
}

/// What the journal says of the files of an attempt, once it has ended.
pub(crate) fn recorded_files(attempt: &AttemptView) -> Option<AttemptFiles> {
    match &attempt.status {
        AttemptStatus::Finished { result, log_bytes } => Some(AttemptFiles::of(result, *log_bytes, 0)),
        AttemptStatus::Started | AttemptStatus::Phase(_) => None,
    }
}

/// Says on stderr what cannot be read.
pub(crate) fn warn(problems: &[String]) {
    for problem in problems {
        terminal::say(&format!("warning: {}", terminal::plain(problem)));
    }
}

/// Says of a run that is elsewhere what is known of it; `None` of any other one.
pub(crate) fn elsewhere(run: &RunDir, liveness: Liveness) -> Option<String> {
    let Liveness::Elsewhere { last_sign } = liveness else { return None };
    let manifest = run.manifest().ok();
    let owner = manifest.map_or_else(String::new, |manifest| {
        format!(" (pid {} on {})", manifest.owner.pid, terminal::plain(&manifest.host))
    });
    let sign = last_sign.map_or_else(String::new, |sign| format!("; last sign of life {} ago", since(sign)));
    Some(format!(
        "the run is elsewhere: whether its owner{owner} is still alive cannot be determined here{sign}"
    ))
}

/// How long ago something was, in one unit.
pub(crate) fn since(time: UtcMillis) -> String {
    ago(now().0.saturating_sub(time.0))
}

/// A time in one unit.
pub(crate) fn ago(millis: u64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

pub(crate) fn now() -> UtcMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A time as `2026-01-31T12:00:00.000Z`.
pub(crate) fn time(ts: UtcMillis) -> String {
    let time = i64::try_from(ts.0).ok().and_then(|ts| Timestamp::from_millisecond(ts).ok());
    time.map_or_else(|| "????-??-??T??:??:??.???Z".to_owned(), |time| format!("{time:.3}"))
}

/// A size in one unit.
pub(crate) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown to one digit")]
    let count = count as f64;
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len() - 1)
        .find(|power| count < 1024_f64.powi(*power as i32 + 1))
        .unwrap_or(units.len() - 1);
    let digits = usize::from(power > 0);
    format!("{:.digits$} {}", count / 1024_f64.powi(power as i32), units[power])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_database_is_asked_where_there_is_no_home() {
        let home = || Some(PathBuf::from("/home/of/the/database"));
        let root = |variables: &'static [(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(known, _)| *known == name);
            let located = StateRoot::locate(|name| {
                variable(name, value(name).map(|(_, value)| OsString::from(value)), home)
            });
            located.unwrap().path().to_owned()
        };
        let in_database = PathBuf::from("/home/of/the/database/.local/state/roboppi");
        assert_eq!(root(&[]), in_database);
        assert_eq!(root(&[("HOME", "")]), in_database);
        assert_eq!(root(&[("HOME", "/h")]), PathBuf::from("/h/.local/state/roboppi"));
        assert_eq!(root(&[("XDG_STATE_HOME", "/s")]), PathBuf::from("/s/roboppi"));
    }
}

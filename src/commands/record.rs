//! Finds a run in the record and reads what can be read of it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use nix::unistd::{User, getuid};
use roboppi_attach::{Found, Liveness, LocalRun, RunFollower};
use roboppi_record::{LAST, RecordError, StateRoot};
use roboppi_run::RunView;

pub(crate) use crate::clock::now;
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
pub(crate) fn find(text: &str) -> Result<LocalRun, Failure> {
    let root = root()?;
    LocalRun::find(&root, text).map_err(|error| unknown(&root, &error))
}

/// Says that a run cannot be found, and what to do.
pub(crate) fn unknown(root: &StateRoot, error: &RecordError) -> Failure {
    match error {
        RecordError::RunNotFound { .. } if root.resolve(LAST).is_err() => Failure::usage(format!(
            "{error}\nhint: there are no runs yet; `roboppi workflow run FILE` makes one"
        )),
        RecordError::RunNotFound { .. } => {
            Failure::usage(format!("{error}\nhint: `roboppi runs` lists the runs"))
        }
        error => Failure::usage(error.to_string()),
    }
}

/// The view of a run, without what its workers did, and how it is. What cannot be read is said on stderr, and the rest is in the view.
pub(crate) fn view_of(run: &LocalRun) -> (RunView, Liveness) {
    fold(RunFollower::of_journal(run))
}

/// The same with what the workers did.
pub(crate) fn whole_view_of(run: &LocalRun) -> (RunView, Liveness) {
    fold(RunFollower::new(run))
}

fn fold(mut follower: RunFollower) -> (RunView, Liveness) {
    let mut view = follower.begin();
    let liveness = follower.catch_up(|found| match found {
        Found::Record(record) => view.apply(&record),
        Found::Activity(of, activity) => view.restore_activity(&of, *activity),
    });
    warn(&follower.problems());
    (view, liveness)
}

/// Says on stderr what cannot be read.
pub(crate) fn warn(problems: &[String]) {
    for problem in problems {
        terminal::note(&format!("warning: {}", terminal::plain(problem)));
    }
}

/// What a person should know of a run that is elsewhere; `None` of any other one.
pub(crate) fn elsewhere(run: &LocalRun, liveness: Liveness) -> Option<String> {
    roboppi_report::elsewhere(run.record().as_ref(), liveness, now())
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

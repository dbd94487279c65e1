//! Finds a run in the record and reads what can be read of it.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use roboppi_attach::{RunFollower, Standing};
use roboppi_ipc::UtcMillis;
use roboppi_journal::{AttemptFiles, RecordError, RunDir, StateRoot};
use roboppi_run::{AttemptStatus, AttemptView, RunView};

use crate::exit::Failure;
use crate::terminal;

/// Where the runs are.
pub(crate) fn root() -> Result<StateRoot, Failure> {
    StateRoot::locate(|name| env::var_os(name)).ok_or_else(|| {
        Failure::usage("there is no HOME and no ROBOPPI_STATE_DIR, so there are no runs to find")
    })
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
pub(crate) fn view_of(run: &RunDir) -> (RunView, Standing) {
    fold(RunFollower::of_journal(run.clone()))
}

/// The same with what the workers did.
pub(crate) fn whole_view_of(run: &RunDir) -> (RunView, Standing) {
    fold(RunFollower::new(run.clone()))
}

fn fold(mut follower: RunFollower) -> (RunView, Standing) {
    let mut view = follower.begin();
    let standing = follower.read(|record| view.apply(&record));
    warn(&follower.problems());
    (view, standing)
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

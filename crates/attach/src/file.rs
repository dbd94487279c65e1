//! A run of another process, from its files.

use std::sync::{Arc, Weak};
use std::{io, thread};

use roboppi_ipc::UtcMillis;
use roboppi_record::{RecordStore, RunDir};
use roboppi_run::{JournalRecord, RunEvent, RunOutcome, RunRecord, RunView, StepState};

use tokio::sync::oneshot;

use crate::follower::FollowOptions;
use crate::{
    Following, Found, History, LiveFeed, Liveness, LocalRun, RequestError, RunCommand, RunFollower,
    RunSource, ask,
};

#[cfg(test)]
pub(crate) mod tests;

/// The exit code of a run that says nothing about its end.
const LOST: u8 = 3;

/// The source of a run this process does not own.
///
/// What it shows is the fold of the record up to some position. When the owner is gone and the record does not say
/// how the run ended, the record is continued with what that means: its steps and the run are lost.
#[derive(Debug)]
pub struct FileSource {
    feed: Arc<LiveFeed>,
    run_dir: RunDir,
    problems: Vec<String>,
    liveness: Liveness,
    /// Gone when the source is, and with it the thread that feeds it.
    _wanted: Arc<()>,
}

impl FileSource {
    /// Reads what is there, and follows what comes on a thread of its own until the run is over or the source is
    /// dropped.
    ///
    /// # Errors
    /// When the thread cannot start. A record that cannot be read is none: see [`FileSource::problems`].
    pub fn open(run: &LocalRun) -> io::Result<Self> {
        Self::with(run.run_dir().clone(), FollowOptions::default())
    }

    fn with(run_dir: RunDir, options: FollowOptions) -> io::Result<Self> {
        let mut follower = RunFollower::with(run_dir.clone(), options);
        let feed = Arc::new(LiveFeed::default());
        let wanted = Arc::new(());
        let together = feed.at_once();
        let liveness = follower.catch_up(|found| match found {
            Found::Record(record) => together.publish(record),
            Found::Activity(of, activity) => feed.restore(&of, *activity),
        });
        drop(together);
        end(liveness, &feed);
        let problems = follower.problems();
        if liveness.may_live() {
            let (feed, wanted) = (Arc::clone(&feed), Arc::downgrade(&wanted));
            thread::Builder::new().name("follower".to_owned()).spawn(move || {
                keep_up(follower, &feed, &wanted);
            })?;
        }
        Ok(Self { feed, run_dir, problems, liveness, _wanted: wanted })
    }

    /// How the run was when the source was opened.
    #[must_use]
    pub const fn liveness(&self) -> Liveness {
        self.liveness
    }

    /// What of the record could not be read when the source was opened, for people. The rest is shown.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Looks at the view without copying it.
    pub fn with_view<T>(&self, read: impl FnOnce(&RunView) -> T) -> T {
        self.feed.with_view(read)
    }
}

fn keep_up(mut follower: RunFollower, feed: &LiveFeed, wanted: &Weak<()>) {
    while wanted.strong_count() > 0 {
        follower.wait(std::time::Duration::MAX);
        if !advance(&mut follower, feed).may_live() {
            return;
        }
    }
    feed.close();
}

/// Publishes what is new. Says how the run is: unless it may live, nothing more will come.
fn advance(follower: &mut RunFollower, feed: &LiveFeed) -> Liveness {
    let together = feed.at_once();
    let liveness = follower.read(|record| together.publish(record));
    drop(together);
    end(liveness, feed);
    liveness
}

/// Publishes what it means that the run is over, if it is.
fn end(liveness: Liveness, feed: &LiveFeed) {
    if liveness == Liveness::Lost {
        let together = feed.at_once();
        for record in feed.with_view(ending_of_a_lost_run) {
            together.publish(record);
        }
    }
    if !liveness.may_live() {
        feed.close();
    }
}

/// What has become of a run whose owner is gone, as what follows its journal. Nothing when the run is over.
pub(crate) fn ending_of_a_lost_run(view: &RunView) -> Vec<RunRecord> {
    if view.is_finished() {
        return Vec::new();
    }
    // A step in a state that is not known stays in it: nobody can say that it was under way.
    let unfinished =
        view.steps.iter().filter(|step| step.state.is_active() || matches!(step.state, StepState::Retrying));
    let lost = unfinished.map(|step| RunEvent::StepChanged {
        step: step.plan.step.clone(),
        state: StepState::Lost,
        detail: Some("the owner of the run is gone".to_owned()),
        duration_ms: step.started_at.map(|started| last_sign(view).0.saturating_sub(started.0)),
        allowed_to_fail: false,
        limit_until: None,
    });
    let started = view.head.as_ref().map_or(UtcMillis(0), |head| head.started_at);
    let finished = RunEvent::RunFinished {
        outcome: RunOutcome::Lost,
        exit_code: LOST,
        duration_ms: last_sign(view).0.saturating_sub(started.0),
        detail: Some("its owner is gone and recorded no end".to_owned()),
        flaky: Vec::new(),
    };
    let ts = last_sign(view);
    // Of a damaged record the number may be the greatest there is.
    let numbers = (1..).map(|number| view.position.journal_seq.saturating_add(number));
    let records = numbers.zip(lost.chain([finished]));
    records.map(|(seq, event)| RunRecord::Journal(JournalRecord { seq, ts, event })).collect()
}

/// When something was recorded last.
fn last_sign(view: &RunView) -> UtcMillis {
    let attempts = view.steps.iter().flat_map(|step| &step.attempts);
    let signs = attempts.flat_map(|attempt| [Some(attempt.status_at), attempt.activity.last_at]);
    let head = view.head.as_ref().map(|head| head.started_at);
    let changes = view.steps.iter().map(|step| Some(step.changed_at));
    signs.chain(changes).chain([head]).flatten().max().unwrap_or(UtcMillis(0))
}

impl RunSource for FileSource {
    fn follow(&self) -> Following {
        self.feed.follow()
    }

    fn share(&self, view: &mut RunView) {
        self.feed.share(view);
    }

    fn record(&self) -> &dyn RecordStore {
        &self.run_dir
    }

    fn history(&self) -> History {
        crate::history::before(&self.run_dir)
    }

    fn request(&self, command: RunCommand) -> oneshot::Receiver<RequestError> {
        let (failed, trouble) = oneshot::channel();
        let run_dir = self.run_dir.clone();
        // An answer is in the record, where everybody sees it.
        let bring = move || {
            if let Err(error) = ask(&run_dir.into(), command) {
                let _ = failed.send(error.into());
            }
        };
        // Without a thread `say` is dropped, which says nothing; then there is no thread for anything.
        let _ = thread::Builder::new().name("command".to_owned()).spawn(bring);
        trouble
    }
}

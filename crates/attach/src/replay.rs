//! A run that is over, told again as it went on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use roboppi_ipc::{Mono, UtcMillis};
use roboppi_record::{RecordStore, RunDir};
use roboppi_run::{AttemptRef, RunView};
use tokio::sync::oneshot;

use crate::{
    Following, History, LiveFeed, LocalRun, PlayInput, Playback, RequestError, RunCommand, RunSource, Speed,
};

mod pacer;
mod player;
mod record;
#[cfg(test)]
mod tests;
mod timeline;

use pacer::{Pacer, PlayEffect};
use player::Player;
use record::ReplayRecord;
use timeline::Timeline;

/// What becomes of a replay that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// Nothing more will come.
    Close,
    /// A person may want to see some of it again.
    Stay,
}

/// The source of a run that is over, as if it went on once more.
///
/// Nothing but the record is read. At its end the view is the one the run had; how long logs were in between is known
/// to 50 ms.
#[derive(Debug)]
pub struct ReplaySource {
    shared: Arc<PlayerState>,
    record: ReplayRecord,
    /// Where the record is, when earlier runs are beside it.
    run_dir: Option<RunDir>,
    problems: Vec<String>,
}

/// What the thread that plays and those who watch share.
#[derive(Debug)]
struct PlayerState {
    feed: LiveFeed,
    controls: Mutex<Controls>,
    /// There is an input, or nobody watches any more.
    called: Condvar,
    began: UtcMillis,
    origin: Instant,
    /// How long each log is shown.
    logs: Mutex<HashMap<AttemptRef, Arc<AtomicU64>>>,
}

#[derive(Debug)]
struct Controls {
    pacer: Pacer,
    /// Where to go, whatever was to be told before.
    jump: Option<u64>,
    abandoned: bool,
}

impl ReplaySource {
    /// Reads through the record of a run once, and plays it on a thread of its own until the source is dropped.
    ///
    /// # Errors
    /// When the thread cannot start. A record that cannot be read is none: see [`ReplaySource::problems`].
    pub fn open(run: &LocalRun, speed: Speed, at_end: AtEnd) -> io::Result<Self> {
        let mut source = Self::with_record(run.record(), speed, at_end)?;
        source.run_dir = Some(run.run_dir().clone());
        Ok(source)
    }

    /// The same with a record anywhere.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_record(record: Arc<dyn RecordStore>, speed: Speed, at_end: AtEnd) -> io::Result<Self> {
        let mut timeline = Timeline::of(record.as_ref());
        let problems = std::mem::take(&mut timeline.problems);
        let origin = Instant::now();
        let pacer = Pacer::new(Mono::ZERO, timeline.end(), speed);
        let shared = Arc::new(PlayerState {
            feed: LiveFeed::default(),
            controls: Mutex::new(Controls { pacer, jump: None, abandoned: false }),
            called: Condvar::new(),
            began: timeline.began,
            origin,
            logs: Mutex::default(),
        });
        let player = Player::new(Arc::clone(&record), timeline);
        let played = Arc::clone(&shared);
        thread::Builder::new().name("replay".to_owned()).spawn(move || played.play(player, at_end))?;
        let record = ReplayRecord { record, state: Arc::clone(&shared) };
        Ok(Self { shared, record, run_dir: None, problems })
    }

    /// What of the record could not be read, for people. The rest is played.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl Drop for ReplaySource {
    fn drop(&mut self) {
        self.shared.controls().abandoned = true;
        self.shared.called.notify_all();
    }
}

impl PlayerState {
    fn controls(&self) -> MutexGuard<'_, Controls> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Mono {
        Mono::from_origin(self.origin.elapsed())
    }

    /// How long the log of an attempt is shown.
    fn log_end(&self, of: &AttemptRef) -> Arc<AtomicU64> {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(logs.entry(of.clone()).or_default())
    }

    /// Brings the ends of all logs to what `view` says.
    fn show_logs_of(&self, view: &RunView) {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        for (of, end) in logs.iter() {
            end.store(view.attempt(of).map_or(0, |attempt| attempt.activity.log_bytes), Ordering::Relaxed);
        }
    }

    fn play(&self, mut player: Player, at_end: AtEnd) {
        loop {
            let mut controls = self.controls();
            controls.handle(self.now(), PlayInput::Woken);
            let effect = controls.next_effect();
            drop(controls);
            player.perform(self, effect);
            if player.is_at_end() && at_end == AtEnd::Close {
                return self.feed.close();
            }
            let mut controls = self.controls();
            while controls.jump.is_none() && !controls.abandoned {
                let idle = controls.pacer.idle(self.now(), player.next_at());
                if idle == Some(Duration::ZERO) {
                    break;
                }
                let waited = self.called.wait_timeout(controls, idle.unwrap_or(Duration::MAX));
                let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                controls = woken;
                if timeout.timed_out() {
                    break;
                }
            }
            if controls.abandoned {
                return;
            }
        }
    }

    fn is_abandoned(&self) -> bool {
        self.controls().abandoned
    }
}

impl RunSource for ReplaySource {
    fn follow(&self) -> Following {
        self.shared.feed.follow()
    }

    fn share(&self, view: &mut RunView) {
        self.shared.feed.share(view);
    }

    fn record(&self) -> &dyn RecordStore {
        &self.record
    }

    fn history(&self) -> History {
        self.run_dir.as_ref().map_or_else(History::default, crate::history::before)
    }

    fn request(&self, command: RunCommand) -> oneshot::Receiver<RequestError> {
        let (refuse, refused) = oneshot::channel();
        let _ = refuse.send(RequestError::Replay(command));
        refused
    }

    fn playback(&self) -> Option<Playback> {
        let position = self.shared.controls().pacer.position(self.shared.now());
        Some(Playback { position, now: UtcMillis(self.shared.began.0.saturating_add(position.at)) })
    }

    fn play(&self, input: PlayInput) {
        let mut controls = self.shared.controls();
        controls.handle(self.shared.now(), input);
        self.shared.called.notify_all();
    }
}

impl Controls {
    fn handle(&mut self, now: Mono, input: PlayInput) {
        let mut effects = Vec::new();
        self.pacer.handle(now, input, &mut effects);
        for effect in effects {
            match effect {
                PlayEffect::JumpTo(at) => self.jump = Some(at),
                // It went on from where it is about to jump to.
                PlayEffect::PlayTo(at) => self.jump = self.jump.map(|_| at),
            }
        }
    }

    fn next_effect(&mut self) -> PlayEffect {
        let at = self.pacer.at();
        self.jump.take().map_or(PlayEffect::PlayTo(at), PlayEffect::JumpTo)
    }
}

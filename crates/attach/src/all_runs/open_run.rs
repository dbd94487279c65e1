//! A run that may go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roboppi_board::{Change, EventRow, RowState, RunRow};
use roboppi_ipc::UtcMillis;
use roboppi_record::{LockProbe, LockState, RunDir, StateRoot};
use roboppi_run::{History, Manifest, Progress, RunView};

use super::output::Output;
use crate::Liveness;
use crate::catalog::{liveness_without_end, state_of};
use crate::follower::{Growing, RunReader};
use crate::history::workflow_of;

/// Time between two checks whether the owner lives.
const OWNER: Duration = Duration::from_secs(1);

/// Time a new run may take until its owner can be determined.
const YOUNG: Duration = Duration::from_secs(1);

/// Latest items of an agent that become events when a run is opened that is under way.
const ITEMS: usize = 50;

/// A run that is read on where it ended the last time.
#[derive(Debug)]
pub(super) struct OpenRun {
    dir: RunDir,
    reader: RunReader,
    view: RunView,
    name: Arc<str>,
    row: Arc<RunRow>,
    manifest: Option<Manifest>,
    lock: Option<LockProbe>,
    opened: Instant,
    /// When the owner was looked for last, and how the run was.
    seen: Option<(Instant, Liveness)>,
    has_begun: bool,
    from_beginning: bool,
    events: bool,
    /// The logs of its attempts, while output is followed.
    output: Option<Output>,
    /// When its end was looked for last.
    forecast: Option<Instant>,
}

impl OpenRun {
    /// Has read nothing yet. `row` is what is known of it.
    pub(super) fn new(root: &StateRoot, dir: RunDir, row: RunRow, events: bool) -> Self {
        debug_assert!(dir.path().starts_with(root.path()), "a run of this state directory");
        let mut reader = RunReader::new(dir.clone());
        reader.without_logs();
        if !events {
            reader.only_the_journal();
        }
        Self {
            dir,
            reader,
            view: RunView::default(),
            name: row.short_name().into(),
            row: row.shared(),
            manifest: None,
            lock: None,
            opened: Instant::now(),
            seen: None,
            has_begun: false,
            from_beginning: false,
            events,
            output: None,
            forecast: None,
        }
    }

    /// Reads all of its events: it began after all others were known.
    pub(super) const fn read_from_its_beginning(&mut self) {
        self.from_beginning = true;
    }

    /// Files that may grow.
    pub(super) fn growing(&self) -> Growing {
        self.reader.growing()
    }

    /// Hands over what was recorded since the last time, and gives how the run is now.
    pub(super) fn read(&mut self, output: bool, take: &mut dyn FnMut(Change)) -> Liveness {
        if output != self.output.is_some() {
            self.output = output.then(Output::default);
            self.reader.set_logs(output);
        }
        // First the owner: what a dead one has written is read after that.
        let without_end = self.liveness_without_end();
        let any = self.read_records(take);
        let liveness = self.reader.outcome().map_or(without_end, Liveness::Finished);
        if let Some(output) = &mut self.output {
            output.read(&self.dir, (&self.row.id, &self.name), &self.view, take);
        }
        let state = state_of(liveness);
        if any || self.row.state != state_with(&self.view, state) {
            if liveness == Liveness::Lost && self.row.state.may_live() && self.events {
                let at = self.row.last_at.unwrap_or(UtcMillis(0));
                take(Change::Event(EventRow::lost(&self.row.id, &self.name, at)));
            }
            let mut row = (*self.row).clone();
            row.take_view(&self.view, state);
            // It may end at another time now.
            self.forecast = None;
            if let Some(manifest) = &self.manifest {
                row.host.clone_from(&manifest.host);
                row.mode = row.mode.or(Some(manifest.mode));
                row.started_at = row.started_at.or(Some(manifest.started_at));
                if row.name.is_empty() {
                    row.name.clone_from(&manifest.name);
                }
                row.handle = row.handle.or(manifest.handle);
            }
            row.damage = self.reader.problems().first().cloned();
            self.row = row.shared();
        }
        liveness
    }

    /// The workflow file whose earlier runs tell when this one may end.
    pub(super) fn workflow(&self) -> &str {
        if self.row.state.may_live() { workflow_of(&self.view) } else { "" }
    }

    /// How far the run is, by what earlier ones tell; by its steps alone as long as that is not known.
    pub(super) fn forecast(&mut self, history: Option<&History>, now: UtcMillis) -> Arc<RunRow> {
        let is_due = match history {
            Some(_) => self.forecast.is_none_or(|at| at.elapsed() >= OWNER),
            None => self.row.progress.is_none(),
        };
        if is_due && self.view.head.is_some() {
            let nothing = History::default();
            let progress = || Progress::of(&self.view, history.unwrap_or(&nothing), now);
            let progress = self.row.state.may_live().then(progress);
            self.forecast = history.map(|_| Instant::now());
            if progress != self.row.progress {
                self.row = RunRow { progress, ..(*self.row).clone() }.shared();
            }
        }
        Arc::clone(&self.row)
    }

    /// Whether there was any record.
    fn read_records(&mut self, take: &mut dyn FnMut(Change)) -> bool {
        let Self { reader, view, name, row, events, .. } = self;
        let id = row.id.clone();
        let mut any = false;
        let mut hand_over = |name: &Arc<str>, view: &RunView, record: &_| {
            if let Some(event) = EventRow::of(&id, name, record, view).filter(|_| *events) {
                take(Change::Event(event));
            }
        };
        if !std::mem::replace(&mut self.has_begun, true) && !self.from_beginning {
            *view = reader.join(&mut |view, record| hand_over(name, view, record));
            any = true;
            self.hand_over_items(take);
            let Self { reader, view, name, .. } = self;
            reader.read(&mut |record| {
                if let Some(event) = EventRow::of(&id, name, &record, view).filter(|_| self.events) {
                    take(Change::Event(event));
                }
                view.apply(&record);
            });
            return any;
        }
        reader.read(&mut |record| {
            if view.head.is_none() {
                // The first record has the name.
                view.apply(&record);
                if let Some(head) = &view.head {
                    *name = head.short_name().into();
                }
                hand_over(name, &RunView::default(), &record);
            } else {
                hand_over(name, view, &record);
                view.apply(&record);
            }
            any = true;
        });
        any
    }

    /// What agents did last that are under way: a snapshot has it, and their events are not read again.
    fn hand_over_items(&self, take: &mut dyn FnMut(Change)) {
        let attempts = self.view.steps().filter_map(|step| step.attempts.last());
        let open = attempts.filter(|attempt| attempt.finished_at.is_none());
        let items = open.flat_map(|attempt| {
            attempt.activity.items.iter().rev().take(ITEMS).map(move |item| (attempt, item))
        });
        let mut items: Vec<_> = items.collect();
        items.sort_by_key(|(_, item)| item.ts);
        for (attempt, item) in items {
            let event = EventRow::of_item(&self.row.id, &self.name, &attempt.of, item);
            if let Some(event) = event.filter(|_| self.events) {
                take(Change::Event(event));
            }
        }
    }

    /// How the run is as long as its journal does not say that it is over.
    fn liveness_without_end(&mut self) -> Liveness {
        if let Some((seen, liveness)) = self.seen
            && seen.elapsed() < OWNER
        {
            return liveness;
        }
        if self.lock.is_none() {
            self.lock = self.dir.lock_probe().ok().flatten();
        }
        let is_held = self.lock.as_ref().is_some_and(|lock| lock.state() == LockState::Held);
        let liveness = if is_held && !self.dir.is_imported() {
            Liveness::Live
        } else {
            if self.manifest.is_none() {
                self.manifest = self.dir.manifest().ok();
            }
            let is_young = self.manifest.is_none() && self.opened.elapsed() < YOUNG;
            if is_young { Liveness::Live } else { liveness_without_end(&self.dir, self.manifest.as_ref()) }
        };
        self.seen = Some((Instant::now(), liveness));
        liveness
    }
}

/// The state that a row has of a view.
fn state_with(view: &RunView, state: RowState) -> RowState {
    match view.status {
        roboppi_run::RunStatus::Finished { outcome, .. } => RowState::Finished(outcome),
        roboppi_run::RunStatus::Ending { .. } if state == RowState::Running => RowState::Ending,
        _ => state,
    }
}

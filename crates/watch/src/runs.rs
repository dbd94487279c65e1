//! The runs that reports go to.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use roboppi_attach::{Beginning, EmitError, EmittedRun, LocalRun, Marked};
use roboppi_ingest::{EMITTED, Emission, Report, Session};
use roboppi_record::{RecordError, StateRoot};
use roboppi_run::SourceMark;

use crate::clock::{now, time};
use crate::{Source, WatchSpec};

/// Runs that are kept open.
const OPEN: usize = 64;

/// A run does not begin earlier than 80 days ago: soon after that it would be removed as old.
const OLDEST: u64 = 80 * 24 * 3_600 * 1_000;

/// A report on its way.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) report: Report,
    pub(crate) mark: Option<SourceMark>,
}

/// The runs of all sources.
#[derive(Debug)]
pub(crate) struct Runs {
    root: StateRoot,
    given: Option<LocalRun>,
    silent_after: Duration,
    version: String,
    zone: TimeZone,
    open: HashMap<String, Target>,
}

#[derive(Debug)]
struct Target {
    run: Option<EmittedRun>,
    /// The last mark of each file that is in the record, as it was when the run was opened.
    lasts: HashMap<String, Option<SourceMark>>,
}

/// What is done with a report.
enum Next {
    Record,
    /// It is recorded already, or there is no run for it.
    PassOver,
    /// It begins a run.
    Begin,
}

impl Runs {
    pub(crate) fn new(spec: &WatchSpec) -> Self {
        Self {
            root: spec.root.clone(),
            given: spec.run.clone(),
            silent_after: spec.silent_after,
            version: spec.version.clone(),
            zone: TimeZone::system(),
            open: HashMap::new(),
        }
    }

    /// Records reports in their order, and takes those away that are dealt with. Returns how many were refused, and why the last of them.
    ///
    /// # Errors
    /// With the reason, when the record cannot be written. What is still there is to be tried again.
    pub(crate) fn deliver(
        &mut self,
        source: &Source,
        queue: &mut VecDeque<Delivery>,
    ) -> Result<(u64, Option<String>), String> {
        let mut refused = (0, None);
        while let Some(first) = queue.front() {
            let key = self.key(source, &first.report.session);
            let delivered = self.deliver_next(source, &key, queue, &mut refused);
            if let Err(error) = delivered {
                self.open.remove(&key);
                return Err(reason(&error));
            }
        }
        Ok(refused)
    }

    fn key(&self, source: &Source, session: &Session) -> String {
        match &self.given {
            Some(_) => String::new(),
            None => {
                format!("watch:{}:{}:{}", source.format.name(), source.place.path().display(), session.id)
            }
        }
    }

    /// Records the reports at the front that are of the same run.
    fn deliver_next(
        &mut self,
        source: &Source,
        key: &str,
        queue: &mut VecDeque<Delivery>,
        refused: &mut (u64, Option<String>),
    ) -> Result<(), EmitError> {
        self.open_target(key)?;
        let mut batch = VecDeque::new();
        let mut passed = 0;
        let Some(session) = queue.front().map(|first| first.report.session.clone()) else { return Ok(()) };
        let is_given = self.given.is_some();
        for delivery in queue.iter().take_while(|delivery| delivery.report.session == session) {
            let is_end = matches!(delivery.report.emission, Emission::Complete { .. });
            match self.next(key, delivery)? {
                Next::PassOver if batch.is_empty() => passed += 1,
                Next::Record => {
                    batch.push_back(self.marked(source, delivery));
                    if is_end && !is_given {
                        break;
                    }
                }
                Next::Begin if batch.is_empty() => {
                    let run = self.begin(source, key, delivery)?;
                    self.open.insert(key.to_owned(), Target { run: Some(run), lasts: HashMap::new() });
                    batch.push_back(self.marked(source, delivery));
                }
                Next::PassOver | Next::Begin => break,
            }
        }
        queue.drain(..passed);
        let Some(run) = self.open.get_mut(key).and_then(|target| target.run.as_mut()) else { return Ok(()) };
        let count = batch.len();
        let reported = if count == 0 { Ok((0, None)) } else { run.report_marked(&mut batch) };
        queue.drain(..count - batch.len());
        let (number, why) = reported?;
        refused.0 += number;
        if let Some(why) = why {
            refused.1 = Some(why.to_string());
        }
        Ok(())
    }

    fn open_target(&mut self, key: &str) -> Result<(), EmitError> {
        // A run may be removed at any time.
        let is_there = |target: &Target| target.run.as_ref().is_none_or(EmittedRun::is_there);
        if self.open.get(key).is_some_and(|target| is_there(target) && target.run.is_some()) {
            return Ok(());
        }
        if self.open.len() >= OPEN {
            self.open.clear();
        }
        let run = match &self.given {
            Some(run) => Some(EmittedRun::open(run)?),
            None => EmittedRun::of_key(&self.root, key)?,
        };
        self.open.insert(key.to_owned(), Target { run, lasts: HashMap::new() });
        Ok(())
    }

    fn next(&mut self, key: &str, delivery: &Delivery) -> Result<Next, EmitError> {
        let is_sign = matches!(&delivery.report.emission, Emission::Activity { text, .. } if text.is_empty());
        let is_end = matches!(delivery.report.emission, Emission::Complete { .. });
        let Some(target) = self.open.get_mut(key) else { return Ok(Next::PassOver) };
        let Some(run) = &mut target.run else {
            return Ok(if is_sign || is_end { Next::PassOver } else { Next::Begin });
        };
        if let Some(mark) = &delivery.mark {
            let last = match target.lasts.get(&mark.from) {
                Some(last) => last,
                None => {
                    let last = run.last_mark(&mark.from)?;
                    target.lasts.entry(mark.from.clone()).or_insert(last)
                }
            };
            if last.as_ref().is_some_and(|last| !mark.is_after(last)) {
                return Ok(Next::PassOver);
            }
        }
        if !run.is_over() {
            return Ok(Next::Record);
        }
        // What has no place of its own was reported before its run ended.
        let is_new = delivery.mark.is_some() && !is_sign && !is_end && self.given.is_none();
        Ok(if is_new { Next::Begin } else { Next::PassOver })
    }

    fn marked(&self, source: &Source, delivery: &Delivery) -> Marked {
        let report = &delivery.report;
        let worker = report.worker.or(source.format.worker()).unwrap_or(EMITTED);
        let mut emission = report.emission.clone();
        if self.given.is_some()
            && let Emission::Complete { outcome, .. } = emission
            && !matches!(source.format, roboppi_ingest::Format::Jsonl)
        {
            // One of the sessions of a run has ended, and not the run.
            let message = format!("{} ended: {outcome:?}", report.session.id).to_lowercase();
            emission = Emission::Progress { message, percent: None, phase: None, step: None };
        }
        Marked { ts: time(report.at, &self.zone), worker, emission, mark: delivery.mark.clone() }
    }

    fn begin(&self, source: &Source, key: &str, delivery: &Delivery) -> Result<EmittedRun, EmitError> {
        let session = &delivery.report.session;
        let path = source.place.path();
        let of_file = || path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let of_session = || Some(session.id.clone()).filter(|id| !id.is_empty());
        let name = source.name.clone().or_else(of_session).unwrap_or_else(of_file);
        let workspace = session.cwd.as_ref().map_or_else(|| parent(path), PathBuf::from);
        let began = time(delivery.report.at, &self.zone);
        let began = began.max(roboppi_ipc::UtcMillis(now().0.saturating_sub(OLDEST)));
        let beginning = Beginning {
            name,
            workspace,
            arguments: Vec::new(),
            version: self.version.clone(),
            silent_after: Some(self.silent_after),
        };
        EmittedRun::join(&self.root, key, &beginning, began)
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// Why something cannot be recorded, and what is done about it.
fn reason(error: &EmitError) -> String {
    match error {
        EmitError::Record(RecordError::Io { source, path, .. })
            if source.kind() == io::ErrorKind::StorageFull
                || source.kind() == io::ErrorKind::QuotaExceeded =>
        {
            format!("cannot be recorded, because the disk of {} is full; it is tried again", path.display())
        }
        other => format!("cannot be recorded: {other}; it is tried again"),
    }
}

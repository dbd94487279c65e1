//! Runs of programs that record themselves.
//!
//! Such a run has no supervisor: any number of processes append to its record, each for a moment. It is alive as long as one of them holds its
//! lock, or the last of them wrote something recently enough.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use roboppi_ingest::{Emission, Ending, Entry, Refused, StepUpdate, entries};
use roboppi_ipc::{HexBytes, ProcessIdentity, UtcMillis, WorkerKind};
use roboppi_record::{JournalWriter, OwnerLock, RecordError, SharedRun, SharedWriter, StateRoot};
use roboppi_run::{
    AttemptRef, MANIFEST_FORMAT, Manifest, RecordKind, RunEvent, RunId, RunMode, RunStatus, SourceMark,
};
use thiserror::Error;
use uuid::Uuid;

use crate::{LocalRun, pid_namespace};

/// What is known of a run that begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Its name.
    pub name: String,
    /// Where its program works.
    pub workspace: PathBuf,
    /// The arguments of the command.
    pub arguments: Vec<String>,
    /// The version of this program.
    pub version: String,
    /// After which time without a sign of life it is lost; without one it lives as long as this process.
    pub silent_after: Option<Duration>,
}

/// Why a report is not recorded.
#[derive(Debug, Error)]
pub enum EmitError {
    /// The run is one of a workflow or an agent.
    #[error("{0} is no run of a program that records itself: only its supervisor writes to it")]
    NotEmitted(String),
    /// The report does not fit the run.
    #[error("{run}: {why}")]
    Refused {
        /// The run.
        run: String,
        /// Why.
        why: Refused,
    },
    /// The record cannot be read or written.
    #[error("{0}")]
    Record(#[from] RecordError),
}

/// A run that this process reports to.
#[derive(Debug)]
pub struct EmittedRun {
    shared: SharedRun,
    /// Held by a process that lives as long as the run.
    _lock: Option<OwnerLock>,
}

impl EmittedRun {
    /// Begins a run.
    ///
    /// # Errors
    /// When its record cannot be made.
    pub fn begin(root: &StateRoot, beginning: &Beginning, now: UtcMillis) -> Result<Self, EmitError> {
        let mut manifest = manifest(beginning, now);
        let id = manifest.run_id.clone();
        manifest.handle = root.claim_handle(&id);
        let (dir, lock) = root.begin_run(&id)?;
        manifest.owner_lock = lock.is_conclusive() && beginning.silent_after.is_none();
        let write = || {
            dir.begin(&manifest, "")?;
            let mut journal = JournalWriter::create(&dir)?;
            journal.append(now, started(&manifest))?;
            journal.release();
            drop(journal);
            SharedRun::open(&dir)
        };
        match write() {
            Ok(shared) => Ok(Self { shared, _lock: beginning.silent_after.is_none().then_some(lock) }),
            Err(error) => {
                // Half of a record would be taken for a run that was lost.
                let _ = root.remove(&id);
                Err(error.into())
            }
        }
    }

    /// Opens a run that began before.
    ///
    /// # Errors
    /// When it is not one of a program that records itself, or cannot be read.
    pub fn open(run: &LocalRun) -> Result<Self, EmitError> {
        let dir = run.run_dir();
        if dir.manifest()?.mode != RunMode::Emitted || dir.is_imported() {
            return Err(EmitError::NotEmitted(run.name()));
        }
        Ok(Self { shared: SharedRun::open(dir)?, _lock: None })
    }

    /// Opens the run that has a key, or begins one: when there is none yet, or the one that had it is over.
    ///
    /// # Errors
    /// When it cannot be opened, or cannot begin.
    pub fn join(
        root: &StateRoot,
        key: &str,
        beginning: &Beginning,
        now: UtcMillis,
    ) -> Result<Self, EmitError> {
        let keys = root.keys()?;
        if let Some(dir) = keys.find(key)
            && let Ok(run) = Self::open(&dir.into())
            && !run.is_over()
        {
            return Ok(run);
        }
        let run = Self::begin(root, beginning, now)?;
        if let Some(id) = run.shared.dir().id() {
            keys.give(key, &id)?;
        }
        Ok(run)
    }

    /// The run that has a key, also one that is over; `None` when there is none.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn of_key(root: &StateRoot, key: &str) -> Result<Option<Self>, EmitError> {
        let Some(dir) = root.keys()?.find(key) else { return Ok(None) };
        Ok(Self::open(&dir.into()).ok())
    }

    /// Whether its end is recorded.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.dir().view().is_ok_and(|fold| matches!(fold.view().status, RunStatus::Finished { .. }))
    }

    /// Whether its record is still there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.shared.dir().path().is_dir()
    }

    /// What to call the run in a command.
    #[must_use]
    pub fn name(&self) -> String {
        LocalRun::from(self.shared.dir().clone()).name()
    }

    /// Records reports, all of them or those before the first that is refused.
    ///
    /// # Errors
    /// When one is refused, or the record cannot be written.
    pub fn report(
        &mut self,
        worker: WorkerKind,
        now: UtcMillis,
        emissions: impl IntoIterator<Item = Emission>,
    ) -> Result<(), EmitError> {
        self.shared.sign_of_life();
        let dir = self.shared.dir().clone();
        let mut writer = self.shared.lock()?;
        for emission in emissions {
            let made = entries(writer.view(), worker, now, emission)
                .map_err(|why| EmitError::Refused { run: LocalRun::from(dir.clone()).name(), why })?;
            for entry in made {
                match entry {
                    Entry::Journal(event) => writer.append(now, event, None)?,
                    Entry::Attempt(of, event) => writer.append_event(&of, now, event, None)?,
                }
            }
        }
        Ok(())
    }

    /// Records reports of a foreign file, as far as they are not recorded yet, and takes those away that are dealt with. The kind of
    /// worker of a report is that of a step that begins with it. Returns how many were refused, with the last reason.
    ///
    /// # Errors
    /// When the record cannot be written. What is still there is not recorded.
    pub fn report_marked(
        &mut self,
        queue: &mut VecDeque<Marked>,
    ) -> Result<(u64, Option<Refused>), EmitError> {
        self.shared.sign_of_life();
        let mut writer = self.shared.lock()?;
        let mut refused = (0, None);
        while let Some(marked) = queue.front() {
            match append_marked(&mut writer, marked)? {
                Appended::Whole => {}
                Appended::Refused(why) => refused = (refused.0 + 1, Some(why)),
                // The attempt has as many events as it may have: the next one goes on.
                Appended::AttemptFull(of) => {
                    let detail = Some("its events are continued in the next attempt".to_owned());
                    let (step, state) = (of.step.as_str().to_owned(), Some(Ending::Succeeded));
                    let emission = Emission::Step(StepUpdate { step, state, detail, duration_ms: None });
                    let end = Marked { ts: marked.ts, worker: marked.worker, emission, mark: None };
                    if let Appended::Refused(why) = append_marked(&mut writer, &end)? {
                        refused = (refused.0 + 1, Some(why));
                        queue.pop_front();
                    }
                    continue;
                }
            }
            queue.pop_front();
        }
        Ok(refused)
    }

    /// The last mark in the record of the reports that are from a file.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn last_mark(&mut self, from: &str) -> Result<Option<SourceMark>, EmitError> {
        Ok(self.shared.last_mark(from)?)
    }
}

/// What has become of a report.
enum Appended {
    Whole,
    Refused(Refused),
    AttemptFull(AttemptRef),
}

/// Appends all that a report means, with its mark on the last record: all of it is there once the mark is.
fn append_marked(writer: &mut SharedWriter<'_>, marked: &Marked) -> Result<Appended, EmitError> {
    let Marked { ts, worker, emission, mark } = marked;
    let made = match entries(writer.view(), *worker, *ts, emission.clone()) {
        Ok(made) => made,
        Err(why) => return Ok(Appended::Refused(why)),
    };
    let last = made.len().saturating_sub(1);
    for (index, entry) in made.into_iter().enumerate() {
        let mark = mark.as_ref().filter(|_| index == last);
        match entry {
            Entry::Journal(event) => match writer.append(*ts, event, mark) {
                Err(error) if is_full(&error) => return Ok(Appended::Refused(Refused::Full)),
                other => other?,
            },
            Entry::Attempt(of, event) => match writer.append_event(&of, *ts, event, mark) {
                Err(error) if is_full(&error) => return Ok(Appended::AttemptFull(of)),
                other => other?,
            },
        }
    }
    Ok(Appended::Whole)
}

/// Whether a file of the record has as much as it may have.
fn is_full(error: &RecordError) -> bool {
    matches!(error, RecordError::Io { source, .. } if source.kind() == io::ErrorKind::FileTooLarge)
}

/// A report of a foreign file.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    /// When it was made.
    pub ts: UtcMillis,
    /// The kind of worker of a step that begins with it.
    pub worker: WorkerKind,
    /// The report.
    pub emission: Emission,
    /// Where it is from.
    pub mark: Option<SourceMark>,
}

fn manifest(beginning: &Beginning, now: UtcMillis) -> Manifest {
    let pid = std::process::id();
    let read = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    Manifest {
        format: MANIFEST_FORMAT,
        run_id: RunId::from_uuid(Uuid::now_v7()),
        handle: None,
        name: beginning.name.clone(),
        workflow: String::new(),
        workflow_sha256: String::new(),
        arguments: beginning.arguments.clone(),
        workspace: beginning.workspace.to_string_lossy().into_owned(),
        context_dir: String::new(),
        git_commit: None,
        version: beginning.version.clone(),
        host: read("/proc/sys/kernel/hostname").unwrap_or_default(),
        owner: roboppi_process::identity(pid).unwrap_or(ProcessIdentity { pid, start_time: 0 }),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        pid_namespace: pid_namespace(),
        owner_lock: false,
        control: None,
        mode: RunMode::Emitted,
        record: RecordKind::Events,
        started_at: now,
        silent_after_ms: beginning
            .silent_after
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        workflow_bytes: None,
        traceparent: None,
        workspace_bytes: HexBytes::unless_text(beginning.workspace.as_os_str().as_bytes()),
    }
}

fn started(manifest: &Manifest) -> RunEvent {
    RunEvent::RunStarted {
        run_id: manifest.run_id.clone(),
        handle: manifest.handle,
        name: manifest.name.clone(),
        workflow: String::new(),
        workspace: manifest.workspace.clone(),
        context_dir: String::new(),
        mode: RunMode::Emitted,
        timeout_ms: 0,
        concurrency: 0,
        stream_stdio: false,
        steps: Vec::new(),
        resumes: None,
        only: Vec::new(),
    }
}

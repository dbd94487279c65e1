//! Runs of programs that record themselves.
//!
//! Such a run has no supervisor: any number of processes append to its record, each for a moment. It is alive as long as one of them holds its
//! lock, or the last of them wrote something recently enough.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use roboppi_ingest::{Emission, Entry, Refused, entries};
use roboppi_ipc::{HexBytes, ProcessIdentity, UtcMillis, WorkerKind};
use roboppi_record::{JournalWriter, OwnerLock, RecordError, SharedRun, StateRoot};
use roboppi_run::{MANIFEST_FORMAT, Manifest, RecordKind, RunEvent, RunId, RunMode, RunStatus};
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

    fn is_over(&self) -> bool {
        self.shared.dir().view().is_ok_and(|fold| matches!(fold.view().status, RunStatus::Finished { .. }))
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
                    Entry::Journal(event) => writer.append(now, event)?,
                    Entry::Attempt(of, event) => writer.append_event(&of, now, event)?,
                }
            }
        }
        Ok(())
    }
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

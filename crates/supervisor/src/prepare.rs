//! Sets a run up, so that it can be followed before anything happens.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roboppi_attach::{LiveFeed, LiveSource, RunCommand, RunSource, pid_namespace};
use roboppi_ipc::{HexBytes, UtcMillis};
use roboppi_record::{JournalWriter, OwnerLock, RecordError, RunDir, StateRoot};
use roboppi_run::{MANIFEST_FORMAT, Manifest, RecordKind, RunEvent, RunHandle, RunId};
use roboppi_workflow::{Plan, expand};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::branches::Branches;
use crate::clock;
use crate::commit::Commit;
use crate::context_dir::ContextDir;
use crate::control::ControlPlace;
use crate::convert::{duration_ms, path_text};
use crate::error::StartError;
use crate::names::OpenNames;
use crate::recorder::Recorder;
use crate::settings::RunSettings;
use crate::sign_of_life::SignOfLife;
use crate::signals::Signals;

/// Commands that may wait. They come from keys people press.
const COMMANDS: usize = 32;

/// A run that can be followed and has not begun.
#[derive(Debug)]
pub struct PreparedRun {
    pub(crate) settings: RunSettings,
    /// What the workflow is expanded to.
    pub(crate) plan: Plan,
    pub(crate) run_id: RunId,
    pub(crate) run_dir: RunDir,
    /// Says to everybody that this process lives.
    pub(crate) life: SignOfLife,
    pub(crate) context: ContextDir,
    pub(crate) branches: Branches,
    pub(crate) recorder: Recorder,
    pub(crate) commands: mpsc::Receiver<RunCommand>,
    pub(crate) control: Option<ControlPlace>,
    pub(crate) started_at: UtcMillis,
    source: LiveSource,
}

impl PreparedRun {
    /// Makes the run directory, and writes down what is to be run. From then on signals are heard; before that they end
    /// the process by themselves, as removing what earlier runs left may take long.
    ///
    /// # Errors
    /// When the workspace or the context directory cannot be used, there is no place for a record, or the system does not
    /// let us hear signals.
    pub fn new(settings: RunSettings) -> Result<(Self, Signals), StartError> {
        let workspace = &settings.workspace;
        let unusable = |source| StartError::Workspace { path: workspace.clone(), source };
        if workspace.metadata().is_ok_and(|there| !there.is_dir()) {
            return Err(unusable(io::ErrorKind::NotADirectory.into()));
        }
        fs::create_dir_all(workspace).map_err(unusable)?;
        let (branches, unwatched) = Branches::begin(&settings)?;
        let commit = Commit::of(workspace);
        let context_error = |source| StartError::ContextDir { path: settings.context_dir(), source };
        let workflow = &settings.source.workflow;
        let chosen = workflow.context_dir.is_some();
        let run_id = RunId::from_uuid(Uuid::now_v7());
        let (context, other_run) =
            ContextDir::open(settings.context_dir(), chosen, &run_id).map_err(context_error)?;
        let mut left = Vec::new();
        if let Some(resume) = &settings.resume {
            if let Some(run) = other_run.clone() {
                return Err(StartError::ContextInUse { path: settings.context_dir(), run });
            }
            left = context.remove(workspace, workflow, &resume.stale);
        } else if other_run.is_none() {
            left = context.clear(workspace, workflow).map_err(context_error)?;
        }
        context.prepare(workflow.steps.keys()).map_err(context_error)?;

        // A record that is begun must not be left without an end.
        let signals = Signals::listen().map_err(StartError::Signals)?;
        let started_at = clock::now();
        let control = ControlPlace::bind(&run_id, |name| std::env::var_os(name));
        let socket = control.as_ref().ok().map(ControlPlace::path);
        let (record, substitute) =
            open_record(&settings, manifest(&settings, &run_id, commit, started_at, socket))?;
        let Record { run_dir, lock, journal, handle, of_other_user } = record;
        let life = SignOfLife::start(lock);
        let feed = Arc::new(LiveFeed::default());
        let (command, commands) = mpsc::channel(COMMANDS);
        let source = LiveSource::new(Arc::clone(&feed), run_dir.clone(), command);
        let names = OpenNames::of(&settings);
        let mut recorder = Recorder::new(journal, feed, settings.secrets.hidden.clone(), names);
        let plan = expand(workflow);
        recorder.event(run_started(&settings, &plan, &run_id, handle));
        let inputs = workflow.given();
        if !inputs.is_empty() {
            recorder.event(RunEvent::ValuesSet { step: None, values: inputs });
        }
        if let Some(warning) = settings.name_warning() {
            recorder.warn(warning, None);
        }
        for warning in &settings.secrets.warnings {
            recorder.warn(warning.clone(), None);
        }
        if let Err(error) = &control {
            let message = format!("no other process can send commands to this run: {error}");
            recorder.warn(message, None);
        }
        for problem in unwatched.into_iter().chain(left) {
            recorder.warn(problem, None);
        }
        if let Some(why) = substitute {
            recorder.warn(format!("the record of this run is in {}: {why}", run_dir.path().display()), None);
        }
        if let Some(owner) = of_other_user {
            let (dir, me) = (run_dir.path().display(), nix::unistd::geteuid());
            recorder.warn(
                format!(
                    "the state directory belongs to another user (uid {owner}): the record of this run, {dir}, is that of \
                     uid {me}, and the runs of others in it are left as they are"
                ),
                None,
            );
        }
        if let Some(other) = other_run {
            recorder.warn(
                format!(
                    "{other} is using the context directory {} as well: artifacts and metadata of steps with the same name replace each other",
                    context.path().display()
                ),
                None,
            );
        }
        let control = control.ok();
        let run = Self {
            branches,
            settings,
            plan,
            run_id,
            run_dir,
            life,
            context,
            recorder,
            commands,
            control,
            started_at,
            source,
        };
        Ok((run, signals))
    }

    /// Where it can be followed, from any thread.
    #[must_use]
    pub fn source(&self) -> Arc<dyn RunSource> {
        Arc::new(self.source.clone())
    }

    /// The file for diagnostics of the supervisor.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.run_dir.supervisor_log_path()
    }

    /// The run.
    #[must_use]
    pub const fn run_id(&self) -> &RunId {
        &self.run_id
    }
}

/// The record of a run that has not begun.
struct Record {
    run_dir: RunDir,
    lock: OwnerLock,
    journal: JournalWriter,
    handle: Option<RunHandle>,
    /// The user to whom the directory with all runs belongs, if that is another one.
    of_other_user: Option<u32>,
}

/// Opens the record where it belongs, or else in a temporary place, and says why.
fn open_record(
    settings: &RunSettings,
    mut manifest: Manifest,
) -> Result<(Record, Option<String>), StartError> {
    let why = match &settings.state_dir {
        Some(dir) => {
            let root = StateRoot::at(dir.clone());
            // A run that is recorded elsewhere is found by its path alone.
            manifest.handle = root.claim_handle(&manifest.run_id);
            match write_record(&root, settings, &mut manifest) {
                Ok(record) => return Ok((record, None)),
                Err(error) => error.to_string(),
            }
        }
        None => "there is no home directory and no ROBOPPI_STATE_DIR".to_owned(),
    };
    manifest.handle = None;
    let root = StateRoot::temporary().map_err(StartError::Temporary)?;
    Ok((write_record(&root, settings, &mut manifest)?, Some(why)))
}

fn write_record(
    root: &StateRoot,
    settings: &RunSettings,
    manifest: &mut Manifest,
) -> Result<Record, RecordError> {
    let (run_dir, lock) = root.begin_run(&manifest.run_id)?;
    manifest.owner_lock = lock.is_conclusive();
    let write = || {
        let workflow =
            OpenNames::of(settings).hide_in_source(&settings.secrets.hidden, &settings.source.text);
        run_dir.begin(manifest, &workflow)?;
        JournalWriter::create(&run_dir)
    };
    let journal = match write() {
        Ok(journal) => journal,
        Err(error) => {
            // Half of a record would be taken for a run that was lost. What cannot be removed is no worse.
            let _ = root.remove(&manifest.run_id);
            return Err(error);
        }
    };
    let of_other_user = root.owner().filter(|_| !root.is_of_this_user());
    Ok(Record { run_dir, lock, journal, handle: manifest.handle, of_other_user })
}

fn manifest(
    settings: &RunSettings,
    run_id: &RunId,
    commit: Commit,
    started_at: UtcMillis,
    control: Option<&Path>,
) -> Manifest {
    let fingerprint = Sha256::digest(settings.source.text.as_bytes());
    let mut names = OpenNames::of(settings);
    let pid = std::process::id();
    Manifest {
        format: MANIFEST_FORMAT,
        run_id: run_id.clone(),
        // Known once there is a directory.
        handle: None,
        name: settings.source.workflow.name.clone(),
        workflow: path_text(&settings.source.path),
        workflow_sha256: fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
        arguments: settings
            .arguments
            .iter()
            .map(|argument| names.hide_in_source(&settings.secrets.hidden, argument))
            .collect(),
        workspace: path_text(&settings.workspace),
        context_dir: path_text(&settings.context_dir()),
        git_commit: commit.wait(),
        version: settings.version.clone(),
        host: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        owner: roboppi_process::identity(pid).unwrap_or(roboppi_ipc::ProcessIdentity { pid, start_time: 0 }),
        boot_id: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned()),
        pid_namespace: pid_namespace(),
        // Known once there is a directory, too.
        owner_lock: false,
        control: control.map(path_text),
        mode: settings.mode,
        record: RecordKind::Full,
        started_at,
        silent_after_ms: None,
        workflow_bytes: HexBytes::unless_text(settings.source.path.as_os_str().as_bytes()),
        workspace_bytes: HexBytes::unless_text(settings.workspace.as_os_str().as_bytes()),
        traceparent: settings.spans.parent.map(|parent| parent.to_string()),
    }
}

fn run_started(settings: &RunSettings, plan: &Plan, run_id: &RunId, handle: Option<RunHandle>) -> RunEvent {
    let workflow = &settings.source.workflow;
    RunEvent::RunStarted {
        run_id: run_id.clone(),
        handle,
        name: workflow.name.clone(),
        workflow: path_text(&settings.source.path),
        workspace: path_text(&settings.workspace),
        context_dir: path_text(&settings.context_dir()),
        mode: settings.mode,
        timeout_ms: duration_ms(workflow.timeout),
        concurrency: plan.concurrency,
        stream_stdio: settings.stream_stdio,
        steps: plan.step_plans(),
        only: workflow.only.clone(),
        resumes: settings.resume.as_ref().map(|resume| Box::new(resume.resumed.clone())),
    }
}

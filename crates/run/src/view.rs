//! What one sees of a run.
//!
//! A view is there once for each who looks on, and has an entry for each step. So what is known of a step once and for all is
//! shared between views, as is a step that is over ([`RunView::share`]), and what most steps do not have takes no room.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use roboppi_ipc::{
    CancelReason, CoreEvent, JobId, ProcessIdentity, Resources, UtcMillis, WorkerFacts, WorkerKind,
    WorkerResult,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    AttemptPhase, AttemptRef, HostId, Role, RunCommand, RunHandle, RunId, RunMode, RunOutcome,
    StepFingerprint, StepPath, StepPlan, StepState,
};

mod activity;
mod activity_fold;
mod attempt_activity;
mod earlier;
mod flaky;
mod fold;
mod iterations;
mod permit_wait;
mod reference;
mod spent;
mod sub_agent;
mod sub_agents;
#[cfg(test)]
mod tests;

pub use activity::{Act, Activity, ActivityItem, FileChange, PatchView, ToolOutcome, ToolUse, Wait};
pub use attempt_activity::AttemptActivity;
pub use earlier::{HistoryPage, Stretch};
pub use reference::{AttemptFilter, IterationView};
pub use spent::Spent;
pub use sub_agent::{SubAgentCounts, SubAgentView};
pub use sub_agents::TreeRow;

/// Everything a screen shows of a run, except the text of logs, which is read from the record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RunView {
    /// What was started; `None` before the first record.
    pub head: Option<RunHead>,
    /// Where the run is.
    pub status: RunStatus,
    /// Steps in the order of the file. Those that are the same in several views of a process are there once.
    pub steps: Vec<Arc<StepView>>,
    /// The core of each host, the latest one where it was replaced.
    pub cores: BTreeMap<HostId, CoreView>,
    /// The inputs it was given, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The latest warnings, oldest first, at most [`RunView::WARNINGS`].
    pub warnings: Vec<WarningView>,
    /// Warnings there were in all.
    pub warnings_total: u64,
    /// The latest commands of people and what came of them, oldest first, at most [`RunView::COMMANDS`].
    #[serde(default, alias = "wishes")]
    pub commands: Vec<CommandView>,
    /// Records folded so far.
    pub position: RunPosition,
    /// Places in `steps`.
    #[serde(skip)]
    index: Arc<HashMap<StepPath, usize>>,
    /// Of each job the place of its step.
    #[serde(skip)]
    jobs: HashMap<JobId, usize>,
}

impl Serialize for RunView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RunView {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut view = Self::deserialize(deserializer)?;
        view.find_places();
        Ok(view)
    }
}

/// What was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHead {
    /// The run.
    pub run_id: RunId,
    /// Its short name; absent in records of versions without.
    #[serde(default)]
    pub handle: Option<RunHandle>,
    /// Name of the workflow.
    pub name: String,
    /// Path of the file; empty when there is none.
    pub workflow: String,
    /// Where the steps work.
    pub workspace: String,
    /// Where artifacts go.
    pub context_dir: String,
    /// Who starts the workers.
    pub mode: RunMode,
    /// Limit of the whole run in milliseconds.
    pub timeout_ms: u64,
    /// Attempts at a time.
    pub concurrency: u32,
    /// Whether stdout and stderr are shown live.
    pub stream_stdio: bool,
    /// The steps to which the command line limited it, with those they depend on; none for a whole workflow.
    #[serde(default)]
    pub only: Vec<StepPath>,
    /// The run it goes on with.
    pub resumes: Option<RunId>,
    /// When it began.
    pub started_at: UtcMillis,
}

impl RunHead {
    /// What to call the run in a command: its handle, or else its id.
    #[must_use]
    pub fn short_name(&self) -> String {
        self.handle.map_or_else(|| self.run_id.to_string(), |handle| handle.to_string())
    }

    /// Its handle and its id: `r17 (01a2…)`, or the id alone.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.handle.map_or_else(|| self.run_id.to_string(), |handle| format!("{handle} ({})", self.run_id))
    }

    /// Whether it runs a workflow file. Otherwise it was given its one step, and all it makes beside the record goes
    /// with the command that ran it.
    #[must_use]
    pub fn has_file(&self) -> bool {
        !self.workflow.is_empty()
    }

    /// The command that runs again what did not succeed in the last run of the workflow; `None` as for
    /// [`resume_command`](Self::resume_command), and for a run of some steps alone, which is no base for a run of all.
    #[must_use]
    pub fn rerun_command(&self) -> Option<String> {
        self.resume_command().filter(|_| self.only.is_empty())?;
        Some(format!("roboppi workflow run {} --rerun-failed", crate::shell_word(&self.workflow)))
    }

    /// The command that goes on with the run; `None` when its workflow was no file that is there for a later command, or
    /// one whose path is no text.
    #[must_use]
    pub fn resume_command(&self) -> Option<String> {
        let places = ["/dev/", "/proc/"];
        let unnameable = self.workflow.contains(char::REPLACEMENT_CHARACTER);
        let passing =
            unnameable || !self.has_file() || places.iter().any(|place| self.workflow.starts_with(place));
        let command = || {
            let (workflow, run) = (crate::shell_word(&self.workflow), self.short_name());
            format!("roboppi workflow run {workflow}{} --resume {run}", self.limited())
        };
        (!passing).then(command)
    }

    /// The options with which a later run has the same steps.
    fn limited(&self) -> String {
        self.only.iter().map(|step| format!(" --only {}", crate::shell_word(step.as_str()))).collect()
    }
}

/// Where a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunStatus {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// Under way.
    Running,
    /// Being ended.
    Ending {
        /// Why.
        reason: CancelReason,
        /// Workers are killed at once.
        force: bool,
        /// The signal that asked for it, as `SIGTERM`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<String>,
    },
    /// Over.
    Finished {
        /// How.
        outcome: RunOutcome,
        /// Exit code of the command.
        exit_code: u8,
        /// Milliseconds it took.
        duration_ms: u64,
        /// When.
        at: UtcMillis,
        /// Why, for people.
        detail: Option<String>,
    },
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// What is known before it runs.
    pub plan: Arc<StepPlan>,
    /// Where it is.
    pub state: StepState,
    /// Why, for people.
    pub detail: Option<String>,
    /// It failed, and the run counts it as success.
    pub allowed_to_fail: bool,
    /// Until when a usage limit holds that it waits for, or because of which it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_until: Option<UtcMillis>,
    /// When its first attempt started.
    pub started_at: Option<UtcMillis>,
    /// When it came into its state.
    pub changed_at: UtcMillis,
    /// Milliseconds it took, once it is over.
    pub duration_ms: Option<u64>,
    /// Its iterations behind the first one, oldest first, at most [`StepView::ITERATIONS`].
    #[serde(default)]
    pub iterations: Vec<IterationView>,
    /// Its attempts by iteration, role and number.
    pub attempts: Vec<AttemptView>,
    /// Artifacts it put into the context directory.
    pub artifacts: Vec<ArtifactView>,
    /// Values it has set, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// What its last attempt was made of, or what it was made of in the run it was kept from.
    pub fingerprint: Option<Arc<StepFingerprint>>,
    /// Where it was done, when an earlier run did it and this one did not do it again. Its log is there.
    pub kept: Option<Box<KeptFrom>>,
    /// What a core said of its kind of worker, when that does not come with roboppi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<WorkerFacts>,
}

/// A step as the journal alone has it. Nothing is copied of one whose worker told nothing.
fn of_journal(step: &Arc<StepView>) -> Arc<StepView> {
    if step.attempts.iter().all(AttemptView::is_of_journal) {
        Arc::clone(step)
    } else {
        Arc::new(step.of_journal())
    }
}

impl StepView {
    fn of_journal(&self) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            detail: self.detail.clone(),
            iterations: self.iterations.clone(),
            attempts: self.attempts.iter().map(AttemptView::of_journal).collect(),
            artifacts: self.artifacts.clone(),
            outputs: self.outputs.clone(),
            fingerprint: self.fingerprint.clone(),
            kept: self.kept.clone(),
            ..*self
        }
    }

    /// Whether it failed, or was lost, and the run counts that as success. One that a user skipped has not failed.
    #[must_use]
    pub fn is_excused_failure(&self) -> bool {
        self.allowed_to_fail && self.state != StepState::Skipped
    }

    /// Whether an agent works on it, and not a command.
    #[must_use]
    pub fn is_agent(&self) -> bool {
        !self.plan.runs_a_workflow()
            && self.facts.unwrap_or_else(|| WorkerFacts::assumed(self.plan.worker)).agent
    }

    /// The kind of worker of an attempt of it: that of its check, or its own.
    #[must_use]
    pub fn worker_of(&self, of: &AttemptRef) -> WorkerKind {
        self.plan.check.filter(|_| of.role == Role::Check).unwrap_or(self.plan.worker)
    }

    /// Whether an attempt is a script that has checked the work and found that it is not complete: it says so with exit code 1.
    #[must_use]
    pub fn is_found_incomplete_by(&self, attempt: &AttemptView) -> bool {
        let is_script = attempt.of.role == Role::Check && self.plan.check == Some(WorkerKind::CUSTOM);
        let AttemptStatus::Finished { result, .. } = &attempt.status else { return false };
        let was_ended = result.details.as_ref().is_some_and(|details| details.cancel_reason.is_some());
        is_script && result.exit_code == Some(1) && !was_ended
    }

    /// Whether an agent works on an attempt of it, and not a command.
    #[must_use]
    pub fn is_agent_in(&self, of: &AttemptRef) -> bool {
        let worker = self.worker_of(of);
        if worker == self.plan.worker { self.is_agent() } else { WorkerFacts::assumed(worker).agent }
    }

    /// Attempts that did its work, in all iterations.
    #[must_use]
    pub fn attempts_at_work(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.of.role == self.plan.role).count()
    }

    /// Whether an agent works on its last attempt, and not a command; of a step that has not started, on its work.
    #[must_use]
    pub fn is_agent_last(&self) -> bool {
        self.attempts.last().map_or_else(|| self.is_agent(), |last| self.is_agent_in(&last.of))
    }

    /// The command that goes on with the session of an attempt of it; `None` without a session.
    #[must_use]
    pub fn session_command(&self, attempt: &AttemptView) -> Option<String> {
        let session = attempt.session_id().filter(|_| self.is_agent_in(&attempt.of))?;
        let worker = self.worker_of(&attempt.of).name().to_lowercase().replace('_', "-");
        Some(format!("roboppi run --worker {worker} --resume {} \"Go on.\"", crate::shell_word(session)))
    }
}

/// Where a step was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFrom {
    /// The run.
    pub run: RunId,
    /// The attempt that succeeded there.
    pub attempt: AttemptRef,
}

/// Something a step made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactView {
    /// Its name in the workflow.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// Hash of it with everything in it, when that was recorded.
    pub sha256: Option<String>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Which one.
    pub of: AttemptRef,
    /// Its job.
    pub job_id: JobId,
    /// Path of its files where that is another one than [`AttemptRef::base`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    other_base: Option<Box<str>>,
    /// The session of the agent that an earlier attempt began and this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_session: Option<Box<str>>,
    /// When it was handed to the core.
    pub started_at: UtcMillis,
    /// When its worker began, after any wait for a permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_at: Option<UtcMillis>,
    /// Where it is.
    pub status: AttemptStatus,
    /// When it came there.
    pub status_at: UtcMillis,
    /// Leader of the worker's session.
    pub process: Option<ProcessIdentity>,
    /// What its worker did, folded from its own events.
    #[serde(default, skip_serializing_if = "AttemptActivity::is_empty")]
    pub activity: AttemptActivity,
    /// When it ended.
    pub finished_at: Option<UtcMillis>,
    /// A person asked for another one after it: what differs from then on is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

impl AttemptView {
    /// The session of its agent.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        let AttemptStatus::Finished { result, .. } = &self.status else {
            return Some(self.activity.session.as_ref()?.id.as_str());
        };
        let reported = result.details.as_deref().and_then(|details| details.session_id.as_deref());
        reported.or_else(|| Some(self.activity.session.as_ref()?.id.as_str()))
    }

    /// Length of its log as the journal has it.
    const fn log_bytes_of_journal(&self) -> u64 {
        match self.status {
            AttemptStatus::Finished { log_bytes, .. } => log_bytes,
            AttemptStatus::Started | AttemptStatus::Phase(_) => 0,
        }
    }

    fn is_of_journal(&self) -> bool {
        self.activity.is_silent() && self.activity.log_bytes == self.log_bytes_of_journal()
    }

    fn of_journal(&self) -> Self {
        let log_bytes = self.log_bytes_of_journal();
        Self {
            of: self.of.clone(),
            job_id: self.job_id.clone(),
            other_base: self.other_base.clone(),
            resumed_session: self.resumed_session.clone(),
            status: self.status.clone(),
            activity: AttemptActivity { log_bytes, ..AttemptActivity::default() },
            ..*self
        }
    }

    /// Path of its files inside the run directory, without extension.
    #[must_use]
    pub fn base(&self) -> Cow<'_, str> {
        self.other_base.as_deref().map_or_else(|| self.of.base().into(), Cow::Borrowed)
    }

    /// What its processes used, or use now.
    #[must_use]
    pub fn resources(&self) -> Option<Resources> {
        let at_end = match &self.status {
            AttemptStatus::Finished { result, .. } => {
                result.details.as_deref().and_then(|details| details.resources)
            }
            AttemptStatus::Started | AttemptStatus::Phase(_) => None,
        };
        at_end.or_else(|| self.activity.resources.as_deref().copied())
    }

    /// Length of its log as far as it is known.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        match &self.status {
            AttemptStatus::Finished { log_bytes, .. } => *log_bytes,
            AttemptStatus::Started | AttemptStatus::Phase(_) => self.activity.log_bytes,
        }
    }
}

/// Where an attempt is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AttemptStatus {
    /// Handed to the core.
    Started,
    /// In a stage.
    Phase(AttemptPhase),
    /// Over.
    Finished {
        /// How.
        result: Arc<WorkerResult>,
        /// Length of its log.
        log_bytes: u64,
    },
}

/// A core of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CoreView {
    /// Where it is.
    pub status: CoreStatus,
    /// Cores the run has had.
    pub incarnation: u32,
    /// Its process.
    pub process: Option<ProcessIdentity>,
    /// Protocol it speaks.
    pub protocol: u32,
    /// Version it says it has.
    pub version: String,
    /// Permits in use and allowed, as the core said last.
    pub permits: Option<(u32, u32)>,
    /// The latest reports, oldest first, at most [`CoreView::REPORTS`].
    pub reports: Vec<(UtcMillis, CoreEvent)>,
}

/// Where the core is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CoreStatus {
    /// Not there yet.
    #[default]
    Absent,
    /// Answering.
    Alive,
    /// Gone although the run was not over.
    Lost {
        /// How it was noticed and what it last said.
        detail: String,
    },
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarningView {
    /// When.
    pub ts: UtcMillis,
    /// What.
    pub message: String,
    /// Step it is about.
    pub step: Option<StepPath>,
}

/// A command of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandView {
    /// When it was answered.
    pub ts: UtcMillis,
    /// What.
    #[serde(alias = "wish")]
    pub command: RunCommand,
    /// The process that brought it; `None` when it is the one that owns the run.
    pub by: Option<ProcessIdentity>,
    /// The user on whose behalf that process asked, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Why nothing came of it.
    pub refused: Option<String>,
}

/// How far a view has been folded. Attempts have their own positions in [`Activity::last_seq`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPosition {
    /// Last journal record.
    pub journal_seq: u64,
}

/// Counts of steps by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// Not started, and not ruled out.
    pub waiting: usize,
    /// With an attempt under way, or between two.
    pub active: usize,
    /// Succeeded.
    pub succeeded: usize,
    /// Failed, those that were allowed to included.
    pub failed: usize,
    /// Never started.
    pub skipped: usize,
    /// Ended because it was asked to, or lost.
    pub cancelled: usize,
    /// In a state of a later version: not known to be over.
    pub unknown: usize,
}

impl RunView {
    /// Warnings kept.
    pub const WARNINGS: usize = 200;

    /// Commands kept.
    pub const COMMANDS: usize = 50;

    /// The core on the host of the supervisor.
    #[must_use]
    pub fn core(&self) -> &CoreView {
        static ABSENT: CoreView = CoreView::absent();
        self.cores.get(&HostId::here()).unwrap_or(&ABSENT)
    }

    /// All steps, in the order of the file.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &StepView> + DoubleEndedIterator + Clone {
        self.steps.iter().map(Arc::as_ref)
    }

    /// The step of a name.
    #[must_use]
    pub fn step(&self, step: &StepPath) -> Option<&StepView> {
        self.index.get(step).and_then(|index| self.steps.get(*index)).map(Arc::as_ref)
    }

    /// The attempt of a reference.
    #[must_use]
    pub fn attempt(&self, of: &AttemptRef) -> Option<&AttemptView> {
        self.step(&of.step)?.attempts.iter().rev().find(|attempt| attempt.of == *of)
    }

    /// The attempt of a job.
    #[must_use]
    pub fn attempt_of_job(&self, job: &JobId) -> Option<&AttemptRef> {
        let step = self.steps.get(*self.jobs.get(job)?)?;
        step.attempts.iter().rev().find(|attempt| attempt.job_id == *job).map(|attempt| &attempt.of)
    }

    /// What the journal alone says: without what workers did, which is in the event files of their attempts. It is good for
    /// writing it down: steps are not found in it by their path.
    #[must_use]
    pub fn of_journal(&self) -> Self {
        Self {
            head: self.head.clone(),
            status: self.status.clone(),
            steps: self.steps.iter().map(of_journal).collect(),
            cores: self.cores.clone(),
            inputs: self.inputs.clone(),
            warnings: self.warnings.clone(),
            warnings_total: self.warnings_total,
            commands: self.commands.clone(),
            position: self.position,
            index: Arc::default(),
            jobs: HashMap::new(),
        }
    }

    /// Has steps that are over take no room of their own where another view of the same run has the same. A view is the same
    /// before and after.
    pub fn share(&mut self, other: &Self) {
        if Arc::ptr_eq(&self.index, &other.index) || self.index == other.index {
            self.index = Arc::clone(&other.index);
        }
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            if theirs.state.is_final() && !Arc::ptr_eq(mine, theirs) && mine == theirs {
                *mine = Arc::clone(theirs);
            }
        }
    }

    /// Works out where the steps and the jobs are.
    fn find_places(&mut self) {
        let places = self.steps.iter().enumerate();
        self.index = Arc::new(places.clone().map(|(place, step)| (step.plan.step.clone(), place)).collect());
        let jobs = places.flat_map(|(place, step)| step.attempts.iter().map(move |attempt| (attempt, place)));
        let jobs = jobs.filter(|(attempt, _)| !attempt.job_id.as_str().is_empty());
        self.jobs = jobs.map(|(attempt, place)| (attempt.job_id.clone(), place)).collect();
    }

    /// Whether the run is over.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.status, RunStatus::Finished { .. })
    }

    /// The command that goes on with a run that is over and did not succeed.
    #[must_use]
    pub fn resume_command(&self) -> Option<String> {
        let RunStatus::Finished { outcome, .. } = &self.status else { return None };
        self.head.as_ref().filter(|_| *outcome != RunOutcome::Succeeded)?.resume_command()
    }

    /// Counts of steps.
    #[must_use]
    pub fn counts(&self) -> StepCounts {
        let mut counts = StepCounts::default();
        for step in &self.steps {
            *match step.state {
                StepState::Pending | StepState::Ready => &mut counts.waiting,
                StepState::Starting | StepState::Running | StepState::Retrying | StepState::Ending => {
                    &mut counts.active
                }
                StepState::Succeeded | StepState::Incomplete => &mut counts.succeeded,
                StepState::Failed => &mut counts.failed,
                StepState::Skipped => &mut counts.skipped,
                StepState::Cancelled | StepState::Lost => &mut counts.cancelled,
                StepState::Unknown(_) => &mut counts.unknown,
            } += 1;
        }
        counts
    }
}

impl CoreView {
    /// Reports kept.
    pub const REPORTS: usize = 200;

    /// A core that is not there yet.
    const fn absent() -> Self {
        Self {
            status: CoreStatus::Absent,
            incarnation: 0,
            process: None,
            protocol: 0,
            version: String::new(),
            permits: None,
            reports: Vec::new(),
        }
    }
}

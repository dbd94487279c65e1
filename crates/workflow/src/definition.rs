//! A workflow that may run: every name resolved, every value checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indexmap::IndexMap;
use roboppi_ipc::{Capability, VariablePolicy, WorkerKind};
use roboppi_run::StepPath;

use crate::branch::BranchKeys;
use crate::budget::Budget;
use crate::control::StepControl;
use crate::convergence::Convergence;
use crate::defaults;
use crate::diagnostic::Span;
use crate::inputs::{InputSpec, Variables};

/// A checked workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// How long a run may take.
    pub timeout: Duration,
    /// Steps at a time, at least 1; `None` when the file does not say: see [`Workflow::attempts_at_a_time`].
    pub concurrency: Option<u32>,
    /// What all agents of a run may use up together.
    pub budget: Budget,
    /// On which git branch it works.
    pub branch: BranchKeys,
    /// Where artifacts go, relative to the workspace or absolute.
    pub context_dir: Option<String>,
    /// Values that must not be seen.
    pub secrets: Vec<SecretSource>,
    /// Which variables of our environment workers are given.
    pub environment: VariablePolicy,
    /// What a run can be given, by name.
    pub inputs: IndexMap<String, InputSpec>,
    /// Hosts besides this one on which steps may work, by name.
    pub hosts: IndexMap<String, HostSpec>,
    /// The steps, in the order in which those that are ready start.
    pub steps: IndexMap<StepPath, Arc<Step>>,
    /// The steps to which [`Workflow::keep_only`] has limited it; none for a whole workflow.
    pub only: Vec<StepPath>,
}

/// A host on which steps may work, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// What carries bytes to it and back.
    pub carrier: Carrier,
    /// The program roboppi there: a name in its `PATH`, or a path. `None` for this program, which is copied there unless the
    /// host has it.
    pub program: Option<String>,
    /// Words that stand for it in a selection of hosts, each once.
    pub labels: Vec<String>,
    /// The directory that is the workspace of the run there: absolute, or relative to the home directory there.
    pub workspace: Option<String>,
    /// Attempts at a time there; `None` for those of the run.
    pub concurrency: Option<u32>,
    /// Variables that workers there have beside those of the login.
    pub env: BTreeMap<String, String>,
    /// How long the host goes on without a sign of life of this one.
    pub lease: Duration,
    /// What it does then.
    pub on_lease_end: OnLeaseEnd,
}

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The program `ssh`, with this destination.
    Ssh(String),
    /// Any command whose standard input and output are those of `roboppi host` there.
    Command(Vec<String>),
}

/// What a host does when its lease is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLeaseEnd {
    /// It terminates what runs there, and keeps the results.
    #[default]
    Kill,
    /// It lets finish what runs there, and keeps the results.
    Finish,
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is for.
    pub description: Option<String>,
    /// Which program does the work.
    pub worker: WorkerKind,
    /// What the worker is told: a script for `CUSTOM`.
    pub instructions: String,
    /// What the worker may do; never empty. Steps with the same share it.
    pub capabilities: Arc<[Capability]>,
    /// What an agent is asked for besides; nothing for `CUSTOM`. Steps that ask for nothing share it.
    pub agent: Arc<AgentOptions>,
    /// Where it works, relative to the workspace of the run or absolute.
    pub workspace: Option<String>,
    /// The host on which it works, one of [`Workflow::hosts`]; `None` for this one.
    pub host: Option<Arc<str>>,
    /// Steps that must allow it to start; no duplicates.
    pub depends_on: Vec<StepPath>,
    /// Artifacts put into its workspace before it starts.
    pub inputs: Vec<InputRef>,
    /// Artifacts collected after it succeeded; names are unique.
    pub outputs: Vec<OutputSpec>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How long its worker may do nothing at all: zero means for ever, `None` the default of its kind.
    pub idle: Option<Duration>,
    /// Whether the files of its workspace are compared before and after; `None` the default of its kind.
    pub file_changes: Option<bool>,
    /// Time its worker has between being asked to end and being killed.
    pub grace: Option<Duration>,
    /// Attempts after the first one; only used with [`OnFailure::Retry`].
    pub max_retries: u32,
    /// What its failure means.
    pub on_failure: OnFailure,
    /// What a usage limit means for it; `None` what the run says.
    pub on_limit: Option<OnLimit>,
    /// Whether its failure counts as success for the steps after it and for the run.
    pub continue_on_error: bool,
    /// Values that must not be seen.
    pub secrets: Vec<SecretSource>,
    /// Variables of its worker, those of the workflow included. Steps that have no others share them.
    pub env: Arc<Variables>,
    /// When it is done, and how often. Steps that say nothing of it share it.
    pub control: Arc<StepControl>,
    /// What decides whether it is complete; `None` when it is done once.
    pub check: Option<Arc<CompletionCheck>>,
    /// The workflow that it runs, in place of a worker; `None` for a step with a worker.
    pub call: Option<Arc<Subworkflow>>,
}

/// What decides after each iteration of a step whether it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionCheck {
    /// The check as a step of its own: its worker and what that is told. It depends on nothing, takes nothing and makes nothing.
    pub work: Arc<Step>,
    /// Where its worker writes its decision, relative to the workspace of the run and inside it; `None` for `CUSTOM`, whose exit
    /// code decides.
    pub decision_file: Option<String>,
    /// Iterations at most, at least 2.
    pub max_iterations: u32,
    /// What follows when the last one is not complete either.
    pub on_exhausted: OnExhausted,
    /// How it is noticed that there is no progress; `None` when nobody looks.
    pub convergence: Option<Arc<Convergence>>,
}

/// The workflow that a step runs. Its steps are those of [`Workflow::steps`] whose paths are below the step.
#[derive(Clone, Debug, Eq)]
pub struct Subworkflow {
    /// Its file as it is written, relative to the file that names it, or absolute.
    pub file: String,
    /// Where that is written.
    pub span: Span,
    /// Artifacts of its steps that are artifacts of the step.
    pub exports: Vec<InputRef>,
    /// What is done with what was exported before.
    pub mode: ExportsMode,
    /// What `subworkflow_event_prefix` says, with `bubble_subworkflow_events`.
    pub event_prefix: Option<String>,
    /// Its steps at a time, in addition to the limit of the run.
    pub concurrency: Option<u32>,
    /// Its steps are among those of the workflow. Otherwise its file was not read.
    pub is_linked: bool,
}

/// Where the file is named makes no difference.
impl PartialEq for Subworkflow {
    fn eq(&self, other: &Self) -> bool {
        let Self { file, span: _, exports, mode, event_prefix, concurrency, is_linked } = self;
        (file, exports, mode, event_prefix, concurrency, is_linked)
            == (
                &other.file,
                &other.exports,
                &other.mode,
                &other.event_prefix,
                &other.concurrency,
                &other.is_linked,
            )
    }
}

/// What is done with the exports of an earlier iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ExportsMode {
    /// `merge`: files that are not exported again stay.
    #[default]
    Merge,
    /// `replace`: they go.
    Replace,
}

impl ExportsMode {
    /// Every choice, in the order of the reference.
    pub const ALL: [Self; 2] = [Self::Merge, Self::Replace];

    /// The word in workflow files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Replace => "replace",
        }
    }
}

/// What an agent is asked for, besides its instructions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentOptions {
    /// Its model.
    pub model: Option<String>,
    /// Reasoning effort or the like.
    pub variant: Option<String>,
    /// Turns it may take.
    pub max_steps: Option<u32>,
    /// How long one command of it may take.
    pub max_command_time: Option<Duration>,
    /// Arguments of its command (`defaultArgs`).
    pub default_args: Vec<String>,
    /// Its program: a name in `PATH`, or a path, relative to the workspace of the run or absolute.
    pub program: Option<String>,
    /// A file with MCP servers, relative to the workspace of the run or absolute.
    pub mcp_config: Option<String>,
    /// Directories beside its workspace, relative to the workspace of the run or absolute.
    pub add_dirs: Vec<String>,
    /// Text added to its system prompt.
    pub append_system_prompt: Option<String>,
    /// What all attempts of the step may use up together.
    pub budget: Budget,
    /// Its own session to go on with; no key of a workflow file, `roboppi run` knows it.
    pub resume: Option<String>,
}

impl AgentOptions {
    /// Nothing.
    #[must_use]
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<AgentOptions>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// These, shared when they are nothing.
    pub(crate) fn shared(self) -> Arc<Self> {
        let none = Self::none();
        if self == *none { none } else { Arc::new(self) }
    }
}

/// Where a value comes from that must not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// This variable of the environment.
    Variable(String),
    /// The content of this file, relative to the workspace or absolute.
    File(String),
    /// What this shell command prints.
    Command(String),
}

/// An artifact a step takes from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRef {
    /// The step that makes it.
    pub from: StepPath,
    /// Its name there.
    pub artifact: String,
    /// Its name here, when that is another one (`as`).
    pub rename: Option<String>,
}

impl InputRef {
    /// The name under which the artifact appears in the workspace.
    #[must_use]
    pub fn target(&self) -> &str {
        self.rename.as_deref().unwrap_or(&self.artifact)
    }
}

/// An artifact a step makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSpec {
    /// Its name.
    pub name: String,
    /// File or directory, relative to the workspace and inside it.
    pub path: String,
    /// What it is (`type`), for people.
    pub kind: Option<String>,
}

/// What the failure of a step means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// `retry`: try again while attempts are left.
    Retry,
    /// `continue`: steps that depend on it start all the same, the run fails nevertheless.
    Continue,
    /// `abort`: steps that depend on it are skipped, others go on.
    #[default]
    Abort,
}

impl OnFailure {
    /// Every choice, in the order of the reference.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Continue, Self::Abort];

    /// The word in workflow files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Continue => "continue",
            Self::Abort => "abort",
        }
    }
}

/// What follows when a step is not complete after its last iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnExhausted {
    /// `abort`: it has failed.
    #[default]
    Abort,
    /// `continue`: it is incomplete, which counts as success.
    Continue,
}

impl OnExhausted {
    /// Every choice, in the order of the reference.
    pub const ALL: [Self; 2] = [Self::Abort, Self::Continue];

    /// The word in workflow files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Continue => "continue",
        }
    }
}

/// What a usage limit of an agent means for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnLimit {
    /// `wait`: it waits until the limit is over, and then continues.
    Wait,
    /// `fail`: it fails at once.
    Fail,
}

impl OnLimit {
    /// Every choice, in the order of the reference.
    pub const ALL: [Self; 2] = [Self::Wait, Self::Fail];

    /// The word in workflow files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Fail => "fail",
        }
    }
}

impl Workflow {
    /// Attempts at a time.
    #[must_use]
    pub fn attempts_at_a_time(&self) -> u32 {
        self.concurrency.unwrap_or(defaults::CONCURRENCY.0)
    }

    /// Where artifacts go, relative to the workspace or absolute.
    #[must_use]
    pub fn artifacts_dir(&self) -> &str {
        self.context_dir.as_deref().unwrap_or(defaults::CONTEXT_DIR.0)
    }
}

impl Workflow {
    /// Leaves out every step but these and those they depend on, directly or not.
    pub fn keep_only(&mut self, steps: &[StepPath]) {
        let mut kept: HashSet<StepPath> = HashSet::new();
        let mut wanted: Vec<StepPath> = steps.to_vec();
        while let Some(path) = wanted.pop() {
            // A step of a subworkflow runs with the whole of it.
            if let Some(above) = self.step_above(&path) {
                wanted.push(above);
            } else if let Some(step) = self.steps.get(&path)
                && kept.insert(path)
            {
                wanted.extend(step.depends_on.iter().cloned());
            }
        }
        let above: HashMap<StepPath, StepPath> =
            self.steps.keys().filter_map(|path| Some((path.clone(), self.step_above(path)?))).collect();
        let outermost = |path: &StepPath| {
            let mut path = path;
            while let Some(next) = above.get(path) {
                path = next;
            }
            kept.contains(path)
        };
        self.steps.retain(|path, _| outermost(path));
        self.only = steps.to_vec();
    }
}

impl Workflow {
    /// The step that runs the workflow of which a step is part; `None` for one of the file that is run.
    #[must_use]
    pub fn step_above(&self, path: &StepPath) -> Option<StepPath> {
        path.parent().filter(|above| self.steps.get(above).is_some_and(|step| step.call.is_some()))
    }

    /// A step whose workflow was not read, if there is one: such a workflow cannot run.
    #[must_use]
    pub fn unlinked(&self) -> Option<&StepPath> {
        let is_unlinked = |step: &Step| step.call.as_ref().is_some_and(|call| !call.is_linked);
        self.steps.iter().find(|(_, step)| is_unlinked(step)).map(|(path, _)| path)
    }
}

impl Step {
    /// The step, and its check where it has one: what its attempts do.
    pub fn tasks(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.check.as_ref().map(|check| &*check.work))
    }

    /// How long one attempt may take.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        self.timeout.unwrap_or(defaults::STEP_TIMEOUT.0)
    }

    /// Attempts it may have: 1, and its retries where it has any.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        if let Some(retry) = &self.control.retry {
            return retry.max.saturating_add(1);
        }
        match self.on_failure {
            OnFailure::Retry => self.max_retries.saturating_add(1),
            OnFailure::Continue | OnFailure::Abort => 1,
        }
    }
}

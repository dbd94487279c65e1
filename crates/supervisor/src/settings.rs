//! How a run is to be run.

use std::path::PathBuf;
use std::time::Duration;

use roboppi_ipc::RecordLimits;
use roboppi_ipc::io::Trace;
use roboppi_run::{RunMode, TraceParent, TraceSampler};
use roboppi_workflow::{BranchOptions, LimitPolicy, Workflow};

use crate::{HeartbeatSettings, Resume, RunSecrets};

/// Everything a run is started with.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// What to run.
    pub source: WorkflowFile,
    /// Where its steps work; absolute.
    pub workspace: PathBuf,
    /// The command line, for the record.
    pub arguments: Vec<String>,
    /// Who starts the workers.
    pub mode: RunMode,
    /// Where the record goes; `None` when there is no place for it, then it goes to a temporary one.
    pub state_dir: Option<PathBuf>,
    /// Whether stdout and stderr of workers are shown live.
    pub stream_stdio: bool,
    /// Time workers have between TERM and KILL, unless their step says otherwise.
    pub grace: Duration,
    /// Time pipes may stay open after a worker's exit.
    pub drain: Duration,
    /// What must not be seen.
    pub secrets: RunSecrets,
    /// How much of the disk the record may take.
    pub record_limits: RecordLimits,
    /// How long the core may take to answer a request.
    pub request_timeout: Duration,
    /// When a silent core counts as hung.
    pub heartbeat: HeartbeatSettings,
    /// Who is told of every message on the wire.
    pub trace: Option<Trace>,
    /// Version of this program.
    pub version: String,
    /// How a step gets a core that can run it, in words of the program that starts the run: advice in messages, like
    /// `leave out --core`.
    pub other_core: String,
    /// What usage limits of agents mean for its steps.
    pub limits: LimitPolicy,
    /// The first failure that counts ends the run.
    pub fail_fast: bool,
    /// What the command line and the environment say of branches.
    pub branches: BranchOptions,
    /// What it takes over from an earlier run.
    pub resume: Option<Resume>,
    /// Where it stands in a distributed trace.
    pub spans: SpanSettings,
}

/// Where a run stands in a distributed trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanSettings {
    /// The context in which it was started.
    pub parent: Option<TraceParent>,
    /// Workers are started within the spans of their attempts, because those are exported if this one takes the trace.
    pub sampler: Option<TraceSampler>,
}

/// A workflow and the file it came from.
#[derive(Clone, Debug)]
pub struct WorkflowFile {
    /// Absolute path; empty when the workflow comes from no file.
    pub path: PathBuf,
    /// The file as it was.
    pub text: String,
    /// Bytes it could have had at most.
    pub most_bytes: usize,
    /// What it means.
    pub workflow: Workflow,
}

impl RunSettings {
    /// Attempts at a time.
    #[must_use]
    pub fn concurrency(&self) -> u32 {
        self.source.workflow.attempts_at_a_time()
    }

    /// The longest time any worker has between TERM and KILL.
    #[must_use]
    pub fn longest_grace(&self) -> Duration {
        self.source.workflow.steps.values().filter_map(|step| step.grace).fold(self.grace, Duration::max)
    }

    /// Where artifacts and metadata go: absolute.
    #[must_use]
    pub fn context_dir(&self) -> PathBuf {
        self.workspace.join(self.source.workflow.artifacts_dir())
    }
}

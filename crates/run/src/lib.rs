//! What a run is.
//!
//! A run is known by its events. The supervisor numbers the events of run and steps
//! ([`JournalRecord`]); the core numbers the events of each attempt ([`AttemptRecord`]). [`RunView`] is
//! what one sees of a run, and [`RunView::apply`] is the only place that works it out: a live screen, an
//! attached one and a finished run read later show the same because they fold the same records.

mod attempt_ref;
mod command;
mod event;
mod forecast;
mod handle;
mod history;
mod id;
mod kept;
mod manifest;
mod partial;
mod progress;
mod record;
#[cfg(feature = "schema")]
mod schema;
mod shell;
mod state;
mod step_path;
mod text;
mod timeline;
mod trace_context;
pub mod units;
mod view;
mod wording;

pub use attempt_ref::{AttemptRef, Role};
pub use command::RunCommand;
pub use event::{AttemptPhase, RunEvent, RunMode, StepPlan};
pub use forecast::{Dependencies, Forecast};
pub use handle::RunHandle;
pub use history::History;
pub use id::{HostId, InvalidRunId, RunId};
pub use kept::{KeptArtifact, KeptStep, Resumed, StepFingerprint, TakenInput, UpstreamResult};
pub use manifest::{MANIFEST_FORMAT, Manifest, RecordKind};
pub use partial::{PartialText, PartialTexts};
pub use progress::{Progress, ProgressBasis};
pub use record::{AttemptRecord, JournalRecord, RunRecord, SourceMark};
pub use shell::shell_word;
pub use state::{RunOutcome, StepState};
pub use step_path::{InvalidStepPath, PathSegment, StepPath};
pub use timeline::{Mark, Slice, SliceKind, Timeline, TimelineBuilder, Track};
pub use trace_context::{InvalidTraceParent, SpanId, TraceId, TraceIds, TraceParent, TraceSampler};
pub use view::{
    Act, Activity, ActivityItem, ArtifactView, AttemptActivity, AttemptFilter, AttemptStatus, AttemptView,
    CommandView, CoreStatus, CoreView, FileChange, HistoryPage, IterationView, KeptFrom, PatchView, RunHead,
    RunPosition, RunStatus, RunView, Spent, StepCounts, StepView, Stretch, SubAgentCounts, SubAgentView,
    ToolOutcome, ToolUse, TreeRow, Wait, WarningView,
};
pub use wording::{
    cancel_words, dollars, ending_words, missing_words, progress_words, spent_words, sub_agent_word, tokens,
    tool_summary, tool_words, wait_words,
};

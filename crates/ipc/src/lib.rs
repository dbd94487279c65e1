//! What roboppi processes say to each other.
//!
//! The supervisor and the core exchange one JSON object a line. This crate holds the vocabulary
//! ([`Message`], [`WorkerEvent`], [`Job`], [`WorkerResult`]), the framing ([`LineFramer`]), the
//! first line of each side ([`Hello`]) and the bookkeeping of requests ([`PendingRequests`]).
//! It does no I/O and reads no clock; the feature `io` adds [`io`], which moves the bytes.
//!
//! Values that are words are declared by [`value_enum!`], and objects that have a tag are read by [`decode_tagged`], so that a
//! word of a later version is kept and shown, and what is around it is read.
//!
//! Field names are those of the wire: camelCase, absent rather than `null`, unknown fields ignored.

#[macro_use]
mod value;

mod agent_option;
mod cancel;
mod core_warning;
mod decode;
mod escalation;
mod event;
mod exact;
mod exit;
mod framer;
mod hello;
mod id;
#[cfg(feature = "io")]
pub mod io;
mod job;
mod message;
mod number;
mod pending;
mod permit;
mod resources;
mod result;
mod tagged;
mod text;
mod time;
pub mod utf8;
mod with_fields;
mod worker;

pub use agent_option::{AgentOption, AgentSetup, CAPABILITY_AGENT_SETUP};
pub use cancel::Cancel;
pub use core_warning::CAPABILITY_JOB_WARNINGS;
pub use decode::{DecodeError, DecodeErrorKind, decode};
pub use escalation::{
    Escalation, EscalationAction, EscalationDetails, EscalationEvent, EscalationScope, EscalationSeverity,
};
pub use event::{
    AgentDelta, AgentText, CUT_MARK, ChangeCause, ChangeKind, Gap, LOGS_TRUNCATED,
    LONGEST_TEXT_OF_PROTOCOL_1, LogGrew, OutputStream, Patch, PlanItem, PlanStatus, Progress, RemarkLevel,
    SessionInfo, SubAgent, SubAgentStatus, ToolCall, ToolResult, Usage, WaitCause, Waiting, WorkerEvent,
    WorkerOutput, WorkspaceChange, WorkspaceChanges,
};
pub use exact::{CAPABILITY_EXACT, ExactValues, HexBytes};
pub use exit::ExitKind;
pub use framer::{DEFAULT_LINE_LIMIT, Frame, LineFramer};
pub use hello::{
    CAPABILITY_LOG_GREW, CAPABILITY_MASK, CoreLimits, Dialect, Hello, PROTOCOL_MAX, PROTOCOL_MIN,
    ProcessIdentity, ProtocolRange,
};
pub use id::{JobId, PermitId, RequestId};
pub use job::{
    Capability, Job, JobContext, JobLimits, JobOptions, JobType, OutputMode, OverLimit, Priority,
    PriorityClass, RecordLimits, RecordTarget, SecretText, TaskBudget, VariablePolicy, WorkerTask,
};
pub use message::{
    Ack, CancelJob, CoreEvent, CoreEventMessage, EncodedJobEvent, EndingPhase, ErrorReply, Heartbeat,
    JobCancelled, JobCompleted, JobEvent, JobOutcome, JobRequest, Mask, Message, PermitGranted,
    PermitRejected, QueueMetrics, RequestPermit, SubmitJob, error_code,
};
pub use pending::{PendingRequests, Settled};
pub use permit::{CircuitState, Permit, PermitRejection, RejectionReason, Tokens};
pub use resources::{CAPABILITY_RESOURCES, Resources};
pub use result::{
    Artifact, CancelReason, Cost, ErrorClass, Leaked, Observation, ResultDetails, WorkerResult, WorkerStatus,
    signal_name,
};
pub use tagged::{UnknownTagged, decode_kind_first, decode_tagged, decode_tagged_by};
pub use text::FreeText;
pub use time::{Mono, UtcMillis};
pub use value::{__value, Word};
pub use worker::{BadWorkerKind, WorkerFacts, WorkerKind};

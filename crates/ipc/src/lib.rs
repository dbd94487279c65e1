//! What roboppi processes say to each other.
//!
//! The supervisor and the core exchange one JSON object a line. This crate holds the vocabulary
//! ([`Message`], [`WorkerEvent`], [`Job`], [`WorkerResult`]), the framing ([`LineFramer`]), the
//! first line of each side ([`Hello`]) and the bookkeeping of requests ([`PendingRequests`]).
//! It does no I/O and reads no clock; the feature `io` adds [`io`], which moves the bytes.
//!
//! Field names are those of the wire: camelCase, absent rather than `null`, unknown fields ignored.

mod decode;
mod event;
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
mod result;
mod tagged;
mod time;

pub use decode::{DecodeError, DecodeErrorKind, decode};
pub use event::{
    AgentDelta, AgentText, ChangeKind, Gap, LOGS_TRUNCATED, OutputStream, Patch, PlanItem, PlanStatus,
    Progress, SessionInfo, ToolCall, ToolResult, Usage, WaitCause, Waiting, WorkerEvent, WorkerOutput,
};
pub use framer::{DEFAULT_LINE_LIMIT, Frame, LineFramer};
pub use hello::{
    CAPABILITY_MASK, CoreLimits, Dialect, Hello, PROTOCOL_MAX, PROTOCOL_MIN, ProcessIdentity, ProtocolRange,
};
pub use id::{JobId, PermitId, RequestId};
pub use job::{
    Capability, Job, JobContext, JobLimits, JobOptions, JobType, OutputMode, OverLimit, Priority,
    PriorityClass, RecordLimits, RecordTarget, SecretText, TaskBudget, VariablePolicy, WorkerKind,
    WorkerTask,
};
pub use message::{
    Ack, CancelJob, CoreEvent, CoreEventMessage, EndingPhase, ErrorReply, Escalation, Heartbeat,
    JobCancelled, JobCompleted, JobEvent, JobOutcome, JobRequest, Mask, Message, PermitGranted,
    PermitRejected, QueueMetrics, RequestPermit, SubmitJob, error_code,
};
pub use pending::{PendingRequests, Settled};
pub use permit::{CircuitState, Permit, PermitRejection, RejectionReason, Tokens};
pub use result::{
    Artifact, CancelReason, Cost, ErrorClass, Leaked, Observation, ResultDetails, WorkerResult, WorkerStatus,
};
pub use tagged::decode_tagged;
pub use time::{Mono, UtcMillis};

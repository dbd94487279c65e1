//! Every message of the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{
    CancelReason, ErrorClass, Hello, Job, JobId, Leaked, Permit, PermitRejection, ProcessIdentity, RequestId,
    SecretText, UtcMillis, WorkerEvent, WorkerResult, decode_tagged,
};

/// Values of `code` in an [`ErrorReply`].
pub mod error_code {
    /// The job is not known, or has ended.
    pub const JOB_NOT_FOUND: &str = "JOB_NOT_FOUND";
    /// The message could not be understood (protocol 2 only).
    pub const BAD_MESSAGE: &str = "BAD_MESSAGE";
    /// The core knows as many jobs as it can (protocol 2 only).
    pub const OVERLOADED: &str = "OVERLOADED";
}

/// One line of the wire, tagged by `type`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Both ways: the first line of a side. Protocol 2.
    Hello(Hello),
    /// Supervisor → core: here is a job.
    SubmitJob(SubmitJob),
    /// Core → supervisor: it was taken.
    Ack(Ack),
    /// Supervisor → core: may it run?
    RequestPermit(RequestPermit),
    /// Core → supervisor: it runs.
    PermitGranted(PermitGranted),
    /// Core → supervisor: it may not.
    PermitRejected(PermitRejected),
    /// Supervisor → core: end it.
    CancelJob(CancelJob),
    /// Core → supervisor: it is being ended.
    JobCancelled(JobCancelled),
    /// Supervisor → core: stop it with SIGSTOP, its timers too. Protocol 2.
    PauseJob(JobRequest),
    /// Supervisor → core: let it go on. Protocol 2.
    ResumeJob(JobRequest),
    /// Core → supervisor, out of band: a worker did something.
    JobEvent(JobEvent),
    /// Core → supervisor, out of band: a worker ended, all its output is recorded.
    JobCompleted(JobCompleted),
    /// Core → supervisor, out of band: something happened to the core or its processes. Protocol 2.
    CoreEvent(CoreEventMessage),
    /// Core → supervisor, out of band: a worker has a value hidden from now on. To supervisors with the capability `mask`
    /// only. Protocol 2.
    Mask(Mask),
    /// Core → supervisor: a protection was triggered.
    Escalation(Escalation),
    /// Supervisor → core: how long its queue is.
    ReportQueueMetrics(QueueMetrics),
    /// Supervisor → core: a check whether the core is alive.
    Heartbeat(Heartbeat),
    /// Core → supervisor: the reply to `heartbeat`.
    HeartbeatAck(Heartbeat),
    /// Core → supervisor: a request failed.
    Error(ErrorReply),
    /// A type this version does not know. Never sent.
    #[serde(skip)]
    Unknown {
        /// `type` as it came.
        kind: String,
    },
}

impl Message {
    /// `type` on the wire.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Hello(_) => "hello",
            Self::SubmitJob(_) => "submit_job",
            Self::Ack(_) => "ack",
            Self::RequestPermit(_) => "request_permit",
            Self::PermitGranted(_) => "permit_granted",
            Self::PermitRejected(_) => "permit_rejected",
            Self::CancelJob(_) => "cancel_job",
            Self::JobCancelled(_) => "job_cancelled",
            Self::PauseJob(_) => "pause_job",
            Self::ResumeJob(_) => "resume_job",
            Self::JobEvent(_) => "job_event",
            Self::JobCompleted(_) => "job_completed",
            Self::CoreEvent(_) => "core_event",
            Self::Mask(_) => "mask",
            Self::Escalation(_) => "escalation",
            Self::ReportQueueMetrics(_) => "report_queue_metrics",
            Self::Heartbeat(_) => "heartbeat",
            Self::HeartbeatAck(_) => "heartbeat_ack",
            Self::Error(_) => "error",
            Self::Unknown { kind } => kind,
        }
    }

    /// The request this message is or answers.
    #[must_use]
    pub const fn request_id(&self) -> Option<&RequestId> {
        match self {
            Self::SubmitJob(m) => Some(&m.request_id),
            Self::Ack(m) => Some(&m.request_id),
            Self::RequestPermit(m) => Some(&m.request_id),
            Self::PermitGranted(m) => Some(&m.request_id),
            Self::PermitRejected(m) => Some(&m.request_id),
            Self::CancelJob(m) => Some(&m.request_id),
            Self::JobCancelled(m) => m.request_id.as_ref(),
            Self::PauseJob(m) | Self::ResumeJob(m) => Some(&m.request_id),
            Self::ReportQueueMetrics(m) => Some(&m.request_id),
            Self::Error(m) => m.request_id.as_ref(),
            Self::Hello(_)
            | Self::JobEvent(_)
            | Self::JobCompleted(_)
            | Self::CoreEvent(_)
            | Self::Mask(_)
            | Self::Escalation(_)
            | Self::Heartbeat(_)
            | Self::HeartbeatAck(_)
            | Self::Unknown { .. } => None,
        }
    }

    /// Whether `answer` is of a type that answers this request. An `error` answers every request.
    #[must_use]
    pub const fn is_answered_by(&self, answer: &Self) -> bool {
        match answer {
            Self::Error(_) => true,
            Self::Ack(_) => matches!(self, Self::SubmitJob(_) | Self::PauseJob(_) | Self::ResumeJob(_)),
            Self::PermitGranted(_) | Self::PermitRejected(_) => matches!(self, Self::RequestPermit(_)),
            Self::JobCancelled(_) => matches!(self, Self::CancelJob(_)),
            _ => false,
        }
    }

    /// Appends the message as one line, newline included.
    ///
    /// # Panics
    /// Never: every type of this crate has a JSON form, and the variant that has none is never sent.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let result = serde_json::to_writer(&mut *out, self);
        debug_assert!(result.is_ok(), "{} has no JSON form", self.kind());
        out.push(b'\n');
    }
}

/// `submit_job`: makes a job known. Nothing runs yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubmitJob {
    /// `requestId`: chosen by the asker, unique among what waits for an answer.
    pub request_id: RequestId,
    /// `job` to be known.
    pub job: Job,
}

/// `ack`: a `submit_job`, `pause_job` or `resume_job` was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// `requestId` of what it answers.
    pub request_id: RequestId,
    /// `jobId` of the job it is about.
    pub job_id: JobId,
}

/// `request_permit`. The job in it is the one that is executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RequestPermit {
    /// `requestId`: chosen by the asker, unique among what waits for an answer.
    pub request_id: RequestId,
    /// `job` as it is to be executed.
    pub job: Job,
    /// `attemptIndex`: tries of this job before this one; 0 when every try is a job of its own.
    #[serde(serialize_with = "crate::number::plain")]
    pub attempt_index: f64,
}

/// `permit_granted`: the worker is being started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PermitGranted {
    /// `requestId` of what it answers.
    pub request_id: RequestId,
    /// `permit`: what was granted.
    pub permit: Permit,
}

/// `permit_rejected`: nothing runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PermitRejected {
    /// `requestId` of what it answers.
    pub request_id: RequestId,
    /// `rejection`: why not.
    pub rejection: PermitRejection,
}

/// `cancel_job`. A second one with `force` skips what is left of the grace time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CancelJob {
    /// `requestId`: chosen by the asker, unique among what waits for an answer.
    pub request_id: RequestId,
    /// `jobId` of the job it is about.
    pub job_id: JobId,
    /// `reason`: a word of [`CancelReason`], or any text of an old runner.
    pub reason: String,
    /// `force`: kill now. Protocol 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// `job_cancelled`: the worker is being ended; `job_completed` follows when it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobCancelled {
    /// `jobId` of the job it is about.
    pub job_id: JobId,
    /// `reason` as it was asked.
    pub reason: String,
    /// `requestId` of what it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

/// A request that names a job and nothing else (`pause_job`, `resume_job`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobRequest {
    /// `requestId`: chosen by the asker, unique among what waits for an answer.
    pub request_id: RequestId,
    /// `jobId` of the job it is about.
    pub job_id: JobId,
}

/// `job_event`: never has a `requestId`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobEvent {
    /// `jobId` of the job it is about.
    pub job_id: JobId,
    /// `ts`: the core's clock.
    pub ts: UtcMillis,
    /// `seq`: numbers of one job rise by one. A gap carries the number of the first event it stands for.
    pub seq: u64,
    /// `at`: length of the attempt's log when the event was made. Protocol 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// `event`: what the worker did.
    pub event: WorkerEvent,
}

/// `job_completed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobCompleted {
    /// `jobId` of the job it is about.
    pub job_id: JobId,
    /// `outcome`: how it ended.
    pub outcome: JobOutcome,
    /// `result`: absent when there was no worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<WorkerResult>,
    /// `errorClass`: as in the result; absent on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<ErrorClass>,
}

value_enum! {
    /// `outcome` of a job.
    pub enum JobOutcome {
        /// `succeeded`: the work is done.
        Succeeded = "succeeded",
        /// `failed`: it is not, or there was no worker.
        Failed = "failed",
        /// `cancelled`: ended because it was asked to.
        Cancelled = "cancelled",
    }
}

/// `core_event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoreEventMessage {
    /// `ts`: the core's clock.
    pub ts: UtcMillis,
    /// `event`: what happened.
    pub event: CoreEvent,
}

/// Something that happened to the core or its processes, tagged by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", remote = "Self")]
pub enum CoreEvent {
    /// A worker is alive.
    WorkerStarted {
        /// `jobId` of its job.
        job_id: JobId,
        /// `process`: leader of the worker's session.
        process: ProcessIdentity,
    },
    /// A worker is being ended, or has ended and its pipes are still open.
    WorkerEnding {
        /// `jobId` of its job.
        job_id: JobId,
        /// `phase`: where it is on its way out.
        phase: EndingPhase,
        /// `reason`: absent when the worker ended by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<CancelReason>,
        /// `limitMs`: when the phase ends by force.
        limit_ms: u64,
    },
    /// A worker left a process behind; it was ended.
    Leaked {
        /// `jobId`: absent when it may belong to several jobs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<JobId>,
        /// `leaked`: what was left.
        leaked: Leaked,
    },
    /// Permits changed.
    Permits {
        /// `active`: in use.
        active: u32,
        /// `limit`: at most.
        limit: u32,
    },
    /// Something a person should know.
    Warning {
        /// `message`: a sentence for people.
        message: String,
    },
    /// A kind of a newer version.
    Unknown {
        /// `raw`: the JSON, its keys in alphabetical order.
        raw: String,
    },
}

const CORE_EVENT_KINDS: [&str; 6] =
    ["worker_started", "worker_ending", "leaked", "permits", "warning", "unknown"];

impl Serialize for CoreEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for CoreEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode_tagged(deserializer, &CORE_EVENT_KINDS, Self::deserialize, |raw| Self::Unknown { raw })
    }
}

/// `mask`. Like `redact` of a job it is never traced and never recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mask {
    /// `value`: must not be seen in any free text the supervisor records or shows from now on; it belongs into `redact`
    /// of every later job.
    pub value: SecretText,
}

value_enum! {
    /// Where a worker is on its way out.
    pub enum EndingPhase {
        /// `terminating`: TERM was sent, the grace time runs.
        Terminating = "terminating",
        /// `killing`: KILL was sent.
        Killing = "killing",
        /// `draining`: it has ended, something holds its pipes.
        Draining = "draining",
    }
}

/// `escalation`. Its content is passed on as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Escalation {
    /// `event`: an object with the strings `scope` (`GLOBAL`, `WORKER_KIND`), `action` (`NOTIFY`, `ISOLATE`, `STOP`),
    /// `target` (a kind of worker, or `system`), `reason` (a sentence), `severity` (`warning`, `error`, `fatal`), and
    /// `timestamp` in UTC milliseconds.
    pub event: Value,
}

/// `report_queue_metrics`: has no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueMetrics {
    /// `requestId`: chosen by the asker, unique among what waits for an answer.
    pub request_id: RequestId,
    /// `queueDepth`: jobs that wait to be submitted.
    #[serde(serialize_with = "crate::number::plain")]
    pub queue_depth: f64,
    /// `oldestJobAgeMs`: how long the first of them has waited.
    #[serde(serialize_with = "crate::number::plain")]
    pub oldest_job_age_ms: f64,
    /// `backlogCount`: all that is left to do; carried for old peers, a core takes no note of it.
    #[serde(serialize_with = "crate::number::plain")]
    pub backlog_count: f64,
}

/// A sign of life (`heartbeat`, `heartbeat_ack`). Each side sends its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Heartbeat {
    /// `timestamp`: the sender's clock; an answer does not repeat that of the question.
    pub timestamp: UtcMillis,
}

/// `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorReply {
    /// `code`: `JOB_NOT_FOUND` (not known, or has ended), `BAD_MESSAGE` (could not be understood; protocol 2), `OVERLOADED`
    /// (too many jobs; protocol 2).
    pub code: String,
    /// `message`: a sentence for people.
    pub message: String,
    /// `requestId` of what it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

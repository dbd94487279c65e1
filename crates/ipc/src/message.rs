//! Every message of the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    CancelReason, ErrorClass, Escalation, Hello, Job, JobId, Leaked, Permit, PermitRejection,
    ProcessIdentity, RequestId, SecretText, UtcMillis, WorkerEvent, WorkerResult, WorkerStatus,
    decode_tagged,
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
    /// Supervisor → core: submits a job.
    SubmitJob(SubmitJob),
    /// Core → supervisor: acknowledges a request.
    Ack(Ack),
    /// Supervisor → core: requests a permit for a job.
    RequestPermit(RequestPermit),
    /// Core → supervisor: grants a permit.
    PermitGranted(PermitGranted),
    /// Core → supervisor: rejects a permit.
    PermitRejected(PermitRejected),
    /// Supervisor → core: cancels a job.
    CancelJob(CancelJob),
    /// Core → supervisor: acknowledges a cancel.
    JobCancelled(JobCancelled),
    /// Supervisor → core: pauses a job with SIGSTOP, and its timers. Protocol 2.
    PauseJob(JobRequest),
    /// Supervisor → core: resumes a job. Protocol 2.
    ResumeJob(JobRequest),
    /// Core → supervisor, unsolicited: an event of a worker.
    JobEvent(JobEvent),
    /// Core → supervisor, unsolicited: a worker ended, and all its output is recorded.
    JobCompleted(JobCompleted),
    /// Core → supervisor, unsolicited: an event of the core or its processes. Protocol 2.
    CoreEvent(CoreEventMessage),
    /// Core → supervisor, out of band: a worker has a value hidden from now on. To supervisors with the capability `mask`
    /// only. Protocol 2.
    Mask(Mask),
    /// Core → supervisor: a protection was triggered.
    Escalation(Escalation),
    /// Supervisor → core: reports the length of its queue.
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
    /// `requestId`: id of the request, chosen by the sender, unique among its pending requests.
    pub request_id: RequestId,
    /// `job`: the job.
    pub job: Job,
}

/// `ack`: a `submit_job`, `pause_job` or `resume_job` was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// `requestId`: id of the answered request.
    pub request_id: RequestId,
    /// `jobId`: id of the job.
    pub job_id: JobId,
}

/// `request_permit`. The job in it is the one that is executed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RequestPermit {
    /// `requestId`: id of the request, chosen by the sender, unique among its pending requests.
    pub request_id: RequestId,
    /// `job`: the job to execute.
    pub job: Job,
    /// `attemptIndex`: number of earlier attempts of this job; 0 if every attempt is a separate job.
    #[serde(serialize_with = "crate::number::plain")]
    pub attempt_index: f64,
}

/// `permit_granted`: the worker is being started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PermitGranted {
    /// `requestId`: id of the answered request.
    pub request_id: RequestId,
    /// `permit`: the granted permit.
    pub permit: Permit,
}

/// `permit_rejected`: nothing runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PermitRejected {
    /// `requestId`: id of the answered request.
    pub request_id: RequestId,
    /// `rejection`: the reason of the rejection.
    pub rejection: PermitRejection,
}

/// `cancel_job`. A second one with `force` skips the rest of the grace period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CancelJob {
    /// `requestId`: id of the request, chosen by the sender, unique among its pending requests.
    pub request_id: RequestId,
    /// `jobId`: id of the job.
    pub job_id: JobId,
    /// `reason`: a value of [`CancelReason`], or any text of an old runner.
    pub reason: String,
    /// `force`: kill immediately. Protocol 2.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// `job_cancelled`: the worker is being terminated; `job_completed` follows when it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobCancelled {
    /// `jobId`: id of the job.
    pub job_id: JobId,
    /// `reason`: the reason of the request.
    pub reason: String,
    /// `requestId`: id of the answered request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

/// A request that names a job and nothing else (`pause_job`, `resume_job`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobRequest {
    /// `requestId`: id of the request, chosen by the sender, unique among its pending requests.
    pub request_id: RequestId,
    /// `jobId`: id of the job.
    pub job_id: JobId,
}

/// `job_event`: never has a `requestId`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobEvent {
    /// `jobId`: id of the job.
    pub job_id: JobId,
    /// `ts`: timestamp by the core's clock.
    pub ts: UtcMillis,
    /// `seq`: number of the event, rising by one within a job. A gap has the number of the first missing
    /// event.
    pub seq: u64,
    /// `at`: length of the attempt's log at the time of the event. Protocol 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// `event`: the event.
    pub event: WorkerEvent,
}

/// A `job_event` whose event is JSON already.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "job_event", rename_all = "camelCase")]
pub struct EncodedJobEvent<'a> {
    /// As in [`JobEvent`].
    pub job_id: &'a JobId,
    /// As in [`JobEvent`].
    pub ts: UtcMillis,
    /// As in [`JobEvent`].
    pub seq: u64,
    /// As in [`JobEvent`].
    pub at: u64,
    /// The event as it is on the wire.
    pub event: &'a RawValue,
}

impl EncodedJobEvent<'_> {
    /// Appends the same line as [`Message::encode`] does for the event itself.
    ///
    /// # Panics
    /// Never: all of it has a JSON form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let result = serde_json::to_writer(&mut *out, self);
        debug_assert!(result.is_ok(), "a job_event has no JSON form");
        out.push(b'\n');
    }
}

/// `job_completed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct JobCompleted {
    /// `jobId`: id of the job.
    pub job_id: JobId,
    /// `outcome`: outcome of the job.
    pub outcome: JobOutcome,
    /// `result`: result of the worker; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<WorkerResult>,
    /// `errorClass`: error class of the result; absent on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<ErrorClass>,
}

impl JobCompleted {
    /// The result; without one what the outcome says.
    #[must_use]
    pub fn into_result(self) -> WorkerResult {
        let Self { outcome, result, error_class, .. } = self;
        result.unwrap_or_else(|| {
            let status = match outcome {
                JobOutcome::Succeeded => WorkerStatus::Succeeded,
                JobOutcome::Failed => WorkerStatus::Failed,
                JobOutcome::Cancelled => WorkerStatus::Cancelled,
                JobOutcome::Unknown(word) => WorkerStatus::Unknown(word),
            };
            WorkerResult::of_status(status).with_error_class(error_class)
        })
    }
}

value_enum! {
    /// `outcome` of a job.
    pub enum JobOutcome {
        /// `succeeded`: the work is done.
        Succeeded = "succeeded",
        /// `failed`: the work is not done, or there was no worker.
        Failed = "failed",
        /// `cancelled`: ended on request.
        Cancelled = "cancelled",
    }
}

/// `core_event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoreEventMessage {
    /// `ts`: timestamp by the core's clock.
    pub ts: UtcMillis,
    /// `event`: the event.
    pub event: CoreEvent,
}

/// An event of the core or its processes, tagged by `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", remote = "Self")]
pub enum CoreEvent {
    /// A worker is alive.
    WorkerStarted {
        /// `jobId`: id of the job.
        job_id: JobId,
        /// `process`: leader of the worker's session.
        process: ProcessIdentity,
    },
    /// A worker is being terminated, or has ended with its pipes still open.
    WorkerEnding {
        /// `jobId`: id of the job.
        job_id: JobId,
        /// `phase`: phase of the termination.
        phase: EndingPhase,
        /// `reason`: reason of the termination; absent if the worker ended by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<CancelReason>,
        /// `limitMs`: time after which the phase ends by force.
        limit_ms: u64,
    },
    /// A worker left a process behind, which was terminated.
    Leaked {
        /// `jobId`: id of the job; absent if the process may belong to several jobs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<JobId>,
        /// `leaked`: the process.
        leaked: Leaked,
    },
    /// Permits changed.
    Permits {
        /// `active`: number of permits in use.
        active: u32,
        /// `limit`: maximum number of permits.
        limit: u32,
    },
    /// A condition that a user should know.
    Warning {
        /// `jobId`: job that the warning is about, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<JobId>,
        /// `message`: readable message.
        message: String,
    },
    /// A kind of a newer version.
    Unknown {
        /// `raw`: the JSON, with keys in alphabetical order.
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
    /// `value`: the value to mask in all free text that the supervisor records or shows from now on, and to
    /// add to `redact` of every later job.
    pub value: SecretText,
}

value_enum! {
    /// Phase of the termination of a worker.
    pub enum EndingPhase {
        /// `terminating`: TERM was sent; the grace period is running.
        Terminating = "terminating",
        /// `killing`: KILL was sent.
        Killing = "killing",
        /// `draining`: the worker has ended; another process holds its pipes.
        Draining = "draining",
    }
}

/// `report_queue_metrics`: has no answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueueMetrics {
    /// `requestId`: id of the request, chosen by the sender, unique among its pending requests.
    pub request_id: RequestId,
    /// `queueDepth`: number of jobs that wait for submission.
    #[serde(serialize_with = "crate::number::plain")]
    pub queue_depth: f64,
    /// `oldestJobAgeMs`: age of the oldest waiting job.
    #[serde(serialize_with = "crate::number::plain")]
    pub oldest_job_age_ms: f64,
    /// `backlogCount`: number of all remaining jobs; sent for old peers, ignored by a core.
    #[serde(serialize_with = "crate::number::plain")]
    pub backlog_count: f64,
}

/// A sign of life (`heartbeat`, `heartbeat_ack`). Each side sends its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Heartbeat {
    /// `timestamp`: timestamp by the sender's clock; the reply does not repeat that of the request.
    pub timestamp: UtcMillis,
}

/// `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorReply {
    /// `code`: `JOB_NOT_FOUND` (unknown, or ended), `BAD_MESSAGE` (malformed; protocol 2), `OVERLOADED` (too
    /// many jobs; protocol 2).
    pub code: String,
    /// `message`: readable message.
    pub message: String,
    /// `requestId`: id of the answered request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
}

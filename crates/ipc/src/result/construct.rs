//! Constructors of what a result holds. The types gain fields with time, so other crates build them by these.

use super::{
    Artifact, CancelReason, Cost, ErrorClass, Leaked, Observation, ResultDetails, WorkerResult, WorkerStatus,
};
use crate::with_fields::with_fields;
use crate::{ProcessIdentity, Resources, Usage, UtcMillis};

impl WorkerResult {
    /// A result of which no more is known than how it ended.
    #[must_use]
    pub fn of_status(status: WorkerStatus) -> Self {
        Self {
            status,
            artifacts: Vec::new(),
            observations: Vec::new(),
            cost: Cost::default(),
            duration_ms: 0,
            exit_code: None,
            error_class: None,
            details: None,
        }
    }

    /// Sets [`details`](Self::details).
    #[must_use]
    pub fn with_details(mut self, details: ResultDetails) -> Self {
        self.details = Some(Box::new(details));
        self
    }
}

with_fields!(WorkerResult {
    with_artifacts(artifacts: Vec<Artifact>),
    with_observations(observations: Vec<Observation>),
    with_cost(cost: Cost),
    with_duration_ms(duration_ms: u64),
    with_exit_code(exit_code: Option<i32>),
    with_error_class(error_class: Option<ErrorClass>),
});

impl Artifact {
    /// An artifact without its content.
    pub fn new(artifact_type: impl Into<String>, reference: impl Into<String>) -> Self {
        Self { artifact_type: artifact_type.into(), reference: reference.into(), content: None }
    }
}

with_fields!(Artifact { with_content(content: Option<String>) });

impl Observation {
    /// An observation that is one text.
    pub fn text(summary: impl Into<String>) -> Self {
        Self { summary: Some(summary.into()), ..Self::default() }
    }
}

with_fields!(Observation {
    with_command(command: Option<String>),
    with_files_changed(files_changed: Vec<String>),
});

impl Cost {
    /// The duration of the attempt in milliseconds, and no other cost.
    #[must_use]
    pub const fn new(wall_time_ms: u64) -> Self {
        Self { wall_time_ms, estimated_tokens: None, instruction_bytes: None }
    }
}

with_fields!(Cost {
    with_estimated_tokens(estimated_tokens: Option<u64>),
    with_instruction_bytes(instruction_bytes: Option<u64>),
});

with_fields!(ResultDetails {
    with_cancel_reason(cancel_reason: Option<CancelReason>),
    with_signal(signal: Option<i32>),
    with_killed(killed: bool),
    with_error(error: Option<String>),
    with_leaked(leaked: Vec<Leaked>),
    with_log_bytes(log_bytes: u64),
    with_events_bytes(events_bytes: u64),
    with_last_seq(last_seq: Option<u64>),
    with_answer(answer: Option<String>),
    with_session_id(session_id: Option<String>),
    with_model(model: Option<String>),
    with_turns(turns: Option<u64>),
    with_usage(usage: Option<Usage>),
    with_resources(resources: Option<Resources>),
    with_denials(denials: Vec<String>),
    with_error_kind(error_kind: Option<String>),
    with_waited_for(waited_for: Option<String>),
    with_retry_at(retry_at: Option<UtcMillis>),
    with_notes(notes: Vec<String>),
});

impl Leaked {
    /// A process and its command line.
    pub fn new(process: ProcessIdentity, command: impl Into<String>) -> Self {
        Self { process, command: command.into() }
    }
}

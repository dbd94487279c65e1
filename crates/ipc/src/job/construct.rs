//! Constructors of a task and its options. The types gain fields with time, so other crates build them by these.

use std::collections::BTreeMap;

use super::{
    Capability, JobOptions, OutputMode, RecordTarget, SecretText, TaskBudget, VariablePolicy, WorkerTask,
};
use crate::with_fields::with_fields;
use crate::{AgentSetup, ExactValues, UtcMillis, WorkerKind};

impl WorkerTask {
    /// A task whose events are streamed, without capabilities, variables and options.
    pub fn new(
        worker_task_id: impl Into<String>,
        worker_kind: WorkerKind,
        workspace_ref: impl Into<String>,
        instructions: impl Into<String>,
        budget: TaskBudget,
    ) -> Self {
        Self {
            worker_task_id: worker_task_id.into(),
            worker_kind,
            workspace_ref: workspace_ref.into(),
            instructions: instructions.into(),
            default_args: Vec::new(),
            model: None,
            variant: None,
            capabilities: Vec::new(),
            output_mode: OutputMode::Stream,
            budget,
            env: BTreeMap::new(),
            roboppi: None,
        }
    }
}

with_fields!(WorkerTask {
    with_default_args(default_args: Vec<String>),
    with_model(model: Option<String>),
    with_variant(variant: Option<String>),
    with_capabilities(capabilities: Vec<Capability>),
    with_output_mode(output_mode: OutputMode),
    with_env(env: BTreeMap<String, String>),
    with_roboppi(roboppi: Option<JobOptions>),
});

impl TaskBudget {
    /// A time by which the worker must have ended, and no other limit.
    #[must_use]
    pub const fn new(deadline_at: UtcMillis) -> Self {
        Self { deadline_at, max_steps: None, max_command_time_ms: None, max_cost_usd: None }
    }
}

with_fields!(TaskBudget {
    with_max_steps(max_steps: Option<f64>),
    with_max_command_time_ms(max_command_time_ms: Option<f64>),
    with_max_cost_usd(max_cost_usd: Option<f64>),
});

with_fields!(JobOptions {
    with_record(record: Option<RecordTarget>),
    with_stdio(stdio: Option<bool>),
    with_timeout_ms(timeout_ms: Option<u64>),
    with_grace_ms(grace_ms: Option<u64>),
    with_redact(redact: Vec<SecretText>),
    with_environment(environment: Option<VariablePolicy>),
    with_resume(resume: Option<String>),
    with_idle_ms(idle_ms: Option<u64>),
    with_file_changes(file_changes: Option<bool>),
    with_drain_ms(drain_ms: Option<u64>),
    with_exact(exact: Option<ExactValues>),
    with_agent(agent: Option<AgentSetup>),
});

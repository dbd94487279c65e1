//! What of a step is handed to the core.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use roboppi_ipc::{
    AgentOption, AgentSetup, ErrorClass, ExactValues, HexBytes, Job, JobContext, JobId, JobLimits,
    JobOptions, JobType, OutputMode, Priority, PriorityClass, RecordTarget, TaskBudget, UtcMillis,
    VariablePolicy, WorkerKind, WorkerTask,
};
use roboppi_run::{AttemptRef, TraceIds};
use roboppi_workflow::{Dollars, Step, Template};

use super::checks::{CHECK_ID, DECISION_FILE};
use super::{FOR_EVER, RunContext, STOP_MARGIN};
use crate::clock;
use crate::convert::{duration_ms, host_of, path_text};
use crate::machine::AttemptTask;
use crate::machine::attempt::AttemptStop;
use crate::settings::SpanSettings;

/// Bytes of texts that surely fit in a message.
const LONG: usize = 1 << 20;

/// What an agent is told when its session is continued: it knows its task from there.
const CONTINUATION: &str = "You were interrupted by a failure of the connection to the model or by a usage limit. \
                            Continue the task from where you stopped, and finish it as it was given.";

/// A step that is tried, and the job that it is for a core.
pub(super) struct AttemptJob<'a> {
    pub(super) context: &'a RunContext,
    pub(super) of: &'a AttemptRef,
    /// What it does: the work of its step, or the check of that.
    step: Arc<Step>,
    pub(super) id: JobId,
    /// What it may cost.
    cost_left: Option<Dollars>,
}

impl<'a> AttemptJob<'a> {
    /// The job `id` for an attempt of a step that the plan has.
    pub(super) fn new(context: &'a RunContext, of: &'a AttemptRef, id: &JobId) -> Result<Self, AttemptStop> {
        let Some(node) = context.node(&of.step) else {
            let detail = "the step is not in the plan".to_owned();
            return Err(AttemptStop::Failed(Some(ErrorClass::Fatal), detail));
        };
        let step = Arc::clone(node.task(of.role));
        Ok(Self { context, of, step, id: id.clone(), cost_left: None })
    }

    /// The same, which may cost no more than that.
    pub(super) const fn within(mut self, cost_left: Option<Dollars>) -> Self {
        self.cost_left = cost_left;
        self
    }

    /// What of it matters for the core that is to run it.
    pub(super) fn task(&self) -> AttemptTask {
        AttemptTask {
            job_id: self.id.clone(),
            timeout: self.step.time_limit(),
            patience: self.grace() + self.context.settings.drain + STOP_MARGIN,
            worker: self.step.worker,
            beyond_protocol_1: self.beyond_protocol_1(),
            path_not_utf8: self.path_that_is_no_text(),
            agent_key: self.setup().asks_for().next().map(AgentOption::key),
            other_core: self.context.settings.other_core.clone(),
        }
    }

    /// Whether its texts may make a message longer than a core reads. Of shorter ones JSON makes six times as much at most.
    pub(super) fn is_long(&self) -> bool {
        let step = &self.step;
        let agent = &step.agent;
        let arguments: usize = agent.default_args.iter().chain(&agent.add_dirs).map(String::len).sum();
        let appended = agent.append_system_prompt.as_ref().map_or(0, String::len);
        let variables: usize = self.variables().iter().map(|(name, value)| name.len() + value.len()).sum();
        step.instructions.len() + arguments + appended + variables > LONG
    }

    /// What its worker is to do, as if it began now.
    pub(super) fn worker_task(&self) -> WorkerTask {
        let timeout_ms = duration_ms(self.step.time_limit());
        let settings = &self.context.settings;
        let (agent, environment) = (&self.step.agent, &settings.source.workflow.environment);
        let continued = self.context.continued_session(&self.of.step);
        let deadline_at = UtcMillis(clock::now().0.saturating_add(timeout_ms));
        #[expect(clippy::cast_precision_loss, reason = "the wire has numbers; 285 years are exact")]
        let max_command_time_ms = agent.max_command_time.map(|time| duration_ms(time) as f64);
        let budget = TaskBudget::new(deadline_at)
            .with_max_steps(agent.max_steps.map(f64::from))
            .with_max_command_time_ms(max_command_time_ms)
            .with_max_cost_usd(self.cost_left.map(Dollars::amount));
        let record = RecordTarget {
            dir: path_text(self.context.run_dir.path()),
            base: self.of.base(),
            limits: Some(settings.record_limits),
        };
        let options = JobOptions::default()
            .with_record(Some(record))
            .with_stdio(Some(settings.stream_stdio))
            .with_redact(self.context.values_to_hide())
            .with_timeout_ms(Some(timeout_ms))
            .with_environment((*environment != VariablePolicy::default()).then(|| environment.clone()))
            .with_resume(continued.clone().or_else(|| agent.resume.clone()))
            .with_idle_ms(self.step.idle.map(duration_ms))
            .with_file_changes(self.compares_files().then_some(true))
            .with_grace_ms(Some(duration_ms(self.grace())))
            .with_drain_ms(Some(duration_ms(settings.drain)))
            .with_exact(Some(self.exact()).filter(|exact| !exact.is_empty()))
            .with_agent(Some(self.setup()).filter(|setup| !setup.is_empty()));
        let workspace = path_text(&self.context.workspace_of(self.of));
        let instructions = match &continued {
            Some(_) => CONTINUATION.to_owned(),
            None => self.context.instructions(self.of, &self.step),
        };
        WorkerTask::new(self.id.as_str(), self.step.worker, workspace, instructions, budget)
            .with_default_args(agent.default_args.clone())
            .with_model(agent.model.clone())
            .with_variant(agent.variant.clone())
            .with_capabilities(self.step.capabilities.to_vec())
            .with_output_mode(OutputMode::Stream)
            .with_env(self.environment())
            .with_roboppi(Some(options))
    }

    /// The job, as if it began now.
    pub(super) fn job(&self) -> Result<Job, AttemptStop> {
        let timeout_ms = duration_ms(self.step.time_limit());
        let payload = serde_json::to_value(self.worker_task()).map_err(|error| {
            AttemptStop::Failed(
                Some(ErrorClass::Fatal),
                format!("the step cannot be put into a message: {error}"),
            )
        })?;
        Ok(Job {
            job_id: self.id.clone(),
            job_type: JobType::WorkerTask,
            priority: Priority { value: 1.0, class: PriorityClass::Interactive },
            key: None,
            payload,
            limits: JobLimits {
                #[expect(clippy::cast_precision_loss, reason = "the wire has numbers; 285 years are exact")]
                timeout_ms: timeout_ms as f64,
                max_attempts: 1.0,
                cost_hint: None,
                retry_budget_ms: None,
            },
            context: JobContext {
                trace_id: self.context.run_id.as_str().to_owned(),
                correlation_id: self.of.to_string(),
                user_id: None,
                session_id: None,
            },
        })
    }

    /// What its agent is given beside its task.
    fn setup(&self) -> AgentSetup {
        let agent = &self.step.agent;
        let program = agent.program.as_ref();
        // A name alone is looked for in `PATH`.
        let program = program
            .map(|program| if program.contains('/') { self.absolute(program) } else { program.clone() });
        AgentSetup::default()
            .with_program(program)
            .with_mcp_config(agent.mcp_config.as_deref().map(|path| self.absolute(path)))
            .with_add_dirs(agent.add_dirs.iter().map(|path| self.absolute(path)).collect())
            .with_append_system_prompt(agent.append_system_prompt.clone())
    }

    /// A path of a step, relative to the workspace of the run. One that is no text cannot be in front of it; then it is relative
    /// to where the worker is started, which is the same place for most.
    fn absolute(&self, path: &str) -> String {
        let absolute = self.context.root_of(&self.step).join(path);
        absolute.into_os_string().into_string().unwrap_or_else(|_| path.to_owned())
    }

    /// The variables that its step asks for.
    fn variables(&self) -> BTreeMap<String, String> {
        let text = |value: &Template| value.as_text().map_or_else(|| value.to_string(), Cow::into_owned);
        self.step.env.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// What its step asks for, and what a worker can know about where it is.
    fn environment(&self) -> BTreeMap<String, String> {
        let context = self.context;
        let known = [
            ("ROBOPPI_RUN_ID", context.run_id.as_str().to_owned()),
            ("ROBOPPI_STEP_ID", self.of.step.as_str().to_owned()),
            ("ROBOPPI_ATTEMPT", self.of.attempt.to_string()),
        ];
        // A worker that traces hangs its spans below the one of its attempt. Otherwise it has the context of the run.
        let SpanSettings { parent, sampler } = context.settings.spans;
        let trace = sampler.map(|sampler| {
            let ids = TraceIds::new(&context.run_id, parent);
            let sampled = sampler.samples(parent, ids.trace());
            ("TRACEPARENT", ids.for_worker(self.of, sampled).to_string())
        });
        let paths = self.paths().into_iter().map(|(name, path)| (name, path_text(&path)));
        let check = context.check_id(self.of).map(|id| (CHECK_ID, id));
        let subworkflow = context.subworkflow_variables(&self.of.step);
        // The check of a step that runs a workflow is no step of that.
        let known = known.into_iter().chain(trace).chain(check).chain(subworkflow);
        let stage = context.stage_variable(&self.of.step);
        let branches = context.branches.variables();
        let known = known.chain(branches).chain(stage);
        let mut environment = self.variables();
        environment.extend(known.chain(paths).map(|(name, value)| (name.to_owned(), value)));
        environment
    }

    /// Variables of a worker that are paths.
    fn paths(&self) -> Vec<(&'static str, Cow<'a, Path>)> {
        let context = self.context;
        // The context directory is on the host of the supervisor alone.
        if self.is_far() {
            return vec![("ROBOPPI_WORKSPACE", Cow::Owned(context.root_of(&self.step)))];
        }
        let directories = [
            ("ROBOPPI_CONTEXT_DIR", context.context.path()),
            ("ROBOPPI_WORKSPACE", &*context.settings.workspace),
        ];
        let decision = context.decision_path(self.of).map(|path| (DECISION_FILE, Cow::Owned(path)));
        directories.into_iter().map(|(name, path)| (name, Cow::Borrowed(path))).chain(decision).collect()
    }

    /// How long a request to end it may take. A host that is not reached for so long has ended it by itself.
    pub(super) fn cancel_limit(&self) -> Duration {
        let spec = host_of(&self.step).and_then(|host| self.context.host_spec(&host).cloned());
        spec.map_or(FOR_EVER, |spec| spec.lease + self.grace() + self.context.settings.drain + STOP_MARGIN)
    }

    /// Whether it works on another host.
    fn is_far(&self) -> bool {
        self.step.host.is_some()
    }

    /// What the text of a path does not say.
    fn exact(&self) -> ExactValues {
        let bytes = |path: &Path| HexBytes::unless_text(path.as_os_str().as_bytes());
        if self.is_far() {
            // The names of directories there are from the workflow, which is text.
            return ExactValues::default();
        }
        let of_variable = |(name, path): (&str, Cow<'_, Path>)| Some((name.to_owned(), bytes(&path)?));
        ExactValues {
            workspace_ref: bytes(&self.context.workspace_of(self.of)),
            record_dir: bytes(self.context.run_dir.path()),
            env: self.paths().into_iter().filter_map(of_variable).collect(),
        }
    }

    /// A path that a core has to know and that is not UTF-8.
    fn path_that_is_no_text(&self) -> Option<PathBuf> {
        if self.is_far() {
            return None;
        }
        let workspace = self.context.workspace_of(self.of);
        let all = [&*workspace, self.context.run_dir.path(), self.context.context.path()];
        all.into_iter().find(|path| path.to_str().is_none()).map(Path::to_owned)
    }

    /// What the step asks for that a core of protocol 1 would not do, and not say so.
    fn beyond_protocol_1(&self) -> Option<Cow<'static, str>> {
        if self.context.settings.source.workflow.environment != VariablePolicy::default() {
            Some("cannot keep variables from workers, as `environment` requires".into())
        } else if self.has_budget() {
            Some("does not report what agents use up, as a budget requires".into())
        } else {
            None
        }
    }

    /// Whether it is an agent that may not use up more than something.
    fn has_budget(&self) -> bool {
        let step = &self.step;
        let run = self.context.settings.source.workflow.budget;
        step.worker != WorkerKind::CUSTOM && (run.is_some() || step.agent.budget.is_some())
    }

    /// Whether the files of its workspace are compared before and after.
    fn compares_files(&self) -> bool {
        self.step.file_changes.unwrap_or(self.step.worker != WorkerKind::CUSTOM)
    }

    fn grace(&self) -> Duration {
        self.step.grace.unwrap_or(self.context.settings.grace)
    }
}

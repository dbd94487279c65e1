//! The agent `scribe` as a worker of roboppi.
//!
//! An adapter answers two questions: which command does a task ([`ScribeAdapter::plan`]), and what do the lines of the
//! program mean ([`Scribe::line`]). It does nothing itself. Starting and ending the program, reading its output, the
//! record and the time limits are roboppi's, the same for every worker.
//!
//! The tutorial in `docs/adapters` makes this crate step by step.

use std::borrow::Cow;

use roboppi_ipc::{ErrorClass, ToolCall, Usage, WorkerKind, WorkerTask};
use roboppi_worker_adapters::agent::lenient::{count, flag, text};
use roboppi_worker_adapters::agent::{Agent, AgentError, AgentSession, AgentTranslator, ReportedEnd};
use roboppi_worker_adapters::{
    CommandSpec, PlanError, StdinPlan, StreamPlan, WorkerAdapter, WorkerDescription, WorkerSession,
};
use serde::Deserialize;
use serde_json::json;

/// What a workflow file calls it.
pub const SCRIBE: WorkerKind = WorkerKind::from_static("SCRIBE");

/// Runs `scribe` for steps whose worker is `SCRIBE`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScribeAdapter;

impl WorkerAdapter for ScribeAdapter {
    fn describe(&self) -> WorkerDescription {
        WorkerDescription::agent(SCRIBE, "Scribe").with_program("scribe")
    }

    fn plan(&self, task: &WorkerTask) -> Result<CommandSpec, PlanError> {
        if task.instructions.trim().is_empty() {
            return Err(PlanError::new("its instructions are empty, and scribe does nothing without any"));
        }
        let mut spec = CommandSpec::new(["scribe"]).args(task.default_args.iter().cloned());
        if let Some(session) = task.roboppi.as_ref().and_then(|options| options.resume.clone()) {
            spec = spec.args(["--resume".to_owned(), session]);
        }
        if task.model.is_some() {
            spec.warnings.push("`model` is left out: scribe has only one".to_owned());
        }
        // The session writes the prompt, and closes the pipe. Nobody sees it in a list of processes.
        spec.stdin = StdinPlan::Piped;
        spec.stdout = StreamPlan::FOR_SESSION;
        Ok(spec)
    }

    fn session(&self, task: &WorkerTask) -> Box<dyn WorkerSession> {
        Box::new(AgentSession::with_prompt(Scribe::default(), task.instructions.clone()))
    }
}

/// What is remembered from line to line.
#[derive(Debug, Default)]
struct Scribe {
    is_done: bool,
}

/// A line. Fields that are missing, or of another type one day, count as absent: no line is lost over them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, deserialize_with = "text")]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    command: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "text")]
    output: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "count")]
    code: Option<u64>,
    #[serde(deserialize_with = "count")]
    read: Option<u64>,
    #[serde(deserialize_with = "count")]
    written: Option<u64>,
    #[serde(deserialize_with = "flag")]
    ok: bool,
    #[serde(borrow, deserialize_with = "text")]
    why: Option<Cow<'a, str>>,
}

impl AgentTranslator for Scribe {
    type Line<'a> = Line<'a>;

    fn line(&mut self, line: Line<'_>, raw: &str, agent: &mut Agent<'_>) {
        match (line.event.as_deref(), line.id.as_deref()) {
            (Some("hello"), _) => {
                agent.session(line.session.as_deref().unwrap_or_default(), line.model.as_deref(), None);
            }
            (Some("say"), _) => agent.text(None, line.text.as_deref().unwrap_or_default(), None),
            (Some("run"), Some(id)) => {
                agent.tool_call(ToolCall::new(id, "sh", json!({ "command": line.command })));
            }
            (Some("ran"), Some(id)) => {
                let output = line.output.unwrap_or_default().into_owned();
                agent.tool_result(id, line.code == Some(0), output, None);
            }
            (Some("used"), _) => agent.usage(Usage::new(line.read.unwrap_or(0), line.written.unwrap_or(0))),
            (Some("bye"), _) => {
                self.is_done = true;
                agent.report_end(if line.ok {
                    ReportedEnd::Done
                } else {
                    let why = line.why.as_deref().unwrap_or("no reason was given");
                    ReportedEnd::Failed(AgentError::new(ErrorClass::NonRetryable, "gave_up", why))
                });
            }
            // Shown as it is, and counted: a newer scribe may say more.
            _ => agent.unknown(raw),
        }
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

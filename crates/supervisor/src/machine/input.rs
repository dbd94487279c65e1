//! What the machine of a supervisor is told.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use roboppi_ipc::{Dialect, JobId, WorkerKind};
use roboppi_run::{AttemptRef, HostId, RunCommand};
use roboppi_workflow::{AttemptEnd, IterationDecision};

use super::SupervisorTimer;
use super::attempt::{AttemptInput, AttemptLimits, AttemptStop};
use super::cores::ActiveCore;
use crate::core_link::LinkEvent;
use crate::shutdown::ShutdownRequest;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum SupervisorInput {
    /// The run begins: its time counts from here.
    Begin,
    /// The link to the core of a host has news.
    Link(HostId, LinkEvent),
    /// The inputs of an attempt are where it works; or it cannot run.
    AttemptPrepared {
        /// Which attempt.
        of: AttemptRef,
        /// What it is for a core.
        result: Result<AttemptTask, AttemptStop>,
    },
    /// The core has answered a request of an attempt.
    Attempt {
        /// Which attempt.
        of: AttemptRef,
        /// What came of the request.
        input: AttemptInput,
    },
    /// A step that runs a workflow has what it takes; or it cannot begin.
    GroupOpened {
        /// Which attempt.
        of: AttemptRef,
        /// How it ends that cannot begin.
        result: Result<(), AttemptEnd>,
    },
    /// The outputs of an attempt were collected.
    OutputsCollected {
        /// Which attempt.
        of: AttemptRef,
        /// What went wrong, one line.
        result: Result<(), String>,
    },
    /// It was decided whether the work of an iteration is complete.
    IterationDecided {
        /// The attempt that was the last one of the iteration.
        of: AttemptRef,
        /// What follows.
        decision: IterationDecision,
    },
    /// A timer is due.
    Timer(SupervisorTimer),
    /// The run is to end.
    Shutdown(ShutdownRequest),
    /// A person or a program wants something of the run.
    Command(RunCommand),
}

/// What of an attempt matters for the core that is to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptTask {
    /// Its job.
    pub job_id: JobId,
    /// Time its worker may take.
    pub timeout: Duration,
    /// Time the end of its worker may take once it was asked for, with everything that belongs to it.
    pub patience: Duration,
    /// The kind of its worker.
    pub worker: WorkerKind,
    /// What a core of protocol 1 would not do for it, and not say so.
    pub beyond_protocol_1: Option<Cow<'static, str>>,
    /// A path of it that is not UTF-8.
    pub path_not_utf8: Option<PathBuf>,
    /// A key of its step that only cores obey which can set agents up.
    pub agent_key: Option<&'static str>,
    /// How it gets another core, in words of the program that started the run.
    pub other_core: String,
}

impl AttemptTask {
    /// Why this core cannot run it, and what to do about that.
    pub(super) fn unmet_by(&self, core: &ActiveCore) -> Option<String> {
        let advice = &self.other_core;
        let is_unknown = !WorkerKind::PROTOCOL_1.contains(&self.worker) && !core.named.contains(&self.worker);
        let unknown = is_unknown.then(|| Cow::from(format!("does not know {} workers", self.worker)));
        let lacking = unknown.as_ref().or(self.beyond_protocol_1.as_ref());
        if let (Some(lacking), Dialect::V1) = (lacking, core.dialect) {
            return Some(format!("this core {lacking}; {advice}, or give one of protocol 2"));
        }
        if let Some(key) = self.agent_key.filter(|_| !core.sets_agents_up) {
            return Some(format!("this core cannot obey `{key}`; {advice}, or use `defaultArgs`"));
        }
        let path = self.path_not_utf8.as_ref().filter(|_| !core.takes_bytes)?;
        Some(format!("this core takes no paths that are not UTF-8; rename {}, or {advice}", path.display()))
    }

    /// How long it may take. A core of protocol 2 ends workers that are out of time itself, and is only mistrusted.
    pub(super) const fn limits(&self, dialect: Dialect) -> AttemptLimits {
        let time = match dialect {
            Dialect::V1 => self.timeout,
            Dialect::V2 => self.timeout.saturating_add(self.patience),
        };
        AttemptLimits { time, patience: self.patience }
    }
}

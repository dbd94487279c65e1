//! The other side of the wire: its language, its abilities, and what it is told unasked.

use roboppi_ipc::{
    CAPABILITY_AGENT_SETUP, CAPABILITY_EXACT, CAPABILITY_JOB_WARNINGS, CAPABILITY_LOG_GREW, CAPABILITY_MASK,
    CAPABILITY_RESOURCES, CoreEvent, CoreLimits, Dialect, Hello, JobId, Message, RequestId, error_code,
};

use super::{CoreEffect, CoreMachine, answer};
use crate::job::error_reply;

/// What is known of the other side of the wire.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) dialect: Option<Dialect>,
    greeted: bool,
    pub(super) takes_masks: bool,
    pub(super) takes_job_warnings: bool,
    pub(super) reads_logs: bool,
    pub(super) takes_resources: bool,
    /// A line that was no message was reported on standard error.
    complained: bool,
}

impl CoreMachine {
    pub(super) fn greet(&mut self, out: &mut Vec<CoreEffect>) {
        if std::mem::replace(&mut self.peer.greeted, true) {
            return;
        }
        let mut hello = Hello::ours(&self.settings.version);
        hello
            .capabilities
            .extend([CAPABILITY_EXACT, CAPABILITY_LOG_GREW, CAPABILITY_AGENT_SETUP].map(str::to_owned));
        hello.process = self.settings.process;
        hello.workers.clone_from(&self.workers);
        hello.limits = Some(CoreLimits { concurrency: self.settings.gate.concurrency });
        answer(Message::Hello(hello), out);
    }

    /// Takes the language and the abilities of the peer from its hello.
    pub(super) fn agree(&mut self, hello: &Hello, out: &mut Vec<CoreEffect>) {
        if self.peer.dialect.is_none() {
            self.greet(out);
        }
        self.fix_dialect(Dialect::agree(hello.protocol).unwrap_or(Dialect::V1), out);
        let is_able = |capability: &str| {
            self.peer.dialect == Some(Dialect::V2) && hello.capabilities.iter().any(|name| name == capability)
        };
        let [masks, job_warnings, log_grew, resources] =
            [CAPABILITY_MASK, CAPABILITY_JOB_WARNINGS, CAPABILITY_LOG_GREW, CAPABILITY_RESOURCES]
                .map(is_able);
        (self.peer.takes_masks, self.peer.takes_job_warnings) = (masks, job_warnings);
        (self.peer.reads_logs, self.peer.takes_resources) = (log_grew, resources);
    }

    pub(super) fn fix_dialect(&mut self, dialect: Dialect, out: &mut Vec<CoreEffect>) {
        if self.peer.dialect.is_none() {
            self.peer.dialect = Some(dialect);
            out.push(CoreEffect::SetDialect(dialect));
        }
    }

    /// A line without an answer is reported. An old runner has no message for it; it passes on what a core writes to
    /// stderr, where one line has to do: a flood there could make the core wait.
    pub(super) fn malformed(&mut self, request: Option<RequestId>, why: String, out: &mut Vec<CoreEffect>) {
        self.fix_dialect(Dialect::V1, out);
        match (self.peer.dialect, request) {
            (Some(Dialect::V2), Some(request)) => {
                answer(error_reply(error_code::BAD_MESSAGE, request, why), out);
            }
            (Some(Dialect::V2), None) => {
                self.warn(None, format!("a line of the supervisor was dropped: {why}"), out);
            }
            _ => {
                if !std::mem::replace(&mut self.peer.complained, true) {
                    out.push(CoreEffect::Complain(format!(
                        "a line of the runner was dropped: {why}; further ones are not reported"
                    )));
                }
            }
        }
    }

    pub(super) fn warn(&mut self, job_id: Option<JobId>, message: String, out: &mut Vec<CoreEffect>) {
        self.report(CoreEvent::Warning { job_id, message }, out);
    }

    /// Protocol 1 has no events of the core.
    pub(super) fn report(&mut self, event: CoreEvent, out: &mut Vec<CoreEffect>) {
        if self.peer.dialect == Some(Dialect::V2) {
            out.push(CoreEffect::Report(event));
        }
    }
}

//! A run as a JSON object.

use roboppi_attach::Liveness;
use roboppi_ipc::{CoreEvent, Leaked};
use roboppi_run::{AttemptStatus, AttemptView, RunHead, RunStatus, StepView};
use serde_json::{Value, json};

use super::Page;
use crate::runs::progress_object;

impl Page<'_> {
    /// What is known of the run, for programs. Times are milliseconds in UTC.
    #[must_use]
    pub fn object(&self) -> String {
        let head = self.view.head.as_ref();
        let outcome = match &self.view.status {
            RunStatus::Finished { outcome, exit_code, duration_ms, at, detail } => json!({
                "outcome": outcome.name(),
                "exitCode": exit_code,
                "durationMs": duration_ms,
                "endedAt": at,
                "detail": detail,
            }),
            RunStatus::Unknown | RunStatus::Running | RunStatus::Ending { .. } => Value::Null,
        };
        let ending = match &self.view.status {
            RunStatus::Ending { reason, force, signal } => {
                json!({ "reason": reason.name(), "force": force, "signal": signal })
            }
            RunStatus::Unknown | RunStatus::Running | RunStatus::Finished { .. } => Value::Null,
        };
        let warnings: Vec<Value> = self
            .view
            .warnings
            .iter()
            .map(|warning| json!({ "ts": warning.ts, "message": warning.message, "step": warning.step }))
            .collect();
        let commands: Vec<Value> = self
            .view
            .commands
            .iter()
            .map(|asked| {
                let (by, refused) = (asked.by.map(|by| by.pid), &asked.refused);
                json!({ "ts": asked.ts, "command": asked.command, "byPid": by, "user": asked.user, "refused": refused })
            })
            .collect();
        let steps: Vec<Value> = self.view.steps().map(|step| self.step_object(step)).collect();
        let run = json!({
            "id": head.map_or_else(|| self.id.clone(), |head| head.run_id.to_string()),
            "handle": head.and_then(|head| head.handle),
            "name": head.map(|head| &head.name),
            "state": self.liveness.name(),
            "lastSignAt": self.liveness.last_sign(),
            "startedAt": head.map(|head| head.started_at),
            "end": outcome,
            "progress": progress_object(&self.progress, self.now),
            "ending": ending,
            "timeoutMs": head.map(|head| head.timeout_ms),
            "concurrency": head.map(|head| head.concurrency),
            "workflow": head.filter(|head| head.has_file()).map(|head| &head.workflow),
            "workspace": head.map(|head| &head.workspace),
            "contextDir": head.filter(|head| head.has_file()).map(|head| &head.context_dir),
            "record": self.record.location(roboppi_record::RecordPart::Run),
            "importedFrom": self.record.imported().map(|imported| imported.from.host),
            "resumes": head.and_then(|head| head.resumes.as_ref()),
            "resume": self.resume_command(),
            "rerunFailed": self.rerun_command(),
            "warnings": warnings,
            "warningsTotal": self.view.warnings_total,
            "leftBehind": self.left_behind(),
            "commands": commands,
            "steps": steps,
        });
        roboppi_untrusted::json(&format!("{run:#}\n")).into_owned()
    }

    /// Processes that no step is known for.
    fn left_behind(&self) -> Vec<Value> {
        let reports = self.view.cores.values().flat_map(|core| &core.reports);
        let left = reports.filter_map(|(_, report)| match report {
            CoreEvent::Leaked { job_id, leaked }
                if job_id.as_ref().and_then(|job| self.view.attempt_of_job(job)).is_none() =>
            {
                Some(leaked_object(leaked))
            }
            _ => None,
        });
        left.collect()
    }

    fn step_object(&self, step: &StepView) -> Value {
        let artifacts: Vec<Value> = step
            .artifacts
            .iter()
            .map(|made| json!({ "name": made.name, "path": made.path, "sha256": made.sha256 }))
            .collect();
        let kept = step.kept.as_ref().map(|kept| json!({ "run": kept.run, "attempt": kept.attempt }));
        let attempts: Vec<Value> =
            step.attempts.iter().map(|attempt| self.attempt_object(step, attempt)).collect();
        let repeated: Vec<Value> = step
            .iterations
            .iter()
            .map(|begun| {
                let changed = step.files_changed_in(begun.iteration.saturating_sub(1));
                json!({ "iteration": begun.iteration, "why": begun.detail, "filesChanged": changed })
            })
            .collect();
        json!({
            "step": step.plan.step,
            "state": self.state(step),
            "worker": step.plan.worker.name(),
            "check": step.plan.check.map(|check| check.name().to_owned()),
            "iterations": step.iteration(),
            "maxIterations": step.plan.max_iterations,
            "repeated": repeated,
            "why": Some(self.why(step)).filter(|why| !why.is_empty()),
            "host": Some(&step.plan.host).filter(|host| !host.is_here()),
            "allowedToFail": step.allowed_to_fail,
            "flaky": step.is_flaky(),
            "dependsOn": step.plan.depends_on,
            "startedAt": step.started_at,
            "durationMs": step.duration_ms,
            "limitUntil": step.limit_until,
            "keptFrom": kept,
            "artifacts": artifacts,
            "attempts": attempts,
        })
    }

    fn attempt_object(&self, step: &StepView, attempt: &AttemptView) -> Value {
        let result = match &attempt.status {
            AttemptStatus::Finished { result, .. } => Some(result),
            AttemptStatus::Started | AttemptStatus::Phase(_) => None,
        };
        let details = result.and_then(|result| result.details.as_deref());
        let leaked: Vec<Value> =
            details.into_iter().flat_map(|details| &details.leaked).map(leaked_object).collect();
        let notes = details.map_or(&attempt.activity.remarks, |details| &details.notes);
        json!({
            "attempt": attempt.of.attempt,
            "iteration": attempt.of.iteration,
            "role": attempt.of.role,
            "startedAt": attempt.started_at,
            "endedAt": attempt.finished_at,
            "status": result.map(|result| result.status.name()),
            "errorClass": result.and_then(|result| result.error_class).map(|class| class.name().to_owned()),
            "exitCode": result.and_then(|result| result.exit_code),
            "signal": details.and_then(|details| details.signal),
            "killed": details.map(|details| details.killed),
            "cancelReason": details.and_then(|details| details.cancel_reason).map(|reason| reason.name().to_owned()),
            "log": format!("{}.log", attempt.base()),
            "logBytes": attempt.log_bytes(),
            "leftBehind": leaked,
            "eventsMissing": attempt.activity.events_missing,
            "sessionId": attempt.session_id(),
            "sessionCommand": step.session_command(attempt),
            "usage": details.and_then(|details| details.usage),
            "resources": attempt.resources(),
            "notes": notes,
            "refused": details.map(|details| &details.denials),
            "fileChanges": attempt.activity.workspace.as_ref().map(|found| json!({
                "complete": found.complete, "missed": found.missed, "shared": found.shared, "changes": found.changes,
            })),
            "answer": details.and_then(|details| details.answer.as_deref()),
        })
    }

    /// The command that goes on with the run, if there is one.
    pub(super) fn resume_command(&self) -> Option<String> {
        let lost = self.view.head.as_ref().filter(|_| self.liveness == Liveness::Lost);
        let command = self.view.resume_command().or_else(|| lost?.resume_command());
        command.filter(|_| self.record.imported().is_none())
    }

    /// The command that runs again what did not succeed, where that means this run.
    fn rerun_command(&self) -> Option<String> {
        self.resume_command()?;
        self.view.head.as_ref().and_then(RunHead::rerun_command)
    }
}

fn leaked_object(leaked: &Leaked) -> Value {
    json!({ "pid": leaked.process.pid, "command": leaked.command })
}

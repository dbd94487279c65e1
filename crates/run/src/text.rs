//! Which strings of a run's events are free text. What that means, and why, is said of [`FreeText`].

use std::sync::Arc;

use roboppi_ipc::FreeText;

use crate::{AttemptPhase, RunEvent, StepPlan};

impl FreeText for RunEvent {
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::RunStarted {
                run_id: _,
                handle: _,
                name: _,
                workflow: _,
                workspace: _,
                context_dir: _,
                mode: _,
                timeout_ms: _,
                concurrency: _,
                stream_stdio: _,
                steps,
                only: _,
                resumes: _,
            } => {
                visit_plans(steps, visit);
            }
            Self::ValuesSet { step: _, values } => values.values_mut().for_each(visit),
            Self::PlanExtended { nodes } => visit_plans(nodes, visit),
            Self::CoreStarted {
                host: _,
                incarnation: _,
                process: _,
                protocol: _,
                version: _,
                workers: _,
            }
            | Self::AttemptStarted { of: _, job_id: _, base: _, fingerprint: _, resumed_session: _ }
            | Self::ArtifactCollected { step: _, name: _, path: _, sha256: _ }
            | Self::RunEnding { reason: _, force: _, signal: _ } => {}
            Self::CoreLost { host: _, incarnation: _, detail } => visit(detail),
            Self::CoreReport { host: _, event } => event.visit_text(visit),
            Self::StepChanged {
                step: _,
                state: _,
                detail,
                duration_ms: _,
                allowed_to_fail: _,
                limit_until: _,
            }
            | Self::RunFinished { outcome: _, exit_code: _, duration_ms: _, detail, flaky: _ } => {
                detail.iter_mut().for_each(visit);
            }
            Self::IterationStarted { step: _, iteration: _, max_iterations: _, detail } => {
                detail.iter_mut().for_each(visit);
            }
            Self::AttemptPhase { of: _, phase } => phase.visit_text(visit),
            Self::AttemptFinished { of: _, result, last_seq: _, log_bytes: _, events_bytes: _ } => {
                Arc::make_mut(result).visit_text(visit);
            }
            Self::Command { command: _, by: _, user, refused } => {
                user.iter_mut().chain(refused).for_each(visit);
            }
            Self::Warning { message, step: _ } => visit(message),
            // Only read, never written by this version: nothing of it is known to be structure.
            Self::Unknown { raw } => visit(raw),
        }
    }
}

fn visit_plans(plans: &mut [Arc<StepPlan>], visit: &mut dyn FnMut(&mut String)) {
    for plan in plans {
        let StepPlan {
            step: _,
            worker: _,
            depends_on: _,
            description,
            timeout_ms: _,
            max_attempts: _,
            max_iterations: _,
            role: _,
            check: _,
            host: _,
        } = Arc::make_mut(plan);
        description.iter_mut().for_each(&mut *visit);
    }
}

impl FreeText for AttemptPhase {
    fn visit_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::WaitingPermit { detail } => visit(detail),
            Self::Running { process: _ }
            | Self::Terminating { reason: _, limit_ms: _ }
            | Self::Killing { reason: _ }
            | Self::Draining { limit_ms: _ } => {}
            // Only read, never written by this version.
            Self::Unknown(_) => {}
        }
    }
}

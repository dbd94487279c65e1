//! The defects that are planted around the machine of a child.

use roboppi_ipc::{Cancel, EndingPhase};
use roboppi_process::machine::{Effect, Input};

use crate::faults::Bug;
use crate::process::Process;
use crate::story::Seen;
use crate::world::World;

impl World {
    /// What a machine is really told.
    pub(crate) fn planted_in_input(&mut self, index: usize, input: Input) -> Option<Input> {
        let worker = &self.workers[index];
        let latest = worker.last_timer;
        let spawning = worker.begun && worker.process == Process::Spawning;
        if spawning && matches!(input, Input::Cancel(_)) {
            self.saw(Seen::CancelledWhileSpawning);
            if self.bug == Some(Bug::CancelLostWhileSpawning) {
                return None;
            }
        }
        match (self.bug, input) {
            (Some(Bug::StaleTimerObeyed), Input::Timer(_)) => latest.map(Input::Timer),
            (Some(Bug::ForceForgotten), Input::Cancel(cancel)) => {
                Some(Input::Cancel(Cancel::graceful(cancel.reason)))
            }
            _ => Some(input),
        }
    }

    /// What is really done of what it asks for.
    pub(crate) fn planted_in_effects(&self, effects: Vec<Effect>) -> Vec<Effect> {
        let phase = effects.iter().rev().find_map(|effect| match effect {
            Effect::Ending { phase, .. } => Some(*phase),
            _ => None,
        });
        let forgotten = match self.bug {
            Some(Bug::NoGraceTimer) => phase == Some(EndingPhase::Terminating),
            Some(Bug::DrainForgotten) => phase == Some(EndingPhase::Draining),
            Some(Bug::TimeoutForgotten) => {
                let is_end = |effect: &Effect| matches!(effect, Effect::SweepGroup | Effect::LeaveGroup);
                phase.is_none() && !effects.iter().any(is_end)
            }
            _ => false,
        };
        let kept = |effect: &Effect| !forgotten || !matches!(effect, Effect::SetTimer { .. });
        effects.into_iter().filter(kept).collect()
    }
}

//! Whether the screen stays once the run is over.

use roboppi_ipc::UtcMillis;
use roboppi_run::{RunOutcome, RunStatus};

use crate::keymap::Key;
use crate::message::Action;
use crate::model::Model;
use crate::{Audience, HoldPolicy, Role};

/// Milliseconds that a screen stays which was never used: a person who looks away comes back, and a program that made the
/// terminal goes on.
const UNUSED_MS: u64 = 60_000;

/// A key or the mouse was used. Programs that run others in a terminal (`script`) hand the end of their own input on as
/// Ctrl-D, which the terminal turns into a zero when that comes before the screen does: as the first of all keys it says
/// that none will come, until one does. A screen of a run elsewhere has nothing to leave with, and there it is a key like others.
pub(super) fn used(model: &mut Model, key: Option<Key>) {
    let staying = &mut model.staying;
    let is_owner = model.settings.role == Role::Owner;
    if is_owner && !staying.used && matches!(key, Some(Key::Ctrl('d' | '@'))) {
        staying.keys_ended = true;
        return;
    }
    staying.used = true;
    staying.keys_ended = false;
    staying.until = None;
}

/// Leaves a run that is over, or notes until when its screen stays.
pub(super) fn leave_if_over(model: &mut Model, actions: &mut Vec<Action>) {
    if !model.is_over() {
        return;
    }
    if model.staying.keys_ended {
        return actions.push(Action::Leave);
    }
    match model.settings.hold {
        HoldPolicy::Always => {}
        HoldPolicy::Never => actions.push(Action::Leave),
        // A replay can be moved back.
        HoldPolicy::Failure if model.settings.role == Role::Replay => {}
        HoldPolicy::Failure if model.asked > 0 => actions.push(Action::Leave),
        HoldPolicy::Failure if model.staying.used => {}
        HoldPolicy::Failure if has_succeeded(model) => actions.push(Action::Leave),
        HoldPolicy::Failure => {
            let until = UtcMillis(model.now.0.saturating_add(UNUSED_MS));
            model.staying.until.get_or_insert(until);
        }
    }
}

/// Time went on.
pub(super) fn leave_if_unused(model: &Model, actions: &mut Vec<Action>) {
    if model.staying.until.is_some_and(|until| until <= model.now) {
        actions.push(Action::Leave);
    }
}

fn has_succeeded(model: &Model) -> bool {
    matches!(model.view.status, RunStatus::Finished { outcome: RunOutcome::Succeeded, .. })
}

impl Model {
    /// Whether a person was there.
    pub(crate) const fn audience(&self) -> Audience {
        if self.staying.used { Audience::Present } else { Audience::Absent }
    }
}

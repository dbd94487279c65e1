//! The cores of a run: one slot for each host, and in it one core after the other.
//!
//! ```text
//!              Ready               WireClosed
//!  Awaited ───────────► Ready ────────────────► Awaited
//!     │                   │                        │
//!     │ Lost              │ Lost                   │ Lost
//!     ▼                   ▼                        ▼
//!  Awaited, and a timer for the next core;  or Lost: there will be none
//! ```
//!
//! Every run has a slot for [`HostId::here`], and one for each other host that a step names.

use std::collections::BTreeMap;
use std::time::Duration;

use roboppi_ipc::{Dialect, Mono, WorkerKind};
use roboppi_run::HostId;

use super::CoreRef;
use crate::core_link::{Loss, Restart, RestartPolicy};

/// A core that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ActiveCore {
    pub(super) core: CoreRef,
    pub(super) dialect: Dialect,
    /// It takes what is not UTF-8.
    pub(super) takes_bytes: bool,
    /// It gives agents what [`roboppi_ipc::AgentSetup`] has.
    pub(super) sets_agents_up: bool,
    /// Kinds of workers it names; a core that names none has those of its protocol.
    pub(super) named: Vec<WorkerKind>,
}

/// A core as attempts see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CoreStatus {
    /// There is none, or it can be told nothing more.
    Awaited,
    Ready(ActiveCore),
    /// There will be no other one, and why.
    Lost(String),
}

/// One core after the other, on one host.
#[derive(Clone, Debug)]
pub(super) struct CoreSlot {
    status: CoreStatus,
    /// Cores there have been.
    incarnation: u32,
    restart: RestartPolicy,
    /// A lost core can be followed by another one.
    restartable: bool,
}

impl CoreSlot {
    fn new(restartable: bool) -> Self {
        Self { status: CoreStatus::Awaited, incarnation: 0, restart: RestartPolicy::default(), restartable }
    }

    pub(super) const fn status(&self) -> &CoreStatus {
        &self.status
    }

    pub(super) const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The core that answers, and what it speaks.
    pub(super) fn ready(&mut self, core: ActiveCore) {
        self.status = CoreStatus::Ready(core);
    }

    pub(super) fn wire_closed(&mut self) {
        self.status = CoreStatus::Awaited;
    }

    /// Its core is gone with all it started. Gives the wait before the next one, when there will be one: not in a run that is
    /// being ended.
    pub(super) fn lost(&mut self, now: Mono, loss: Loss, detail: &str, ending: bool) -> Option<Duration> {
        let restart =
            if self.restartable && !ending { self.restart.lost(now, loss) } else { Restart::GiveUp };
        match restart {
            Restart::After(wait) => {
                self.status = CoreStatus::Awaited;
                Some(wait)
            }
            Restart::GiveUp => {
                self.status = CoreStatus::Lost(detail.to_owned());
                None
            }
        }
    }
}

/// The slots of all hosts.
#[derive(Clone, Debug)]
pub(super) struct CoreSlots(BTreeMap<HostId, CoreSlot>);

impl CoreSlots {
    /// One slot, on this host.
    pub(super) fn here(restartable: bool) -> Self {
        Self(BTreeMap::from([(HostId::here(), CoreSlot::new(restartable))]))
    }

    /// One more slot, on another host. A core that is lost there can be followed by another one.
    pub(super) fn add(&mut self, host: HostId) {
        self.0.entry(host).or_insert_with(|| CoreSlot::new(true));
    }

    pub(super) fn hosts(&self) -> Vec<HostId> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn get(&self, host: &HostId) -> Option<&CoreSlot> {
        self.0.get(host)
    }

    pub(super) fn get_mut(&mut self, host: &HostId) -> Option<&mut CoreSlot> {
        self.0.get_mut(host)
    }

    /// The next core of a host, which is to be started now.
    pub(super) fn next(&mut self, host: &HostId) -> Option<CoreRef> {
        let slot = self.0.get_mut(host)?;
        slot.incarnation += 1;
        Some(CoreRef { host: host.clone(), incarnation: slot.incarnation })
    }

    /// Why there will be no core any more, on no host; `None` while there is one or may come one.
    pub(super) fn all_lost(&self) -> Option<&str> {
        let mut details = self.0.values().map(|slot| match &slot.status {
            CoreStatus::Lost(detail) => Some(detail.as_str()),
            CoreStatus::Awaited | CoreStatus::Ready(_) => None,
        });
        let first = details.next()??;
        details.all(|detail| detail.is_some()).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_gives_its_core_up_when_no_other_one_is_of_use() {
        let lost = |restartable, loss, ending| {
            let mut slots = CoreSlots::here(restartable);
            let here = HostId::here();
            assert_eq!(slots.next(&here).map(|core| core.incarnation), Some(1));
            let wait = slots.get_mut(&here).unwrap().lost(Mono::ZERO, loss, "gone", ending);
            assert_eq!(wait.is_none(), slots.all_lost() == Some("gone"));
            wait.is_some()
        };
        assert!(lost(true, Loss::Gone, false));
        assert!(!lost(false, Loss::Gone, false), "the core is in this process");
        assert!(!lost(true, Loss::Gone, true), "the run is being ended");
        assert!(!lost(true, Loss::Unfit, false));
    }
}

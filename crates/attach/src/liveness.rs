//! Whether the owner of a run lives, told from facts.

use std::fs;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roboppi_ipc::UtcMillis;
use roboppi_record::{LockProbe, LockState, RecordError, RunDir};
use roboppi_run::{Manifest, RunOutcome};

/// Where a run is, as a process sees it that does not own it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Its owner lives.
    Live,
    /// It is over.
    Finished(RunOutcome),
    /// Its owner is gone, and it did not say how it ended.
    Lost,
    /// It did not say that it ended, and whether its owner lives cannot be told from here: on another machine, or in
    /// another container where nothing tells of it.
    Elsewhere {
        /// When something of the run was written last.
        last_sign: Option<UtcMillis>,
    },
}

impl Liveness {
    /// The word for people and programs.
    #[must_use]
    pub const fn name(&self) -> &str {
        match self {
            Self::Live => "running",
            Self::Finished(outcome) => outcome.name(),
            Self::Lost => "lost",
            Self::Elsewhere { .. } => "elsewhere",
        }
    }

    /// Whether its owner lives, or may live: nobody else may touch what is its own, and more may come.
    #[must_use]
    pub const fn may_live(self) -> bool {
        matches!(self, Self::Live | Self::Elsewhere { .. })
    }

    /// When there was a last sign of life of a run of which nothing better is known.
    #[must_use]
    pub const fn last_sign(self) -> Option<UtcMillis> {
        match self {
            Self::Elsewhere { last_sign } => last_sign,
            Self::Live | Self::Finished(_) | Self::Lost => None,
        }
    }
}

/// What is known of the owner of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnerFacts {
    /// The run was taken in from another machine.
    pub(crate) imported: bool,
    /// What the lock on the run says; `None` when there is no file it could be on.
    pub(crate) lock: Option<LockState>,
    /// `run.json` as far as it says who the owner is; `None` when it cannot be read.
    pub(crate) named: Option<NamedOwner>,
    /// What there is of the run may be about to be written.
    pub(crate) is_being_made: bool,
}

/// The owner as `run.json` names it, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedOwner {
    /// It said that a lock which is free means that it is gone.
    pub(crate) lock_is_conclusive: bool,
    /// The record is one of a version without a lock of its own.
    pub(crate) is_earlier: bool,
    /// Its kernel is this one, as it was started; `None` when that is not known.
    pub(crate) same_kernel: Option<bool>,
    /// Its machine has the name of this one.
    pub(crate) same_host: bool,
    /// Its pid means here what it means there; `None` when that is not known.
    pub(crate) same_pids: Option<bool>,
    /// A process of its pid and start time is alive here.
    pub(crate) process_is_there: bool,
    /// Of a run whose program records itself: whether it has been silent for too long.
    pub(crate) is_silent: Option<bool>,
}

/// What follows from facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerState {
    Alive,
    Gone,
    /// Nobody here can tell.
    Unknown,
}

/// Decides whether the owner of a run lives. What is not known for sure is unknown: a run is not called lost that may
/// live, nor running that may be over.
pub(crate) const fn owner_state(facts: &OwnerFacts) -> OwnerState {
    if facts.imported {
        return OwnerState::Gone;
    }
    if matches!(facts.lock, Some(LockState::Held)) {
        return OwnerState::Alive;
    }
    let free = matches!(facts.lock, Some(LockState::Free) | None);
    let Some(owner) = facts.named else {
        return match (facts.is_being_made, free) {
            (true, _) => OwnerState::Alive,
            (false, true) => OwnerState::Gone,
            (false, false) => OwnerState::Unknown,
        };
    };
    if let Some(silent) = owner.is_silent {
        return if silent { OwnerState::Gone } else { OwnerState::Alive };
    }
    if free && owner.lock_is_conclusive {
        return OwnerState::Gone;
    }
    if let (Some(true), Some(true)) = (owner.same_kernel, owner.same_pids) {
        return if owner.process_is_there { OwnerState::Alive } else { OwnerState::Gone };
    }
    if owner.is_earlier {
        // Whoever has the pid and the start time to the tick is the owner, in whatever space it was named.
        if owner.process_is_there && owner.same_host && !matches!(owner.same_kernel, Some(false)) {
            return OwnerState::Alive;
        }
        // Its lock is on the journal, on this kernel, or it was on one that is gone with its boot.
        let here = matches!(owner.same_kernel, Some(true)) || owner.same_host;
        if free && here {
            return OwnerState::Gone;
        }
    }
    OwnerState::Unknown
}

/// Collects what is known of the owner of a run here and now.
pub(crate) fn facts(
    dir: &RunDir,
    manifest: Option<&Manifest>,
    lock: Option<LockState>,
    is_being_made: bool,
) -> OwnerFacts {
    OwnerFacts {
        imported: dir.is_imported(),
        lock,
        named: manifest.map(|manifest| NamedOwner {
            lock_is_conclusive: manifest.owner_lock,
            is_earlier: manifest.pid_namespace.is_none() && !manifest.owner_lock && !dir.has_lock(),
            same_kernel: same_kernel(manifest),
            same_host: is_of_this_host(manifest),
            same_pids: same_pids(manifest),
            process_is_there: roboppi_process::is_alive(manifest.owner),
            is_silent: is_silent(dir, manifest),
        }),
        is_being_made,
    }
}

/// Whether a program that records itself has reported nothing for longer than its run allows; `None` of other runs.
fn is_silent(dir: &RunDir, manifest: &Manifest) -> Option<bool> {
    let limit = Duration::from_millis(manifest.silent_after_ms?);
    let last = UNIX_EPOCH + Duration::from_millis(dir.last_sign()?.0);
    // A sign in the future was left before the clock was set.
    Some(SystemTime::now().duration_since(last).is_ok_and(|passed| passed > limit))
}

/// What the lock says that was looked for, as a fact.
pub(crate) fn lock_state(probe: &Result<Option<LockProbe>, RecordError>) -> Option<LockState> {
    match probe {
        Ok(probe) => probe.as_ref().map(LockProbe::state),
        Err(_) => Some(LockState::Unknown),
    }
}

/// Whether the owner of a run is, or was, a process of this kernel since it was started. Each start has another id,
/// which all containers see; without one the name of the machine has to do.
pub(crate) fn same_kernel(manifest: &Manifest) -> Option<bool> {
    match (&manifest.boot_id, boot_id()) {
        (Some(then), Ok(now)) => Some(*then == now),
        (None, _) | (_, Err(_)) => is_of_this_host(manifest).then_some(true),
    }
}

/// Whether pids in a record mean the same here.
pub(crate) fn same_pids(manifest: &Manifest) -> Option<bool> {
    match (&manifest.pid_namespace, pid_namespace()) {
        (Some(there), Some(here)) => Some(*there == here),
        (None, None) => Some(true),
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// Whether the machine of the owner has the name of this one.
pub(crate) fn is_of_this_host(manifest: &Manifest) -> bool {
    let here = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    here.map_or(true, |here| here == manifest.host)
}

fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

/// The space of pids this process is in, as the system names it: what [`Manifest::pid_namespace`] holds. `None` where
/// there are no such spaces, or nothing tells of them.
#[must_use]
pub fn pid_namespace() -> Option<String> {
    fs::read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: NamedOwner = NamedOwner {
        lock_is_conclusive: true,
        is_earlier: false,
        same_kernel: Some(true),
        same_host: true,
        same_pids: Some(true),
        process_is_there: true,
        is_silent: None,
    };

    const EARLIER: NamedOwner =
        NamedOwner { lock_is_conclusive: false, is_earlier: true, same_pids: None, ..HERE };

    fn state_of(lock: LockState, named: NamedOwner) -> OwnerState {
        owner_state(&OwnerFacts {
            imported: false,
            lock: Some(lock),
            named: Some(named),
            is_being_made: false,
        })
    }

    #[test]
    fn a_lock_that_is_held_is_life_wherever_one_looks_from() {
        let elsewhere = NamedOwner {
            same_kernel: Some(false),
            same_host: false,
            same_pids: Some(false),
            process_is_there: false,
            ..HERE
        };
        for named in [HERE, elsewhere, NamedOwner { process_is_there: false, ..EARLIER }] {
            assert_eq!(state_of(LockState::Held, named), OwnerState::Alive);
        }
        let nameless =
            OwnerFacts { imported: false, lock: Some(LockState::Held), named: None, is_being_made: false };
        assert_eq!(owner_state(&nameless), OwnerState::Alive);
        assert_eq!(owner_state(&OwnerFacts { imported: true, ..nameless }), OwnerState::Gone);
    }

    #[test]
    fn a_lock_that_is_free_is_the_end_where_it_tells() {
        let other_container = NamedOwner {
            same_host: false,
            same_pids: Some(false),
            // A stranger of the same number.
            process_is_there: true,
            ..HERE
        };
        assert_eq!(state_of(LockState::Free, other_container), OwnerState::Gone);
        let after_a_boot = NamedOwner { same_kernel: Some(false), ..other_container };
        assert_eq!(state_of(LockState::Free, after_a_boot), OwnerState::Gone);
        // Its owner saw that others might be concerned.
        for named in [other_container, after_a_boot] {
            assert_eq!(
                state_of(LockState::Free, NamedOwner { lock_is_conclusive: false, ..named }),
                OwnerState::Unknown
            );
        }
    }

    #[test]
    fn without_a_lock_that_tells_only_a_pid_of_this_space_does() {
        let gone = NamedOwner { process_is_there: false, ..HERE };
        assert_eq!(state_of(LockState::Unknown, HERE), OwnerState::Alive);
        assert_eq!(state_of(LockState::Unknown, gone), OwnerState::Gone);
        for (same_kernel, same_pids) in
            [(Some(true), Some(false)), (Some(true), None), (Some(false), Some(true)), (None, Some(true))]
        {
            assert_eq!(
                state_of(LockState::Unknown, NamedOwner { same_kernel, same_pids, ..gone }),
                OwnerState::Unknown
            );
        }
    }

    #[test]
    fn of_an_earlier_version_the_lock_on_the_journal_tells_on_its_kernel() {
        let gone = NamedOwner { process_is_there: false, ..EARLIER };
        assert_eq!(state_of(LockState::Free, gone), OwnerState::Gone);
        assert_eq!(state_of(LockState::Free, NamedOwner { same_host: false, ..gone }), OwnerState::Gone);
        let rebooted = NamedOwner { same_kernel: Some(false), ..gone };
        assert_eq!(state_of(LockState::Free, rebooted), OwnerState::Gone);
        assert_eq!(
            state_of(LockState::Free, NamedOwner { same_host: false, ..rebooted }),
            OwnerState::Unknown
        );
        for named in [gone, rebooted, NamedOwner { same_host: false, ..gone }] {
            assert_eq!(state_of(LockState::Unknown, named), OwnerState::Unknown);
        }
        assert_eq!(state_of(LockState::Unknown, EARLIER), OwnerState::Alive);
    }

    #[test]
    fn a_program_that_records_itself_lives_by_its_reports() {
        let emitted = |silent| NamedOwner { is_silent: Some(silent), process_is_there: false, ..HERE };
        for (silent, expected) in [(false, OwnerState::Alive), (true, OwnerState::Gone)] {
            for lock in [LockState::Free, LockState::Unknown] {
                assert_eq!(state_of(lock, emitted(silent)), expected);
            }
            assert_eq!(state_of(LockState::Held, emitted(silent)), OwnerState::Alive);
        }
    }

    #[test]
    fn a_run_without_a_name_is_being_made_or_gone() {
        let young = OwnerFacts { imported: false, lock: None, named: None, is_being_made: true };
        assert_eq!(owner_state(&young), OwnerState::Alive);
        let old = OwnerFacts { is_being_made: false, ..young };
        assert_eq!(owner_state(&old), OwnerState::Gone);
        assert_eq!(owner_state(&OwnerFacts { lock: Some(LockState::Free), ..old }), OwnerState::Gone);
        assert_eq!(owner_state(&OwnerFacts { lock: Some(LockState::Unknown), ..old }), OwnerState::Unknown);
    }
}

//! Where the workers of a host work, as the supervisor reaches it.
//!
//! Artifacts and the record are where the supervisor is, workers are on their host. What has to get from one to the other goes
//! through the [`Site`] of the host; for this host that is copying and measuring files.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use roboppi_record::RunDir;
use roboppi_run::{AttemptRef, HostId, StepPath, TakenInput};
use roboppi_workflow::{DecisionFile, OutputSpec, Step};

use crate::context_dir::{ArtifactError, ArtifactName, Collected, ContextDir, Copied, DecisionPlace, Limits};

/// Where the workers of one host work.
pub(crate) trait Site: fmt::Debug + Send + Sync {
    /// Puts the artifacts that a step takes from other ones into the workspace of the host, and returns what they were.
    /// Only those that this run has `made` are taken. Blocks until it is done or the limits stop it.
    fn place_inputs(
        &self,
        id: &StepPath,
        step: &Step,
        made: &HashSet<ArtifactName>,
        limits: &Limits,
    ) -> Result<Copied<TakenInput>, ArtifactError>;

    /// Brings the declared outputs of a step from the workspace of the host into the context directory: all of them, or
    /// none. Blocks until it is done or the limits stop it.
    fn collect_outputs(
        &self,
        id: &StepPath,
        outputs: &[OutputSpec],
        limits: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError>;

    /// Makes the place where a check may write its decision. Blocks until it is there.
    fn prepare_decision(&self, place: &DecisionPlace) -> Result<(), ArtifactError>;

    /// What a check has written in the places for its decision, in the order in which they count, and removes the place that
    /// was made for it. Blocks until it is read.
    fn read_decision(&self, place: &DecisionPlace) -> Vec<DecisionFile>;

    /// Makes the log and the event file of an attempt that has ended part of the record of the run, and measures them unless
    /// its core has `reported` how long they are. Must not wait: it is called by the thread that runs the steps, before the end
    /// of the attempt is recorded.
    fn fetch_log(&self, of: &AttemptRef, reported: Option<FetchedLog>) -> FetchedLog;
}

/// What the record of the run has of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FetchedLog {
    /// Length of its log in bytes; 0 when there is none.
    pub(crate) log_bytes: u64,
    /// Length of its event file in bytes; 0 when there is none.
    pub(crate) events_bytes: u64,
}

/// The sites of a run, one for each host.
#[derive(Debug)]
pub(crate) struct Sites(BTreeMap<HostId, Arc<dyn Site>>);

impl Sites {
    /// These sites.
    pub(crate) fn of(sites: impl IntoIterator<Item = (HostId, Arc<dyn Site>)>) -> Self {
        Self(sites.into_iter().collect())
    }

    /// The site of a host of this run.
    pub(crate) fn get(&self, host: &HostId) -> Option<Arc<dyn Site>> {
        self.0.get(host).cloned()
    }
}

/// The host of the supervisor: its workers have the same files.
#[derive(Debug)]
pub(crate) struct LocalSite {
    /// Where artifacts are between two steps.
    pub(crate) context: Arc<ContextDir>,
    /// The workspace of the run; absolute.
    pub(crate) workspace: PathBuf,
    /// The record, into which the core of this host writes itself.
    pub(crate) run_dir: RunDir,
}

impl Site for LocalSite {
    fn place_inputs(
        &self,
        id: &StepPath,
        step: &Step,
        made: &HashSet<ArtifactName>,
        limits: &Limits,
    ) -> Result<Copied<TakenInput>, ArtifactError> {
        self.context.copy_inputs(&self.workspace, id, step, made, limits)
    }

    fn collect_outputs(
        &self,
        id: &StepPath,
        outputs: &[OutputSpec],
        limits: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError> {
        self.context.copy_outputs(&self.workspace, id, outputs, limits)
    }

    fn prepare_decision(&self, place: &DecisionPlace) -> Result<(), ArtifactError> {
        self.context.prepare_decision(place)
    }

    fn read_decision(&self, place: &DecisionPlace) -> Vec<DecisionFile> {
        self.context.read_decision(&self.workspace, place)
    }

    fn fetch_log(&self, of: &AttemptRef, reported: Option<FetchedLog>) -> FetchedLog {
        let measured = || {
            let base = of.base();
            FetchedLog {
                log_bytes: self.run_dir.log_len(&base),
                events_bytes: self.run_dir.events_len(&base),
            }
        };
        reported.unwrap_or_else(measured)
    }
}

/// Another host. Its log comes over the link; artifacts are not copied.
#[derive(Debug)]
pub(crate) struct FarSite {
    pub(crate) host: HostId,
    /// The record, in which the mirror is.
    pub(crate) run_dir: RunDir,
}

impl Site for FarSite {
    fn place_inputs(
        &self,
        _: &StepPath,
        _: &Step,
        _: &HashSet<ArtifactName>,
        _: &Limits,
    ) -> Result<Copied<TakenInput>, ArtifactError> {
        // The language allows no artifacts on other hosts.
        Err(ArtifactError::NoSite(self.host.clone()))
    }

    fn collect_outputs(
        &self,
        _: &StepPath,
        _: &[OutputSpec],
        _: &Limits,
    ) -> Result<Copied<Collected>, ArtifactError> {
        Err(ArtifactError::NoSite(self.host.clone()))
    }

    fn prepare_decision(&self, _: &DecisionPlace) -> Result<(), ArtifactError> {
        // The language allows no completion check on other hosts.
        Err(ArtifactError::NoSite(self.host.clone()))
    }

    fn read_decision(&self, _: &DecisionPlace) -> Vec<DecisionFile> {
        Vec::new()
    }

    /// Everything that the core had recorded has arrived before its result. What counts is what is here.
    fn fetch_log(&self, of: &AttemptRef, _: Option<FetchedLog>) -> FetchedLog {
        let base = of.base();
        FetchedLog { log_bytes: self.run_dir.log_len(&base), events_bytes: self.run_dir.events_len(&base) }
    }
}

//! The attempts that are under way: each has a machine of its own, and once it was handed over a core and a job.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use roboppi_ipc::{Cancel, CancelReason, Dialect, ErrorClass, JobId, WorkerKind};
use roboppi_run::{AttemptPhase, AttemptRef, HostId, Role, RunEvent};
use roboppi_workflow::{AttemptEnd, RunInput, Used};

use super::attempt::{
    AttemptEffect, AttemptFinish, AttemptInput, AttemptMachine, AttemptStop, longest_permit_wait,
};
use super::cores::{ActiveCore, CoreStatus};
use super::{
    AttemptDone, AttemptRequest, AttemptTask, CoreRef, Delay, SupervisorEffect, SupervisorMachine,
    SupervisorTimer,
};

/// The attempts under way, and who of them waits for what. Nothing here looks at all of them for one event but a loss.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    under_way: BTreeMap<AttemptRef, Attempt>,
    /// From the hand-over to the end of the attempt.
    routes: HashMap<JobId, AttemptRef>,
    awaiting_core: BTreeSet<AttemptRef>,
    awaiting_permit: BTreeSet<AttemptRef>,
}

#[derive(Debug, Default)]
struct Attempt {
    machine: AttemptMachine,
    host: HostId,
    /// What it is for a core, once it is prepared.
    task: Option<AttemptTask>,
    /// The core it was handed to.
    core: Option<(CoreRef, Dialect)>,
}

impl Attempts {
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn contains(&self, of: &AttemptRef) -> bool {
        self.under_way.contains_key(of)
    }

    pub(super) fn under_way(&self) -> impl Iterator<Item = &AttemptRef> {
        self.under_way.keys()
    }

    pub(super) fn machine(&self, of: &AttemptRef) -> Option<&AttemptMachine> {
        self.under_way.get(of).map(|attempt| &attempt.machine)
    }

    /// The attempt whose job this is, if its core is on this host: a host speaks of its own jobs alone.
    pub(super) fn of_job(&self, host: &HostId, job: &JobId) -> Option<&AttemptRef> {
        let of = self.routes.get(job)?;
        (self.under_way.get(of)?.host == *host).then_some(of)
    }

    /// The jobs that were handed to cores.
    pub(super) fn jobs(&self) -> impl Iterator<Item = (&CoreRef, Dialect, &JobId)> {
        self.under_way.values().filter_map(|attempt| {
            let (core, dialect) = attempt.core.as_ref()?;
            Some((core, *dialect, &attempt.task.as_ref()?.job_id))
        })
    }

    /// Brings the lists of those who wait up to date.
    fn note_waits(&mut self, of: &AttemptRef) {
        let machine = self.under_way.get(of).map(|attempt| &attempt.machine);
        let waits_for_core = machine.is_some_and(AttemptMachine::awaits_core);
        let waits_for_permit = machine.is_some_and(AttemptMachine::waits_for_permit);
        for (list, waits) in
            [(&mut self.awaiting_core, waits_for_core), (&mut self.awaiting_permit, waits_for_permit)]
        {
            if !waits {
                list.remove(of);
            } else if !list.contains(of) {
                list.insert(of.clone());
            }
        }
    }
}

impl SupervisorMachine {
    pub(super) fn start_attempt(&mut self, of: AttemptRef, continues: bool, out: &mut Vec<SupervisorEffect>) {
        let host = self.elsewhere.get(&of.step).cloned().unwrap_or_default();
        let attempt = Attempt { host, ..Attempt::default() };
        let host = attempt.host.clone();
        self.attempts.under_way.insert(of.clone(), attempt);
        out.push(SupervisorEffect::Prepare { of, host, continues });
    }

    /// An attempt has its inputs, or cannot run.
    pub(super) fn prepared(
        &mut self,
        of: &AttemptRef,
        result: Result<AttemptTask, AttemptStop>,
        out: &mut Vec<SupervisorEffect>,
    ) {
        let Some(attempt) = self.attempts.under_way.get_mut(of) else { return };
        let result = result.map(|task| attempt.task = Some(task));
        self.attempt(of, AttemptInput::Prepared(result), out);
        self.offer_core(of, out);
    }

    /// There is a core, or there will be none: those who wait for it learn it.
    pub(super) fn offer_cores(&mut self, out: &mut Vec<SupervisorEffect>) {
        for of in self.attempts.awaiting_core.clone() {
            self.offer_core(&of, out);
        }
    }

    /// Hands an attempt that waits for a core to the one of its host, if it is there.
    fn offer_core(&mut self, of: &AttemptRef, out: &mut Vec<SupervisorEffect>) {
        let Some(attempt) = self.attempts.under_way.get_mut(of) else { return };
        if !attempt.machine.awaits_core() {
            return;
        }
        let Some(slot) = self.cores.get(&attempt.host) else { return };
        let input = match (slot.status(), &attempt.task) {
            (CoreStatus::Ready(core), Some(task)) => {
                let ActiveCore { core: to, dialect, .. } = core;
                attempt.core = Some((to.clone(), *dialect));
                let job_id = task.job_id.clone();
                self.attempts.routes.insert(job_id.clone(), of.clone());
                let (core_ref, dialect) = (to.clone(), *dialect);
                out.push(SupervisorEffect::HandOver { of: of.clone(), job_id, core: core_ref, dialect });
                match task.unmet_by(core) {
                    Some(detail) => {
                        AttemptInput::Unfit(AttemptStop::Failed(Some(ErrorClass::NonRetryable), detail))
                    }
                    None => AttemptInput::Core(dialect, task.limits(dialect)),
                }
            }
            (CoreStatus::Lost(detail), _) => AttemptInput::NoCore(detail.clone()),
            (CoreStatus::Awaited, _) | (_, None) => return,
        };
        self.attempt(of, input, out);
    }

    /// A core is gone with all it ran.
    pub(super) fn core_gone(&mut self, gone: &CoreRef, detail: &str, out: &mut Vec<SupervisorEffect>) {
        let with_it = |attempt: &Attempt| attempt.core.as_ref().is_some_and(|(core, _)| core == gone);
        let lost = self.attempts.under_way.iter().filter(|(_, attempt)| with_it(attempt));
        let lost: Vec<_> = lost.map(|(of, _)| of.clone()).collect();
        for of in lost {
            self.attempt(&of, AttemptInput::CoreGone(lost_with(detail)), out);
        }
    }

    /// A job has ended, so a permit may be free.
    pub(super) fn permit_freed(&mut self, out: &mut Vec<SupervisorEffect>) {
        for of in self.attempts.awaiting_permit.clone() {
            self.attempt(&of, AttemptInput::PermitFreed, out);
        }
    }

    /// Gives an input to the machine of an attempt under way.
    pub(super) fn attempt(&mut self, of: &AttemptRef, input: AttemptInput, out: &mut Vec<SupervisorEffect>) {
        let Some(attempt) = self.attempts.under_way.get_mut(of) else { return };
        let mut effects = Vec::new();
        attempt.machine.handle(input, &mut effects);
        self.attempts.note_waits(of);
        for effect in effects {
            self.attempt_effect(of, effect, out);
        }
    }

    fn attempt_effect(&mut self, of: &AttemptRef, effect: AttemptEffect, out: &mut Vec<SupervisorEffect>) {
        let set_timer = |epoch, after| {
            let timer = SupervisorTimer::Attempt(of.clone(), epoch);
            SupervisorEffect::SetTimer { timer, after }
        };
        match effect {
            AttemptEffect::StopPreparing => out.push(SupervisorEffect::StopPreparing { of: of.clone() }),
            AttemptEffect::Submit => self.request(of, AttemptRequest::Submit, out),
            AttemptEffect::SubmitAndAsk => self.request(of, AttemptRequest::SubmitAndAsk, out),
            AttemptEffect::AskPermit => self.request(of, AttemptRequest::AskPermit, out),
            AttemptEffect::Cancel(cancel) => self.request(of, AttemptRequest::Cancel(cancel), out),
            AttemptEffect::Abandon => {
                let cancel = Cancel::graceful(CancelReason::Parent);
                self.request(of, AttemptRequest::Abandon(cancel), out);
            }
            AttemptEffect::ReportWaiting(detail) => {
                let phase = AttemptPhase::WaitingPermit { detail };
                out.push(SupervisorEffect::Record(RunEvent::AttemptPhase { of: of.clone(), phase }));
            }
            AttemptEffect::ReportGranted => self.attempt_live(of.clone(), None, out),
            AttemptEffect::SetTimer(epoch, time) => out.push(set_timer(epoch, Delay::Exactly(time))),
            AttemptEffect::SetRetryTimer(epoch, refusals) => {
                out.push(set_timer(epoch, Delay::UpTo(longest_permit_wait(refusals))));
            }
            AttemptEffect::Finish(finish) => self.attempt_over(of, finish, out),
        }
    }

    fn request(&self, of: &AttemptRef, request: AttemptRequest, out: &mut Vec<SupervisorEffect>) {
        let Some((core, _)) = self.attempts.under_way.get(of).and_then(|attempt| attempt.core.clone()) else {
            return;
        };
        out.push(SupervisorEffect::Request { of: of.clone(), core, request });
    }

    fn attempt_over(&mut self, of: &AttemptRef, finish: AttemptFinish, out: &mut Vec<SupervisorEffect>) {
        let Some(attempt) = self.attempts.under_way.remove(of) else { return };
        if let Some(task) = &attempt.task {
            self.attempts.routes.remove(&task.job_id);
        }
        self.attempts.note_waits(of);
        let mut done = AttemptDone::of(finish, attempt.core.is_some(), attempt.machine.order());
        let is_script = attempt.task.as_ref().is_some_and(|task| task.worker == WorkerKind::CUSTOM);
        if of.role == Role::Check && is_script {
            done = done.of_script_that_checks();
        }
        let end = done.end.clone();
        let used = done.result.details.as_ref().and_then(|details| details.usage.as_ref()).map(Used::from);
        out.push(SupervisorEffect::AttemptFinished { of: of.clone(), done });
        if !self.has_given_up() || !matches!(end, AttemptEnd::Lost { .. }) {
            if let Some(used) = used {
                self.news.push_back(RunInput::AttemptUsed { of: of.clone(), used, is_last: true });
            }
            self.news.push_back(RunInput::AttemptFinished { of: of.clone(), end });
        }
    }
}

/// One line is enough for each attempt; the event of the loss has the whole.
fn lost_with(detail: &str) -> String {
    format!("lost with the core: {}", detail.lines().next().unwrap_or_default())
}

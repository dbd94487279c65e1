//! What the tasks of a run share. All of them run on one thread, and no borrow outlives a call.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use roboppi_attach::RunCommand;
use roboppi_ipc::io::Peer;
use roboppi_ipc::{
    Dialect, JobCompleted, JobEvent, JobId, JobRequest, Message, RequestId, SecretText, UtcMillis,
};
use roboppi_record::RunDir;
use roboppi_run::{AttemptRef, Manifest, RecordKind, RunEvent, RunId, StepPath};
use roboppi_workflow::{Node, Plan};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::facts::{AttemptDone, StepFacts, facts_of_kept};
use super::{Router, step_workspace};
use crate::context_dir::ContextDir;
use crate::control::{ControlRequest, ControlSocket};
use crate::kinds::NeededKinds;
use crate::prepare::PreparedRun;
use crate::received::ReceivedRecord;
use crate::recorder::Recorder;
use crate::run_clock::RunClock;
use crate::settings::RunSettings;
use crate::sign_of_life::SignOfLife;

/// How long a core may take to stop its workers.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct RunContext {
    pub(super) settings: RunSettings,
    plan: RefCell<Plan>,
    pub(super) needed_kinds: Rc<NeededKinds>,
    pub(super) run_id: RunId,
    pub(super) run_dir: RunDir,
    pub(super) started_at: UtcMillis,
    pub(super) context: Arc<ContextDir>,
    /// A job has ended: a permit may be free.
    pub(super) permit_freed: Notify,
    pub(super) facts: RefCell<HashMap<StepPath, StepFacts>>,
    recorder: RefCell<Recorder>,
    router: RefCell<Router>,
    core: RefCell<Core>,
    core_news: Notify,
    /// Values that workers have had hidden, for the core that comes after this one.
    masked: RefCell<Vec<SecretText>>,
    /// The user knows that the record has holes.
    told_of_holes: Cell<bool>,
    /// Bounded by the attempts of the run: one entry each.
    live: mpsc::UnboundedSender<AttemptRef>,
    /// The last core that was lost, and why.
    last_loss: RefCell<(u32, String)>,
    pub(super) clock: Rc<RunClock>,
    /// As long as this is there, everybody sees that the run lives.
    _life: SignOfLife,
}

/// The core as attempts see it.
enum Core {
    Awaited,
    Ready(ActiveCore),
    Lost(String),
}

/// A core that answers.
#[derive(Clone)]
pub(super) struct ActiveCore {
    pub(super) dialect: Dialect,
    pub(super) peer: Peer,
    /// Which core of the run it is, from 1.
    pub(super) incarnation: u32,
    /// It takes what is not UTF-8.
    pub(super) takes_bytes: bool,
}

/// What the runner is told by others than the core.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<RunCommand>,
    /// Commands of other processes.
    pub(super) brought: mpsc::Receiver<ControlRequest>,
    /// Open as long as somebody listens to `brought`.
    _control: Option<ControlSocket>,
    /// Attempts whose worker is alive as far as a core of protocol 1 lets us know.
    pub(super) granted: mpsc::UnboundedReceiver<AttemptRef>,
}

/// The kinds of workers that the steps need which are done in this run.
fn needed_kinds(settings: &RunSettings) -> NeededKinds {
    let kept: Vec<_> = settings.resume.iter().flat_map(|resume| &resume.resumed.kept).collect();
    let is_kept = |step: &StepPath| kept.iter().any(|kept| kept.step == *step);
    let source = &settings.source;
    NeededKinds::of(&source.workflow, &source.path, &source.text, is_kept)
}

impl RunContext {
    pub(super) fn new(prepared: PreparedRun) -> (Self, Inbox) {
        let (live, granted) = mpsc::unbounded_channel();
        let control = prepared.control.map(|place| ControlSocket::open(place, prepared.run_id.clone()));
        // A socket that cannot be listened at is closed: whoever comes is told at once that nobody is there.
        let (control, brought) = match control {
            Some(Ok((control, brought))) => (Some(control), brought),
            Some(Err(_)) | None => (None, mpsc::channel(1).1),
        };
        let facts = RefCell::new(facts_of_kept(&prepared.settings, &prepared.plan));
        let context = Self {
            live,
            needed_kinds: Rc::new(needed_kinds(&prepared.settings)),
            settings: prepared.settings,
            plan: RefCell::new(prepared.plan),
            run_id: prepared.run_id,
            run_dir: prepared.run_dir,
            started_at: prepared.started_at,
            context: Arc::new(prepared.context),
            permit_freed: Notify::new(),
            facts,
            recorder: RefCell::new(prepared.recorder),
            router: RefCell::default(),
            core: RefCell::new(Core::Awaited),
            core_news: Notify::new(),
            masked: RefCell::default(),
            told_of_holes: Cell::default(),
            last_loss: RefCell::default(),
            clock: Rc::new(RunClock::start()),
            _life: prepared.life,
        };
        (context, Inbox { commands: prepared.commands, brought, _control: control, granted })
    }

    /// What a step of the run is.
    pub(super) fn node(&self, step: &StepPath) -> Option<Arc<Node>> {
        self.plan.borrow().node(step).cloned()
    }

    /// The plan has grown by these nodes.
    pub(super) fn plan_extended(&self, nodes: Vec<Arc<Node>>) {
        let plans = nodes.iter().map(|node| node.step_plan()).collect();
        self.plan.borrow_mut().extend(nodes);
        self.recorder().event(RunEvent::PlanExtended { nodes: plans });
    }

    /// An attempt has its permit, from a core that says no more than that.
    pub(super) fn granted(&self, of: &AttemptRef) {
        let _ = self.live.send(of.clone());
    }

    /// A worker has a value hidden from now on.
    pub(super) fn mask(&self, value: SecretText) {
        // The core took it, so there is room for it here.
        let _taken = self.settings.secrets.hidden.add("mask", value.reveal().as_bytes());
        self.recorder().secrets_grew();
        self.masked.borrow_mut().push(value);
    }

    /// What a core must be told to hide.
    pub(super) fn values_to_hide(&self) -> Vec<SecretText> {
        let named = &self.settings.secrets.named;
        named.iter().chain(&*self.masked.borrow()).cloned().collect()
    }

    pub(super) fn recorder(&self) -> RefMut<'_, Recorder> {
        self.recorder.borrow_mut()
    }

    pub(super) fn core_ready(&self, core: ActiveCore) {
        *self.core.borrow_mut() = Core::Ready(core);
        self.core_news.notify_waiters();
    }

    /// The wire of the core has closed. It may take a while until it and all it started are gone; until then
    /// attempts under way wait, and none starts.
    pub(super) fn wire_closed(&self) {
        *self.core.borrow_mut() = Core::Awaited;
    }

    /// A core is gone for good: every attempt under way learns it, and none starts any more.
    pub(super) fn core_lost(&self, incarnation: u32, detail: &str) {
        self.core_gone(incarnation, Core::Lost(detail.to_owned()), detail);
    }

    /// A core is gone and will have a successor: every attempt under way learns it, others wait.
    pub(super) fn core_awaited(&self, incarnation: u32, detail: &str) {
        self.core_gone(incarnation, Core::Awaited, detail);
    }

    fn core_gone(&self, incarnation: u32, core: Core, detail: &str) {
        // One line is enough for each attempt; the journal has the whole.
        let line = format!("lost with the core: {}", detail.lines().next().unwrap_or_default());
        *self.last_loss.borrow_mut() = (incarnation, line);
        *self.core.borrow_mut() = core;
        self.router.borrow_mut().clear();
        self.core_news.notify_waiters();
        self.permit_freed.notify_waiters();
    }

    /// How to speak with the core, as soon as there is one, or why there will be none.
    pub(super) async fn core(&self) -> Result<ActiveCore, String> {
        loop {
            let news = self.core_news.notified();
            match &*self.core.borrow() {
                Core::Ready(core) => return Ok(core.clone()),
                Core::Lost(detail) => return Err(detail.clone()),
                Core::Awaited => {}
            }
            news.await;
        }
    }

    /// Waits until a core is known to be gone, and says why.
    pub(super) async fn loss_of(&self, incarnation: u32) -> String {
        loop {
            let news = self.core_news.notified();
            {
                let last = self.last_loss.borrow();
                if last.0 >= incarnation {
                    return last.1.clone();
                }
            }
            news.await;
        }
    }

    pub(super) fn expect_job(
        &self,
        job: &JobId,
        of: &AttemptRef,
        dialect: Dialect,
    ) -> oneshot::Receiver<JobCompleted> {
        let record = match dialect {
            Dialect::V1 => ReceivedRecord::new(
                self.run_dir.path(),
                &of.base(),
                self.settings.record_limits,
                &self.settings.secrets.hidden,
            )
            .ok(),
            Dialect::V2 => None,
        };
        self.router.borrow_mut().insert(job.clone(), of.clone(), record)
    }

    pub(super) fn forget_job(&self, job: &JobId) {
        self.router.borrow_mut().remove(job);
    }

    pub(super) fn attempt_of(&self, job: &JobId) -> Option<AttemptRef> {
        self.router.borrow().attempt_of(job).cloned()
    }

    pub(super) fn job_completed(&self, completed: JobCompleted) {
        self.router.borrow_mut().complete(completed);
        self.permit_freed.notify_waiters();
    }

    /// Publishes what a worker did. The core has recorded it; where it cannot that is done here.
    pub(super) fn job_event(&self, event: JobEvent) {
        let Some((of, received)) = self.router.borrow_mut().event(event) else { return };
        if received.first_gap {
            let message = "the core left out a part of what the worker wrote, and did not say how much: what is shown and \
                           recorded of it has a gap there";
            self.recorder().warn(message.to_owned(), Some(of.step.clone()));
        }
        if let Some(error) = received.trouble
            && !self.told_of_holes.replace(true)
        {
            let message = format!("the record of a worker is incomplete (reported once): {error}");
            self.recorder().warn(message, Some(of.step.clone()));
        }
        for record in received.gap.into_iter().chain(received.record) {
            self.recorder().attempt_event(of.clone(), record);
        }
    }

    /// The core records nothing: the manifest says that the logs are what it sent.
    pub(super) fn core_keeps_no_record(&self) {
        let said = self.run_dir.manifest().and_then(|manifest| {
            let record = RecordKind::Events;
            self.run_dir.write_manifest(&Manifest { record, ..manifest })
        });
        let partial = "the core is of protocol 1 and keeps no record: logs are what it sends, and it may leave \
                       out some of what workers write";
        let problem = said.err().map(|error| format!("; run.json cannot be updated: {error}"));
        self.recorder().warn(format!("{partial}{}", problem.unwrap_or_default()), None);
    }

    pub(super) fn attempt_finished(&self, of: &AttemptRef, done: &AttemptDone) {
        let mut facts = self.facts.borrow_mut();
        let facts = facts.entry(of.step.clone()).or_default();
        facts.result = Some(done.result.clone());
        if !done.started {
            return;
        }
        let details = done.result.details.as_deref();
        // What a core says of its own files holds; for a core that cannot say it any more they are measured.
        let said = details.filter(|details| details.cancel_reason != Some(roboppi_ipc::CancelReason::Lost));
        let measured = || {
            let base = of.base();
            (self.run_dir.log_len(&base), self.run_dir.events_len(&base))
        };
        let (log_bytes, events_bytes) =
            said.map_or_else(measured, |details| (details.log_bytes, details.events_bytes));
        let event = RunEvent::AttemptFinished {
            of: of.clone(),
            result: done.result.clone(),
            last_seq: details.and_then(|details| details.last_seq),
            log_bytes,
            events_bytes,
        };
        self.recorder().event(event);
    }

    /// Where the steps of an attempt work.
    pub(super) fn workspace_of(&self, of: &AttemptRef) -> std::path::PathBuf {
        let node = self.node(&of.step);
        node.map_or_else(
            || self.settings.workspace.clone(),
            |node| step_workspace(&self.settings.workspace, &node.step),
        )
    }

    /// Asks the core to stop all workers and their timers, or to let them go on. A core that cannot, or that
    /// does not answer soon, is not waited for: liveness still is a command of the terminal.
    pub(super) async fn stop_workers(&self, stop: bool) {
        let peer = match &*self.core.borrow() {
            Core::Ready(core) if core.dialect == Dialect::V2 => core.peer.clone(),
            Core::Ready(_) | Core::Awaited | Core::Lost(_) => return,
        };
        let mut asked = JoinSet::new();
        for job_id in self.router.borrow().jobs() {
            let peer = peer.clone();
            let request = JobRequest { request_id: RequestId::new(Uuid::new_v4().to_string()), job_id };
            let message = if stop { Message::PauseJob(request) } else { Message::ResumeJob(request) };
            asked.spawn_local(async move { drop(peer.request(message).await) });
        }
        let _ = timeout(STOP_PATIENCE, asked.join_all()).await;
    }

    pub(super) fn finish(&self) {
        self.recorder().finish();
    }
}

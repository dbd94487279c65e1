//! What the tasks of a run share. All of them run on one thread, and no borrow outlives a call.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use roboppi_attach::RunCommand;
use roboppi_ipc::{Dialect, JobCompleted, JobEvent, JobId, SecretText, UtcMillis, WorkerKind, WorkerTask};
use roboppi_record::{EventSnapshotWriter, RunDir};
use roboppi_run::{AttemptRef, HostId, Manifest, RecordKind, Role, RunEvent, RunId, StepPath};
use roboppi_workflow::{Node, Plan, Step};
use tokio::sync::mpsc;

use super::facts::{StepFacts, facts_of_kept};
use super::routes::Routes;
use super::step_workspace;
use crate::branches::Branches;
use crate::clock;
use crate::context_dir::{ArtifactError, ContextDir};
use crate::control::{ControlRequest, ControlSocket};
use crate::convert::host_of;
use crate::event_snapshots::EventSnapshots;
use crate::kinds::NeededKinds;
use crate::machine::AttemptDone;
use crate::prepare::PreparedRun;
use crate::received::{Received, ReceivedRecord};
use crate::recorder::Recorder;
use crate::run_clock::RunClock;
use crate::settings::RunSettings;
use crate::sign_of_life::SignOfLife;
use crate::site::{FarSite, FetchedLog, LocalSite, Site, Sites};

pub(super) struct RunContext {
    pub(super) settings: RunSettings,
    plan: RefCell<Plan>,
    pub(super) needed_kinds: Rc<NeededKinds>,
    pub(super) run_id: RunId,
    pub(super) run_dir: RunDir,
    pub(super) started_at: UtcMillis,
    pub(super) context: Arc<ContextDir>,
    /// The git branch of the run.
    pub(super) branches: Branches,
    /// Where the workers of each host work.
    pub(super) sites: Sites,
    pub(super) facts: RefCell<HashMap<StepPath, Box<StepFacts>>>,
    recorder: RefCell<Recorder>,
    routes: RefCell<Routes>,
    event_snapshots: RefCell<EventSnapshots>,
    /// Values that workers have had hidden, for the core that comes after this one.
    masked: RefCell<Vec<SecretText>>,
    /// The user knows that the record has holes.
    reported_holes: Cell<bool>,
    pub(super) clock: Rc<RunClock>,
    /// As long as this is there, everybody sees that the run lives.
    _life: SignOfLife,
}

/// What the runner is told by others than the core.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) commands: mpsc::Receiver<RunCommand>,
    /// Commands of other processes.
    pub(super) received: mpsc::Receiver<ControlRequest>,
    /// Open as long as `received` is read.
    _control: Option<ControlSocket>,
}

/// The kinds of workers that the steps need which are done in this run.
fn needed_kinds(settings: &RunSettings) -> NeededKinds {
    let kept = settings.resume.iter().flat_map(|resume| &resume.resumed.kept);
    let kept: HashSet<_> = kept.map(|kept| &kept.step).collect();
    let is_kept = |step: &StepPath| kept.contains(step);
    let source = &settings.source;
    NeededKinds::of(&source.workflow, &source.path, &source.text, is_kept)
}

impl RunContext {
    pub(super) fn new(mut prepared: PreparedRun) -> (Self, Inbox) {
        let needed_kinds = Rc::new(needed_kinds(&prepared.settings));
        // It was read for the last time, and it may be long.
        prepared.settings.source.text = String::new();
        let control = prepared.control.map(|place| ControlSocket::open(place, prepared.run_id.clone()));
        // A socket that cannot be listened at is closed: whoever comes is told at once that nobody is there.
        let (control, received) = match control {
            Some(Ok((control, received))) => (Some(control), received),
            Some(Err(_)) | None => (None, mpsc::channel(1).1),
        };
        let facts = RefCell::new(facts_of_kept(&prepared.settings, &prepared.plan));
        let context_dir = Arc::new(prepared.context);
        let here = LocalSite {
            context: Arc::clone(&context_dir),
            workspace: prepared.settings.workspace.clone(),
            run_dir: prepared.run_dir.clone(),
        };
        let far = prepared.settings.source.workflow.hosts.keys().map(|name| {
            let host = HostId::from(name.clone());
            let site = FarSite { host: host.clone(), run_dir: prepared.run_dir.clone() };
            (host, Arc::new(site) as Arc<dyn Site>)
        });
        let sites = Sites::of([(HostId::here(), Arc::new(here) as Arc<dyn Site>)].into_iter().chain(far));
        let event_snapshots = RefCell::new(EventSnapshots::new(prepared.run_dir.clone()));
        let context = Self {
            needed_kinds,
            settings: prepared.settings,
            plan: RefCell::new(prepared.plan),
            run_id: prepared.run_id,
            run_dir: prepared.run_dir,
            started_at: prepared.started_at,
            context: context_dir,
            branches: prepared.branches,
            sites,
            facts,
            recorder: RefCell::new(prepared.recorder),
            routes: RefCell::default(),
            event_snapshots,
            masked: RefCell::default(),
            reported_holes: Cell::default(),
            clock: Rc::new(RunClock::start()),
            _life: prepared.life,
        };
        (context, Inbox { commands: prepared.commands, received, _control: control })
    }

    /// What a step of the run is.
    pub(super) fn node(&self, step: &StepPath) -> Option<Arc<Node>> {
        self.plan.borrow().node(step).cloned()
    }

    /// Whether it matters what agents use up while they work.
    pub(super) fn has_budgets(&self) -> bool {
        let plan = self.plan.borrow();
        plan.budget.is_some() || plan.nodes().any(|node| node.step.agent.budget.is_some())
    }

    /// The plan has grown by these nodes.
    pub(super) fn plan_extended(&self, nodes: Vec<Arc<Node>>) {
        let plans = nodes.iter().map(|node| Arc::new(node.step_plan())).collect();
        self.plan.borrow_mut().extend(nodes);
        self.recorder().event(RunEvent::PlanExtended { nodes: plans });
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

    /// An attempt begins on a host.
    pub(super) fn attempt_begins(&self, of: &AttemptRef, host: HostId, continues: bool) {
        let mut facts = self.facts.borrow_mut();
        let facts = facts.entry(of.step.clone()).or_default();
        facts.host = host;
        if !continues {
            // The session of an attempt before is none that a later one may continue.
            facts.session = None;
        }
        let same_work = |before: &&(AttemptRef, String)| {
            // One that looks like an option would be taken for one.
            let is_name = !before.1.starts_with('-');
            before.0.role == of.role && before.0.iteration == of.iteration && continues && is_name
        };
        facts.continued = facts.session.as_ref().filter(same_work).map(|(_, session)| session.clone());
        if of.role == Role::Check {
            facts.begin_check(clock::now());
        } else {
            facts.last = Some(of.clone());
            facts.attempts = facts.attempts.max(of.attempt);
        }
        facts.started_at.get_or_insert_with(clock::now);
    }

    /// The session of its agent that an attempt continues. The last word on that: a core of protocol 1 would begin anew, and so does
    /// a worker that does not come with roboppi, of which it is not known whether it can. Codex reports the tokens of a session
    /// and not those of a turn, so it begins anew where tokens count.
    pub(super) fn resumed_session(&self, of: &AttemptRef, dialect: Dialect) -> Option<String> {
        let counts_tokens = self.plan.borrow().budget.max_tokens.is_some();
        let can = dialect == Dialect::V2
            && self.node(&of.step).is_some_and(|node| {
                let step = node.task(of.role);
                let counts_tokens = counts_tokens || step.agent.budget.max_tokens.is_some();
                step.worker.is_builtin() && !(counts_tokens && step.worker == WorkerKind::CODEX_CLI)
            });
        let mut facts = self.facts.borrow_mut();
        let continued = &mut facts.get_mut(&of.step)?.continued;
        if !can {
            *continued = None;
        }
        continued.clone()
    }

    /// The same, once it is decided.
    pub(super) fn continued_session(&self, step: &StepPath) -> Option<String> {
        self.facts.borrow().get(step)?.continued.clone()
    }

    /// Takes the events of a job as those of an attempt, and records them when its core does not.
    pub(super) fn expect_job(
        &self,
        job: &JobId,
        of: &AttemptRef,
        (host, dialect): (&HostId, Dialect),
        task: Option<&WorkerTask>,
    ) {
        let record = match dialect {
            Dialect::V1 => ReceivedRecord::new(
                self.run_dir.path(),
                &of.base(),
                self.settings.record_limits,
                &self.settings.secrets.hidden,
                task,
            )
            .ok(),
            Dialect::V2 => None,
        };
        self.routes.borrow_mut().insert(job.clone(), host.clone(), of.clone(), record);
    }

    pub(super) fn forget_job(&self, job: &JobId) {
        self.routes.borrow_mut().remove(job);
    }

    /// Publishes what a worker did. The core has recorded it; where it cannot that is done here.
    pub(super) fn job_event(&self, host: &HostId, event: JobEvent) {
        let now = self.clock.now();
        let Some((of, received)) = self.routes.borrow_mut().event(now, host, event) else { return };
        self.publish(&of, received);
    }

    /// A core reports how a job ended. What it does not know, its lines may have said.
    pub(super) fn job_completed(&self, host: &HostId, completed: &mut JobCompleted) {
        let times = (self.clock.now(), clock::now());
        let reported = completed.clone().into_result();
        let ended = self.routes.borrow_mut().ended(times, (host, &completed.job_id), reported);
        let Some((of, result, received)) = ended else { return };
        completed.result = Some(result);
        self.publish(&of, received);
    }

    fn publish(&self, of: &AttemptRef, received: Received) {
        if received.first_gap {
            let message = "the core left out a part of what the worker wrote, and did not say how much: what is shown and \
                           recorded of it has a gap there";
            self.recorder().warn(message.to_owned(), Some(of.step.clone()));
        }
        if let Some(error) = received.trouble
            && !self.reported_holes.replace(true)
        {
            let message = format!("the record of a worker is incomplete (reported once): {error}");
            self.recorder().warn(message, Some(of.step.clone()));
        }
        if received.is_long {
            self.event_snapshots.borrow_mut().grew(of.base());
        }
        if let Some(gap) = received.gap {
            self.recorder().attempt_event(of.clone(), gap);
        }
        for record in received.records {
            self.recorder().attempt_event(of.clone(), record);
        }
    }

    /// The core records nothing: the manifest says that the logs are what it sent.
    pub(super) fn core_keeps_no_record(&self) {
        let written = self.run_dir.manifest().and_then(|manifest| {
            let record = RecordKind::Events;
            self.run_dir.write_manifest(&Manifest { record, ..manifest })
        });
        let partial = "the core is of protocol 1 and keeps no record: logs are what it sends, and it may leave \
                       out some of what workers write";
        let problem = written.err().map(|error| format!("; run.json cannot be updated: {error}"));
        self.recorder().warn(format!("{partial}{}", problem.unwrap_or_default()), None);
    }

    pub(super) fn attempt_finished(&self, of: &AttemptRef, done: &AttemptDone) {
        let mut facts = self.facts.borrow_mut();
        let facts = facts.entry(of.step.clone()).or_default();
        match &mut facts.check {
            Some(check) if of.role == Role::Check => check.result = Some(Arc::clone(&done.result)),
            _ => facts.result = Some(Arc::clone(&done.result)),
        }
        if let Some(session) = done.result.details.as_ref().and_then(|details| details.session_id.clone()) {
            facts.session = Some((of.clone(), session));
        }
        if !done.started {
            return;
        }
        let details = done.result.details.as_deref();
        // What a core says of its own files holds; for a core that cannot say it any more they are measured.
        let recorded =
            details.filter(|details| details.cancel_reason != Some(roboppi_ipc::CancelReason::Lost));
        let reported = recorded
            .map(|details| FetchedLog { log_bytes: details.log_bytes, events_bytes: details.events_bytes });
        let fetched = self.sites.get(&facts.host).map(|site| site.fetch_log(of, reported));
        let FetchedLog { log_bytes, events_bytes } = fetched.or(reported).unwrap_or_default();
        let event = RunEvent::AttemptFinished {
            of: of.clone(),
            result: Arc::clone(&done.result),
            last_seq: details.and_then(|details| details.last_seq),
            log_bytes,
            events_bytes,
        };
        self.recorder().event(event);
        if events_bytes >= EventSnapshotWriter::INTERVAL {
            self.event_snapshots.borrow_mut().ended(of.base());
        }
    }

    /// The site of the host on which the last attempt of a step works.
    pub(super) fn site_of(&self, step: &StepPath) -> Result<Arc<dyn Site>, ArtifactError> {
        let facts = self.facts.borrow();
        let host = facts.get(step).map(|facts| facts.host.clone()).unwrap_or_default();
        self.sites.get(&host).ok_or(ArtifactError::NoSite(host))
    }

    /// The host on which the last attempt of a step works.
    pub(super) fn host_of_last(&self, step: &StepPath) -> HostId {
        self.facts.borrow().get(step).map(|facts| facts.host.clone()).unwrap_or_default()
    }

    /// Where the steps of an attempt work. On another host it may be relative to the home directory there.
    pub(super) fn workspace_of(&self, of: &AttemptRef) -> PathBuf {
        let Some(node) = self.node(&of.step) else { return self.settings.workspace.clone() };
        step_workspace(&self.root_of(&node.step), node.task(of.role))
    }

    /// The workspace of the run on the host of a step.
    pub(super) fn root_of(&self, step: &Step) -> PathBuf {
        match host_of(step).as_ref().and_then(|host| self.host_spec(host)) {
            Some(spec) => PathBuf::from(spec.workspace.as_deref().unwrap_or_default()),
            None => self.settings.workspace.clone(),
        }
    }

    pub(super) fn finish(&self) {
        self.recorder().finish();
        self.event_snapshots.borrow_mut().finish();
    }
}

//! Takes one worker from its task to its outcome.

use std::future::pending;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use roboppi_ipc::{Cancel, CancelReason, JobId, Mono, VariablePolicy, WorkerTask};
use roboppi_process::{ChildReport, Control, Limits, Spawn, SpawnError, SpawnErrorKind, aside, run};
use roboppi_worker_adapters::{ReportFiles, Translation, WorkerAdapter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::activity_probe::sample;
use super::changes::{Files, own_dirs};
use super::command::{Prepared, SpawnContext, prepare};
use super::idle::Sample;
use super::prepare_error::PrepareError;
use super::record::Recorder;
use super::reports::collect;
use super::room::{self, Place, wait_for_descriptors};
use super::state::Watch;
use super::{AbortOnDrop, WorkerOptions, WorkerShared};
use crate::mask::MaskSocket;
use crate::{Variables, WorkerControl, WorkerOutcome};

/// Controls that wait for the process to take them; more wait in the state of the worker.
const CONTROLS: usize = 8;

/// Runs one worker. The outcome is in the state when this returns.
pub(super) async fn drive(
    shared: Rc<WorkerShared>,
    adapter: Option<Arc<dyn WorkerAdapter>>,
    task: WorkerTask,
    options: WorkerOptions,
) {
    let _unfinished = Unfinished(&shared);
    let sampling = options.resources.then(|| tokio::task::spawn_local(sample_usage(Rc::clone(&shared))));
    let _sampling = sampling.map(|task| AbortOnDrop(task.abort_handle()));
    let job_id = shared.state.borrow().job_id.clone();
    // A time beyond the end of the clock never comes.
    let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let waited = wait_for_descriptors(&shared, deadline).await;
    let place = shared.host.room.enter();
    // Neither the task nor its plan stays while the worker runs: there may be megabytes of instructions in each.
    let socket = open_socket(&shared);
    let own_program = task.agent_setup().is_none_or(|setup| setup.program.is_none());
    let missing = adapter.as_ref().filter(|_| own_program).and_then(|adapter| adapter.describe().missing());
    let socket_path = socket.as_ref().and_then(MaskSocket::path);
    let variables = (&options.variables, &shared.host.variables);
    let own_dirs = options.file_changes.then(|| own_dirs(&task, &options));
    match prepare_worker(adapter, task, &job_id, variables, socket_path) {
        Err(error) => end_without_report(&shared, error.to_string(), None),
        Ok(Ready { command, soft_stop, translation, warnings, reports }) => {
            warnings.into_iter().for_each(|warning| shared.state.borrow_mut().warn(warning));
            let soft_stop = soft_stop.min(options.grace);
            let (record, exact) = (options.record.as_ref(), options.record_dir.as_deref());
            let recorder = Recorder::open(record, exact, &shared.host.budgets);
            let now = shared.host.clock.now();
            shared.state.borrow_mut().begin(now, recorder, translation, soft_stop);
            let limits =
                Limits { grace: options.grace - soft_stop, drain: options.drain, timeout: options.timeout };
            let start = Start { limits, deadline, waited };
            let files = match own_dirs {
                Some(own) => {
                    Files::watch(&shared, &command.spawn.cwd, own, &options, &shared.host.workspaces).await
                }
                None => None,
            };
            let ran = run_in_room(&shared, &command.spawn, start, place).await;
            end_orphans(&shared, ran.as_ref().is_ok_and(|report| report.pipes_left_open)).await;
            if let (Some(files), Ok(report)) = (files, &ran) {
                files.sweep(&shared, report.reason.is_some()).await;
            }
            // An agent may have left a great many files. Until they are gone the attempt has not ended.
            let temporary = command.temporary.filter(|_| !reports.is_empty());
            if let Some(files) = command.files {
                let take_and_drop = move || {
                    let found = temporary.map(|temporary| collect(&temporary, &reports)).unwrap_or_default();
                    drop(files);
                    found
                };
                shared.state.borrow_mut().reports = aside(take_and_drop).await.unwrap_or_default();
            }
            match ran {
                Ok(report) => {
                    let ChildReport { exit, reason, killed, duration, .. } = &report;
                    info!(?exit, ?reason, killed, ?duration, "the worker has ended");
                    shared.state.borrow_mut().finish(shared.host.clock.now(), &report);
                }
                Err(error) => {
                    warn!(error = &error as &dyn std::error::Error, "the worker was not started");
                    let cancelled = match error.kind {
                        SpawnErrorKind::Cancelled(reason) => Some(reason),
                        _ => None,
                    };
                    let missing = missing.filter(|_| matches!(error.kind, SpawnErrorKind::NotInPath));
                    let problem = missing.unwrap_or_else(|| error.to_string());
                    end_without_report(&shared, problem, cancelled);
                }
            }
        }
    }
}

/// Takes in what the processes of a worker use, beside the loop that serves it.
async fn sample_usage(shared: Rc<WorkerShared>) {
    let process = loop {
        let process = shared.state.borrow().process;
        match process {
            Some(process) => break process,
            None => shared.begun.notified().await,
        }
    };
    let Some(mut samples) = shared.host.sampler.watch(process) else { return };
    while let Some(sample) = samples.next().await {
        if shared.state.borrow_mut().usage_sampled(shared.host.clock.now(), sample) {
            shared.news.notify_one();
        }
    }
}

/// The limits of a process, and how long it may wait for its start.
struct Start {
    limits: Limits,
    deadline: Option<Instant>,
    /// It waited already, which is part of its time.
    waited: bool,
}

/// Runs the process as soon as the system has room for it.
async fn run_in_room(
    shared: &WorkerShared,
    spawn: &Spawn,
    start: Start,
    mut place: Place,
) -> Result<ChildReport, SpawnError> {
    let Start { mut limits, deadline, mut waited } = start;
    loop {
        if let Some(deadline) = deadline.filter(|_| waited) {
            limits.timeout = Some(deadline.saturating_duration_since(Instant::now()));
        }
        if limits.timeout.is_some_and(|timeout| timeout.is_zero()) {
            let timeout = WorkerControl::Cancel(Cancel::graceful(CancelReason::Timeout));
            shared.state.borrow_mut().control(shared.host.clock.now(), timeout);
        }
        let ran = run_process(shared, spawn.clone(), limits).await;
        let Err(SpawnError { kind: SpawnErrorKind::NoRoom(error), .. }) = &ran else { return ran };
        // Who waits takes no room.
        drop(place);
        waited = room::wait(shared, deadline, error).await;
        place = shared.host.room.enter();
        if !waited {
            let asked = !shared.state.borrow().controls.is_empty();
            // Then the start says what became of that.
            return if asked { run_process(shared, spawn.clone(), limits).await } else { ran };
        }
    }
}

/// Sees to it that there is an outcome, whatever happens: an adapter is somebody else's code and may panic.
struct Unfinished<'a>(&'a WorkerShared);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if self.0.state.borrow().outcome.is_none() {
            end_without_report(self.0, "its adapter failed; this is a bug of the adapter".to_owned(), None);
        }
        self.0.ended.notify_waiters();
        self.0.news.notify_one();
    }
}

/// The socket of the attempt, which is there until the attempt has ended. A worker can do without.
fn open_socket(shared: &Rc<WorkerShared>) -> Option<MaskSocket> {
    let WorkerShared { state, host, news, .. } = &**shared;
    let of = Rc::downgrade(shared);
    let full = move || {
        if let Some(shared) = of.upgrade() {
            shared.state.borrow_mut().no_more_is_hidden();
        }
    };
    let opened = host.sockets.as_ref()?.open(&host.secrets, news, full);
    opened
        .map_err(|error| state.borrow_mut().warn(format!("`roboppi mask` will not work in it: {error}")))
        .ok()
}

struct Ready {
    command: Prepared,
    soft_stop: Duration,
    translation: Translation,
    warnings: Vec<String>,
    reports: Vec<ReportFiles>,
}

fn prepare_worker(
    adapter: Option<Arc<dyn WorkerAdapter>>,
    task: WorkerTask,
    job_id: &JobId,
    (variables, ours): (&VariablePolicy, &Variables),
    socket: Option<&Path>,
) -> Result<Ready, PrepareError> {
    let kind = task.worker_kind;
    let adapter = adapter.ok_or(PrepareError::NoAdapter(kind))?;
    let lacking = task.agent_setup().and_then(|setup| {
        setup.asks_for().find_map(|option| Some((option.key(), option.instead_with(kind)?)))
    });
    if let Some((option, instead)) = lacking {
        return Err(PrepareError::NoOption { kind, option, instead });
    }
    let mut spec = adapter.plan(&task)?;
    if let Some(program) = task.agent_setup().and_then(|setup| setup.program.as_ref()) {
        spec.programs = vec![program.clone()];
    }
    let is_agent = adapter.describe().agent;
    let context = SpawnContext { job_id, is_agent, socket, variables, ours };
    let command = prepare(&spec, &task, &context)?;
    let translation = Translation::new(adapter.session(&task), &spec);
    drop(task);
    let (soft_stop, warnings, reports) = (spec.soft_stop, spec.warnings, spec.reports);
    Ok(Ready { command, soft_stop, translation, warnings, reports })
}

/// Runs the process while controls and timers are served.
async fn run_process(shared: &WorkerShared, spawn: Spawn, limits: Limits) -> Result<ChildReport, SpawnError> {
    let (controls, control) = mpsc::channel(CONTROLS);
    let mut watch = Watch(shared);
    let workspace = spawn.cwd.clone();
    let mut process = pin!(run(spawn, limits, control, &mut watch));
    // A sample reads directories, which nothing else should wait for.
    let mut sampling: Option<oneshot::Receiver<Sample>> = None;
    loop {
        let (has_controls, due, sample_due) = {
            let state = shared.state.borrow();
            (!state.controls.is_empty(), state.next_due(), state.sample_due())
        };
        tokio::select! {
            biased;
            place = controls.reserve(), if has_controls => {
                let next: Option<Control> = shared.state.borrow_mut().controls.pop_front();
                if let (Ok(place), Some(control)) = (place, next) {
                    place.send(control);
                }
            }
            report = &mut process => return report,
            () = shared.driver.notified() => {}
            () = sleep_until(shared.host.clock.instant(due.unwrap_or(Mono::ZERO))), if due.is_some() => {
                shared.state.borrow_mut().time_passed(shared.host.clock.now());
                shared.news.notify_one();
            }
            found = finished(&mut sampling), if sampling.is_some() => {
                sampling = None;
                if let Some(found) = found {
                    shared.state.borrow_mut().sampled(shared.host.clock.now(), found);
                }
            }
            () = sleep_until(shared.host.clock.instant(sample_due.unwrap_or(Mono::ZERO))),
                if sampling.is_none() && sample_due.is_some() =>
            {
                let state = shared.state.borrow();
                // It may have done something meanwhile.
                let is_due = state.sample_due().is_some_and(|due| due <= shared.host.clock.now());
                if let Some(process) = state.process.filter(|_| is_due) {
                    let workspace = workspace.clone();
                    sampling = Some(aside(move || sample(process, &workspace)));
                }
            }
        }
    }
}

async fn finished(sampling: &mut Option<oneshot::Receiver<Sample>>) -> Option<Sample> {
    match sampling {
        Some(sampling) => sampling.await.ok(),
        None => pending().await,
    }
}

/// Ends what the worker has left behind, whatever became of itself.
async fn end_orphans(shared: &WorkerShared, pipes_left_open: bool) {
    let Some(job) = shared.state.borrow_mut().watched.take() else { return };
    let left = job.end().await;
    shared.state.borrow_mut().left_behind(left, pipes_left_open);
}

/// The outcome of a worker of which there is no report.
fn end_without_report(shared: &WorkerShared, problem: String, cancelled: Option<CancelReason>) {
    let mut state = shared.state.borrow_mut();
    let outcome = WorkerOutcome::without_report(problem, cancelled, state.has_started());
    state.end(shared.host.clock.now(), outcome);
}

//! `roboppi workflow run`

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use roboppi_attach::{RunSource, SameFile};
use roboppi_core::mask::SocketPlace;
use roboppi_core::worker::remove_abandoned;
use roboppi_ipc::{OverLimit, RecordLimits, WorkerKind};
use roboppi_process::guard::{self, GuardKind, GuardSettings, Role};
use roboppi_report::answer;
use roboppi_run::RunMode;
use roboppi_supervisor::{
    HeartbeatSettings, PreparedRun, RunEnd, RunSecrets, RunSettings, SpanSettings, WorkflowFile,
};
use roboppi_workflow::{BranchOptions, LimitPolicy, OnLimit, parse_duration};
use tokio::task::LocalSet;

use crate::commands::ipc_trace::trace;
use crate::commands::mask::make_place;
use crate::commands::workflow_file::{self, use_colour_of_run};
use crate::commands::{guarded, housekeeping, record};
use crate::cores::{Cores, OtherCore};
use crate::diagnostics;
use crate::exit::{self, Failure};
use crate::notify::Notifier;
use crate::options::{HowArgs, LimitChoice, Over, Switch};
use crate::runtime;
use crate::stdio;
use crate::telemetry::{self, Telemetry};
use crate::terminal::{self, env_flag};
use crate::view::{self, View};

mod args;
mod budget;
mod ci;
mod early_core;
mod inputs;
mod launch;
mod old;
mod plan;
mod reports;
mod resume;
mod status;
mod viewer;

pub(crate) use args::RunArgs;
pub(crate) use early_core::{Begun, EarlyCore};
use launch::launch;
use reports::Reports;
use resume::EarlierRun;
use viewer::Viewer;

/// How long the core may take to answer when nobody says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Characters of the name, and of the title, of a run that has none of its own.
const LONGEST_NAME: usize = 60;

pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let view = view::choose_view_of_run(&args.how)?;
    args.old.check()?;
    let cores = Cores::for_run(&args.how)?;
    let early = if args.plan.dry_run {
        None
    } else {
        match EarlyCore::fork(&args.how, &cores) {
            Begun::Core(ended) => return ended,
            Begun::Supervisor(early) => early,
        }
    };
    let path = workflow_file::named_or_default(args.file.as_deref())?;
    let mut file = workflow_file::read(&path, &args.reading, args.how.view.color, &cores.kinds())?;
    budget::set(args, &mut file.workflow)?;
    plan::set(args, &mut file.workflow)?;
    let core = cores.for_workflow(&file.workflow)?;
    let earlier = EarlierRun::find(args, &file)?;
    inputs::set(args, &mut file.workflow, earlier.as_ref())?;
    let workspace = earlier.as_ref().map(|run| run.workspace.clone());
    if args.plan.dry_run && earlier.is_none() {
        return plan::print(args, &file.workflow);
    }
    let mut settings = settings(&args.how, file, workspace)?;
    settings.fail_fast = args.plan.fail_fast;
    settings.branches = args.old.branches()?;
    if let Some(earlier) = earlier
        && let Some(code) = earlier.plan(args, &mut settings)?
    {
        return Ok(code);
    }
    perform(&args.how, settings, Core { other: core, early }, view, &Purpose::workflow(&path, args))
}

/// What a run is for.
#[derive(Clone, Debug)]
pub(crate) struct Purpose {
    /// Name on the screen.
    pub(crate) title: String,
    /// Whether stdout is for the answer of the only step, and everything else goes to stderr.
    pub(crate) answer: bool,
    /// The worker of the only step, then.
    pub(crate) worker: Option<WorkerKind>,
    /// How long lines may be silent, when that was asked for.
    pub(crate) heartbeat: Option<Duration>,
}

impl Purpose {
    fn workflow(file: &Path, args: &RunArgs) -> Self {
        let heartbeat = args.old.heartbeat();
        Self { title: file.display().to_string(), answer: false, worker: None, heartbeat }
    }
}

/// Runs a workflow to its end, and shows it.
pub(crate) fn execute(
    args: &HowArgs,
    cores: &Cores,
    file: WorkflowFile,
    early: Option<EarlyCore>,
    view: View,
    purpose: &Purpose,
) -> Result<ExitCode, Failure> {
    let other = cores.for_workflow(&file.workflow)?;
    let settings = settings(args, file, None)?;
    let title = settings.secrets.hidden.redact_str(&purpose.title).chars().take(LONGEST_NAME).collect();
    let purpose = Purpose { title, ..purpose.clone() };
    perform(args, settings, Core { other, early }, view, &purpose)
}

/// The core of a run.
struct Core {
    /// One of another author.
    other: Option<OtherCore>,
    /// Our own, when it waits already.
    early: Option<EarlyCore>,
}

/// How a run is shown, and what is written about it.
struct Shown<'a> {
    view: View,
    purpose: &'a Purpose,
    reports: Reports,
    notifier: Notifier,
}

fn perform(
    args: &HowArgs,
    mut settings: RunSettings,
    core: Core,
    view: View,
    purpose: &Purpose,
) -> Result<ExitCode, Failure> {
    let telemetry = Telemetry::of_environment();
    settings.spans = SpanSettings { parent: telemetry.parent, sampler: telemetry.sampler() };
    telemetry::hide(&mut settings.secrets);
    let silent = args.view.no_notify || env_flag("ROBOPPI_NOTIFY") == Some(false);
    let notifier = Notifier::configured(&mut settings.secrets, silent)?;
    let reports = Reports::new(&args.reports, args.min_free, telemetry, settings.secrets.hidden.clone())?;
    let Core { other, early } = core;
    let early = early.filter(|_| other.is_none()).and_then(|early| early.begin(&settings));
    let core = Core { other, early };
    // The guard keeps it too, and removes it when this process is killed. A core process has one of its own.
    let sockets = if args.direct { make_place() } else { None };
    let guarded = match guard(args, &settings)? {
        Some(Role::Guard(code)) => guarded::last_of_all(code, sockets),
        Some(Role::Guarded(guarded)) => Some(guarded),
        None => None,
    };
    diagnostics::start()?;
    let runtime =
        runtime::new().map_err(|error| Failure::own(format!("the supervisor cannot start: {error}")))?;
    let shown = Shown { view, purpose, reports, notifier };
    let supervising = async {
        match guarded {
            Some(guarded) => tokio::select! {
                end = supervise(args, settings, core, shown, sockets.as_ref()) => end,
                never = guarded::watch(guarded, sockets.as_ref()) => match never {},
            },
            None => supervise(args, settings, core, shown, None).await,
        }
    };
    let end = LocalSet::new().block_on(&runtime, supervising)?;
    // Threads that still wait for a disk or a terminal must not keep a finished run from ending.
    runtime.shutdown_background();
    if !args.direct && end.exit_code != 0 {
        // A core that was killed together with its guard has left its files to us.
        remove_abandoned();
    }
    Ok(ExitCode::from(end.exit_code))
}

/// Sees to it that nothing is left when this process is gone. With a core process, that has a guard, and we
/// take the orphans both of them leave; without one, this process gets a guard itself.
fn guard(args: &HowArgs, settings: &RunSettings) -> Result<Option<Role>, Failure> {
    if !args.direct {
        guard::require_proc().map_err(|error| Failure::infrastructure(error.to_string()))?;
        guard::become_subreaper();
        return Ok(None);
    }
    let guard =
        GuardSettings { grace: settings.longest_grace(), drain: settings.drain, kind: GuardKind::Direct };
    guard::fork(guard).map(Some).map_err(|error| Failure::infrastructure(format!("the guard: {error}")))
}

async fn supervise(
    args: &HowArgs,
    settings: RunSettings,
    core: Core,
    shown: Shown<'_>,
    sockets: Option<&SocketPlace>,
) -> Result<RunEnd, Failure> {
    let Shown { view, purpose, reports, notifier } = shown;
    let launch = launch(args, &settings, core.other, sockets, core.early);
    let state_dir = settings.state_dir.clone();
    let secrets = settings.secrets.hidden.clone();
    let (prepared, mut signals) = PreparedRun::new(settings).map_err(Failure::start)?;
    diagnostics::write_to(prepared.log_path(), secrets);
    if let Some(dir) = state_dir {
        housekeeping::start(dir);
    }
    let color = args.view.color;
    let colour = if purpose.answer {
        use_colour_of_run(color, &io::stderr())
    } else {
        use_colour_of_run(color, &io::stdout())
    };
    let source = prepared.source();
    signals.show_status(status::printer(Arc::clone(&source), view));
    let viewer = Viewer::start(view, Arc::clone(&source), args, purpose, colour, &mut signals)?;
    let watch = notifier.watch(&source);
    let (end, mut signals) = prepared.execute(launch, signals).await;
    // A screen may stay for hours; programs wait for the reports.
    let view_at_end = source.follow().view;
    let (mut warnings, undelivered) =
        tokio::join!(reports.write(Arc::clone(&source)), notifier.end(&view_at_end, watch));
    warnings.extend(undelivered);
    viewer.finish(exit::by_signal(end.exit_code), &mut signals).await;
    for warning in warnings {
        terminal::note(&format!("warning: {warning}"));
    }
    if let Some(worker) = purpose.worker.filter(|_| view != View::Json) {
        print_answer(source.as_ref())?;
        let words = worker.name().to_lowercase().replace('_', "-");
        // Lines have told why; the screen is gone, and with it all it said.
        if let Some(text) = answer::no_answer(&source.follow().view, &words, view == View::Tui) {
            // Who does not read it has the exit code.
            let _ = stdio::stderr().write_all(text.as_bytes());
        }
    }
    Ok(end)
}

/// Prints the last word of an agent that succeeded. That nobody reads it is not an error.
fn print_answer(source: &dyn RunSource) -> Result<(), Failure> {
    let view = source.follow().view;
    let Some(answer) = answer::answer(&view) else { return Ok(()) };
    let text = answer::printed(answer, io::stdout().is_terminal());
    let mut out = stdio::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("the answer cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// `earlier` is where the steps of the run worked that this one goes on with.
fn settings(
    args: &HowArgs,
    mut workflow: WorkflowFile,
    earlier: Option<PathBuf>,
) -> Result<RunSettings, Failure> {
    let current =
        || env::current_dir().map_err(|error| Failure::usage(format!("the current directory: {error}")));
    let workspace = match &args.workspace {
        Some(dir) if dir.starts_with("~") => {
            return Err(Failure::usage(format!(
                "the workspace {}: the shell has not replaced `~`\nhint: write `-w ~/…`, or $HOME instead of `~`; \
                 a directory of this name is `./~`",
                dir.display()
            )));
        }
        Some(dir) => {
            let dir = std::path::absolute(dir)
                .map_err(|error| Failure::usage(format!("the workspace {}: {error}", dir.display())))?;
            // Another spelling of the place where the earlier run worked is no other place.
            earlier.filter(|earlier| SameFile::as_file(&dir).is(earlier)).unwrap_or(dir)
        }
        None => earlier.map_or_else(current, Ok)?,
    };
    let secrets =
        RunSecrets::collect(&workflow.workflow, &workspace, env::vars_os()).map_err(Failure::usage)?;
    if workflow.path.as_os_str().is_empty() {
        // Of a run without a file nobody has chosen the name: it is the beginning of the instructions.
        let hidden = secrets.hidden.redact_str(&workflow.workflow.name);
        workflow.workflow.name = hidden.chars().take(LONGEST_NAME).collect();
    }
    Ok(RunSettings {
        source: workflow,
        workspace,
        // For people; what is no text is shown as such.
        arguments: env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        mode: if args.direct { RunMode::Direct } else { RunMode::Supervised },
        state_dir: record::state_root().map(|root| root.path().to_owned()),
        stream_stdio: match args.stream_stdio {
            Some(switch) => switch == Switch::On,
            None => terminal::env_flag("ROBOPPI_TUI_STREAM_STDIO").unwrap_or(true),
        },
        grace: args.grace,
        drain: args.drain,
        secrets,
        record_limits: RecordLimits {
            log_bytes: args.log_limit,
            run_bytes: args.run_log_limit,
            min_free_bytes: args.min_free,
            over: match args.log_over {
                Over::Truncate => OverLimit::Truncate,
                Over::Warn => OverLimit::Warn,
                Over::Kill => OverLimit::Kill,
            },
        },
        request_timeout: request_timeout(args)?,
        heartbeat: HeartbeatSettings { interval: args.heartbeat, limit: args.heartbeat_limit },
        trace: trace(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        other_core: exit::OTHER_CORE.to_owned(),
        limits: LimitPolicy { on_limit: on_limit(args), longest: args.limit_wait },
        fail_fast: false,
        branches: BranchOptions::default(),
        resume: None,
        spans: SpanSettings::default(),
    })
}

/// What was asked for, else what fits the streams: who sits at a terminal can see that a step waits, and cancel it.
pub(crate) fn on_limit(args: &HowArgs) -> OnLimit {
    match args.on_limit {
        Some(LimitChoice::Wait) => OnLimit::Wait,
        Some(LimitChoice::Fail) => OnLimit::Fail,
        None if io::stderr().is_terminal() && !view::is_ci() => OnLimit::Wait,
        None => OnLimit::Fail,
    }
}

/// The flag, then the two variables of the existing program, then two minutes.
fn request_timeout(args: &HowArgs) -> Result<Duration, Failure> {
    if let Some(timeout) = args.ipc_request_timeout {
        return Ok(timeout);
    }
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(text) = variable("ROBOPPI_IPC_REQUEST_TIMEOUT") {
        return parse_duration(&text)
            .map_err(|error| Failure::usage(format!("ROBOPPI_IPC_REQUEST_TIMEOUT: {error}")));
    }
    match variable("ROBOPPI_IPC_REQUEST_TIMEOUT_MS") {
        None => Ok(REQUEST_TIMEOUT),
        Some(text) => match text.trim().parse::<f64>() {
            Ok(millis) if millis >= 1.0 && millis.is_finite() => {
                Ok(Duration::from_secs_f64(millis.floor() / 1_000.0))
            }
            Ok(_) | Err(_) => Err(Failure::usage(format!(
                "ROBOPPI_IPC_REQUEST_TIMEOUT_MS: `{text}` is not a positive number of milliseconds"
            ))),
        },
    }
}

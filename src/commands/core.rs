//! `roboppi core`

use std::env;
use std::ffi::OsString;
use std::io::PipeReader;
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use roboppi_core::server::Transport;
use roboppi_core::worker::secrets_of;
use roboppi_core::{BreakerSettings, CoreSettings, GateSettings, PressureSettings, Variables};
use roboppi_process::guard::{self, GuardKind, GuardSettings, Role};
use roboppi_redact::Secrets;
use roboppi_worker_adapters::Adapters;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::task::LocalSet;

use crate::commands::guarded;
use crate::commands::ipc_trace::trace;
use crate::commands::mask::make_place;
use crate::diagnostics;
use crate::exit::Failure;
use crate::options::values::{duration, non_negative};
use crate::runtime;
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct CoreArgs {
    /// Number of workers that run at the same time
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,
    /// Agent workers that may start within a second; plain commands are bounded by --concurrency alone
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) rps: u32,
    /// Maximum total cost of agent workers, in US dollars [default: no limit]
    #[arg(long, value_name = "USD", value_parser = non_negative)]
    pub(crate) max_cost: Option<f64>,
    /// Load from which permits are rejected; 1 is full
    #[arg(long, value_name = "LOAD", default_value_t = 1.0, value_parser = non_negative)]
    pub(crate) bp_reject: f64,
    /// Load from which permits are deferred
    #[arg(long, value_name = "LOAD", default_value_t = 0.75, value_parser = non_negative)]
    pub(crate) bp_defer: f64,
    /// Load from which a permit grants half of the cost its job requests
    #[arg(long, value_name = "LOAD", default_value_t = 0.5, value_parser = non_negative)]
    pub(crate) bp_degrade: f64,
    /// Consecutive failures that open the circuit breaker of a kind of worker
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) cb_threshold: u32,
    /// Milliseconds until an open circuit breaker tries one worker
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    pub(crate) cb_reset_ms: u64,
    /// Failed tries after which the circuit breaker opens again
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) cb_half_open: u32,
    /// Grace period: time between SIGTERM and SIGKILL for a worker, unless its job has its own
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Time the pipes of an ended worker may stay open
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// Send hello only after the supervisor did, as when started without `core`
    #[arg(long, hide = true)]
    pub(crate) await_hello: bool,
    #[command(flatten)]
    pub(crate) old: OldCoreArgs,
}

/// Options of the existing program. Here a core has no screen, and no levels of what it says.
#[derive(Debug, Args)]
pub(crate) struct OldCoreArgs {
    #[arg(long, hide = true, overrides_with = "no_tui")]
    pub(crate) tui: bool,
    #[arg(long, hide = true, alias = "plain", overrides_with = "tui")]
    no_tui: bool,
    #[arg(long, hide = true, value_parser = ["debug", "info", "warn", "error", "fatal"])]
    log_level: Option<String>,
}

pub(crate) fn run(args: &CoreArgs) -> Result<ExitCode, Failure> {
    if args.old.tui {
        terminal::note("roboppi: --tui has no effect on a core, which has no screen of its own");
    }
    let transport =
        Transport::from_env(|name| env::var(name).ok()).map_err(|error| Failure::usage(error.to_string()))?;
    let start =
        CoreStart { gate: gate(args), grace: args.grace, drain: args.drain, awaits_hello: args.await_hello };
    serve(&transport, start, None)
}

/// What a core is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreStart {
    pub(crate) gate: GateSettings,
    pub(crate) grace: Duration,
    pub(crate) drain: Duration,
    pub(crate) awaits_hello: bool,
}

/// Becomes a guard, and forks the core that it guards. The file for diagnostics is what comes on `diagnostics`, up to its
/// end; without a pipe it is that of the environment.
pub(crate) fn serve(
    transport: &Transport,
    start: CoreStart,
    diagnostics: Option<PipeReader>,
) -> Result<ExitCode, Failure> {
    let CoreStart { gate, grace, drain, awaits_hello } = start;
    // The guard keeps it too, and removes it when this core is killed.
    let sockets = make_place();
    let guard = GuardSettings { grace, drain, kind: GuardKind::Core };
    let role = guard::fork(guard).map_err(|error| Failure::infrastructure(format!("the guard: {error}")))?;
    let guarded = match role {
        // It has closed what is open in its child.
        Role::Guard(code) => guarded::last_of_all(code, sockets),
        Role::Guarded(guarded) => guarded,
    };
    let variables = Variables::of_this_process();
    let secrets = secrets_of(&variables);
    diagnostics::start()?;
    if diagnostics.is_none() {
        diagnostics::write_as_configured(secrets.clone());
    }
    let settings = CoreSettings {
        variables,
        secrets: Some(secrets.clone()),
        gate,
        grace,
        drain,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trace: trace(),
        awaits_hello,
        sockets: sockets.as_ref().map(|place| place.path().to_owned()),
        ..CoreSettings::default()
    };
    let runtime = runtime::new().map_err(|error| Failure::own(format!("the core cannot start: {error}")))?;
    let serving = async {
        if let Some(pipe) = diagnostics {
            tokio::task::spawn_local(write_diagnostics(pipe, secrets));
        }
        tokio::select! {
            served = roboppi_core::server::serve_process(transport, settings, Adapters::builtin()) => served,
            never = guarded::watch(guarded, sockets.as_ref()) => match never {},
        }
    };
    LocalSet::new()
        .block_on(&runtime, serving)
        .map_err(|error| Failure::infrastructure(format!("the core ended: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes diagnostics to the file that the supervisor names once there is a run.
async fn write_diagnostics(pipe: PipeReader, secrets: Secrets) {
    let mut name = Vec::new();
    if let Ok(mut pipe) = Receiver::from_owned_fd(pipe.into()) {
        // What cannot be read is no name.
        let _ = pipe.read_to_end(&mut name).await;
    }
    if name.is_empty() {
        diagnostics::write_as_configured(secrets);
    } else {
        diagnostics::write_to(OsString::from_vec(name).into(), secrets);
    }
}

fn gate(args: &CoreArgs) -> GateSettings {
    GateSettings {
        concurrency: args.concurrency,
        per_second: args.rps,
        max_cost: args.max_cost,
        pressure: PressureSettings { reject: args.bp_reject, defer: args.bp_defer, degrade: args.bp_degrade },
        breaker: BreakerSettings {
            failures: args.cb_threshold,
            reset: Duration::from_millis(args.cb_reset_ms),
            tries: args.cb_half_open,
        },
    }
}

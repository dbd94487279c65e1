//! `roboppi core`

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use roboppi_core::server::Transport;
use roboppi_core::{BreakerSettings, CoreSettings, GateSettings, PressureSettings};
use roboppi_process::guard::{self, GuardKind, GuardSettings, Role};
use roboppi_worker_adapters::Adapters;
use tokio::task::LocalSet;

use crate::cli::CoreArgs;
use crate::commands::guarded;
use crate::commands::ipc_trace::trace;
use crate::commands::mask::make_place;
use crate::exit::Failure;
use crate::runtime;
use crate::terminal;

pub(crate) fn run(args: &CoreArgs) -> Result<ExitCode, Failure> {
    if args.old.tui {
        terminal::say("roboppi: --tui has no effect on a core, which has no screen of its own");
    }
    let transport =
        Transport::from_env(|name| env::var(name).ok()).map_err(|error| Failure::usage(error.to_string()))?;
    // The guard keeps it too, and removes it when this core is killed.
    let sockets = make_place();
    let guard = GuardSettings { grace: args.grace, drain: args.drain, kind: GuardKind::Core };
    let role = guard::fork(guard).map_err(|error| Failure::infrastructure(format!("the guard: {error}")))?;
    let guarded = match role {
        Role::Guard(code) => return Ok(guarded::last_of_all(code)),
        Role::Guarded(guarded) => guarded,
    };
    let settings = CoreSettings {
        gate: gate(args),
        grace: args.grace,
        drain: args.drain,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trace: trace(),
        awaits_hello: args.await_hello,
        sockets: sockets.as_ref().map(|place| place.path().to_owned()),
        ..CoreSettings::default()
    };
    let runtime = runtime::new().map_err(|error| Failure::own(format!("the core cannot start: {error}")))?;
    let serving = async {
        tokio::select! {
            served = roboppi_core::server::serve_process(&transport, settings, Adapters::builtin()) => served,
            never = guarded::watch(guarded, sockets.as_ref()) => match never {},
        }
    };
    LocalSet::new()
        .block_on(&runtime, serving)
        .map_err(|error| Failure::infrastructure(format!("the core ended: {error}")))?;
    Ok(ExitCode::SUCCESS)
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

//! `roboppi core`

use std::process::ExitCode;

use roboppi_core::CoreSettings;
use roboppi_worker_adapters::Adapters;
use tokio::task::LocalSet;

use crate::cli::CoreArgs;
use crate::exit::Failure;

pub(crate) fn run(args: &CoreArgs) -> Result<ExitCode, Failure> {
    let settings = CoreSettings {
        max_concurrency: args.concurrency,
        grace: args.grace,
        drain: args.drain,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..CoreSettings::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::own(format!("the core cannot start: {error}")))?;
    LocalSet::new()
        .block_on(&runtime, roboppi_core::server::serve_stdio(settings, Adapters::builtin()))
        .map_err(|error| Failure::infrastructure(format!("the core ended: {error}")))?;
    Ok(ExitCode::SUCCESS)
}

//! `roboppi host`: what a carrier starts on another host, and the keeper that it finds or starts there.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use roboppi_hosts::SessionName;
use roboppi_keeper::{KeepSettings, KeeperPlace, carry, keep};
use tokio::task::LocalSet;

use crate::commands::record;
use crate::exit::Failure;
use crate::runtime;

/// How often, and how long between, a place that is taken is looked at again.
const LOOKS: u32 = 50;
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug, Args)]
pub(crate) struct HostArgs {
    /// Become the keeper of a session, which is done by this command itself
    #[arg(long, value_name = "SESSION", hide = true)]
    pub(crate) keep: Option<String>,
}

pub(crate) fn run(args: &HostArgs) -> Result<ExitCode, Failure> {
    let state = record::root()?;
    let Some(session) = &args.keep else {
        carry(state.path(), &own_program(), env!("CARGO_PKG_VERSION"))
            .map_err(|error| Failure::usage(error.to_string()))?;
        return Ok(ExitCode::SUCCESS);
    };
    let session =
        SessionName::try_from(session.clone()).map_err(|error| Failure::usage(error.to_string()))?;
    let place = KeeperPlace::open(state.path(), &session)
        .map_err(|error| Failure::infrastructure(error.to_string()))?;
    let failed = |error| Failure::infrastructure(format!("the keeper of {session}: {error}"));
    let mut lock = place.try_lock().map_err(failed)?;
    for _ in 0..LOOKS {
        if lock.is_some() {
            break;
        }
        // A command that looks for the keeper may have it for a moment.
        sleep(LOOK);
        lock = place.try_lock().map_err(failed)?;
    }
    let Some(lock) = lock else {
        // Another one is there.
        return Ok(ExitCode::SUCCESS);
    };
    let settings =
        KeepSettings { place, lock, program: own_program(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let runtime = runtime::new().map_err(failed)?;
    LocalSet::new().block_on(&runtime, keep(settings)).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// This program, also when its file was replaced while it runs.
fn own_program() -> PathBuf {
    match env::current_exe() {
        Ok(path) if path.exists() => path,
        Ok(_) | Err(_) => "/proc/self/exe".into(),
    }
}

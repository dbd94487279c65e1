//! `scribe-core`: a core of roboppi that knows the agent `scribe`.
//!
//! It is started by roboppi once `cores: { SCRIBE: …/scribe-core }` is in the configuration file.

use std::env;
use std::process::ExitCode;

use roboppi_core::CoreSettings;
use roboppi_core::server::{Transport, serve_process};
use roboppi_worker_adapters::Adapters;
use scribe_adapter::ScribeAdapter;
use tokio::task::LocalSet;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scribe-core: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut adapters = Adapters::builtin();
    adapters.add(ScribeAdapter);
    let transport = Transport::from_env(|name| env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serving = serve_process(&transport, CoreSettings::default(), adapters);
    LocalSet::new().block_on(&runtime, serving)?;
    Ok(())
}

//! `roboppi doctor`: whether everything that runs need is there, and what to do where it is not.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Args;
use roboppi_report::doctor::{self, Check, Health};

use crate::commands::out;
use crate::commands::workflow_file::use_colour;
use crate::exit::{Failure, REFUSED};
use crate::options::Color;

mod environment;
mod others;
mod state;
mod terminal;
mod tools;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Repair what can be repaired without a loss: permissions, and what killed runs left
    #[arg(long)]
    fix: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Something that was looked at, and how to repair it.
struct Finding {
    check: Check,
    fix: Option<Fix>,
}

/// Repairs something; gives what was done, or why it could not be.
type Fix = Box<dyn FnOnce() -> Result<String, String>>;

impl Finding {
    fn fixed_by(check: Check, fix: impl FnOnce() -> Result<String, String> + 'static) -> Self {
        Self { check: check.fixable(), fix: Some(Box::new(fix)) }
    }
}

impl From<Check> for Finding {
    fn from(check: Check) -> Self {
        Self { check, fix: None }
    }
}

/// Exit code 1 when something does not work.
pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let findings = [state::look(), environment::look(), tools::look(), others::look(), terminal::look()];
    let checks: Vec<Check> =
        findings.into_iter().flatten().map(|finding| settled(finding, args.fix)).collect();
    let colour = use_colour(Color::Auto, io::stdout().is_terminal());
    let text = if args.json { doctor::array(&checks) } else { doctor::list(&checks, colour) };
    let printed = out::print(&text)?;
    let broken = checks.iter().any(|check| check.health == Health::Error && check.fixed.is_none());
    Ok(if broken { ExitCode::from(REFUSED) } else { printed })
}

fn settled(Finding { mut check, fix }: Finding, wanted: bool) -> Check {
    if let Some(fix) = fix.filter(|_| wanted) {
        match fix() {
            Ok(done) => check.fixed = Some(done),
            Err(why) => check.advice = Some(format!("cannot be fixed: {why}")),
        }
    }
    check
}

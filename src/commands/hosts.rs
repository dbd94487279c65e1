//! `roboppi hosts`: the hosts of the configuration file, and how each of them is.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use roboppi_attach::RunSummary;
use roboppi_report::hosts::{self, HostAnswer, ListedHost};
use roboppi_supervisor::{AskedHost, ask_host};
use roboppi_workflow::{Carrier, HostSpec};
use tokio::task::{LocalSet, spawn_local};

use crate::commands::{host_selection, out, record};
use crate::cores::Cores;
use crate::exit::Failure;
use crate::options::values::duration;
use crate::runtime;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  roboppi hosts
  roboppi hosts check build-1 web
  roboppi hosts update all

Hosts are described under `hosts:` in the configuration file. Each one is asked over its own connection, all at once."
)]
pub(crate) struct HostsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<HostsCommand>,
    #[command(flatten)]
    pub(crate) how: AskArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostsCommand {
    /// Ask hosts how they are, and fail unless all of them answer
    Check(SelectArgs),
    /// Copy this program to hosts that do not have it, as the first run would
    Update(SelectArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SelectArgs {
    /// Names and labels of hosts, or `all`
    #[arg(value_name = "HOSTS", value_delimiter = ',', required = true)]
    pub(crate) hosts: Vec<String>,
    #[command(flatten)]
    pub(crate) how: AskArgs,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct AskArgs {
    /// Time in which a host has to answer
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Print a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &HostsArgs) -> Result<ExitCode, Failure> {
    let cores = Cores::for_validation()?;
    let all = ["all".to_owned()];
    let (words, how, may_install, must_answer) = match &args.command {
        None => (&all[..], args.how, false, false),
        Some(HostsCommand::Check(select)) => (&select.hosts[..], select.how, false, true),
        Some(HostsCommand::Update(select)) => (&select.hosts[..], select.how, true, true),
    };
    let names = host_selection::select(words, cores.hosts())?;
    let specs = names.into_iter().filter_map(|name| {
        let spec = cores.hosts().get(&name)?.clone();
        Some((name, spec))
    });
    let listed = ask(specs.collect(), how.timeout, may_install)?;
    let code = out::print(&if how.json { hosts::array(&listed) } else { hosts::list(&listed) })?;
    let is_well = listed.iter().all(|host| host.answer.is_ok());
    Ok(if is_well || !must_answer { code } else { ExitCode::FAILURE })
}

/// Asks all of them at the same time.
fn ask(
    specs: Vec<(String, HostSpec)>,
    limit: Duration,
    may_install: bool,
) -> Result<Vec<ListedHost>, Failure> {
    let handles = handles();
    let runtime =
        runtime::new().map_err(|error| Failure::infrastructure(format!("hosts cannot be asked: {error}")))?;
    LocalSet::new().block_on(&runtime, async {
        let asking: Vec<_> = specs
            .into_iter()
            .map(|(name, spec)| {
                let asked = spec.clone();
                (name, spec, spawn_local(async move { ask_host(&asked, limit, may_install).await }))
            })
            .collect();
        let mut listed = Vec::new();
        for (name, spec, asked) in asking {
            let answer = asked.await.unwrap_or_else(|error| Err(error.to_string()));
            let via = match &spec.carrier {
                Carrier::Ssh(destination) => destination.clone(),
                Carrier::Command(words) => words.join(" "),
            };
            let answer = answer.map(|asked| answered(&name, asked, &handles));
            listed.push(ListedHost { name, via, labels: spec.labels, concurrency: spec.concurrency, answer });
        }
        Ok(listed)
    })
}

/// Handles of the runs of this machine by their ids.
fn handles() -> Vec<(String, String)> {
    let runs = record::root().ok().and_then(|root| RunSummary::all(&root, record::now()).ok());
    let handle = |run: RunSummary| Some((run.id.as_str().to_owned(), run.handle?.to_string()));
    runs.unwrap_or_default().into_iter().filter_map(handle).collect()
}

fn answered(host: &str, asked: AskedHost, handles: &[(String, String)]) -> HostAnswer {
    let AskedHost { report, connected_in, round_trip, clock_ahead_ms, installed } = asked;
    let run = |session: &str| {
        // Sessions of other machines and of other hosts keep their whole name.
        let id = session.strip_suffix(host).and_then(|rest| rest.strip_suffix('.')).unwrap_or(session);
        let handle = handles.iter().find(|(known, _)| known == id);
        handle.map_or_else(|| id.to_owned(), |(_, handle)| handle.clone())
    };
    HostAnswer {
        version: report.version,
        platform: format!("{} {}", report.os, report.arch),
        cpus: report.cpus,
        connected_in,
        round_trip,
        clock_ahead_ms,
        runs: report.sessions.iter().map(|of| (run(of.session.as_str()), of.is_live)).collect(),
        installed,
    }
}

//! `roboppi on`: one command on several hosts at once, as a run with a step for each of them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use roboppi_run::shell_word;
use roboppi_supervisor::WorkflowFile;
use roboppi_workflow::{WorkerKinds, parse_within};
use serde_json::{Map, json};

use crate::commands::host_selection;
use crate::commands::workflow_run::{self, Begun, EarlyCore, Purpose};
use crate::cores::Cores;
use crate::exit::Failure;
use crate::options::HowArgs;
use crate::options::values::duration;
use crate::view;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  roboppi on build-1 -- uptime
  roboppi on web-1,web-2 -- 'cd app && git pull && make restart'
  roboppi on web --batch 2 -- 'make restart'
  roboppi on all --timeout 10m -- nixos-rebuild switch

Hosts are described under `hosts:` in the configuration file. Each of them is a step of a run: attach, logs and show work as for
every other one.")]
pub(crate) struct OnArgs {
    /// Names and labels of hosts, separated by commas, or `all`
    #[arg(value_name = "HOSTS", value_delimiter = ',', required = true)]
    pub(crate) hosts: Vec<String>,
    /// The command: one word is a line for the shell there, several are a program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// Hosts at a time [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: Option<u32>,
    /// Time limit
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) how: HowArgs,
}

pub(crate) fn run(args: &OnArgs) -> Result<ExitCode, Failure> {
    let view = view::choose_view_of_run(&args.how)?;
    let cores = Cores::for_run(&args.how)?;
    let hosts = host_selection::select(&args.hosts, cores.hosts())?;
    let early = match EarlyCore::fork(&args.how, &cores) {
        Begun::Core(ended) => return ended,
        Begun::Supervisor(early) => early,
    };
    let context = tempfile::Builder::new().prefix("roboppi-on-").tempdir();
    let context =
        context.map_err(|error| Failure::infrastructure(format!("no temporary directory: {error}")))?;
    let line = match args.command.as_slice() {
        [line] => line.clone(),
        words => words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "),
    };
    let step = |host: &String| {
        let step = json!({
            "worker": "CUSTOM",
            "host": host,
            "capabilities": ["RUN_COMMANDS"],
            "instructions": line,
        });
        (host.clone(), step)
    };
    let title = format!("{} on {}", line.lines().next().unwrap_or_default(), args.hosts.join(","));
    let whole = json!({
        "name": title,
        "version": "1",
        "timeout": format!("{}ms", args.timeout.as_millis().max(1)),
        "concurrency": args.batch.map_or(hosts.len(), |batch| hosts.len().min(batch as usize)),
        "context_dir": context.path().to_string_lossy(),
        "steps": hosts.iter().map(step).collect::<Map<_, _>>(),
    });
    let text = serde_json::to_string_pretty(&whole).map_err(Failure::own)?;
    let kinds = WorkerKinds::any().with_hosts(cores.hosts().clone());
    let parsed = parse_within(&text, text.len(), &kinds);
    let Some(workflow) = parsed.workflow else {
        return Err(Failure::usage(parsed.render("roboppi on", &text, false)));
    };
    let file = WorkflowFile { path: PathBuf::new(), most_bytes: text.len(), text, workflow };
    let purpose = Purpose { title, answer: false, worker: None, heartbeat: None };
    workflow_run::execute(&args.how, &cores, file, early, view, &purpose)
}

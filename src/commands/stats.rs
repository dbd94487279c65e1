//! `roboppi stats`

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use roboppi_attach::{SameFile, Statistic, Statistics};
use roboppi_ipc::UtcMillis;
use roboppi_report::stats::{self, Subject, TextStyle};
use roboppi_stats::{RunFigures, Selection};

use crate::commands::workflow_file::use_colour;
use crate::commands::{out, record};
use crate::exit::Failure;
use crate::options::Color;
use crate::options::moment::{Moment, moment};
use crate::options::values::duration;
use crate::terminal;

mod maintain;

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Print a JSON object; with --watch one line for each change
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// The format: tables, a JSON object, the text format of Prometheus, or the metrics file of Pyjama
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Only runs that began since a duration ago, such as `7d`, or a time, such as `2026-01-31`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only runs that began before a duration ago, such as `30d`, or a time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// Only runs of this workflow: its name, or its file
    #[arg(long, value_name = "NAME|FILE")]
    workflow: Option<String>,
    /// Print again whenever something has changed, until interrupted
    #[arg(long, conflicts_with = "maintain")]
    watch: bool,
    /// Keep a file up to date until interrupted: JSON, or --format. Readers see the old content or the new, never a part
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    maintain: Option<PathBuf>,
    /// Time between two looks at the runs, with --watch and --maintain
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    interval: Duration,
}

/// A form of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Prometheus,
    Pyjama,
}

/// Shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &StatsArgs) -> Result<ExitCode, Failure> {
    let mut counter = Counter::of(args)?;
    match &args.maintain {
        Some(file) => maintain::maintain(&mut counter, file),
        None if args.watch => watch(&mut counter),
        None => out::print(&counter.count()?.rendered),
    }
}

/// Counts the runs that were asked for, and renders the result.
struct Counter<'a> {
    args: &'a StatsArgs,
    format: Format,
    file: Option<SameFile>,
    on_terminal: bool,
    statistics: Statistics,
}

/// What was counted.
struct Count {
    statistic: Statistic,
    rendered: String,
}

impl<'a> Counter<'a> {
    fn of(args: &'a StatsArgs) -> Result<Self, Failure> {
        let default = if args.json || args.maintain.is_some() { Format::Json } else { Format::Text };
        Ok(Self {
            args,
            format: args.format.unwrap_or(default),
            file: args.workflow.as_ref().map(|name| SameFile::as_file(Path::new(name))),
            on_terminal: args.maintain.is_none() && io::stdout().is_terminal(),
            statistics: Statistics::of(record::root()?),
        })
    }

    fn count(&mut self) -> Result<Count, Failure> {
        self.statistics.update().map_err(Failure::own)?;
        let now = record::now();
        let selection = self.selection(now);
        let takes = |run: &RunFigures| self.takes(run);
        let statistic = self.statistics.totals(&selection, &takes);
        let workflow = self.args.workflow.as_deref();
        let subject = Subject { statistic: &statistic, selection: &selection, workflow, now };
        let rendered = match self.format {
            Format::Text => {
                let height = if self.args.watch { terminal::height() } else { None };
                stats::text(&subject, TextStyle { colour: use_colour(Color::Auto, self.on_terminal), height })
            }
            Format::Json => stats::object(&subject, self.args.watch),
            Format::Prometheus => stats::exposition(&subject),
            Format::Pyjama => stats::metrics(&subject),
        };
        Ok(Count { statistic, rendered })
    }

    fn selection(&self, now: UtcMillis) -> Selection {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.before(now));
        Selection { since: at(self.args.since), until: at(self.args.until) }
    }

    fn takes(&self, run: &RunFigures) -> bool {
        let is_file = || {
            let path = Path::new(&run.workflow);
            !run.workflow.is_empty() && self.file.as_ref().is_some_and(|file| file.is(path))
        };
        self.args.workflow.as_ref().is_none_or(|name| run.name == *name || is_file())
    }

    fn pause(&self) {
        thread::sleep(self.args.interval.max(SHORTEST));
    }
}

/// Prints until stdout is closed or the program is interrupted.
fn watch(counter: &mut Counter<'_>) -> Result<ExitCode, Failure> {
    let redraws = counter.on_terminal && counter.format == Format::Text;
    let mut last: Option<Count> = None;
    loop {
        let count = counter.count()?;
        let is_new = last.as_ref().is_none_or(|last| {
            last.statistic.totals != count.statistic.totals || (redraws && last.rendered != count.rendered)
        });
        if is_new {
            let text = if redraws { stats::redrawn(&count.rendered) } else { count.rendered.clone() };
            out::print(&text)?;
            last = Some(count);
        }
        if (out::audience().is_gone)() {
            return Ok(ExitCode::SUCCESS);
        }
        counter.pause();
    }
}

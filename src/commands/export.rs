//! `roboppi export`

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use roboppi_attach::{Liveness, LocalRun, RunFollower};
use roboppi_record::{PortableHead, RecordError};
use roboppi_report::ReportError;
use roboppi_report::export::otlp::{Attributes, Spans};
use roboppi_report::export::{JUnit, StepOutput, Trace};
use roboppi_report::units::bytes;
use roboppi_run::{RunId, RunView, TimelineBuilder};
use roboppi_web::{PackError, PackedPage, PackedRun};

use crate::commands::target::write_to;
use crate::commands::{completion, logs, record};
use crate::exit::{self, Failure};
use crate::options::values::size;
use crate::terminal::{self, plain};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The run: its handle such as r17, its id, a unique prefix of it, or -1 for the last one
    #[arg(allow_negative_numbers = true, add = ArgValueCompleter::new(completion::runs))]
    pub(crate) run: String,
    /// The step to export, with --format txt or json
    #[arg(add = ArgValueCompleter::new(completion::steps))]
    pub(crate) step: Option<String>,
    /// The file to write; an existing one is replaced [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Format of the export [default: archive, or txt for a step]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ExportFormat>,
    /// The attempt of the step, from 1 [default: the last one]
    #[arg(long, value_name = "N", requires = "step", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempt: Option<u32>,
    /// Space to leave free on the disk of FILE; 0 for no limit
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(crate) min_free: u64,
    /// Longest file with --format html [default: 32MiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_size: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// The whole run, for `roboppi import` on another machine: tar, compressed with zstd
    Archive,
    /// The log of a step, each line with its time, with a header and the result
    Txt,
    /// The same as one JSON object
    Json,
    /// The whole run as one page for a browser, which needs no server
    Html,
    /// A trace for ui.perfetto.dev or chrome://tracing
    Perfetto,
    /// A report of the steps as test cases, for the test reports of CI systems
    Junit,
    /// A trace as JSON of OTLP, for collectors of OpenTelemetry
    Otlp,
}

/// Longest page without `--max-size`, in bytes: a browser opens it at once, and CI systems keep it.
const LONGEST_PAGE: u64 = 32 * 1024 * 1024;

/// What is wrong with a run is said so often.
const DAMAGE: usize = 20;

pub(crate) fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let format = args.format.unwrap_or(match args.step {
        Some(_) => ExportFormat::Txt,
        None => ExportFormat::Archive,
    });
    if args.max_size.is_some() && format != ExportFormat::Html {
        return Err(Failure::usage("--max-size is for --format html"));
    }
    let run = record::find(&args.run)?;
    let target = args.output.as_deref().filter(|path| *path != Path::new("-"));
    match (format, &args.step) {
        (ExportFormat::Archive, None) => archive(&run, target, args.min_free),
        (ExportFormat::Html, None) => html(&run, target, args),
        (ExportFormat::Perfetto, None) => {
            let trace = trace_of(&run);
            write_to(target, args.min_free, |out| trace.write(out).map_err(ReportError::Out))
        }
        (ExportFormat::Junit, None) => {
            let (view, liveness) = record::view_of(&run);
            let record = run.record();
            let report = JUnit::new(record.as_ref(), &view, liveness);
            write_to(target, args.min_free, |out| report.write(out).map_err(ReportError::Out))
        }
        (ExportFormat::Otlp, None) => {
            let (view, liveness) = record::whole_view_of(&run);
            let record = run.record();
            let spans = Spans::of(record.as_ref(), &view, liveness, Attributes::default());
            write_to(target, args.min_free, |out| spans.write(out).map_err(ReportError::Out))
        }
        (ExportFormat::Txt | ExportFormat::Json, Some(name)) => {
            let run = logs::origin(&record::root()?, run, name)?;
            step(&run, name, args, format, target)
        }
        (
            ExportFormat::Archive
            | ExportFormat::Html
            | ExportFormat::Perfetto
            | ExportFormat::Junit
            | ExportFormat::Otlp,
            Some(_),
        ) => {
            Err(Failure::usage("a step alone has the formats txt and json; leave STEP out for the whole run"))
        }
        (ExportFormat::Txt | ExportFormat::Json, None) => {
            Err(Failure::usage("which step? `roboppi export RUN STEP --format txt`"))
        }
    }
}

/// What one step wrote.
fn step(
    run: &LocalRun,
    name: &str,
    args: &ExportArgs,
    format: ExportFormat,
    target: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let (view, liveness) = record::view_of(run);
    let record = run.record();
    let mut output = StepOutput::find(run.id(), record.as_ref(), &view, liveness, name, args.attempt)
        .map_err(Failure::report_error)?;
    let code = write_to(target, args.min_free, |out| match format {
        ExportFormat::Json => output.write_json(out),
        _ => output.write_text(out, target.is_none() && io::stdout().is_terminal()),
    })?;
    let damage = output.damage().map_err(Failure::report_error)?;
    Ok(if report_damage(&damage) { ExitCode::from(exit::INFRASTRUCTURE) } else { code })
}

/// Says what is wrong, and whether anything is.
fn report_damage(damage: &[String]) -> bool {
    for one in damage {
        terminal::note(&format!("error: {one}"));
    }
    !damage.is_empty()
}

fn archive(run: &LocalRun, target: Option<&Path>, min_free: u64) -> Result<ExitCode, Failure> {
    if target.is_none() && io::stdout().is_terminal() {
        return Err(Failure::usage("an archive is not written to a terminal; name a file with -o FILE"));
    }
    let id = run.id().ok_or_else(|| Failure::usage("the directory of the run has no name of a run"))?;
    let (view, liveness) = record::view_of(run);
    let live = liveness.may_live();
    let head = head(run, id.clone(), live);
    let name = target.unwrap_or_else(|| Path::new("standard output")).to_owned();
    let mut exported = None;
    let code = write_to(target, min_free, |out| {
        exported = Some(run.run_dir().export(&head, out, &name).map_err(|error| match error {
            RecordError::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                ReportError::Out(source)
            }
            error => ReportError::Record(error),
        })?);
        Ok(())
    })?;
    if let Some(exported) = exported {
        let going_on = match liveness {
            Liveness::Live => "; it is still going on, and this is its present state",
            Liveness::Elsewhere { .. } => "; it may be going on elsewhere, and this is its present state",
            Liveness::Finished(_) | Liveness::Lost => "",
        };
        let (files, size) = (exported.files, bytes(exported.bytes));
        terminal::note(&format!(
            "roboppi: {} is in {}, {files} files, {size}{going_on}",
            run.name(),
            name.display()
        ));
        for path in exported.left_out {
            let path = plain(&path.display().to_string());
            terminal::note(&format!(
                "roboppi: not in it: {path}, which is a symbolic link or a special file and no part of a record"
            ));
        }
        note_logs_elsewhere(&view);
    }
    // All of it was read, so it costs little to look at all of it.
    let damage = run.run_dir().damage(DAMAGE, u64::MAX).map_err(Failure::record)?;
    let damage: Vec<_> = damage.iter().map(|one| plain(one)).collect();
    Ok(if report_damage(&damage) { ExitCode::from(exit::INFRASTRUCTURE) } else { code })
}

/// The run as a page, of which what has no room is said.
fn html(run: &LocalRun, target: Option<&Path>, args: &ExportArgs) -> Result<ExitCode, Failure> {
    let (view, liveness) = record::whole_view_of(run);
    let at = record::now();
    let packed = PackedRun { run, view: &view, liveness, at, version: env!("CARGO_PKG_VERSION") };
    let page =
        PackedPage::new(&packed, args.max_size.unwrap_or(LONGEST_PAGE)).map_err(|error| match error {
            PackError::TooSmall { needed, .. } => {
                Failure::usage(error).hint(&format!("--max-size {}KiB is enough for it", needed / 1024 + 1))
            }
            error => Failure::own(error),
        })?;
    let code = write_to(target, args.min_free, |out| page.write(out).map_err(ReportError::Out))?;
    for what in page.left_out() {
        terminal::note(&format!("roboppi: not in it: {}", plain(what)));
    }
    if page.is_short_of_room() {
        terminal::note("roboppi: a larger --max-size has more, and the archive has everything");
    }
    let mut damage = run.run_dir().damage(DAMAGE, u64::MAX).map_err(Failure::record)?;
    if damage.is_empty() {
        damage.extend(page.unreadable().iter().cloned());
    }
    let damage: Vec<_> = damage.iter().map(|one| plain(one)).collect();
    Ok(if report_damage(&damage) { ExitCode::from(exit::INFRASTRUCTURE) } else { code })
}

/// Says which steps an export has no logs of, because another run did them, and how to get those.
fn note_logs_elsewhere(view: &RunView) {
    let mut origins: BTreeMap<&RunId, Vec<String>> = BTreeMap::new();
    for step in &view.steps {
        if let Some(kept) = &step.kept {
            origins.entry(&kept.run).or_default().push(plain(step.plan.step.as_str()));
        }
    }
    for (run, steps) in origins {
        let steps = steps.join(", ");
        terminal::note(&format!(
            "roboppi: not in it: the logs of {steps}, done by run {run} and kept; `roboppi export {run}` has them"
        ));
    }
}

/// What the archive says of itself. A run that came from elsewhere keeps the host it is from.
fn head(run: &LocalRun, id: RunId, live: bool) -> PortableHead {
    let record = run.record();
    let known = record.manifest().map(|manifest| manifest.host).ok();
    let known = known.or_else(|| record.imported().map(|imported| imported.from.host));
    let here = || nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned();
    let host = known.unwrap_or_else(here);
    PortableHead::new(id, host, env!("CARGO_PKG_VERSION").to_owned(), record::now(), live)
}

fn trace_of(run: &LocalRun) -> Trace {
    let mut follower = RunFollower::new(run);
    let mut timeline = TimelineBuilder::default();
    follower.read(|record| timeline.record(&record));
    record::warn(&follower.problems());
    Trace::new(timeline.finish(), run.id().map(|id| id.to_string()).unwrap_or_default())
}

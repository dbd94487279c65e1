//! `roboppi watch`: files of other programs become runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
use roboppi_attach::LocalRun;
use roboppi_ingest::Format;
use roboppi_process::HeardSignal;
use roboppi_watch::{
    BACKLOG, Notice, Place, SILENT_AFTER, Source, SourceState, SourceStatus, WatchError, WatchSpec, Watching,
};

use crate::commands::{completion, record};
use crate::exit::Failure;
use crate::options::values::{duration, size};
use crate::{runtime, terminal};

/// Time between two looks whether all of a file is recorded, with --once.
const LOOK: Duration = Duration::from_millis(20);

/// How long nothing must be new with --once: records of several lines wait for the next one, and ends of sessions for what follows.
const QUIET: Duration = Duration::from_millis(2_600);

#[derive(Debug, Args)]
#[command(after_help = "Sources with a name:
  victor   ~/.victor/logs/victor.log
  pyjama   ~/.pyjama/metrics.json
  claude   the session files of Claude Code in ~/.claude/projects

Formats: victor, victor-jsonl, jsonl, pyjama, claude-project, regex:PATTERN
  groups of PATTERN: time, level, message, session, step, tool, status

Examples:
  roboppi watch victor
  roboppi watch app.log --format 'regex:^(?<time>\\S+ \\S+) (?<level>[A-Z]+) (?<message>.*)'")]
pub(crate) struct WatchArgs {
    /// Files to follow, or names of sources. A file need not be there yet
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath, add = ArgValueCandidates::new(names))]
    files: Vec<PathBuf>,
    /// Format of the files [default: that of the source with this name, or jsonl for *.jsonl]
    #[arg(long, value_name = "FORMAT", value_parser = format, add = ArgValueCandidates::new(formats))]
    format: Option<Format>,
    /// The run that everything goes to, of a program that records itself [default: a run for each session]
    #[arg(long, value_name = "RUN", allow_hyphen_values = true, add = ArgValueCompleter::new(completion::runs))]
    run: Option<String>,
    /// Name of the runs [default: the session, or the file]
    #[arg(long, value_name = "NAME", conflicts_with = "run")]
    name: Option<String>,
    /// Record the end of a file that is there before it is followed for the first time; `0` is nothing of it
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = size, conflicts_with = "all")]
    backlog: u64,
    /// Record all of a file that is there before it is followed for the first time
    #[arg(long)]
    all: bool,
    /// Record events of this category of Victor only, such as TOOL; others are counted. May be repeated
    #[arg(long = "category", value_name = "CATEGORY")]
    categories: Vec<String>,
    /// Time without a line after which a run is lost
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration)]
    silent_after: Duration,
    /// Record what is there, and end
    #[arg(long)]
    once: bool,
}

/// A format on the command line.
pub(crate) fn format(text: &str) -> Result<Format, String> {
    Format::read(text).map_err(|error| error.to_string())
}

/// Names of sources.
pub(crate) fn names() -> Vec<CompletionCandidate> {
    ["victor", "pyjama", "claude"].into_iter().map(CompletionCandidate::new).collect()
}

/// Names of formats.
pub(crate) fn formats() -> Vec<CompletionCandidate> {
    let names = ["victor", "victor-jsonl", "jsonl", "pyjama", "claude-project", "regex:"];
    names.into_iter().map(CompletionCandidate::new).collect()
}

impl WatchArgs {
    fn source(&self, file: &Path) -> Result<Source, Failure> {
        let source = source(file, self.format.as_ref())?;
        let backlog = if self.all { u64::MAX } else { self.backlog };
        Ok(Source { backlog, categories: self.categories.clone(), name: self.name.clone(), ..source })
    }
}

/// The source that a file or a name on the command line means.
pub(crate) fn source(file: &Path, format: Option<&Format>) -> Result<Source, Failure> {
    let source = match (format, file.to_str()) {
        (None, Some(name @ ("victor" | "pyjama" | "claude"))) => {
            let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
            let home = home.ok_or_else(|| {
                Failure::usage(format!("there is no HOME, so the files of {name} are not known"))
            })?;
            match name {
                "victor" => Source::victor(&home),
                "pyjama" => Source::pyjama(&home),
                _ => Source::claude(&home),
            }
        }
        (None, _) if file.extension().is_some_and(|extension| extension == "jsonl") => {
            Source::of(Format::Jsonl, Place::File(file.to_owned()))
        }
        (None, _) => {
            let error = format!("the format of {} is not known", file.display());
            return Err(Failure::usage(error).hint("name it with --format, such as --format victor"));
        }
        (Some(format @ Format::ClaudeProject), _)
            if file.extension().is_none_or(|extension| extension != "jsonl") =>
        {
            Source::of(format.clone(), Place::Sessions(file.to_owned()))
        }
        (Some(format), _) => Source::of(format.clone(), Place::File(file.to_owned())),
    };
    let place = match source.place {
        Place::File(path) => Place::File(absolute(path)),
        Place::Sessions(path) => Place::Sessions(absolute(path)),
    };
    if let Place::File(path) = &place
        && path.is_dir()
    {
        return Err(Failure::usage(format!("{} is a directory", path.display())));
    }
    Ok(Source { place, ..source })
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

pub(crate) fn run(args: &WatchArgs) -> Result<ExitCode, Failure> {
    const _: () = assert!(BACKLOG == 64 * 1024 && SILENT_AFTER.as_secs() == 30 * 60);

    let root = record::root()?;
    let sources = args.files.iter().map(|file| args.source(file)).collect::<Result<Vec<_>, _>>()?;
    let given = |text: &String| LocalRun::find(&root, text).map_err(|error| record::unknown(&root, &error));
    let run = args.run.as_ref().map(given).transpose()?;
    let spec = WatchSpec {
        run,
        sources,
        silent_after: args.silent_after,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        takes_over: false,
        root,
    };
    // Before there is another thread, which would get the signals.
    let runtime =
        runtime::new().map_err(|error| Failure::own(format!("signals cannot be handled: {error}")))?;
    let signals = {
        let _entered = runtime.enter();
        let heard = [
            HeardSignal::unless_ignored(SIGINT),
            HeardSignal::always(SIGTERM),
            HeardSignal::unless_ignored(SIGHUP),
        ];
        heard.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let signals = signals.map_err(|error| Failure::own(format!("signals cannot be handled: {error}")))?;
    let [mut int, mut term, mut hup] =
        <[HeardSignal; 3]>::try_from(signals).map_err(|_| Failure::own("signals cannot be handled"))?;
    let watching = roboppi_watch::start(spec, announce).map_err(failure)?;
    let ended = runtime.block_on(async {
        tokio::select! {
            () = int.recv() => true,
            () = term.recv() => true,
            () = hup.recv() => true,
            () = recorded(&watching), if args.once => false,
        }
    });
    Ok(report(&watching.stop(), ended))
}

/// Waits until nothing is new for a while.
async fn recorded(watching: &Watching) {
    let (mut last, mut since) = (watching.status(), Instant::now());
    while since.elapsed() < QUIET {
        tokio::time::sleep(LOOK).await;
        let now = watching.status();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

/// Why nothing can be followed.
pub(crate) fn failure(error: WatchError) -> Failure {
    match error {
        WatchError::Busy(_) => {
            Failure::refused(error).hint("it is recorded once; end the other process to follow it here")
        }
        WatchError::Record(error) => Failure::infrastructure(error),
        WatchError::Thread(_) => Failure::own(error),
    }
}

fn announce(Notice { path, text, is_problem }: Notice) {
    let kind = if is_problem { "warning: " } else { "" };
    terminal::note(&format!("{kind}{} {}", path.display(), terminal::plain(&text)));
}

/// What was counted. What is failing at the end is not recorded.
fn report(statuses: &[SourceStatus], is_interrupted: bool) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for status in statuses {
        let counts = &status.counts;
        let mut words = vec![format!("{} lines", counts.lines)];
        let further = [
            (counts.bad, "were no records and are kept as they are"),
            (counts.filtered, "events of other categories"),
            (counts.truncated, "times shorter, with lines missing"),
            (counts.refused, "records refused"),
        ];
        words.extend(
            further
                .into_iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, what)| format!("{count} {what}")),
        );
        let state = match &status.state {
            SourceState::Failing(why) => {
                code = ExitCode::from(crate::exit::INFRASTRUCTURE);
                format!("; it {why}")
            }
            SourceState::Absent if !is_interrupted => "; there is no such file yet".to_owned(),
            _ => String::new(),
        };
        let path = status.path.display();
        terminal::note(&format!("{path}: {}{}", words.join(", "), terminal::plain(&state)));
    }
    code
}

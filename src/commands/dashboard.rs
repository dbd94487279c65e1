//! `roboppi dashboard`: all runs of this user on one screen.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use roboppi_attach::{FileSource, Liveness, LocalRun, RunSummary};
use roboppi_ingest::Format;
use roboppi_record::StateRoot;
use roboppi_report::plain::PlainSettings;
use roboppi_run::RunId;
use roboppi_tui::{
    Colours, DashboardSettings, DashboardTab, FollowedFile, FollowedFiles, OpenRun, OpenedRun, Role, Runs,
    TuiSettings, dashboard,
};
use roboppi_watch::{SILENT_AFTER, SourceState, SourceStatus, WatchSpec, Watching};

use crate::commands::attach::{Watched, settings, title};
use crate::commands::workflow_file::use_colour;
use crate::commands::{record, screen, watch};
use crate::exit::Failure;
use crate::options::{Color, Theme};
use crate::programs;
use crate::view;

/// Shows all runs of this user on one screen: what they do, what failed, and what waits for you. The order of start is free: runs that
/// begin later appear by themselves.
#[derive(Debug, Args)]
pub(crate) struct DashboardArgs {
    /// The tab that is shown first
    #[arg(long, value_name = "TAB", default_value = "runs")]
    tab: TabChoice,
    /// Show runs that are made up, to see what a dashboard looks like. No record is read or written
    #[arg(long)]
    demo: bool,
    /// Follow a file of another program, or a source with a name, as `roboppi watch` does, as long as the dashboard is open.
    /// May be repeated
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath, add = ArgValueCandidates::new(watch::names), conflicts_with = "demo")]
    watch: Vec<PathBuf>,
    /// Format of these files [default: that of the source with this name, or jsonl for *.jsonl]
    #[arg(long, value_name = "FORMAT", value_parser = watch::format, add = ArgValueCandidates::new(watch::formats), requires = "watch")]
    format: Option<Format>,
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Background of the terminal [default: ROBOPPI_THEME, or as COLORFGBG indicates, or dark]
    #[arg(long, value_name = "THEME")]
    theme: Option<Theme>,
}

/// A tab on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TabChoice {
    Runs,
    Events,
    Table,
    Tools,
    State,
    Agents,
    Metrics,
    Tags,
    History,
    Logs,
}

impl From<TabChoice> for DashboardTab {
    fn from(choice: TabChoice) -> Self {
        match choice {
            TabChoice::Runs => Self::Runs,
            TabChoice::Events => Self::Events,
            TabChoice::Table => Self::Table,
            TabChoice::Tools => Self::Tools,
            TabChoice::State => Self::State,
            TabChoice::Agents => Self::Agents,
            TabChoice::Metrics => Self::Metrics,
            TabChoice::Tags => Self::Tags,
            TabChoice::History => Self::History,
            TabChoice::Logs => Self::Logs,
        }
    }
}

pub(crate) fn run(args: &DashboardArgs) -> Result<ExitCode, Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() || view::is_dumb() {
        return Err(Failure::usage(
            "the dashboard needs a terminal that can move its cursor, for stdin and stdout\nhint: `roboppi runs` lists runs, `roboppi runs --json` and `roboppi stats --json` are for programs",
        ));
    }
    let runs = if args.demo { Runs::Demo } else { Runs::Of(record::root()?) };
    let watching = follow(args, &runs)?.map(Arc::new);
    let colour = use_colour(args.color, true);
    let colours = view::colours_of_theme(args.theme, colour);
    let lines = PlainSettings { colour, stream: true, ..PlainSettings::default() };
    let open = opener(&runs, colours, lines);
    let settings = DashboardSettings {
        colours,
        ascii: view::ascii_only(),
        mouse: view::mouse(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: nix::unistd::gethostname()
            .map_or_else(|_| String::new(), |host| host.to_string_lossy().into_owned()),
        tab: args.tab.into(),
    };
    screen::show_until_left(move |control| {
        let followed = watching.clone().map(followed);
        let shown = dashboard(&runs, settings, followed, open, programs::personal(), control);
        // Nothing is followed any more before the terminal has its next command.
        drop(watching);
        shown
    })
}

/// Starts to follow the files of `--watch`. What another process follows is recorded by it, and taken over when it ends.
fn follow(args: &DashboardArgs, runs: &Runs) -> Result<Option<Watching>, Failure> {
    let (Runs::Of(root), false) = (runs, args.watch.is_empty()) else { return Ok(None) };
    let sources = args.watch.iter().map(|file| watch::source(file, args.format.as_ref()));
    let spec = WatchSpec {
        root: root.clone(),
        sources: sources.collect::<Result<_, _>>()?,
        run: None,
        silent_after: SILENT_AFTER,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        takes_over: true,
    };
    // Problems are states of the files, which the screen shows.
    roboppi_watch::start(spec, |_| {}).map(Some).map_err(watch::failure)
}

/// What the screen shows of the followed files.
fn followed(watching: Arc<Watching>) -> FollowedFiles {
    Arc::new(move || watching.status().into_iter().map(followed_file).collect())
}

fn followed_file(SourceStatus { path, state, counts, .. }: SourceStatus) -> FollowedFile {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let (words, is_problem) = match state {
        SourceState::Absent => ("is not there yet".to_owned(), false),
        SourceState::Followed if counts.bad > 0 => {
            (format!("is followed, lines of no known form: {}", counts.bad), false)
        }
        SourceState::Followed => ("is followed".to_owned(), false),
        SourceState::Elsewhere => ("is followed by another process".to_owned(), false),
        SourceState::Failing(why) => (why, true),
    };
    FollowedFile { name, words, is_problem }
}

/// Opens a run as `roboppi attach` does.
fn opener(runs: &Runs, colours: Colours, in_lines: PlainSettings) -> OpenRun {
    let root = match runs {
        Runs::Of(root) => Some(root.clone()),
        Runs::Demo => None,
    };
    Arc::new(move |id: &RunId| {
        let root = root.as_ref().ok_or("a run of the demo has no record")?;
        let run = LocalRun::open(root, id).map_err(|error| error.to_string())?;
        let source = FileSource::open(&run).map_err(|error| error.to_string())?;
        let elsewhere = matches!(source.liveness(), Liveness::Elsewhere { .. });
        let problems = source.problems().to_vec();
        let source: Arc<dyn roboppi_attach::RunSource> = Arc::new(source);
        let lines = screen::lines(Arc::clone(&source), &in_lines);
        let title = title(&run, id.as_str());
        let watched = Watched { source, role: Role::Viewer, title, elsewhere, problems };
        let settings = TuiSettings { nested: true, ..settings(&watched, colours) };
        Ok(OpenedRun { source: watched.source, settings, lines })
    })
}

/// Whether a run is live that a dashboard would show.
pub(crate) fn any_live(root: &StateRoot) -> bool {
    let runs = RunSummary::all(root, record::now()).unwrap_or_default();
    runs.iter().any(|run| run.liveness == Liveness::Live)
}

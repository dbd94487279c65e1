//! `roboppi attach`: a run in the views it has where it was started, from any process.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use roboppi_attach::{FileSource, RunSource};
use roboppi_supervisor::sinks::{jsonl, plain};
use roboppi_tui::{Role, TuiSettings};

use crate::cli::AttachArgs;
use crate::commands::workflow_file::use_colour;
use crate::commands::{record, screen};
use crate::exit::Failure;
use crate::terminal::{self, View};

pub(crate) fn run(args: &AttachArgs) -> Result<ExitCode, Failure> {
    let view = terminal::choose_view(&args.view)?;
    let colour = use_colour(args.view.color, io::stdout().is_terminal());
    let run = record::find(&args.run)?;
    let title = run.id().map_or_else(|| args.run.clone(), |id| id.to_string());
    let source = Arc::new(FileSource::open(run).map_err(Failure::own)?);
    let problems = source.problems().to_vec();
    let shown: Arc<dyn RunSource> = source;
    let in_lines = plain::PlainSettings {
        colour,
        stream: args.view.stream,
        verbose: args.verbose,
        ..plain::PlainSettings::default()
    };
    let lines = match view {
        View::Tui => {
            let settings = TuiSettings {
                colours: terminal::colours(&args.view, colour),
                ascii: terminal::ascii_only(),
                role: Role::Visitor,
                stay: true,
                notify: terminal::notify(&args.view),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                title,
            };
            let code = screen::show(shown, settings, &in_lines)?;
            record::warn(&problems);
            return Ok(code);
        }
        View::Plain => {
            record::warn(&problems);
            plain::run(shown, in_lines, io::stdout())
        }
        View::Json => {
            record::warn(&problems);
            jsonl::run(shown, io::stdout())
        }
    };
    lines.map(|()| ExitCode::SUCCESS).map_err(|error| Failure::own(format!("stdout: {error}")))
}

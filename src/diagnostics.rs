//! Diagnostics: what roboppi itself does, as lines for its operators and developers.
//!
//! The crates emit spans and events of [`tracing`]. The process of a run writes them to `roboppi.log` of the run
//! directory, the process of a core to the file its supervisor names. `ROBOPPI_LOG` sets the level. Nothing here may hold
//! up a run: what cannot be written is left out.

use std::env;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use roboppi_record::BoundedFile;
use roboppi_redact::Secrets;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;

use crate::exit::Failure;
use crate::terminal;

/// How much is written: a level, or parts of roboppi with levels.
const LEVELS: &str = "ROBOPPI_LOG";

/// The level without `ROBOPPI_LOG`.
const DEFAULT_LEVELS: &str = "info";

/// Lines that may wait until their target is known; further ones are dropped. A handful comes before that.
const WAITING: usize = 256;

/// The file of a core: its supervisor names it.
const FILE: &str = "ROBOPPI_LOG_FILE";

/// Where lines go.
enum Sink {
    /// Not known yet.
    Waiting(Vec<String>),
    File(BoundedFile, Secrets),
    Stderr(Secrets),
    Nowhere,
}

static SINK: Mutex<Sink> = Mutex::new(Sink::Nowhere);

/// Begins to listen to what this process does. The lines wait until [`write_to`] says where they go. Called once, before
/// anything is said, by a process that runs something.
pub(crate) fn start() -> Result<(), Failure> {
    let levels = env::var(LEVELS).ok().filter(|levels| !levels.trim().is_empty());
    let levels = levels.as_deref().unwrap_or(DEFAULT_LEVELS).trim();
    let filter: Targets = levels.parse().map_err(|_| {
        Failure::usage(format!(
            "{LEVELS}: `{levels}` is neither a level nor a list of them\nhint: write `debug`, `off`, or parts with levels: \
             `info,roboppi_core=debug`"
        ))
    })?;
    *sink() = Sink::Waiting(Vec::new());
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_timer(Utc).with_writer(|| Lines);
    // There is no other subscriber in this program.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines).with(filter));
    Ok(())
}

/// Writes the lines to a file of a run directory, those that wait and those that come, without `secrets`. What cannot be
/// opened is not written.
pub(crate) fn write_to(file: PathBuf, secrets: Secrets) {
    if LevelFilter::current() == LevelFilter::OFF {
        return go_on_with(Sink::Nowhere);
    }
    go_on_with(BoundedFile::open(file).map_or(Sink::Nowhere, |file| Sink::File(file, secrets)));
}

/// Writes the lines to the file that the supervisor of this core named; without one, and with `ROBOPPI_LOG` set, to
/// standard error.
pub(crate) fn write_as_configured(secrets: Secrets) {
    let of_variable = |name| env::var_os(name).filter(|value| !value.is_empty());
    match (of_variable(FILE), of_variable(LEVELS)) {
        (Some(file), _) => write_to(file.into(), secrets),
        (None, Some(_)) => go_on_with(Sink::Stderr(secrets)),
        (None, None) => go_on_with(Sink::Nowhere),
    }
}

fn go_on_with(target: Sink) {
    let mut sink = sink();
    if let Sink::Waiting(lines) = std::mem::replace(&mut *sink, target) {
        lines.into_iter().for_each(|line| sink.line(line));
    }
}

fn sink() -> MutexGuard<'static, Sink> {
    // A line that was cut short does no harm.
    SINK.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    fn line(&mut self, mut line: String) {
        match self {
            Self::Waiting(lines) if lines.len() < WAITING => lines.push(line),
            Self::Waiting(_) | Self::Nowhere => {}
            Self::File(file, secrets) => {
                secrets.redact(&mut line);
                // A disk that is full may have room again.
                let _ = file.append(line.as_bytes());
            }
            Self::Stderr(secrets) => {
                secrets.redact(&mut line);
                terminal::note(line.trim_end());
            }
        }
    }
}

/// One line on its way: it comes whole.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        sink().line(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time of a line: UTC, in milliseconds.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write!(line, "{:.3}", Timestamp::now())
    }
}

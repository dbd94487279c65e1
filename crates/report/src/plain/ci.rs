//! A run in the log of a CI job: lines with the structure that the CI system shows.
//!
//! The output of a step is one block, printed when the step ends, so that steps that run at the same time do not mix; it is
//! folded unless the step failed. Failed steps come last and open, with annotations at the places that their output names.
//! Output of workers stands behind a bar and has no command of a CI system in it. `::stop-commands::` of GitHub would need
//! no bar, but holds for one vendor only, and a worker that reads the token from the log could end it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use roboppi_attach::RunSource;

use super::log::SourceLogs;
use super::{FailureOutput, PlainSettings};
use crate::detached;

mod annotations;
mod budget;
mod conclusion;
mod excerpt;
mod markup;
mod page;
mod sink;
mod vendor;

use budget::ShownBudget;
use conclusion::Conclusion;
use markup::{Markup, guarded};
use sink::CiSink;

pub(super) use conclusion::{failed_steps, reason};
pub(super) use excerpt::{Found, Search, findings, more_places, severity_word, shown_line};
pub use markup::upload_summary;
pub use page::{LONGEST_PAGE, page};
pub use vendor::Vendor;

/// How a run is shown in the log of a CI job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiSettings {
    /// The system that reads the log.
    pub vendor: Vendor,
    /// How lines are printed. With `stream` the output of all steps is shown as it comes, and blocks are those of failed steps
    /// alone.
    pub lines: PlainSettings,
    /// The directory of the repository, to which names of files in annotations are relative; `None` for the workspace.
    pub checkout: Option<PathBuf>,
}

/// Writes the run of `source` to `out` until the run is over and everything is written. Blocks, as
/// [`plain::run`](super::run) does.
///
/// # Errors
/// When `out` cannot be written, except that a reader that went away is no error.
pub fn run(source: Arc<dyn RunSource>, settings: &CiSettings, mut out: impl Write) -> io::Result<()> {
    if !settings.lines.stream {
        return detached(CiSink::new(source, settings, out)?.run());
    }
    let lines = PlainSettings { failure_output: FailureOutput::Never, ..settings.lines.clone() };
    super::run(Arc::clone(&source), lines, GuardedWriter(&mut out))?;
    let mut markup = Markup::new(settings.vendor);
    let mut budget = ShownBudget::new(settings.vendor.shown_bytes());
    let view = source.follow().view;
    let mut conclusion = Conclusion {
        source: &*source,
        logs: &mut SourceLogs(Arc::clone(&source)),
        settings,
        markup: &mut markup,
        budget: &mut budget,
        activities: HashMap::new(),
    };
    detached(conclusion.write(&view, &mut out).and_then(|()| out.flush()))
}

/// Whole lines, none of which begins as a command of a CI system does.
struct GuardedWriter<W>(W);

impl<W: Write> Write for GuardedWriter<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let mut out = Vec::with_capacity(lines.len());
        guarded(&mut out, lines);
        self.0.write_all(&out)?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

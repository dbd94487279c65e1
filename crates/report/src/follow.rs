//! Follows a run for a command that prints.

use std::time::Duration;

use roboppi_attach::{Liveness, RunFollower};
use roboppi_record::RecordStore;
use roboppi_run::RunRecord;
use roboppi_untrusted::first_words;

use crate::{ReportError, clock, elsewhere};

/// The reader of a view that follows a run: what it is told beside the text, and whether it is still there.
#[derive(Clone, Copy)]
pub struct Audience<'a> {
    /// Says something beside the text, as on stderr.
    pub note: &'a dyn Fn(&str),
    /// Whether nobody reads the text any more. A view that waits asks, because it writes nothing that would tell.
    pub is_gone: &'a dyn Fn() -> bool,
}

impl Audience<'_> {
    pub(crate) fn warn(&self, problem: &str) {
        (self.note)(&format!("warning: {}", first_words(problem)));
    }
}

/// A view of a run as it goes on.
pub(crate) trait Printer {
    /// Takes the next record.
    fn record(&mut self, record: RunRecord);

    /// Prints what is new. With `is_over` nothing more will come.
    fn advance(&mut self, is_over: bool) -> Result<(), ReportError>;

    /// Time until there is something to print although nothing comes.
    fn patience(&self) -> Duration {
        Duration::MAX
    }
}

/// How following a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All there is was printed.
    Over,
    /// Nobody reads any more.
    Deserted,
}

/// Prints a run as it is, or until it is over. What of the record cannot be read is noted, and the rest is printed.
pub(crate) fn follow(
    mut follower: RunFollower,
    record: &dyn RecordStore,
    until_over: bool,
    printer: &mut impl Printer,
    audience: Audience<'_>,
) -> Result<Ended, ReportError> {
    let (mut warned, mut noted_elsewhere) = (0, false);
    loop {
        let liveness = follower.read(|record| printer.record(record));
        let problems = follower.problems();
        problems.iter().skip(warned).for_each(|problem| audience.warn(problem));
        warned = problems.len();
        let is_over = !liveness.may_live() || !until_over;
        printer.advance(is_over)?;
        if is_over {
            if until_over && liveness == Liveness::Lost {
                (audience.note)("roboppi: the run is lost: its owner is gone and recorded no end");
            }
            return Ok(Ended::Over);
        }
        if (audience.is_gone)() {
            return Ok(Ended::Deserted);
        }
        if !noted_elsewhere && let Some(elsewhere) = elsewhere(record, liveness, clock::now()) {
            noted_elsewhere = true;
            (audience.note)(&format!(
                "roboppi: {elsewhere}; its output is shown until its record ends, or until Ctrl-C"
            ));
        }
        follower.wait(printer.patience());
    }
}

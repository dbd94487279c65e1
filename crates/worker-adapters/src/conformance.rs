//! The kit: runs an adapter over recorded output and says which promise it breaks.
//!
//! | promise | how it is tried |
//! |---|---|
//! | a description is a value, and its names can be typed | asked for twice |
//! | a plan is a value: the same task gives the same command | planned twice |
//! | no secret is an argument | every value of the task's environment is replaced by a marked one |
//! | the prompt is no argument, where the program can take it otherwise | a marked prompt; [`Transcript::prompt_is_argument`] excuses |
//! | exactly one result, and nothing after it | in every run, also when timers run out |
//! | no success without the worker's own end | cut off at every line, and in the middle of each, by exit 0 |
//! | no success against the exit code | the same cuts, by exit 1 and by KILL |
//! | no success of a cancelled worker | cancelled before and after every recorded chunk |
//! | any chunking gives the same | in pieces of 1, 7 and 64 bytes |
//! | odd lines change nothing | lines that no program prints, between all others |
//! | totals never fall | of usage, in every run, up to the result |
//! | a tool result belongs to one call | in every run |
//!
//! ```no_run
//! # use roboppi_worker_adapters::{CustomAdapter, ExitKind, conformance::{Transcript, check}};
//! # fn task() -> roboppi_ipc::WorkerTask { unimplemented!() }
//! // A shell has no end of its own and takes its script as an argument: both are said.
//! let transcript = Transcript::new(task())
//!     .stdout(b"hello\n")
//!     .exit(ExitKind::Code(0))
//!     .complete_after(0)
//!     .prompt_is_argument();
//! let outcome = check(&CustomAdapter, &transcript).expect("the adapter keeps its promises");
//! assert!(outcome.events.is_empty());
//! ```

mod cuts;
mod judge;
mod rehearsal;
mod secrets;
mod transcript;
mod violation;

use roboppi_ipc::{CancelReason, WorkerEvent, WorkerKind, WorkerStatus};

use crate::{ExitKind, WorkerAdapter};

pub use judge::Outcome;
pub use transcript::Transcript;
pub use violation::Violation;

use rehearsal::{Ending, Rehearsal};

/// Runs `adapter` over `transcript` in all the ways the table of this module names.
///
/// # Errors
/// The first promise that is broken.
///
/// # Panics
/// When the adapter does; that is the broken promise.
pub fn check(adapter: &dyn WorkerAdapter, transcript: &Transcript) -> Result<Outcome, Violation> {
    describes_itself(adapter)?;
    let spec = adapter.plan(&transcript.task)?;
    if spec.programs.is_empty() {
        return Err(Violation::NoProgram);
    }
    if adapter.plan(&transcript.task)? != spec {
        return Err(Violation::PlanDiffers);
    }
    secrets::search_for(adapter, transcript)?;

    let rehearsal = Rehearsal { adapter, spec: &spec, transcript };
    let outcome = rehearsal.run("as recorded", &transcript.chunks, Ending::Exit(transcript.exit))?;
    for piece in [1, 7, 64] {
        let chunks = cuts::pieces(&transcript.chunks, piece);
        if rehearsal.run("in pieces", &chunks, Ending::Exit(transcript.exit))? != outcome {
            return Err(Violation::Chunking { piece });
        }
    }
    let late = Ending::LateExit(transcript.exit);
    rehearsal.run("after all its timers", &transcript.chunks, late)?;
    with_odd_lines(&rehearsal, &outcome)?;
    cut_off(&rehearsal)?;
    cancelled(&rehearsal)?;
    Ok(outcome)
}

/// The description is a value, and what it names can be written in a workflow file and on a command line.
fn describes_itself(adapter: &dyn WorkerAdapter) -> Result<(), Violation> {
    let description = adapter.describe();
    if adapter.describe() != description {
        return Err(Violation::DescriptionDiffers);
    }
    let name = description.kind.name();
    WorkerKind::new(name).map_err(|error| Violation::BadKind { name: name.to_owned(), error })?;
    let is_word = |word: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !word.is_empty() && !word.starts_with('-') && word.bytes().all(allowed)
    };
    match description.words.iter().find(|word| !is_word(word)) {
        Some(word) => Err(Violation::BadWord { word: word.clone().into_owned() }),
        None => Ok(()),
    }
}

/// Lines no program prints may be told of as unknown; nothing else may come of them.
fn with_odd_lines(rehearsal: &Rehearsal<'_>, outcome: &Outcome) -> Result<(), Violation> {
    let chunks = cuts::with_odd_lines(&rehearsal.transcript.chunks);
    let odd = rehearsal.run("with odd lines", &chunks, Ending::Exit(rehearsal.transcript.exit))?;
    let known = |outcome: &Outcome| -> Vec<WorkerEvent> {
        let events = outcome.events.iter().filter(|event| !matches!(event, WorkerEvent::Unknown { .. }));
        events.cloned().map(judge::without_time).collect()
    };
    if known(&odd) != known(outcome) {
        return Err(Violation::OddLines { what: "other events" });
    }
    let (a, b) = (&odd.result, &outcome.result);
    if (a.status, a.error_class) != (b.status, b.error_class) || judge::facts(a) != judge::facts(b) {
        return Err(Violation::OddLines { what: "another result" });
    }
    Ok(())
}

/// A worker that is gone before its own end has not succeeded, whatever its exit code.
fn cut_off(rehearsal: &Rehearsal<'_>) -> Result<(), Violation> {
    for cut in cuts::everywhere(&rehearsal.transcript.chunks) {
        let complete = cut.lines >= rehearsal.transcript.own_end();
        let chunks = cuts::before(&rehearsal.transcript.chunks, &cut);
        for exit in [ExitKind::Code(0), ExitKind::Code(1), ExitKind::Signal(9)] {
            let scenario = format!("cut off by {exit:?} after {cut}");
            let outcome = rehearsal.run(&scenario, &chunks, Ending::Exit(exit))?;
            let allowed = complete && exit == ExitKind::Code(0);
            if outcome.result.status == WorkerStatus::Succeeded && !allowed {
                return Err(Violation::CutSucceeded { scenario });
            }
        }
    }
    Ok(())
}

fn cancelled(rehearsal: &Rehearsal<'_>) -> Result<(), Violation> {
    let chunks = &rehearsal.transcript.chunks;
    for at in 0..=chunks.len() {
        for reason in [CancelReason::User, CancelReason::Timeout, CancelReason::Parent] {
            let scenario = format!("cancelled ({}) after chunk {at}", reason.name());
            let outcome = rehearsal.run(&scenario, chunks, Ending::Cancel { at, reason })?;
            // One that had said before that it was done has succeeded, although its time was over before it left.
            let was_done = || -> Result<bool, Violation> {
                let outcome = rehearsal.run(&scenario, &chunks[..at], Ending::Exit(ExitKind::Code(0)))?;
                Ok(outcome.result.status == WorkerStatus::Succeeded)
            };
            if outcome.result.status == WorkerStatus::Succeeded
                && (reason != CancelReason::Timeout || !was_done()?)
            {
                return Err(Violation::CancelledSucceeded { scenario });
            }
        }
    }
    Ok(())
}

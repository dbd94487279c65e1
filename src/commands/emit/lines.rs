//! `roboppi emit --stdin`: reports of a program that lives on, one per line.

use std::io::{self, BufRead, BufReader, Read as _};
use std::process::ExitCode;

use roboppi_attach::{EmitError, EmittedRun};
use roboppi_ingest::{Emission, Ending};

use super::{EmitArgs, failure};
use crate::commands::record;
use crate::exit::{Failure, INFRASTRUCTURE};
use crate::terminal;

/// Bytes of a line. The rest of a longer one is passed over.
const LONGEST: u64 = 1024 * 1024;

/// Warnings that are printed.
const WARNINGS: u64 = 5;

/// Records what comes from stdin until it ends.
pub(super) fn record(args: &EmitArgs) -> Result<ExitCode, Failure> {
    let mut input = BufReader::new(io::stdin().lock());
    let is_own = args.run.is_none() && args.key.is_none();
    let mut book = Book { args, run: None, is_own, is_over: false, malformed: 0, unrecorded: 0 };
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)
        .map_err(|error| Failure::infrastructure(format!("stdin: {error}")))?
    {
        book.line(&String::from_utf8_lossy(&line))?;
    }
    book.end()
}

/// Reads a line without its end. Says whether there was one.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if input.by_ref().take(LONGEST).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.pop_if(|last| *last == b'\n').is_none() {
        input.skip_until(b'\n')?;
    }
    Ok(true)
}

struct Book<'a> {
    args: &'a EmitArgs,
    run: Option<EmittedRun>,
    /// The run lives as long as this process.
    is_own: bool,
    is_over: bool,
    malformed: u64,
    unrecorded: u64,
}

impl Book<'_> {
    fn line(&mut self, line: &str) -> Result<(), Failure> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let (emission, why) = Emission::read(line);
        if let Some(why) = why {
            self.malformed += 1;
            if self.malformed <= WARNINGS {
                terminal::note(&format!("warning: {why}; the line is kept as it is"));
            }
        }
        let name = match &emission {
            Emission::Start { name, .. } => name.clone(),
            _ => None,
        };
        self.is_over |= matches!(emission, Emission::Complete { .. });
        let args = self.args;
        let run = match &mut self.run {
            Some(run) => run,
            none if !self.is_own => none.insert(args.find()?),
            none => {
                let beginning = args.beginning(name.as_ref(), None, false);
                none.insert(EmittedRun::begin(&record::root()?, &beginning, record::now()).map_err(failure)?)
            }
        };
        let reported = run.report(args.worker(), record::now(), [emission]);
        if let Err(error) = reported {
            // The program goes on, and its next lines may be recorded.
            self.unrecorded += 1;
            if self.unrecorded <= WARNINGS {
                let text = match error {
                    EmitError::Refused { run, why } => format!("{run}: {why}"),
                    other => other.to_string(),
                };
                terminal::note(&format!("warning: a report is not recorded: {text}"));
            }
        }
        Ok(())
    }

    /// The input has ended.
    fn end(mut self) -> Result<ExitCode, Failure> {
        if let Some(run) = self.run.as_mut().filter(|_| self.is_own && !self.is_over) {
            let detail = Some("its input ended without `complete`".to_owned());
            let complete = Emission::Complete { outcome: Ending::Lost, detail };
            run.report(self.args.worker(), record::now(), [complete]).map_err(failure)?;
        }
        if self.malformed > 0 {
            terminal::note(&format!("{} lines were no reports, and are kept as they are", self.malformed));
        }
        if self.unrecorded > 0 {
            terminal::note(&format!("error: {} reports are not recorded", self.unrecorded));
            return Ok(ExitCode::from(INFRASTRUCTURE));
        }
        Ok(ExitCode::SUCCESS)
    }
}

//! Standard output of commands that print.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use roboppi_report::{Audience, ReportError};

use crate::exit::Failure;
use crate::stdio;
use crate::terminal;

/// Prints a text. Who reads no further has seen enough.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut stdout = stdio::stdout();
    ended(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// What comes of a command that wrote to stdout. Who reads no further has seen enough.
pub(crate) fn ended(written: io::Result<()>) -> Result<ExitCode, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("stdout: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// What comes of a command whose view was not written to its end.
pub(crate) fn unfinished(error: ReportError) -> Result<ExitCode, Failure> {
    match error {
        ReportError::Out(error) => ended(Err(error)),
        error => Err(Failure::report_error(error)),
    }
}

/// Those who read stdout and stderr of this process.
pub(crate) fn audience() -> Audience<'static> {
    Audience { note: &terminal::note, is_gone: &is_deserted }
}

/// Whether nobody reads stdout any more.
fn is_deserted() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|found| found > 0)
        && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR))
}

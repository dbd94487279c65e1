//! Where a command writes a file that a user named.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use roboppi_report::ReportError;

use crate::exit::Failure;
use crate::stdio;
use crate::terminal::plain;

mod unfinished;

use unfinished::Unfinished;

/// Bytes that are written at once.
const BUFFER: usize = 64 * 1024;

/// Writes a file, whole or not at all, or else stdout, a pipe or a device.
pub(crate) fn write_to(
    target: Option<&Path>,
    min_free: u64,
    write: impl FnOnce(&mut dyn Write) -> Result<(), ReportError>,
) -> Result<ExitCode, Failure> {
    let Some(target) = target else { return stream(stdio::stdout(), "stdout", write) };
    let name = plain(&target.display().to_string());
    let unwritable = |error: io::Error| Failure::own(format!("cannot write {name}: {error}"));
    // Of a link it is the file at its end that is written.
    let place = place(target)?;
    if place.metadata().is_ok_and(|there| !there.is_file()) {
        let there = File::options().write(true).open(&place).map_err(unwritable)?;
        return stream(there, &name, write);
    }
    let dir = directory(&place);
    // The name of a file that is not whole says nothing to whoever typed another one.
    let file =
        Unfinished::begin(dir, place.clone(), min_free).map_err(|error| unwritable(error.kind().into()))?;
    let mut buffered = BufWriter::with_capacity(BUFFER, file);
    write(&mut buffered).map_err(|broken| match broken {
        ReportError::Out(error) => unwritable(error),
        error => Failure::report_error(error),
    })?;
    let file = buffered.into_inner().map_err(|error| unwritable(error.into_error()))?;
    file.finish().map_err(unwritable)?;
    Ok(ExitCode::SUCCESS)
}

/// The file that is written for `target`, when there can be one.
pub(crate) fn place(target: &Path) -> Result<PathBuf, Failure> {
    let name = plain(&target.display().to_string());
    if target.is_dir() {
        return Err(Failure::usage(format!("{name} is a directory; name a file in it")));
    }
    let place = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
    let dir = directory(&place);
    if dir.is_dir() {
        return Ok(place);
    }
    let dir = plain(&dir.display().to_string());
    Err(Failure::usage(format!("cannot write {name}: there is no directory {dir}")))
}

/// Appends to a file that another program has made, or is going to read.
pub(crate) fn append_to(target: &Path, text: &str) -> Result<(), Failure> {
    let mut options = File::options();
    let opened = options.append(true).create(true).open(target);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Failure::own(format!("cannot append to {}: {error}", plain(&target.display().to_string())))
    })
}

fn directory(place: &Path) -> &Path {
    place.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Writes what cannot be taken back. Who reads no further has seen enough.
fn stream(
    out: impl Write,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<(), ReportError>,
) -> Result<ExitCode, Failure> {
    let mut out = BufWriter::new(out);
    match write(&mut out).and_then(|()| out.flush().map_err(ReportError::Out)) {
        Err(ReportError::Out(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::own(format!("cannot write {name}: {error}")))
        }
        Ok(()) | Err(ReportError::Out(_)) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::report_error(error)),
    }
}

//! Logs byte for byte.

use std::io::Write;

use roboppi_record::{LogPiece, RecordStore};
use roboppi_run::AttemptView;
use roboppi_untrusted::first_words;

use super::missing::{self, Missing};
use super::{PIECE, open};
use crate::{Audience, ReportError};

/// Prints the logs of attempts byte for byte; not for a terminal, which would obey them. With `headed` each says whose it is.
/// What the record has lost is noted beside them, and so is damage, of which it is returned whether there is any.
///
/// # Errors
/// When `out` cannot be written. A log that cannot be read counts as damaged, and the others are printed.
pub fn copy(
    record: &dyn RecordStore,
    attempts: &[&AttemptView],
    headed: bool,
    mut out: impl Write,
    audience: Audience<'_>,
) -> Result<bool, ReportError> {
    each(attempts, audience, |attempt| copy_one(record, attempt, headed, &mut out, audience))
}

/// Prints where the logs of attempts are. Returns whether one of them cannot be read.
///
/// # Errors
/// When `out` cannot be written.
pub fn paths(
    record: &dyn RecordStore,
    attempts: &[&AttemptView],
    mut out: impl Write,
    audience: Audience<'_>,
) -> Result<bool, ReportError> {
    each(attempts, audience, |attempt| {
        let log = record.log(&attempt.of).map_err(ReportError::Record)?;
        let place = log.location().map(|path| path.display().to_string());
        let place = place.unwrap_or_else(|| format!("{}.log", attempt.base()));
        writeln!(out, "{place}").map_err(ReportError::Out)?;
        Ok(false)
    })
}

/// Does `print` for each attempt, and says whether one of them is damaged.
fn each(
    attempts: &[&AttemptView],
    audience: Audience<'_>,
    mut print: impl FnMut(&AttemptView) -> Result<bool, ReportError>,
) -> Result<bool, ReportError> {
    let mut is_damaged = false;
    for attempt in attempts {
        match print(attempt) {
            Ok(damaged) => is_damaged |= damaged,
            // The logs of other steps can still be read.
            Err(ReportError::Record(error)) => {
                (audience.note)(&format!("error: {error}"));
                is_damaged = true;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(is_damaged)
}

fn copy_one(
    record: &dyn RecordStore,
    attempt: &AttemptView,
    headed: bool,
    out: &mut impl Write,
    audience: Audience<'_>,
) -> Result<bool, ReportError> {
    let mut log = open(record, attempt).map_err(ReportError::Record)?;
    let mut missing = Missing::default();
    if headed && !log.is_empty() {
        writeln!(out, "==> {} <==", first_words(&attempt.of.to_string())).map_err(ReportError::Out)?;
    }
    let mut offset = 0;
    let mut ends_line = true;
    let mut unread = false;
    while offset < log.len() {
        let part = log.part_end(offset);
        let most = part.and_then(|end| usize::try_from(end - offset).ok()).unwrap_or(PIECE);
        let piece = match (log.read(offset, most), part) {
            (Err(error), Some(end)) if error.is_damage() => {
                let of = first_words(&attempt.of.to_string());
                (audience.note)(&format!("error: bytes {offset} to {end} of the log of {of}: {error}"));
                (offset, unread) = (end, true);
                continue;
            }
            (piece, _) => piece.map_err(ReportError::Record)?,
        };
        match piece {
            LogPiece::Bytes(bytes) if bytes.is_empty() => break,
            LogPiece::Bytes(bytes) => {
                out.write_all(&bytes).map_err(ReportError::Out)?;
                ends_line = bytes.ends_with(b"\n");
                offset += bytes.len() as u64;
            }
            LogPiece::Lost { len } => {
                missing.add(&attempt.of, len, audience.note);
                offset += len;
            }
        }
    }
    if headed && !ends_line {
        writeln!(out).map_err(ReportError::Out)?;
    }
    out.flush().map_err(ReportError::Out)?;
    missing.finish(&attempt.of, audience.note);
    let damage = log.damage().map_err(ReportError::Record)?;
    missing::note_damage(&attempt.of, &damage, audience.note);
    Ok(unread || !damage.is_empty())
}

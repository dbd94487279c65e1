//! Reads the end of what the core said.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use roboppi_attach::RunSource;
use roboppi_journal::RunDir;

use crate::log_pane::CoreTail;
use crate::sanitise;

/// Bytes of a large value that are shown.
const WHOLE: usize = 1024 * 1024;

/// Bytes of the core's standard error that are shown.
const CORE_TAIL: u64 = 64 * 1024;

/// Reads, and does not read again what has not changed.
#[derive(Debug, Default)]
pub(crate) struct Fetcher {
    core: Option<u64>,
}

impl Fetcher {
    /// The end of what the core said; `None` when it is what was given last.
    pub(crate) fn core_tail(&mut self, path: &Path) -> Option<CoreTail> {
        let shown = path.display().to_string();
        match core_tail(path, self.core) {
            Ok(None) => None,
            Ok(Some((len, skipped, lines))) => {
                self.core = Some(len);
                Some(CoreTail { lines, skipped, path: shown, error: None })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(CoreTail::default()),
            Err(error) => {
                let error = Some(format!("{shown} cannot be read: {error}"));
                Some(CoreTail { path: shown, error, ..CoreTail::default() })
            }
        }
    }
}

/// A large value of the record, as much of it as anybody reads on a screen.
pub(crate) fn whole(source: &dyn RunSource, name: &str) -> String {
    let read = RunDir::at(source.run_dir().to_owned()).blob(name);
    match read {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes[..bytes.len().min(WHOLE)]).into_owned(),
        Ok(None) => "The rest is not in the record.".to_owned(),
        Err(error) => format!("The rest cannot be read: {error}"),
    }
}

/// Length of the file, bytes that are not shown, lines; `None` when the length is still `known`.
fn core_tail(path: &Path, known: Option<u64>) -> io::Result<Option<(u64, u64, Vec<String>)>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    if known == Some(len) {
        return Ok(None);
    }
    let mut from = len.saturating_sub(CORE_TAIL);
    let mut bytes = vec![0; usize::try_from(len - from).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from)?;
    if from > 0 {
        // The first line is most likely not whole.
        let whole = memchr::memchr(b'\n', &bytes).map_or(0, |at| at + 1);
        bytes.drain(..whole);
        from += whole as u64;
    }
    let text = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(&bytes)).into_owned();
    let lines = if text.is_empty() { Vec::new() } else { sanitise::lines(&text) };
    Ok(Some((len, from, lines)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_file_begins_with_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("core.stderr");
        let mut fetcher = Fetcher::default();
        assert_eq!(fetcher.core_tail(&path), Some(CoreTail::default()));

        std::fs::write(&path, "a\x1b[31mb\nc\n").unwrap();
        assert_eq!(fetcher.core_tail(&path).unwrap().lines, ["ab", "c"]);
        assert_eq!(fetcher.core_tail(&path), None);

        let line = format!("{}\n", "x".repeat(999));
        std::fs::write(&path, line.repeat(100)).unwrap();
        let tail = fetcher.core_tail(&path).unwrap();
        assert_eq!(tail.lines.len(), 65);
        assert!(tail.lines.iter().all(|line| line.len() == 999));
        assert_eq!(tail.skipped, 35_000);
    }
}

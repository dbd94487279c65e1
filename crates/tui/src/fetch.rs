//! Reads what the screen shows of the record, beside logs.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use roboppi_attach::RunSource;
use roboppi_record::{RecordError, RunDir};
use roboppi_run::{Activity, HistoryPage};
use tokio::sync::oneshot;

use crate::activity_pane::{EarlierRead, EarlierRequest};
use crate::log_pane::CoreTail;
use crate::message::Message;
use crate::{sanitise, text};

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
            Err(RecordError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Some(CoreTail::default())
            }
            Err(error) => {
                let error = Some(error.to_string());
                Some(CoreTail { path: shown, error, ..CoreTail::default() })
            }
        }
    }
}

/// Something of the record that may take a moment to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A large value, by its name.
    Whole(String),
    /// What an agent did earlier.
    Earlier(EarlierRequest),
}

/// Reads one thing at a time on a thread of its own, so that no key waits for a disk.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    answer: Option<oneshot::Receiver<Message>>,
}

impl Reading {
    /// Begins to read, when nothing else is being read. What is still wanted then is asked for again with the next frame.
    pub(crate) fn begin(&mut self, source: &Arc<dyn RunSource>, wanted: Wanted) {
        if self.answer.is_some() {
            return;
        }
        let (known, answer) = oneshot::channel();
        let run_dir = RunDir::at(source.run_dir().to_owned());
        let read = move || {
            // Nobody wants it when the screen is gone.
            let _ = known.send(read(&run_dir, wanted));
        };
        if thread::Builder::new().name("tui-record".to_owned()).spawn(read).is_ok() {
            self.answer = Some(answer);
        }
    }

    /// Waits for what is being read. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Message {
        if let Some(answer) = &mut self.answer {
            let answer = answer.await;
            self.answer = None;
            if let Ok(message) = answer {
                return message;
            }
        }
        std::future::pending().await
    }
}

fn read(run_dir: &RunDir, wanted: Wanted) -> Message {
    match wanted {
        Wanted::Whole(name) => {
            let text = whole(run_dir, &name);
            Message::Whole(name, text)
        }
        Wanted::Earlier(request) => {
            let found = earlier(run_dir, &request).map_err(|error| format!("it cannot be read: {error}"));
            Message::Earlier(EarlierRead { request, found: found.map(Arc::new) })
        }
    }
}

/// A large value of the record, as much of it as anybody reads on a screen.
fn whole(run_dir: &RunDir, name: &str) -> String {
    match run_dir.blob(name) {
        Ok(Some(bytes)) if bytes.len() > WHOLE => {
            let path = run_dir.blob_path(name).display().to_string();
            let text = String::from_utf8_lossy(&bytes[..WHOLE]);
            format!("{text}\n… {} more in {path}", text::bytes((bytes.len() - WHOLE) as u64))
        }
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => "The rest is not in the record.".to_owned(),
        Err(error) => format!("The rest cannot be read: {error}"),
    }
}

/// Works a stretch out of the event file of an attempt.
fn earlier(run_dir: &RunDir, request: &EarlierRequest) -> Result<Activity, RecordError> {
    let mut events = run_dir.events(&request.base)?;
    let mut earlier = HistoryPage::new(request.stretch);
    loop {
        let record = match events.next() {
            None => break,
            Some(Ok(record)) => record,
            // A damaged line; the next one can be read.
            Some(Err(RecordError::BadJson { .. })) => continue,
            Some(Err(error)) => return Err(error),
        };
        let is_known = request.known.is_some_and(|known| record.seq <= known);
        if !is_known || earlier.take(&record).is_break() {
            break;
        }
    }
    Ok(earlier.finish())
}

/// Length of the file, bytes that are not shown, lines; `None` when the length is still `known`.
fn core_tail(path: &Path, known: Option<u64>) -> Result<Option<(u64, u64, Vec<String>)>, RecordError> {
    let run = RunDir::at(path.parent().unwrap_or_else(|| Path::new(".")).to_owned());
    let unreadable = |source| RecordError::Io { action: "read", path: path.to_owned(), source };
    let file = run.open_core_stderr()?.ok_or_else(|| unreadable(io::ErrorKind::NotFound.into()))?;
    let len = file.metadata().map_err(unreadable)?.len();
    if known == Some(len) {
        return Ok(None);
    }
    let mut from = len.saturating_sub(CORE_TAIL);
    let mut bytes = vec![0; usize::try_from(len - from).unwrap_or(0)];
    file.read_exact_at(&mut bytes, from).map_err(unreadable)?;
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

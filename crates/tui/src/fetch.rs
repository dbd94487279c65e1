//! Reads what the screen shows of the record, beside logs.

mod earlier;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use roboppi_attach::RunSource;
use roboppi_record::{CoreLog, RecordPart, RecordStore};
use tokio::sync::oneshot;

use crate::activity_pane::{EarlierRead, EarlierRequest};
use crate::log_pane::CoreTail;
use crate::message::Message;
use crate::{sanitise, text};
use earlier::EarlierReader;

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
    pub(crate) fn core_tail(&mut self, record: &dyn RecordStore) -> Option<CoreTail> {
        let path = record.location(RecordPart::CoreLog).map(|path| path.display().to_string());
        let path = path.unwrap_or_default();
        match record.core_log(CORE_TAIL, self.core) {
            Ok(CoreLog::Unchanged) => None,
            Ok(CoreLog::Absent) => Some(CoreTail::default()),
            Ok(CoreLog::Read { len, tail }) => {
                self.core = Some(len);
                let (skipped, lines) = whole_lines(&tail, len);
                Some(CoreTail { lines, skipped, path, error: None })
            }
            Err(error) => Some(CoreTail { path, error: Some(error.to_string()), ..CoreTail::default() }),
        }
    }
}

/// The bytes of a text of `len` bytes that are not shown of it, and the lines of its end that are whole.
fn whole_lines(tail: &[u8], len: u64) -> (u64, Vec<String>) {
    let mut skipped = len - tail.len() as u64;
    let mut bytes = tail;
    if skipped > 0 {
        // The first line is most likely not whole.
        let whole = memchr::memchr(b'\n', bytes).map_or(0, |at| at + 1);
        bytes = &bytes[whole..];
        skipped += whole as u64;
    }
    let text = String::from_utf8_lossy(bytes.strip_suffix(b"\n").unwrap_or(bytes)).into_owned();
    (skipped, if text.is_empty() { Vec::new() } else { sanitise::lines(&text) })
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
    earlier: Arc<Mutex<EarlierReader>>,
}

impl Reading {
    /// Begins to read, when nothing else is being read. What is still wanted then is asked for again with the next frame.
    pub(crate) fn begin(&mut self, source: &Arc<dyn RunSource>, wanted: Wanted) {
        if self.answer.is_some() {
            return;
        }
        let (known, answer) = oneshot::channel();
        let (source, earlier) = (Arc::clone(source), Arc::clone(&self.earlier));
        let read = move || {
            // Nobody wants it when the screen is gone.
            let mut earlier = earlier.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = known.send(read(source.record(), &mut earlier, wanted));
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

fn read(record: &dyn RecordStore, earlier: &mut EarlierReader, wanted: Wanted) -> Message {
    match wanted {
        Wanted::Whole(name) => {
            let text = whole(record, &name);
            Message::Whole(name, text)
        }
        Wanted::Earlier(request) => {
            let found = earlier.read(record, &request).map_err(|error| format!("it cannot be read: {error}"));
            Message::Earlier(EarlierRead { request, found: found.map(Arc::new) })
        }
    }
}

/// A large value of the record, as much of it as anybody reads on a screen.
fn whole(record: &dyn RecordStore, name: &str) -> String {
    match record.blob(name) {
        Ok(Some(bytes)) if bytes.len() > WHOLE => {
            let path = record.location(RecordPart::Blob(name));
            let path = path.map_or_else(String::new, |path| format!(" in {}", path.display()));
            let text = String::from_utf8_lossy(&bytes[..WHOLE]);
            format!("{text}\n… {} more{path}", text::bytes((bytes.len() - WHOLE) as u64))
        }
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => "The rest is not in the record.".to_owned(),
        Err(error) => format!("The rest cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use roboppi_record::MemoryRecord;

    use super::*;

    #[test]
    fn the_end_of_a_long_file_begins_with_a_whole_line() {
        let record = MemoryRecord::default();
        let mut fetcher = Fetcher::default();
        assert_eq!(fetcher.core_tail(&record), Some(CoreTail::default()));

        record.add_core_log(b"a\x1b[31mb\nc\n");
        assert_eq!(fetcher.core_tail(&record).unwrap().lines, ["ab", "c"]);
        assert_eq!(fetcher.core_tail(&record), None);

        let record = MemoryRecord::default();
        let line = format!("{}\n", "x".repeat(999));
        record.add_core_log(line.repeat(100).as_bytes());
        let tail = fetcher.core_tail(&record).unwrap();
        assert_eq!(tail.lines.len(), 65);
        assert!(tail.lines.iter().all(|line| line.len() == 999));
        assert_eq!(tail.skipped, 35_000);
    }
}

//! What a core says on stderr: always read, kept, and its end remembered.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of the end that are remembered.
const TAIL: usize = 4 * 1024;

/// The end of what a core said.
#[derive(Clone, Debug, Default)]
pub(crate) struct StderrTail(Rc<RefCell<Vec<u8>>>);

impl StderrTail {
    /// Reads to the end; every byte goes to `file` if there is one.
    pub(crate) async fn keep(self, mut stderr: impl AsyncRead + Unpin, mut file: Option<File>) {
        let mut chunk = vec![0; 8 * 1024];
        while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
            let bytes = &chunk[..count];
            if file.as_mut().is_some_and(|file| file.write_all(bytes).is_err()) {
                file = None;
            }
            let mut tail = self.0.borrow_mut();
            tail.extend_from_slice(bytes);
            let surplus = tail.len().saturating_sub(TAIL);
            tail.drain(..surplus);
        }
    }

    /// The last words, without the control characters a terminal would act on.
    pub(crate) fn last_words(&self) -> Option<String> {
        let tail = self.0.borrow();
        let text = String::from_utf8_lossy(&tail);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(5)..];
        let words: String = last
            .join("\n")
            .chars()
            .filter(|character| *character == '\n' || !character.is_control())
            .collect();
        (!words.is_empty()).then_some(words)
    }
}

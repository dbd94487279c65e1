//! What a core says on stderr: always read, kept, and its end remembered.

use std::cell::RefCell;
use std::rc::Rc;

use roboppi_ipc::{Frame, LineFramer};
use roboppi_process::guard::GuardReport;
use roboppi_record::BoundedFile;
use roboppi_redact::{Redactor, Secrets};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of the end that are remembered.
const TAIL: usize = 4 * 1024;

/// Bytes of a line that are looked at.
const LONGEST_LINE: usize = 64 * 1024;

/// Reports of a guard that are kept; a tree of more processes is told by its number.
const REPORTS: usize = 1_000;

/// What a core said: the end of its own words, and what its guard reported.
#[derive(Clone, Debug, Default)]
pub(crate) struct StderrTail(Rc<RefCell<Stderr>>);

#[derive(Debug, Default)]
struct Stderr {
    tail: Vec<u8>,
    reports: Vec<GuardReport>,
}

impl StderrTail {
    /// Reads to the end; what comes goes to `file` if there is one.
    pub(crate) async fn keep(
        self,
        mut stderr: impl AsyncRead + Unpin,
        mut file: Option<BoundedFile>,
        secrets: Secrets,
    ) {
        let mut redactor = Redactor::new(&secrets);
        let mut lines = LineFramer::new(LONGEST_LINE);
        let mut chunk = vec![0; 8 * 1024];
        let mut ended = false;
        while !ended {
            let mut clean = Vec::new();
            match stderr.read(&mut chunk).await {
                Ok(count @ 1..) => redactor.push(&chunk[..count], &mut clean),
                Ok(0) | Err(_) => {
                    ended = true;
                    redactor.finish(&mut clean);
                }
            }
            let bytes = clean.as_slice();
            if file.as_mut().is_some_and(|file| file.append(bytes).is_err()) {
                file = None;
            }
            let mut stderr = self.0.borrow_mut();
            lines.push(bytes, |frame| {
                if let Frame::Line(line) = frame {
                    stderr.line(line);
                }
            });
        }
        self.0.borrow_mut().line(lines.incomplete());
    }

    /// The last words, without the control characters a terminal would act on.
    pub(crate) fn last_words(&self) -> Option<String> {
        let stderr = self.0.borrow();
        let text = String::from_utf8_lossy(&stderr.tail);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(5)..];
        let words: String = last
            .join("\n")
            .chars()
            .filter(|character| *character == '\n' || !character.is_control())
            .collect();
        (!words.is_empty()).then_some(words)
    }

    /// What the guard of the core reported; each report is given once.
    pub(crate) fn take_reports(&self) -> Vec<GuardReport> {
        std::mem::take(&mut self.0.borrow_mut().reports)
    }
}

impl Stderr {
    fn line(&mut self, line: &[u8]) {
        if let Some(report) = std::str::from_utf8(line).ok().and_then(GuardReport::parse_line) {
            if self.reports.len() < REPORTS {
                self.reports.push(report);
            }
            return;
        }
        self.tail.extend_from_slice(line);
        self.tail.push(b'\n');
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn words_and_reports_are_told_apart() {
        let stderr: &[u8] = b"first\nroboppi-guard: {\"type\":\"core_exited\",\"signal\":9}\n\x1b[31mlast";
        let tail = StderrTail::default();
        tail.clone().keep(stderr, None, Secrets::default()).await;
        assert_eq!(tail.last_words().as_deref(), Some("first\n[31mlast"));
        assert_eq!(tail.take_reports(), [GuardReport::CoreExited { code: None, signal: Some(9) }]);
        assert!(tail.take_reports().is_empty());
    }
}

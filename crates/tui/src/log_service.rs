//! Reads logs on a thread of its own, so that no key waits for a disk or for a search.
//!
//! The log_service is asked for what the pane needs and answers when it has it. Only the latest request counts: one that
//! was not begun is replaced. A search goes on between requests, a stretch at a time, and is given up when
//! nothing is looked for any more. Answers wait in a short queue; the log_service waits while it is full.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use roboppi_attach::RunSource;
use tokio::sync::mpsc;

use crate::log_pane::{LogReply, LogRequest};

mod copy;
mod log_layout;
mod log_worker;
mod matches;
mod seek;
#[cfg(test)]
mod tests;

use log_worker::LogWorker;

/// Answers that may wait.
const WAITING: usize = 4;

/// Where logs are asked for. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct LogService {
    mailbox: Arc<Mailbox>,
    replies: mpsc::Receiver<LogReply>,
}

/// Where requests are put.
#[derive(Debug, Default)]
struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    request: Option<LogRequest>,
    closed: bool,
}

/// What is to be done next.
enum Job {
    Serve(Box<LogRequest>),
    Work,
    Stop,
}

impl LogService {
    /// Opens a log_service for the logs of a run.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn open(source: Arc<dyn RunSource>) -> std::io::Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let (answers, replies) = mpsc::channel(WAITING);
        let log_worker = LogWorker::new(source);
        let theirs = Arc::clone(&mailbox);
        std::thread::Builder::new()
            .name("tui-logs".to_owned())
            .spawn(move || serve(log_worker, &theirs, &answers))?;
        Ok(Self { mailbox, replies })
    }

    /// Asks for what the pane needs. What was asked for before and not begun is forgotten.
    pub(crate) fn ask(&self, request: LogRequest) {
        self.mailbox.lock().request = Some(request);
        self.mailbox.changed.notify_one();
    }

    /// Waits for the next answer. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> LogReply {
        match self.replies.recv().await {
            Some(reply) => reply,
            // The thread ended by a panic, which has been shown.
            None => std::future::pending().await,
        }
    }
}

impl Drop for LogService {
    fn drop(&mut self) {
        self.mailbox.lock().closed = true;
        self.mailbox.changed.notify_one();
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What is inside is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next thing to do; waits when there is none.
    fn next(&self, busy: bool) -> Job {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Job::Stop;
            }
            if let Some(request) = state.request.take() {
                return Job::Serve(Box::new(request));
            }
            if busy {
                return Job::Work;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn serve(mut log_worker: LogWorker, mailbox: &Mailbox, answers: &mpsc::Sender<LogReply>) {
    let mut replies = Vec::new();
    loop {
        match mailbox.next(log_worker.is_busy()) {
            Job::Serve(request) => log_worker.serve(*request, &mut replies),
            Job::Work => log_worker.work(&mut replies),
            Job::Stop => return,
        }
        for reply in replies.drain(..) {
            if answers.blocking_send(reply).is_err() {
                return;
            }
        }
    }
}

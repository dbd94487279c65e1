//! Reads logs on a thread of its own, so that no key waits for a disk or for a search.
//!
//! The desk is asked for what the pane needs and answers when it has it. Only the latest request counts: one that
//! was not begun is replaced. A search goes on between requests, a stretch at a time, and is given up when
//! nothing is looked for any more. Answers wait in a short queue; the desk waits while it is full.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use roboppi_attach::RunSource;
use tokio::sync::mpsc;

use crate::log_pane::{LogReply, LogRequest};

mod clerk;
mod copy;
mod matches;
mod seek;
mod sheet;

use clerk::Clerk;

/// Answers that may wait.
const WAITING: usize = 4;

/// Where logs are asked for. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Desk {
    tray: Arc<Tray>,
    replies: mpsc::Receiver<LogReply>,
}

/// Where requests are put.
#[derive(Debug, Default)]
struct Tray {
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

impl Desk {
    /// Opens a desk for the logs of a run.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn open(source: Arc<dyn RunSource>) -> std::io::Result<Self> {
        let tray = Arc::new(Tray::default());
        let (answers, replies) = mpsc::channel(WAITING);
        let clerk = Clerk::new(source);
        let theirs = Arc::clone(&tray);
        std::thread::Builder::new()
            .name("tui-logs".to_owned())
            .spawn(move || serve(clerk, &theirs, &answers))?;
        Ok(Self { tray, replies })
    }

    /// Asks for what the pane needs. What was asked for before and not begun is forgotten.
    pub(crate) fn ask(&self, request: LogRequest) {
        self.tray.lock().request = Some(request);
        self.tray.changed.notify_one();
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

impl Drop for Desk {
    fn drop(&mut self) {
        self.tray.lock().closed = true;
        self.tray.changed.notify_one();
    }
}

impl Tray {
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

fn serve(mut clerk: Clerk, tray: &Tray, answers: &mpsc::Sender<LogReply>) {
    let mut replies = Vec::new();
    loop {
        match tray.next(clerk.is_busy()) {
            Job::Serve(request) => clerk.serve(*request, &mut replies),
            Job::Work => clerk.work(&mut replies),
            Job::Stop => return,
        }
        for reply in replies.drain(..) {
            if answers.blocking_send(reply).is_err() {
                return;
            }
        }
    }
}

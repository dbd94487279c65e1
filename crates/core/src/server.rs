//! The core on the wire: reads requests, runs jobs, writes answers and events.
//!
//! Two loops share one state: the reader decides and never waits for the writer, unless the peer reads no
//! answers at all; the writer takes what there is, fairly, and is the only one that encodes.

mod connect;
mod outbox;
mod state;
mod stdio;
mod writer;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use roboppi_ipc::io::{Incoming, MessageReader};
use roboppi_worker_adapters::Adapters;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::{Clock, CoreSettings};
use state::CoreState;
use writer::WireWriter;

pub use connect::{BadPort, Transport};
pub use stdio::serve_process;

/// Time the last messages may take to be read once everything has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// How urgently a core is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopRequest {
    /// End the workers by the ladder.
    Terminate,
    /// Kill them.
    Kill,
}

/// What the loops of one core share.
#[derive(Debug)]
struct Served {
    state: RefCell<CoreState>,
    clock: Clock,
    /// There is something to write.
    news: Rc<Notify>,
    /// An answer was written.
    answered: Notify,
    /// A job has ended.
    ended: Notify,
}

/// Serves one supervisor until it closes the wire or `stop` asks for the end. All workers have ended, and all
/// they left behind, and all that was to be said is written when this returns, if the supervisor reads.
///
/// In a process that is a child subreaper every orphan that comes to it is thought to be left by a worker.
///
/// The future is not `Send`: it wants a thread, but no more than that. Dropping it kills the workers.
///
/// # Errors
/// When the wire fails while reading.
pub async fn serve<R, W>(
    reader: R,
    writer: W,
    settings: CoreSettings,
    adapters: Adapters,
    stop: mpsc::Receiver<StopRequest>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    LocalSet::new().run_until(serve_local(reader, writer, settings, adapters, stop)).await
}

async fn serve_local<R, W>(
    reader: R,
    writer: W,
    settings: CoreSettings,
    adapters: Adapters,
    mut stop: mpsc::Receiver<StopRequest>,
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let clock = Clock::start();
    let trace = settings.trace.clone();
    let news = Rc::new(Notify::new());
    let state = RefCell::new(CoreState::new(settings, adapters, clock, Rc::clone(&news)));
    let served = Rc::new(Served { state, clock, news, answered: Notify::new(), ended: Notify::new() });
    served.state.borrow_mut().greet();

    let orphans = served.state.borrow().orphans();
    {
        let orphans = Rc::clone(&orphans);
        tokio::task::spawn_local(async move { orphans.keep_reaping().await });
    }
    let mut writer = WireWriter::new(writer, Rc::clone(&served), trace.clone());
    let mut messages = MessageReader::new(reader).traced(trace);
    let mut writing = std::pin::pin!(writer.run());
    let mut reading = std::pin::pin!(read(&served, &mut messages));
    let (mut is_reading, mut is_writing) = (true, true);
    let mut result = Ok(());
    tokio::select! {
        end = &mut reading => (is_reading, result) = (false, end),
        // Who takes nothing any more has gone.
        () = &mut writing => is_writing = false,
        () = asked_to_stop(&mut stop) => {}
    }
    let mut ending = std::pin::pin!(end_jobs(&served, &mut stop));
    loop {
        tokio::select! {
            () = &mut ending => break,
            () = &mut writing, if is_writing => is_writing = false,
            end = &mut reading, if is_reading => (is_reading, result) = (false, end),
        }
    }
    let left = orphans.end_all().await;
    served.state.borrow_mut().left_at_the_end(left);
    served.state.borrow_mut().outbox.close();
    served.news.notify_one();
    if is_writing {
        // A peer that does not read its end is not waited for.
        let _ = timeout(FAREWELL, writing).await;
    }
    result
}

async fn asked_to_stop(stop: &mut mpsc::Receiver<StopRequest>) {
    match stop.recv().await {
        Some(_) => {}
        None => std::future::pending().await,
    }
}

/// Reads until the end of the wire.
async fn read<R: AsyncRead + Unpin>(served: &Rc<Served>, messages: &mut MessageReader<R>) -> io::Result<()> {
    while let Some(incoming) = messages.next().await? {
        match incoming {
            Incoming::Message(message) => CoreState::message(served, message),
            Incoming::Bad(error) => served.state.borrow_mut().bad_line(&error),
            Incoming::TooLong { limit } => served.state.borrow_mut().long_line(limit),
        }
        served.news.notify_one();
        while served.state.borrow().outbox.is_full() {
            served.answered.notified().await;
        }
    }
    Ok(())
}

/// Ends all jobs and waits until they have ended.
async fn end_jobs(served: &Rc<Served>, stop: &mut mpsc::Receiver<StopRequest>) {
    CoreState::stop(served, StopRequest::Terminate);
    // An old runner kills its core after 5 s, workers and all: they must be gone by then.
    let patience = served.state.borrow().ladder_limit();
    let mut impatient = std::pin::pin!(async {
        match patience {
            Some(patience) => tokio::time::sleep(patience).await,
            None => std::future::pending().await,
        }
    });
    let mut killed = false;
    while served.state.borrow().has_workers() {
        tokio::select! {
            () = served.ended.notified() => {}
            () = &mut impatient, if !killed => {
                killed = true;
                CoreState::stop(served, StopRequest::Kill);
            }
            () = asked_to_stop(stop), if !killed => {
                killed = true;
                CoreState::stop(served, StopRequest::Kill);
            }
        }
    }
}

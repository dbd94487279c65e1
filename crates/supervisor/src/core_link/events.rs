//! What links have to say, on its way to the runner.
//!
//! The queue holds few messages of a core: while more wait, its wire is not read, and the core waits in turn. What a link
//! says of itself always has room; that is a handful of entries, and one for each process that its core left behind.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use roboppi_ipc::{Dialect, Hello, JobCompleted, JobEvent, JobId, Message, Usage, WorkerFacts};
use roboppi_run::HostId;
use tokio::sync::mpsc;

use super::restart::Loss;

/// Entries that may wait before a wire is not read any further. What one look at it brings comes on top.
const MOST: usize = 64;

/// What a core reports of a job, beside its answers.
pub(crate) enum JobReport<'a> {
    /// Something its worker did.
    Event(JobEvent),
    /// Its end, to which more may be known here.
    Completed(&'a mut JobCompleted),
}

/// Takes the reports of jobs as soon as they are read.
pub(crate) type JobSink = Box<dyn FnMut(JobReport<'_>)>;

/// What a link has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// The core speaks; jobs may be submitted.
    Ready {
        /// The protocol both speak.
        dialect: Dialect,
        /// Its greeting; a core of protocol 1 has none.
        hello: Option<Hello>,
        /// What it says of the needed kinds of workers that do not come with roboppi.
        workers: Vec<WorkerFacts>,
    },
    /// Something that answers no request and is not a `job_event`.
    Message(Message),
    /// A worker has used that much so far.
    Used {
        /// Its job.
        job_id: JobId,
        /// What it has used.
        usage: Usage,
    },
    /// The core said something that is no message, for the first time. It is ignored, like all that follow.
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// Another host had no program, and this one was copied there.
    Installed {
        /// Where it is there.
        path: String,
        /// Its length.
        bytes: u64,
    },
    /// The keeper of another host cannot be reached since then. What runs there goes on.
    Unreachable {
        /// Why, one line.
        detail: String,
    },
    /// It answers again.
    Reachable {
        /// For how long it was not reached.
        after: Duration,
        /// Its lease had expired by then.
        expired: bool,
    },
    /// The core can be told nothing more. It may still live.
    WireClosed,
    /// The core is gone, or of no use.
    Lost {
        /// Why, how it ended, and what it last said.
        detail: String,
        /// What that means for another one.
        loss: Loss,
    },
}

/// The end of the queue for those who have something to say.
#[derive(Clone, Debug)]
pub(crate) struct LinkSender {
    host: HostId,
    queue: mpsc::UnboundedSender<(HostId, LinkEvent)>,
    waiting: Rc<Waiting>,
}

/// The end of the queue for the runner.
#[derive(Debug)]
pub(crate) struct LinkReceiver {
    queue: mpsc::UnboundedReceiver<(HostId, LinkEvent)>,
    waiting: Rc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: Cell<usize>,
    /// Those who read a wire each, and wait for room.
    readers: RefCell<Vec<Waker>>,
}

/// A queue from links to a runner.
pub(crate) fn link_events() -> (LinkSender, LinkReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Rc::<Waiting>::default();
    let here = LinkSender { host: HostId::here(), queue: sender, waiting: Rc::clone(&waiting) };
    (here, LinkReceiver { queue: receiver, waiting })
}

impl LinkSender {
    /// The same for the link to the core of a host.
    pub(crate) fn of(&self, host: &HostId) -> Self {
        Self { host: host.clone(), ..self.clone() }
    }

    /// Says something. Nobody listens once the run is over.
    pub(crate) fn send(&self, event: LinkEvent) {
        if self.queue.send((self.host.clone(), event)).is_ok() {
            self.waiting.entries.set(self.waiting.entries.get() + 1);
        }
    }

    /// Goes on with `reading` only while there is room for what it brings.
    pub(crate) async fn paced<T>(&self, reading: impl Future<Output = T>) -> T {
        let mut reading = pin!(reading);
        poll_fn(|context| {
            if self.waiting.entries.get() >= MOST {
                let mut readers = self.waiting.readers.borrow_mut();
                if !readers.iter().any(|reader| reader.will_wake(context.waker())) {
                    readers.push(context.waker().clone());
                }
                return Poll::Pending;
            }
            reading.as_mut().poll(context)
        })
        .await
    }
}

impl LinkReceiver {
    /// Waits for the next event; `None` when nobody is left to say anything. Dropping the future loses nothing.
    pub(crate) async fn recv(&mut self) -> Option<(HostId, LinkEvent)> {
        let event = self.queue.recv().await?;
        self.waiting.taken();
        Some(event)
    }

    /// The next event if there is one.
    pub(crate) fn try_recv(&mut self) -> Option<(HostId, LinkEvent)> {
        let event = self.queue.try_recv().ok()?;
        self.waiting.taken();
        Some(event)
    }
}

impl Waiting {
    fn taken(&self) {
        self.entries.set(self.entries.get().saturating_sub(1));
        self.readers.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::task::{LocalSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn a_wire_is_read_as_fast_as_what_comes_of_it_is_taken() {
        const ALL: usize = 10_000;
        /// What a reader brings before it lets others run.
        const AT_ONCE: usize = 64;

        LocalSet::new()
            .run_until(async {
                let (sender, mut receiver) = link_events();
                let reader = tokio::task::spawn_local(async move {
                    let reading = async {
                        for number in 0..ALL {
                            sender.send(LinkEvent::Malformed { detail: number.to_string() });
                            if number % AT_ONCE == 0 {
                                yield_now().await;
                            }
                        }
                    };
                    sender.paced(reading).await;
                });
                // Nobody listens, as while the run stands still.
                for _ in 0..1_000 {
                    yield_now().await;
                }
                assert!(receiver.waiting.entries.get() <= MOST + AT_ONCE, "{:?}", receiver.waiting);
                let mut told = VecDeque::new();
                while let Some((_, LinkEvent::Malformed { detail })) = receiver.recv().await {
                    told.push_back(detail);
                    assert!(receiver.waiting.entries.get() <= MOST + AT_ONCE);
                }
                assert!(told.into_iter().eq((0..ALL).map(|number| number.to_string())));
                reader.await.unwrap();
            })
            .await;
    }

    #[tokio::test]
    async fn what_waits_can_be_taken_without_waiting() {
        let (sender, mut receiver) = link_events();
        assert!(receiver.try_recv().is_none());
        sender.send(LinkEvent::WireClosed);
        assert!(matches!(receiver.try_recv(), Some((_, LinkEvent::WireClosed))));
        drop(sender);
        assert!(receiver.recv().await.is_none());
    }
}

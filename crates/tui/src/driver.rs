//! The loop that waits, updates and draws.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use ratatui::layout::Size;
use roboppi_attach::{Next, Records, RunSource};
use roboppi_ipc::UtcMillis;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::control::Signal;
use crate::fetch::Fetcher;
use crate::input::Decoder;
use crate::message::{Action, Message};
use crate::model::{Model, TICK};
use crate::terminal::{Screen, TerminalEvent, TerminalEvents};
use crate::update::{log_request, prepare, update, wants_core_tail};
use crate::{TuiControl, TuiError, TuiSettings};

/// Shortest time between two frames.
const FRAME: Duration = Duration::from_millis(33);

/// Records folded before keys are looked at again.
const RECORDS_AT_ONCE: usize = 256;

/// Draws a run until a person leaves the screen, the run is over and nobody wants to stay, or `control` says
/// to stop. The terminal is as it was before when this returns.
///
/// Blocks, and makes a runtime of its own: to be called on a thread of its own, so that a terminal that takes
/// no output holds up nothing else. While such a terminal blocks a frame, nothing is noticed here, a stop
/// included: whoever waits for this thread must not wait for ever, and calls
/// [`restore_terminal`](crate::restore_terminal) instead.
///
/// # Errors
/// [`TuiError::NoTerminal`] when there is none; [`TuiError::Gone`] when it went away, which is a hang-up;
/// [`TuiError::Restored`] when it was given back by another thread.
#[expect(clippy::needless_pass_by_value, reason = "the thread of the screen owns what it uses")]
pub fn run(source: Arc<dyn RunSource>, settings: TuiSettings, control: TuiControl) -> Result<(), TuiError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TuiError::Setup)?;
    runtime.block_on(async {
        let screen = Screen::enter()?;
        let events = screen.events().map_err(TuiError::Setup)?;
        let clock = Clock::starting_at(SystemTime::now());
        let mut model = Model::new(settings, TimeZone::system(), screen.size(), clock.now());
        model.run_dir = source.run_dir().display().to_string();
        Driver::new(model, screen, source.as_ref(), clock).drive(events, control).await
    })
}

/// What frames are drawn on.
pub(crate) trait Display {
    fn draw(&mut self, model: &Model) -> io::Result<()>;

    fn resize(&mut self, size: Size);

    /// Forgets what is on the screen and takes it over again.
    fn afresh(&mut self) -> io::Result<()>;

    /// Whether the terminal is still ours.
    fn is_taken(&self) -> bool;
}

/// UTC that does not jump: the time at the start and what has gone by since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    utc: UtcMillis,
    start: Instant,
}

impl Clock {
    fn starting_at(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { utc: UtcMillis(millis(since)), start: Instant::now() }
    }

    fn now(&self) -> UtcMillis {
        UtcMillis(self.utc.0.saturating_add(millis(self.start.elapsed())))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Leave,
}

struct Driver<'a, D> {
    model: Model,
    display: D,
    source: &'a dyn RunSource,
    clock: Clock,
    fetcher: Fetcher,
    decoder: Decoder,
}

impl<'a, D: Display> Driver<'a, D> {
    fn new(model: Model, display: D, source: &'a dyn RunSource, clock: Clock) -> Self {
        Self { model, display, source, clock, fetcher: Fetcher::default(), decoder: Decoder::default() }
    }

    async fn drive(mut self, mut events: TerminalEvents, mut control: TuiControl) -> Result<(), TuiError> {
        let mut records = self.follow();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_frame = Instant::now();
        let mut last_input = Instant::now();
        let mut flow = Flow::On;
        while flow == Flow::On {
            let patience = self.decoder.patience();
            flow = tokio::select! {
                signal = control.next() => match signal {
                    Signal::Interrupt => self.tell(Message::Interrupt),
                    Signal::Stop => Flow::Leave,
                },
                event = events.next() => {
                    last_input = Instant::now();
                    self.terminal_event(event)?
                }
                () = sleep_until(last_input + patience.unwrap_or_default()), if patience.is_some() => {
                    let mut keys = Vec::new();
                    self.decoder.settle(&mut keys);
                    self.press(keys)
                }
                next = records.next(), if !self.model.ended => self.take(&mut records, next),
                _ = tick.tick(), if self.model.is_alive() => self.tell(Message::Tick(self.clock.now())),
                () = sleep_until(next_frame), if self.model.dirty => {
                    self.frame()?;
                    next_frame = Instant::now() + FRAME;
                    Flow::On
                }
            };
        }
        Ok(())
    }

    fn follow(&mut self) -> Records {
        let following = self.source.follow();
        self.tell(Message::Follow(Box::new(following.view)));
        following.records
    }

    /// Takes a record and those that wait behind it.
    fn take(&mut self, records: &mut Records, next: Next) -> Flow {
        let mut next = Some(next);
        let mut flow = Flow::On;
        for _ in 0..RECORDS_AT_ONCE {
            flow = match next {
                None => break,
                Some(Next::Record(record)) => self.tell(Message::Record(record)),
                Some(Next::Lagged) => {
                    let following = self.source.follow();
                    *records = following.records;
                    self.tell(Message::Follow(Box::new(following.view)))
                }
                Some(Next::Ended) => return self.tell(Message::Ended),
            };
            if flow == Flow::Leave {
                break;
            }
            next = records.try_next();
        }
        flow
    }

    fn terminal_event(&mut self, event: TerminalEvent) -> Result<Flow, TuiError> {
        match event {
            TerminalEvent::Input(bytes) => {
                let mut keys = Vec::new();
                self.decoder.feed(&bytes, &mut keys);
                Ok(self.press(keys))
            }
            TerminalEvent::Resize(size) => {
                self.display.resize(size);
                Ok(self.tell(Message::Resize(size)))
            }
            TerminalEvent::Continued => {
                self.display.afresh().map_err(TuiError::Gone)?;
                self.model.dirty = true;
                Ok(Flow::On)
            }
            TerminalEvent::Gone(error) => Err(TuiError::Gone(error)),
        }
    }

    fn press(&mut self, keys: Vec<crate::keymap::Key>) -> Flow {
        for key in keys {
            if self.tell(Message::Key(key)) == Flow::Leave {
                return Flow::Leave;
            }
        }
        Flow::On
    }

    /// Updates the model and does what it asks for.
    fn tell(&mut self, message: Message) -> Flow {
        let mut flow = Flow::On;
        for action in update(&mut self.model, message) {
            match action {
                Action::Wish(wish) => self.source.wish(wish),
                Action::Leave => flow = Flow::Leave,
            }
        }
        flow
    }

    fn frame(&mut self) -> Result<(), TuiError> {
        if !self.display.is_taken() {
            return Err(TuiError::Restored);
        }
        prepare(&mut self.model);
        if let Some(request) = log_request(&self.model)
            && let Some(window) = self.fetcher.log(self.source, &request)
        {
            self.tell(Message::Log(window));
        }
        if wants_core_tail(&self.model)
            && let Some(tail) = self.fetcher.core_tail(&self.source.core_stderr())
        {
            self.tell(Message::CoreTail(tail));
        }
        self.model.dirty = false;
        self.display.draw(&self.model).map_err(TuiError::Gone)
    }
}

#[cfg(test)]
mod tests;

//! The loop of a dashboard that waits, updates and draws.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use roboppi_board::Change;
use roboppi_run::RunId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::feed::{self, Counter};
use super::model::Model;
use super::settings::{DashboardSettings, DashboardTab, FollowedFiles, OpenRun, OpenedRun, Runs};
use super::update::{Action, Message, update};
use super::view;
use crate::driver::{Clock, run_on};
use crate::input::{Decoder, Input};
use crate::programs::Programs;
use crate::terminal::{Display, Screen, TerminalEvent, TerminalEvents, TerminalMode};
use crate::{Audience, TuiControl, TuiError};

/// Shortest time between two frames for what runs do.
const FRAME: Duration = Duration::from_millis(33);

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// Ticks without a live run between two frames: ages of runs that are over change slowly.
const SLOW: u32 = 15;

/// Time between two countings of figures.
const COUNT: Duration = Duration::from_secs(1);

/// Batches of changes taken before keys are looked at again.
const AT_ONCE: usize = 4;

/// Draws all runs until the person leaves or `control` stops it; then the terminal is as it was before. `open` opens a run on its own
/// screen, `followed` knows the files of other programs that are followed meanwhile.
///
/// Blocks and makes a runtime of its own, as [`run`](crate::run) does.
///
/// # Errors
/// As those of [`run`](crate::run).
pub fn dashboard(
    runs: &Runs,
    settings: DashboardSettings,
    followed: Option<FollowedFiles>,
    open: OpenRun,
    programs: Arc<dyn Programs>,
    control: TuiControl,
) -> Result<Audience, TuiError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TuiError::Setup)?;
    runtime.block_on(async {
        let output = Arc::new(AtomicBool::new(false));
        // What is read first is read while the terminal is taken over.
        let changes = feed::changes(runs, Arc::clone(&output)).map_err(TuiError::Setup)?;
        let counter = Counter::of(runs).map_err(TuiError::Setup)?;
        let screen = Screen::enter(settings.mouse)?;
        let clock = Clock::starting_at(SystemTime::now());
        let demo = matches!(runs, Runs::Demo);
        let model = Model::new(settings, demo, TimeZone::system(), screen.size(), clock.now());
        let now = Instant::now();
        let driver = Driver {
            model,
            screen,
            changes,
            counter,
            followed,
            open,
            programs,
            control,
            clock,
            decoder: Decoder::default(),
            next_frame: now,
            counted: None,
            behind: false,
            ticks: 0,
            output,
        };
        driver.drive().await
    })
}

struct Driver {
    model: Model,
    screen: Screen,
    changes: mpsc::Receiver<Vec<Change>>,
    counter: Counter,
    followed: Option<FollowedFiles>,
    open: OpenRun,
    programs: Arc<dyn Programs>,
    control: TuiControl,
    clock: Clock,
    decoder: Decoder,
    next_frame: Instant,
    /// When figures were asked for last, and how many changes there were then.
    counted: Option<(Instant, u64)>,
    /// The process is in the background.
    behind: bool,
    ticks: u32,
    /// Whether the lines that workers print are read.
    output: Arc<AtomicBool>,
}

impl Driver {
    async fn drive(mut self) -> Result<Audience, TuiError> {
        self.behind = self.screen.hold() == Some(TerminalMode::Lent);
        let mut events = self.listen()?;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_input = Instant::now();
        let mut control = self.control.clone();
        loop {
            let patience = self.decoder.patience();
            let next_frame = self.next_frame;
            let action = tokio::select! {
                () = control.stopped() => Some(Action::Leave),
                event = events.next() => {
                    last_input = Instant::now();
                    self.terminal_event(event)?
                }
                () = sleep_until(last_input + patience.unwrap_or_default()), if patience.is_some() => {
                    let mut inputs = Vec::new();
                    self.decoder.settle(&mut inputs);
                    self.ingest(inputs)?
                }
                Some(batch) = self.changes.recv() => {
                    self.take(batch);
                    None
                }
                statistic = self.counter.next() => update(&mut self.model, Message::Statistic(statistic)),
                _ = tick.tick() => {
                    self.tick()?;
                    None
                }
                () = sleep_until(next_frame), if self.is_due()? => {
                    self.frame()?;
                    None
                }
            };
            match action {
                None => {}
                Some(Action::Leave) => break,
                Some(Action::Suspend) => self.screen.suspend(),
                Some(Action::Open(id)) => {
                    // The keys are for the screen of the run now.
                    drop(events);
                    self.show(&id).await?;
                    events = self.listen()?;
                }
            }
        }
        Ok(if self.model.used { Audience::Present } else { Audience::Absent })
    }

    fn listen(&self) -> Result<TerminalEvents, TuiError> {
        self.screen.events().map_err(TuiError::Setup)
    }

    /// Shows a run on its own screen until the person comes back.
    async fn show(&mut self, id: &RunId) -> Result<(), TuiError> {
        let trouble = match self.opened(id).await {
            Ok(OpenedRun { source, settings, lines }) => {
                let control = self.control.clone();
                let programs = Arc::clone(&self.programs);
                run_on(&mut self.screen, source, settings, lines, programs, control).await?;
                None
            }
            Err(trouble) => Some(trouble),
        };
        // The terminal may have another size, and shows the run.
        let size = self.screen.size();
        self.screen.resize(size);
        self.screen.take(TerminalMode::Screen).map_err(TuiError::Gone)?;
        self.screen.take_mouse(self.model.settings.mouse).map_err(TuiError::Gone)?;
        update(&mut self.model, Message::Resize(size));
        update(&mut self.model, Message::Tick(self.clock.now()));
        update(&mut self.model, Message::Closed(trouble));
        Ok(())
    }

    /// Opens a run on a thread of its own: its record may be long, and its disk slow.
    async fn opened(&self, id: &RunId) -> Result<OpenedRun, String> {
        let (sender, receiver) = oneshot::channel();
        let (open, id) = (Arc::clone(&self.open), id.clone());
        let opening = move || {
            let _ = sender.send(open(&id));
        };
        thread::Builder::new()
            .name("open".to_owned())
            .spawn(opening)
            .map_err(|error| format!("the run cannot be opened: {error}"))?;
        receiver.await.unwrap_or_else(|_| Err("the run cannot be opened".to_owned()))
    }

    /// Takes changes and those that wait behind them.
    fn take(&mut self, batch: Vec<Change>) {
        let was_dirty = self.model.dirty;
        let mut next = Some(batch);
        let mut room = AT_ONCE;
        while let Some(batch) = next {
            for change in batch {
                update(&mut self.model, Message::Change(change));
            }
            room -= 1;
            // Nothing is taken that has no room here.
            next = if room > 0 { self.changes.try_recv().ok() } else { None };
        }
        if self.model.frozen.is_some() {
            // Only the count of what is new changes, and the next tick shows it.
            self.model.dirty = was_dirty;
        }
        self.count();
    }

    /// Asks for figures if they are shown and may have changed.
    fn count(&mut self) {
        self.output.store(self.model.tab == DashboardTab::Logs, Ordering::Relaxed);
        // What runs did before is counted once, and figures as long as they are shown.
        let needs_past = self.model.tab == DashboardTab::Events && self.counted.is_none();
        let needs_past = needs_past && self.model.board.is_listed();
        if !(self.model.tab.needs_figures() || needs_past) {
            return;
        }
        let changes = self.model.board.changes();
        let is_due = self.counted.is_none_or(|(at, then)| at.elapsed() >= COUNT && then != changes);
        if is_due {
            self.counted = Some((Instant::now(), changes));
            self.counter.request();
        }
    }

    fn tick(&mut self) -> Result<(), TuiError> {
        if self.behind {
            self.come_back()?;
        }
        self.count();
        if let Some(followed) = &self.followed {
            update(&mut self.model, Message::Followed(followed()));
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.model.is_alive() || self.ticks.is_multiple_of(SLOW) {
            update(&mut self.model, Message::Tick(self.clock.now()));
        }
        Ok(())
    }

    fn come_back(&mut self) -> Result<(), TuiError> {
        self.screen.take(TerminalMode::Screen).map_err(TuiError::Gone)?;
        self.behind = self.screen.hold() == Some(TerminalMode::Lent);
        self.model.dirty = true;
        Ok(())
    }

    fn terminal_event(&mut self, event: TerminalEvent) -> Result<Option<Action>, TuiError> {
        match event {
            TerminalEvent::Input(bytes) => {
                let mut inputs = Vec::new();
                self.decoder.feed(&bytes, &mut inputs);
                self.ingest(inputs)
            }
            TerminalEvent::Resize(size) => {
                self.screen.resize(size);
                Ok(update(&mut self.model, Message::Resize(size)))
            }
            TerminalEvent::Continued => {
                self.come_back()?;
                Ok(None)
            }
            TerminalEvent::Gone(error) => Err(TuiError::Gone(error)),
        }
    }

    /// Takes keys and the mouse in. What they change is drawn at once.
    fn ingest(&mut self, inputs: Vec<Input>) -> Result<Option<Action>, TuiError> {
        self.model.now = self.clock.now();
        for input in inputs {
            let message = match input {
                Input::Key(key) => Message::Key(key),
                Input::Mouse(mouse) => Message::Mouse(mouse),
            };
            let action = update(&mut self.model, message);
            if action.is_some() {
                return Ok(action);
            }
        }
        self.count();
        if self.is_due()? {
            self.frame()?;
        }
        Ok(None)
    }

    fn is_due(&self) -> Result<bool, TuiError> {
        if !self.model.dirty {
            return Ok(false);
        }
        self.screen.hold().map(|hold| hold == TerminalMode::Screen).ok_or(TuiError::Restored)
    }

    fn frame(&mut self) -> Result<(), TuiError> {
        self.model.dirty = false;
        self.next_frame = Instant::now() + FRAME;
        let model = &self.model;
        self.screen.draw_with(|buffer| view::draw(model, buffer)).map_err(TuiError::Gone)
    }
}

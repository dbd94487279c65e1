//! The loop that waits, updates and draws.

use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use roboppi_attach::{History, Next, Records, RequestError, RunSource, Sharing};
use roboppi_ipc::UtcMillis;
use roboppi_record::RecordPart;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::clipboard::osc52;
use crate::fetch::{Fetcher, Reading};
use crate::input::{Decoder, Input};
use crate::lines::{LineView, Lines};
use crate::log_pane::LogRequest;
use crate::log_service::LogService;
use crate::message::{Action, Message};
use crate::model::{Model, TICK};
use crate::programs::{Editor, Places, Programs};
use crate::terminal::{Display, Screen, TerminalEvent, TerminalEvents, TerminalMode};
use crate::update::{log_request, prepare, pulls, update, wanted_of_record, wants_core_tail};
use crate::{Audience, TuiControl, TuiError, TuiSettings};

/// Shortest time between two frames for what the run does.
const FRAME: Duration = Duration::from_millis(33);

/// Shortest time between two frames for keys. Together there are at most 60 of both in a second, and one
/// more for a key that comes when nothing was pressed for this long: that one is drawn at once.
const KEY_FRAME: Duration = Duration::from_millis(17);

/// Time a frame for a key waits for the log it is about. A search or a slow disk takes longer; the frame then comes
/// without.
const LOG_WAITS: Duration = Duration::from_millis(8);

/// Time between two steps of a pane that the pointer pulls at.
const PULL: Duration = Duration::from_millis(50);

/// Records folded before keys are looked at again.
const RECORDS_AT_ONCE: usize = 64;

/// Draws a run until a person leaves the screen, the run is over and the screen does not stay, or `control` says
/// to stop; then reports whether it was used. The terminal is as it was before when this returns. `lines` writes the run as plain lines while
/// the person wants to see those, `programs` are for what they do beside looking.
///
/// Blocks, and makes a runtime of its own: to be called on a thread of its own, so that a terminal that takes
/// no output holds up nothing else. While such a terminal blocks a frame, nothing is noticed here, a stop
/// included: whoever waits for this thread must not wait for ever, and calls
/// [`restore_terminal`](crate::restore_terminal) instead.
///
/// # Errors
/// [`TuiError::NoTerminal`] when there is none; [`TuiError::Gone`] when it went away, which is a hang-up;
/// [`TuiError::Restored`] when it was given back by another thread.
pub fn run(
    source: Arc<dyn RunSource>,
    settings: TuiSettings,
    lines: LineView,
    programs: Arc<dyn Programs>,
    control: TuiControl,
) -> Result<Audience, TuiError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TuiError::Setup)?;
    runtime.block_on(async {
        let mut screen = Screen::enter(settings.mouse)?;
        run_on(&mut screen, source, settings, lines, programs, control).await
    })
}

/// The same on a terminal that is taken over already. It stays so.
pub(crate) async fn run_on(
    screen: &mut Screen,
    source: Arc<dyn RunSource>,
    settings: TuiSettings,
    lines: LineView,
    programs: Arc<dyn Programs>,
    control: TuiControl,
) -> Result<Audience, TuiError> {
    let events = screen.events().map_err(TuiError::Setup)?;
    let clock = Clock::starting_at(SystemTime::now());
    let mut model = Model::new(settings, TimeZone::system(), screen.size(), clock.now());
    model.run_dir = location_of(source.as_ref());
    Driver::new(model, screen, source, Lines::new(lines), programs, clock)?.drive(events, control).await
}

/// Where the record of a run is, to show to a person; empty when it is in no such place.
fn location_of(source: &dyn RunSource) -> String {
    let location = source.record().location(RecordPart::Run);
    location.map_or_else(String::new, |location| location.display().to_string())
}

/// UTC that does not jump: the time at the start and what has gone by since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    utc: UtcMillis,
    start: Instant,
}

impl Clock {
    pub(crate) fn starting_at(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { utc: UtcMillis(millis(since)), start: Instant::now() }
    }

    pub(crate) fn now(&self) -> UtcMillis {
        UtcMillis(self.utc.0.saturating_add(millis(self.start.elapsed())))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Reads what earlier runs tell, on a thread of its own: there may be many, and a slow disk.
async fn read_history(source: Arc<dyn RunSource>) -> History {
    let (known, read) = oneshot::channel();
    let reading = move || {
        // Nobody wants it when the screen is gone.
        let _ = known.send(source.history());
    };
    match thread::Builder::new().name("tui-history".to_owned()).spawn(reading) {
        Ok(_) => read.await.unwrap_or_default(),
        // A screen without a forecast is a screen.
        Err(_) => History::default(),
    }
}

/// Waits until the editor has ended, for ever when there is none.
async fn ended(editor: &mut Option<Box<dyn Editor>>) -> Result<(), String> {
    match editor {
        Some(editor) => editor.ended().await,
        None => std::future::pending().await,
    }
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Leave,
}

struct Driver<D> {
    model: Model,
    display: D,
    source: Arc<dyn RunSource>,
    sharing: Sharing,
    clock: Clock,
    log_service: LogService,
    /// What the log_service was asked for last.
    asked: Option<LogRequest>,
    fetcher: Fetcher,
    reading: Reading,
    decoder: Decoder,
    /// Commands under way, one for each key that made one.
    commands: JoinSet<Option<RequestError>>,
    lines: Lines,
    programs: Arc<dyn Programs>,
    editor: Option<Box<dyn Editor>>,
    /// The screen is left when the editor has ended.
    leaves: bool,
    next_pull: Instant,
    /// What the person wants the terminal to be used for.
    wanted: TerminalMode,
    /// The process is in the background; the terminal is taken once it is in front.
    behind: bool,
    next_frame: Instant,
    next_key_frame: Instant,
    /// What a key did is not drawn yet.
    key_waits: bool,
}

impl<D: Display> Driver<D> {
    fn new(
        model: Model,
        display: D,
        source: Arc<dyn RunSource>,
        lines: Lines,
        programs: Arc<dyn Programs>,
        clock: Clock,
    ) -> Result<Self, TuiError> {
        let behind = display.hold() == Some(TerminalMode::Lent);
        let log_service = LogService::open(Arc::clone(&source)).map_err(TuiError::Setup)?;
        Ok(Self {
            model,
            display,
            source,
            sharing: Sharing::default(),
            clock,
            log_service,
            asked: None,
            fetcher: Fetcher::default(),
            reading: Reading::default(),
            decoder: Decoder::default(),
            lines,
            programs,
            editor: None,
            leaves: false,
            next_pull: Instant::now(),
            wanted: TerminalMode::Screen,
            behind,
            next_frame: Instant::now(),
            next_key_frame: Instant::now(),
            key_waits: false,
            commands: JoinSet::new(),
        })
    }

    async fn drive(
        mut self,
        mut events: TerminalEvents,
        mut control: TuiControl,
    ) -> Result<Audience, TuiError> {
        let mut records = self.follow()?;
        let mut history = pin!(read_history(Arc::clone(&self.source)));
        let mut history_is_read = false;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_input = Instant::now();
        let mut flow = Flow::On;
        while flow == Flow::On {
            let patience = self.decoder.patience();
            let (next_frame, next_pull) = (self.next_frame, self.next_pull);
            flow = tokio::select! {
                () = control.stopped() => Flow::Leave,
                event = events.next() => {
                    last_input = Instant::now();
                    self.terminal_event(event).await?
                }
                () = sleep_until(last_input + patience.unwrap_or_default()), if patience.is_some() => {
                    let mut inputs = Vec::new();
                    self.decoder.settle(&mut inputs);
                    self.ingest(inputs).await?
                }
                () = sleep_until(next_pull), if pulls(&self.model) => {
                    self.next_pull = Instant::now() + PULL;
                    self.handle(Message::Pull)?
                }
                ended = ended(&mut self.editor), if self.editor.is_some() => {
                    self.editor = None;
                    self.come_back()?;
                    let flow = self.handle(Message::Edited(ended.err()))?;
                    if self.leaves { Flow::Leave } else { flow }
                }
                reply = self.log_service.next() => self.handle(Message::Log(reply))?,
                read = self.reading.next() => self.handle(read)?,
                known = &mut history, if !history_is_read => {
                    history_is_read = true;
                    self.handle(Message::History(known))?
                }
                next = records.next(), if !self.model.ended => self.take(&mut records, next)?,
                Some(sent) = self.commands.join_next(), if !self.commands.is_empty() => match sent {
                    Ok(Some(trouble)) => self.handle(Message::RequestLost(trouble.to_string()))?,
                    Ok(None) | Err(_) => Flow::On,
                },
                _ = tick.tick(), if self.model.is_alive() || self.behind => self.tick()?,
                () = sleep_until(next_frame), if self.is_due()? => {
                    // It may have been given away meanwhile.
                    if self.is_due()? {
                        self.frame()?;
                    }
                    Flow::On
                }
            };
        }
        if let Some(editor) = self.editor.take() {
            editor.end().await;
            // Whatever it left of the terminal, it is ours to give back.
            let _ = self.display.take(TerminalMode::Screen);
        }
        self.lines.stop().map_err(TuiError::Gone)?;
        Ok(self.model.audience())
    }

    /// Whether there is a frame to be drawn.
    fn is_due(&self) -> Result<bool, TuiError> {
        if !self.model.dirty {
            return Ok(false);
        }
        self.display.hold().map(|hold| hold == TerminalMode::Screen).ok_or(TuiError::Restored)
    }

    fn tick(&mut self) -> Result<Flow, TuiError> {
        if self.behind {
            self.come_back()?;
        }
        if self.model.is_alive() { self.handle(Message::Tick(self.now())) } else { Ok(Flow::On) }
    }

    /// Takes the terminal again after the process stood still, if it is in front.
    fn come_back(&mut self) -> Result<(), TuiError> {
        if self.editor.is_some() {
            return Ok(());
        }
        self.display.take(self.wanted).map_err(TuiError::Gone)?;
        self.behind = self.display.hold() == Some(TerminalMode::Lent);
        self.model.dirty = true;
        Ok(())
    }

    /// Changes between the screen and plain lines.
    fn use_for(&mut self, hold: TerminalMode) -> Result<(), TuiError> {
        self.wanted = hold;
        match hold {
            TerminalMode::Lines => {
                self.display.take(hold).map_err(TuiError::Gone)?;
                self.lines.start().map_err(TuiError::Setup)
            }
            TerminalMode::Screen | TerminalMode::Lent | TerminalMode::Editor => {
                self.lines.stop().map_err(TuiError::Gone)?;
                self.display.take(hold).map_err(TuiError::Gone)
            }
        }
    }

    fn follow(&mut self) -> Result<Records, TuiError> {
        let following = self.source.follow();
        self.handle(Message::Follow(Box::new(following.view)))?;
        Ok(following.records)
    }

    /// Takes a record and those that wait behind it, a bounded number at once so that keys get their turn.
    fn take(&mut self, records: &mut Records, mut next: Next) -> Result<Flow, TuiError> {
        let mut room = RECORDS_AT_ONCE;
        loop {
            let flow = match next {
                Next::Record(record) => {
                    self.sharing.count(&record);
                    let flow = self.handle(Message::Record(record))?;
                    self.sharing.share(&*self.source, &mut self.model.view);
                    flow
                }
                Next::Lagged => {
                    let following = self.source.follow();
                    *records = following.records;
                    self.handle(Message::Follow(Box::new(following.view)))?
                }
                Next::Ended => return self.handle(Message::Ended),
            };
            room -= 1;
            // What is taken from the queue is told; nothing is taken that has no room here.
            if flow == Flow::Leave || room == 0 {
                return Ok(flow);
            }
            match records.try_next() {
                Some(more) => next = more,
                None => return Ok(flow),
            }
        }
    }

    async fn terminal_event(&mut self, event: TerminalEvent) -> Result<Flow, TuiError> {
        match event {
            TerminalEvent::Input(bytes) => {
                let mut inputs = Vec::new();
                self.decoder.feed(&bytes, &mut inputs);
                self.ingest(inputs).await
            }
            TerminalEvent::Resize(size) => {
                self.display.resize(size);
                self.handle(Message::Resize(size))
            }
            TerminalEvent::Continued => {
                self.come_back()?;
                Ok(Flow::On)
            }
            TerminalEvent::Gone(error) => Err(TuiError::Gone(error)),
        }
    }

    /// Takes keys and the mouse in. What comes of them is on the screen when this returns, unless they come faster than
    /// one can look.
    async fn ingest(&mut self, inputs: Vec<Input>) -> Result<Flow, TuiError> {
        for input in inputs {
            let message = match input {
                Input::Key(key) => Message::Key(key),
                Input::Mouse(mouse) => Message::Mouse(mouse, self.clock.now()),
            };
            if self.handle(message)? == Flow::Leave {
                return Ok(Flow::Leave);
            }
        }
        if self.is_due()? {
            self.key_waits = true;
            self.read_log_for_key().await?;
            if Instant::now() >= self.next_key_frame {
                self.frame()?;
            } else {
                self.next_frame = self.next_frame.min(self.next_key_frame);
            }
        }
        Ok(Flow::On)
    }

    /// Asks for what a key wants to see of a log, and waits a moment for it.
    async fn read_log_for_key(&mut self) -> Result<(), TuiError> {
        if !self.ask_for_log() {
            return Ok(());
        }
        if let Ok(reply) = timeout(LOG_WAITS, self.log_service.next()).await {
            self.handle(Message::Log(reply))?;
        }
        Ok(())
    }

    /// Asks for what the screen shows of a log. Whether that is something else than before.
    fn ask_for_log(&mut self) -> bool {
        let request = log_request(&self.model);
        if let Some(request) = &request {
            // Also when it is the same: the log may have grown.
            self.log_service.ask(request.clone());
        }
        let is_new = request.is_some() && request != self.asked;
        self.asked = request;
        is_new
    }

    /// Updates the model and does what it asks for.
    fn handle(&mut self, message: Message) -> Result<Flow, TuiError> {
        let mut flow = Flow::On;
        for action in update(&mut self.model, message) {
            match action {
                Action::Use(hold) => self.use_for(hold)?,
                Action::Copy(text) => {
                    self.programs.copy(&text);
                    self.display.write(&osc52(&text)).map_err(TuiError::Gone)?;
                }
                Action::Mouse(taken) => self.display.take_mouse(taken).map_err(TuiError::Gone)?,
                Action::Edit(places) => self.edit(&places)?,
                Action::Notify(bytes) => self.display.write(&bytes).map_err(TuiError::Gone)?,
                Action::Suspend => self.display.suspend(),
                Action::Request(command) => {
                    let trouble = self.source.request(command);
                    self.commands.spawn(async { trouble.await.ok() });
                }
                Action::Play(input) => self.source.play(input),
                Action::Leave if self.editor.is_some() => self.leaves = true,
                Action::Leave => flow = Flow::Leave,
            }
        }
        Ok(flow)
    }

    /// Gives the terminal to the editor, until that has ended.
    fn edit(&mut self, places: &Places) -> Result<(), TuiError> {
        if self.editor.is_some() || self.wanted != TerminalMode::Screen {
            return Ok(());
        }
        self.display.take(TerminalMode::Editor).map_err(TuiError::Gone)?;
        match self.programs.edit(places) {
            Ok(editor) => self.editor = Some(editor),
            Err(trouble) => {
                self.display.take(self.wanted).map_err(TuiError::Gone)?;
                self.model.notice = Some(trouble);
            }
        }
        self.model.dirty = true;
        Ok(())
    }

    /// The time it is in the run: now, except in a replay.
    fn now(&self) -> UtcMillis {
        self.source.playback().map_or_else(|| self.clock.now(), |playback| playback.now)
    }

    fn frame(&mut self) -> Result<(), TuiError> {
        if let Some(playback) = self.source.playback() {
            self.model.playback = Some(playback.position);
            self.model.now = playback.now;
        }
        prepare(&mut self.model);
        self.ask_for_log();
        if wants_core_tail(&self.model)
            && let Some(tail) = self.fetcher.core_tail(self.source.record())
        {
            self.handle(Message::CoreTail(tail))?;
        }
        if let Some(wanted) = wanted_of_record(&self.model) {
            self.reading.begin(&self.source, wanted);
        }
        self.model.dirty = false;
        let now = Instant::now();
        self.next_frame = now + FRAME;
        if std::mem::take(&mut self.key_waits) {
            self.next_key_frame = now + KEY_FRAME;
        }
        self.display.draw(&self.model).map_err(TuiError::Gone)
    }
}

#[cfg(test)]
mod tests;

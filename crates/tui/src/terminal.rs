//! The terminal: taken over, written to, lent out, given back.
//!
//! Whatever ends a screen — leaving, an error, a panic in any thread, [`restore_terminal`] — the terminal is
//! given back once, and nothing is written to it afterwards. While the process stands still it is lent to
//! whoever is in front then ([`lend_terminal`]).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::{
    LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};

use crate::TuiError;
use crate::model::Model;
use crate::painter::Painter;

mod events;

pub(crate) use events::{TerminalEvent, TerminalEvents};

/// What frames are drawn on.
pub(crate) trait Display {
    fn draw(&mut self, model: &Model) -> io::Result<()>;

    fn resize(&mut self, size: Size);

    /// Uses the terminal for `hold` from here on, whatever is on it; not while this process is in the
    /// background.
    fn take(&mut self, hold: TerminalMode) -> io::Result<()>;

    /// What the terminal is used for; `None` once it was given back.
    fn hold(&self) -> Option<TerminalMode>;

    /// Takes the mouse, or gives it back to the terminal.
    fn take_mouse(&mut self, mouse: bool) -> io::Result<()>;

    /// Asks this process, and whoever started it, to stand still.
    fn suspend(&mut self);

    /// Writes what is no part of a frame.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// What the terminal is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminalMode {
    /// The full screen.
    Screen,
    /// Plain lines, which others write.
    Lines,
    /// It is somebody else's while this process stands still or is in the background.
    Lent,
    /// It is the editor's.
    Editor,
}

impl TerminalMode {
    /// Whether somebody else uses the terminal.
    pub(crate) const fn is_away(self) -> bool {
        matches!(self, Self::Lent | Self::Editor)
    }
}

/// Alternate screen, no cursor, pasted text marked as such.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h";
/// The opposite, in the opposite order; also ends a frame that was cut off.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1002l\x1b[?2004l\x1b[?25h\x1b[?1049l";
/// What the mouse does with a button down is told, with numbers of any size.
const TAKE_MOUSE: &[u8] = b"\x1b[?1002h\x1b[?1006h";
const LEAVE_MOUSE: &[u8] = b"\x1b[?1006l\x1b[?1002l";

/// The terminal that is taken over, and how it was before.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// Held while bytes are on their way to the terminal.
static WRITING: Mutex<()> = Mutex::new(());

struct Taken {
    input: OwnedFd,
    output: OwnedFd,
    before: Termios,
    hold: TerminalMode,
    /// When an editor gave it back.
    edited: Option<Instant>,
}

impl Taken {
    /// Makes the terminal as it was. Modes first: that works on a stopped terminal, too.
    fn put_back(&self) {
        if self.hold.is_away() {
            return;
        }
        let _ = tcsetattr(&self.input, OptionalActions::Now, &self.before);
        if self.hold == TerminalMode::Screen && is_writable(&self.output) {
            let _ = write_all(&self.output, LEAVE);
        }
    }
}

/// Gives the terminal back if a screen holds it. Waits at most a moment for a terminal that takes no output,
/// and may be called from any thread, any number of times.
pub fn restore_terminal() {
    let _quiet = quiet();
    if let Some(mut taken) = lock().take() {
        if taken.hold == TerminalMode::Editor {
            // One that is still there is about to be ended, and may have left anything.
            taken.hold = TerminalMode::Screen;
        }
        taken.put_back();
    }
}

/// Lends the terminal to whoever comes to the front while this process stands still. To be called right
/// before; may be called from any thread. The screen comes back by itself once the process goes on in
/// the foreground.
pub fn lend_terminal() {
    let _quiet = quiet();
    if let Some(taken) = lock().as_mut().filter(|taken| taken.hold != TerminalMode::Editor) {
        taken.put_back();
        taken.hold = TerminalMode::Lent;
    }
}

/// Whether an interrupt that comes now was typed to the person's editor: a terminal sends it to us as well. It may arrive
/// a moment later than the end of an editor that ended because of it.
#[must_use]
pub fn interrupt_is_for_editor() -> bool {
    const MOMENT: Duration = Duration::from_millis(500);
    let was_just_there = |taken: &Taken| taken.edited.is_some_and(|then| then.elapsed() < MOMENT);
    lock().as_ref().is_some_and(|taken| taken.hold == TerminalMode::Editor || was_just_there(taken))
}

/// Whether keys are for the person's editor.
fn editor_has_terminal() -> bool {
    lock().as_ref().is_some_and(|taken| taken.hold == TerminalMode::Editor)
}

fn lock() -> MutexGuard<'static, Option<Taken>> {
    // What is inside is whole at any time.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a frame that is on its way arrive first, unless the terminal takes none.
fn quiet() -> Option<MutexGuard<'static, ()>> {
    for _ in 0..100 {
        match WRITING.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
    None
}

/// Waits a tenth of a second at most.
fn is_writable(output: &OwnedFd) -> bool {
    let patience = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut fds = [PollFd::new(output, PollFlags::OUT)];
    poll(&mut fds, Some(&patience)).is_ok_and(|ready| ready > 0)
}

/// Whether this process may use a terminal; one that may not is stopped when it tries.
fn is_in_front(terminal: impl AsFd) -> bool {
    // One that is nobody's controlling terminal is free for all.
    tcgetpgrp(terminal).map_or(true, |front| front == getpgrp())
}

/// A terminal taken over; given back when dropped.
pub(crate) struct Screen {
    painter: Painter,
    input: OwnedFd,
    output: OwnedFd,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal over: standard output if that is one, else standard error; keys come from standard
    /// input or the controlling terminal. With the `mouse`, if it is wanted.
    pub(crate) fn enter(mouse: bool) -> Result<Self, TuiError> {
        let output = if isatty(rustix::stdio::stdout()) {
            rustix::stdio::stdout().try_clone_to_owned()
        } else if isatty(rustix::stdio::stderr()) {
            rustix::stdio::stderr().try_clone_to_owned()
        } else {
            Err(io::Error::other("neither standard output nor standard error is a terminal"))
        };
        let output = output.map_err(TuiError::NoTerminal)?;
        let input = if isatty(rustix::stdio::stdin()) {
            rustix::stdio::stdin().try_clone_to_owned()
        } else {
            File::options().read(true).write(true).open("/dev/tty").map(OwnedFd::from)
        };
        let input = input.map_err(TuiError::NoTerminal)?;
        let before = tcgetattr(&input).map_err(|error| TuiError::NoTerminal(error.into()))?;

        let copy = |fd: &OwnedFd| fd.try_clone().map_err(TuiError::Setup);
        let taken = Taken {
            input: copy(&input)?,
            output: copy(&output)?,
            before,
            hold: TerminalMode::Lent,
            edited: None,
        };
        restore_on_panic();
        *lock() = Some(taken);
        let painter = Painter::new(size_of(&output).unwrap_or_default());
        let mut screen = Self { painter, input, output, mouse };
        screen.take(TerminalMode::Screen).map_err(TuiError::Setup)?;
        Ok(screen)
    }

    /// Size in columns and rows. A terminal that does not know it has none.
    pub(crate) fn size(&self) -> Size {
        size_of(&self.output).unwrap_or_default()
    }

    /// Shows what `draw` draws.
    pub(crate) fn draw_with(&mut self, draw: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        write(&self.output, &self.painter.paint_with(draw)?)
    }

    /// Listens to the terminal. To be called inside a runtime.
    pub(crate) fn events(&self) -> io::Result<TerminalEvents> {
        TerminalEvents::listen(self.input.try_clone()?, self.output.try_clone()?)
    }
}

impl Display for Screen {
    fn draw(&mut self, model: &Model) -> io::Result<()> {
        write(&self.output, &self.painter.paint(model)?)
    }

    fn resize(&mut self, size: Size) {
        self.painter.resize(size);
    }

    fn take(&mut self, hold: TerminalMode) -> io::Result<()> {
        if !is_in_front(&self.input) {
            // Whoever stopped us with SIGSTOP did not let us lend it.
            if let Some(taken) = lock().as_mut() {
                taken.hold = TerminalMode::Lent;
            }
            return Ok(());
        }
        let (was, mut modes) = match lock().as_mut() {
            Some(taken) => {
                let was = std::mem::replace(&mut taken.hold, hold);
                if was == TerminalMode::Editor {
                    taken.edited = Some(Instant::now());
                }
                (was, taken.before.clone())
            }
            None => return Ok(()),
        };
        match hold {
            TerminalMode::Lent | TerminalMode::Editor => {}
            TerminalMode::Screen => modes.make_raw(),
            // Lines are written as without a screen, and the keys that are signals are.
            TerminalMode::Lines => modes.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO),
        }
        let change: &[u8] = match (was, hold) {
            (_, TerminalMode::Screen) => ENTER,
            (TerminalMode::Screen, _) => LEAVE,
            (TerminalMode::Lines | TerminalMode::Lent | TerminalMode::Editor, _) => &[],
        };
        self.painter.forget();
        tcsetattr(&self.input, OptionalActions::Now, &modes)?;
        write(&self.output, change)?;
        if hold == TerminalMode::Screen && self.mouse {
            write(&self.output, TAKE_MOUSE)?;
        }
        Ok(())
    }

    fn take_mouse(&mut self, mouse: bool) -> io::Result<()> {
        self.mouse = mouse;
        write(&self.output, if mouse { TAKE_MOUSE } else { LEAVE_MOUSE })
    }

    fn hold(&self) -> Option<TerminalMode> {
        lock().as_ref().map(|taken| taken.hold)
    }

    fn suspend(&mut self) {
        // As the terminal does it for Ctrl-Z in its usual mode: whoever started us stops as well. Cannot fail
        // for the own group and a signal that exists.
        let _ = kill_current_process_group(Signal::TSTP);
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write(&self.output, bytes)
    }
}

impl<D: Display> Display for &mut D {
    fn draw(&mut self, model: &Model) -> io::Result<()> {
        D::draw(self, model)
    }

    fn resize(&mut self, size: Size) {
        D::resize(self, size);
    }

    fn take(&mut self, hold: TerminalMode) -> io::Result<()> {
        D::take(self, hold)
    }

    fn hold(&self) -> Option<TerminalMode> {
        D::hold(self)
    }

    fn take_mouse(&mut self, mouse: bool) -> io::Result<()> {
        D::take_mouse(self, mouse)
    }

    fn suspend(&mut self) {
        D::suspend(self);
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        D::write(self, bytes)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore_terminal();
    }
}

/// Columns of a terminal; `None` of anything else, and of one that does not tell.
#[must_use]
pub fn columns(output: impl AsFd) -> Option<usize> {
    size_of(output).map(|size| usize::from(size.width)).filter(|columns| *columns > 0)
}

fn size_of(output: impl AsFd) -> Option<Size> {
    let size = tcgetwinsize(output).ok()?;
    Some(Size::new(size.ws_col, size.ws_row))
}

/// Writes all of it, unless the terminal is given away meanwhile.
fn write(output: &OwnedFd, mut rest: &[u8]) -> io::Result<()> {
    let is_ours = || lock().as_ref().is_some_and(|taken| taken.hold != TerminalMode::Lent);
    while !rest.is_empty() {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_ours() {
            break;
        }
        rest = &rest[write_some(output, rest)?..];
    }
    Ok(())
}

fn write_all(output: &OwnedFd, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        rest = &rest[write_some(output, rest)?..];
    }
    Ok(())
}

fn write_some(output: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match rustix::io::write(output, bytes) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(written) => Ok(written),
        Err(rustix::io::Errno::INTR) => Ok(0),
        // Somebody else made this terminal non-blocking.
        Err(rustix::io::Errno::AGAIN) => {
            is_writable(output);
            Ok(0)
        }
        Err(error) => Err(error.into()),
    }
}

/// A message about a panic must be readable, and the shell usable after it.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore_terminal();
            before(info);
        }));
    });
}

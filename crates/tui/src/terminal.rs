//! The terminal: taken over, written to, given back.
//!
//! Whatever ends a screen — leaving, an error, a panic in any thread, [`restore_terminal`] — the terminal is
//! given back once, and nothing is written to it afterwards.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use ratatui::layout::Size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use crate::TuiError;
use crate::driver::Display;
use crate::model::Model;
use crate::painter::Painter;

mod events;

pub(crate) use events::{TerminalEvent, TerminalEvents};

/// Alternate screen, no cursor, pasted text marked as such.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h";
/// The opposite, in the opposite order; also ends a frame that was cut off.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?2004l\x1b[?25h\x1b[?1049l";

/// The terminal that is taken over, and how it was before.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

struct Taken {
    input: OwnedFd,
    output: OwnedFd,
    before: Termios,
}

/// Gives the terminal back if a screen holds it. Waits at most a moment for a terminal that takes no output,
/// and may be called from any thread, any number of times.
pub fn restore_terminal() {
    let Some(taken) = lock().take() else { return };
    // Modes first: that works on a stopped terminal, too.
    let _ = tcsetattr(&taken.input, OptionalActions::Now, &taken.before);
    if is_writable(&taken.output) {
        let _ = File::from(taken.output).write_all(LEAVE);
    }
}

fn lock() -> MutexGuard<'static, Option<Taken>> {
    // What is inside is whole at any time.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits a tenth of a second at most.
fn is_writable(output: &OwnedFd) -> bool {
    let patience = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut fds = [PollFd::new(output, PollFlags::OUT)];
    poll(&mut fds, Some(&patience)).is_ok_and(|ready| ready > 0)
}

/// A terminal taken over; given back when dropped.
pub(crate) struct Screen {
    painter: Painter,
    input: OwnedFd,
    output: OwnedFd,
}

impl Screen {
    /// Takes the terminal over: standard output if that is one, else standard error; keys come from standard
    /// input or the controlling terminal.
    pub(crate) fn enter() -> Result<Self, TuiError> {
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
        let taken = Taken { input: copy(&input)?, output: copy(&output)?, before };
        restore_on_panic();
        *lock() = Some(taken);
        let screen = Self { painter: Painter::new(size_of(&output).unwrap_or_default()), input, output };
        screen.take_over().map_err(TuiError::Setup)?;
        Ok(screen)
    }

    /// Size in columns and rows. A terminal that does not know it has none.
    pub(crate) fn size(&self) -> Size {
        size_of(&self.output).unwrap_or_default()
    }

    /// Listens to the terminal. To be called inside a runtime.
    pub(crate) fn events(&self) -> io::Result<TerminalEvents> {
        TerminalEvents::listen(self.input.try_clone()?, self.output.try_clone()?)
    }

    fn take_over(&self) -> io::Result<()> {
        let Some(mut modes) = lock().as_ref().map(|taken| taken.before.clone()) else { return Ok(()) };
        modes.make_raw();
        tcsetattr(&self.input, OptionalActions::Now, &modes)?;
        write(&self.output, ENTER)
    }
}

impl Display for Screen {
    fn draw(&mut self, model: &Model) -> io::Result<()> {
        write(&self.output, &self.painter.paint(model)?)
    }

    fn resize(&mut self, size: Size) {
        self.painter.resize(size);
    }

    fn afresh(&mut self) -> io::Result<()> {
        self.painter.forget();
        self.take_over()
    }

    fn is_taken(&self) -> bool {
        lock().is_some()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore_terminal();
    }
}

fn size_of(output: impl AsFd) -> Option<Size> {
    let size = tcgetwinsize(output).ok()?;
    Some(Size::new(size.ws_col, size.ws_row))
}

/// Writes all of it, unless the terminal is given back meanwhile.
fn write(output: &OwnedFd, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() && lock().is_some() {
        match rustix::io::write(output, rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            // Somebody else made this terminal non-blocking.
            Err(rustix::io::Errno::AGAIN) => {
                is_writable(output);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
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

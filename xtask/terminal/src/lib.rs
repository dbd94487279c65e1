//! A program in a real terminal, and what is on its screen.
//!
//! The program gets a pseudo terminal of its own, with a session and all; a terminal emulator reads what it
//! draws. [`Terminal::wait_until`] waits for a condition of the screen, never for a time.

mod svg;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use filedescriptor::{FileDescriptor, POLLIN, Pipe, pollfd};
use nix::sys::termios::{LocalFlags, tcgetattr};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

pub use svg::draw as draw_svg;
pub use vt100::{Cell, MouseProtocolMode, Screen};

/// What to run and where.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Where it starts.
    pub cwd: PathBuf,
    /// Lines of the terminal.
    pub rows: u16,
    /// Columns of the terminal.
    pub cols: u16,
}

/// A program in a terminal. Dropping it closes the terminal and kills the program.
pub struct Terminal {
    shared: Arc<Shared>,
    master: Option<Box<dyn MasterPty + Send>>,
    keyboard: Option<File>,
    reader: Option<(JoinHandle<()>, FileDescriptor)>,
    child: Box<dyn Child + Send + Sync>,
    exited: Option<ExitStatus>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    closed: bool,
}

/// A condition that did not come true.
#[derive(Debug)]
pub struct TimedOut {
    what: String,
    screen: String,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited in vain for: {}\n--- screen ---\n{}\n--- end of screen ---", self.what, self.screen)
    }
}

impl std::error::Error for TimedOut {}

/// Borrowed number of a descriptor that somebody else owns.
struct Number(RawFd);

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Terminal {
    /// Opens a terminal and starts the program in it.
    ///
    /// # Errors
    /// When there is no terminal to be had or the program cannot be started.
    pub fn start(spec: &Spec) -> io::Result<Self> {
        let size = PtySize { rows: spec.rows, cols: spec.cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).map_err(io::Error::other)?;
        let mut command = CommandBuilder::from_argv(spec.argv.clone());
        command.env_clear();
        for (name, value) in &spec.env {
            command.env(name, value);
        }
        command.cwd(&spec.cwd);
        let child = pair.slave.spawn_command(command).map_err(io::Error::other)?;
        drop(pair.slave);

        let number =
            pair.master.as_raw_fd().ok_or_else(|| io::Error::other("the terminal has no descriptor"))?;
        let duplicate = || {
            FileDescriptor::dup(&Number(number))
                .and_then(|descriptor| descriptor.as_file())
                .map_err(io::Error::other)
        };
        let (screen_end, keyboard) = (duplicate()?, duplicate()?);
        let parser = vt100::Parser::new(at_least_one(spec.rows), at_least_one(spec.cols), 0);
        let shared = Arc::new(Shared {
            state: Mutex::new(State { parser, bytes: Vec::new(), closed: false }),
            changed: Condvar::new(),
        });
        let stop = Pipe::new().map_err(io::Error::other)?;
        let reader = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.read_all(screen_end, &stop.read)
        });
        Ok(Self {
            shared,
            master: Some(pair.master),
            keyboard: Some(keyboard),
            reader: Some((reader, stop.write)),
            child,
            exited: None,
        })
    }

    /// Waits until `condition` holds for the screen. Ends early when the program has left the terminal and
    /// the condition can no longer come true.
    ///
    /// # Errors
    /// When it does not come true in `limit`; the error shows the screen.
    pub fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Screen) -> bool,
    ) -> Result<(), TimedOut> {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        loop {
            if condition(state.parser.screen()) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return Err(TimedOut { what: what.to_owned(), screen: state.parser.screen().contents() });
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Looks at the screen as it is now.
    pub fn look<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        look(self.shared.lock().parser.screen())
    }

    /// Everything the program wrote so far.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// Types.
    ///
    /// # Errors
    /// When the terminal is closed.
    pub fn press(&mut self, keys: impl AsRef<[u8]>) -> io::Result<()> {
        let keyboard = self.keyboard.as_mut().ok_or_else(|| io::Error::other("the terminal is closed"))?;
        keyboard.write_all(keys.as_ref())
    }

    /// Changes the size.
    ///
    /// # Errors
    /// When the terminal is closed.
    pub fn resize(&self, rows: u16, cols: u16) -> io::Result<()> {
        let master = self.master.as_ref().ok_or_else(|| io::Error::other("the terminal is closed"))?;
        // The emulator first, or what the program draws for the new size lands on the old one.
        self.shared.lock().parser.set_size(at_least_one(rows), at_least_one(cols));
        master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).map_err(io::Error::other)
    }

    /// Whether the terminal edits lines and shows what is typed, as it did at the beginning. `false` when it is closed.
    #[must_use]
    pub fn is_cooked(&self) -> bool {
        let modes = self.keyboard.as_ref().and_then(|keyboard| tcgetattr(keyboard).ok());
        modes.is_some_and(|modes| modes.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO))
    }

    /// Process id of the program.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// How the program ended, if it has. What it wrote is on the screen then.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn exit_status(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait()?;
            if self.exited.is_some() {
                self.catch_up();
            }
        }
        Ok(self.exited.clone())
    }

    /// Waits until everything was read that is there to read, unless somebody else writes and writes.
    fn catch_up(&self) {
        let Some(number) = self.master.as_ref().and_then(|master| master.as_raw_fd()) else { return };
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut state = self.shared.lock();
        // The reader has the lock while it reads, so what is gone from the terminal is on the screen.
        while !state.closed && is_readable(number) && Instant::now() < deadline {
            let moment = Duration::from_millis(10);
            state = self.shared.changed.wait_timeout(state, moment).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes the terminal away, as closing its window does.
    pub fn hang_up(&mut self) {
        self.keyboard = None;
        if let Some((reader, stop)) = self.reader.take() {
            drop(stop);
            // A reader that panicked has nothing more to say.
            let _ = reader.join();
        }
        self.master = None;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.exit_status(), Ok(None)) {
            // It may end by itself between the two calls.
            let _ = self.child.kill();
        }
        self.hang_up();
        let _ = self.child.wait();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Feeds the emulator until the program has left the terminal or `stop` is closed.
    fn read_all(&self, mut from: File, stop: &FileDescriptor) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let poll = |fd| pollfd { fd, events: POLLIN, revents: 0 };
            let mut ready = [poll(from.as_raw_fd()), poll(stop.as_raw_fd())];
            if filedescriptor::poll(&mut ready, None).is_err() || ready[1].revents != 0 {
                break;
            }
            let mut state = self.lock();
            // An error means that nobody has the other end any more.
            let Ok(count @ 1..) = from.read(&mut buffer) else { break };
            state.parser.process(&buffer[..count]);
            state.bytes.extend_from_slice(&buffer[..count]);
            self.changed.notify_all();
        }
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

fn is_readable(number: RawFd) -> bool {
    let mut polled = [pollfd { fd: number, events: POLLIN, revents: 0 }];
    filedescriptor::poll(&mut polled, Some(Duration::ZERO)).is_ok() && polled[0].revents & POLLIN != 0
}

fn at_least_one(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap_or(NonZeroU16::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Terminal {
        let path = std::env::var_os("PATH").unwrap();
        let spec = Spec {
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            env: vec![("PATH".into(), path)],
            cwd: std::env::temp_dir(),
            rows: 5,
            cols: 30,
        };
        Terminal::start(&spec).unwrap()
    }

    #[test]
    fn the_screen_shows_what_is_drawn_and_keys_arrive() {
        let mut terminal = shell("printf '\\033[2;3Hhere'; read line; printf 'got %s' \"$line\"; stty size");
        terminal.wait_until("text at its place", LIMIT, |s| s.contents().contains("\n  here")).unwrap();
        terminal.resize(7, 40).unwrap();
        terminal.press("yes\n").unwrap();
        terminal.wait_until("answer", LIMIT, |s| s.contents().contains("got yes7 40")).unwrap();
    }

    #[test]
    fn a_closed_terminal_hangs_its_program_up() {
        let mut terminal = shell("trap 'exit 7' HUP; echo ready; while :; do read x; done");
        terminal.wait_until("start", LIMIT, |s| s.contents().contains("ready")).unwrap();
        terminal.hang_up();
        assert_eq!(terminal.child.wait().unwrap().exit_code(), 7);
    }

    #[test]
    fn waiting_ends_with_the_program() {
        let terminal = shell("echo the end");
        let error = terminal.wait_until("a miracle", LIMIT, |_| false).unwrap_err().to_string();
        assert!(error.contains("a miracle") && error.contains("the end"), "{error}");
    }
}

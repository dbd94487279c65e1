//! A run on a screen.

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use roboppi_terminal::{Screen, Spec, Terminal};

use crate::support::{Measurement, Place, Row, Times, at_most, cpu, mebibytes, memory, threads};

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// A key, and whether what it does is on the screen.
pub(super) type Key = (&'static str, fn(&Screen) -> bool);

/// The screen, and the place its run writes to.
pub(super) struct RunScreen {
    pub(super) terminal: Terminal,
    /// Removed with the screen.
    place: Place,
}

impl RunScreen {
    /// The screen of a run of these steps.
    pub(super) fn start(measurement: &Measurement<'_>, steps: &str) -> Self {
        let place = measurement.place();
        place.flow("flow", "concurrency: 4\n", steps);
        let arguments =
            ["workflow", "run", "flow.yaml", "--tui", "--hold", "always", "--grace", "200ms", "--no-notify"];
        Self::of(place, &arguments)
    }

    /// The screen of a command.
    pub(super) fn of(place: Place, arguments: &[&str]) -> Self {
        let argv = std::iter::once(&place.program()).chain(arguments).map(OsString::from).collect();
        let mut env = place.env();
        env.extend([("TERM".into(), "xterm-256color".into()), ("LANG".into(), "C.UTF-8".into())]);
        env.push(("PATH".into(), std::env::var_os("PATH").unwrap_or_default()));
        let spec = Spec { argv, env, cwd: place.dir().to_owned(), rows: 40, cols: 120 };
        Self { terminal: Terminal::start(&spec).unwrap(), place }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn wait(&self, text: &str) {
        self.wait_until(text, |screen| screen.contents().contains(text));
    }

    pub(super) fn wait_until(&self, what: &str, condition: impl Fn(&Screen) -> bool) {
        self.terminal.wait_until(what, LIMIT, condition).unwrap();
    }

    pub(super) fn press(&mut self, keys: &str) {
        self.terminal.press(keys).unwrap();
    }

    /// How often something was drawn so far.
    pub(super) fn drawn(&self) -> usize {
        let written = self.terminal.written();
        memchr::memmem::find_iter(&written, b"\x1b[?2026h").count()
    }

    pub(super) fn pid(&self) -> u32 {
        self.terminal.pid().unwrap()
    }

    /// Seconds of a processor it has taken so far.
    pub(super) fn processor(&self) -> f64 {
        cpu(self.pid())
    }

    /// Seconds of a processor that what draws has taken so far: folding what comes, reading logs, drawing.
    pub(super) fn drawing(&self) -> f64 {
        let threads = threads(self.pid());
        let of_the_screen = |name: &str| matches!(name, "viewer" | "screen") || name.starts_with("tui-");
        threads.iter().filter(|(name, _)| of_the_screen(name)).map(|(_, seconds)| seconds).sum()
    }

    /// MiB that ever were resident.
    pub(super) fn peak(&self) -> f64 {
        mebibytes(memory(self.pid()).1)
    }

    /// How long each of `count` keys takes until the screen is as it shows, for the two keys in turn.
    pub(super) fn keys(&mut self, count: u64, keys: [Key; 2]) -> Times {
        let mut times = Vec::new();
        for number in 0..count {
            let (key, shows) = keys[number as usize % 2];
            // Not in step with anything.
            thread::sleep(Duration::from_millis(23 + (number * 7) % 20));
            let pressed = Instant::now();
            self.press(key);
            self.wait_until("what the key does", shows);
            times.push(pressed.elapsed());
        }
        Times::new(times)
    }

    /// Ends the run, then the screen.
    pub(super) fn end(mut self) {
        let _ = self.terminal.press("\x03");
        let over = |screen: &Screen| screen.contents().contains("press q to leave");
        let _ = self.terminal.wait_until("the end", LIMIT, over);
        self.leave();
    }

    /// Ends the screen.
    pub(super) fn leave(mut self) {
        let _ = self.terminal.press("q");
        while matches!(self.terminal.exit_status(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

pub(super) fn first_is_selected(screen: &Screen) -> bool {
    screen.rows(0, 120).any(|row| row.starts_with('›') && row.contains("first"))
}

pub(super) fn second_is_selected(screen: &Screen) -> bool {
    screen.rows(0, 120).any(|row| row.starts_with('›') && row.contains("second"))
}

/// The keys that select one of two steps.
pub(super) const SELECT: [Key; 2] = [("j", second_is_selected), ("k", first_is_selected)];

/// From a key to the terminal, when little else happens.
pub(super) const QUICK_KEY: Row = at_most("key to screen, 95 of 100", 16.0, "ms");

/// Puts the time that 95 of 100 do not exceed.
pub(super) fn put_keys(measurement: &mut Measurement<'_>, row: &Row, times: &Times) {
    measurement.note_times(row.name, times);
    measurement.put_with(row, times.percentile(95) * 1e3, &format!("of {}", times.len()));
}

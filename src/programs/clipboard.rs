//! Text on the clipboard of the system this process runs on.
//!
//! On X11 and Wayland the clipboard is no place: whoever copied last hands the text out for as long as they live. The
//! program that does it for us is kept in the foreground, replaced by the next copy, and ended with the screen.

use std::env;
use std::fmt;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use roboppi_process::end_with_starter;
use roboppi_process::inherited::give_back;

use crate::programs::find;

/// A program that takes a text from its standard input, and its arguments.
type Words = &'static [&'static str];

/// Puts texts on the clipboard on a thread of its own. The newest replaces one that waits. Dropping it ends what it
/// started.
pub(super) struct Clipboard {
    desk: Arc<Desktop>,
    commands: Vec<Words>,
    thread: Mutex<bool>,
}

#[derive(Default)]
struct Desktop {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    text: Option<String>,
    closed: bool,
    /// What hands out the latest text.
    running: Vec<Child>,
}

/// The commands for where this process is; none where there is no clipboard.
pub(super) fn commands() -> Vec<Words> {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    choose(cfg!(target_os = "macos"), set, |program| find(program).is_some())
}

fn choose(mac: bool, set: impl Fn(&str) -> bool, is_there: impl Fn(&str) -> bool) -> Vec<Words> {
    const WAYLAND: Words = &["wl-copy", "--foreground"];
    const X11: [Words; 2] =
        [&["xclip", "-quiet", "-selection", "clipboard"], &["xsel", "--clipboard", "--input", "--nodetach"]];
    let mut chosen: Vec<Words> = Vec::new();
    // By default tmux keeps programs from the clipboard, but not this.
    if set("TMUX") {
        chosen.push(&["tmux", "load-buffer", "-w", "-"]);
    }
    if mac {
        chosen.push(&["pbcopy"]);
    } else if set("WAYLAND_DISPLAY") && is_there(WAYLAND[0]) {
        chosen.push(WAYLAND);
    } else if set("DISPLAY") {
        chosen.extend(X11.into_iter().find(|words| is_there(words[0])));
    } else if set("WSL_DISTRO_NAME") {
        chosen.push(&["clip.exe"]);
    }
    chosen.retain(|words| is_there(words[0]));
    chosen
}

impl Clipboard {
    pub(super) fn new(commands: Vec<Words>) -> Self {
        Self { desk: Arc::default(), commands, thread: Mutex::new(false) }
    }

    /// Puts a text on the clipboard. Does not wait.
    pub(super) fn put(&self, text: &str) {
        if self.commands.is_empty() || !self.has_thread() {
            return;
        }
        let mut state = self.desk.lock();
        state.text = Some(text.to_owned());
        // One that hangs over the text before is in nobody's way.
        state.end_running();
        self.desk.changed.notify_one();
    }

    /// The thread is started when there is something to do. What it starts ends with it, so it stays.
    fn has_thread(&self) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if !*thread {
            let (desk, commands) = (Arc::clone(&self.desk), self.commands.clone());
            let work = move || desk.work(&commands);
            *thread = thread::Builder::new().name("clipboard".to_owned()).spawn(work).is_ok();
        }
        *thread
    }
}

impl Drop for Clipboard {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        state.closed = true;
        state.end_running();
        self.desk.changed.notify_one();
    }
}

impl Desktop {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What is inside is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, commands: &[Words]) {
        loop {
            let mut state = self.lock();
            let text = loop {
                if state.closed {
                    return;
                }
                match state.text.take() {
                    Some(text) => break text,
                    None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            let mut inputs = Vec::new();
            for words in commands {
                // One that cannot be started leaves the text to the others and to the terminal.
                if let Ok(mut child) = start(words) {
                    inputs.extend(child.stdin.take());
                    state.running.push(child);
                }
            }
            drop(state);
            for mut input in inputs {
                // One that does not want all of it has its reasons.
                let _ = input.write_all(text.as_bytes());
            }
        }
    }
}

impl State {
    fn end_running(&mut self) {
        for mut child in self.running.drain(..) {
            // One that has ended need not be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start(words: Words) -> std::io::Result<Child> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    give_back(&mut command);
    end_with_starter(&mut command);
    command.spawn()
}

impl fmt::Debug for Clipboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clipboard").field("commands", &self.commands).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_that_of_the_system() {
        let choose = |mac: bool, variables: &[&str], programs: &[&str]| {
            let chosen = choose(mac, |name| variables.contains(&name), |program| programs.contains(&program));
            chosen.iter().map(|words| words[0]).collect::<Vec<_>>()
        };
        let all = ["tmux", "wl-copy", "xclip", "xsel", "clip.exe", "pbcopy"];
        assert_eq!(choose(false, &[], &all), [""; 0]);
        assert_eq!(choose(false, &["DISPLAY"], &all), ["xclip"]);
        assert_eq!(choose(false, &["DISPLAY"], &["xsel"]), ["xsel"]);
        assert_eq!(choose(false, &["DISPLAY"], &[]), [""; 0]);
        assert_eq!(choose(false, &["DISPLAY", "WAYLAND_DISPLAY"], &all), ["wl-copy"]);
        assert_eq!(choose(false, &["DISPLAY", "WAYLAND_DISPLAY"], &["xclip"]), ["xclip"]);
        assert_eq!(choose(false, &["TMUX", "DISPLAY"], &all), ["tmux", "xclip"]);
        assert_eq!(choose(false, &["WSL_DISTRO_NAME"], &all), ["clip.exe"]);
        assert_eq!(choose(true, &[], &all), ["pbcopy"]);
    }
}

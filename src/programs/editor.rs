//! A file in the person's editor, at a line.

use std::env;
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitStatus;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use nix::sys::signal::Signal::SIGHUP;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use roboppi_process::inherited::give_back;
use roboppi_process::machine::Signal;
use roboppi_process::{descendants, end_with_starter};
use roboppi_tui::{Editor, Location, Places};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long an editor whose terminal goes away may take to save what is not saved.
const PATIENCE: Duration = Duration::from_secs(1);

/// An editor that has the terminal.
struct Open {
    name: String,
    child: Child,
}

pub(super) fn open(places: &Places) -> Result<Box<dyn Editor>, String> {
    let (file, place) = first_there(places)?;
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| {
        let value = env::var(name).ok().filter(|value| !value.trim().is_empty())?;
        Some((name, value))
    });
    let (variable, line) = named.unwrap_or(("EDITOR", "vi".to_owned()));
    let words = shlex::split(&line).filter(|words| !words.is_empty());
    let Some(words) = words else {
        return Err(format!("{variable} is no command: a quote is not closed"));
    };
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(arguments(&words[0], &file, place)).kill_on_drop(true);
    give_back(command.as_std_mut());
    end_with_starter(command.as_std_mut());
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {}; set EDITOR to your editor", words[0]),
        _ => format!("{} cannot be started: {error}", words[0]),
    })?;
    Ok(Box::new(Open { name: words[0].clone(), child }))
}

impl Editor for Open {
    fn ended(&mut self) -> BoxFuture<'_, Result<(), String>> {
        let ended = async {
            match self.child.wait().await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("{} ended with {}", self.name, in_words(status))),
                Err(error) => Err(format!("{}: {error}", self.name)),
            }
        };
        ended.boxed()
    }

    fn end(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        let end = async move {
            // `None` once it was waited for: its number may be another process's by now.
            let Some(pid) = self.child.id() else { return };
            // Those below a wrapper are not its children any more once it has ended.
            let below: Vec<_> = descendants::list(pid).into_iter().map(|process| process.identity).collect();
            for process in &below {
                // One that has ended meanwhile need not be told.
                let _ = descendants::signal(*process, Signal::Term);
            }
            if let Ok(pid) = i32::try_from(pid) {
                let _ = kill(Pid::from_raw(pid), SIGHUP);
            }
            let _ = timeout(PATIENCE, self.child.wait()).await;
            let _ended = descendants::kill_trees(&below);
            let _ = self.child.kill().await;
        };
        end.boxed()
    }
}

fn in_words(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| format!("exit code {code}"))
}

/// The first place whose file there is.
fn first_there(places: &Places) -> Result<(PathBuf, &Location), String> {
    let found = places.places.iter().find_map(|place| {
        let file = absolute(places.dir.join(&place.path)).ok()?;
        // Whatever a worker prints, a pipe or a device is not opened.
        file.metadata().is_ok_and(|found| found.is_file()).then_some((file, place))
    });
    found.ok_or_else(|| match places.places.first() {
        Some(place) => format!("there is no file {} in {}", place.path, places.dir.display()),
        None => "no file is named here".to_owned(),
    })
}

/// How an editor is told a file and a place in it. One that is not known gets the file alone.
fn arguments(editor: &str, file: &Path, place: &Location) -> Vec<String> {
    let (line, column) = (place.line.max(1), place.column.unwrap_or(1).max(1));
    let file = file.to_string_lossy().into_owned();
    let name = Path::new(editor).file_stem().map(|name| name.to_string_lossy().to_ascii_lowercase());
    match name.as_deref().unwrap_or_default() {
        "vim" | "nvim" | "gvim" => vec![format!("+call cursor({line},{column})"), file],
        "vi" | "nvi" | "view" | "ed" | "joe" | "jed" | "mg" | "ne" | "less" => vec![format!("+{line}"), file],
        "nano" | "pico" => vec![format!("+{line},{column}"), file],
        "emacs" | "emacsclient" | "kak" | "micro" => vec![format!("+{line}:{column}"), file],
        "code" | "code-insiders" | "codium" | "vscodium" | "cursor" | "windsurf" => {
            vec!["--goto".to_owned(), format!("{file}:{line}:{column}")]
        }
        "hx" | "helix" | "zed" | "zeditor" | "subl" | "sublime_text" => {
            vec![format!("{file}:{line}:{column}")]
        }
        "kate" => vec!["-l".to_owned(), line.to_string(), "-c".to_owned(), column.to_string(), file],
        _ => vec![file],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_are_told_the_place_as_they_understand_it() {
        let place = Location { path: "a.rs".to_owned(), line: 3, column: Some(5) };
        let told = |editor: &str| arguments(editor, Path::new("/w/a.rs"), &place).join(" ");
        assert_eq!(told("/usr/bin/vim"), "+call cursor(3,5) /w/a.rs");
        assert_eq!(told("vi"), "+3 /w/a.rs");
        assert_eq!(told("nano"), "+3,5 /w/a.rs");
        assert_eq!(told("emacsclient"), "+3:5 /w/a.rs");
        assert_eq!(told("code"), "--goto /w/a.rs:3:5");
        assert_eq!(told("hx"), "/w/a.rs:3:5");
        assert_eq!(told("my-own"), "/w/a.rs");
        let nowhere = Location { line: 0, column: None, ..place };
        assert_eq!(arguments("vi", Path::new("/w/a.rs"), &nowhere), ["+1", "/w/a.rs"]);
    }

    #[test]
    fn the_first_file_that_there_is_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b.rs"), "").unwrap();
        let place = |path: &str| Location { path: path.to_owned(), line: 1, column: None };
        let places = |places: &[&str]| Places {
            places: places.iter().map(|path| place(path)).collect(),
            dir: dir.path().to_owned(),
        };
        let (file, _) = first_there(&places(&["a.rs", "b.rs"])).map(|(file, _)| (file, ())).unwrap();
        assert_eq!(file, dir.path().join("b.rs"));
        let none = first_there(&places(&["a.rs", "."])).unwrap_err();
        assert!(none.contains("a.rs"), "{none}");
    }
}

//! What the terminal can do, and whether the shell completes commands.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use roboppi_report::doctor::{Check, Health};

use super::Finding;
use crate::programs;

const AREA: &str = "terminal";

/// Programs that show terminals and need something said for the clipboard.
const MULTIPLEXERS: [(&str, &str); 2] = [
    ("TMUX", "tmux passes copies on with `set -g set-clipboard on`"),
    ("STY", "screen passes no copies on to the clipboard"),
];

pub(super) fn look() -> Vec<Finding> {
    let checks = [screen(), colours(), text(), clipboard(), completions()];
    checks.into_iter().flatten().map(Finding::from).collect()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn screen() -> Option<Check> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let term = variable("TERM");
    let name = term.as_deref().unwrap_or("unset");
    if !is_terminal {
        return Some(Check::ok(AREA, "screen", "stdin and stdout are no terminal: runs are shown as lines"));
    }
    let check = Check::ok(AREA, "screen", format!("TERM={name}"));
    Some(match name {
        "unset" | "dumb" => {
            check.but(Health::Warning, "runs are shown as lines: set TERM to the name of the terminal")
        }
        "linux" => check
            .but(Health::Note, "this console has few signs and colours: ASCII is used; there is no mouse"),
        _ => {
            let size = roboppi_tui::columns(io::stdout())
                .map_or_else(String::new, |columns| format!(", {columns} columns"));
            Check::ok(
                AREA,
                "screen",
                format!("TERM={name}{size}; mouse and synchronized output are used where it has them"),
            )
        }
    })
}

fn colours() -> Option<Check> {
    let depth = match (variable("NO_COLOR"), variable("COLORTERM").as_deref(), variable("TERM").as_deref()) {
        (Some(_), ..) => "none: NO_COLOR is set",
        (None, Some("truecolor" | "24bit"), _) => "16 million",
        (None, _, Some(term)) if term.contains("256color") => "256",
        _ => "16",
    };
    Some(Check::ok(AREA, "colours", depth))
}

fn text() -> Option<Check> {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    let name = locale.as_deref().unwrap_or("unset");
    let is_utf8 = name.to_ascii_lowercase().replace('-', "").contains("utf8");
    let check = Check::ok(AREA, "characters", format!("locale {name}"));
    Some(if is_utf8 {
        check
    } else {
        check.but(Health::Note, "set LANG to a UTF-8 locale, such as C.UTF-8, if signs look wrong")
    })
}

fn clipboard() -> Option<Check> {
    if let Some((_, advice)) = MULTIPLEXERS.into_iter().find(|(name, _)| variable(name).is_some()) {
        return Some(Check::ok(AREA, "clipboard", "OSC 52").but(Health::Note, advice));
    }
    let how = programs::clipboard_program().map_or_else(
        || "OSC 52, where the terminal allows it".to_owned(),
        |program| format!("{program}, and OSC 52"),
    );
    Some(Check::ok(AREA, "clipboard", how))
}

/// Whether the start file of the shell loads completions.
fn completions() -> Option<Check> {
    let shell = variable("SHELL")?;
    let name = Path::new(&shell).file_name()?.to_str()?.to_owned();
    let home = PathBuf::from(variable("HOME")?);
    let (files, line): (&[&str], &str) = match name.as_str() {
        "bash" => (
            &[".bashrc", ".bash_profile", ".profile", ".bash_completion"],
            "echo 'source <(roboppi completions bash)' >> ~/.bashrc",
        ),
        "zsh" => (&[".zshrc", ".zprofile"], "echo 'source <(roboppi completions zsh)' >> ~/.zshrc"),
        "fish" => (
            &[".config/fish/config.fish", ".config/fish/completions/roboppi.fish"],
            "roboppi completions fish > ~/.config/fish/completions/roboppi.fish",
        ),
        _ => return None,
    };
    let loads = |file: &&str| fs::read_to_string(home.join(file)).is_ok_and(|text| text.contains("roboppi"));
    let found = files.iter().find(|file| loads(file));
    Some(match found {
        Some(file) => Check::ok(AREA, "completions", format!("{name}, by ~/{file}")),
        None => Check::ok(AREA, "completions", format!("{name} does not load them")).but(Health::Note, line),
    })
}

//! Which view fits the streams of this process, and how it is drawn there.

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use clap::ValueEnum;
use nix::unistd::{getpgrp, tcgetpgrp};
use roboppi_report::plain::is_called_by_agent;
use roboppi_tui::{Colours, HoldPolicy, Notify, NotifyBy};

use crate::exit::Failure;
use crate::options::{CiChoice, Extent, HoldChoice, HowArgs, Output, Theme, ViewArgs};
use crate::terminal::{env_flag, note};

/// Options of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Full screen.
    Tui,
    /// Lines of text.
    Plain,
    /// One JSON object a line.
    Json,
}

/// Whether the environment says that nobody watches.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Chooses the view: what was asked for, else `ROBOPPI_TUI`, else the full screen where there is one that is ours.
pub(crate) fn choose_view(args: &ViewArgs) -> Result<View, Failure> {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let in_front = is_in_front(io::stdin()) && is_in_front(io::stdout());
    let dumb = is_dumb();
    let ci = is_ci();
    match args {
        ViewArgs { tui: true, .. } if args.output() == Output::Json => {
            Err(Failure::usage("--output json and --tui exclude each other: JSON goes to stdout"))
        }
        ViewArgs { quiet: true, .. } if args.output() == Output::Json => {
            Err(Failure::usage("--output json and --quiet exclude each other: JSON has every event"))
        }
        _ if args.output() == Output::Json => Ok(View::Json),
        ViewArgs { no_tui: true, .. } | ViewArgs { quiet: true, .. } => Ok(View::Plain),
        ViewArgs { stream: true, tui: false, .. } => Ok(View::Plain),
        ViewArgs { tui: true, .. } if !terminal => Err(Failure::usage(
            "--tui needs a terminal for stdin and stdout\nhint: leave it out, or use --no-tui",
        )),
        ViewArgs { tui: true, .. } if dumb => Err(Failure::usage(
            "--tui needs a terminal that can move its cursor, TERM says it cannot\nhint: use --no-tui",
        )),
        ViewArgs { tui: true, .. } if !in_front => {
            note(
                "roboppi: --tui: the terminal belongs to another job, and this one is in the background; it is shown as lines",
            );
            Ok(View::Plain)
        }
        ViewArgs { tui: true, .. } => Ok(View::Tui),
        _ if !terminal || !in_front || dumb || ci => Ok(View::Plain),
        _ if env_flag("ROBOPPI_TUI") == Some(false) => Ok(View::Plain),
        _ => Ok(View::Tui),
    }
}

/// The same for a run of this process, whose lines may be for a particular reader.
pub(crate) fn choose_view_of_run(args: &HowArgs) -> Result<View, Failure> {
    let system = args.reader.ci.filter(|system| *system != CiChoice::None);
    if system.is_some() && args.reader.report == Some(Extent::Concise) {
        return Err(Failure::usage(
            "--ci and --report concise exclude each other: the log of a CI job has every step\nhint: leave one of them out",
        ));
    }
    let option = match (system, args.reader.report) {
        (Some(_), _) => Some("--ci"),
        (None, Some(_)) => Some("--report"),
        (None, None) => None,
    };
    match option {
        Some(option) if args.view.output() == Output::Json => Err(Failure::usage(format!(
            "--output json and {option} exclude each other: JSON has every event"
        ))),
        Some(_) => Ok(View::Plain),
        None if is_concise(args) => Ok(View::Plain),
        None => choose_view(&args.view),
    }
}

/// Whether only the end of a run is reported, and concisely: for an AI agent, unless it has asked for more.
pub(crate) fn is_concise(args: &HowArgs) -> bool {
    let view = &args.view;
    let asks_for_more = view.tui || view.stream || args.verbose || args.reader.ci.is_some();
    match args.reader.report {
        Some(extent) => extent == Extent::Concise,
        None if asks_for_more || view.output() == Output::Json || is_interactive() => false,
        None => is_called_by_agent(|name| env::var(name).ok()),
    }
}

/// Whether a person may be looking on: the shell that an editor or an agent opens for its user has the variables of the agent,
/// too. Agents read from pipes, or from a terminal that they call dumb.
fn is_interactive() -> bool {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    terminal && !is_dumb() && is_in_front(io::stdin()) && is_in_front(io::stdout())
}

/// Whether the terminal cannot move its cursor.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Whether this process may use a terminal: one whose group is in the background is stopped when it tries, and nobody
/// sees its screen.
fn is_in_front(terminal: impl AsFd) -> bool {
    // One that is nobody's controlling terminal is free for all.
    tcgetpgrp(terminal).map_or(true, |front| front == getpgrp())
}

/// The colours of the full screen, where there are to be `any`.
pub(crate) fn colours(args: &ViewArgs, any: bool) -> Colours {
    colours_of_theme(args.theme, any)
}

/// The same for a theme that was asked for.
pub(crate) fn colours_of_theme(asked: Option<Theme>, any: bool) -> Colours {
    if !any {
        return Colours::None;
    }
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let theme = match variable("ROBOPPI_THEME").trim().to_ascii_lowercase().as_str() {
        "light" => Some(Theme::Light),
        "dark" => Some(Theme::Dark),
        _ => None,
    };
    match asked.or(theme) {
        Some(Theme::Light) => Colours::Light,
        Some(Theme::Dark) => Colours::Dark,
        // `foreground;background`, some with a word between the two.
        None => match variable("COLORFGBG").rsplit(';').next().and_then(|last| last.trim().parse().ok()) {
            Some(7u8 | 15) => Colours::Light,
            Some(_) | None => Colours::Dark,
        },
    }
}

/// Whether the terminal shows ASCII characters only: the Linux console has a small font, and a locale may
/// have another encoding.
pub(crate) fn ascii_only() -> bool {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    let utf8 = |locale: &str| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    // Nothing said is nothing known; most terminals of today show Unicode.
    variable("TERM").as_deref() == Some("linux") || locale.is_some_and(|locale| !utf8(&locale))
}

/// Whether the full screen takes the mouse at once.
pub(crate) fn mouse() -> bool {
    env_flag("ROBOPPI_MOUSE") != Some(false)
}

/// When the full screen stays once the run is over: as asked for, else as `ROBOPPI_HOLD` says, else by `default`.
pub(crate) fn hold(args: &ViewArgs, default: HoldPolicy) -> HoldPolicy {
    match args.hold.or_else(hold_of_environment) {
        Some(HoldChoice::Always) => HoldPolicy::Always,
        Some(HoldChoice::Failure) => HoldPolicy::Failure,
        Some(HoldChoice::Never) => HoldPolicy::Never,
        None => default,
    }
}

/// What `ROBOPPI_HOLD` says. A value that is not known is reported: nothing else shows that it has no effect.
fn hold_of_environment() -> Option<HoldChoice> {
    let value = env::var_os("ROBOPPI_HOLD").filter(|value| !value.is_empty())?;
    let value = value.to_string_lossy();
    let known = HoldChoice::from_str(value.trim(), true).ok();
    if known.is_none() {
        note(&format!(
            "roboppi: ROBOPPI_HOLD={value} has no effect: it is neither `always`, `failure` nor `never`"
        ));
    }
    known
}

/// Whether and how the terminal tells of the end of a run.
pub(crate) fn notify(args: &ViewArgs) -> Option<Notify> {
    if args.no_notify || env_flag("ROBOPPI_NOTIFY") == Some(false) {
        return None;
    }
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let (term, program) = (variable("TERM"), variable("TERM_PROGRAM"));
    let by = if env::var_os("TMUX").is_some() || term.starts_with("screen") {
        // They keep sequences for themselves and pass the bell on.
        NotifyBy::Bell
    } else if ["iTerm.app", "WezTerm", "ghostty"].contains(&program.as_str())
        || ["xterm-kitty", "xterm-ghostty"].contains(&term.as_str())
    {
        NotifyBy::Osc9
    } else if term.starts_with("foot") || term.starts_with("rxvt") || env::var_os("VTE_VERSION").is_some() {
        NotifyBy::Osc777
    } else {
        NotifyBy::Bell
    };
    Some(Notify { after: args.notify_after, by })
}

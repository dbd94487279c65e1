//! Who shows a run: a thread of its own, so that a slow terminal or pipe makes nobody wait.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal::SIGHUP;
use roboppi_attach::{RunCommand, RunSource};
use roboppi_process::inherited;
use roboppi_report::{jsonl, plain};
use roboppi_supervisor::{SignalEvent, Signals};
use roboppi_tui::{Audience, HoldPolicy, Role, TuiHandle, TuiSettings};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Purpose, ci};
use crate::commands::screen::lines;
use crate::exit::Failure;
use crate::options::HowArgs;
use crate::programs;
use crate::stdio;
use crate::terminal;
use crate::view::{self, View};

/// How long a terminal may take for what it is given at the very end.
const TERMINAL_PATIENCE: Duration = Duration::from_secs(2);

/// A thread that shows a run.
pub(super) struct Viewer {
    ended: oneshot::Receiver<Result<Audience, String>>,
    /// How the screen is told what signals say; lines of text need not be told.
    screen: Option<TuiHandle>,
    summary: Option<(Arc<dyn RunSource>, plain::PlainSettings)>,
}

impl Viewer {
    pub(super) fn start(
        view: View,
        source: Arc<dyn RunSource>,
        args: &HowArgs,
        purpose: &Purpose,
        colour: bool,
        signals: &mut Signals,
    ) -> Result<Self, Failure> {
        let settings = plain::PlainSettings {
            // A user who does not want to see output live does not want it line by line either.
            stream: args.view.stream && source.follow().view.head.is_none_or(|head| head.stream_stdio),
            ..args.view.lines(args.verbose, colour)
        };
        let heartbeat = purpose.heartbeat.unwrap_or(settings.heartbeat);
        let settings = plain::PlainSettings { heartbeat, ..settings };
        let (end, ended) = oneshot::channel();
        let (screen, summary, show): (_, _, Box<dyn FnOnce() -> Result<Audience, String> + Send>) = match view
        {
            View::Tui => {
                let (handle, control) = TuiHandle::new();
                signals.before_standing_still(roboppi_tui::lend_terminal);
                signals.pass_interrupts_by(roboppi_tui::interrupt_is_for_editor);
                let from = Arc::clone(&source);
                let lines = lines(Arc::clone(&source), &settings);
                let screen = screen_settings(args, purpose, colour);
                let show = move || {
                    let shown =
                        roboppi_tui::run(Arc::clone(&from), screen, lines, programs::personal(), control)
                            .map_err(|error| Failure::screen(error).message());
                    if shown.is_err() && !inherited::is_ignored(SIGHUP) {
                        // The terminal is gone, and with it the person. The signal that says so may come as well.
                        drop(from.request(RunCommand::HangUp));
                    }
                    shown
                };
                // What stays on the terminal is the answer.
                let summary = (!purpose.answer).then_some((source, settings));
                (Some(handle), summary, Box::new(show))
            }
            View::Plain => {
                let to_stderr = purpose.answer;
                let is_concise = view::is_concise(args);
                let vendor = ci::vendor(args.reader);
                let show = move || {
                    let out: Box<dyn Write> =
                        if to_stderr { Box::new(stdio::stderr()) } else { Box::new(stdio::stdout()) };
                    let shown = match vendor {
                        _ if is_concise => {
                            plain::run_concisely(&source, out).map_err(|error| error.to_string())
                        }
                        Some(vendor) => ci::show(&source, vendor, settings, out, terminal::note),
                        None => plain::run(source, settings, out).map_err(|error| error.to_string()),
                    };
                    shown.map(|()| Audience::Present)
                };
                (None, None, Box::new(show))
            }
            View::Json => {
                let show = move || {
                    let shown = jsonl::run(source, stdio::stdout());
                    shown.map(|()| Audience::Present).map_err(|error| error.to_string())
                };
                (None, None, Box::new(show))
            }
        };
        thread::Builder::new()
            .name("viewer".to_owned())
            .spawn(move || drop(end.send(show())))
            .map_err(|error| Failure::own(format!("the thread of the viewer cannot start: {error}")))?;
        Ok(Self { ended, screen, summary })
    }

    /// Waits until everything was shown and, on a screen, until the person has seen it.
    /// With `hurried` a signal ended the run: then nobody may be there to look at the screen, and it does not stay.
    pub(super) async fn finish(mut self, hurried: bool, signals: &mut Signals) {
        let hurried = hurried && self.screen.is_some();
        let hurry = async {
            while !hurried && signals.next().await == SignalEvent::Suspend {
                signals.suspend();
            }
        };
        let shown = tokio::select! {
            shown = &mut self.ended => shown,
            () = hurry => {
                // Whoever reads our lines does not, and someone wants us gone.
                let Some(screen) = &self.screen else { return };
                screen.stop();
                match timeout(TERMINAL_PATIENCE, &mut self.ended).await {
                    Ok(shown) => shown,
                    Err(_) => return roboppi_tui::restore_terminal(),
                }
            }
        };
        match shown {
            Ok(Ok(audience)) => self.leave_summary(audience).await,
            Ok(Err(error)) => {
                terminal::note(&format!("warning: the run could not be shown to its end: {error}"));
            }
            Err(_) => terminal::note("warning: the viewer ended unexpectedly; the run did not"),
        }
    }

    /// Prints what stays on the terminal once the screen is gone: all that lines would have, if it was never used.
    async fn leave_summary(self, audience: Audience) {
        let Some((source, settings)) = self.summary else { return };
        let (end, ended) = oneshot::channel();
        let print = move || {
            // A terminal that cannot be written to has been told all it can be told.
            let _ = match audience {
                Audience::Present => plain::run_in_short(source.as_ref(), &settings, stdio::stdout()),
                Audience::Absent => plain::run_at_end(source, &settings, stdio::stdout()),
            };
            let _ = end.send(());
        };
        if thread::Builder::new().name("summary".to_owned()).spawn(print).is_ok() {
            let _ = timeout(TERMINAL_PATIENCE, ended).await;
        }
    }
}

/// How the screen of a run looks and behaves.
fn screen_settings(args: &HowArgs, purpose: &Purpose, colour: bool) -> TuiSettings {
    let usual = if purpose.answer { HoldPolicy::Never } else { HoldPolicy::Failure };
    TuiSettings {
        colours: view::colours(&args.view, colour),
        ascii: view::ascii_only(),
        role: Role::Owner,
        mouse: view::mouse(),
        hold: view::hold(&args.view, usual),
        notify: view::notify(&args.view),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: purpose.title.clone(),
        nested: false,
        elsewhere: false,
    }
}

//! A full screen in a process that owns no run, and lines for who puts a screen away.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use roboppi_attach::RunSource;
use roboppi_report::plain;
use roboppi_supervisor::{ShutdownRequest, SignalEvent, Signals};
use roboppi_tui::{Audience, LineView, TuiControl, TuiError, TuiHandle, TuiSettings};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::exit::Failure;
use crate::programs;
use crate::runtime;
use crate::stdio;

/// How long a terminal may take for what it is given at the very end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Shows a run until the person leaves, or a signal ends this process. The run does not notice either.
pub(crate) fn show(
    source: Arc<dyn RunSource>,
    settings: TuiSettings,
    in_lines: &plain::PlainSettings,
) -> Result<ExitCode, Failure> {
    let lines = lines(Arc::clone(&source), in_lines);
    show_until_left(move |control| roboppi_tui::run(source, settings, lines, programs::personal(), control))
}

/// Shows a screen until the person leaves, or a signal ends this process.
pub(crate) fn show_until_left(
    screen: impl FnOnce(TuiControl) -> Result<Audience, TuiError> + Send + 'static,
) -> Result<ExitCode, Failure> {
    let runtime =
        runtime::new().map_err(|error| Failure::own(format!("the screen cannot start: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::listen().map_err(|error| Failure::own(format!("signals: {error}")))?;
        signals.before_standing_still(roboppi_tui::lend_terminal);
        signals.pass_interrupts_by(roboppi_tui::interrupt_is_for_editor);
        let (handle, control) = TuiHandle::new();
        let (end, mut ended) = oneshot::channel();
        let show = move || {
            let shown = screen(control);
            // Whoever does not wait for it any more has given the terminal back.
            let _ = end.send(shown);
        };
        thread::Builder::new()
            .name("screen".to_owned())
            .spawn(show)
            .map_err(|error| Failure::own(format!("the thread of the screen cannot start: {error}")))?;
        loop {
            tokio::select! {
                shown = &mut ended => return match shown {
                    Ok(Ok(_)) => Ok(ExitCode::SUCCESS),
                    Ok(Err(error)) => Err(Failure::screen(error)),
                    Err(_) => Err(Failure::own("the screen ended unexpectedly; the run did not")),
                },
                signalled = signals.next() => match signalled {
                    SignalEvent::Suspend => signals.suspend(),
                    SignalEvent::End(asked) => {
                        handle.stop();
                        if timeout(PATIENCE, &mut ended).await.is_err() {
                            roboppi_tui::restore_terminal();
                        }
                        return Ok(ExitCode::from(code(asked)));
                    }
                },
            }
        }
    })
}

/// The exit code of a program that a signal ended.
const fn code(asked: ShutdownRequest) -> u8 {
    match asked {
        ShutdownRequest::Terminate => 143,
        ShutdownRequest::Hangup => 129,
        ShutdownRequest::Interrupt | ShutdownRequest::Command { .. } | ShutdownRequest::Leave => 130,
    }
}

/// What is said around the lines, with the keys of the screen.
const FRAME: plain::Frame = plain::Frame {
    begin: "--- the run from here on; s shows the screen again ---",
    over: "--- the run is over; s shows the screen again, q leaves ---",
};

/// The run as lines while its screen is put away. Whoever wants lines wants to see what workers write.
pub(crate) fn lines(source: Arc<dyn RunSource>, settings: &plain::PlainSettings) -> LineView {
    let stream = source.follow().view.head.is_none_or(|head| head.stream_stdio);
    let settings = plain::PlainSettings { stream, ..settings.clone() };
    Arc::new(move |stop| {
        plain::run_from_now(Arc::clone(&source), settings.clone(), FRAME, stdio::stdout(), stop)
    })
}

//! The run as plain lines, while the screen is put away.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

/// Writes a run to the terminal as lines, from now on, until it is told to stop (its sender is dropped) or the
/// run is over. Blocks; it gets a thread of its own.
pub type LineView = Arc<dyn Fn(oneshot::Receiver<()>) -> io::Result<()> + Send + Sync>;

/// Starts and stops a [`LineView`].
pub(crate) struct Lines {
    view: LineView,
    running: Option<(oneshot::Sender<()>, JoinHandle<io::Result<()>>)>,
}

impl Lines {
    pub(crate) const fn new(view: LineView) -> Self {
        Self { view, running: None }
    }

    pub(crate) fn start(&mut self) -> io::Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let (stop, stopped) = oneshot::channel();
        let view = Arc::clone(&self.view);
        let thread = thread::Builder::new().name("lines".to_owned()).spawn(move || view(stopped))?;
        self.running = Some((stop, thread));
        Ok(())
    }

    /// Returns when the last line is written.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        let Some((stop, thread)) = self.running.take() else { return Ok(()) };
        drop(stop);
        match thread.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("running", &self.running.is_some()).finish_non_exhaustive()
    }
}

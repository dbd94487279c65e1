//! Prints the status of a run when SIGUSR1 asks for it.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use roboppi_attach::RunSource;
use roboppi_report::status::status;

use crate::commands::record;
use crate::stdio;
use crate::view::View;

/// What prints the status of a run on stderr. It waits for nobody: the printing is done by a thread, one at a time. The
/// full screen shows the same and more, so a terminal that belongs to one gets nothing.
pub(super) fn printer(source: Arc<dyn RunSource>, view: View) -> impl Fn() {
    let printing = Arc::new(AtomicBool::new(false));
    move || {
        if (view == View::Tui && io::stderr().is_terminal()) || printing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (source, done) = (Arc::clone(&source), Arc::clone(&printing));
        let print = move || {
            let text = status(source.as_ref(), record::now());
            // Who does not read it did not ask.
            let _ = stdio::stderr().write_all(text.as_bytes());
            done.store(false, Ordering::Relaxed);
        };
        if thread::Builder::new().name("status".to_owned()).spawn(print).is_err() {
            printing.store(false, Ordering::Relaxed);
        }
    }
}

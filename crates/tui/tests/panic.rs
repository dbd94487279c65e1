//! A screen that panics, in a real terminal.

use std::sync::Arc;
use std::time::Duration;

use roboppi_attach::{Following, LiveFeed, RequestError, RunCommand, RunSource};
use roboppi_record::{MemoryRecord, RecordStore};
use roboppi_terminal::{Spec, Terminal};
use roboppi_tui::{Colours, Editor, HoldPolicy, Places, Programs, Role, TuiHandle, TuiSettings};

/// Set for the program in the terminal, which is this one again.
const INSIDE: &str = "ROBOPPI_TEST_INSIDE_TERMINAL";

/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(60);

/// A run that cannot be told anything.
struct Fragile {
    feed: LiveFeed,
    record: MemoryRecord,
}

impl RunSource for Fragile {
    fn follow(&self) -> Following {
        self.feed.follow()
    }

    fn record(&self) -> &dyn RecordStore {
        &self.record
    }

    fn request(&self, _command: RunCommand) -> tokio::sync::oneshot::Receiver<RequestError> {
        panic!("the roof falls in");
    }
}

/// Nobody asks for any.
struct NoPrograms;

impl Programs for NoPrograms {
    fn copy(&self, _text: &str) {}

    fn edit(&self, _places: &Places) -> Result<Box<dyn Editor>, String> {
        Err("there is none".to_owned())
    }
}

/// What runs in the terminal; as a test of its own it has nothing to do.
#[test]
fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let settings = TuiSettings {
        colours: Colours::Dark,
        ascii: false,
        role: Role::Owner,
        mouse: false,
        hold: HoldPolicy::Always,
        notify: None,
        version: String::new(),
        title: "fragile".to_owned(),
        nested: false,
        elsewhere: false,
    };
    let (_handle, control) = TuiHandle::new();
    let lines = Arc::new(|_| Ok(()));
    // The panic is what is to be seen.
    let _ = roboppi_tui::run(
        Arc::new(Fragile { feed: LiveFeed::default(), record: MemoryRecord::default() }),
        settings,
        lines,
        Arc::new(NoPrograms),
        control,
    );
}

#[test]
fn a_panic_gives_the_terminal_back_and_can_be_read() {
    let program = std::env::current_exe().unwrap();
    let spec = Spec {
        argv: vec![program.into(), "--exact".into(), "inside".into(), "--nocapture".into()],
        env: vec![(INSIDE.into(), "1".into()), ("TERM".into(), "xterm-256color".into())],
        cwd: std::env::temp_dir(),
        rows: 24,
        cols: 80,
    };
    let mut terminal = Terminal::start(&spec).unwrap();
    let shown = |screen: &roboppi_terminal::Screen| {
        screen.alternate_screen() && screen.hide_cursor() && screen.contents().contains("fragile")
    };
    terminal.wait_until("the screen", LIMIT, shown).unwrap();
    terminal.press("\x03").unwrap();
    terminal
        .wait_until("the message, on a terminal as it was", LIMIT, |screen| {
            screen.contents().contains("the roof falls in")
                && !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
        })
        .unwrap();
}

//! Programs of the person in front of a screen: their editor, and what puts text on the clipboard of their system.

mod clipboard;
mod editor;

use std::env;
use std::path::PathBuf;
use std::sync::Arc;

use roboppi_process::is_program;
use roboppi_tui::{Editor, Places, Programs};

use clipboard::Clipboard;

/// The first program of a name in `PATH`. What is relative there is another one in each directory, so it is passed over.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let dirs = env::split_paths(&path).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.join(name)).find(|file| is_program(file))
}

/// The program that puts text on the clipboard of the system, if there is one for where this process is.
pub(crate) fn clipboard_program() -> Option<&'static str> {
    clipboard::commands().first().map(|words| words[0])
}

/// Those of whoever started this process.
#[derive(Debug)]
struct Personal {
    clipboard: Clipboard,
}

/// The programs that the environment names.
pub(crate) fn personal() -> Arc<dyn Programs> {
    Arc::new(Personal { clipboard: Clipboard::new(clipboard::commands()) })
}

impl Programs for Personal {
    fn copy(&self, text: &str) {
        self.clipboard.put(text);
    }

    fn edit(&self, places: &Places) -> Result<Box<dyn Editor>, String> {
        editor::open(places)
    }
}

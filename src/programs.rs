//! Programs of the person in front of a screen: their editor, and what puts text on the clipboard of their system.

mod clipboard;
mod editor;

use std::sync::Arc;

use roboppi_tui::{Editor, Places, Programs};

use clipboard::Clipboard;

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

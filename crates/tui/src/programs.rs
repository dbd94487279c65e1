//! Programs of the person in front of a screen.

use std::path::PathBuf;

use futures::future::BoxFuture;

use crate::Location;

/// What a screen has done by other programs. Nothing that is started may outlive the screen.
pub trait Programs: Send + Sync {
    /// Puts a text on the clipboard of the system this process runs on. The terminal is told by the screen itself. Does
    /// not wait.
    fn copy(&self, text: &str);

    /// Opens the first of `places` that there is in the person's editor. It may use the terminal until it ends. To
    /// be called inside a runtime.
    ///
    /// # Errors
    /// Why not, in words for the person.
    fn edit(&self, places: &Places) -> Result<Box<dyn Editor>, String>;
}

/// An editor that is open. Dropping it ends it.
pub trait Editor: Send {
    /// Waits until it has ended. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What went wrong, in words for the person.
    fn ended(&mut self) -> BoxFuture<'_, Result<(), String>>;

    /// Ends it as a terminal that goes away does, so that it can save what is not saved, and soon by force.
    fn end(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Places of which one is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The likeliest first.
    pub places: Vec<Location>,
    /// Where relative paths may begin.
    pub dir: PathBuf,
}

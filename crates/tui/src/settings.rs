//! What is decided before a screen is opened.

/// How a run is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TuiSettings {
    /// Use colours. Without them the screen is told apart by icons, bold and reversed text.
    pub colour: bool,
    /// Keep the final screen until a person dismisses it; otherwise leave when the run is over.
    pub stay: bool,
    /// Version of roboppi, shown in the help.
    pub version: String,
    /// Name shown until the run says its own.
    pub title: String,
}

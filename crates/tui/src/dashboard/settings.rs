//! What is decided before a dashboard is opened.

use std::fmt;
use std::sync::Arc;

use roboppi_attach::RunSource;
use roboppi_record::StateRoot;
use roboppi_run::RunId;

use crate::{Colours, LineView, TuiSettings};

/// How all runs are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardSettings {
    /// Colours. Signs and words carry the same meaning.
    pub colours: Colours,
    /// Draw with ASCII characters only.
    pub ascii: bool,
    /// Take the mouse.
    pub mouse: bool,
    /// Version of roboppi.
    pub version: String,
    /// Name of this machine.
    pub host: String,
    /// The tab that is shown first.
    pub tab: DashboardTab,
}

/// Which runs are shown.
#[derive(Clone, Debug)]
pub enum Runs {
    /// Those of a state directory.
    Of(StateRoot),
    /// None: runs are made up.
    Demo,
}

/// A run that is opened from the list.
pub struct OpenedRun {
    /// The run.
    pub source: Arc<dyn RunSource>,
    /// How it is shown.
    pub settings: TuiSettings,
    /// The same as lines.
    pub lines: LineView,
}

impl fmt::Debug for OpenedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedRun").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Opens a run; the error is a sentence for people. Reads its record, so it is called on a thread of its own.
pub type OpenRun = Arc<dyn Fn(&RunId) -> Result<OpenedRun, String> + Send + Sync>;

/// A file of another program that is followed as long as the dashboard is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedFile {
    /// Its name, without its directory.
    pub name: String,
    /// How it is, as the end of a sentence that begins with its name.
    pub words: String,
    /// Its lines cannot be read or recorded now.
    pub is_problem: bool,
}

/// How the followed files are now. Asked once a second, so it must not wait.
pub type FollowedFiles = Arc<dyn Fn() -> Vec<FollowedFile> + Send + Sync>;

/// A view of all runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DashboardTab {
    /// All runs, the most urgent first.
    #[default]
    Runs,
    /// The latest events.
    Events,
    /// Events by category.
    Table,
    /// Tool calls by tool.
    Tools,
    /// Transitions of states.
    State,
    /// Agents at work, and their totals.
    Agents,
    /// Figures of all runs.
    Metrics,
    /// Runs by what they have in common.
    Tags,
    /// Runs that are over.
    History,
    /// Output of live runs.
    Logs,
}

impl DashboardTab {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Runs,
        Self::Events,
        Self::Table,
        Self::Tools,
        Self::State,
        Self::Agents,
        Self::Metrics,
        Self::Tags,
        Self::History,
        Self::Logs,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runs => "Runs",
            Self::Events => "Events",
            Self::Table => "Table",
            Self::Tools => "Tools",
            Self::State => "State",
            Self::Agents => "Agents",
            Self::Metrics => "Metrics",
            Self::Tags => "Tags",
            Self::History => "History",
            Self::Logs => "Logs",
        }
    }

    /// Its place among all.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it shows figures that are counted from all records.
    pub(crate) const fn needs_figures(self) -> bool {
        matches!(self, Self::Tools | Self::Agents | Self::Metrics)
    }
}

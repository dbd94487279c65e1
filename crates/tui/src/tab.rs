//! What can be shown beside the list of steps.

/// A tab. Its number is its place among those of the step that is shown
/// ([`Model::tabs`](crate::model::Model::tabs)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tab {
    Activity,
    #[default]
    Overview,
    Logs,
    Diffs,
    Usage,
    Result,
    Core,
    Timeline,
    Help,
}

impl Tab {
    /// All there are: those of a step an agent does.
    pub(crate) const ALL: [Self; 9] = [
        Self::Activity,
        Self::Overview,
        Self::Logs,
        Self::Diffs,
        Self::Usage,
        Self::Result,
        Self::Core,
        Self::Timeline,
        Self::Help,
    ];

    /// Those of a step a script does.
    pub(crate) const OF_SCRIPTS: [Self; 7] =
        [Self::Overview, Self::Logs, Self::Diffs, Self::Result, Self::Core, Self::Timeline, Self::Help];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Activity => "Activity",
            Self::Overview => "Overview",
            Self::Logs => "Logs",
            Self::Diffs => "Diffs",
            Self::Usage => "Usage",
            Self::Result => "Result",
            Self::Core => "Core",
            Self::Timeline => "Timeline",
            Self::Help => "Help",
        }
    }

    /// Its name where there is little room.
    pub(crate) const fn short_name(self) -> &'static str {
        match self {
            Self::Activity => "Act",
            Self::Overview => "Over",
            Self::Logs => "Logs",
            Self::Diffs => "Diff",
            Self::Usage => "Use",
            Self::Result => "Res",
            Self::Core => "Core",
            Self::Timeline => "Time",
            Self::Help => "Help",
        }
    }

    /// What it shows, for the help.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Activity => "messages and tool calls of the agent",
            Self::Overview => "the step, the graph of all steps, the run",
            Self::Logs => "what the worker printed",
            Self::Diffs => "what the worker changed",
            Self::Usage => "tokens and money",
            Self::Result => "how the attempt ended",
            Self::Core => "the process that starts the workers",
            Self::Timeline => "when each attempt was at work",
            Self::Help => "the keys",
        }
    }

    /// Its place in what is kept for each tab.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

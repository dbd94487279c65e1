//! What events are about.

/// What an event is about: the first part of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The run as a whole.
    Run,
    /// A step or an attempt of it.
    Step,
    /// A tool call of an agent.
    Tool,
    /// A text or a thought of an agent.
    Text,
    /// The model or the session of an agent.
    Model,
    /// A file that changed.
    File,
    /// Progress, a plan, or a wait.
    Progress,
    /// A measured value.
    Metric,
    /// A warning, a gap, a failure.
    Error,
    /// Of a kind that this version does not know.
    Other,
}

impl Category {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Run,
        Self::Step,
        Self::Tool,
        Self::Text,
        Self::Model,
        Self::File,
        Self::Progress,
        Self::Metric,
        Self::Error,
        Self::Other,
    ];

    /// The word for people and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Step => "step",
            Self::Tool => "tool",
            Self::Text => "text",
            Self::Model => "model",
            Self::File => "file",
            Self::Progress => "progress",
            Self::Metric => "metric",
            Self::Error => "error",
            Self::Other => "other",
        }
    }

    /// The category of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.name() == word)
    }

    /// Its place in [`Category::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

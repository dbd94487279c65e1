//! What can be shown beside the list of steps.

/// A tab. Its number is the same for all steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    #[default]
    Logs,
    Diffs,
    Result,
    Timeline,
    Activity,
    Usage,
    Core,
    Help,
}

/// Whether a step is done by an agent or by a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StepKind {
    #[default]
    Command,
    Agent,
}

impl StepKind {
    /// What shows a step of this kind at work.
    pub(crate) const fn first_tab(self) -> Tab {
        match self {
            Self::Command => Tab::Logs,
            Self::Agent => Tab::Activity,
        }
    }

    /// Its tabs in the bar, in the order of their numbers.
    pub(crate) const fn bar(self) -> &'static [Tab] {
        match self {
            Self::Command => Tab::ALL.split_at(5).0,
            Self::Agent => Tab::ALL.split_at(7).0,
        }
    }
}

impl Tab {
    /// All there are, in the order of their numbers. Those of an agent and those that are not in the bar come last, so that
    /// the others never move.
    pub(crate) const ALL: [Self; 9] = [
        Self::Overview,
        Self::Logs,
        Self::Diffs,
        Self::Result,
        Self::Timeline,
        Self::Activity,
        Self::Usage,
        Self::Core,
        Self::Help,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Logs => "Logs",
            Self::Diffs => "Diffs",
            Self::Result => "Result",
            Self::Timeline => "Timeline",
            Self::Activity => "Activity",
            Self::Usage => "Usage",
            Self::Core => "Core",
            Self::Help => "Help",
        }
    }

    /// Its name where there is little room.
    pub(crate) const fn short_name(self) -> &'static str {
        match self {
            Self::Overview => "Over",
            Self::Logs => "Logs",
            Self::Diffs => "Diff",
            Self::Result => "Res",
            Self::Timeline => "Time",
            Self::Activity => "Act",
            Self::Usage => "Use",
            Self::Core => "Core",
            Self::Help => "Help",
        }
    }

    /// What it shows, for the help.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Overview => "the step, the graph of all steps, the run",
            Self::Logs => "what the worker printed",
            Self::Diffs => "what the worker changed",
            Self::Result => "how the attempt ended",
            Self::Timeline => "when each attempt was at work",
            Self::Activity => "of an agent: its messages and tool calls",
            Self::Usage => "of an agent: tokens and money",
            Self::Core => "the process that starts the workers, and its log",
            Self::Help => "the keys",
        }
    }

    /// Its place in what is kept for each tab.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The number that shows it.
    pub(crate) const fn number(self) -> usize {
        self.index() + 1
    }

    /// Whether only a step of an agent has it.
    pub(crate) const fn is_of_agents(self) -> bool {
        matches!(self, Self::Activity | Self::Usage)
    }

    /// Whether it shows the same for all steps, and stays while the person goes from one to the next.
    pub(crate) const fn is_of_run(self) -> bool {
        matches!(self, Self::Timeline | Self::Core | Self::Help)
    }
}

/// Which tabs the person chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TabChoice {
    /// For steps of commands.
    command: Option<Tab>,
    /// For steps of agents.
    agent: Option<Tab>,
    /// For all steps.
    pub(crate) of_run: Option<Tab>,
}

impl TabChoice {
    /// Remembers a tab that was chosen at a step of a kind. What shows a step at work is chosen for its kind alone.
    pub(crate) const fn choose(&mut self, tab: Tab, kind: StepKind) {
        if tab.is_of_run() {
            self.of_run = Some(tab);
            return;
        }
        self.of_run = None;
        match (tab, kind) {
            (Tab::Overview | Tab::Diffs | Tab::Result, _) => {
                (self.command, self.agent) = (Some(tab), Some(tab));
            }
            (_, StepKind::Command) => self.command = Some(tab),
            (_, StepKind::Agent) => self.agent = Some(tab),
        }
    }

    /// The tab for a step of a kind.
    pub(crate) fn of(self, kind: StepKind) -> Tab {
        let chosen = match kind {
            StepKind::Command => self.command,
            StepKind::Agent => self.agent,
        };
        self.of_run.or(chosen).unwrap_or(kind.first_tab())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_place_of_its_tab() {
        for (number, tab) in (1..).zip(Tab::ALL) {
            assert_eq!(tab.number(), number, "{tab:?}");
        }
        assert!(StepKind::Agent.bar().starts_with(StepKind::Command.bar()), "no tab moves");
        assert!(StepKind::Command.bar().iter().all(|tab| !tab.is_of_agents()));
    }

    #[test]
    fn a_choice_is_kept_for_each_kind_and_a_page_of_the_run_for_both() {
        let mut choice = TabChoice::default();
        assert_eq!((choice.of(StepKind::Command), choice.of(StepKind::Agent)), (Tab::Logs, Tab::Activity));
        choice.choose(Tab::Logs, StepKind::Agent);
        assert_eq!((choice.of(StepKind::Command), choice.of(StepKind::Agent)), (Tab::Logs, Tab::Logs));
        choice.choose(Tab::Result, StepKind::Command);
        assert_eq!((choice.of(StepKind::Command), choice.of(StepKind::Agent)), (Tab::Result, Tab::Result));
        choice.choose(Tab::Timeline, StepKind::Agent);
        assert_eq!(
            (choice.of(StepKind::Command), choice.of(StepKind::Agent)),
            (Tab::Timeline, Tab::Timeline)
        );
        choice.choose(Tab::Usage, StepKind::Agent);
        assert_eq!((choice.of(StepKind::Command), choice.of(StepKind::Agent)), (Tab::Result, Tab::Usage));
    }
}

//! What colours and icons mean. Colour only ever repeats what an icon or a word says.

use ratatui::style::{Color, Modifier, Style};
use roboppi_run::{RunOutcome, StepState};

use crate::Colours;

/// The look. Without colour it makes do with bold, dim, underlined and reversed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Theme {
    colours: Colours,
}

/// Frames of the spinner.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

impl Theme {
    pub(crate) const fn new(colours: Colours) -> Self {
        Self { colours }
    }

    const fn fg(self, on_dark: Color, on_light: Color) -> Style {
        match self.colours {
            Colours::None => Style::new(),
            Colours::Dark => Style::new().fg(on_dark),
            Colours::Light => Style::new().fg(on_light),
        }
    }

    /// What stands back: labels, paths, hints.
    pub(crate) const fn faint(self) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(Modifier::DIM),
            Colours::Dark | Colours::Light => Style::new().fg(Color::DarkGray),
        }
    }

    /// Headings and names.
    pub(crate) const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The selected row: in the two colours of the terminal alone, so that it is one bar on any background. Its icons and
    /// words say what their colours did.
    pub(crate) const fn selected(self) -> Style {
        Style::reset().add_modifier(Modifier::REVERSED)
    }

    /// Text that is marked with the mouse.
    pub(crate) const fn marked(self) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(Modifier::REVERSED),
            Colours::Dark => Style::new().bg(Color::Blue).fg(Color::White),
            Colours::Light => Style::new().bg(Color::Cyan).fg(Color::Black),
        }
    }

    pub(crate) const fn good(self) -> Style {
        self.fg(Color::Green, Color::Green)
    }

    pub(crate) const fn bad(self) -> Style {
        self.fg(Color::Red, Color::Red)
    }

    /// What goes on, and what a person should look at.
    pub(crate) const fn busy(self) -> Style {
        self.fg(Color::Yellow, Color::Magenta)
    }

    /// What a person should look at: a warning.
    pub(crate) const fn attention(self) -> Style {
        self.busy().add_modifier(Modifier::BOLD)
    }

    /// What is ready or a note.
    pub(crate) const fn note(self) -> Style {
        self.fg(Color::Cyan, Color::Blue)
    }

    pub(crate) const fn state(self, state: StepState) -> Style {
        match state {
            StepState::Pending | StepState::Skipped => self.faint(),
            StepState::Ready | StepState::Unknown(_) => self.note(),
            StepState::Starting | StepState::Running | StepState::Retrying | StepState::Ending => self.busy(),
            StepState::Succeeded => self.good(),
            StepState::Incomplete => self.busy(),
            StepState::Failed | StepState::Cancelled | StepState::Lost => self.bad(),
        }
    }

    pub(crate) const fn outcome(self, outcome: RunOutcome) -> Style {
        match outcome {
            RunOutcome::Succeeded => self.good(),
            RunOutcome::Failed
            | RunOutcome::Cancelled
            | RunOutcome::TimedOut
            | RunOutcome::Lost
            | RunOutcome::Unknown(_) => self.bad(),
        }
    }
}

/// One frame of the spinner.
pub(crate) fn spinner(frame: usize) -> &'static str {
    SPINNER[frame % SPINNER.len()]
}

/// The icon of a state; each state has its own.
pub(crate) fn icon(state: StepState, frame: usize) -> &'static str {
    match state {
        StepState::Pending => "○",
        StepState::Ready => "◎",
        StepState::Starting => "◌",
        StepState::Running => spinner(frame),
        StepState::Retrying => "↻",
        StepState::Ending => "◑",
        StepState::Succeeded => "✓",
        StepState::Incomplete => "≈",
        StepState::Failed => "✗",
        StepState::Skipped => "⊘",
        StepState::Cancelled => "■",
        StepState::Lost => "?",
        StepState::Unknown(_) => "◇",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn states_can_be_told_apart_without_colour() {
        let states = [
            StepState::Pending,
            StepState::Ready,
            StepState::Starting,
            StepState::Running,
            StepState::Retrying,
            StepState::Ending,
            StepState::Succeeded,
            StepState::Incomplete,
            StepState::Failed,
            StepState::Skipped,
            StepState::Cancelled,
            StepState::Lost,
        ];
        let icons: BTreeSet<_> = states.into_iter().map(|state| icon(state, 0)).collect();
        assert_eq!(icons.len(), states.len());
        assert!(states.into_iter().all(|state| {
            let style = Theme::new(Colours::None).state(state);
            style.fg.is_none() && style.bg.is_none()
        }));
    }
}

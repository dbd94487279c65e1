//! The mouse, as a terminal tells of it.

use ratatui::layout::Position;
use roboppi_ipc::UtcMillis;

/// Longest time between two clicks of a double click, in milliseconds.
const DOUBLE: u64 = 400;

/// Something that was done with the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mouse {
    pub(crate) action: MouseAction,
    /// The cell it was done at.
    pub(crate) at: Position,
    /// With Ctrl.
    pub(crate) ctrl: bool,
}

/// What was done. The button is always the left one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MouseAction {
    Press,
    /// Moved while the button is down.
    Drag,
    Release,
    WheelUp,
    WheelDown,
    WheelLeft,
    WheelRight,
}

impl Mouse {
    /// What a report of a terminal says: the number of button and modifiers, and column and row from 1. `None` for what
    /// has no meaning here.
    pub(crate) fn reported(number: u16, column: u16, row: u16, released: bool) -> Option<Self> {
        const CTRL: u16 = 16;
        const MOVED: u16 = 32;
        // Shift and Alt change nothing.
        let action = match number & !(4 | 8 | CTRL) {
            0 if released => MouseAction::Release,
            0 => MouseAction::Press,
            MOVED => MouseAction::Drag,
            64 => MouseAction::WheelUp,
            65 => MouseAction::WheelDown,
            66 => MouseAction::WheelLeft,
            67 => MouseAction::WheelRight,
            _ => return None,
        };
        let at = Position::new(column.saturating_sub(1), row.saturating_sub(1));
        Some(Self { action, at, ctrl: number & CTRL != 0 })
    }
}

/// Counts clicks that follow each other closely at one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clicks(Option<(Position, UtcMillis, u8)>);

impl Clicks {
    /// Takes in a click and says which one in a row it is, from 1 to 3; a fourth is a first one again.
    pub(crate) fn count(&mut self, at: Position, now: UtcMillis) -> u8 {
        let count = match self.0 {
            Some((place, then, count)) if place == at && now.0.saturating_sub(then.0) <= DOUBLE => {
                count % 3 + 1
            }
            _ => 1,
        };
        self.0 = Some((at, now, count));
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_in_a_row_are_counted() {
        let mut clicks = Clicks::default();
        let mut click = |x, at| clicks.count(Position::new(x, 0), UtcMillis(at));
        assert_eq!([click(1, 0), click(1, 400), click(1, 700), click(1, 800)], [1, 2, 3, 1]);
        assert_eq!([click(2, 900), click(2, 1_301)], [1, 1], "another place, and too late");
    }

    #[test]
    fn only_what_has_a_meaning_is_taken_in() {
        let reported = |number, released| Mouse::reported(number, 3, 1, released).map(|mouse| mouse.action);
        assert_eq!(reported(0, false), Some(MouseAction::Press));
        assert_eq!(reported(0, true), Some(MouseAction::Release));
        assert_eq!(reported(32, false), Some(MouseAction::Drag));
        assert_eq!(reported(64, false), Some(MouseAction::WheelUp));
        assert_eq!(reported(4 + 65, false), Some(MouseAction::WheelDown), "with Shift");
        assert_eq!(
            [reported(1, false), reported(2, false), reported(35, false), reported(128, false)],
            [None; 4]
        );
        let ctrl = Mouse::reported(16, 3, 1, false).unwrap();
        assert!(ctrl.ctrl && ctrl.at == Position::new(2, 0));
    }
}

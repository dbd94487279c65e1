//! Which part of the screen is for what.

use ratatui::layout::{Rect, Size};

/// Columns from which the list has a place of its own beside the pane.
const WIDE: u16 = 80;
/// Rows from which the list has a place of its own above the pane.
const TALL: u16 = 20;

/// Which side takes the arrow keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Focus {
    #[default]
    Steps,
    Pane,
}

/// The parts of a screen. A part without room is an empty rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Areas {
    /// Name, state, clock.
    pub(crate) title: Rect,
    /// Progress, what an ending run waits for, or how it ended.
    pub(crate) status: Rect,
    pub(crate) steps: Rect,
    /// Between list and pane.
    pub(crate) rule: Rect,
    pub(crate) tabs: Rect,
    pub(crate) pane: Rect,
    pub(crate) footer: Rect,
}

impl Areas {
    /// Divides a screen of `size`. On a small screen only the side with the `focus` is there.
    pub(crate) fn of(size: Size, focus: Focus) -> Self {
        let Size { width, height } = size;
        let mut areas = Self::default();
        if width == 0 || height == 0 {
            return areas;
        }
        let row = |y: u16| Rect::new(0, y, width, 1);
        let mut top = 0;
        areas.title = row(0);
        top += 1;
        if height >= 6 {
            areas.status = row(1);
            top += 1;
        }
        let mut bottom = height;
        if height >= 4 {
            bottom -= 1;
            areas.footer = row(bottom);
        }
        let body = Rect::new(0, top, width, bottom.saturating_sub(top));
        let pane;
        if width >= WIDE {
            let list = (u32::from(width) * 3 / 10).clamp(24, 56) as u16;
            areas.steps = Rect { width: list, ..body };
            areas.rule = Rect { x: list, width: 1, ..body };
            pane = Rect { x: list + 1, width: width - list - 1, ..body };
        } else if body.height >= TALL - 3 {
            let list = body.height / 3;
            areas.steps = Rect { height: list, ..body };
            areas.rule = Rect { y: body.y + list, height: 1, ..body };
            pane = Rect { y: body.y + list + 1, height: body.height - list - 1, ..body };
        } else if focus == Focus::Steps {
            areas.steps = body;
            return areas;
        } else {
            pane = body;
        }
        if pane.height >= 2 {
            areas.tabs = Rect { height: 1, ..pane };
            areas.pane = Rect { y: pane.y + 1, height: pane.height - 1, ..pane };
        } else {
            areas.pane = pane;
        }
        areas
    }

    /// Whether list and pane stand side by side.
    pub(crate) const fn is_wide(&self) -> bool {
        self.rule.width == 1 && self.rule.height > 0 && self.steps.width < self.title.width
    }
}

/// The lines of a log and the line about them, in a pane.
pub(crate) fn log_parts(pane: Rect) -> (Rect, Rect) {
    if pane.height < 2 {
        return (pane, Rect::default());
    }
    let text = Rect { height: pane.height - 1, ..pane };
    (text, Rect { y: text.bottom(), height: 1, ..pane })
}

/// Columns in front of a line of a log, for its mark.
const GUTTER: u16 = 2;

/// Columns of the time of a line of a log: `14:05:10 `.
const TIMES: u16 = 9;

/// The text of the lines of a log alone, without mark and time.
pub(crate) fn log_text(lines: Rect, times: bool) -> Rect {
    let before = (GUTTER + if times { TIMES } else { 0 }).min(lines.width);
    Rect { x: lines.x + before, width: lines.width - before, ..lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_on_the_screen_and_do_not_overlap() {
        for width in (0..130).chain([200, 400, u16::MAX]) {
            for height in (0..60).chain([120, 1000]) {
                for focus in [Focus::Steps, Focus::Pane] {
                    let areas = Areas::of(Size::new(width, height), focus);
                    let screen = Rect::new(0, 0, width, height);
                    let parts = [
                        areas.title,
                        areas.status,
                        areas.steps,
                        areas.rule,
                        areas.tabs,
                        areas.pane,
                        areas.footer,
                    ];
                    for (index, part) in parts.iter().enumerate() {
                        assert_eq!(part.intersection(screen).area(), part.area(), "{width}x{height}");
                        for other in &parts[..index] {
                            assert_eq!(part.intersection(*other).area(), 0, "{width}x{height}: {parts:?}");
                        }
                    }
                }
            }
        }
    }
}

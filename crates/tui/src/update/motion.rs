//! Ways to go through a pane.

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Rows(isize),
    Pages(isize),
    HalfPages(isize),
    First,
    Last,
}

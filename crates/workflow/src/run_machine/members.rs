//! What a step has that runs a workflow of its own.

use crate::plan::Node;

/// What only a step with a workflow of its own has.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) members: Vec<usize>,
    /// How many of them are not over.
    pub(super) open_members: usize,
    /// Members that hold a slot at a time, when its workflow says so.
    pub(super) limit: Option<usize>,
    /// How often it was begun.
    pub(super) begun: u32,
    /// Its inputs are being placed.
    pub(super) is_opening: bool,
    /// Its time has run out.
    pub(super) is_overdue: bool,
    /// Epoch of the timer for that.
    pub(super) deadline: Option<u64>,
}

impl Group {
    pub(super) fn of(node: &Node) -> Option<Box<Self>> {
        let call = node.step.call.as_ref()?;
        let limit = call.concurrency.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Some(Box::new(Self { limit, ..Self::default() }))
    }
}

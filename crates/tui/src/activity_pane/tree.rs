//! Which items are shown, and where: those of a sub-agent behind the call that started it, as far as it is unfolded.

use std::collections::{HashMap, HashSet};

use roboppi_run::{Activity, ActivityItem, TreeRow};

/// Items of a sub-agent at work that are shown of a folded one.
const LATEST: usize = 3;

/// With more sub-agents at work than that, none of their items is: what each does last stands behind its name.
pub(crate) const FEW_AT_WORK: usize = 4;

/// An item that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShownRow {
    pub(super) row: TreeRow,
    /// Its call started a sub-agent.
    pub(super) is_header: bool,
    /// Nothing of what its sub-agents did last is shown.
    pub(super) hides: bool,
}

/// The items that are shown, from the first to the last row.
pub(super) fn shown(activity: &Activity, is_folded: impl Fn(&ActivityItem) -> bool) -> Vec<ShownRow> {
    let rows = activity.tree();
    let mut at_work: HashMap<u64, bool> = HashMap::new();
    for agent in &activity.agents {
        *at_work.entry(agent.call).or_default() |= agent.ended.is_none();
    }
    let few = activity.sub_agent_counts().running <= FEW_AT_WORK;
    let mut left: HashMap<usize, usize> = HashMap::new();
    for row in &rows {
        if let Some(within) = row.within {
            *left.entry(within).or_default() += 1;
        }
    }
    let mut hidden: HashSet<usize> = HashSet::new();
    let mut shown: Vec<ShownRow> = Vec::with_capacity(rows.len());
    let mut place: HashMap<usize, usize> = HashMap::new();
    for row in rows {
        let is_shown = row.within.is_none_or(|within| {
            let header = &activity.items[within];
            // Counted down, so the latest are the last ones.
            let behind = left.get_mut(&within).map_or(0, |left| {
                *left = left.saturating_sub(1);
                *left
            });
            let works = at_work.get(&header.seq).copied().unwrap_or(false);
            !hidden.contains(&within) && (!is_folded(header) || (works && few && behind < LATEST))
        });
        if let Some(header) = row.within.and_then(|within| place.get(&within)) {
            // The latest comes last.
            shown[*header].hides = !is_shown;
        }
        if is_shown {
            place.insert(row.item, shown.len());
            let is_header = at_work.contains_key(&activity.items[row.item].seq);
            shown.push(ShownRow { row, is_header, hides: false });
        } else {
            hidden.insert(row.item);
        }
    }
    shown
}

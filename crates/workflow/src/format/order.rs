//! The order of keys.

use super::read::{Content, Pair};
use crate::keys::Section;

/// In which order the keys of a map come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// That of the reference.
    Reference,
    /// That of the file.
    AsWritten,
}

/// What a map is, which decides the order of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A map of this section.
    Section(Section),
    /// The steps: their order is that in which they start.
    Steps,
    /// The hosts by name.
    Hosts,
    /// The inputs of the workflow by name.
    Parameters,
    /// A list with maps of this section.
    ListOf(Section),
    /// Anything else.
    Other,
}

impl Place {
    /// What the value of a key is.
    pub(super) fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Section(Section::Workflow), "steps") => Self::Steps,
            (Self::Section(Section::Workflow), "environment") => Self::Section(Section::Environment),
            (Self::Section(Section::Workflow | Section::Step), "secrets") => Self::ListOf(Section::Secret),
            (Self::Section(Section::Step), "completion_check") => Self::Section(Section::Check),
            (Self::Section(Section::Step), "retry") => Self::Section(Section::Retry),
            (Self::Section(Section::Step), "inputs") => Self::ListOf(Section::Input),
            (Self::Section(Section::Step), "outputs") => Self::ListOf(Section::Output),
            (Self::Section(Section::Step), "convergence") => Self::Section(Section::Convergence),
            (Self::Section(Section::Convergence), "stages") => Self::ListOf(Section::Stage),
            (Self::Section(Section::Step), "exports") => Self::ListOf(Section::Export),
            (Self::Section(Section::Workflow), "hosts") => Self::Hosts,
            (Self::Section(Section::Workflow), "defaults") => Self::Section(Section::Defaults),
            (Self::Section(Section::Defaults), "retry") => Self::Section(Section::Retry),
            (Self::Section(Section::Workflow), "inputs") => Self::Parameters,
            (Self::Parameters, _) => Self::Section(Section::Parameter),
            (Self::Hosts, _) => Self::Section(Section::Host),
            (Self::Steps, _) => Self::Section(Section::Step),
            _ => Self::Other,
        }
    }

    /// What an item of a list is.
    pub(super) const fn item(self) -> Self {
        match self {
            Self::ListOf(section) => Self::Section(section),
            _ => Self::Other,
        }
    }
}

/// The key of a pair; nothing for an alias.
pub(super) fn name(pair: &Pair) -> &str {
    match &pair.key.content {
        Content::Scalar(scalar) => &scalar.value,
        _ => "",
    }
}

/// The pairs in the order in which they are written.
pub(super) fn ordered(pairs: &[Pair], place: Place, order: Order) -> Vec<&Pair> {
    let mut pairs: Vec<&Pair> = pairs.iter().collect();
    if let (Place::Section(section), Order::Reference) = (place, order) {
        pairs.sort_by_key(|pair| rank(section, name(pair)));
    }
    pairs
}

/// Merged maps first, keys by the reference, then others. `instructions`, which may be long, come last and hide no key. Keys that belong
/// to the author, which hold anchors, come before the steps.
fn rank(section: Section, key: &str) -> (usize, usize) {
    let position = |name: &str| section.keys().position(|known| known.name == name);
    if key == "<<" {
        return (0, 0);
    }
    if key == "instructions" {
        return (usize::MAX, 1);
    }
    match (position(key), position("steps")) {
        (Some(position), _) => (position + 1, 1),
        (None, Some(steps)) if section == Section::Workflow && key.starts_with("x-") => (steps + 1, 0),
        (None, _) => (usize::MAX, 0),
    }
}

//! Where the directory of a step is: that of a step of a subworkflow is below `_subworkflows`, so that no step has the place of an
//! artifact of another one.

use std::ffi::OsStr;

use roboppi_run::StepPath;

use super::beneath::Dir;
use super::tree_error::TreeError;

/// What holds the directories of the steps of subworkflows; no step may have this name.
pub(super) const SUBWORKFLOWS: &str = "_subworkflows";

/// The names that lead from the context directory to that of a step.
pub(super) fn names_of(step: &StepPath) -> Vec<&str> {
    let text = step.as_str();
    if step.parent().is_none() {
        return vec![text];
    }
    let mut names: Vec<&str> = text.split('/').flat_map(|segment| [SUBWORKFLOWS, segment]).collect();
    // Below `_subworkflows` is what is in a step, beside it the step itself.
    if let Some(last) = names.len().checked_sub(2) {
        names.remove(last);
    }
    names
}

/// The directory of a step.
pub(super) fn enter_step(root: &Dir, step: &StepPath) -> Result<Dir, TreeError> {
    let names = names_of(step);
    let (first, others) = names.split_first().map_or(("", &[][..]), |(first, others)| (*first, others));
    others.iter().try_fold(root.enter(OsStr::new(first))?, |dir, name| dir.enter(OsStr::new(name)))
}

/// The same, made if it is not there.
pub(super) fn make_step(root: &Dir, step: &StepPath) -> Result<Dir, TreeError> {
    let names = names_of(step);
    let (first, others) = names.split_first().map_or(("", &[][..]), |(first, others)| (*first, others));
    let first = root.enter_or_make(OsStr::new(first))?;
    others.iter().try_fold(first, |dir, name| dir.enter_or_make(OsStr::new(name)))
}

/// Makes it if it is not there.
pub(super) fn ensure_step(root: &Dir, step: &StepPath) -> Result<(), TreeError> {
    match names_of(step).as_slice() {
        [name] => root.ensure(OsStr::new(name)),
        _ => make_step(root, step).map(drop),
    }
}

/// Removes it if it is empty.
pub(super) fn remove_empty_step(root: &Dir, step: &StepPath) -> Result<(), TreeError> {
    let names = names_of(step);
    let Some((last, above)) = names.split_last() else { return Ok(()) };
    let Some((first, others)) = above.split_first() else { return root.remove_empty(OsStr::new(last)) };
    let mut dir = root.enter(OsStr::new(first))?;
    for name in others {
        dir = dir.enter(OsStr::new(name))?;
    }
    dir.remove_empty(OsStr::new(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_place_of_its_own() {
        let names = |step: &str| names_of(&StepPath::from(step)).join("/");
        assert_eq!(names("a"), "a");
        assert_eq!(names("a/b"), "_subworkflows/a/b");
        assert_eq!(names("a/b/c"), "_subworkflows/a/_subworkflows/b/c");
    }
}

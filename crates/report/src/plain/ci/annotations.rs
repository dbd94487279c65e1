//! Which findings become annotations.

use std::path::{Component, Path, PathBuf};

use super::excerpt::Found;
use super::markup::Annotation;
use crate::places::{Finding, Severity};

/// Chooses annotations within the limits of a vendor: of each failed step first that it failed, then the places it names.
#[derive(Debug)]
pub(super) struct Annotations {
    /// Annotations of each severity.
    most: usize,
    /// Where the steps work.
    workspace: PathBuf,
    /// The directory to which names of files are relative.
    checkout: Option<PathBuf>,
    failures: Vec<Annotation>,
    errors: Vec<Annotation>,
    warnings: Vec<Annotation>,
    /// Places that were found and are not among these.
    more_errors: usize,
    more_warnings: usize,
    /// There may be more that were not looked for.
    is_partial: bool,
}

/// What is annotated, and what has no room.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) annotations: Vec<Annotation>,
    pub(super) errors_left: usize,
    pub(super) warnings_left: usize,
    /// There may be more of both.
    pub(super) is_partial: bool,
}

impl Annotations {
    pub(super) const fn new(most: usize, workspace: PathBuf, checkout: Option<PathBuf>) -> Self {
        Self {
            most,
            workspace,
            checkout,
            failures: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            more_errors: 0,
            more_warnings: 0,
            is_partial: false,
        }
    }

    /// Whether the places of another failed step could be shown.
    pub(super) fn has_room_for_places(&self) -> bool {
        let is_shown = self.failures.len() < self.most;
        is_shown || self.errors.len() + self.failures.len() < self.most || self.has_room_for_warnings()
    }

    pub(super) const fn has_room_for_warnings(&self) -> bool {
        self.warnings.len() < self.most
    }

    /// Places were not looked for.
    pub(super) const fn not_searched(&mut self) {
        self.is_partial = true;
    }

    /// A failed step, and the places that its output names.
    pub(super) fn failed(&mut self, step: &str, why: &str, found: &Found) {
        let places = &found.places;
        let first = places.iter().position(|finding| finding.severity == Severity::Error);
        let message = first.map_or_else(|| why.to_owned(), |at| format!("{}\n{why}", places[at].message));
        self.failures.push(Annotation {
            severity: Severity::Error,
            title: step.to_owned(),
            message,
            place: first.and_then(|at| self.place(&places[at])),
        });
        self.more_errors += found.more_errors;
        self.more_warnings += found.more_warnings;
        self.is_partial |= found.is_partial;
        let others = places.iter().enumerate().filter(|(at, _)| Some(*at) != first);
        self.add(step, others.map(|(_, one)| (one, one.severity)));
    }

    /// The run has failed, and no step of it.
    pub(super) fn run_failed(&mut self, title: &str, why: &str) {
        let (title, message) = (title.to_owned(), why.to_owned());
        self.failures.push(Annotation { severity: Severity::Error, title, message, place: None });
    }

    /// The places that a step names which succeeded: what it calls an error was none.
    pub(super) fn passed(&mut self, step: &str, found: &Found) {
        self.more_warnings += found.more_warnings;
        self.is_partial |= found.is_partial;
        let warnings = found.places.iter().filter(|finding| finding.severity == Severity::Warning);
        self.add(step, warnings.map(|one| (one, Severity::Warning)));
    }

    /// The places that a step names which was allowed to fail: the run does not fail because of its errors, so they are
    /// warnings.
    pub(super) fn tolerated(&mut self, step: &str, found: &Found) {
        self.more_warnings += found.more_errors + found.more_warnings;
        self.is_partial |= found.is_partial;
        self.add(step, found.places.iter().map(|one| (one, Severity::Warning)));
    }

    /// Something a user of the run should know.
    pub(super) fn warning(&mut self, title: &str, message: &str) {
        let (title, message) = (title.to_owned(), message.to_owned());
        self.warnings.push(Annotation { severity: Severity::Warning, title, message, place: None });
    }

    /// Warnings of which nothing but their number is known.
    pub(super) fn left_out(&mut self, warnings: u64) {
        self.more_warnings += usize::try_from(warnings).unwrap_or(usize::MAX - self.more_warnings);
    }

    fn add<'f>(&mut self, step: &str, findings: impl Iterator<Item = (&'f Finding, Severity)>) {
        for (finding, severity) in findings {
            let annotation = Annotation {
                severity,
                title: step.to_owned(),
                message: finding.message.clone(),
                place: self.place(finding),
            };
            match severity {
                Severity::Error => self.errors.push(annotation),
                Severity::Warning => self.warnings.push(annotation),
            }
        }
    }

    /// The place as the CI system finds it: relative to the repository, `None` when the file is elsewhere.
    fn place(&self, finding: &Finding) -> Option<(String, u32, Option<u32>)> {
        let path = resolved(&self.workspace.join(&finding.file));
        let relative = match &self.checkout {
            Some(checkout) => path.strip_prefix(resolved(checkout)).ok()?,
            None => path.strip_prefix(resolved(&self.workspace)).unwrap_or(&path),
        };
        Some((relative.to_str()?.to_owned(), finding.line, finding.column))
    }

    pub(super) fn choose(self) -> Chosen {
        let errors = self.failures.into_iter().chain(self.errors);
        let (errors, errors_left) = first(errors.collect(), self.most);
        let (warnings, warnings_left) = first(self.warnings, self.most);
        Chosen {
            annotations: errors.into_iter().chain(warnings).collect(),
            errors_left: errors_left + self.more_errors,
            warnings_left: warnings_left + self.more_warnings,
            is_partial: self.is_partial,
        }
    }
}

fn first(mut all: Vec<Annotation>, most: usize) -> (Vec<Annotation>, usize) {
    let left = all.len().saturating_sub(most);
    all.truncate(most);
    (all, left)
}

/// Without `.` and `..`, by the names alone: the file may be on another machine.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, file: &str, line: u32) -> Finding {
        Finding { severity, file: file.to_owned(), line, column: None, message: format!("wrong {line}") }
    }

    fn found(places: Vec<Finding>) -> Found {
        Found { places, ..Found::default() }
    }

    fn annotations(most: usize) -> Annotations {
        Annotations::new(most, PathBuf::from("/repo/sub"), Some(PathBuf::from("/repo")))
    }

    #[test]
    fn failed_steps_come_before_their_places() {
        let mut annotations = annotations(3);
        let many: Vec<_> = (1..=20).map(|line| finding(Severity::Error, "a.rs", line)).collect();
        annotations.failed("first", "exit code 1", &Found { more_errors: 2, ..found(many) });
        let both = || found(vec![finding(Severity::Error, "x.rs", 1), finding(Severity::Warning, "x.rs", 2)]);
        annotations.passed("fine", &both());
        annotations.failed("second", "exit code 2", &Found::default());
        assert!(annotations.has_room_for_places() && annotations.has_room_for_warnings());
        annotations.tolerated("lenient", &both());
        assert!(!annotations.has_room_for_warnings());
        let chosen = annotations.choose();
        let texts: Vec<_> = chosen
            .annotations
            .iter()
            .map(|one| format!("{:?} {} | {} | {:?}", one.severity, one.title, one.message, one.place))
            .collect();
        assert_eq!(
            texts,
            [
                "Error first | wrong 1\nexit code 1 | Some((\"sub/a.rs\", 1, None))",
                "Error second | exit code 2 | None",
                "Error first | wrong 2 | Some((\"sub/a.rs\", 2, None))",
                "Warning fine | wrong 2 | Some((\"sub/x.rs\", 2, None))",
                "Warning lenient | wrong 1 | Some((\"sub/x.rs\", 1, None))",
                "Warning lenient | wrong 2 | Some((\"sub/x.rs\", 2, None))",
            ]
        );
        assert_eq!((chosen.errors_left, chosen.warnings_left), (20, 0));
    }

    #[test]
    fn files_are_named_as_the_repository_names_them() {
        let annotations = annotations(10);
        let place = |file: &str| annotations.place(&finding(Severity::Error, file, 1)).map(|place| place.0);
        assert_eq!(place("./src/../a.rs").as_deref(), Some("sub/a.rs"));
        assert_eq!(place("../a.rs").as_deref(), Some("a.rs"));
        assert_eq!(place("/repo/b.rs").as_deref(), Some("b.rs"));
        assert_eq!(place("/usr/include/stdio.h"), None);
        assert_eq!(place("../../../../etc/passwd.x"), None);
    }
}

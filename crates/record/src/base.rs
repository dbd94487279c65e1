//! Where the files of an attempt are.

use std::path::{Path, PathBuf};

use crate::RecordError;

/// A checked path of attempt files inside a run directory, without extension.
///
/// It comes over the wire, so nothing but the plain form may become a path.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    step_dir: PathBuf,
    name: String,
}

impl Base {
    /// Checks `base` and places it below `run_dir`.
    pub(crate) fn parse(run_dir: &Path, base: &str) -> Result<Self, RecordError> {
        let mut parts = base.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("steps"), Some(step), Some(name), None) if is_plain(step) && is_plain(name) => {
                Ok(Self { step_dir: run_dir.join("steps").join(step), name: name.to_owned() })
            }
            _ => Err(RecordError::BadBase { base: base.to_owned() }),
        }
    }

    /// The directory of the step.
    pub(crate) fn step_dir(&self) -> &Path {
        &self.step_dir
    }

    /// The bytes of the worker.
    pub(crate) fn log(&self) -> PathBuf {
        self.with("log")
    }

    /// The index of the log.
    pub(crate) fn index(&self) -> PathBuf {
        self.with("idx")
    }

    /// Where the log was given up to keep within its budget.
    pub(crate) fn hole(&self) -> PathBuf {
        self.with("hole")
    }

    /// The events of the attempt.
    pub(crate) fn events(&self) -> PathBuf {
        self.with("events.jsonl")
    }

    /// Where the events were given up to keep within their budget.
    pub(crate) fn events_hole(&self) -> PathBuf {
        self.with("events.hole")
    }

    /// What the events told up to some place.
    pub(crate) fn events_snapshot(&self) -> PathBuf {
        self.with("events.snapshot")
    }

    /// The same up to where the events were given up.
    pub(crate) fn events_head_snapshot(&self) -> PathBuf {
        self.with("events.head.snapshot")
    }

    fn with(&self, extension: &str) -> PathBuf {
        self.step_dir.join(format!("{}.{extension}", self.name))
    }
}

fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'%' | b'.' | b'_' | b'-');
    (1..=240).contains(&segment.len()) && !segment.starts_with('.') && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roboppi_run::{AttemptRef, Role, StepPath};

    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in [
            "",
            "/",
            "steps",
            "steps/",
            "steps/a",
            "steps/a/",
            "steps//b",
            "steps/a/b/c",
            "steps/../b",
            "steps/a/..",
            "steps/./b",
            "steps/a/.hidden",
            "/steps/a/b",
            "../steps/a/b",
            "other/a/b",
            "steps/a b/c",
            "steps/a/b\0",
            "steps/a/b\n",
            "steps\\a\\b",
            "steps/ü/b",
            &format!("steps/{}/b", "x".repeat(241)),
        ] {
            let error = Base::parse(Path::new("/run"), bad).unwrap_err();
            assert!(matches!(error, RecordError::BadBase { .. }), "{bad:?}");
        }
    }

    #[test]
    fn plain_names_become_paths_below_the_run() {
        let base = Base::parse(Path::new("/run"), "steps/Gr%C3%B6/i1-check").unwrap();
        assert_eq!(base.log(), Path::new("/run/steps/Gr%C3%B6/i1-check.log"));
        assert_eq!(base.index(), Path::new("/run/steps/Gr%C3%B6/i1-check.idx"));
        assert_eq!(base.events(), Path::new("/run/steps/Gr%C3%B6/i1-check.events.jsonl"));
    }

    proptest! {
        #[test]
        fn every_attempt_has_files(name in ".{1,120}", iteration in 1u32.., role in ".{1,120}", attempt in 1u32..) {
            let of = AttemptRef { step: StepPath::new(name), iteration, role: Role::from_name(&role), attempt };
            prop_assert!(Base::parse(Path::new("/run"), &of.base()).is_ok());
        }

        #[test]
        fn whatever_is_accepted_stays_below_the_run(text in "[a-z./%s]{0,20}") {
            if let Ok(base) = Base::parse(Path::new("/run"), &format!("steps/{text}")) {
                let path = base.log();
                prop_assert!(path.starts_with("/run/steps"));
                prop_assert_eq!(path.components().count(), 5);
                prop_assert!(path.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
            }
        }
    }
}

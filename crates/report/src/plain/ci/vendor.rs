//! Which CI system reads the log, and what it accepts.

/// A CI system whose log has structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// GitHub Actions, and Gitea and Forgejo, which read the same commands.
    GitHub,
    /// GitLab CI.
    GitLab,
    /// Buildkite.
    Buildkite,
    /// TeamCity.
    TeamCity,
    /// Azure Pipelines.
    Azure,
}

impl Vendor {
    /// The CI system that the environment names; `variable` looks one up.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is_true = |name: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        if is_true("GITHUB_ACTIONS") {
            Some(Self::GitHub)
        } else if is_true("GITLAB_CI") {
            Some(Self::GitLab)
        } else if is_true("BUILDKITE") {
            Some(Self::Buildkite)
        } else if is_set("TEAMCITY_VERSION") {
            Some(Self::TeamCity)
        } else if is_true("TF_BUILD") {
            Some(Self::Azure)
        } else {
            None
        }
    }

    /// The variable with the directory of the repository, to which the names of files in annotations are relative.
    #[must_use]
    pub const fn checkout_variable(self) -> &'static str {
        match self {
            Self::GitHub => "GITHUB_WORKSPACE",
            Self::GitLab => "CI_PROJECT_DIR",
            Self::Buildkite => "BUILDKITE_BUILD_CHECKOUT_PATH",
            Self::TeamCity => "TEAMCITY_BUILD_CHECKOUTDIR",
            Self::Azure => "BUILD_SOURCESDIRECTORY",
        }
    }

    /// Bytes of the output of steps that are shown together. GitLab folds no section of a log longer than 500 KiB.
    pub(super) const fn shown_bytes(self) -> usize {
        match self {
            Self::GitLab => 400 * 1024,
            Self::GitHub | Self::Buildkite | Self::TeamCity | Self::Azure => 4 * 1024 * 1024,
        }
    }

    /// Annotations of one severity. GitHub shows 10 errors and 10 warnings of a step of a job, 50 of a job, and drops
    /// the others without a word; Azure has the same limit for a task.
    pub(super) const fn annotations(self) -> usize {
        match self {
            Self::GitHub | Self::Azure => 10,
            Self::GitLab | Self::Buildkite => 0,
            Self::TeamCity => 50,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_vendor() {
        type Case = (&'static [(&'static str, &'static str)], Option<Vendor>);
        let cases: &[Case] = &[
            (&[], None),
            (&[("CI", "true")], None),
            (&[("GITHUB_ACTIONS", "true"), ("CI", "true")], Some(Vendor::GitHub)),
            (&[("GITHUB_ACTIONS", "false")], None),
            (&[("GITLAB_CI", "true")], Some(Vendor::GitLab)),
            (&[("BUILDKITE", "true")], Some(Vendor::Buildkite)),
            (&[("TEAMCITY_VERSION", "2026.1")], Some(Vendor::TeamCity)),
            (&[("TEAMCITY_VERSION", "")], None),
            (&[("TF_BUILD", "True")], Some(Vendor::Azure)),
        ];
        for (variables, expected) in cases {
            let look = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Vendor::detect(look), *expected, "{variables:?}");
        }
    }
}

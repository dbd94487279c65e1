//! On which git branch a run may work, and what its steps are told of it.

use std::collections::BTreeMap;

use roboppi_run::StepPath;

/// What is protected when nobody says otherwise.
pub const PROTECTED_BRANCHES: [&str; 3] = ["main", "master", "release/*"];

/// What a workflow says of branches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchKeys {
    /// A step makes the branch of the run (`create_branch`).
    pub create: bool,
    /// The step after which another branch is expected; only with `create`.
    pub transition: Option<StepPath>,
    /// The branch that steps must be on (`expected_work_branch`).
    pub expected: Option<String>,
}

/// Who said something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BranchSource {
    /// An option of the command line.
    Cli,
    /// A variable of the environment.
    Env,
    /// Nobody.
    #[default]
    Unsaid,
}

/// What the command line and the environment say of branches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchOptions {
    /// The branch or commit that the work is based on.
    pub base: Option<String>,
    /// Who said so.
    pub base_source: BranchSource,
    /// Patterns of the names of branches on which no run may work.
    pub protected: Option<Vec<String>>,
    /// Who said so.
    pub protected_source: BranchSource,
    /// A protected branch may be worked on.
    pub allow_protected: bool,
}

/// What git says of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The top directory of the repository.
    pub toplevel: String,
    /// The branch that is checked out; `None` for a detached `HEAD`.
    pub branch: Option<String>,
    /// The commit of `HEAD`.
    pub head: String,
}

/// The branch of a run, as it is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchLock {
    /// What was there at the start.
    pub startup: Checkout,
    /// What the work is based on.
    pub base: String,
    /// The commit of that.
    pub base_sha: String,
    /// The branch the steps must be on, now.
    pub expected: String,
    /// The one that was expected at the start.
    pub expected_at_start: String,
}

/// Whether the branch of a run is watched: its workflow, an option or a variable says something of branches.
#[must_use]
pub const fn watches(keys: &BranchKeys, options: &BranchOptions) -> bool {
    let asked = options.protected.is_some() || matches!(options.base_source, BranchSource::Cli);
    keys.create || keys.expected.is_some() || asked
}

/// Names of branches as a list separated by commas.
#[must_use]
pub fn patterns(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// Whether a name fits one of these patterns, in which `*` is any characters.
#[must_use]
pub fn is_protected<S: AsRef<str>>(branch: &str, patterns: impl IntoIterator<Item = S>) -> bool {
    patterns.into_iter().any(|pattern| fits(branch, pattern.as_ref()))
}

fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

impl BranchOptions {
    /// Patterns of protected branches.
    #[must_use]
    pub fn protected(&self) -> Vec<String> {
        self.protected.clone().unwrap_or_else(|| PROTECTED_BRANCHES.map(str::to_owned).to_vec())
    }

    /// The word for who said what the base is.
    #[must_use]
    pub const fn base_source_name(&self) -> &'static str {
        match self.base_source {
            BranchSource::Cli => "cli",
            BranchSource::Env => "env",
            BranchSource::Unsaid => "current",
        }
    }

    /// The word for who said what is protected.
    #[must_use]
    pub const fn protected_source_name(&self) -> &'static str {
        match self.protected_source {
            BranchSource::Cli => "cli",
            BranchSource::Env => "env",
            BranchSource::Unsaid => "default",
        }
    }
}

impl BranchLock {
    /// The lock of a run that begins; `base_sha` is the commit of the base, or of `HEAD` without one.
    ///
    /// # Errors
    /// Why the run may not begin on that branch, one line, and what to do about it.
    pub fn begin(
        keys: &BranchKeys,
        options: &BranchOptions,
        startup: Checkout,
        base_sha: String,
    ) -> Result<Self, (String, String)> {
        let current = startup.branch.clone();
        let Some(base) = options.base.clone().or_else(|| current.clone()) else {
            let why =
                "no branch is checked out (HEAD is detached), so it is not known what the work is based on";
            return Err((why.to_owned(), "name it with --base-branch or BASE_BRANCH".to_owned()));
        };
        let expected = keys.expected.clone().or(current).unwrap_or_else(|| base.clone());
        let protected = options.protected();
        if !keys.create && !options.allow_protected && is_protected(&expected, &protected) {
            let why = format!("the branch `{expected}` is protected ({})", protected.join(", "));
            let hint = "check out another branch, or allow it with --allow-protected-branch or ROBOPPI_ALLOW_PROTECTED_BRANCH=1";
            return Err((why, hint.to_owned()));
        }
        Ok(Self { startup, base, base_sha, expected_at_start: expected.clone(), expected })
    }

    /// Why a step may not begin now, one line; `None` when everything is as expected.
    #[must_use]
    pub fn drift(&self, now: &Checkout) -> Option<String> {
        if now.toplevel != self.startup.toplevel {
            return Some(format!(
                "the workspace is in another repository than at the start: expected {}, found {}",
                self.startup.toplevel, now.toplevel
            ));
        }
        let found = now.branch.as_deref();
        if found == Some(self.expected.as_str()) {
            return None;
        }
        let found =
            found.map_or_else(|| "no branch (HEAD is detached)".to_owned(), |found| format!("`{found}`"));
        let expected = &self.expected;
        Some(format!(
            "branch drift: expected `{expected}`, found {found}; run `git checkout {expected}` and try again"
        ))
    }

    /// The branch that the transition step has left is the one that is expected from now on.
    ///
    /// # Errors
    /// When there is none, one line.
    pub fn follow(&mut self, now: &Checkout) -> Result<(), String> {
        let Some(branch) = &now.branch else {
            return Err("no branch is checked out after it (HEAD is detached)".to_owned());
        };
        self.expected.clone_from(branch);
        Ok(())
    }
}

/// What steps are told of branches, as variables. Those of a repository have the values of the start.
#[must_use]
pub fn branch_variables(
    keys: &BranchKeys,
    options: &BranchOptions,
    lock: Option<&BranchLock>,
) -> BTreeMap<&'static str, String> {
    let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
    let mut known = BTreeMap::from([
        ("ROBOPPI_CREATE_BRANCH", flag(keys.create)),
        ("ROBOPPI_PROTECTED_BRANCHES", options.protected().join(",")),
        ("ROBOPPI_ALLOW_PROTECTED_BRANCH", flag(options.allow_protected)),
    ]);
    if let Some(expected) = &keys.expected {
        known.insert("ROBOPPI_EXPECTED_WORK_BRANCH", expected.clone());
        known.insert("ROBOPPI_EXPECTED_CURRENT_BRANCH", expected.clone());
    }
    let Some(lock) = lock else { return known };
    known.extend([
        ("BASE_BRANCH", lock.base.clone()),
        ("ROBOPPI_EFFECTIVE_BASE_BRANCH", lock.base.clone()),
        ("ROBOPPI_EFFECTIVE_BASE_BRANCH_SOURCE", options.base_source_name().to_owned()),
        ("ROBOPPI_EFFECTIVE_BASE_SHA", lock.base_sha.clone()),
        ("ROBOPPI_STARTUP_BRANCH", lock.startup.branch.clone().unwrap_or_default()),
        ("ROBOPPI_STARTUP_HEAD_SHA", lock.startup.head.clone()),
        ("ROBOPPI_STARTUP_TOPLEVEL", lock.startup.toplevel.clone()),
        ("ROBOPPI_EXPECTED_WORK_BRANCH", lock.expected_at_start.clone()),
        ("ROBOPPI_EXPECTED_CURRENT_BRANCH", lock.expected_at_start.clone()),
    ]);
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout(branch: Option<&str>) -> Checkout {
        Checkout { toplevel: "/w".to_owned(), branch: branch.map(str::to_owned), head: "1".repeat(40) }
    }

    #[test]
    fn a_star_is_any_characters() {
        for (name, pattern, expected) in [
            ("main", "main", true),
            ("main2", "main", false),
            ("release/1.2", "release/*", true),
            ("release/1/2", "release/*", true),
            ("release", "release/*", false),
            ("a-b-c", "a*c", true),
            ("ac", "a*c", true),
            ("a", "a*a", false),
            ("x/main/y", "*main*", true),
            ("anything", "*", true),
            ("", "", true),
        ] {
            assert_eq!(is_protected(name, [pattern]), expected, "{name} {pattern}");
        }
        assert_eq!(patterns(" main , ,release/*"), ["main", "release/*"]);
    }

    #[test]
    fn a_protected_branch_is_worked_on_only_when_that_is_allowed() {
        let begin = |keys: &BranchKeys, options: &BranchOptions, branch| {
            BranchLock::begin(keys, options, checkout(branch), "2".repeat(40)).map(|lock| lock.expected)
        };
        let keys = BranchKeys::default();
        let options = BranchOptions::default();
        assert!(begin(&keys, &options, Some("main")).unwrap_err().0.contains("`main` is protected"));
        assert_eq!(begin(&keys, &options, Some("work")), Ok("work".to_owned()));
        let creates = BranchKeys { create: true, ..BranchKeys::default() };
        assert_eq!(begin(&creates, &options, Some("main")), Ok("main".to_owned()));
        let allowed = BranchOptions { allow_protected: true, ..BranchOptions::default() };
        assert_eq!(begin(&keys, &allowed, Some("main")), Ok("main".to_owned()));
        let other = BranchOptions { protected: Some(vec!["work".to_owned()]), ..BranchOptions::default() };
        assert_eq!(begin(&keys, &other, Some("main")), Ok("main".to_owned()));
        assert!(begin(&keys, &other, Some("work")).is_err());
        assert!(begin(&keys, &options, None).unwrap_err().0.contains("detached"));
    }

    #[test]
    fn drift_is_noticed_and_a_transition_followed() {
        let options = BranchOptions::default();
        let lock = BranchLock::begin(&BranchKeys::default(), &options, checkout(Some("work")), String::new());
        let mut lock = lock.unwrap();
        assert_eq!(lock.drift(&checkout(Some("work"))), None);
        assert!(lock.drift(&checkout(Some("other"))).unwrap().contains("expected `work`, found `other`"));
        assert!(lock.drift(&checkout(None)).unwrap().contains("detached"));
        let elsewhere = Checkout { toplevel: "/v".to_owned(), ..checkout(Some("work")) };
        assert!(lock.drift(&elsewhere).unwrap().contains("another repository"));
        assert!(lock.follow(&checkout(None)).is_err());
        lock.follow(&checkout(Some("other"))).unwrap();
        assert_eq!(lock.drift(&checkout(Some("other"))), None);
        // What steps are told stays that of the start.
        let told = branch_variables(&BranchKeys::default(), &options, Some(&lock));
        assert_eq!(told["ROBOPPI_EXPECTED_CURRENT_BRANCH"], "work");
    }
}

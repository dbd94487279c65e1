//! When a loop makes no progress: what is noticed, what an agent is told, and when the loop ends.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Characters of a fingerprint or a reason that count, and how many of them.
const LONGEST: usize = 240;
const MOST: usize = 40;

/// What is named in a message or a briefing.
const NAMED: usize = 6;
const PATHS: usize = 12;
const FINGERPRINTS: usize = 20;
const REASONS: usize = 12;
const FILES: usize = 25;

/// Paths that never count: what roboppi and git keep in a workspace.
const NEVER: [&str; 3] = ["context/**", ".roboppi-loop/**", ".git/**"];

/// How a loop is watched (`convergence` of a step).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convergence {
    /// Equal results in a row that raise the stage, at least 1.
    pub stall_threshold: u32,
    /// The last stage, at least 1.
    pub max_stage: u32,
    /// The step fails when that is reached.
    pub fail_on_max_stage: bool,
    /// What an agent is told from a stage on, by stage, at least 2.
    pub stages: Vec<(u32, String)>,
    /// Patterns of the paths that may change; none for all.
    pub allowed_paths: Vec<String>,
    /// Patterns of paths that do not count.
    pub ignored_paths: Vec<String>,
    /// The commit with which the workspace is compared.
    pub diff_base_ref: Option<String>,
    /// The file whose first line names it, relative to the workspace and inside it.
    pub diff_base_ref_file: Option<String>,
    /// Files that may be changed at most.
    pub max_changed_files: Option<u32>,
}

/// Where a loop stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its stage, from 1.
    pub stage: u32,
    /// Equal results in a row, up to the last one.
    repeats: u32,
    key: BTreeSet<String>,
    fingerprints: Vec<String>,
    reasons: Vec<String>,
}

/// What follows from a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Escalation {
    /// Nothing.
    None,
    /// A higher stage; one line for people.
    Raised(String),
    /// The loop ends; one line for people.
    Stalled(String),
}

impl Default for Progress {
    fn default() -> Self {
        Self { stage: 1, repeats: 0, key: BTreeSet::new(), fingerprints: Vec::new(), reasons: Vec::new() }
    }
}

fn short(text: &str) -> String {
    text.trim().chars().take(LONGEST).collect()
}

impl Progress {
    /// Takes in what a check has found that is not complete.
    pub fn observe(
        &mut self,
        settings: &Convergence,
        fingerprints: &[String],
        reasons: &[String],
    ) -> Escalation {
        let key: BTreeSet<String> = if fingerprints.is_empty() {
            reasons.iter().take(MOST).map(|reason| format!("reason:{}", short(reason))).collect()
        } else {
            fingerprints.iter().take(MOST).map(|text| short(text)).collect()
        };
        (self.fingerprints, self.reasons) = (fingerprints.to_vec(), reasons.to_vec());
        if key.is_empty() {
            // Nobody can tell whether it is the same.
            (self.repeats, self.key) = (0, key);
            return Escalation::None;
        }
        self.repeats = if key == self.key { self.repeats + 1 } else { 1 };
        self.key = key;
        if self.repeats < settings.stall_threshold {
            return Escalation::None;
        }
        let repeats = std::mem::take(&mut self.repeats);
        let next = self.stage.saturating_add(1).min(settings.max_stage);
        let is_higher = next > self.stage;
        self.stage = next;
        let shown: Vec<&str> = self.key.iter().take(NAMED).map(String::as_str).collect();
        let more = if self.key.len() > NAMED { ", …" } else { "" };
        let what = format!("{}{more}", shown.join(", "));
        let most = settings.max_stage;
        if next == most && settings.fail_on_max_stage {
            let times = if repeats == 1 { "time" } else { "times" };
            return Escalation::Stalled(format!(
                "no progress: stage {next} of {most} is reached after the same result {repeats} {times} ({what})"
            ));
        }
        if is_higher {
            return Escalation::Raised(format!(
                "no progress: the same result {repeats} times ({what}); stage {next} of {most} begins"
            ));
        }
        Escalation::None
    }

    /// What an agent is told beside its instructions; `None` at the first stage.
    #[must_use]
    pub fn briefing(&self, settings: &Convergence) -> Option<String> {
        if self.stage < 2 {
            return None;
        }
        let mut text = format!(
            "[Convergence]\nThe last iterations failed in the same way. This is stage {} of {}.\n\
             Change as little as possible: fix what failed, and touch nothing else.\n",
            self.stage, settings.max_stage
        );
        let mut list = |title: &str, items: &[String], most: usize| {
            if !items.is_empty() {
                let _ = writeln!(text, "{title}:");
                for item in items.iter().take(most) {
                    let _ = writeln!(text, "- {item}");
                }
            }
        };
        list("Only these paths may change", &settings.allowed_paths, PATHS);
        list("What failed, as it is recognised", &self.fingerprints, FINGERPRINTS);
        list("Why it is not complete", &self.reasons, REASONS);
        if let Some(most) = settings.max_changed_files {
            let _ = writeln!(text, "At most {most} files may be changed.");
        }
        let own = settings.stages.iter().find(|(stage, _)| *stage == self.stage);
        if let Some((_, own)) = own {
            text.push_str(own.trim_end());
            text.push('\n');
        }
        Some(text)
    }
}

/// What is wrong with the files that an iteration has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeProblems {
    /// What they are recognised by.
    pub fingerprints: Vec<String>,
    /// The same for people.
    pub reasons: Vec<String>,
}

impl Convergence {
    /// Whether the files that change are looked at.
    #[must_use]
    pub fn has_scope(&self) -> bool {
        !self.allowed_paths.is_empty() || self.max_changed_files.is_some()
    }

    /// What is wrong with these changed files; `None` when nothing is.
    #[must_use]
    pub fn scope_problems<S: AsRef<str>>(&self, changed: &[S]) -> Option<ScopeProblems> {
        let never = NEVER.iter().copied().chain(self.ignored_paths.iter().map(String::as_str));
        let never: Vec<&str> = never.collect();
        let counted: Vec<&str> = changed
            .iter()
            .map(AsRef::as_ref)
            .filter(|path| !never.iter().any(|pattern| matches_path(path, pattern)))
            .collect();
        let mut problems = ScopeProblems::default();
        if let Some(most) = self.max_changed_files
            && counted.len() > usize::try_from(most).unwrap_or(usize::MAX)
        {
            problems.fingerprints.push("diff_budget:max_changed_files_exceeded".to_owned());
            problems.reasons.push(format!("{} files are changed, at most {most} may be", counted.len()));
        }
        let outside: Vec<&str> = counted
            .into_iter()
            .filter(|path| !self.allowed_paths.iter().any(|pattern| matches_path(path, pattern)))
            .collect();
        if !self.allowed_paths.is_empty() && !outside.is_empty() {
            problems.fingerprints.push("scope:outside_allowed_paths".to_owned());
            let named = outside.iter().take(FILES);
            problems.fingerprints.extend(named.map(|path| format!("scope:file:{path}")));
            let shown = outside.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let more = outside.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            problems.reasons.push(format!("changed outside of `allowed_paths`: {shown}{more}"));
        }
        (!problems.reasons.is_empty()).then_some(problems)
    }
}

/// Whether a path fits a pattern: `**` is any characters, `*` and `?` are those of one segment. A pattern without them is a path,
/// and everything below it.
#[must_use]
pub fn matches_path(path: &str, pattern: &str) -> bool {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
    if !pattern.contains(['*', '?']) {
        let rest = path.strip_prefix(pattern);
        return rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    }
    let (path, pattern): (Vec<char>, Vec<char>) = (path.chars().collect(), pattern.chars().collect());
    // Row by row of the table of both, so that no pattern takes long.
    let mut fits = vec![false; path.len() + 1];
    fits[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; path.len() + 1];
        let is_deep = pattern[at] == '*' && pattern.get(at + 1) == Some(&'*');
        match pattern[at] {
            '*' => {
                let mut reached = false;
                for index in 0..=path.len() {
                    reached |= fits[index];
                    next[index] = reached;
                    if index < path.len() && path[index] == '/' && !is_deep {
                        reached = false;
                    }
                }
            }
            wanted => {
                for index in 0..path.len() {
                    let is_it = if wanted == '?' { path[index] != '/' } else { path[index] == wanted };
                    next[index + 1] = fits[index] && is_it;
                }
            }
        }
        fits = next;
        at += if is_deep { 2 } else { 1 };
    }
    fits[path.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Convergence {
        Convergence {
            stall_threshold: 2,
            max_stage: 3,
            fail_on_max_stage: true,
            stages: vec![(2, "Think again.".to_owned())],
            allowed_paths: Vec::new(),
            ignored_paths: Vec::new(),
            diff_base_ref: None,
            diff_base_ref_file: None,
            max_changed_files: None,
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_same_result_raises_the_stage_and_ends_the_loop() {
        let settings = settings();
        let mut progress = Progress::default();
        let mut see = |texts_seen: &[&str]| progress.observe(&settings, &texts(texts_seen), &[]);
        assert_eq!(see(&["a", "b"]), Escalation::None);
        assert!(matches!(see(&["b", "a", "a"]), Escalation::Raised(_)), "in another order it is the same");
        assert_eq!(see(&["a", "b"]), Escalation::None);
        assert_eq!(see(&["c"]), Escalation::None, "something new");
        let Escalation::Stalled(why) = see(&["c"]) else { panic!("the last stage") };
        assert_eq!(why, "no progress: stage 3 of 3 is reached after the same result 2 times (c)");
    }

    #[test]
    fn a_loop_may_stay_at_its_last_stage_and_one_without_words_never_stalls() {
        let settings = Convergence { fail_on_max_stage: false, max_stage: 2, ..settings() };
        let mut progress = Progress::default();
        for _ in 0..10 {
            let found = progress.observe(&settings, &[], &texts(&["same"]));
            assert!(!matches!(found, Escalation::Stalled(_)));
        }
        assert_eq!(progress.stage, 2);
        let mut silent = Progress::default();
        (0..10).for_each(|_| assert_eq!(silent.observe(&settings, &[], &[]), Escalation::None));
        let first = Convergence { max_stage: 1, fail_on_max_stage: true, stall_threshold: 1, ..settings };
        let found = Progress::default().observe(&first, &texts(&["x"]), &[]);
        assert!(matches!(found, Escalation::Stalled(_)), "with one stage the first stall is the last");
    }

    #[test]
    fn an_agent_is_briefed_from_the_second_stage_on() {
        let settings =
            Convergence { allowed_paths: texts(&["src"]), max_changed_files: Some(3), ..settings() };
        let mut progress = Progress::default();
        assert_eq!(progress.briefing(&settings), None);
        for _ in 0..2 {
            progress.observe(&settings, &texts(&["test:a"]), &texts(&["a fails"]));
        }
        let text = progress.briefing(&settings).unwrap();
        for part in ["stage 2 of 3", "- src", "- test:a", "- a fails", "At most 3 files", "Think again."] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }

    #[test]
    fn paths_outside_and_too_many_files_are_found() {
        let settings = Convergence {
            allowed_paths: texts(&["src", "docs/*.md"]),
            ignored_paths: texts(&["*.lock"]),
            max_changed_files: Some(2),
            ..settings()
        };
        let fine = ["src/a/b.rs", "docs/x.md", "Cargo.lock", "context/a/b", ".git/x"];
        assert_eq!(settings.scope_problems(&fine), None);
        let found = settings.scope_problems(&["src/a", "srcs/b", "docs/a/b.md"]).unwrap();
        assert_eq!(
            found.fingerprints,
            [
                "diff_budget:max_changed_files_exceeded",
                "scope:outside_allowed_paths",
                "scope:file:srcs/b",
                "scope:file:docs/a/b.md"
            ]
        );
        for (path, pattern, expected) in [
            ("a/b/c", "a/**", true),
            ("a", "a/**", false),
            ("a/b/c.rs", "**/*.rs", true),
            ("c.rs", "*.rs", true),
            ("a/c.rs", "*.rs", false),
            ("a/b", "a/?", true),
            ("a/", "a/?", false),
            ("[x]", "[x]", true),
            ("ab", "./ab/", true),
        ] {
            assert_eq!(matches_path(path, pattern), expected, "{path} {pattern}");
        }
    }
}

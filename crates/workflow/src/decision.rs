//! What the check of an iteration decided: from the file that its worker wrote, or from what it said last.
//!
//! Each place is looked at in turn, and the first one with a decision counts: the file of this check, the file in the
//! workspace, the answer. What keeps a place from counting is kept, so that a check without a decision can say why.

mod json;
mod markers;

use std::collections::HashSet;

use roboppi_ipc::UtcMillis;

use crate::run_machine::IterationDecision;
use json::Reading;

/// Bytes of the longest decision file.
pub const MAX_DECISION_BYTES: usize = 1 << 20;

/// How long before the start of its check a file may have been written by the clock of its file system.
const CLOCK_SLACK_MS: u64 = 2000;

/// Reasons and fingerprints that are kept of a decision.
const MOST_REASONS: usize = 200;

/// Characters of the longest reason.
const LONGEST_REASON: usize = 240;

/// The check that a decision must belong to.
#[derive(Clone, Copy, Debug)]
pub struct CheckMoment<'a> {
    /// Its id, which its worker was given.
    pub id: &'a str,
    /// When it began.
    pub began_at: UtcMillis,
}

/// What is in one of the places where a check may write its decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionFile {
    /// Nothing.
    Missing,
    /// A file.
    Found(FoundFile),
    /// It cannot be read.
    Unreadable {
        /// Why, one line.
        why: String,
    },
}

/// A decision file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Its content, of a long one more than [`MAX_DECISION_BYTES`] bytes.
    pub bytes: Vec<u8>,
    /// When it was last written.
    pub written_at: UtcMillis,
}

/// Where a decision was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionSource {
    /// `file-json`: a file with JSON.
    FileJson,
    /// `file-text`: a file with a marker.
    FileText,
    /// `answer-json`: a line of JSON in the answer of the worker.
    AnswerJson,
    /// `answer-text`: a marker in the answer of the worker.
    AnswerText,
    /// `none`: nowhere.
    None,
}

impl DecisionSource {
    /// Its name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FileJson => "file-json",
            Self::FileText => "file-text",
            Self::AnswerJson => "answer-json",
            Self::AnswerText => "answer-text",
            Self::None => "none",
        }
    }
}

/// What a check decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckDecision {
    /// Whether the work is complete; `None` when that was said nowhere.
    pub complete: Option<bool>,
    /// Where that was found.
    pub source: DecisionSource,
    /// Why, as the check has it: at most 200 of at most 240 characters, none twice.
    pub reasons: Vec<String>,
    /// What the reasons are recognised by from one iteration to the next, bounded in the same way.
    pub fingerprints: Vec<String>,
    /// Why the places that were looked at before do not count.
    pub problems: Vec<String>,
}

impl CheckDecision {
    fn found(complete: bool, source: DecisionSource, problems: Vec<String>) -> Self {
        Self { complete: Some(complete), source, reasons: Vec::new(), fingerprints: Vec::new(), problems }
    }
}

impl From<CheckDecision> for IterationDecision {
    fn from(decision: CheckDecision) -> Self {
        let first = |texts: &[String]| (!texts.is_empty()).then(|| bounded(&texts.join("; ")));
        match decision.complete {
            Some(true) => Self::Complete,
            Some(false) => Self::Incomplete {
                detail: first(&decision.reasons).or_else(|| first(&decision.fingerprints)),
            },
            None => Self::Unknown {
                detail: format!("source {}: {}", decision.source.name(), decision.problems.join(", and ")),
            },
        }
    }
}

/// What a check decided that wrote these files, in their order, and this answer.
#[must_use]
pub fn decide(check: CheckMoment<'_>, files: &[DecisionFile], answer: &str) -> CheckDecision {
    let mut problems = Vec::new();
    let mut is_missing = false;
    for file in files {
        let read = match file {
            DecisionFile::Missing => {
                is_missing = true;
                continue;
            }
            DecisionFile::Unreadable { why } => Err(format!("the decision file cannot be read: {why}")),
            DecisionFile::Found(file) => of_file(check, file),
        };
        match read {
            Ok(decision) => return CheckDecision { problems, ..decision },
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() && is_missing {
        problems.push("the decision file is missing".to_owned());
    }
    match of_answer(check, answer) {
        Ok(decision) => CheckDecision { problems, ..decision },
        Err(problem) => {
            problems.push(problem);
            let (reasons, fingerprints) = (Vec::new(), Vec::new());
            CheckDecision { complete: None, source: DecisionSource::None, reasons, fingerprints, problems }
        }
    }
}

fn of_file(check: CheckMoment<'_>, file: &FoundFile) -> Result<CheckDecision, String> {
    if file.bytes.len() > MAX_DECISION_BYTES {
        return Err(format!("the decision file is longer than {MAX_DECISION_BYTES} bytes"));
    }
    let text = String::from_utf8_lossy(&file.bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("the decision file is empty".to_owned());
    }
    let is_stale = file.written_at.0.saturating_add(CLOCK_SLACK_MS) < check.began_at.0;
    let stale = || Err("the decision file was written before the check began".to_owned());
    if text.starts_with('{') && text.ends_with('}') {
        return match json::read(text, check.id) {
            Reading::Decision { with_id: false, .. } if is_stale => stale(),
            Reading::Decision { complete, reasons, fingerprints, .. } => {
                let found = CheckDecision::found(complete, DecisionSource::FileJson, Vec::new());
                Ok(CheckDecision { reasons, fingerprints, ..found })
            }
            Reading::OfAnother { id } => {
                Err(format!("the decision file is of another check (`{id}`, not `{}`)", check.id))
            }
            Reading::None => Err("the decision file is not JSON with a `decision` that is `complete` or \
                                  `incomplete`"
                .to_owned()),
        };
    }
    if is_stale {
        return stale();
    }
    let complete = markers::last(text).ok_or_else(|| {
        "the decision file has neither JSON nor a marker such as `PASS` or `FAIL`".to_owned()
    })?;
    Ok(CheckDecision::found(complete, DecisionSource::FileText, Vec::new()))
}

fn of_answer(check: CheckMoment<'_>, answer: &str) -> Result<CheckDecision, String> {
    let mut another = None;
    for line in answer.lines().rev().map(str::trim).filter(|line| json::may_be(line)) {
        match json::read(line, check.id) {
            Reading::Decision { complete, reasons, fingerprints, .. } => {
                let found = CheckDecision::found(complete, DecisionSource::AnswerJson, Vec::new());
                return Ok(CheckDecision { reasons, fingerprints, ..found });
            }
            Reading::OfAnother { id } => another = another.or(Some(id)),
            Reading::None => {}
        }
    }
    if let Some(complete) = markers::last(answer) {
        return Ok(CheckDecision::found(complete, DecisionSource::AnswerText, Vec::new()));
    }
    Err(match another {
        Some(id) => format!("the decision in the answer is of another check (`{id}`, not `{}`)", check.id),
        None => "there is no decision in the answer either".to_owned(),
    })
}

/// White space collapsed, and no longer than a reason may be.
fn bounded(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_REASON {
        return line;
    }
    line.chars().take(LONGEST_REASON - 1).chain(['…']).collect()
}

/// Texts as they are kept: bounded, none empty, none twice.
fn kept(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let texts = texts.map(|text| bounded(&text)).filter(|text| !text.is_empty());
    texts.filter(|text| seen.insert(text.clone())).take(MOST_REASONS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: CheckMoment<'static> = CheckMoment { id: "c1", began_at: UtcMillis(10_000) };

    fn file(text: &str, written_at: u64) -> DecisionFile {
        DecisionFile::Found(FoundFile { bytes: text.into(), written_at: UtcMillis(written_at) })
    }

    /// The decision in words: what, where, and why not elsewhere.
    fn told(files: &[DecisionFile], answer: &str) -> String {
        let decision = decide(CHECK, files, answer);
        let what = match decision.complete {
            Some(true) => "complete",
            Some(false) => "incomplete",
            None => "undecided",
        };
        let reasons = decision.reasons.join("|");
        format!("{what} {} [{reasons}] {}", decision.source.name(), decision.problems.join(", and "))
    }

    #[test]
    fn the_first_place_with_a_decision_counts() {
        let json = |decision: &str, id: &str| format!(r#"{{"decision":"{decision}","check_id":"{id}"}}"#);
        let cases = [
            (vec![file(&json("complete", "c1"), 0)], "FAIL", "complete file-json [] "),
            (
                vec![DecisionFile::Missing, file(&json("Incomplete", "c1"), 0)],
                "PASS",
                "incomplete file-json [] ",
            ),
            (vec![file("all is well\nPASS\n", 10_000)], "FAIL", "complete file-text [] "),
            (
                vec![DecisionFile::Missing],
                "so:\n{\"decision\":\"incomplete\",\"reasons\":[\"a\",\"b\"]}\nPASS",
                "incomplete answer-json [a|b] the decision file is missing",
            ),
            (
                vec![DecisionFile::Missing],
                "VERDICT: pass",
                "complete answer-text [] the decision file is missing",
            ),
            (
                vec![DecisionFile::Missing],
                "well",
                "undecided none [] the decision file is missing, and there is no decision in the answer either",
            ),
        ];
        for (files, answer, expected) in cases {
            assert_eq!(told(&files, answer), expected, "{files:?} {answer}");
        }
    }

    #[test]
    fn a_decision_of_another_check_or_of_an_earlier_time_does_not_count() {
        let old = r#"{"decision":"complete"}"#;
        let mine = r#"{"decision":"complete","checkId":"c1"}"#;
        let other = r#"{"decision":"complete","check_id":"c0"}"#;
        // Two seconds are the clock of the file system.
        assert!(told(&[file(old, 8_000)], "").starts_with("complete file-json"));
        for (text, why) in [
            (old, "written before the check began"),
            ("PASS", "written before the check began"),
            (other, "of another check (`c0`, not `c1`)"),
        ] {
            let told = told(&[file(text, 7_999)], "");
            assert!(told.starts_with("undecided none") && told.contains(why), "{told}");
        }
        assert!(told(&[file(mine, 0)], "").starts_with("complete file-json"), "its id says that it is new");
        assert!(told(&[file(other, 90_000)], "").contains("of another check"));
        let answer = format!("{mine}\n{other}");
        assert!(told(&[], &answer).starts_with("complete answer-json"), "a mismatch is passed over");
        assert!(told(&[], other).contains("the decision in the answer is of another check"));
    }

    #[test]
    fn what_is_no_decision_says_why() {
        for (text, why) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("{\"decision\":\"PASS\"}", "not JSON with a `decision`"),
            ("{\"decision\":7}", "not JSON with a `decision`"),
            ("{nonsense}", "not JSON with a `decision`"),
            ("Fail-safe logic is fine", "neither JSON nor a marker"),
        ] {
            let told = told(&[file(text, 10_000)], "");
            assert!(told.starts_with("undecided none") && told.contains(why), "{text}: {told}");
        }
        let long = DecisionFile::Found(FoundFile {
            bytes: vec![b'P'; MAX_DECISION_BYTES + 1],
            written_at: UtcMillis(10_000),
        });
        assert!(told(&[long], "").contains("is longer than"));
        let unreadable = DecisionFile::Unreadable { why: "a link".to_owned() };
        assert!(told(&[unreadable], "PASS").contains("cannot be read: a link"));
        assert!(told(&[file("\u{feff}PASS", 10_000)], "").starts_with("complete file-text"));
    }

    #[test]
    fn reasons_are_bounded_and_there_once() {
        let many: Vec<String> = (0..500).map(|number| format!("{number} {}", "x".repeat(500))).collect();
        let text =
            serde_json::json!({"decision": "incomplete", "reasons": many, "fingerprints": ["a", "a", " "]});
        let decision = decide(CHECK, &[file(&text.to_string(), 10_000)], "");
        assert_eq!(
            (decision.reasons.len(), decision.fingerprints.as_slice()),
            (200, ["a".to_owned()].as_slice())
        );
        assert!(decision.reasons.iter().all(|reason| reason.chars().count() == 240));
        let IterationDecision::Incomplete { detail: Some(detail) } = decision.into() else { panic!() };
        assert_eq!(detail.chars().count(), 240);
    }

    #[test]
    fn no_bytes_are_too_much() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..400), answer in ".{0,200}")| {
            let file = DecisionFile::Found(FoundFile { bytes, written_at: UtcMillis(10_000) });
            let decision = decide(CHECK, &[file], &answer);
            prop_assert_eq!(decision.complete.is_none(), decision.source == DecisionSource::None);
        });
    }
}

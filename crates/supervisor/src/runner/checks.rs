//! The checks of steps that are repeated: what their workers are told, and what they have decided.

use std::path::PathBuf;

use roboppi_ipc::{ErrorClass, UtcMillis, WorkerKind, WorkerResult, WorkerStatus};
use roboppi_process::aside;
use roboppi_run::{AttemptRef, Role};
use roboppi_workflow::{AttemptEnd, CheckMoment, IterationDecision, Step, decide};
use uuid::Uuid;

use super::RunContext;
use super::convergence::Checked;
use super::facts::{CheckFacts, IncompleteFacts, StepFacts};
use crate::context_dir::{ArtifactError, DecisionPlace};
use crate::convert::path_text;
use crate::machine::attempt::AttemptStop;

/// Variable with the id of a check.
pub(super) const CHECK_ID: &str = "ROBOPPI_COMPLETION_CHECK_ID";

/// Variable with the path of the file that is the check's own.
pub(super) const DECISION_FILE: &str = "ROBOPPI_COMPLETION_DECISION_FILE";

impl StepFacts {
    /// A check begins, or goes on with the session of its agent, which knows the id already.
    pub(super) fn begin_check(&mut self, began_at: UtcMillis) {
        let goes_on = self.continued.is_some();
        let known = self.check.take().filter(|_| goes_on);
        let id = || Uuid::new_v4().to_string();
        self.check = Some(known.unwrap_or_else(|| CheckFacts { id: id(), began_at, result: None }));
    }
}

impl RunContext {
    fn check_of(&self, of: &AttemptRef) -> Option<CheckFacts> {
        let facts = self.facts.borrow();
        facts.get(&of.step)?.check.clone().filter(|_| of.role == Role::Check)
    }

    /// The id of the check that an attempt is; `None` for one that does the work.
    pub(super) fn check_id(&self, of: &AttemptRef) -> Option<String> {
        self.check_of(of).map(|check| check.id)
    }

    /// Where an attempt writes a decision; `None` for one that does the work, and for a script, whose exit code decides.
    pub(super) fn decision_place(&self, of: &AttemptRef) -> Option<DecisionPlace> {
        let check = self.check_of(of)?.id;
        let file = self.node(&of.step)?.step.check.as_ref()?.decision_file.clone()?;
        Some(DecisionPlace { step: of.step.clone(), check, file })
    }

    /// The path of the file for its decision that is its own.
    pub(super) fn decision_path(&self, of: &AttemptRef) -> Option<PathBuf> {
        self.decision_place(of).map(|place| self.context.decision_path(&place))
    }

    /// What the worker of an attempt is told. A script is never altered: its shell knows the variables.
    pub(super) fn instructions(&self, of: &AttemptRef, task: &Step) -> String {
        match self.check_id(of) {
            Some(id) if task.worker != WorkerKind::CUSTOM => {
                let path = self.decision_path(of).map(|path| path_text(&path)).unwrap_or_default();
                fill_in(&task.instructions, &[(CHECK_ID, &id), (DECISION_FILE, &path)])
            }
            _ if task.worker == WorkerKind::CUSTOM => task.instructions.clone(),
            _ => match self.briefing(of) {
                Some(briefing) => format!("{}\n\n{briefing}", task.instructions.trim_end()),
                None => task.instructions.clone(),
            },
        }
    }

    /// Makes the place for the decision of an attempt.
    pub(super) async fn prepare_decision(&self, of: &AttemptRef) -> Result<(), AttemptStop> {
        let Some(place) = self.decision_place(of) else { return Ok(()) };
        let failed = |error: ArtifactError| {
            let detail = format!("there is no place for its decision: {error}");
            AttemptStop::Failed(Some(ErrorClass::NonRetryable), detail)
        };
        let site = self.site_of(&of.step).map_err(failed)?;
        let made = aside(move || site.prepare_decision(&place)).await;
        self.context_notice(Some(&of.step));
        made.unwrap_or_else(|error| Err(ArtifactError::Unanswered(error))).map_err(failed)
    }

    /// What the exit code of a script has decided; `None` when files have to be looked at.
    pub(super) fn decided_at_once(&self, of: &AttemptRef) -> Option<IterationDecision> {
        if self.has_scope(of) { None } else { self.decided_by_exit(of) }
    }

    fn decided_by_exit(&self, of: &AttemptRef) -> Option<IterationDecision> {
        if self.decision_place(of).is_some() {
            return None;
        }
        let unknown = || IterationDecision::Unknown { detail: "its check has left no result".to_owned() };
        Some(
            self.check_of(of)
                .and_then(|check| check.result)
                .map_or_else(unknown, |result| of_script(&result)),
        )
    }

    /// The same decision, with what has changed since the iteration before.
    pub(super) fn with_changes(&self, of: &AttemptRef, decision: IterationDecision) -> IterationDecision {
        let IterationDecision::Incomplete { detail } = decision else { return decision };
        let mut facts = self.facts.borrow_mut();
        let facts = facts.entry(of.step.clone()).or_default();
        let outputs = facts.artifacts.iter().map(|made| (made.name.clone(), made.sha256.clone())).collect();
        let now = IncompleteFacts { detail, outputs };
        let changes = facts.incomplete.as_ref().map(|before| changes(before, &now)).unwrap_or_default();
        let detail = match (now.detail.clone(), changes.is_empty()) {
            (detail, true) => detail,
            (Some(detail), false) => Some(format!("{detail} ({changes})")),
            (None, false) => Some(changes),
        };
        facts.incomplete = Some(now);
        IterationDecision::Incomplete { detail }
    }

    /// What the worker of a check has decided, and the files that were changed.
    pub(super) async fn decide(&self, of: &AttemptRef) -> Checked {
        let checked = match self.decided_by_exit(of) {
            Some(decision) => decision.into(),
            None => self.decided_in_files(of).await,
        };
        self.within_scope(of, checked).await
    }

    async fn decided_in_files(&self, of: &AttemptRef) -> Checked {
        let unknown = |detail: String| IterationDecision::Unknown { detail }.into();
        let (Some(check), Some(place)) = (self.check_of(of), self.decision_place(of)) else {
            return unknown("its check is not known".to_owned());
        };
        let site = match self.site_of(&of.step) {
            Ok(site) => site,
            Err(error) => return unknown(error.to_string()),
        };
        let Ok(files) = aside(move || site.read_decision(&place)).await else {
            return unknown("the decision file could not be read".to_owned());
        };
        self.context_notice(Some(&of.step));
        let answer = check.result.as_deref().map(answer_of).unwrap_or_default();
        let decision = decide(CheckMoment { id: &check.id, began_at: check.began_at }, &files, &answer);
        let (fingerprints, reasons) = (decision.fingerprints.clone(), decision.reasons.clone());
        Checked { decision: decision.into(), fingerprints, reasons }
    }
}

/// What is the same as when the work was found incomplete before, and what is not, as words; empty when nothing is known.
fn changes(before: &IncompleteFacts, now: &IncompleteFacts) -> String {
    let mut parts = Vec::new();
    if now.detail.is_some() && before.detail == now.detail {
        parts.push("the same as before".to_owned());
    }
    let has_changed = |(name, hash): &(&String, &Option<String>)| before.outputs.get(*name) != Some(*hash);
    let gone = before.outputs.keys().filter(|name| !now.outputs.contains_key(*name));
    let changed = now.outputs.iter().filter(has_changed).map(|(name, _)| name).chain(gone);
    let names: Vec<_> = changed.map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        parts.push(format!("changed: {}", names.join(", ")));
    } else if !now.outputs.is_empty() {
        parts.push("no output changed".to_owned());
    }
    parts.join("; ")
}

/// What the exit code of a script says.
fn of_script(result: &WorkerResult) -> IterationDecision {
    if result.status == WorkerStatus::Succeeded {
        return IterationDecision::Complete;
    }
    let detail = match AttemptEnd::from(result) {
        AttemptEnd::Failed { detail, .. } => Some(detail),
        _ => None,
    };
    IterationDecision::Incomplete { detail }
}

/// What an agent said last, or else what its core observed.
fn answer_of(result: &WorkerResult) -> String {
    let answer = result.details.as_ref().and_then(|details| details.answer.clone());
    answer.unwrap_or_else(|| {
        let summaries = result.observations.iter().filter_map(|observation| observation.summary.as_deref());
        summaries.collect::<Vec<_>>().join("\n")
    })
}

/// Puts the values of variables in place of `$NAME` and `${NAME}`.
fn fill_in(text: &str, variables: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        match variables.iter().find_map(|(name, value)| Some((value, after(from, name)?))) {
            Some((value, after)) => {
                filled.push_str(value);
                rest = after;
            }
            None => {
                filled.push('$');
                rest = &from[1..];
            }
        }
    }
    filled + rest
}

/// What follows a variable at the beginning of a text.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let text = text.strip_prefix('$')?;
    if let Some(braced) = text.strip_prefix('{') {
        return braced.strip_prefix(name)?.strip_prefix('}');
    }
    let rest = text.strip_prefix(name)?;
    (!rest.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_nothing_else() {
        let filled = |text: &str| fill_in(text, &[("ID", "7"), ("FILE", "$ID")]);
        for (text, expected) in [
            ("id $ID, ${ID}.", "id 7, 7."),
            ("$IDENTITY ${IDENTITY} ${ID", "$IDENTITY ${IDENTITY} ${ID"),
            ("$FILE$ID$", "$ID7$"),
            ("$$ID ${}", "$7 ${}"),
            ("costs $5 é$ID", "costs $5 é7"),
            ("", ""),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }
}

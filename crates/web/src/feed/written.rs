//! Events of runs, as they are sent.

use roboppi_attach::Liveness;
use roboppi_run::{JournalRecord, RunEvent, RunRecord, RunView, StepPath};
use serde_json::{Value, json};

use super::cursor::Place;
use super::ring::Sent;
use crate::api::attempt::Attempt;
use crate::api::item::{EVENT_TEXT, Item};
use crate::api::run::{Command, RunFacts, RunRow, Warning};
use crate::api::step::Step;

/// Longest JSON of an event. A step with very many attempts is sent with the latest ones only.
const LONGEST: usize = 40 * 1024;

/// Attempts of such a step.
const ATTEMPTS: usize = 5;

/// The event of a record, after the record was folded into the view.
pub(crate) fn event(facts: &RunFacts, view: &RunView, record: &RunRecord, place: Place) -> Sent {
    match record {
        RunRecord::Journal(record) => of_journal(facts, view, record, place),
        RunRecord::Attempt(of, record) => {
            let item = Item::of(record, EVENT_TEXT);
            let tool = item.as_ref().and_then(Item::tool).map(str::to_owned);
            let important = matches!(item.as_ref().map(|item| item.kind), Some("waiting"));
            let fields = json!({"at": record.ts.0, "step": of.step.as_str(), "attempt": of.to_string(),
                "kind": "activity", "item": item});
            sent(place, "activity", tool, important, &fields)
        }
    }
}

/// Whether a record is an event: output and samples of resources are none.
pub(crate) fn is_event(record: &RunRecord) -> bool {
    match record {
        RunRecord::Journal(_) => true,
        RunRecord::Attempt(_, record) => {
            record.event.is_recorded()
                || matches!(&record.event, roboppi_ipc::WorkerEvent::Gap(gap) if gap.recorded > 0)
        }
    }
}

fn of_journal(facts: &RunFacts, view: &RunView, record: &JournalRecord, place: Place) -> Sent {
    let at = record.ts.0;
    let run = |important| {
        let row = RunRow::of(facts, view, Liveness::Live, record.ts);
        sent(place, "runChanged", None, important, &json!({"at": at, "kind": "runChanged", "run": row}))
    };
    match &record.event {
        RunEvent::StepChanged { step, state, .. } => step_changed(view, step, at, place, state.is_final()),
        RunEvent::IterationStarted { step, .. }
        | RunEvent::ArtifactCollected { step, .. }
        | RunEvent::ValuesSet { step: Some(step), .. } => step_changed(view, step, at, place, false),
        RunEvent::AttemptStarted { of, .. }
        | RunEvent::AttemptPhase { of, .. }
        | RunEvent::AttemptFinished { of, .. } => {
            let attempt =
                view.step(&of.step).zip(view.attempt(of)).map(|(step, view)| Attempt::of(step, view));
            let important = matches!(record.event, RunEvent::AttemptFinished { .. });
            let fields = json!({"at": at, "step": of.step.as_str(), "kind": "attemptChanged",
                "id": of.to_string(), "attempt": attempt});
            sent(place, "attemptChanged", None, important, &fields)
        }
        RunEvent::Command { .. } => {
            let command = view.commands.last().map(Command::of);
            let step = command.as_ref().and_then(|command| command.step.clone());
            let fields = json!({"at": at, "step": step, "kind": "command", "command": command});
            sent(place, "command", None, true, &fields)
        }
        RunEvent::Warning { message, step } => {
            let warning = Warning::of(record.ts, message, step.as_ref());
            let fields = json!({"at": at, "step": warning.step, "kind": "warning", "warning": warning});
            sent(place, "warning", None, true, &fields)
        }
        RunEvent::RunStarted { .. }
        | RunEvent::RunEnding { .. }
        | RunEvent::RunFinished { .. }
        | RunEvent::CoreLost { .. } => run(true),
        RunEvent::CoreStarted { .. }
        | RunEvent::CoreReport { .. }
        | RunEvent::ValuesSet { step: None, .. } => run(false),
        RunEvent::PlanExtended { nodes } => {
            let row = RunRow::of(facts, view, Liveness::Live, record.ts);
            let steps = nodes.iter().filter_map(|node| view.step(&node.step));
            let steps: Vec<_> = steps.map(|step| Step::of(step, Liveness::Live)).collect();
            let fields = json!({"at": at, "kind": "runChanged", "run": row, "steps": steps});
            let event = sent(place, "runChanged", None, true, &fields);
            if event.body.len() <= LONGEST {
                return event;
            }
            let fields = json!({"at": at, "kind": "runChanged", "run": row, "stepsLeftOut": true});
            sent(place, "runChanged", None, true, &fields)
        }
        RunEvent::Unknown { .. } => sent(place, "other", None, false, &json!({"at": at, "kind": "other"})),
    }
}

fn step_changed(view: &RunView, path: &StepPath, at: u64, place: Place, important: bool) -> Sent {
    let mut step = view.step(path).map(|step| Step::of(step, Liveness::Live));
    let fields =
        |step: &Option<Step>| json!({"at": at, "step": step, "path": path.as_str(), "kind": "stepChanged"});
    let event = sent(place, "stepChanged", None, important, &fields(&step));
    if event.body.len() <= LONGEST {
        return event;
    }
    if let Some(step) = &mut step {
        let left_out = step.attempts.len().saturating_sub(ATTEMPTS);
        step.attempts.drain(..left_out);
        step.attempts_left_out = Some(left_out);
        step.attempts.iter_mut().for_each(|attempt| attempt.result = None);
        step.artifacts.truncate(20);
        step.depends_on.truncate(100);
    }
    sent(place, "stepChanged", None, important, &fields(&step))
}

fn sent(place: Place, kind: &'static str, tool: Option<String>, important: bool, fields: &Value) -> Sent {
    let mut fields = fields.clone();
    if let Value::Object(fields) = &mut fields {
        fields.retain(|_, value| !value.is_null());
    }
    let mut body = serde_json::to_string(&fields).unwrap_or_default();
    // The opening brace is written with the cursor.
    body.remove(0);
    Sent { place, kind, tool, important, body }
}

#[cfg(test)]
mod tests {
    use roboppi_ipc::{UtcMillis, WorkerEvent};
    use roboppi_run::{AttemptRecord, AttemptRef};

    use super::*;

    #[test]
    fn an_event_is_json_with_its_cursor_and_its_texts_are_cut() {
        let text = roboppi_ipc::AgentText::new("ä".repeat(100_000));
        let record = AttemptRecord { seq: 3, ts: UtcMillis(5), at: 0, event: WorkerEvent::Text(text) };
        let record = RunRecord::Attempt(AttemptRef::first("build".into()), record);
        let place = Place::Attempt { attempt: 1, seq: 3 };
        let event = event(&RunFacts::default(), &RunView::default(), &record, place);
        let json: Value = serde_json::from_str(&event.with_cursor("1.1.1-4")).unwrap();
        assert_eq!(
            (&json["cursor"], &json["kind"], &json["attempt"]),
            (&"1.1.1-4".into(), &"activity".into(), &"build".into())
        );
        assert_eq!(json["item"]["cut"], true);
        assert!(event.body.len() < LONGEST);
    }
}

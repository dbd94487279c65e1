//! What a notification says of a run: one JSON object for programs, with a sentence for people in it.

use roboppi_ipc::UtcMillis;
use roboppi_run::{RunHandle, RunId, RunOutcome, RunStatus, RunView, StepPath, StepState, StepView};
use roboppi_untrusted::words;
use serde::Serialize;

use crate::units::{duration, limit_time};

const VERSION: u32 = 1;

/// Steps that are named.
const STEPS: usize = 50;

/// Characters of a text.
const LONGEST: usize = 500;

/// Something about a run.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    v: u32,
    /// The word for the occasion.
    event: &'static str,
    ts: UtcMillis,
    /// For people; the field that chat systems show.
    text: String,
    run: Option<RunId>,
    handle: Option<RunHandle>,
    name: String,
    workspace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<RunOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flaky: Vec<String>,
    /// The step that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<UtcMillis>,
}

impl Notification {
    /// A run is over. `hide` masks what must not be seen in names.
    #[must_use]
    pub fn end(view: &RunView, now: UtcMillis, hide: &dyn Fn(&str) -> String) -> Self {
        let mut about = Self::about(view, "end", now, hide);
        let paths = |fits: &dyn Fn(&StepView) -> bool| -> Vec<String> {
            let steps = view.steps().filter(|step| fits(step)).take(STEPS);
            steps.map(|step| shown(step.plan.step.as_str(), hide)).collect()
        };
        about.failed = paths(&|step| step.state == StepState::Failed && !step.allowed_to_fail);
        about.flaky = paths(&StepView::is_flaky);
        if let RunStatus::Finished { outcome, exit_code, duration_ms, .. } = &view.status {
            about.outcome = Some(*outcome);
            about.exit_code = Some(*exit_code);
            about.duration_ms = Some(*duration_ms);
            if *outcome != RunOutcome::Succeeded {
                about.event = "failure";
            }
            let failed = match about.failed.as_slice() {
                [] => String::new(),
                failed => format!(": {} failed", failed.join(", ")),
            };
            let flaky = match about.flaky.as_slice() {
                [] => String::new(),
                flaky => format!(" (flaky: {})", flaky.join(", ")),
            };
            let (name, word, time) = (&about.name, outcome.name().replace('_', " "), duration(*duration_ms));
            about.text = cut(&format!("{}{name} {word} after {time}{failed}{flaky}", about.prefix()));
        }
        about
    }

    /// A step waits, until a time when that is known.
    #[must_use]
    pub fn waiting(
        view: &RunView,
        step: &StepPath,
        why: &str,
        until: Option<UtcMillis>,
        now: UtcMillis,
        hide: &dyn Fn(&str) -> String,
    ) -> Self {
        let mut about = Self::about(view, "waiting", now, hide);
        let (step, why) = (shown(step.as_str(), hide), shown(why, hide));
        let time = until.map_or_else(String::new, |until| format!(" until {}", limit_time(until)));
        about.text = cut(&format!("{}{}: {step} waits{time}: {why}", about.prefix(), about.name));
        (about.step, about.why, about.until) = (Some(step), Some(why), until);
        about
    }

    fn about(view: &RunView, event: &'static str, ts: UtcMillis, hide: &dyn Fn(&str) -> String) -> Self {
        let head = view.head.as_ref();
        Self {
            v: VERSION,
            event,
            ts,
            text: String::new(),
            run: head.map(|head| head.run_id.clone()),
            handle: head.and_then(|head| head.handle),
            name: head.map_or_else(String::new, |head| shown(&head.name, hide)),
            workspace: head.map_or_else(String::new, |head| shown(&head.workspace, hide)),
            outcome: None,
            exit_code: None,
            duration_ms: None,
            failed: Vec::new(),
            flaky: Vec::new(),
            step: None,
            why: None,
            until: None,
        }
    }

    fn prefix(&self) -> String {
        self.handle.map_or_else(String::new, |handle| format!("{handle} "))
    }

    /// The word for the occasion.
    #[must_use]
    pub const fn event(&self) -> &'static str {
        self.event
    }

    /// The JSON text, on one line.
    #[must_use]
    pub fn json(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        roboppi_untrusted::json(&text).into_owned()
    }
}

fn shown(text: &str, hide: &dyn Fn(&str) -> String) -> String {
    cut(&words(&hide(text)))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{changed, journal, run_finished, run_started};

    #[test]
    fn a_notification_is_short_harmless_and_without_secrets() {
        let hostile = "a\u{1b}[31m\n##vso[x] s3cret";
        let long = "y".repeat(10_000);
        let mut view = RunView::default();
        for record in journal(vec![
            run_started(&[(hostile, 1), (&long, 1)]),
            changed(hostile, StepState::Failed, ""),
            changed(&long, StepState::Failed, ""),
            run_finished(RunOutcome::Failed, 61_500, ""),
        ]) {
            view.apply(&record);
        }
        let hide = |text: &str| text.replace("s3cret", "***");
        let json = Notification::end(&view, UtcMillis(5), &hide).json();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&read["event"], &read["outcome"]), (&"failure".into(), &"failed".into()));
        assert!(
            read["text"].as_str().unwrap().starts_with("demo failed after 1m01s: a ## vso[x] ***"),
            "{json}"
        );
        assert!(
            json.len() < 3_000 && !json.contains("s3cret") && json.chars().all(|char| !char.is_control())
        );
        let waiting =
            Notification::waiting(&view, &"b".into(), "the limit\nis s3cret", None, UtcMillis(5), &hide)
                .json();
        assert!(waiting.contains("\"text\":\"demo: b waits: the limit is ***\""), "{waiting}");
    }
}

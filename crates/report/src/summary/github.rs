//! A run as outputs of a step of GitHub Actions.

use roboppi_run::{RunStatus, RunView, StepState};
use roboppi_untrusted as untrusted;
use serde_json::{Map, Value};

/// Bytes of the states of all steps. GitHub refuses a step with more than 1 MiB of outputs.
const LONGEST_STEPS: usize = 256 * 1024;

/// Lines `name=value` for the file of `GITHUB_OUTPUT`. Values are words, numbers and JSON in one line, so no text of a run can
/// add an output of its own.
#[must_use]
pub fn github_output(view: &RunView) -> String {
    let head = view.head.as_ref();
    let mut outputs = vec![
        ("run", head.map_or_else(String::new, |head| head.run_id.to_string())),
        ("handle", head.and_then(|head| head.handle).map_or_else(String::new, |handle| handle.to_string())),
    ];
    if let RunStatus::Finished { outcome, exit_code, duration_ms, .. } = &view.status {
        outputs.push(("outcome", outcome.name().to_owned()));
        outputs.push(("exit-code", exit_code.to_string()));
        outputs.push(("duration-ms", duration_ms.to_string()));
    }
    let paths = |fits: &dyn Fn(&roboppi_run::StepView) -> bool| -> Value {
        view.steps().filter(|step| fits(step)).map(|step| step.plan.step.as_str()).collect()
    };
    outputs.push((
        "failed",
        paths(&|step| step.state == StepState::Failed && !step.allowed_to_fail).to_string(),
    ));
    outputs.push(("flaky", paths(&|step| step.is_flaky()).to_string()));
    let states = view.steps().map(|step| (step.plan.step.to_string(), step.state.name().into()));
    outputs.push(("steps", Value::Object(states.collect::<Map<_, _>>()).to_string()));
    let mut text = String::new();
    for (name, value) in outputs {
        let value = untrusted::json(&value);
        // A value that is too long would make GitHub drop all of them.
        if value.len() <= LONGEST_STEPS && !value.contains(['\n', '\r']) {
            text.push_str(&format!("{name}={value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use roboppi_run::{RunOutcome, RunView, StepState};

    use super::*;
    use crate::fixtures::{changed, journal, run_finished, run_started};

    #[test]
    fn no_name_of_a_step_adds_an_output() {
        let hostile = "a\nevil=1\r<<EOF\u{2028}\u{85}x";
        let mut view = RunView::default();
        for record in journal(vec![
            run_started(&[(hostile, 1), ("b", 1)]),
            changed(hostile, StepState::Failed, ""),
            changed("b", StepState::Succeeded, ""),
            run_finished(RunOutcome::Failed, 1_500, ""),
        ]) {
            view.apply(&record);
        }
        let text = github_output(&view);
        let names: Vec<_> = text.lines().map(|line| line.split_once('=').unwrap().0).collect();
        assert_eq!(
            names,
            ["run", "handle", "outcome", "exit-code", "duration-ms", "failed", "flaky", "steps"]
        );
        let steps = text.lines().last().unwrap().strip_prefix("steps=").unwrap();
        assert!(steps.chars().all(|char| !char.is_control()), "{steps}");
        let steps: Value = serde_json::from_str(steps).unwrap();
        assert_eq!(steps[hostile], "failed");
    }

    #[test]
    fn states_of_very_many_steps_are_left_out() {
        let names: Vec<String> = (0..30_000).map(|number| format!("step number {number}")).collect();
        let mut view = RunView::default();
        let steps: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        for record in journal(vec![run_started(&steps), run_finished(RunOutcome::Failed, 1, "")]) {
            view.apply(&record);
        }
        let text = github_output(&view);
        assert!(
            text.contains("outcome=failed\n") && !text.contains("steps=") && text.len() < 1024,
            "{}",
            text.len()
        );
    }
}

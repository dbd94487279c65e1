//! What a run that goes on with an earlier one would do.

use std::fmt::Write as _;

use roboppi_attach::Liveness;
use roboppi_run::RunId;
use roboppi_untrusted::first_words;
use roboppi_workflow::{Decision, ResumePlan};
use serde_json::json;

use crate::table;

/// What becomes of each step, and why.
#[must_use]
pub fn render(earlier: &str, liveness: Liveness, plan: &ResumePlan) -> String {
    let mut rows = vec![["STEP", "WHAT", "WHY"].map(str::to_owned)];
    rows.extend(plan.steps.iter().map(|(step, decision)| {
        let (what, why) = match decision {
            Decision::Keep { .. } => ("keep", String::new()),
            Decision::Run(why) if why.is_change() => ("run again", why.text()),
            Decision::Run(why) => {
                let goes_on = plan.iteration(step).map(|iteration| format!(", from iteration {iteration}"));
                ("run", why.text() + &goes_on.unwrap_or_default())
            }
        };
        [first_words(step.as_str()), what.to_owned(), first_words(&why)]
    }));
    let mut text = format!("Run {earlier}: {}\n\n{}", liveness.name(), table(&rows));
    for step in &plan.gone {
        let _ = writeln!(text, "{} is no longer in the workflow", first_words(step.as_str()));
    }
    if plan.changes().next().is_some() {
        text.push_str("\nWhat runs again had succeeded: this needs --accept-changes.\n");
    }
    text
}

/// The same as a JSON object.
#[must_use]
pub fn object(earlier: &RunId, liveness: Liveness, plan: &ResumePlan) -> String {
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|(step, decision)| match decision {
            Decision::Keep { .. } => json!({"step": step, "keep": true}),
            Decision::Run(why) => {
                let mut object =
                    json!({"step": step, "keep": false, "why": why.text(), "changed": why.is_change()});
                if let Some(iteration) = plan.iteration(step) {
                    object["fromIteration"] = iteration.into();
                }
                object
            }
        })
        .collect();
    let state = liveness.name();
    format!("{:#}\n", json!({"run": earlier, "state": state, "steps": steps, "gone": plan.gone}))
}

/// The steps that had succeeded and run again, a line each, behind a line break; empty when there are none.
#[must_use]
pub fn changes(plan: &ResumePlan) -> String {
    let lines: String = plan.changes().map(|(step, why)| format!("\n  {step}: {}", why.text())).collect();
    lines.split('\n').map(first_words).collect::<Vec<_>>().join("\n")
}

//! Every test runs its flow as the second one in its workspace.
//!
//! Before the first run of a `TestEnv`, [`leave_remains`] puts there what a run of the same flow leaves that was killed in
//! the middle, and at the end of the test [`expect_no_remains`] insists that nothing of it was taken over. That costs
//! nothing, needs no script to bear being run twice, and is the harder case: the earlier run has made everything and
//! finished nothing.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::env::TestEnv;
use crate::flow::Flow;
use crate::run_files::walk;

/// Is in everything of the earlier run.
const MARK: &str = "left-by-an-earlier-run";

/// Puts into the context directory what a run of this flow left that was killed. Only before the first one.
pub(crate) fn leave_remains(env: &TestEnv, flow: &Flow) {
    let context = env.work().join("context");
    let is_a_file_name = |name: &str| !name.is_empty() && !name.contains('/') && !name.contains("..");
    let usable = flow.names().iter().all(|(step, _)| is_a_file_name(step));
    if context.symlink_metadata().is_ok() || !env.runs().is_empty() || !usable {
        return;
    }
    let outputs: serde_json::Map<String, Value> =
        flow.names().iter().map(|(step, outputs)| (step.clone(), json!(outputs))).collect();
    fs::create_dir(&context).unwrap();
    let workflow = json!({ "id": MARK, "name": "flow", "status": "RUNNING", "outputs": outputs });
    fs::write(context.join("_workflow.json"), workflow.to_string()).unwrap();
    for (step, outputs) in flow.names() {
        for output in outputs.iter().filter(|output| is_a_file_name(output)) {
            fs::create_dir_all(context.join(step).join(output)).unwrap();
            fs::write(context.join(step).join(output).join(MARK), MARK).unwrap();
        }
        let staging = context.join(step).join(format!(".collecting-{MARK}"));
        fs::create_dir_all(&staging).unwrap();
        fs::write(staging.join(MARK), MARK).unwrap();
        let meta = json!({ "stepId": step, "status": "SUCCEEDED", "workerKind": MARK }).to_string();
        fs::write(context.join(step).join("_meta.json"), &meta).unwrap();
        fs::write(context.join(step).join("_resolved.json"), &meta).unwrap();
    }
}

/// Nothing of it is there when a run has begun since.
pub(crate) fn expect_no_remains(env: &TestEnv) {
    let context = env.work().join("context");
    let text = |path: &Path| fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned());
    match text(&context.join("_workflow.json")) {
        // Of another workflow only the places of its own steps are its business.
        Ok(workflow) if !workflow.contains(MARK) && workflow.contains(r#""name": "flow""#) => {}
        _ => return,
    }
    for path in
        walk(&env.work()).into_iter().filter(|path| path.symlink_metadata().is_ok_and(|at| at.is_file()))
    {
        let small = path.metadata().is_ok_and(|file| file.len() < 100_000);
        let told = path.to_string_lossy().contains(MARK)
            || (small && text(&path).is_ok_and(|text| text.contains(MARK)));
        assert!(!told, "{} is of the run before", path.display());
    }
}

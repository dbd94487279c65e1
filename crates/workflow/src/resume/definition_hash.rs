//! What a step means, in 64 characters.

use std::fmt::Write as _;

use roboppi_run::{StepFingerprint, StepPath};
use sha2::{Digest, Sha256};

use super::Places;
use crate::definition::{AgentOptions, CompletionCheck, Step, Subworkflow};
use crate::plan::Node;

/// Rises when the same definition has another hash than before; then no step of an earlier run is kept.
const VERSION: &str = "1";

/// The hash of what decides what comes of a step: what its worker is told, where it works, what it takes and makes, and
/// what it depends on. How long it may take and how often it is tried is not part of it.
#[must_use]
pub fn definition_hash(node: &Node, places: Places<'_>) -> String {
    let mut hash = Hash::new("definition");
    hash.text(places.workspace);
    hash.text(places.context_dir);
    hash.text(node.path.as_str());
    for (key, value) in
        parts(&node.step).into_iter().filter(|(key, value)| !is_later(key) || !value.is_empty())
    {
        hash.text(key);
        hash.text(&value);
    }
    hash.finish()
}

/// The hash of what came of a step: what it was made of, and the artifacts it made with their hashes.
#[must_use]
pub fn result_hash<'a>(
    fingerprint: &StepFingerprint,
    artifacts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut hash = Hash::new("result");
    hash.text(&fingerprint.definition);
    for input in &fingerprint.inputs {
        hash.text(input.from.as_str());
        hash.text(&input.artifact);
        hash.text(input.sha256.as_deref().unwrap_or_default());
    }
    for upstream in &fingerprint.upstream {
        hash.text(upstream.step.as_str());
        hash.text(upstream.sha256.as_deref().unwrap_or_default());
    }
    let mut artifacts: Vec<_> = artifacts.into_iter().collect();
    artifacts.sort_unstable();
    for (name, sha256) in artifacts {
        hash.text(name);
        hash.text(sha256);
    }
    hash.finish()
}

/// Keys of which a step says something else than then.
pub(super) fn differences(then: &Node, now: &Node) -> Vec<&'static str> {
    let pairs = parts(&then.step).into_iter().zip(parts(&now.step));
    pairs.filter(|(then, now)| then != now).map(|((key, _), _)| key).collect()
}

/// Keys that came after the hash: a step without them has the hash it had before there were any.
fn is_later(key: &str) -> bool {
    [
        "host",
        "program",
        "mcp_config",
        "add_dirs",
        "append_system_prompt",
        "env",
        "completion_check",
        "workflow",
    ]
    .contains(&key)
}

/// What counts of a definition, by key. Each key of the language is decided here: a new one does not compile until it is.
fn parts(step: &Step) -> Vec<(&'static str, String)> {
    let Step {
        worker,
        instructions,
        capabilities,
        agent,
        workspace,
        host,
        depends_on,
        inputs,
        outputs,
        // What it is called, how long it may take, and what its failure means, does not change what it did.
        description: _,
        timeout: _,
        idle: _,
        file_changes: _,
        grace: _,
        max_retries: _,
        on_failure: _,
        on_limit: _,
        continue_on_error: _,
        // What is hidden of its output.
        secrets: _,
        env,
        // When it is done, and how often, does not change what it did.
        control: _,
        check,
        call,
    } = step;
    let AgentOptions {
        model,
        variant,
        max_steps,
        max_command_time: _,
        default_args,
        program,
        mcp_config,
        add_dirs,
        append_system_prompt,
        // How much it may use up.
        budget: _,
        resume,
    } = &**agent;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut depends_on: Vec<_> = depends_on.iter().map(StepPath::as_str).collect();
    depends_on.sort_unstable();
    let mut capabilities: Vec<_> = capabilities.iter().map(roboppi_ipc::Capability::name).collect();
    capabilities.sort_unstable();
    let inputs = inputs.iter().flat_map(|input| [input.from.as_str(), &input.artifact, input.target()]);
    let outputs = outputs
        .iter()
        .flat_map(|output| [output.name.as_str(), &output.path, output.kind.as_deref().unwrap_or_default()]);
    vec![
        ("worker", worker.name().to_owned()),
        ("instructions", instructions.clone()),
        ("capabilities", joined(capabilities)),
        ("model", joined([model.as_deref(), variant.as_deref()].map(Option::unwrap_or_default))),
        ("max_steps", max_steps.map(|steps| steps.to_string()).unwrap_or_default()),
        ("defaultArgs", joined(default_args.iter().map(String::as_str))),
        ("resume", resume.clone().unwrap_or_default()),
        ("workspace", workspace.clone().unwrap_or_default()),
        ("host", host.as_deref().unwrap_or_default().to_owned()),
        ("depends_on", joined(depends_on)),
        ("inputs", joined(inputs)),
        ("outputs", joined(outputs)),
        ("program", text(program)),
        ("mcp_config", text(mcp_config)),
        ("add_dirs", joined(add_dirs.iter().map(String::as_str))),
        ("append_system_prompt", text(append_system_prompt)),
        ("env", joined(env.iter().flat_map(|(name, value)| [name.clone(), value.to_string()]))),
        ("completion_check", check.as_ref().map(|check| check_text(check)).unwrap_or_default()),
        ("workflow", call.as_ref().map(|call| call_text(call)).unwrap_or_default()),
    ]
}

/// What counts of a check: what it is told, not how often it may be asked.
fn check_text(check: &CompletionCheck) -> String {
    // When a loop is given up is not part of what it makes.
    let CompletionCheck { work, decision_file, max_iterations: _, on_exhausted: _, convergence: _ } = check;
    let parts = parts(work).into_iter().filter(|(_, value)| !value.is_empty());
    let parts: Vec<_> = parts.flat_map(|(key, value)| [key.to_owned(), value]).collect();
    joined(parts.iter().map(String::as_str).chain(decision_file.as_deref()))
}

/// What counts of a subworkflow: its file and what is exported of it. Its steps have hashes of their own.
fn call_text(call: &Subworkflow) -> String {
    let Subworkflow { file, span: _, exports, mode, event_prefix, concurrency: _, is_linked: _ } = call;
    let exports = exports.iter().flat_map(|export| [export.from.as_str(), &export.artifact, export.target()]);
    joined([file.as_str(), mode.name()].into_iter().chain(exports).chain(event_prefix.as_deref()))
}

/// Texts as one, so that different ones are never the same.
fn joined(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    texts.into_iter().fold(String::new(), |mut all, text| {
        let text = text.as_ref();
        let _ = write!(all, "{}:{text}", text.len());
        all
    })
}

struct Hash(Sha256);

impl Hash {
    fn new(subject: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.text(VERSION);
        hash.text(subject);
        hash
    }

    /// The length first, so that no two lists of texts are the same bytes.
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    fn finish(self) -> String {
        self.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

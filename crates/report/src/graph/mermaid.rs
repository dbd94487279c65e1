//! For Mermaid, which GitHub, GitLab and many wikis draw.

use std::fmt::Write as _;

use roboppi_ipc::WorkerKind;
use roboppi_untrusted::first_words;
use roboppi_workflow::Plan;

use super::{artifacts, ids, placed};

/// A flowchart. Agents are rounded boxes.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let steps = placed(plan);
    let ids = ids(&steps);
    let mut text = "flowchart LR\n".to_owned();
    for step in &steps {
        let is_script = step.node.step.worker == WorkerKind::CUSTOM;
        let (open, close) = if is_script { ("[", "]") } else { ("(", ")") };
        let _ = writeln!(text, "  s{}{open}\"{}\"{close}", step.id, escaped(step.node.path.as_str()));
    }
    for step in &steps {
        for before in &step.node.step.depends_on {
            let Some(from) = ids.get(before) else { continue };
            let artifacts = artifacts(step.node, before);
            let label = if artifacts.is_empty() {
                String::new()
            } else {
                format!("|\"{}\"|", escaped(&artifacts.join(", ")))
            };
            let _ = writeln!(text, "  s{from} -->{label} s{}", step.id);
        }
    }
    text
}

/// A text in quotation marks: whatever could be a mark of the language or of HTML is written by its number.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in first_words(text).chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | ',' | '/' | '(' | ')' | '=') {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}

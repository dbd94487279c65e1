//! For Graphviz.

use std::fmt::Write as _;

use roboppi_ipc::WorkerKind;
use roboppi_untrusted::first_words;
use roboppi_workflow::Plan;

use super::{artifacts, ids, placed};

/// A digraph in the language DOT. Agents are rounded boxes.
#[must_use]
pub fn dot(name: &str, plan: &Plan) -> String {
    let steps = placed(plan);
    let ids = ids(&steps);
    let mut text =
        format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n", quoted(name));
    for step in &steps {
        let is_script = step.node.step.worker == WorkerKind::CUSTOM;
        let style = if is_script { "" } else { ", style=rounded" };
        let about = step.node.step.description.as_ref();
        let tooltip = about.map_or_else(String::new, |about| format!(", tooltip={}", quoted(about)));
        let label = quoted(step.node.path.as_str());
        let _ = writeln!(text, "  s{} [label={label}{style}{tooltip}];", step.id);
    }
    for step in &steps {
        for before in &step.node.step.depends_on {
            let Some(from) = ids.get(before) else { continue };
            let artifacts = artifacts(step.node, before);
            let label = if artifacts.is_empty() {
                String::new()
            } else {
                format!(" [label={}]", quoted(&artifacts.join(", ")))
            };
            let _ = writeln!(text, "  s{from} -> s{}{label};", step.id);
        }
    }
    text + "}\n"
}

/// A quoted string. A `\` would begin an escape in a label, so it is doubled.
fn quoted(text: &str) -> String {
    format!("\"{}\"", first_words(text).replace('\\', "\\\\").replace('"', "\\\""))
}
